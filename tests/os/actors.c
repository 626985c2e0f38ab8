/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* actors.c owns whose turn it is.
 *
 * 1. At any time one thread runs: the actor that has the turn, or, between two runs, the test's own.
 * 2. The orders are gone through depth first: `path` has what was chosen at each choice of this run, and among how many. What
 *    comes first in each choice is to go on.
 *
 * Cost: two switches of threads where an actor is stopped, none where it goes on. */
#define _GNU_SOURCE
#include "tests/os/actors.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#include "tests/testing.h"

#define PATH_MOST 4096u
#define NOBODY    ACTORS_MOST

enum state { READY, SLEEPING, OVER };

static struct {
	unsigned count, left, stay, preempted, preempted_most, stuck, sleeps;
	bool ending, random;
	uint64_t seed;
	struct {
		pthread_t thread;
		sem_t may_run;
		enum state state;
		const _Atomic uint32_t *word; /* it sleeps on */
		unsigned since;
		bool woken;
	} actor[ACTORS_MOST];
	sem_t over;
	actor_body *body;
	void *arg;
	struct {
		uint8_t chosen, among;
	} path[PATH_MOST];
	unsigned path_length, path_at;
} all;

static _Thread_local unsigned self;
void (*actors_on_sleep)(void);

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

static void turn_give(unsigned to)
{
	const bool over = all.actor[self].state == OVER;

	must(sem_post(&all.actor[to].may_run) == 0);
	while (!over && sem_wait(&all.actor[self].may_run) != 0)
		must(errno == EINTR);
}

/* This one does not go on. */
static void turn_pass(void)
{
	const unsigned others = ready_count(self);

	if (others > 0)
		turn_give(ready_nth(choose(others), self));
	else if (all.actor[self].state != READY && stuck_end() != self)
		turn_give(ready_nth(0, NOBODY));
}

void actor_point(void)
{
	const unsigned others = ready_count(self);
	unsigned chosen;

	if (others == 0 || (!all.random && all.preempted == all.preempted_most))
		return;
	chosen = choose(all.random ? all.stay * others : others + 1);
	if (chosen == 0 || (all.random && chosen > others))
		return;
	all.preempted++;
	turn_give(ready_nth(chosen - 1, self));
}

static int actors_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
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

static void *actor_main(void *arg)
{
	self = (unsigned)(uintptr_t)arg;
	for (;;) {
		while (sem_wait(&all.actor[self].may_run) != 0)
			must(errno == EINTR);
		if (all.ending)
			return NULL;
		all.body(self, all.arg);
		all.actor[self].state = OVER;
		if (--all.left == 0)
			must(sem_post(&all.over) == 0);
		else
			turn_pass();
	}
}

void actors_begin(unsigned count, actor_body *body, void *arg)
{
	memset(&all, 0, sizeof all);
	must(count <= ACTORS_MOST);
	all.count = count;
	all.body = body;
	all.arg = arg;
	must(sem_init(&all.over, 0, 0) == 0);
	for (unsigned i = 0; i < count; i++) {
		must(sem_init(&all.actor[i].may_run, 0, 0) == 0);
		must(pthread_create(&all.actor[i].thread, NULL, actor_main, (void *)(uintptr_t)i) == 0);
	}
}

void actors_end(void)
{
	all.ending = true;
	for (unsigned i = 0; i < all.count; i++) {
		must(sem_post(&all.actor[i].may_run) == 0);
		must(pthread_join(all.actor[i].thread, NULL) == 0);
		must(sem_destroy(&all.actor[i].may_run) == 0);
	}
	must(sem_destroy(&all.over) == 0);
}

static void run(void)
{
	all.left = all.count;
	all.preempted = all.stuck = all.sleeps = all.path_at = 0;
	for (unsigned i = 0; i < all.count; i++)
		all.actor[i].state = READY;
	must(sem_post(&all.actor[choose(all.count)].may_run) == 0);
	while (sem_wait(&all.over) != 0)
		must(errno == EINTR);
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
