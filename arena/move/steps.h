/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* steps.h: compaction in the write path. */
#ifndef GKV_ARENA_MOVE_STEPS_H
#define GKV_ARENA_MOVE_STEPS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/types.h"

/* After a commit that wrote and freed so many bytes, with the writer's lock: perhaps a step of compaction. */
void steps_poll(arena *a, uint64_t bytes);
/* Empties segments that are nearly half empty until it has moved `most` bytes; returns how many it moved. For the writer, as
 * below. */
uint64_t steps_halves(arena *a, uint64_t most);
/* Empties the end of a file that is too long where little stands behind a large slot; the next checkpoint cuts it. For
 * the writer, who has no blobs in the chain and keeps the lock. */
void steps_end(arena *a);

#endif
