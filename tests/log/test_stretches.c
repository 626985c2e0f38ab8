/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_stretches.c: the list of what is not flushed, by itself, in every order of a few steps of writer and flusher, and between
 * threads.
 *
 * For the orders the source is compiled here once more, with a place to be stopped at before each access to a word. */
#define _GNU_SOURCE
#include "arena/log/stretches.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/os/thread.h"
#include "tests/os/actors.h"
#include "tests/testing.h"

/* The library's, before the names lead to the copy. */
static void (*const real_note)(struct stretches *, const struct log_stretch *, uint32_t, uint64_t,
			       uint64_t) = stretches_note;
static void (*const real_copy)(struct stretches *, uint64_t, struct stretches_copy *) = stretches_copy;

/* A place to be stopped at, and, for one who is to die after so many steps, to end at. */
static unsigned lifetime; /* of the first actor */
static jmp_buf death;

static void step(void)
{
	actor_point();
	if (actor_self() == 0 && lifetime > 0 && --lifetime == 0)
		longjmp(death, 1);
}

static uint64_t exchange(_Atomic uint64_t *p, uint64_t value)
{
	step();
	return atomic_exchange(p, value);
}

static uint64_t add(_Atomic uint64_t *p, uint64_t value)
{
	step();
	return atomic_fetch_add(p, value);
}

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#define atomic_load_explicit(p, order)         (step(), *(p))
#define atomic_store_explicit(p, value, order) (step(), *(p) = (value))
#define atomic_exchange_explicit(p, v, order)  exchange(p, v)
#define atomic_fetch_add_explicit(p, v, order) add(p, v)
#define os_pause(n)                            step()
#define TRIES                                  2u
#define stretches_note                         copy_note
#define stretches_copy(s, durable, copy)       copy_copy(s, durable, copy)
void copy_note(struct stretches *s, const struct log_stretch *list, uint32_t count, uint64_t seq, uint64_t durable);
void copy_copy(struct stretches *s, uint64_t durable, struct stretches_copy *copy);
#include "arena/log/stretches.c" /* NOLINT: see above */
#undef stretches_copy
#undef os_pause

/* A commit writes a stretch of 100 bytes; of three in a row two are near each other. */
#define SPACING (UINT64_C(1) << 20)
static struct log_stretch stretch_of(uint64_t seq)
{
	const uint64_t start = (seq - seq % 3 / 2) * SPACING + seq % 3 / 2 * 200;

	return (struct log_stretch){start, start + 100};
}

static bool copy_covers(const struct stretches_copy *c, uint64_t seq)
{
	const struct log_stretch s = stretch_of(seq);

	for (uint32_t i = 0; i < c->count; i++)
		if (c->at[i].start <= s.start && s.end <= c->at[i].end)
			return true;
	return c->whole;
}

/* By itself ------------------------------------------------------------------------------------------------------ */

/* What is near is one stretch, the newest commit counts; more than fit is everything; what is durable is dropped. */
START_TEST(list_is_what_was_not_flushed)
{
	static struct stretches s;
	struct stretches_copy c;
	struct log_stretch two[2];
	uint64_t seq = 1;

	memset(&s, 0, sizeof s);
	two[0] = stretch_of(1);
	two[1] = stretch_of(2);
	real_note(&s, two, 2, seq, 0);
	real_copy(&s, 0, &c);
	must(c.count == 1 && !c.whole && c.seq == 1 && copy_covers(&c, 1) && copy_covers(&c, 2));
	two[0] = (struct log_stretch){two[1].end, two[1].end + 50};
	real_note(&s, two, 1, 2, 1);
	real_copy(&s, 1, &c);
	must(c.count == 1 && c.at[0].start == two[0].start && c.at[0].end == two[0].end && c.seq == 2);
	real_copy(&s, 2, &c);
	must(c.count == 0 && !c.whole && c.seq == 2);
	for (seq = 3; seq < 3 + STRETCHES_MOST; seq++) {
		two[0] = (struct log_stretch){seq * 2 * SPACING, seq * 2 * SPACING + 100};
		real_note(&s, two, 1, seq, 2);
		real_copy(&s, 2, &c);
		must(c.count == seq - 2 && !c.whole && c.seq == seq);
	}
	two[0] = (struct log_stretch){seq * 2 * SPACING, seq * 2 * SPACING + 100};
	real_note(&s, two, 1, seq, 2);
	real_copy(&s, 2, &c);
	must(c.whole && c.seq == seq);
	real_note(&s, two, 1, seq + 1, 5);
	real_copy(&s, 5, &c);
	must(c.whole && c.seq == seq + 1);
	real_note(&s, two, 1, seq + 2, seq + 1);
	real_copy(&s, seq + 1, &c);
	must(!c.whole && c.count == 1 && c.at[0].start == two[0].start && c.seq == seq + 2);
}
END_TEST

