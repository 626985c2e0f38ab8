/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_session.c: what an earlier session has left is never taken for this one's, and space that it handed back is not
 * used before it is there again. These are the power cuts that test_crash.c meets on some seeds alone, each made by hand:
 * the first session's write reached the disk in part; the second one begins at the same place and loses another part. */

#include <string.h>

#include "arena/arena.h"
#include "tests/crash/session.h"
#include "tests/testing.h"

/* What the file holds at some moment. */
struct image {
	uint64_t bytes;
	uint8_t data[256 * KIB];
};

static struct image before, first, flushed, second, cut;

/* --- a machine and its file --------------------------------------------------------------------------------------- */

/* The simulated disk ends the test at a store to a page that was handed back and not allocated again. */
static uint64_t holes;

static void hole_count(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	(void)arg;
	(void)offset;
	holes += call == SIM_PUNCH && bytes > 0;
}

static void setup(void)
{
	struct rng r = rng_make(0);

	machine_init(rng_next(&r), hole_count);
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
	image_take(&before);
	a = session();
	at = a->b->log.at.cursor;
	put_alone(a, RECORD_LOST, 500);
	image_take(&first);
	j = (const struct jump_disk *)(const void *)(first.data + at);
	must(blob_kind(&j->head) == BLOB_JUMP && j->start == at + jump);

	cut = first;
	image_part(&cut, &before, at, at + jump);
	image_put(&cut);
	a = session();
	expect(a, RECORD_LOST, GRAVITY_NOTFOUND);
	must(a->b->log.at.cursor == at);
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
	at = a->b->log.at.cursor;
	end = at + blob_span(size);
	/* The next session's JUMP and the head of its record stand before this. */
	torn = (at + sizeof(struct jump_disk) + sizeof(struct blob_disk) + SIM_SECTOR - 1) & ~(SIM_SECTOR - 1);
	put_alone(a, RECORD_LOST, size);
	image_take(&first);
	must(a->b->log.at.cursor == end && torn < end);

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
		number = a->b->log.seq;
		arena_abort(t);
		put_alone(a, RECORD_NEW, 300);
		must_give(arena_pin_take(a, &pin), 0);
		must_give(arena_pin_find(a, name_of(RECORD_NEW), &blob), 0);
		must(blob.seq > number);
		arena_pin_drop(a, pin);
	}
	must_give(arena_close(a), 0);
}
END_TEST

/* --- holes -------------------------------------------------------------------------------------------------------- */

/* Space that was handed back to the disk is allocated again before anything is stored in it, in the same session and in
 * the next one. */
START_TEST(holes_are_filled_before_they_are_used)
{
	const struct arena_options o = options();
	struct rng r = rng_make(1);
	arena *a;

	holes = 0;
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
	const TTest *const left[] = {lost_commit_stays_lost, torn_commit_is_not_made_whole,
				     open_transaction_joins_no_commit, aborted_number_is_used_up};
	const TTest *const space[] = {holes_are_filled_before_they_are_used};
	Suite *suite = suite_create("session");

	add(suite, "left", left, sizeof(left) / sizeof(left[0]));
	add(suite, "holes", space, sizeof(space) / sizeof(space[0]));
	return testing_main(suite);
}
