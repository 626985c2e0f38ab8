/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* actors.c owns whose turn it is.
 *
 * 1. At any time one strand runs: the actor that has the turn, or, between two runs, the test's own.
 * 2. The orders are gone through depth first: `path` has what was chosen at each choice of this run, and among how
 *    many. What comes first in each choice is to go on, what comes last is to die.
 * 3. An actor that dies leaves what it does, and everything as it is, and is over. It begins anew in the next run.
 *
 * Cost: a turn of strands where an actor is stopped, nothing where it goes on. */
#define _GNU_SOURCE
#include "tests/os/actors.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "tests/testing.h"

/* Of the orders that are drawn: where a turn is dear, and where a fault is to be found, which the first orders show. */
#ifdef GRAVITY_BROKEN
#define DRAWN_SHARE 10u
#else
#define DRAWN_SHARE STRANDS_DEAR
#endif
#define DRAWN_LEAST 500u
#define PATH_MOST   4096u
#define NOBODY      ACTORS_MOST

enum state { READY, SLEEPING, OVER };

static struct {
	unsigned count, left, stay, preempted, preempted_most, stuck, sleeps;
	unsigned deaths, deaths_most, mortal;
	bool random, still;
	uint64_t seed, death_at, places;
	struct {
		jmp_buf top; /* of its body */
		enum state state;
		bool died;
		const _Atomic uint32_t *word; /* it sleeps on */
		unsigned since;
		bool woken;
	} actor[ACTORS_MOST];
	actor_body *body;
	void *arg;
	struct {
		uint8_t chosen, among;
	} path[PATH_MOST];
	unsigned path_length, path_at;
} all;

void (*actors_on_sleep)(void);
void (*actors_on_death)(void);
bool (*actors_spared)(void);

static uint64_t random_next(void)
{
	uint64_t z = all.seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned choose(unsigned among)
{
	if (among == 1)
		return 0;
	if (all.random)
		return (unsigned)(random_next() % among);
	must(all.path_at < PATH_MOST);
	if (all.path_at == all.path_length) {
		all.path[all.path_length].chosen = 0;
		all.path[all.path_length++].among = (uint8_t)among;
	}
	must(all.path[all.path_at].among == among);
	return all.path[all.path_at++].chosen;
}

/* The n-th of those that can run, but for one. */
static unsigned ready_nth(unsigned n, unsigned but)
{
	for (unsigned i = 0; i < all.count; i++)
		if (i != but && all.actor[i].state == READY && n-- == 0)
			return i;
	return NOBODY;
}

static unsigned ready_count(unsigned but)
{
	unsigned n = 0;

	for (unsigned i = 0; i < all.count; i++)
		n += i != but && all.actor[i].state == READY;
	return n;
}

/* Nobody can run: whoever sleeps longest has slept long enough. */
static unsigned stuck_end(void)
{
	unsigned first = NOBODY;

	for (unsigned i = 0; i < all.count; i++)
		if (all.actor[i].state == SLEEPING && (first == NOBODY || all.actor[i].since < all.actor[first].since))
			first = i;
	must(first != NOBODY);
	all.stuck++;
	all.actor[first].state = READY;
	return first;
}

/* This one does not go on. */
static void turn_pass(void)
{
	const unsigned self = strand_self();
	const unsigned others = ready_count(self);
	unsigned to;

	if (others > 0) {
		strand_give(ready_nth(choose(others), self));
	} else if (all.actor[self].state != READY) {
		to = stuck_end();
		if (to != self)
			strand_give(to);
	}
}

static bool may_die(unsigned self)
{
	return all.deaths < all.deaths_most && (all.mortal >> self & 1) != 0 &&
	       (actors_spared == NULL || !actors_spared());
}

/* Leaves the body by the top of it. */
static void die(unsigned self)
{
	all.deaths++;
	all.actor[self].died = true;
	if (actors_on_death != NULL)
		actors_on_death();
	longjmp(all.actor[self].top, 1);
}

void actor_point(void)
{
	const unsigned self = strand_self();
	unsigned others, chosen;
	bool mortal;

	if (self == STRAND_OWN || all.still)
		return;
	others = all.random || all.preempted < all.preempted_most ? ready_count(self) : 0;
	mortal = may_die(self);
	if (mortal && all.death_at != 0) {
		if (++all.places == all.death_at)
			die(self);
		mortal = false;
	}
	if (others == 0 && !mortal)
		return;
	chosen = choose(all.random ? all.stay * (others + mortal) : 1 + others + mortal);
	if (chosen == 0 || (all.random && chosen > others + mortal))
		return;
	if (chosen > others)
		die(self);
	all.preempted++;
	strand_give(ready_nth(chosen - 1, self));
}

void actor_yield(void)
{
	const unsigned self = strand_self();

	for (unsigned i = 1; self < all.count && i < all.count && !all.still; i++) {
		const unsigned next = (self + i) % all.count;
		if (all.actor[next].state != READY)
			continue;
		strand_give(next);
		return;
	}
}

unsigned actor_self(void)
{
	return strand_self();
}

static int actors_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	const unsigned self = strand_self();

	(void)os;
	must(nanoseconds > 0 && nanoseconds <= UINT64_C(80000000));
	actor_point();
	if (*word != value)
		return EAGAIN;
	all.actor[self].state = SLEEPING;
	all.actor[self].word = word;
	all.actor[self].since = all.sleeps++;
	all.actor[self].woken = false;
	if (actors_on_sleep != NULL)
		actors_on_sleep();
	turn_pass();
	return all.actor[self].woken ? 0 : ETIMEDOUT;
}

