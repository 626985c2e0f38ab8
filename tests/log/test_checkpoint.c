/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_checkpoint.c: how a checkpoint's work is spread over the changes that go on beside it: the log, the holes, the
 * commits. What is left when it is cut is in tests/crash. */
#define _GNU_SOURCE

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"

/* What was pushed. */
static struct {
	uint64_t bytes, calls;
} pushed;

static int counted_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	pushed.bytes += bytes;
	pushed.calls++;
	return os_posix()->push(os_posix(), file, offset, bytes);
}

/* Lazy commits of 15 KiB under new names, side by side, so that nothing dies or is moved, until one more checkpoint is
 * made. */
static void commit_until_checkpoint(arena *a, uint64_t name)
{
	const uint64_t before = a->checkpoint.count;
	arena_txn *t;
	void *data;

	for (uint64_t i = 0; a->checkpoint.count == before; i++) {
		must(i < 10000);
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		must_give(arena_put(t, (vpos){mix64(name + i)}, 0, 15 * KIB, &data), 0);
		memset(data, (int)i, 15 * KIB);
		must_give(arena_commit(t), 0);
	}
}

/* The log of lazy commits is on its way to the disk before the checkpoint's flush, little by little. */
START_TEST(log_is_pushed_as_it_grows)
{
	struct os counting = *os_posix();
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a;

	counting.push = counted_push;
	o.os = &counting;
	o.checkpoint_bytes = 8 * MIB;
	a = arena_must_open(testing_path, &o);
	commit_until_checkpoint(a, 1);
	memset(&pushed, 0, sizeof pushed);
	commit_until_checkpoint(a, 10001);
	must(pushed.bytes >= 8 * MIB);
	must(pushed.calls >= 8 * MIB / (300 * KIB));
	arena_must_close(a);
	file_must_be_sound(testing_path);
}
END_TEST

/* Under a limit it is, too, before a checkpoint is due. */
START_TEST(log_is_pushed_before_a_checkpoint_under_a_limit)
{
	struct os counting = *os_posix();
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena_txn *t;
	void *data;
	arena *a;

	counting.push = counted_push;
	o.os = &counting;
	o.max_bytes = 64 * MIB;
	a = arena_must_open(testing_path, &o);
	memset(&pushed, 0, sizeof pushed);
	for (uint64_t i = 0; i < 4 * MIB / (15 * KIB); i++) {
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		must_give(arena_put(t, (vpos){mix64(1 + i)}, 0, 15 * KIB, &data), 0);
		memset(data, (int)i, 15 * KIB);
		must_give(arena_commit(t), 0);
	}
	must(a->checkpoint.count == 0 && !a->checkpoint.pushing);
	must(pushed.bytes >= 3 * MIB && pushed.calls >= 3 * MIB / (300 * KIB));
	arena_must_close(a);
}
END_TEST

static unsigned punches;

static int counted_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	punches++;
	return os_posix()->punch(os_posix(), file, offset, bytes);
}

/* What a checkpoint has freed is punched out of the file by the commits that follow it, some slots after each. */
START_TEST(slots_are_punched_some_at_a_time)
{
	struct os counting = *os_posix();
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	unsigned sum = 0;
	arena_txn *t;
	void *data;
	arena *a;

	counting.punch = counted_punch;
	o.os = &counting;
	a = arena_must_open(testing_path, &o);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 1000; i++)
		must_give(arena_put(t, (vpos){mix64(i + 1)}, 0, i % 2 == 0 ? 100 * KIB : 10 * KIB, &data), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 1000; i += 2)
		must_give(arena_del(t, (vpos){mix64(i + 1)}), 0);
	must_give(arena_commit(t), 0);
	punches = 0;
	for (uint64_t i = 0; i < 1000; i++) {
		const unsigned before = punches;
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		must_give(arena_put(t, (vpos){mix64(2)}, 0, 10 * KIB, &data), 0);
		must_give(arena_commit(t), 0);
		must(punches - before <= 32);
		sum += punches - before;
	}
	must(sum >= 100);
	arena_must_close(a);
	file_must_be_sound(testing_path);
}
END_TEST

