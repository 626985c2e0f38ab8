/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_faults.c: what is there after an end at a call of the system: killed before it, or it failed. Whichever call it
 * is, nothing crashes or leaks, and what was acknowledged is there. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arena/arena.h"
#include "arena/core.h"
#include "arena/log/session.h"
#include "tests/arena/arena_fixture.h"

static char copy_path[320];

static void setup(void)
{
	testing_path_of("copy", copy_path);
}

/* --- flushes of a checkpoint -------------------------------------------------------------------------------------- */

struct watch {
	struct model m;
	arena *a;
	struct rng r;
	bool write;
	uint64_t flushes;
};

/* What a process that was killed before this flush would have left; and then, where the writer's lock is free, a
 * commit beside the checkpoint. */
static void flush_watch(void *arg)
{
	struct watch *w = arg;

	w->flushes++;
	file_copy(testing_path, copy_path);
	file_must_hold(copy_path, &w->m);
	if (!w->write)
		return;
	must_give(model_commit(&w->m, w->a, &w->r, 20, 2000, ARENA_LAZY_COMMIT), 0);
	file_copy(testing_path, copy_path);
	file_must_hold(copy_path, &w->m);
}

/* Killed before or beside any flush of a checkpoint or a compaction, a store holds the last commit. */
START_TEST(killed_in_a_checkpoint)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	static struct watch watch;
	struct faulty faulty;
	struct arena_stats stats;

	memset(&watch, 0, sizeof(watch));
	watch.r = rng_make(10);
	faulty_init(&faulty);
	faulty.arg = &watch;
	o.os = &faulty.os;
	watch.a = arena_must_open(testing_path, &o);
	for (uint64_t n = 0; n < testing_count(40, 10); n++) {
		must_give(model_commit(&watch.m, watch.a, &watch.r, 40, 4000, 0), 0);
		faulty.before_flush = flush_watch;
		for (uint64_t again = rng_below(&watch.r, 3); again > 0; again--) {
			watch.write = rng_below(&watch.r, 3) == 0;
			must_give(arena_checkpoint(watch.a), 0);
		}
		watch.write = false;
		if (n % 5 == 0)
			must_give(arena_compact(watch.a, GRAVITY_DEFAULT, 0, NULL, NULL), 0);
		must_give(arena_stat(watch.a, &stats), 0);
		if (n % 5 == 3)
			must_give(arena_compact(watch.a, GRAVITY_DEFAULT, stats.free_bytes / 2, NULL, NULL), 0);
		faulty.before_flush = NULL;
		arena_must_be_sound(watch.a);
	}
	must(watch.flushes > 0);
	arena_must_close(watch.a);
	file_must_hold(testing_path, &watch.m);
	faulty_clean(&faulty);
}
END_TEST

/* --- failing systems ---------------------------------------------------------------------------------------------- */

static void handle_must_have_failed(arena *a)
{
	must_give(arena_begin(a, ARENA_WRITE, &(arena_txn *){NULL}), GRAVITY_FAILED);
	must_give(arena_checkpoint(a), GRAVITY_FAILED);
	must_give(arena_sync(a), GRAVITY_FAILED);
	must_give(arena_compact(a, GRAVITY_DEFAULT, 0, NULL, NULL), GRAVITY_FAILED);
}

/* After a flush that failed the handle writes no more and reads on; opened again, all that was acknowledged is there,
 * and nothing but, perhaps, the commit whose flush it was. */
