/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_latch_deaths.c: latches whose takers die, at any step of taking one, of holding it, and of letting go of it.
 *
 * The source is compiled here once more, see stepped.h. Who waits in vain for as long as a sleep lasts looks whether
 * the holder is dead, and lets go on its behalf.
 *
 * 1. One has it at a time, also while a dead one has it whom nobody has found yet.
 * 2. Whoever lives gets it, as often as it wants.
 * 3. What a dead one left is inherited once.
 * 4. Who waits sleeps on for as long as a sleep lasts only if one has died, and then twice at most, however often they
 *    take it: until the dead one's latch is let go of on its behalf, and until the heir is followed that it was, too,
 *    if it died between taking it and saying so. One that is counted as waiting for ever costs a call each time. */
#define _GNU_SOURCE
#include "arena/os/latch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/os/thread.h"
#include "tests/os/noted.h"
#include "tests/testing.h"

#define NOBODY    ACTORS_MOST
#define NAPS_MOST 10u

static struct {
	struct latch latch;
	unsigned holder, takes[ACTORS_MOST], inherited, left;
	bool was_left; /* when it was taken */
	unsigned naps; /* sleeps that nobody ended */
} scene;

#define HEIR_TURNS 1u
#include "arena/os/latch.c" /* NOLINT: see above */

static void note_take(const _Atomic uint32_t *word, uint32_t was)
{
	if (word != &scene.latch.word)
		return;
	must(scene.holder == NOBODY);
	scene.holder = actor_self();
	scene.was_left = was == LEFT;
	scene.inherited += scene.was_left;
}

static void note_drop(const _Atomic uint32_t *word, uint32_t value)
{
	must(word == &scene.latch.word && scene.holder != NOBODY);
	scene.holder = NOBODY;
	scene.left += value == LEFT;
}

static struct os sweeping;

static bool sweep(void)
{
	if (scene.holder == NOBODY || !actor_died(scene.holder))
		return false;
	latch_leave(&scene.latch, &sweeping);
	return true;
}

static int sweeping_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	const int r = actors_os.wait(os, word, value, nanoseconds);

	if (r == ETIMEDOUT) {
		must(++scene.naps <= NAPS_MOST);
		(void)sweep();
	}
	return r;
}

static void take_and_drop(unsigned self, void *arg)
{
	const unsigned times = *(const unsigned *)arg;

	for (unsigned i = 0; i < times; i++) {
		const enum latch_got got = latch_take(&scene.latch, &sweeping, LATCH_WAIT);
		must(scene.holder == self && got == (scene.was_left ? LATCH_INHERITED : LATCH_TAKEN));
		actor_point();
		must(scene.holder == self);
		scene.takes[self]++;
		latch_drop(&scene.latch, &sweeping);
	}
}

static struct {
	unsigned actors, times;
	unsigned naps_most;
	uint64_t dead, inherited, counted,
		heirs; /* of the dead: all; who had it; who were counted as waiting; who were its heir */
} met;

static void begin(void)
{
	memset(&scene, 0, sizeof scene);
	scene.holder = NOBODY;
}

static void verdict(void)
{
	unsigned dead = 0;

	for (unsigned i = 0; i < met.actors; i++) {
		dead += actor_died(i);
		must(actor_died(i) || scene.takes[i] == met.times);
	}
	(void)sweep();
	must(scene.inherited + (scene.latch.word == LEFT) == scene.left && scene.left <= dead);
	must(scene.latch.waiting <= dead && scene.naps <= 2 * (met.actors - 1) * dead);
	met.dead += dead;
	met.inherited += scene.inherited;
	met.counted += scene.latch.waiting;
	met.heirs += scene.latch.heir != NONE;
	met.naps_most = scene.naps > met.naps_most ? scene.naps : met.naps_most;
}

static uint64_t play(struct scene s, unsigned times)
{
	uint64_t each;

	sweeping = actors_os;
	sweeping.wait = sweeping_wait;
	memset(&met, 0, sizeof met);
	met.actors = s.actors;
	met.times = times;
	s.body = take_and_drop;
	s.arg = &times;
	s.begin = begin;
	s.verdict = verdict;
	s.mortal = UINT32_MAX;
	each = scene_play(&s);
	printf("  %llu died, %llu counted as waiting, %llu as the heir; %llu were inherited from; %u naps in an order at most\n",
	       (unsigned long long)met.dead, (unsigned long long)met.counted, (unsigned long long)met.heirs,
	       (unsigned long long)met.inherited, met.naps_most);
	return each;
}

START_TEST(whoever_lives_gets_it)
{
	const struct scene two = {"latch, one of two dies", 2, .preempted = 2, .deaths = 1, .orders = 100000};
	const struct scene three = {"latch, one of three dies", 3, .preempted = 1, .deaths = 1, .orders = 100000};
	const struct scene both = {"latch, two of three die", 3, .preempted = 0, .deaths = 2, .orders = 80000};

	must(play(two, 2) >= 10000);
	must(met.inherited > 0 && met.counted > 0 && met.heirs > 0);
	must(play(three, 2) >= 10000);
	must(met.inherited > 0 && met.counted > 0 && met.heirs > 0);
	must(play(both, 2) >= 1000);
	must(met.inherited > 0 && met.counted > 0 && met.heirs > 0);
}
END_TEST

/* However often it is taken after one has died: who died is waited for no more than a few times. */
START_TEST(a_dead_one_is_not_waited_for_again)
{
	const struct scene often = {"latch, one dies and the others go on", 3, .deaths = 1, .orders = 30000};

	must(play(often, 3 * LATCH_PASSED_MOST) >= 1000);
	must(met.inherited > 0 && met.counted > 0);
}
END_TEST

SUITE("latch_deaths", "orders", whoever_lives_gets_it, a_dead_one_is_not_waited_for_again)
