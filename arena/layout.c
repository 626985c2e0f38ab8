/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* layout.c owns the picture of the file: what stands in each stretch of it, from the first byte to the last. It changes
 * nothing, and reads nothing that is freed: of such bytes only their extent is known.
 *
 * 1. Stretches come in order, without a gap between them, and end where the file ends.
 * 2. Two neighbours are of different kinds.
 * 3. What does not parse is GRAVITY_CORRUPT, and nothing is told of what lies behind it.
 *
 * Cost: one read of what lives, to verify it; a look-up in the table for each record; 56 bytes of memory for each stretch
 * that is freed and still held. */
#include "arena/arena.h"

#include <assert.h>

#include "arena/core.h"
#include "arena/log/recover.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/move/evacuate.h"

struct layout {
	arena *a;
	struct slots held; /* the pending extents, in order and merged; they attract nothing             */
	slot_id free_next; /* the first slot of either kind that does not lie before the stretch at hand */
	slot_id held_next;
	uint64_t end; /* of the file: a handle that only reads has memory behind it                 */
	arena_layout_visit *visit;
	void *arg;
	/* What was found and not told yet: its neighbour may be of the same kind. */
	uint64_t start, size;
	int what;
	double pull; /* its gravity */
};

static int held_add(void *arg, const struct extent *e)
{
	struct layout *l = arg;
	const int r = slots_insert(&l->held, e->start, e->size);

	return r == GRAVITY_INVALID ? GRAVITY_CORRUPT : r;
}

/* Tells what was found last, as far as it lies in the file. */
static int layout_flush(struct layout *l)
{
	const uint64_t left = l->start < l->end ? l->end - l->start : 0;
	const uint64_t size = l->size < left ? l->size : left;

	return size == 0 ? 0 : l->visit(l->arg, l->start, size, l->what, l->pull);
}

static int layout_add(struct layout *l, uint64_t size, int what, double pull)
{
	int r = 0;

	if (what == l->what) {
		assert(what != ARENA_LAYOUT_FREE);
		l->size += size;
		return 0;
	}
	r = layout_flush(l);
	l->start += l->size;
	l->size = size;
	l->what = what;
	l->pull = pull;
	return r;
}

/* Where the next free or held slot begins. */
static uint64_t slot_limit(const struct slots *s, slot_id next, uint64_t limit)
{
	return next == SLOT_NONE || slots_start(s, next) > limit ? limit : slots_start(s, next);
}

static int use_shown(enum extent_use use)
{
	static const int shown[] = {
		[EXTENT_WINDOW] = ARENA_LAYOUT_WINDOW,
		[EXTENT_RECORD] = ARENA_LAYOUT_RECORD,
		[EXTENT_TABLE] = ARENA_LAYOUT_TABLE,
		[EXTENT_OTHER] = ARENA_LAYOUT_LIST,
	};

	assert(use != EXTENT_SLOT);
	return shown[use];
}

/* What is in use at offset: it ends where the next slot begins, or before. */
static int layout_extent(struct layout *l, uint64_t offset, uint64_t *span)
{
	uint64_t limit = slot_limit(&l->a->b->space.free, l->free_next, map_bytes(&l->a->map));
	enum extent_use use;
	int r;

	limit = slot_limit(&l->held, l->held_next, limit);
	r = extent_at(l->a, offset, span, &use);
	if (r != 0)
		return r;
	/* Within a slot: what was walked over before it overlaps it, as only a hostile file can make it. */
	if (*span == 0 || *span > limit - offset || use == EXTENT_SLOT)
		return GRAVITY_CORRUPT;
	return layout_add(l, *span, use_shown(use), 0);
}

static int layout_next(struct layout *l, uint64_t offset, uint64_t *span)
{
	const struct slots *s = &l->a->b->space.free;

	if (l->free_next != SLOT_NONE && slots_start(s, l->free_next) == offset) {
		const slot_id id = l->free_next;
		*span = slots_size(s, id);
		l->free_next = slots_next(s, id);
		/* What lies behind the file attracts nothing in it. */
		return layout_add(l, *span, ARENA_LAYOUT_FREE,
				  slot_limit(s, l->free_next, l->end) < l->end ? slots_gravity(s, id) : 0);
	}
	if (l->held_next != SLOT_NONE && slots_start(&l->held, l->held_next) == offset) {
		*span = slots_size(&l->held, l->held_next);
		l->held_next = slots_next(&l->held, l->held_next);
		return layout_add(l, *span, ARENA_LAYOUT_HELD, 0);
	}
	return layout_extent(l, offset, span);
}

static int layout_walk(struct layout *l)
{
	const uint64_t whole = map_bytes(&l->a->map);
	uint64_t span;
	int r = 0;

	l->size = DISK_DATA;
	l->what = ARENA_LAYOUT_HEADER;
	l->free_next = l->a->b->space.free.first;
	l->held_next = l->held.first;
	for (uint64_t at = DISK_DATA; r == 0 && at < whole && at < l->end; at += span)
		r = layout_next(l, at, &span);
	return r == 0 ? layout_flush(l) : r;
}

/* Holds the writer's lock. */
static int layout_state(struct layout *l)
{
	arena *a = l->a;
	int r = recover_space(a);

	l->end = map_bytes(&a->map);
	if (r == 0)
		r = space_end_cluster(&a->b->space);
	if (r == 0)
		r = space_gather(&a->b->space);
	if (r == 0 && a->map.mode == OS_MAP_PRIVATE)
		r = a->os->size(a->os, a->map.file, &l->end);
	l->end &= ~(DISK_UNIT - 1); /* see arena_map */
	if (r == 0)
		r = pending_each(&a->b->space.pending, held_add, l);
	return r == 0 ? layout_walk(l) : r;
}

int arena_layout(arena *a, arena_layout_visit *visit, void *arg)
{
	OS_UNCANCELLED;
	struct layout l = {.a = a, .visit = visit, .arg = arg};
	int r;

	assert(visit != NULL);
	if (!arena_ours(a))
		return GRAVITY_INVALID;
	r = writer_lock(a, false);
	if (r != 0)
		return r;
	slots_init(&l.held, a->os);
	r = layout_state(&l);
	slots_release(&l.held);
	writer_unlock(a);
	return r;
}
