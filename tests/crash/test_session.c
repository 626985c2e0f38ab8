/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_session.c: what an earlier session has left is never taken for this one's, and never relied on before it is made
 * sure of. These are the power cuts that test_crash.c meets on some seeds alone, each made by hand: the first session's
 * write reached the disk in part, or its flush failed; the second one begins at the same place and loses another part. */

#include <errno.h>
#include <string.h>

#include "arena/core.h"
#include "tests/crash/sim_os.h"
#include "tests/testing.h"

#define PATH "store"
#define FILL 0x5a
#define LARGE 40000u

enum { RECORD_BASE = 1, RECORD_LARGE, RECORD_FIRST, RECORD_LOST, RECORD_NEW };

static struct sim sim;

/* What the file holds at some moment. */
struct image {
	uint64_t bytes;
	uint8_t data[256 * KIB];
};

static struct image before, first, flushed, second, cut;

/* --- a machine and its file --------------------------------------------------------------------------------------- */

/* In the section on flushes that failed. */
static void call_watch(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes);

static void setup(void)
{
	struct rng r = rng_make(0);

	sim_init(&sim, true, rng_next(&r));
	sim.hook = call_watch;
	sim.fail_code = EIO;
	sim.fail_loses = true;
}

static void teardown(void)
{
	sim_release(&sim);
}

static void image_take(struct image *to)
{
	const struct sim_file *f = &sim_find(&sim, PATH)->file;

	must(f->bytes <= sizeof(to->data));
	to->bytes = f->bytes;
	memcpy(to->data, f->cache, f->bytes);
}

/* The process is killed, and this is what the machine finds when it starts again. */
static void image_put(const struct image *from)
{
	struct sim_file *f = &sim_find(&sim, PATH)->file;

	sim_kill(&sim);
	sim_file_resize(f, from->bytes);
	memcpy(f->cache, from->data, from->bytes);
}

/* Of the range `to` has what `from` has. */
static void image_part(struct image *to, const struct image *from, uint64_t start, uint64_t end)
{
	must(start <= end && end <= to->bytes && end <= from->bytes);
	memcpy(to->data + start, from->data + start, end - start);
}

static struct arena_options options(void)
{
	return (struct arena_options){.os = &sim.os, .kind = ARENA_KEYED, .durability = GRAVITY_LAZY, .seed = 7};
}

static arena *session(void)
{
	const struct arena_options o = options();
	arena *a;

	must_give(arena_open(PATH, &o, &a), 0);
	return a;
}

static vpos name_of(uint64_t record)
{
	return (vpos){mix64(record)};
}

static void put(arena_txn *t, uint64_t record, size_t size)
{
	void *data;

	must_give(arena_put(t, name_of(record), 0, size, &data), 0);
	memset(data, FILL, size);
}

static void put_alone(arena *a, uint64_t record, size_t size)
{
	arena_txn *t;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	put(t, record, size);
	must_give(arena_commit(t), 0);
}

static void expect(arena *a, uint64_t record, int code)
{
	struct arena_blob blob;
	arena_pin pin;

	must_give(arena_pin_take(a, &pin), 0);
	must_give(arena_pin_find(a, pin, name_of(record), &blob), code);
	arena_pin_drop(a, pin);
}

/* A closed store with two records, which no log follows. */
static void base_make(void)
{
	arena *a = session();

	put_alone(a, RECORD_BASE, 100);
	put_alone(a, RECORD_LARGE, LARGE);
	must_give(arena_checkpoint(a), 0);
	must_give(arena_close(a), 0);
	image_take(&before);
}

/* --- what is left behind ------------------------------------------------------------------------------------------ */

/* A commit of which all but the session's first JUMP reached the disk did not happen, and the JUMP of the next session,
 * at the same place and to the same place, does not bring it back. */
START_TEST(lost_commit_stays_lost)
{
	const uint64_t jump = sizeof(struct jump_disk);
	const struct jump_disk *j;
	arena_txn *t;
	uint64_t at;
	arena *a;

	base_make();
	a = session();
	at = a->log.at.cursor;
	put_alone(a, RECORD_LOST, 500);
	image_take(&first);
	j = (const struct jump_disk *)(const void *)(first.data + at);
	must(blob_kind(&j->head) == BLOB_JUMP && j->start == at + jump);

	cut = first;
	image_part(&cut, &before, at, at + jump);
	image_put(&cut);
	a = session();
	expect(a, RECORD_LOST, GRAVITY_NOTFOUND);
	must(a->log.at.cursor == at);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	image_take(&flushed);
	put(t, RECORD_NEW, 700);
	must_give(arena_commit(t), 0);
	image_take(&second);
	j = (const struct jump_disk *)(const void *)(second.data + at);
	must(blob_kind(&j->head) == BLOB_JUMP && j->start == at + jump);

	cut = flushed;
	image_part(&cut, &second, at, at + jump);
	image_put(&cut);
	a = session();
	expect(a, RECORD_BASE, 0);
	expect(a, RECORD_LOST, GRAVITY_NOTFOUND);
	expect(a, RECORD_NEW, GRAVITY_NOTFOUND);
	must_give(arena_close(a), 0);
}
END_TEST

/* A commit of which the first sectors reached the disk did not happen, and the same bytes, written again behind them by
 * the next session, do not make it whole. */