/* In every order ------------------------------------------------------------------------------------------------- */

#define COMMITS 4u

static struct {
	struct stretches list;
	_Atomic uint64_t durable;
	uint64_t noted; /* commits whose bytes are there */
	bool stable[COMMITS + 1];
	unsigned whole, partly, flushes;
} scene;

static void flush_as_listed(void)
{
	struct stretches_copy c;

	copy_copy(&scene.list, atomic_load(&scene.durable), &c);
	actor_point();
	for (uint64_t seq = 1; seq <= scene.noted; seq++)
		scene.stable[seq] = scene.stable[seq] || copy_covers(&c, seq);
	actor_point();
	atomic_store(&scene.durable, c.seq);
	for (uint64_t seq = 1; seq <= c.seq; seq++)
		must(scene.stable[seq]);
	scene.whole += c.whole;
	scene.partly += !c.whole && c.count > 0;
	scene.flushes++;
}

static void commit_or_flush(unsigned self, void *arg)
{
	(void)arg;
	if (self == 1) {
		flush_as_listed();
		flush_as_listed();
		return;
	}
	for (uint64_t seq = 1; seq <= COMMITS; seq++) {
		const struct log_stretch s = stretch_of(seq);
		scene.noted = seq;
		copy_note(&scene.list, &s, 1, seq, atomic_load(&scene.durable));
	}
}

/* Whatever the order: what a flush calls durable is. */
START_TEST(durable_is_flushed_in_every_order)
{
	unsigned whole = 0, partly = 0;
	uint64_t runs = 0;

	actors_begin(2, commit_or_flush, NULL);
	memset(&scene, 0, sizeof scene);
	while (actors_run_next(runs == 0, 2)) {
		runs++;
		whole += scene.whole;
		partly += scene.partly;
		must(scene.flushes == 2 && actors_stuck() == 0);
		memset(&scene, 0, sizeof scene);
	}
	actors_end();
	printf("stretches: %llu orders\n", (unsigned long long)runs);
	must(runs >= 1000 && whole > 0 && partly > 0);
}
END_TEST

static void commit_and_die(unsigned self, void *arg)
{
	if (self == 0)
		lifetime = *(const unsigned *)arg;
	if (self == 1 || setjmp(death) == 0)
		commit_or_flush(self, NULL);
	lifetime = 0;
}

/* Wherever the writer ends: a list that it has left in pieces is everything. */
START_TEST(a_list_in_pieces_is_everything)
{
	unsigned whole = 0, steps = 1;
	bool first;

	actors_begin(2, commit_and_die, &steps);
	for (; steps <= 60; steps++) {
		memset(&scene, 0, sizeof scene);
		for (first = true; actors_run_next(first, 1); first = false) {
			must(scene.flushes == 2 && actors_stuck() == 0);
			whole += (scene.list.generation & 1) != 0 && scene.whole > 0;
			memset(&scene, 0, sizeof scene);
		}
	}
	actors_end();
	must(whole >= 100);
}
END_TEST

