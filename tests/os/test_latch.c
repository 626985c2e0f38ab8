/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_latch.c: latches and events in every order of a few steps, and between threads and processes that run as they like.
 *
 * For the orders the source is compiled here once more, with a place to be stopped at before each access to a word. */
#define _GNU_SOURCE
#include "arena/os/latch.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/os/thread.h"
#include "tests/os/actors.h"
#include "tests/testing.h"

/* The library's, before the names lead to the copy. */
static enum latch_got (*const real_take)(struct latch *, const struct os *, enum latch_how) = latch_take;
static void (*const real_drop)(struct latch *, const struct os *) = latch_drop;
static uint32_t (*const real_look)(const struct event *) = event_look;
static void (*const real_wait)(struct event *, const struct os *, uint32_t) = event_wait;
static void (*const real_raise)(struct event *, const struct os *) = event_raise;

#define SEEN memory_order_seq_cst
#undef atomic_load
#undef atomic_store
#undef atomic_exchange
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#define atomic_load(p)         (actor_point(), atomic_load_explicit(p, SEEN))
#define atomic_store(p, v)     (actor_point(), atomic_store_explicit(p, v, SEEN))
#define atomic_exchange(p, v)  (actor_point(), atomic_exchange_explicit(p, v, SEEN))
#define atomic_fetch_add(p, v) (actor_point(), atomic_fetch_add_explicit(p, v, SEEN))
#define atomic_fetch_sub(p, v) (actor_point(), atomic_fetch_sub_explicit(p, v, SEEN))
#define atomic_compare_exchange_strong(p, was, v)                                                                      \
	(actor_point(), atomic_compare_exchange_strong_explicit(p, was, v, SEEN, SEEN))
#define atomic_compare_exchange_weak(p, was, v) atomic_compare_exchange_strong(p, was, v)
#define os_pause(n)                             actor_point()
#define HEIR_TURNS                              1u
#define latch_take                              copy_take
#define latch_drop                              copy_drop
#define latch_leave                             copy_leave
#define event_look                              copy_look
#define event_wait                              copy_wait
#define event_raise                             copy_raise
enum latch_got copy_take(struct latch *l, const struct os *os, enum latch_how how);
void copy_drop(struct latch *l, const struct os *os);
void copy_leave(struct latch *l, const struct os *os);
uint32_t copy_look(const struct event *e);
void copy_wait(struct event *e, const struct os *os, uint32_t seen);
void copy_raise(struct event *e, const struct os *os);
#include "arena/os/latch.c" /* NOLINT: see above */
#undef os_pause

/* In every order ------------------------------------------------------------------------------------------------- */

static struct {
	struct latch latch;
	struct event event;
	unsigned takes, inside, inherited, left, busy;
	bool so;
} scene;

static void inside(void)
{
	must(scene.inside++ == 0);
	actor_point();
	must(--scene.inside == 0);
}

static void take_and_drop(unsigned self, void *arg)
{
	const unsigned times = *(const unsigned *)arg;

	(void)self;
	for (unsigned i = 0; i < times; i++) {
		must(copy_take(&scene.latch, &actors_os, LATCH_WAIT) == LATCH_TAKEN);
		inside();
		scene.takes++;
		copy_drop(&scene.latch, &actors_os);
	}
}

/* Runs it in each order; how many there were. */
static uint64_t orders(unsigned count, actor_body *body, void *arg, unsigned preempted, void (*verdict)(void))
{
	uint64_t runs = 0;

	actors_begin(count, body, arg);
	memset(&scene, 0, sizeof scene);
	while (actors_run_next(runs == 0, preempted)) {
		runs++;
		must(actors_stuck() == 0);
		must(scene.latch.word == FREE && scene.latch.waiting == 0 && scene.latch.heir == NONE);
		verdict();
		memset(&scene, 0, sizeof scene);
	}
	actors_end();
	return runs;
}

static unsigned takes_wanted;

static void all_have_taken(void)
{
	must(scene.takes == takes_wanted);
}

