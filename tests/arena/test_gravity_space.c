/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_gravity_space.c: the allocator's space by its public header alone: free slots, compaction, limits. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "tests/arena/gravity_fixture.h"
#include "tests/testing.h"

/* --- free slots and compaction ------------------------------------------------------------------------------------ */

struct visited {
	uint64_t count, bytes, largest, end;
	uint64_t last_start, last_size;
	double last_gravity;
};

static int slot_visit(void *arg, uint64_t start, uint64_t size, double attraction)
{
	struct visited *v = arg;

	must(size > 0 && start > v->end);
	if (v->count > 0) {
		const double distance = (double)(start - v->end);
		const double want = (double)v->last_size * (double)size / (distance * distance);
		must(v->last_gravity > 0.999 * want && v->last_gravity < 1.001 * want);
	}
	v->count++;
	v->bytes += size;
	v->largest = size > v->largest ? size : v->largest;
	v->end = start + size;
	v->last_size = size;
	v->last_gravity = attraction;
	return 0;
}

static int slot_stop(void *arg, uint64_t start, uint64_t size, double attraction)
{
	(void)start;
	(void)size;
	(void)attraction;
	return --*(int *)arg == 0 ? 77 : 0;
}

/* Blobs of the same size with every second one freed, and what was freed usable again. */
static uint64_t perforate(gravity *g, gravity_pos *pos, uint64_t count, size_t size)
{
	for (uint64_t i = 0; i < count; i++)
		if (number_write(g, i, size, &pos[i]) != 0)
			count = i;
	for (uint64_t i = 1; i < count; i += 2)
		must_give(gravity_free(g, pos[i]), 0);
	must_give(gravity_checkpoint(g), 0);
	must_give(gravity_checkpoint(g), 0);
	return count;
}

/* The free slots come in order, touch nowhere, have the gravity that the formula gives, and are what the statistics
 * say; a visit that answers non-zero ends the walk. */
START_TEST(free_slots_match_the_statistics)
{
	static gravity_pos pos[2000];
	gravity *g = gravity_lazy(testing_path);
	struct visited v = {0};
	gravity_stats s;
	int calls = 5;

	(void)perforate(g, pos, 2000, 200);
	must_give(gravity_each_free_slot(g, slot_visit, &v), 0);
	s = gravity_stat_of(g);
	must(v.count == s.free_slots && v.bytes == s.free_bytes && v.largest == s.largest_free);
	must(v.last_gravity == 0 && v.end <= s.file_bytes);
	must(v.count > 900);
	must_give(gravity_each_free_slot(g, slot_stop, &calls), 77);
	must(calls == 0);
	gravity_must_close(g);
}
END_TEST

/* Each planner makes a slot of the size that is wanted out of small ones; every blob is where its position says. */
START_TEST(compaction_makes_the_slot)
{
	static const enum gravity_planner planners[] = {GRAVITY_DEFAULT, GRAVITY_GRAVITY, GRAVITY_CHEAPEST};
	static gravity_pos pos[3000];

	for (unsigned p = 0; p < 6; p++) {
		gravity *g =
			gravity_must_open(p % 2 == 0 ? testing_path : NULL,
					  (gravity_options){.durability = GRAVITY_LAZY, .planner = planners[p / 2]});
		const uint64_t count = perforate(g, pos, 3000, 300);
		uint64_t want = gravity_stat_of(g).free_bytes / 3;
		if (want <= gravity_stat_of(g).largest_free)
			want = gravity_stat_of(g).largest_free + 8;
		must(count == 3000);
		must_give(gravity_compact(g, planners[p / 2], want), 0);
		must(gravity_stat_of(g).largest_free >= want);
		must(gravity_stat_of(g).compaction_steps > 0 && gravity_stat_of(g).bytes_moved > 0);
		for (uint64_t i = 0; i < count; i += 2)
			number_expect(g, pos[i], i, 300);
		must(gravity_stat_of(g).blobs == count / 2);
		must_give(gravity_compact(g, planners[p / 2], want), 0);
		gravity_must_close(g);
		if (p % 2 == 0)
			must(unlink(testing_path) == 0);
	}
}
END_TEST

/* A store with a limit is filled with small blobs, every second one is freed, and values of ten times the size are
 * written: none fails for want of one large slot while the free space suffices. */