START_TEST(failed_flush_ends_writing)
{
	struct rng r = rng_make(12);
	static struct model m;

	for (uint64_t nth = 1; nth <= 12; nth++) {
		struct arena_options o = plain_options(0, GRAVITY_DURABLE);
		struct faulty faulty;
		arena *a;
		bool fits;
		int code = 0;
		memset(&m, 0, sizeof(m));
		faulty_init(&faulty);
		o.os = &faulty.os;
		a = arena_must_open(testing_path, &o);
		must_give(model_commit(&m, a, &r, 10, 1000, 0), 0);
		faulty_arm(&faulty, FAULTY_FLUSHES, nth, EIO, false);
		for (unsigned i = 0; code == 0; i++)
			code = i % 3 == 2 ? arena_checkpoint(a) : model_commit(&m, a, &r, 10, 1000, 0);
		must_give(code, EIO);
		handle_must_have_failed(a);
		must(model_fits(&m, a) || model_fits(&model_tried, a));
		must_give(arena_close(a), GRAVITY_FAILED);
		faulty_clean(&faulty);
		must_give(file_opens_as(testing_path, &m, &fits), 0);
		if (!fits)
			file_must_hold(testing_path, &model_tried);
		file_must_be_sound(testing_path);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

struct script {
	struct faulty faulty;
	struct model m;       /* acknowledged                                  */
	struct model unknown; /* what a commit whose flush failed would make it */
	bool has_unknown;
	uint64_t refused;
};

static void script_sound(struct script *s, arena *a)
{
	const unsigned counted = s->faulty.counted;

	s->faulty.counted = 0;
	arena_must_be_sound(a);
	/* What was unknown is known once the store was opened again. */
	if (s->has_unknown && !arena_failed(a)) {
		if (!model_fits(&s->m, a))
			s->m = s->unknown;
		s->has_unknown = false;
	}
	must(s->has_unknown || model_fits(&s->m, a));
	s->faulty.counted = counted;
}

static void script_commit(struct script *s, arena *a, unsigned step)
{
	static struct model next;
	const bool was_failed = arena_failed(a);
	arena_txn *t;
	int r = arena_begin(a, ARENA_WRITE | (step % 2 == 0 ? ARENA_DURABLE_COMMIT : ARENA_LAZY_COMMIT), &t);

	next = s->m;
	if (r == 0) {
		for (unsigned i = 0; r == 0 && i < 12; i++) {
			const unsigned name = (step * 29 + i * 7) % 200;
			if (next.number[name] != 0 && i % 3 == 0)
				r = model_del(&next, t, name);
			else
				r = model_put(&next, t, name, step * 100 + i + 1, (step * 331 + i * 97) % 5000);
		}
		if (r == 0)
			r = arena_commit(t);
		else
			arena_abort(t);
	}
	if (r == 0) {
		s->m = next;
	} else {
		s->refused++;
		if (!was_failed && arena_failed(a) && !s->has_unknown) {
			s->unknown = next;
			s->has_unknown = true;
		}
	}
}

/* A short life of a store: made, written, checkpointed, compacted, closed, opened, emptied. */
static void script_run(struct script *s, unsigned sessions)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);

	o.os = &s->faulty.os;
	for (unsigned session = 0; session < sessions; session++) {
		arena *a;
		int r = arena_open(testing_path, &o, &a);
		if (r != 0) {
			must(a == NULL);
			s->refused++;
			continue;
		}
		script_sound(s, a);
		for (unsigned i = 0; i < 6; i++) {
			script_commit(s, a, session * 10 + i);
			if (i % 3 == 1)
				s->refused += arena_checkpoint(a) != 0;
			script_sound(s, a);
		}
		s->refused += arena_compact(a, GRAVITY_DEFAULT, session % 2 * 20000, NULL, NULL) != 0;
		script_sound(s, a);
		s->refused += arena_close(a) != 0;
	}
}

static void script_end(struct script *s)
{
	bool fits;

	faulty_clean(&s->faulty);
	if (!file_exists(testing_path))
		must(s->refused > 0);
	must_give(file_opens_as(testing_path, &s->m, &fits), 0);
	if (!fits && s->has_unknown)
		must_give(file_opens_as(testing_path, &s->unknown, &fits), 0);
	must(fits);
	file_must_be_sound(testing_path);
	must(unlink(testing_path) == 0);
}