/* One has it at a time, everybody gets it, and nobody sleeps on. */
START_TEST(one_at_a_time_in_every_order)
{
	unsigned once = 1, twice = 2;
	uint64_t runs;

	takes_wanted = 4;
	runs = orders(2, take_and_drop, &twice, 4, all_have_taken);
	must(runs >= 1000);
	takes_wanted = 3;
	runs += orders(3, take_and_drop, &once, 2, all_have_taken);
	printf("latch: %llu orders\n", (unsigned long long)runs);
}
END_TEST

static void leave_or_inherit(unsigned self, void *arg)
{
	const enum latch_got got = copy_take(&scene.latch, &actors_os, LATCH_WAIT);

	(void)arg;
	inside();
	scene.takes++;
	scene.inherited += got == LATCH_INHERITED;
	if (self == 0) {
		scene.left++;
		copy_leave(&scene.latch, &actors_os);
		if (copy_take(&scene.latch, &actors_os, LATCH_WAIT) == LATCH_INHERITED)
			scene.inherited++;
	}
	copy_drop(&scene.latch, &actors_os);
}

static void inherited_once(void)
{
	must(scene.takes == 2 && scene.left == 1 && scene.inherited == 1);
}

/* What was left is inherited by one, whoever that is. */
START_TEST(inherited_once_in_every_order)
{
	must(orders(2, leave_or_inherit, NULL, 3, inherited_once) >= 100);
}
END_TEST

static void try_or_wait(unsigned self, void *arg)
{
	const enum latch_got got = copy_take(&scene.latch, &actors_os, self == 0 ? LATCH_TRY : LATCH_WAIT);

	(void)arg;
	must(got == LATCH_TAKEN || (self == 0 && got == LATCH_BUSY));
	scene.busy += got == LATCH_BUSY;
	if (got == LATCH_BUSY)
		return;
	inside();
	scene.takes++;
	copy_drop(&scene.latch, &actors_os);
}

static uint64_t busy_runs;

static void tried_in_vain_or_taken(void)
{
	must(scene.takes + scene.busy == 3);
	busy_runs += scene.busy;
}

/* Who tries never sleeps, and disturbs nobody who does. */
START_TEST(tries_in_every_order)
{
	busy_runs = 0;
	must(orders(3, try_or_wait, NULL, 2, tried_in_vain_or_taken) >= 100);
	must(busy_runs > 0);
}
END_TEST

static void wait_or_raise(unsigned self, void *arg)
{
	(void)arg;
	if (self == 0) {
		actor_point();
		scene.so = true;
		copy_raise(&scene.event, &actors_os);
		copy_raise(&scene.event, &actors_os);
		return;
	}
	for (;;) {
		const uint32_t seen = copy_look(&scene.event);
		actor_point();
		if (scene.so)
			break;
		copy_wait(&scene.event, &actors_os, seen);
	}
	scene.takes++;
}

static void all_have_seen(void)
{
	must(scene.takes == 2 && copy_look(&scene.event) == 4);
}

/* Nobody misses the event that it waits for. */
START_TEST(no_event_is_missed_in_any_order)
{
	must(orders(3, wait_or_raise, NULL, 3, all_have_seen) >= 100);
}
END_TEST

/* Turns ---------------------------------------------------------------------------------------------------------- */

#define CROWD ACTORS_MOST

static struct {
	unsigned turns;  /* how often one got it that had slept for it */
	unsigned passed; /* since the last of them, by others, while one slept */
	unsigned asleep;
	unsigned lined_up[CROWD]; /* turns when its sleep began */
	bool slept[CROWD];
	unsigned waited_most, passed_most;
} fair;

static void fair_sleep(void)
{
	const unsigned fair_self = actor_self();

	if (fair.slept[fair_self])
		return;
	fair.slept[fair_self] = true;
	fair.lined_up[fair_self] = fair.turns;
	fair.asleep++;
}

