/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* adopt.h: the pointers in the books, and in the checkpoint, are those of the process that had them last. Whoever takes
 * the writer's latch, or the checkpoint's, makes them its own. */
#ifndef GKV_ARENA_LOG_ADOPT_H
#define GKV_ARENA_LOG_ADOPT_H

#include "arena/core.h"

void books_move(arena *a);
void checkpoint_move(arena *a);

/* After the writer's latch was taken. */
static inline void books_adopt(arena *a)
{
	if (__builtin_expect(a->b->home != a->b, 0))
		books_move(a);
}

/* After the checkpoint's latch was taken. */
static inline void checkpoint_adopt(arena *a)
{
	if (__builtin_expect(a->checkpoint.home != a->b, 0))
		checkpoint_move(a);
}

#endif