static void fill_with_fragments(uint64_t limit)
{
	const uint64_t most = limit / 300;
	gravity_pos *pos = calloc(most, sizeof(*pos));
	gravity_pos *large = calloc(most, sizeof(*large));

	must(pos != NULL && large != NULL);
	for (unsigned kind = 0; kind < 4; kind++) {
		gravity_options o = {.durability = GRAVITY_LAZY, .max_bytes = limit};
		gravity *g;
		uint64_t count, written = 0;
		uint64_t freed = 0;
		o.planner = kind / 2 == 0 ? GRAVITY_CHEAPEST : GRAVITY_GRAVITY;
		g = gravity_must_open(kind % 2 == 0 ? testing_path : NULL, o);
		count = perforate(g, pos, most, 368);
		must(count < most && count > most / 2);
		freed = count / 2 * 400;
		while (written < most && number_write(g, written, 4000, &large[written]) == 0)
			written++;
		must(gravity_stat_of(g).file_bytes <= limit);
		/* All of it but the reserve, which holds a copy of the table, a window and the free list. */
		printf("limit %llu MiB, kind %u: %.0f %% of what was freed was written again\n",
		       (unsigned long long)(limit / MIB), kind, 100.0 * (double)(written * 4032) / (double)freed);
		must(written * 4032 >= freed * 8 / 10);
		for (uint64_t i = 0; i < count; i += 2)
			number_expect(g, pos[i], i, 368);
		for (uint64_t i = 0; i < written; i++)
			number_expect(g, large[i], i, 4000);
		/* Full for puts; what frees space succeeds all the same. */
		must_give(number_write(g, 0, limit / 2, &large[written]), GRAVITY_FULL);
		for (uint64_t i = 0; i < written; i++)
			must_give(gravity_free(g, large[i]), 0);
		must_give(gravity_checkpoint(g), 0);
		must_give(number_write(g, 0, 4000, &large[0]), 0);
		must(gravity_stat_of(g).file_bytes <= limit);
		gravity_must_close(g);
		if (kind % 2 == 0)
			must(unlink(testing_path) == 0);
	}
	free(large);
	free(pos);
}

START_TEST(never_full_of_fragments)
{
	fill_with_fragments(4 * MIB);
	fill_with_fragments(16 * MIB);
	fill_with_fragments(32 * MIB);
}
END_TEST

#define CHURN_BLOBS 30000u /* more than 64 MiB hold of them */

/* Blobs of all sizes up to 16 KiB, of which some are there. */
struct churn {
	gravity *g;
	struct rng rng;
	uint64_t number;
	uint64_t written; /* bytes */
	struct {
		gravity_pos pos;
		uint64_t number;
		size_t size; /* 0: it is not there */
	} blob[CHURN_BLOBS];
};

static void churn_free(struct churn *c, uint64_t i)
{
	if (c->blob[i].size == 0)
		return;
	must_give(gravity_free(c->g, c->blob[i].pos), 0);
	c->blob[i].size = 0;
}

static void churn_write(struct churn *c, uint64_t i)
{
	const size_t size = (size_t)16 << rng_below(&c->rng, 10);

	churn_free(c, i);
	c->blob[i].size = size + rng_below(&c->rng, size);
	c->blob[i].number = c->number++;
	must_give(number_write(c->g, c->blob[i].number, c->blob[i].size, &c->blob[i].pos), 0);
	c->written += c->blob[i].size;
}

/* Writes until so many bytes live, then replaces so many. */
static void churn_run(struct churn *c, uint64_t hold, uint64_t bytes)
{
	for (uint64_t i = 0; gravity_stat_of(c->g).live_bytes < hold; i++)
		churn_write(c, i % CHURN_BLOBS);
	for (c->written = 0; c->written < bytes;) {
		churn_write(c, rng_below(&c->rng, CHURN_BLOBS));
		while (gravity_stat_of(c->g).live_bytes > hold)
			churn_free(c, rng_below(&c->rng, CHURN_BLOBS));
	}
}

static void churn_expect(const struct churn *c)
{
	for (uint64_t i = 0; i < CHURN_BLOBS; i++)
		if (c->blob[i].size != 0)
			number_expect(c->g, c->blob[i].pos, c->blob[i].number, c->blob[i].size);
}

/* A store of which 90% are live takes replacing writes of mixed sizes for ever, however large it is, whoever plans, in a
 * file and in memory, from two mebibytes on: what is free is in pieces, and none is refused. Few bytes are moved for that. */
START_TEST(a_full_store_takes_replacing_writes)
{
	static const struct {
		uint64_t limit, turnovers;
		enum gravity_planner planner;
		bool file;
	} runs[] = {{2 * MIB, 40, GRAVITY_CHEAPEST, true}, {4 * MIB, 20, GRAVITY_CHEAPEST, true},
		    {4 * MIB, 20, GRAVITY_GRAVITY, false}, {16 * MIB, 8, GRAVITY_CHEAPEST, true},
		    {16 * MIB, 8, GRAVITY_GRAVITY, true},  {16 * MIB, 8, GRAVITY_CHEAPEST, false},
		    {64 * MIB, 3, GRAVITY_CHEAPEST, true}};
	static struct churn c;

	for (unsigned i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		const uint64_t limit = runs[i].limit, hold = limit / 100 * 90;
		const uint64_t bytes = testing_count(runs[i].turnovers * limit, limit);
		gravity_stats before, after;
		memset(&c, 0, sizeof c);
		c.rng = rng_make(40 + i);
		c.g = gravity_must_open(
			runs[i].file ? testing_path : NULL,
			(gravity_options){.durability = GRAVITY_LAZY, .max_bytes = limit, .planner = runs[i].planner});
		churn_run(&c, hold, 0);
		before = gravity_stat_of(c.g);
		churn_run(&c, hold, bytes);
		after = gravity_stat_of(c.g);
		printf("limit %llu MiB: %.2f bytes moved for each written\n", (unsigned long long)(limit / MIB),
		       (double)(after.bytes_moved - before.bytes_moved) / (double)c.written);
		must(after.file_bytes <= limit);
		must(limit < 4 * MIB || after.bytes_moved - before.bytes_moved < 3 * c.written);
		churn_expect(&c);
		gravity_must_close(c.g);
		if (runs[i].file)
			must(unlink(testing_path) == 0);
	}
}
END_TEST