#define CROWD_FIRST 200u /* the script's own names are below */
#define CROWD_STEP  4u
#define CROWD_MOST  ((MODEL_NAMES - CROWD_FIRST) / CROWD_STEP)

/* Deletes so many records, of which no two stand side by side: each leaves a slot of its own. Beginning with another one
 * they are others. */
static void crowd_delete(struct model *m, arena *a, unsigned begin, unsigned count)
{
	arena_txn *t;

	must(count <= CROWD_MOST);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (unsigned i = 0; i < count; i++)
		must_give(model_del(m, t, CROWD_FIRST + begin + i * CROWD_STEP), 0);
	must_give(arena_commit(t), 0);
}

/* A store with so many free slots, or some more. */
static void crowd_make(const char *path, struct model *m, unsigned slots)
{
	arena *a = arena_lazy(path);
	arena_txn *t;

	memset(m, 0, sizeof(*m));
	for (unsigned i = CROWD_FIRST; i < MODEL_NAMES; i++) {
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		must_give(model_put(m, t, i, i, 900 + i % 7 * 200), 0);
		must_give(arena_commit(t), 0);
	}
	must_give(arena_checkpoint(a), 0);
	crowd_delete(m, a, 0, slots);
	arena_must_close(a);
}

/* The script again and again, with the first, second, ... call failing, until none is left to fail; also in a store that
 * has more free slots than there is room for at first. */
static void script_each(unsigned counted, int code, bool for_ever, bool crowded)
{
	static struct script s;
	static struct model crowd;
	uint64_t failed = 1;

	if (crowded)
		crowd_make(copy_path, &crowd, CROWD_MOST);
	for (uint64_t nth = 1; failed > 0; nth++) {
		memset(&s, 0, sizeof(s));
		if (crowded) {
			file_copy(copy_path, testing_path);
			s.m = crowd;
		}
		faulty_init(&s.faulty);
		s.faulty.unflushed = true;
		faulty_arm(&s.faulty, counted, nth, code, for_ever);
		script_run(&s, 2);
		failed = atomic_load(&s.faulty.failed);
		faulty_arm(&s.faulty, 0, 0, 0, false);
		script_end(&s);
	}
}

/* Whichever allocation fails: no crash, no leak, and what was acknowledged is there. */
START_TEST(any_allocation_may_fail)
{
	script_each(FAULTY_ALLOC, ENOMEM, false, false);
	script_each(FAULTY_ALLOC, ENOMEM, false, true);
	script_each(FAULTY_ALLOC, ENOMEM, true, true);
}
END_TEST

/* Which end a transaction comes to that has taken a window, while others use up the room that there is for free slots. */
enum end { END_ABORT, END_COMMIT, END_CHECKPOINT, ENDS };

/* Without memory for another free slot: what a snapshot held becomes free while a transaction looks for a place. */
static void end_without_memory(unsigned slots, enum end end)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	static struct model m;
	struct faulty faulty;
	arena_txn *reader, *t;
	void *data;
	arena *a;

	crowd_make(testing_path, &m, slots);
	faulty_init(&faulty);
	o.os = &faulty.os;
	a = arena_must_open(testing_path, &o);
	must_give(arena_begin(a, ARENA_READ, &reader), 0);
	crowd_delete(&m, a, 2, CROWD_MOST);
	must_give(arena_checkpoint(a), 0);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (unsigned i = 0; a->b->log.jump_count < 3; i++)
		must_give(arena_put(t, model_name(i % CROWD_FIRST), 0, 800, &data), 0);
	arena_abort(reader);
	faulty_arm(&faulty, FAULTY_ALLOC, 1, ENOMEM, true);
	/* No slot holds it: what the snapshot held is looked at, as far as there is room for it. */
	must_give(arena_put(t, model_name(0), 0, 2 * MIB, &data), ENOMEM);
	if (end == END_COMMIT)
		must_give(arena_commit(t), 0);
	else
		arena_abort(t);
	if (end == END_CHECKPOINT)
		must_give(arena_checkpoint(a), ENOMEM);
	faulty_arm(&faulty, 0, 0, 0, false);
	arena_must_be_sound(a);
	arena_must_close(a);
	faulty_clean(&faulty);
	file_must_be_sound(testing_path);
	must(unlink(testing_path) == 0);
}

