/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sweep.h: moves everything to the beginning of the file, a step at a time. */
#ifndef GKV_ARENA_MOVE_SWEEP_H
#define GKV_ARENA_MOVE_SWEEP_H

#include <stdint.h>

#include "arena/move/effort.h"
#include "arena/space/space.h"
#include "arena/types.h"

/* A step of the sweep from *at on that moves about `most` bytes, with a checkpoint before it; *at: where the next one begins,
 * UINT64_MAX: it is over, and the end of the file was cut. GRAVITY_BUSY: snapshots hold too much for it (guard.c). For the
 * writer, as above. */
int sweep_on(arena *a, uint64_t *at, uint64_t most);
/* The sweep from *at on (sweep_on), until there is a place, or the effort is over. */
int sweep_for(arena *a, uint64_t *at, uint64_t want, enum space_claim claim, const struct effort *e);
/* All of it, without the writer's lock; then the end of the file is cut, and what is free is handed back. ECANCELED, if
 * `progress` (which may be NULL) said so. */
int sweep_all(arena *a, arena_progress *progress, void *arg);

#endif