/* A write of up to 16 KiB is not refused before nine tenths live; when one is, nothing has changed, and everything can be
 * freed. */
START_TEST(full_is_full)
{
	const uint64_t limit = 8 * MIB;

	for (unsigned kind = 0; kind < 2; kind++) {
		static struct churn c;
		gravity_stats before, after;
		size_t size = 0;
		gravity_pos pos;
		int rc;
		memset(&c, 0, sizeof c);
		c.rng = rng_make(70 + kind);
		c.g = gravity_must_open(kind == 0 ? testing_path : NULL,
					(gravity_options){.durability = GRAVITY_LAZY, .max_bytes = limit});
		churn_run(&c, limit / 100 * 85, testing_count(2 * limit, limit / 4));
		do {
			before = gravity_stat_of(c.g);
			size = ((size_t)16 << rng_below(&c.rng, 10)) + 1;
			rc = number_write(c.g, 7, size, &pos);
		} while (rc == 0);
		must_give(rc, GRAVITY_FULL);
		after = gravity_stat_of(c.g);
		must(after.blobs == before.blobs && after.live_bytes <= before.live_bytes + 64 * KIB);
		must(after.live_bytes + size > limit / 100 * 90);
		churn_expect(&c);
		for (uint64_t i = 0; i < CHURN_BLOBS; i++)
			churn_free(&c, i);
		must_give(gravity_checkpoint(c.g), 0);
		must(gravity_stat_of(c.g).file_bytes <= limit);
		gravity_must_close(c.g);
		if (kind == 0)
			must(unlink(testing_path) == 0);
	}
}
END_TEST

/* A value that is half as large as the store finds a place where four tenths live in small pieces, all over the file. */
START_TEST(a_large_value_finds_a_place)
{
	static const uint64_t limits[] = {2 * MIB, 4 * MIB, 16 * MIB, 64 * MIB};

	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const uint64_t limit = limits[i], most = limit / 100;
		gravity_pos *pos = calloc(most, sizeof(*pos));
		gravity *g = gravity_must_open(testing_path,
					       (gravity_options){.durability = GRAVITY_LAZY, .max_bytes = limit});
		gravity_pos large;
		uint64_t count = 0;
		must(pos != NULL);
		while (count < most && gravity_stat_of(g).live_bytes < limit / 100 * 80 &&
		       number_write(g, count, 1000, &pos[count]) == 0)
			count++;
		for (uint64_t k = 0; k < count; k += 2)
			must_give(gravity_free(g, pos[k]), 0);
		must(gravity_stat_of(g).live_bytes > limit / 100 * 38);
		must_give(number_write(g, 1, limit / 2, &large), 0);
		must(gravity_stat_of(g).file_bytes <= limit);
		for (uint64_t k = 1; k < count; k += 2)
			number_expect(g, pos[k], k, 1000);
		number_expect(g, large, 1, limit / 2);
		gravity_must_close(g);
		free(pos);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

/* What is neither headers, nor live, free or pending: the window. */
static uint64_t window_bytes(gravity *g)
{
	const gravity_stats s = gravity_stat_of(g);

	return s.file_bytes - UINT64_C(8192) - s.live_bytes - s.free_bytes - s.pending_bytes;
}

/* The last JUMP of a session may name a large window, most of which it has given back. The next one, under a limit, does not
 * go on in it: that would be the spare, without which nothing can be freed any more. */
START_TEST(a_session_under_a_limit_asks_for_its_window)
{
	const uint64_t limit = 300000;
	gravity *g = gravity_lazy(testing_path);
	gravity_pos pos[200];
	unsigned count = 0;

	for (unsigned i = 0; i < 100 && window_bytes(g) < limit / 8; i++)
		(void)number_must_write(g, i, 1000);
	must(window_bytes(g) >= limit / 8);
	gravity_must_close(g);
	g = gravity_must_open(testing_path, (gravity_options){.durability = GRAVITY_LAZY, .max_bytes = limit});
	(void)number_must_write(g, 2, 1000);
	must(window_bytes(g) < limit / 16);
	while (count < 200 && number_write(g, count, 3000, &pos[count]) == 0)
		count++;
	must(count > 0 && count < 200);
	while (count > 0)
		must_give(gravity_free(g, pos[--count]), 0);
	gravity_must_close(g);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gravity space");

	testing_add(suite, "free slots", TESTS(free_slots_match_the_statistics, compaction_makes_the_slot));
	testing_add(suite, "limits",
		    TESTS(never_full_of_fragments, a_full_store_takes_replacing_writes, full_is_full,
			  a_large_value_finds_a_place, a_session_under_a_limit_asks_for_its_window));
	return testing_main(suite);
}