static void fair_taken(void)
{
	const unsigned fair_self = actor_self();

	if (!fair.slept[fair_self]) {
		fair.passed = fair.asleep > 0 ? fair.passed + 1 : 0;
		fair.passed_most = fair.passed > fair.passed_most ? fair.passed : fair.passed_most;
		return;
	}
	const unsigned waited = fair.turns - fair.lined_up[fair_self];
	fair.waited_most = waited > fair.waited_most ? waited : fair.waited_most;
	fair.slept[fair_self] = false;
	fair.asleep--;
	fair.turns++;
	fair.passed = 0;
}

static void crowd_run(unsigned self, void *arg)
{
	const unsigned times = *(const unsigned *)arg;

	(void)self;
	for (unsigned i = 0; i < times; i++) {
		must(copy_take(&scene.latch, &actors_os, LATCH_WAIT) == LATCH_TAKEN);
		fair_taken();
		inside();
		copy_drop(&scene.latch, &actors_os);
	}
}

/* Sixteen that take it again and again: whoever waits is passed a few times in each turn, and waits for sixteen turns at most:
 * for one of each of the others, as a rule. */
START_TEST(nobody_waits_for_many_turns)
{
	const uint64_t runs = testing_count(30, 3);
	unsigned waited = 0, passed = 0, times = 40;
	struct rng r = rng_make(1);

	actors_begin(CROWD, crowd_run, &times);
	actors_on_sleep = fair_sleep;
	for (uint64_t i = 0; i < runs; i++) {
		memset(&scene, 0, sizeof scene);
		memset(&fair, 0, sizeof fair);
		actors_run_random(rng_next(&r), i % 3 == 0 ? 2 : i % 3 == 1 ? 20 : 300);
		waited = fair.waited_most > waited ? fair.waited_most : waited;
		passed = fair.passed_most > passed ? fair.passed_most : passed;
		must(fair.waited_most <= CROWD && fair.passed_most <= LATCH_PASSED_MOST && actors_stuck() == 0);
	}
	actors_on_sleep = NULL;
	actors_end();
	printf("latch: of %u none waits for more than %u turns, nor is passed more than %u times\n", CROWD, waited,
	       passed);
	must(waited >= CROWD / 2 && passed >= LATCH_PASSED_MOST - 1);
}
END_TEST

/* As they like --------------------------------------------------------------------------------------------------- */

struct shared {
	struct latch latch;
	struct event event;
	const struct os *os;
	bool slow; /* others get to run while one has it */
	uint64_t times, sum, parts[8];
	_Atomic uint64_t seen;
};

static void *sum_up(void *arg)
{
	struct shared *s = arg;

	for (uint64_t i = 0; i < s->times; i++) {
		if (i % 8 != 7 || real_take(&s->latch, s->os, LATCH_TRY) == LATCH_BUSY)
			must(real_take(&s->latch, s->os, LATCH_WAIT) == LATCH_TAKEN);
		s->sum++;
		s->parts[s->sum % 8]++;
		if (s->slow)
			os_pause(20);
		real_drop(&s->latch, s->os);
	}
	return NULL;
}

static void sum_must_be(const struct shared *s, uint64_t sum)
{
	uint64_t parts = 0;

	for (unsigned i = 0; i < 8; i++)
		parts += s->parts[i];
	must(s->sum == sum && parts == sum);
	must(s->latch.word == FREE && s->latch.waiting == 0 && s->latch.heir == NONE);
}

#define THREADS 8u

static void threads_run(struct shared *s, void *(*run)(void *))
{
	pthread_t thread[THREADS];

	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_create(&thread[t], NULL, run, s) == 0);
	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_join(thread[t], NULL) == 0);
}

START_TEST(threads_take_turns)
{
	struct shared s = {.os = os_posix(), .times = testing_count(100000, 1000)};

	threads_run(&s, sum_up);
	sum_must_be(&s, THREADS * s.times);
}
END_TEST

