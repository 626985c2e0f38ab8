/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* session.h: what a handle may still do, and its first write.
 *
 * The states of a handle:
 *
 *     arena_open --> FRESH ----- writer_session ----> SESSION ----- arena_close ----> closed
 *                     |  reads alone; nothing was       |  reads and writes             ^
 *                     |  written, no free list is read  |                               |
 *                     |                                 | a flush failed (flush.c),     |
 *                     |                                 | or the checkpoint's           |
 *                     |                                 v                               |
 *                     |                               FAILED: reads, GRAVITY_FAILED     |
 *                     |                                 |     for everything else       |
 *                     +---------------------------------+--------- arena_close ---------+
 *
 *     FRESH: !session and !failed. SESSION: session. FAILED: flush.failed, for ever. writer_session fails where it cannot do
 *     what it must: the handle stays FRESH (for want of space or memory), or is FAILED (its flush failed).
 *     A handle that only reads stays FRESH. In a forked child it is none of these: !arena_ours. */
#ifndef GKV_ARENA_LOG_SESSION_H
#define GKV_ARENA_LOG_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>

#include "arena/core.h"
#include "arena/os/fork.h"

/* This process opened it. */
static inline bool arena_ours(const arena *a)
{
	return a->fork_generation == os_fork_generation();
}

static inline bool arena_failed(const arena *a)
{
	return atomic_load_explicit(&a->flush.failed, memory_order_acquire);
}

/* A store that has used up the numbers of commits is only read. */
static inline bool commits_left(const arena *a)
{
	return atomic_load_explicit(&a->readers.seq, memory_order_relaxed) < DISK_SEQ_LAST;
}

/* Prepares the first write of this handle: free list, flush of what recovery relied on. Holds the writer's lock. */
int writer_session(arena *a);
/* The same for who does not hold the writer's lock: takes it, and keeps it if the session could be begun. */
int session_lock(arena *a, bool nowait);

#endif
