/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sweep.h: moves everything to the beginning of the file, a step at a time. */
#ifndef GKV_ARENA_MOVE_SWEEP_H
#define GKV_ARENA_MOVE_SWEEP_H

#include <stdint.h>

#include "arena/move/effort.h"
#include "arena/space/space.h"
#include "arena/types.h"

struct sweep;

/* A step of the sweep that moves about `most` bytes, with a checkpoint before it. When it is over the end of the file was cut;
 * GRAVITY_BUSY: and something was passed over (guard.c). For the writer, who has no blobs in the chain and keeps the lock. */
int sweep_on(arena *a, struct sweep *s, uint64_t most);
/* The sweep (sweep_on), until there is a place, or the effort is over. */
int sweep_for(arena *a, struct sweep *s, uint64_t want, enum space_claim claim, const struct effort *e);
/* All of it, without the writer's lock; then the end of the file is cut, and what is free is handed back. ECANCELED, if
 * `progress` (which may be NULL) said so. */
int sweep_all(arena *a, arena_progress *progress, void *arg);

#endif