static unsigned actors_wake(const struct os *os, const _Atomic uint32_t *word, bool everybody)
{
	unsigned woken = 0;

	(void)os;
	actor_point();
	do {
		unsigned first = NOBODY;
		for (unsigned i = 0; i < all.count; i++)
			if (all.actor[i].state == SLEEPING && all.actor[i].word == word &&
			    (first == NOBODY || all.actor[i].since < all.actor[first].since))
				first = i;
		if (first == NOBODY)
			break;
		all.actor[first].state = READY;
		all.actor[first].woken = true;
		woken++;
	} while (everybody);
	return woken;
}

const struct os actors_os = {.wait = actors_wait, .wake = actors_wake};

static void actor_main(void)
{
	const unsigned self = strand_self();

	for (;;) {
		if (setjmp(all.actor[self].top) == 0)
			all.body(self, all.arg);
		all.actor[strand_self()].state = OVER;
		if (--all.left == 0)
			strand_give(STRAND_OWN);
		else
			turn_pass();
	}
}

void actors_begin(unsigned count, actor_body *body, void *arg)
{
	memset(&all, 0, sizeof all);
	all.count = count;
	all.body = body;
	all.arg = arg;
	strands_begin(count, actor_main);
}

void actors_end(void)
{
	strands_end();
}

void actors_deaths(unsigned most, unsigned who)
{
	all.deaths_most = most;
	all.mortal = who;
}

void actors_death_at(uint64_t place)
{
	all.death_at = place;
}

void actors_stand_still(bool still)
{
	all.still = still;
}

static void run(void)
{
	all.left = all.count;
	all.preempted = all.stuck = all.sleeps = all.path_at = all.deaths = 0;
	all.places = 0;
	for (unsigned i = 0; i < all.count; i++) {
		all.actor[i].state = READY;
		all.actor[i].died = false;
	}
	strand_give(choose(all.count));
}

void actors_run_random(uint64_t seed, unsigned stay)
{
	all.stay = stay;
	all.random = true;
	all.seed = seed;
	run();
}

bool actors_run_next(bool first, unsigned preempted)
{
	all.random = false;
	all.preempted_most = preempted;
	if (first)
		all.path_length = 0;
	while (!first && all.path_length > 0 &&
	       all.path[all.path_length - 1].chosen + 1 == all.path[all.path_length - 1].among)
		all.path_length--;
	if (!first && all.path_length == 0)
		return false;
	if (!first)
		all.path[all.path_length - 1].chosen++;
	run();
	return true;
}

unsigned actors_stuck(void)
{
	return all.stuck;
}

bool actor_died(unsigned who)
{
	return all.actor[who].died;
}

uint64_t scene_play(const struct scene *scene)
{
	const uint64_t wanted = testing_count(scene->orders / DRAWN_SHARE, 1);
	struct rng r = rng_make(scene->orders);
	uint64_t each = 0, drawn = 0;

	actors_begin(scene->actors, scene->body, scene->arg);
	actors_deaths(scene->deaths, scene->mortal);
	for (scene->begin(); actors_run_next(each == 0, scene->preempted); scene->begin()) {
		each++;
		scene->verdict();
	}
	for (; each + drawn < wanted || drawn < DRAWN_LEAST; drawn++) {
		actors_run_random(rng_next(&r), drawn % 3 == 0 ? 2 : drawn % 3 == 1 ? 5 : 20);
		scene->verdict();
		scene->begin();
	}
	actors_end();
	printf("%s: %llu orders, each of %llu and %llu drawn\n", scene->name, (unsigned long long)(each + drawn),
	       (unsigned long long)each, (unsigned long long)drawn);
	return each;
}
