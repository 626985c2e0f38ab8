/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* freemap.c owns the picture of where free space lies.
 *
 * 1. Each segment that is partly free stands in the list of its grade once; one that is wholly free, or not at all, in none.
 *    Large extents are clean already and no part of a segment here: what counts is how much of the rest is free.
 * 2. count segments cover the file up to its end; none is longer than it needs to be for there to be SEGMENTS_MOST.
 *
 * 3. Memory is had and given back when its owner says so, and never while it is taken.
 *
 * Cost: one pass over the list; 28 bytes a segment, 4 of which are kept. */
#include "arena/space/freemap.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define SEGMENTS_MOST   (UINT64_C(1) << 18)
#define HELD_SHARE      8 /* of a segment: where snapshots hold more, emptying it gives no large slot */
#define SEGMENT_WINDOWS 4 /* in a segment, under a limit */

/* Free bytes of a segment, by the size of the extents that they are of, and those that snapshots hold. */
struct segment_room {
	uint64_t small, large, held;
};

void freemap_release(struct freemap *s, const struct os *os)
{
	os->free(os, s->next);
	os->free(os, s->room);
	*s = (struct freemap){0};
}

void freemap_adopt(struct freemap *s, uintptr_t by)
{
	s->next = os_moved(s->next, by);
	s->room = os_moved(s->room, by);
}

/* Adds an extent to what is free of each segment that it reaches into. One that a hostile file made overlap others may
 * reach past the end, which is where the last of them begins: the writing of the list refuses it. */
static void extent_spread(const struct freemap *s, uint64_t start, uint64_t size, bool held)
{
	struct segment_room *room = s->room;
	const bool large = size >= s->least;

	while (size > 0 && start / s->segment < s->count) {
		const uint64_t i = start / s->segment;
		const uint64_t end = (i + 1) * s->segment;
		const uint64_t here = size < end - start ? size : end - start;
		assert(here > 0);
		*(held ? &room[i].held : large ? &room[i].large : &room[i].small) += here;
		start += here;
		size -= here;
	}
}

static void segments_grade(struct freemap *s)
{
	const struct segment_room *room = s->room;

	for (unsigned g = 0; g < FREEMAP_GRADES; g++)
		s->first[g] = FREEMAP_NONE;
	/* From the last to the first, so that a list begins with the lowest. */
	for (uint32_t i = s->count; i-- > 0;) {
		const uint64_t rest = s->segment > room[i].large ? s->segment - room[i].large : 0;
		const uint64_t grade = rest == 0 ? FREEMAP_GRADES : room[i].small * FREEMAP_GRADES / rest;
		if (room[i].small == 0 || grade >= FREEMAP_GRADES || room[i].held > s->segment / HELD_SHARE)
			continue;
		s->next[i] = s->first[grade];
		s->first[grade] = i;
	}
}

/* Takes from place *at on what touches, and is all held or all free, as one. */
static bool run_take(const struct ranges *r, uint64_t *at, uint64_t *start, uint64_t *end, bool *held)
{
	if (*at == r->count)
		return false;
	*start = *end = range_start(r->list[*at]);
	*held = range_marked(r->list[*at]);
	for (; *at < r->count && range_start(r->list[*at]) == *end && *held == range_marked(r->list[*at]); ++*at)
		*end = range_end(r->list[*at]);
	return true;
}

static uint64_t segments_of(const struct freemap *s, uint64_t file_bytes)
{
	return file_bytes / s->segment + 1;
}

int freemap_init(struct freemap *s, const struct os *os, uint64_t file_bytes, uint64_t segment, uint64_t least)
{
	*s = (struct freemap){.segment = segment, .least = least};
	while (segments_of(s, file_bytes) > SEGMENTS_MOST)
		s->segment *= 2;
	s->room = os->alloc(os, NULL, segments_of(s, file_bytes) * sizeof *s->room);
	s->next = os->alloc(os, NULL, segments_of(s, file_bytes) * sizeof *s->next);
	if (s->room != NULL && s->next != NULL)
		return 0;
	freemap_release(s, os);
	return ENOMEM;
}

void freemap_take(struct freemap *s, const struct ranges *list, uint64_t file_bytes)
{
	uint64_t at = 0, start, end;
	bool held;

	if (s->room == NULL)
		return;
	s->count = (uint32_t)segments_of(s, file_bytes);
	memset(s->room, 0, s->count * sizeof *s->room);
	while (run_take(list, &at, &start, &end, &held)) {
		extent_spread(s, start, end - start, held);
		s->large += !held && end - start >= s->least ? end - start : 0;
	}
	segments_grade(s);
}

bool freemap_next(struct freemap *s, unsigned least, uint64_t *start, uint64_t *end)
{
	for (unsigned g = FREEMAP_GRADES; s->count > 0 && g-- > least;) {
		const uint32_t i = s->first[g];
		if (i == FREEMAP_NONE)
			continue;
		s->first[g] = s->next[i];
		*start = i * s->segment;
		*end = *start + s->segment;
		return true;
	}
	return false;
}

uint64_t freemap_segment(const struct space *s)
{
	return s->max_bytes == UINT64_MAX ? FREEMAP_SEGMENT : SEGMENT_WINDOWS * s->window;
}

uint64_t freemap_large(const struct space *s)
{
	return s->max_bytes == UINT64_MAX ? FREEMAP_LARGE : s->unit;
}