/* Nothing that was taken for a transaction or a checkpoint is lost because there is no memory when it is given back. */
START_TEST(what_is_given_back_needs_no_memory)
{
	for (unsigned end = 0; end < ENDS; end++)
		for (unsigned slots = CROWD_MOST - 40; slots < CROWD_MOST; slots += 3)
			end_without_memory(slots, (enum end)end);
}
END_TEST

/* The same of every call of the system: it fails once. */
START_TEST(any_call_may_fail_once)
{
	script_each(FAULTY_EVERY & ~(unsigned)FAULTY_ALLOC, EIO, false, false);
}
END_TEST

/* The disk is full, and stays full for this process. */
START_TEST(disk_may_stay_full)
{
	script_each(FAULTY_GROW, ENOSPC, true, false);
}
END_TEST

/* Every flush fails from some point on. */
START_TEST(flushes_may_fail_for_ever)
{
	script_each(FAULTY_FLUSHES, EIO, true, false);
}
END_TEST

/* Values that are too large to be stored through the map are written; where that fails, they are stored. */
START_TEST(failed_write_is_made_up_for)
{
	static const size_t sizes[] = {16 * KIB - 1, 16 * KIB, 16 * KIB + 1, 40000, 100 * KIB + 5};
	const size_t count = sizeof(sizes) / sizeof(sizes[0]);
	static uint8_t bytes[128 * KIB];
	uint64_t failed = 1, calls = 0;

	for (uint64_t nth = 1; failed > 0; nth++) {
		struct arena_options o = plain_options(0, GRAVITY_LAZY);
		struct faulty f;
		arena_txn *t;
		arena *a;
		faulty_init(&f);
		o.os = &f.os;
		a = arena_must_open(testing_path, &o);
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		faulty_arm(&f, FAULTY_WRITE, nth, ENOSPC, nth % 2 == 1);
		for (size_t i = 0; i < count; i++) {
			void *data;
			bytes_make(bytes, sizes[i], i);
			must_give(arena_put(t, model_name((unsigned)i), 0, sizes[i], &data), 0);
			arena_copy_in(t, data, bytes, sizes[i]);
		}
		failed = atomic_load(&f.failed);
		calls += atomic_load(&f.calls);
		must_give(arena_commit(t), 0);
		must_give(arena_begin(a, ARENA_READ, &t), 0);
		for (size_t i = 0; i < count; i++) {
			struct arena_blob blob;
			must_give(arena_find(t, model_name((unsigned)i), &blob), 0);
			must(blob.size == sizes[i] && bytes_fit(blob.data, sizes[i], i));
		}
		arena_abort(t);
		arena_must_close(a);
		faulty_clean(&f);
		file_must_be_sound(testing_path);
		must(unlink(testing_path) == 0);
	}
	must(calls > 30);
}
END_TEST

static void cases_add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	TCase *tc = testing_case(suite, name, false);

	tcase_add_checked_fixture(tc, setup, NULL);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
}

int main(void)
{
	const TTest *const checkpoints[] = {killed_in_a_checkpoint};
	const TTest *const systems[] = {
		failed_flush_ends_writing,  any_allocation_may_fail, what_is_given_back_needs_no_memory,
		any_call_may_fail_once,     disk_may_stay_full,      flushes_may_fail_for_ever,
		failed_write_is_made_up_for};
	Suite *suite = suite_create("faults");

	cases_add(suite, "checkpoints", checkpoints, sizeof(checkpoints) / sizeof(checkpoints[0]));
	cases_add(suite, "systems", systems, sizeof(systems) / sizeof(systems[0]));
	return testing_main(suite);
}
