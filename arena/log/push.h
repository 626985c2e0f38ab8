/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* push.h: starts writing what a flush will wait for. */
#ifndef GKV_ARENA_LOG_PUSH_H
#define GKV_ARENA_LOG_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/space/ranges.h"
#include "arena/types.h"

/* A checkpoint begins: what of the log was not pushed yet is to be, and room is made for what will be added. */
void push_begin(arena *a);
/* A stretch that is to be pushed; what there is no room for is left to the flush. */
void push_add(struct ranges *dirty, uint64_t start, uint64_t end);
/* Starts writing what was added, in the order of the file, neighbours in one call; what it cost is taken off *budget. True
 * when nothing is left. */
bool push_slice(arena *a, uint64_t *budget);
/* Under a limit, after a commit: some of the log. */
void push_log(arena *a);
/* Takes what a step has cost off what is left for it. */
static inline void budget_take(uint64_t *budget, uint64_t bytes)
{
	*budget -= bytes < *budget ? bytes : *budget;
}

#endif