/* In memory that they share, processes do. */
START_TEST(processes_take_turns)
{
	struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child[4];

	must(s != MAP_FAILED);
	s->os = os_posix();
	s->times = testing_count(50000, 1000);
	for (unsigned i = 0; i < 4; i++) {
		child[i] = fork();
		must(child[i] >= 0);
		if (child[i] == 0) {
			(void)sum_up(s);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 4; i++) {
		int status;
		must(waitpid(child[i], &status, 0) == child[i] && status == 0);
	}
	sum_must_be(s, 4 * s->times);
	must(munmap(s, sizeof *s) == 0);
}
END_TEST

/* Numbers that rise, each of which is told by an event. */
static void *numbers_see(void *arg)
{
	struct shared *s = arg;

	for (uint64_t i = 1; i <= s->times; i++) {
		for (;;) {
			const uint32_t seen = real_look(&s->event);
			if (atomic_load_explicit(&s->seen, memory_order_acquire) >= i)
				break;
			real_wait(&s->event, s->os, seen);
		}
	}
	return NULL;
}

START_TEST(threads_wait_for_events)
{
	struct shared s = {.os = os_posix(), .times = testing_count(20000, 500)};
	pthread_t thread[THREADS];

	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_create(&thread[t], NULL, numbers_see, &s) == 0);
	for (uint64_t i = 1; i <= s.times; i++) {
		atomic_store_explicit(&s.seen, i, memory_order_release);
		real_raise(&s.event, s.os);
	}
	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_join(thread[t], NULL) == 0);
}
END_TEST

static unsigned lost_wake(const struct os *os, const _Atomic uint32_t *word, bool all)
{
	(void)os;
	(void)word;
	(void)all;
	return 1;
}

/* Sleeps are short: where every call is lost, all still get it, in time. */
START_TEST(lost_calls_cost_time_alone)
{
	struct os deaf = *os_posix();
	struct shared s = {.os = &deaf, .slow = true, .times = testing_count(10, 4)};

	deaf.wake = lost_wake;
	threads_run(&s, sum_up);
	must(s.sum == THREADS * s.times);
}
END_TEST

static void *take_doomed(void *arg)
{
	struct shared *s = arg;

	must(pthread_cancel(pthread_self()) == 0);
	must(real_take(&s->latch, s->os, LATCH_WAIT) == LATCH_TAKEN);
	s->sum++;
	real_drop(&s->latch, s->os);
	for (;;)
		pthread_testcancel();
	return NULL;
}

/* A thread that is cancelled while it waits gets it, lets go of it, and ends then. */
START_TEST(a_cancelled_thread_gets_its_turn)
{
	struct shared s = {.os = os_posix()};
	pthread_t thread[4];
	void *result;

	must(real_take(&s.latch, s.os, LATCH_WAIT) == LATCH_TAKEN);
	for (unsigned t = 0; t < 4; t++)
		must(pthread_create(&thread[t], NULL, take_doomed, &s) == 0);
	for (unsigned turn = 0; atomic_load_explicit(&s.latch.waiting, memory_order_relaxed) < 4; turn++)
		os_pause(turn);
	must(s.sum == 0);
	real_drop(&s.latch, s.os);
	for (unsigned t = 0; t < 4; t++)
		must(pthread_join(thread[t], &result) == 0 && result == PTHREAD_CANCELED);
	must(s.sum == 4 && s.latch.word == FREE && s.latch.waiting == 0 && s.latch.heir == NONE);
}
END_TEST

int main(void)
{
	const TTest *const orders_of[] = {
		one_at_a_time_in_every_order,    inherited_once_in_every_order, tries_in_every_order,
		no_event_is_missed_in_any_order, nobody_waits_for_many_turns,
	};
	const TTest *const threads[] = {
		threads_take_turns,
		processes_take_turns,
		threads_wait_for_events,
		lost_calls_cost_time_alone,
		a_cancelled_thread_gets_its_turn,
	};
	Suite *suite = suite_create("latch");

	testing_add(suite, "orders", orders_of, sizeof(orders_of) / sizeof(orders_of[0]));
	testing_add(suite, "threads", threads, sizeof(threads) / sizeof(threads[0]));
	return testing_main(suite);
}
