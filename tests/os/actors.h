/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* actors.h: actors of which one runs at a time, and which change places only where they say that they may: so a run
 * is one order of their steps, and every order can be had, again and again. They sleep and wake each other through a
 * seam of their own, whose sleeps end by a call alone, or when nobody else is left to run. */
#ifndef GKV_TESTS_OS_ACTORS_H
#define GKV_TESTS_OS_ACTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"
#include "tests/os/strands.h"

#define ACTORS_MOST STRANDS_MOST

/* What each of them does; `self` counts from 0. It may stand on a stack of 256 KiB, and shares what is local to a
 * thread with the others. */
typedef void actor_body(unsigned self, void *arg);

void actors_begin(unsigned count, actor_body *body, void *arg);
void actors_end(void);
/* From now on at most `most` of those whose bits are set in `who` die in each run, at any place where they may be
 * stopped. */
void actors_deaths(unsigned most, unsigned who);

/* The first death is at the place-th of the places where one of them may die, and at no other; 0: at random. For
 * random orders. */
void actors_death_at(uint64_t place);
/* Nobody is stopped, nor dies, until this is taken back: what is done meanwhile is no part of the scene. */
void actors_stand_still(bool still);

/* One run, in an order that the seed chooses: of `stay` times that an actor may be stopped it goes on but once. */
void actors_run_random(uint64_t seed, unsigned stay);
/* One run after the other, in each order in which an actor is stopped at most `preempted` times though it could go
 * on. False when there is no other. `first`: begin anew. */
bool actors_run_next(bool first, unsigned preempted);

/* A scene: what its actors do, from one state to one verdict, and in how many orders. */
struct scene {
	const char *name;
	unsigned actors;
	actor_body *body;
	void *arg;
	void (*begin)(void);   /* before each run */
	void (*verdict)(void); /* after it        */
	unsigned preempted;    /* in each order with so many stops, ... */
	unsigned deaths;       /* ... in which so many die, ...         */
	unsigned mortal;       /* ... of these                          */
	uint64_t orders;       /* and in random ones until there were so many, scaled */
};
/* Plays all of them, says how many, and gives how many had each order with so many stops. */
uint64_t scene_play(const struct scene *scene);

/* For actors. Between two calls nobody else runs. */
void actor_point(void);
/* This one waits for what another one does: lets the next one run, if there is one. */
void actor_yield(void);
unsigned actor_self(void);

/* The seam: its wait and wake are what there is of it. */
extern const struct os actors_os;

/* Of the run that ended last, or goes on: sleeps that ended because nobody else was left to run; and who died. */
unsigned actors_stuck(void);
bool actor_died(unsigned who);
/* Called whenever one begins to sleep, or dies: by that one. NULL: nobody asks. */
extern void (*actors_on_sleep)(void);
extern void (*actors_on_death)(void);
/* Asked before one would die: whether it may not. */
extern bool (*actors_spared)(void);

#endif
