/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* moving.h: in a build for tests what the writer owns may stand elsewhere after each turn, as if the next one were another
 * process. A pointer that was kept is then one to nothing.
 *
 * Only a build with GRAVITY_BROKEN has it, and tests/moving.c, which belongs to no library, does it. In every other build
 * nothing of it is left. */
#ifndef GKV_ARENA_MOVING_H
#define GKV_ARENA_MOVING_H

#include "arena/types.h"

#ifdef GRAVITY_BROKEN
/* A new handle: sets its books, and where they get memory. */
void moving_begin(arena *a);
/* The writer's latch is about to be let go of. */
void moving_turn(arena *a);
/* The handle is closed, and all memory of its books was given back. */
void moving_end(arena *a);
#else
static inline void moving_begin(arena *a)
{
	(void)a;
}
static inline void moving_turn(arena *a)
{
	(void)a;
}
static inline void moving_end(arena *a)
{
	(void)a;
}
#endif

#endif
