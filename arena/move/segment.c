/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* segment.c owns the choice of a segment to empty, by the free map of the last checkpoint: the emptiest one. What the map
 * says is looked at again before it is relied on. */
#include "arena/move/segment.h"

#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/move/evacuate.h"
#include "arena/move/guard.h"
#include "arena/space/freemap.h"

#define PAGES_SHARE 4  /* of what is moved under a limit, no more of it */
#define LOOKS_MOST  32 /* at segments that are not any more what the free map says */

/* Pages of the table die soon, and what one leaves takes another: under a limit it is for nothing that they are moved. */
static uint64_t page_bytes(const arena *a, uint64_t start, uint64_t end)
{
	if (start == end || a->b->space.max_bytes == UINT64_MAX || !blob_fits(&a->map, start))
		return 0;
	return blob_kind(blob_at(&a->map, start)) == BLOB_PAGE ? end - start : 0;
}

bool segment_look(const arena *a, unsigned least, uint64_t most, struct stretch *t)
{
	const struct slots *s = &a->b->space.free;
	slot_id id = slots_at_or_before(s, t->start);
	uint64_t room = 0, large = 0, moved = 0, pages = 0;
	uint64_t at;

	if (t->end > map_bytes(&a->map))
		t->end = map_bytes(&a->map);
	t->segment_end = t->end;
	if (id == SLOT_NONE || slots_end(s, id) < t->start)
		id = slots_at_or_after(s, t->start);
	if (id == SLOT_NONE || slots_start(s, id) >= t->end)
		return false;
	at = t->start = slots_end(s, id);
	for (id = slots_next(s, id); id != SLOT_NONE && slots_start(s, id) < t->end; id = slots_next(s, id)) {
		const uint64_t start = slots_start(s, id);
		const uint64_t size = slots_size(s, id);
		moved += start - at;
		if (moved > most)
			break;
		pages += page_bytes(a, at, start);
		at = start + size;
		*(size >= a->b->interval.freemap.least ? &large : &room) += at < t->end ? size : t->end - start;
	}
	/* Behind the last slot, too: a value that begins before the end is moved whole. */
	if (moved <= most && at < t->end) {
		const uint64_t behind = extent_from(a, at, t->end, SEGMENT_EXTENTS);
		moved += behind == 0 ? most + 1 - moved : behind - at;
	}
	if (moved > most)
		t->end = at;
	if (t->start >= t->end || (a->b->log.at.cursor >= t->start && a->b->log.at.cursor < t->end))
		return false;
	t->gain = t->end - t->start - large;
	t->room = room;
	if (pages > moved / PAGES_SHARE)
		return false;
	return room < t->gain && room * FREEMAP_GRADES >= least * t->gain;
}

bool segment_plan(arena *a, unsigned least, uint64_t most, bool forced, struct stretch *t)
{
	/* What has become emptier since the free map was taken is worth a look. */
	for (int i = 0; i < LOOKS_MOST && freemap_next(&a->b->interval.freemap, least - least / 4, &t->start, &t->end);
	     i++)
		if (segment_look(a, least, most, t) && (forced || guard_allows(a, t->start, t->end)))
			return true;
	return false;
}

bool segment_next(arena *a, uint64_t most, uint64_t *start, uint64_t *end, uint64_t *room)
{
	struct segment_rest *rest = &a->b->segment_rest;
	struct stretch t = {.start = rest->start, .end = rest->end};

	if ((t.start >= t.end || !segment_look(a, 1, most, &t)) && !segment_plan(a, 1, most, true, &t))
		return false;
	rest->start = t.end;
	rest->end = t.segment_end;
	*start = t.start;
	*end = t.end;
	*room = t.room;
	return true;
}
