/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* shrink.h: the bound on the length of the file. */
#ifndef GKV_ARENA_MOVE_SHRINK_H
#define GKV_ARENA_MOVE_SHRINK_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/types.h"

/* How long the file may be now: file_most, and what the next transaction may put, as far as the latest ones tell. */
uint64_t shrink_most(const arena *a);
/* After a commit that put so many bytes, and let so many die: perhaps a step of a sweep. For the writer, who has no
 * blobs in the chain and keeps the lock, as below. */
void shrink_poll(arena *a, uint64_t put, uint64_t died);
/* Whether a close has something to give back. */
bool shrink_wanted(arena *a);
/* A checkpoint, and whatever else it takes for the file to be as long as it may be. */
int shrink_close(arena *a);
/* Without the writer's lock: a checkpoint that a user asks for. Moves what stands in segments that are nearly half empty.
 * Writers come in between, and it ends whatever they write. */
int shrink_asked(arena *a);

#endif
