/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* actors.h: threads of which one runs at a time, and which change places only where they say that they may: so a run is one
 * order of their steps, and every order can be had, again and again. They sleep and wake each other through a seam of their own,
 * whose sleeps end by a call alone, or when nobody else is left to run. */
#ifndef GKV_TESTS_OS_ACTORS_H
#define GKV_TESTS_OS_ACTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"

#define ACTORS_MOST 16u

/* What each of them does; `self` counts from 0. */
typedef void actor_body(unsigned self, void *arg);

void actors_begin(unsigned count, actor_body *body, void *arg);
void actors_end(void);

/* One run, in an order that the seed chooses: of `stay` times that an actor may be stopped it goes on but once. */
void actors_run_random(uint64_t seed, unsigned stay);
/* One run after the other, in each order in which an actor is stopped at most `preempted` times though it could go on. False
 * when there is no other. `first`: begin anew. */
bool actors_run_next(bool first, unsigned preempted);

/* For actors. Between two calls nobody else runs. */
void actor_point(void);

/* The seam: its wait and wake are what there is of it. */
extern const struct os actors_os;

/* Of the run that ended last: sleeps that ended because nobody else was left to run. */
unsigned actors_stuck(void);
/* Called whenever one begins to sleep; NULL: nobody asks. */
extern void (*actors_on_sleep)(void);

#endif
