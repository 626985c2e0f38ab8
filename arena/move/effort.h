/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* effort.h: how much may be done for one put. */
#ifndef GKV_ARENA_MOVE_EFFORT_H
#define GKV_ARENA_MOVE_EFFORT_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/core.h"

/* What may be spent on one put, see slot_make.c: the counts of the arena when that is over. */
struct effort {
	uint64_t checkpoints, moved;
};

static inline bool effort_over(const arena *a, const struct effort *e)
{
	return a->checkpoint.count >= e->checkpoints || a->b->bytes_moved >= e->moved;
}

#endif
