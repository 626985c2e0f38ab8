/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* clear.h: makes a run of free slots one. */
#ifndef GKV_ARENA_MOVE_CLEAR_H
#define GKV_ARENA_MOVE_CLEAR_H

#include "arena/gravity.h"
#include "arena/move/effort.h"
#include "arena/space/space.h"

/* Makes the cheapest run one slot of `want` bytes, or a part of it that is enough; for the writer, as slot_make, and with
 * its codes. */
int run_clear(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim, const struct effort *e);

#endif
