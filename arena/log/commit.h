/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* commit.h: from "appended" to "happened". */
#ifndef GKV_ARENA_LOG_COMMIT_H
#define GKV_ARENA_LOG_COMMIT_H

#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/types.h"

/* Commits the write transaction up to where others see it; *seq its number, 0 when it had changed nothing. On failure
 * it is aborted. Keeps the lock. */
int commit_apply(arena *a, uint64_t *seq);
/* Copies the page or node that the name's path has inside the evicted range to another place. */
int commit_move(arena *a, uint64_t name);
/* A commit that is a JUMP alone: the log goes on in the lowest window that there is. */
int commit_hop(arena *a);
/* For recovery: what one blob of the log says happens to the table. */
int commit_replay(arena *a, const struct blob_disk *b);

#endif
