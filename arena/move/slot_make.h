/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slot_make.h: what is done for a put that has no place, and for a transaction that may need some. */
#ifndef GKV_ARENA_MOVE_SLOT_MAKE_H
#define GKV_ARENA_MOVE_SLOT_MAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/gravity.h"
#include "arena/move/effort.h"
#include "arena/space/space.h"
#include "arena/types.h"

/* For the writer, who has no blobs in the chain and keeps the lock. Makes a free slot of `want` bytes by moving data.
 * GRAVITY_FULL when there is not that much free space in all, or no more may be done for it at once; GRAVITY_BUSY when snapshots hold too much to move anything. */
int slot_make(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim);
/* Bytes that are free, or will be after a checkpoint. */
uint64_t free_coming(arena *a);
/* What a transaction may spend before it begins. */
struct effort effort_some(const arena *a);
/* Before a transaction of a store with a limit: what its commit will need is there. */
void slot_make_begin(arena *a);

#endif
