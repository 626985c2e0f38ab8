/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* limit.h: what a size limit asks for. */
#ifndef GKV_ARENA_MOVE_LIMIT_H
#define GKV_ARENA_MOVE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/core.h"

static inline bool limit_on(const arena *a)
{
	return a->b->space.max_bytes != UINT64_MAX;
}

/* After a commit, perhaps a step of cleaning; whether the limit is near, so that nothing else should be moved. */
bool limit_poll(arena *a);
/* How much may be moved for a put that has no place. */
uint64_t limit_budget(const arena *a);
/* Empties segments, in steps of that, before one checkpoint; whether anything was moved. */
bool limit_empty_segments(arena *a);
/* Measures what puts leave alone; and whether it is time to. */
void limit_measure(arena *a);
bool limit_stale(const arena *a);
/* guard_settle; and what puts leave alone is measured again. */
int limit_settle(arena *a);

#endif
