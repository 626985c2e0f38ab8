/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* session.h: what a handle may still do, and its first write. */
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

/* Prepares the first write of this handle: free list, flush of what recovery relied on. Holds the writer's lock. */
int writer_session(arena *a);

#endif
