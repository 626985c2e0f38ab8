/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* guard.h: how much may be moved while somebody looks. */
#ifndef GKV_ARENA_MOVE_GUARD_H
#define GKV_ARENA_MOVE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/types.h"

/* How many bytes of records may be moved now for all that snapshots hold; UINT64_MAX: nobody holds anything. For the writer. */
uint64_t guard_allowance(arena *a);
/* Whether [start, end), which begins where an extent or a slot does, may be emptied now: of what snapshots see there is no
 * more than that. For the writer. */
bool guard_allows(arena *a, uint64_t start, uint64_t end);
/* A checkpoint; and what no reader holds any more is free. For the writer, who has no blobs in the chain and keeps the lock. */
int guard_settle(arena *a);
/* The same, but that the newest commits may not be in it: where a checkpoint is under way it is that one. */
int guard_settle_once(arena *a);

#endif
