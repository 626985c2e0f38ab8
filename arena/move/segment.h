/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* segment.h: which segment to empty, and how much of it. */
#ifndef GKV_ARENA_MOVE_SEGMENT_H
#define GKV_ARENA_MOVE_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/types.h"

#define SEGMENT_EXTENTS 1024u /* looked at for where a stretch may end, or begin */

/* What is emptied at once. */
struct stretch {
	uint64_t start, end;
	uint64_t gain;        /* of it, what becomes clean: not the large slots in it, which are, nor what is cut */
	uint64_t room;        /* of that, what is free                                                           */
	uint64_t segment_end; /* of the segment that it is of                                             */
};

/* What a segment, or the rest of one, [t->start, t->end), has now that is worth emptying: from the end of its first slot on,
 * at most `most` bytes of data. False: less than least/32 of it would be gained. */
bool segment_look(const arena *a, unsigned least, uint64_t most, struct stretch *t);
/* The emptiest segment of which at least least/32 are free. forced: beside snapshots, too. */
bool segment_plan(arena *a, unsigned least, uint64_t most, bool forced, struct stretch *t);
/* What to empty next, at most `most` bytes of data: of the segment that the call before this one began, or of the emptiest
 * of the free map. *room: what is free in it, its large slots aside. */
bool segment_next(arena *a, uint64_t most, uint64_t *start, uint64_t *end, uint64_t *room);

#endif
