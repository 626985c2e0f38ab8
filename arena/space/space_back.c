/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_back.c owns what is handed back to the file system: disk space under free slots, and the free end of the file.
 *
 * 1. What space_ready keeps for the next changes (space_ready.c) is not handed back.
 * 2. Nothing is cut off the file while a reader may look there.
 *
 * Cost: a system call for each slot that is handed back. */
#include "arena/space/space_fit.h"

#include <assert.h>

#include "arena/broken.h"

/* Bytes of the slot that ends there. */
static uint64_t slots_ends_at(const struct slots *slots, uint64_t end)
{
	const slot_id id = slots_at_or_before(slots, end - 1);

	return id != SLOT_NONE && slots_end(slots, id) == end ? slots_size(slots, id) : 0;
}

uint64_t space_punch(struct space *s, uint64_t at, uint64_t least, uint64_t most)
{
	const struct os *os = s->map->os;
	const uint64_t grain = least < HOLES_BLOCK ? DISK_PAGE : HOLES_BLOCK;
	const uint64_t kept = ready_end(s);

	assert(least >= DISK_PAGE && most > 0);
	if (s->no_punch || s->map->mode != OS_MAP_SHARED)
		return 0;
	s->ready_known = false;
	for (at = at < kept ? kept : at; most > 0; most--) {
		const struct fit f = fit_from(s, least, at);
		uint64_t start, end;
		if (f.size == 0)
			return 0;
		at = f.start + f.size;
		start = (f.start + grain - 1) & ~(grain - 1);
		start = start < HOLES_BLOCK ? HOLES_BLOCK : start;
		end = at & ~(grain - 1);
		if (start >= end)
			continue;
		holes_add(&s->holes, s->memory, start > HOLES_REACH ? start - HOLES_REACH : 0, end + HOLES_REACH);
		if (os->punch(os, s->map->file, start, end - start) != 0) {
			s->no_punch = true;
			return 0;
		}
		full_punched(s, start, end);
	}
	return at;
}

/* Where what is free at the end of the file begins. */
static uint64_t tail_begin(const struct space *s)
{
	uint64_t at = map_bytes(s->map);

	for (uint64_t before = 0; at != before;) {
		before = at;
		at -= slots_ends_at(&s->free, at);
		at -= slots_ends_at(&s->aside, at);
	}
	return at;
}

/* Takes what lies behind `end` out of the slots; false: not all of it. */
static bool end_take(struct slots *slots, uint64_t end)
{
	while (slots->last != SLOT_NONE) {
		const uint64_t start = slots_start(slots, slots->last);
		const uint64_t size = slots_size(slots, slots->last);
		const uint64_t from = start < end ? end : start;
		if (start + size <= end)
			break;
		if (slots_remove(slots, from, start + size - from) != 0)
			return false;
	}
	return true;
}

void space_cut(struct space *s)
{
	struct map *m = s->map;

	if (m->mode == OS_MAP_PRIVATE || m->file_bytes == map_bytes(m))
		return;
	if (readers_gone(s->readers, s->lowered_seq) || broken(BROKEN_CUT))
		(void)map_cut(m);
}

void space_trim(struct space *s, uint64_t least)
{
	const uint64_t old = map_bytes(s->map);
	uint64_t end = page_round(tail_begin(s));
	uint64_t kept;

	if (end < page_round(least) && !broken(BROKEN_HEADER_BYTES))
		end = page_round(least);
	if (end >= old)
		return;
	kept = ready_below(s, end);
	/* Behind what was put aside, which counts for nothing, there may be what is kept. */
	if (kept < s->keep)
		end = s->aside.count == 0 ? end + page_round(s->keep - kept) : most_of(end, page_round(ready_end(s)));
	if (end >= old || slots_reserve(&s->free, 1) != 0 || slots_reserve(&s->aside, 1) != 0)
		return;
	if (!end_take(&s->free, end) || !end_take(&s->aside, end))
		return;
	map_lower(s->map, end);
	s->ready_known = false;
	full_length(s);
	s->lowered_seq = atomic_load(&s->readers->seq);
	if (s->map->mode == OS_MAP_SHARED && !readers_gone(s->readers, s->lowered_seq)) {
		map_empty(s->map);
		/* What grows there again is asked for first. */
		holes_add(&s->holes, s->memory, end, old);
	}
	space_cut(s);
}
