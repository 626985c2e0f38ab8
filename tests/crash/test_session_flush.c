/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_session_flush.c: what an earlier session has left is never relied on before it is made sure of. These are the power
 * cuts that test_crash.c meets on some seeds alone, each made by hand: a flush of the first session failed; the second one
 * begins where it ended. */

#include <errno.h>

#include "arena/arena.h"
#include "tests/crash/session.h"
#include "tests/testing.h"

/* Within which a flush fails; 0: none. */
static uint64_t fail_end;
/* So many of the next flushes fail, whatever they cover. */
static unsigned fail_flushes;
static uint64_t flushes;
/* In which a commit is made beside the checkpoint that pushes its pages, or NULL. */
static arena *beside;

static void call_watch(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	arena *a = beside;

	(void)arg;
	(void)bytes;
	if (call == SIM_SYNC_RANGE && offset < fail_end)
		sim.fail_at = 1;
	flushes += call == SIM_SYNC_RANGE || call == SIM_SYNC;
	if ((call == SIM_SYNC_RANGE || call == SIM_SYNC) && fail_flushes > 0) {
		fail_flushes--;
		sim.fail_at = 1;
	}
	if (call != SIM_PUSH || a == NULL)
		return;
	beside = NULL;
	put_alone(a, RECORD_NEW, 100);
}

static void setup(void)
{
	struct rng r = rng_make(0);

	machine_init(rng_next(&r), call_watch);
}

static void teardown(void)
{
	sim_release(&sim);
}

/* The disk has what was flushed alone (SIM_NONE), or all but what it does not know to be dirty (SIM_ALL). */
static void power_cut(enum sim_style style)
{
	const struct sim_cut how = {.style = style};
	static struct sim leaf;

	sim_step(&sim);
	sim_init(&leaf, false, 1);
	sim_cut(&sim, &how, &leaf);
	sim_copy(&leaf, &sim);
	sim_release(&leaf);
	sim_kill(&sim);
}

/* A session in which a flush fails, after which some page of it is not on the disk though it seems clean; its process
 * ends, the machine goes on. */
static void failed_session(bool checkpoint, bool commit)
{
	arena_txn *t;
	arena *a;

	do {
		sim.fail_at = sim.failed = 0;
		a = session();
		put_alone(a, RECORD_LARGE, LARGE);
		must_give(arena_checkpoint(a), 0);
		must_give(arena_begin(a, ARENA_WRITE | ARENA_DURABLE_COMMIT, &t), 0);
		put(t, RECORD_FIRST, 100);
		must_give(arena_del(t, name_of(RECORD_LARGE)), 0);
		must_give(arena_commit(t), 0);
		fail_end = checkpoint ? DISK_DATA : UINT64_MAX;
		beside = commit ? a : NULL;
		if (checkpoint) {
			must_give(arena_checkpoint(a), EIO);
		} else {
			must_give(arena_begin(a, ARENA_WRITE | ARENA_DURABLE_COMMIT, &t), 0);
			put(t, RECORD_LOST, 20000);
			must_give(arena_commit(t), EIO);
		}
		fail_end = 0;
		sim_kill(&sim);
		/* Of two pages of the log the next session does not write to both. */
	} while (sim_find(&sim, PATH)->file.lost_count < (checkpoint ? 1 : 2));
	sim.fail_at = sim.failed = 0;
}

/* A header whose flush failed is made sure of by the next session, before it uses again what the header before it
 * reaches. */
START_TEST(header_is_made_sure_of)
{
	arena *a;

	base_make();
	failed_session(true, false);
	a = session();
	/* Into whatever is free. */
	for (unsigned i = 0; i < 8; i++)
		put_alone(a, RECORD_NEW, LARGE - 4000 * (i + 1));
	must_give(arena_sync(a), 0);
	power_cut(SIM_NONE);
	a = session();
	expect(a, RECORD_BASE, 0);
	expect(a, RECORD_FIRST, 0);
	expect(a, RECORD_NEW, 0);
	must_give(arena_close(a), 0);
}
END_TEST

/* The same where a log follows that header: it is made sure of before the replay writes the first page, which the kernel
 * may write back at once. */
START_TEST(header_is_made_sure_of_before_the_replay)
{
	arena *a;

	base_make();
	failed_session(true, true);
	a = session();
	must(a->b->replayed_count > 0);
	power_cut(SIM_ALL);
	a = session();
	expect(a, RECORD_BASE, 0);
	expect(a, RECORD_FIRST, 0);
	expect(a, RECORD_NEW, 0);
	must_give(arena_close(a), 0);
}
END_TEST

/* Log pages whose flush failed are made sure of by the next session, before it promises anything that follows them. */
START_TEST(replayed_log_is_made_sure_of)
{
	arena *a;

	base_make();
	failed_session(false, false);
	a = session();
	expect(a, RECORD_LOST, 0);
	put_alone(a, RECORD_NEW, 1000);
	must_give(arena_sync(a), 0);
	power_cut(SIM_NONE);
	a = session();
	expect(a, RECORD_FIRST, 0);
	expect(a, RECORD_LOST, 0);
	expect(a, RECORD_NEW, 0);
	must_give(arena_close(a), 0);
}
END_TEST