/* A checkpoint that goes on for many commits is crossed by each of them: killed at any of these, the store holds it;
 * with snapshots open, which see the same all the time. */
START_TEST(commits_beside_a_long_checkpoint)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	const uint64_t names = 250000; /* a table of several slices */
	struct rng r = rng_make(11);
	static struct model m, then;
	uint64_t pushing = 0;
	arena_txn *t, *snapshot;
	char copy_path[320];
	void *data;
	arena *a;

	testing_path_of("copy", copy_path);
	o.checkpoint_bytes = 100 * KIB;
	memset(&m, 0, sizeof(m));
	a = arena_must_open(testing_path, &o);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < names; i++)
		must_give(arena_put(t, (vpos){mix64(MODEL_NAMES + 1 + i)}, 0, 0, &data), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_begin(a, ARENA_READ, &snapshot), 0);
	then = m;
	/* When one begins depends on what the commits have replaced. */
	for (uint64_t i = 0; i < 60 || (pushing == 0 && i < 600); i++) {
		must_give(model_commit(&m, a, &r, 10, 3000, 0), 0);
		must(model_fits_txn(&then, snapshot));
		pushing += a->checkpoint.state == CHECKPOINT_PUSHING;
		if (i % 10 != 3)
			continue;
		arena_must_be_sound(a);
		file_copy(testing_path, copy_path);
		arena *b = arena_lazy(copy_path);
		arena_must_be_sound(b);
		must_give(arena_begin(b, ARENA_READ, &t), 0);
		must(model_fits_txn(&m, t));
		arena_abort(t);
		arena_must_close(b);
		file_must_be_sound(copy_path);
		arena_abort(snapshot);
		then = m;
		must_give(arena_begin(a, ARENA_READ, &snapshot), 0);
	}
	must(pushing > 0);
	arena_abort(snapshot);
	arena_must_close(a);
	file_must_be_sound(testing_path);
}
END_TEST

#define SMALL 200000u /* records: their table has a thousand pages */

static void small_put(arena *a, uint64_t i)
{
	arena_txn *t;
	void *data;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	must_give(arena_put(t, (vpos){mix64(1 + i)}, 0, 100, &data), 0);
	memset(data, (int)i, 100);
	must_give(arena_commit(t), 0);
}

/* After a checkpoint nearly each small record that moves copies its page: a step that empties a segment
 * copies no more than a mebibyte of them, but where a stretch of it without a slot has to be moved at once. */
START_TEST(a_step_of_compaction_counts_the_pages_that_it_copies)
{
	arena *a = arena_lazy(testing_path);
	struct rng r = rng_make(12);
	unsigned steps = 0;
	uint64_t sum = 0;

	for (uint64_t i = 0; i < SMALL; i++)
		small_put(a, i);
	for (uint64_t i = 0; i < 3 * SMALL && steps < 10; i++) {
		const uint64_t count = a->checkpoint.count, moved = a->b->bytes_moved;
		small_put(a, rng_below(&r, SMALL));
		/* The first change of an interval, with all the credit that there can be. */
		if (a->checkpoint.count == count || moved < MIB || a->checkpoint.state != CHECKPOINT_IDLE)
			continue;
		const uint64_t copied = a->b->space.copied_bytes, before = a->b->bytes_moved, end = a->b->interval.end;
		a->b->steps.credit = MIB;
		small_put(a, rng_below(&r, SMALL));
		/* One at the end of the file may be larger. */
		if (a->b->bytes_moved == before || a->b->interval.end != end)
			continue;
		/* A checkpoint that begins with this change counts anew. */
		if (a->checkpoint.state != CHECKPOINT_IDLE || a->b->space.copied_bytes < copied)
			continue;
		steps++;
		sum += a->b->space.copied_bytes - copied;
	}
	must(steps == 10 && sum > 0 && sum <= 10 * (MIB + MIB / 4));
	arena_must_close(a);
}
END_TEST

SUITE("checkpoint", "slices", log_is_pushed_as_it_grows, log_is_pushed_before_a_checkpoint_under_a_limit,
      slots_are_punched_some_at_a_time, commits_beside_a_long_checkpoint,
      a_step_of_compaction_counts_the_pages_that_it_copies)