static void begin(void)
{
	memset(&scene, 0, sizeof scene);
}

/* Whoever flushes next: what it has not seen flushed, it flushes. */
static void flush_the_rest(void)
{
	const unsigned flushes = scene.flushes;

	must(actors_stuck() == 0 && flushes + 2 * actor_died(1) >= 2);
	flush_as_listed();
	must(scene.flushes == flushes + 1);
	must(actor_died(0) || atomic_load(&scene.durable) == COMMITS);
}

/* Wherever either of them dies: what is called durable was flushed, and nothing is forgotten that was not. */
START_TEST(nothing_is_forgotten_when_one_dies)
{
	const struct scene either = {.name = "stretches, writer or flusher dies",
				     .actors = 2,
				     .body = commit_or_flush,
				     .begin = begin,
				     .verdict = flush_the_rest,
				     .preempted = 1,
				     .deaths = 1,
				     .mortal = 3,
				     .orders = 50000};

	must(scene_play(&either) >= 1000);
}
END_TEST

static void commit_and_flush_much(unsigned self, void *arg)
{
	(void)arg;
	if (self == 0)
		commit_or_flush(0, NULL);
	while (self == 1 && atomic_load(&scene.durable) < COMMITS)
		flush_as_listed();
}

START_TEST(durable_is_flushed_in_random_orders)
{
	const uint64_t runs = testing_count(3000, 300);
	struct rng r = rng_make(1);

	actors_begin(2, commit_and_flush_much, NULL);
	for (uint64_t i = 0; i < runs; i++) {
		memset(&scene, 0, sizeof scene);
		actors_run_random(rng_next(&r), i % 2 == 0 ? 3 : 30);
	}
	actors_end();
}
END_TEST

/* As they like --------------------------------------------------------------------------------------------------- */

struct pair {
	struct stretches list;
	_Atomic uint64_t durable;
	uint64_t commits;
};

static void *commits_note(void *arg)
{
	struct pair *p = arg;

	for (uint64_t seq = 1; seq <= p->commits; seq++) {
		const struct log_stretch s = stretch_of(seq);
		real_note(&p->list, &s, 1, seq, atomic_load(&p->durable));
		for (unsigned i = 0; i < seq % 50; i++)
			os_pause(0); /* what else a commit does */
	}
	return NULL;
}

/* A copy has each commit that is not durable, up to the newest one that it names. */
START_TEST(copies_beside_a_writer)
{
	static struct pair p;
	struct stretches_copy c;
	unsigned whole = 0, copies = 0;
	pthread_t writer;

	memset(&p, 0, sizeof p);
	p.commits = testing_count(300000, 20000);
	must(pthread_create(&writer, NULL, commits_note, &p) == 0);
	do {
		const uint64_t durable = atomic_load(&p.durable);
		real_copy(&p.list, durable, &c);
		must(c.seq >= durable);
		for (uint64_t seq = durable + 1; seq <= c.seq && !c.whole; seq++)
			must(copy_covers(&c, seq));
		atomic_store(&p.durable, c.seq);
		whole += c.whole;
		copies++;
	} while (c.seq < p.commits);
	must(pthread_join(writer, NULL) == 0);
	printf("stretches: %u copies, %u of them everything\n", copies, whole);
}
END_TEST

int main(void)
{
	const TTest *const alone[] = {list_is_what_was_not_flushed};
	const TTest *const orders[] = {durable_is_flushed_in_every_order, a_list_in_pieces_is_everything,
				       nothing_is_forgotten_when_one_dies, durable_is_flushed_in_random_orders};
	const TTest *const threads[] = {copies_beside_a_writer};
	Suite *suite = suite_create("stretches");

	testing_add(suite, "alone", alone, 1);
	testing_add(suite, "orders", orders, sizeof(orders) / sizeof(orders[0]));
	testing_add(suite, "threads", threads, 1);
	return testing_main(suite);
}