START_TEST(torn_commit_is_not_made_whole)
{
	const size_t size = 1504; /* nothing pads it */
	uint64_t at, torn, end;
	arena_txn *t;
	arena *a;

	base_make();
	a = session();
	put_alone(a, RECORD_FIRST, 100);
	must_give(arena_sync(a), 0);
	image_take(&before);
	at = a->log.at.cursor;
	end = at + blob_span(size);
	/* The next session's JUMP and the head of its record stand before this. */
	torn = (at + sizeof(struct jump_disk) + sizeof(struct blob_disk) + SIM_SECTOR - 1) & ~(SIM_SECTOR - 1);
	put_alone(a, RECORD_LOST, size);
	image_take(&first);
	must(a->log.at.cursor == end && torn < end);

	cut = first;
	image_part(&cut, &before, torn, end);
	image_put(&cut);
	a = session();
	expect(a, RECORD_FIRST, 0);
	expect(a, RECORD_LOST, GRAVITY_NOTFOUND);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	image_take(&flushed);
	put(t, RECORD_NEW, size + 200);
	must_give(arena_commit(t), 0);
	image_take(&second);
	must(memcmp(first.data + torn, second.data + torn, end - torn) == 0);

	cut = flushed;
	image_part(&cut, &second, torn, end);
	image_put(&cut);
	a = session();
	expect(a, RECORD_FIRST, 0);
	expect(a, RECORD_LOST, GRAVITY_NOTFOUND);
	must_give(arena_close(a), 0);
}
END_TEST

/* Blobs of a transaction that a kill left without its commit stay out of the next session's commit, though that is the
 * next one in the chain. */
START_TEST(open_transaction_joins_no_commit)
{
	arena_txn *t;
	arena *a;

	base_make();
	a = session();
	put_alone(a, RECORD_FIRST, 100);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	/* The last blob of a chain has no check yet. */
	put(t, RECORD_LOST, 300);
	put(t, RECORD_LOST + 100, 300);
	image_take(&cut);

	for (unsigned turn = 0; turn < 2; turn++) {
		image_put(&cut);
		a = session();
		put_alone(a, RECORD_NEW + turn, 200);
		image_take(&cut);
		image_put(&cut);
		a = session();
		expect(a, RECORD_FIRST, 0);
		expect(a, RECORD_NEW + turn, 0);
		expect(a, RECORD_LOST, GRAVITY_NOTFOUND);
	}
	must_give(arena_close(a), 0);
}
END_TEST

/* The number of a commit that was aborted is never another one's: no blob of it can be taken for one of theirs. */
START_TEST(aborted_number_is_used_up)
{
	struct arena_blob blob;
	arena_txn *t;
	uint64_t number;
	arena_pin pin;
	arena *a;

	base_make();
	a = session();
	for (unsigned turn = 0; turn < 3; turn++) {
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		put(t, RECORD_LOST, 300);
		number = a->log.seq;
		arena_abort(t);
		put_alone(a, RECORD_NEW, 300);
		must_give(arena_pin_take(a, &pin), 0);
		must_give(arena_pin_find(a, pin, name_of(RECORD_NEW), &blob), 0);
		must(blob.seq > number);
		arena_pin_drop(a, pin);
	}
	must_give(arena_close(a), 0);
}
END_TEST

/* --- flushes that failed ------------------------------------------------------------------------------------------ */

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
	must(a->replayed_count > 0);
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
	sim_init(&sim, true, mix64(turn + 1));
	sim.hook = call_watch;
	sim.fail_code = EIO;
	sim.fail_loses = true;
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
		must((a->replayed_count > 0) == commit);
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
		must((a->replayed_count > 0) == commit);
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

/* --- holes -------------------------------------------------------------------------------------------------------- */

/* The simulated disk ends the test at a store to a page that was handed back and not allocated again. */
static uint64_t holes;

static void hole_count(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	(void)arg;
	(void)offset;
	holes += call == SIM_PUNCH && bytes > 0;
}

/* Space that was handed back to the disk is allocated again before anything is stored in it, in the same session and in
 * the next one. */
START_TEST(holes_are_filled_before_they_are_used)
{
	const struct arena_options o = options();
	struct rng r = rng_make(1);
	arena *a;

	holes = 0;
	sim.hook = hole_count;
	for (unsigned turn = 0; turn < 20; turn++) {
		must_give(arena_open(PATH, &o, &a), 0);
		for (unsigned i = 0; i < 6; i++) {
			arena_txn *t;
			must_give(arena_begin(a, ARENA_WRITE, &t), 0);
			for (unsigned k = 0; k < 4; k++) {
				const uint64_t record = 1 + rng_below(&r, 12);
				if (rng_below(&r, 2) == 0)
					(void)arena_del(t, name_of(record));
				else
					put(t, record, (size_t)rng_below(&r, 150 * KIB));
			}
			must_give(arena_commit(t), 0);
			sim_step(&sim);
			if (i % 3 == 2)
				must_give(arena_checkpoint(a), 0);
		}
		must_give(arena_close(a), 0);
	}
	must(holes > 10);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	TCase *tc = testing_case(suite, name, false);

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
}

int main(void)
{
	const TTest *const left[] = {lost_commit_stays_lost, torn_commit_is_not_made_whole, open_transaction_joins_no_commit,
				     aborted_number_is_used_up};
	const TTest *const failed[] = {header_is_made_sure_of,       header_is_made_sure_of_before_the_replay,
				       replayed_log_is_made_sure_of, old_failure_is_no_failure,
				       first_flush_may_fail,         second_failure_is_final};
	const TTest *const space[] = {holes_are_filled_before_they_are_used};
	Suite *suite = suite_create("session");

	add(suite, "left", left, sizeof(left) / sizeof(left[0]));
	add(suite, "failed", failed, sizeof(failed) / sizeof(failed[0]));
	add(suite, "holes", space, sizeof(space) / sizeof(space[0]));
	return testing_main(suite);
}