/* What an earlier process leaves that was not flushed: a lazy commit, or only the beginning of one. */
static void unflushed_session(bool commit)
{
	arena *a = session();
	arena_txn *t;

	if (commit)
		put_alone(a, RECORD_FIRST, 20000);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	put(t, RECORD_LOST, 20000);
	sim_kill(&sim);
}

/* Commits durably, loses power, and expects all of it. */
static void promise_and_cut(arena *a, bool commit)
{
	put_alone(a, RECORD_NEW, 1000);
	must_give(arena_sync(a), 0);
	power_cut(SIM_NONE);
	a = session();
	expect(a, RECORD_BASE, 0);
	expect(a, RECORD_FIRST, commit ? 0 : GRAVITY_NOTFOUND);
	expect(a, RECORD_NEW, 0);
	must_give(arena_close(a), 0);
}

/* Each turn on a machine of its own, with other random numbers. */
static void turn_begin(unsigned turn)
{
	sim_release(&sim);
	machine_init(mix64(turn + 1), call_watch);
	base_make();
}

/* What the kernel failed to write after a process had ended, it tells the next one that flushes. The store opens and takes
 * commits all the same, with a log to replay and without one, and what they promise outlasts a power cut. */
START_TEST(old_failure_is_no_failure)
{
	for (unsigned turn = 0; turn < 16; turn++) {
		const bool commit = turn % 2 == 0;
		arena *a;
		turn_begin(turn);
		unflushed_session(commit);
		while (sim_write_back(&sim) == 0)
			unflushed_session(commit);
		a = session();
		must((a->b->replayed_count > 0) == commit);
		promise_and_cut(a, commit);
		must(sim.stale == 1 && sim.flushes_after == 0);
	}
}
END_TEST

/* The first flush of a handle fails, and pages that it covered are lost: the handle makes all of them dirty again, flushes
 * once more, and promises nothing that a power cut takes away. */
START_TEST(first_flush_may_fail)
{
	for (unsigned turn = 0; turn < 16; turn++) {
		const bool commit = turn % 2 == 0;
		arena *a;
		turn_begin(turn);
		/* The header that this one relies on is not on the disk. */
		failed_session(true, commit);
		fail_flushes = 1;
		a = session();
		must((a->b->replayed_count > 0) == commit);
		for (unsigned i = 0; i < 8; i++)
			put_alone(a, RECORD_NEW, LARGE - 4000 * (i + 1));
		must(fail_flushes == 0);
		must_give(arena_sync(a), 0);
		power_cut(SIM_NONE);
		a = session();
		expect(a, RECORD_BASE, 0);
		expect(a, RECORD_FIRST, 0);
		expect(a, RECORD_NEW, 0);
		must_give(arena_close(a), 0);
		must(sim.flushes_after == 0);
	}
}
END_TEST

/* A second failure is final: of the opening where that flushes, and of the handle where it has been opened already. No
 * other flush is repeated. */
START_TEST(second_failure_is_final)
{
	const struct arena_options o = options();
	arena_txn *t;
	arena *a;

	for (unsigned turn = 0; turn < 2; turn++) {
		turn_begin(turn);
		unflushed_session(turn == 0);
		flushes = 0;
		fail_flushes = 2;
		must_give(arena_open(PATH, &o, &a), turn == 0 ? EIO : 0);
		if (turn == 1) {
			must_give(arena_begin(a, ARENA_WRITE, &t), EIO);
			must_give(arena_begin(a, ARENA_WRITE, &t), GRAVITY_FAILED);
			must_give(arena_close(a), GRAVITY_FAILED);
		}
		must(flushes == 2 && sim.flushes_after == 0);
		/* With a log to replay the second flush of a handle comes before its first commit. */
		a = session();
		flushes = 0;
		fail_flushes = 1;
		must_give(arena_begin(a, ARENA_WRITE | ARENA_DURABLE_COMMIT, &t), turn == 0 ? EIO : 0);
		if (turn == 1) {
			put(t, RECORD_NEW, 100);
			fail_flushes = 1;
			must_give(arena_commit(t), EIO);
		}
		must_give(arena_close(a), GRAVITY_FAILED);
		must(flushes == (turn == 0 ? 1 : 3) && sim.flushes_after == 0);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {header_is_made_sure_of,       header_is_made_sure_of_before_the_replay,
				      replayed_log_is_made_sure_of, old_failure_is_no_failure,
				      first_flush_may_fail,         second_failure_is_final};
	Suite *suite = suite_create("session_flush");
	TCase *tc = testing_case(suite, "failed", false);

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	return testing_main(suite);
}
