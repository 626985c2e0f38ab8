/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_layout.c: the picture of the file: that it is whole, and says what the counters and the free slots say. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/arena.h"
#include "kvstore/kv.h"
#include "tests/testing.h"

#define KINDS 7

/* What a walk has seen. */
struct seen {
	uint64_t end; /* of the last stretch */
	int what;     /* its kind, -1: none  */
	uint64_t bytes[KINDS], count[KINDS];
	uint64_t stop_after; /* stretches, 0: all */
	uint64_t stretches;
};

static int stretch_see(void *arg, uint64_t start, uint64_t size, int what, double pull)
{
	struct seen *s = arg;

	must(start == s->end && size > 0);
	must(what >= 0 && what < KINDS && what != s->what);
	must(pull >= 0 && (what == GKV_LAYOUT_FREE || pull == 0));
	s->end = start + size;
	s->what = what;
	s->bytes[what] += size;
	s->count[what]++;
	s->stretches++;
	return s->stretches == s->stop_after ? 77 : 0;
}

static struct seen layout_see(gkv *db)
{
	struct seen s = {.what = -1};

	must_give(gkv_layout(db, stretch_see, &s), GKV_OK);
	return s;
}

/* The walk and the counters agree, byte for byte. */
static void layout_must_agree(gkv *db)
{
	const struct seen s = layout_see(db);
	const gkv_stats stats = store_stat(db);

	must(s.end == stats.file_bytes);
	must(s.bytes[GKV_LAYOUT_HEADER] == 8192 && s.count[GKV_LAYOUT_HEADER] == 1);
	must(s.bytes[GKV_LAYOUT_FREE] == stats.free_bytes);
	must(s.count[GKV_LAYOUT_FREE] == stats.free_slots);
	must(s.bytes[GKV_LAYOUT_HELD] == stats.pending_bytes);
	must(s.bytes[GKV_LAYOUT_TABLE] + s.bytes[GKV_LAYOUT_RECORD] == stats.live_bytes);
	must(s.bytes[GKV_LAYOUT_TABLE] >= stats.table_pages * 4096);
	must(s.count[GKV_LAYOUT_WINDOW] == 1);
}

static void put_some(gkv *db, struct rng *r, uint64_t keys, uint64_t count, size_t most)
{
	unsigned char *value = malloc(most);

	must(value != NULL);
	memset(value, 0x5a, most);
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t key = rng_below(r, keys);
		int rc = GKV_OK;
		if (rng_below(r, 3) > 0)
			rc = gkv_put(db, &key, sizeof key, value, rng_size(r, most));
		else
			rc = gkv_del(db, &key, sizeof key);
		must(rc == GKV_OK || rc == GKV_NOTFOUND);
	}
	free(value);
}

/* At any moment of a store's life the stretches fill the file, in order, and their sums are those of the counters. */
START_TEST(stretches_fill_the_file)
{
	gkv *db = store_lazy();
	struct rng r = rng_make(1);

	layout_must_agree(db);
	for (uint64_t i = 0; i < testing_count(60, 10); i++) {
		put_some(db, &r, testing_few() ? 60 : 3000, 1 + rng_below(&r, 300), 20000);
		if (rng_below(&r, 8) == 0)
			must_give(gkv_checkpoint(db), GKV_OK);
		layout_must_agree(db);
	}
	must_give(gkv_compact(db, NULL, NULL), GKV_OK);
	layout_must_agree(db);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* So they do while a large table is there, with nodes in it, and after all of it was deleted. */
START_TEST(table_is_told)
{
	gkv *db = store_lazy();
	const uint64_t count = testing_count(60000, 20000);
	gkv_txn *txn = store_begin(db, GKV_WRITE);

	for (uint64_t i = 0; i < count; i++)
		must_give(gkv_txn_put(txn, &i, sizeof i, "v", 1), GKV_OK);
	store_commit(txn);
	layout_must_agree(db);
	must(layout_see(db).bytes[GKV_LAYOUT_TABLE] > 50 * 4096);
	must_give(gkv_checkpoint(db), GKV_OK);
	layout_must_agree(db);
	txn = store_begin(db, GKV_WRITE);
	for (uint64_t i = 0; i < count; i++)
		must_give(gkv_txn_del(txn, &i, sizeof i), GKV_OK);
	store_commit(txn);
	layout_must_agree(db);
	must_give(gkv_checkpoint(db), GKV_OK);
	layout_must_agree(db);
	must(layout_see(db).bytes[GKV_LAYOUT_RECORD] == 0);
	store_close(db);
}
END_TEST

/* All that a snapshot can see is held, where it does not live on, and free after it has ended. */
START_TEST(snapshots_hold)
{
	gkv *db = store_lazy();
	struct rng r = rng_make(2);
	gkv_txn *txn;
	uint64_t held, seen;

	put_some(db, &r, 500, 1000, 5000);
	must_give(gkv_checkpoint(db), GKV_OK);
	txn = store_begin(db, GKV_READ);
	seen = store_stat(db).live_bytes;
	for (uint64_t key = 0; key < 500; key++)
		(void)gkv_del(db, &key, sizeof key);
	must_give(gkv_checkpoint(db), GKV_OK);
	layout_must_agree(db);
	held = layout_see(db).bytes[GKV_LAYOUT_HELD];
	must(held + store_stat(db).live_bytes >= seen);
	gkv_abort(txn);
	must_give(gkv_checkpoint(db), GKV_OK);
	layout_must_agree(db);
	must(layout_see(db).bytes[GKV_LAYOUT_HELD] < held / 2);
	store_close(db);
}
END_TEST

/* The free slots of one walk, for the other to compare. */
struct slot_row {
	struct {
		uint64_t start, size;
		double pull;
	} slot[4096];
	size_t count, compared;
};

static int slot_note(void *arg, uint64_t start, uint64_t size, double pull)
{
	struct slot_row *row = arg;

	must(row->count < 4096);
	row->slot[row->count].start = start;
	row->slot[row->count].size = size;
	row->slot[row->count++].pull = pull;
	return 0;
}

static int slot_compare(void *arg, uint64_t start, uint64_t size, int what, double pull)
{
	struct slot_row *row = arg;
	const size_t i = row->compared;

	if (what != GKV_LAYOUT_FREE)
		return 0;
	must(i < row->count && row->slot[i].start == start && row->slot[i].size == size);
	must(row->slot[i].pull <= pull && row->slot[i].pull >= pull);
	row->compared++;
	return 0;
}

/* The free stretches are the free slots, with their gravity. */
START_TEST(free_stretches_are_the_slots)
{
	static struct slot_row row;
	gkv *db = store_lazy();
	struct rng r = rng_make(3);

	put_some(db, &r, testing_few() ? 200 : 1000, testing_count(5000, 2000), 3000);
	must_give(gkv_checkpoint(db), GKV_OK);
	(void)store_stat(db);
	must_give(arena_each_free_slot(kv_arena(db), slot_note, &row), 0);
	must_give(gkv_layout(db, slot_compare, &row), GKV_OK);
	must(row.count > 1 && row.compared == row.count);
	store_close(db);
}
END_TEST

/* A handle that only reads tells the same as the one that wrote. */
START_TEST(readers_see_the_same)
{
	gkv *db = store_lazy();
	struct rng r = rng_make(4);

	put_some(db, &r, 1000, 3000, 3000);
	store_close(db);
	db = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
	layout_must_agree(db);
	must(layout_see(db).end == file_bytes(testing_path));
	store_close(db);
	db = store_lazy();
	layout_must_agree(db);
	store_close(db);
}
END_TEST

static int write_and_die(void *arg)
{
	gkv *db = store_lazy();
	struct rng r = rng_make(5);

	(void)arg;
	put_some(db, &r, 500, 2000, 3000);
	put_some(db, &r, 20000, 20000, 100);
	_exit(0);
}

/* Where the log of a killed process has to be replayed into memory, the picture ends with the file all the same, and the
 * file is not touched. */
START_TEST(replay_adds_nothing_to_the_file)
{
	void *before, *after;
	size_t size, size_after;
	struct seen s;
	gkv *db;

	must(testing_in_child(write_and_die, NULL) == 0);
	before = file_read(testing_path, &size);
	db = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
	s = layout_see(db);
	must(s.end == size && s.bytes[GKV_LAYOUT_HELD] > 0);
	store_close(db);
	after = file_read(testing_path, &size_after);
	must(size == size_after && memcmp(before, after, size) == 0);
	free(before);
	free(after);
}
END_TEST

struct busy_writer {
	gkv *db;
	_Atomic bool stop;
};

static void *write_until_stopped(void *arg)
{
	struct busy_writer *w = arg;
	struct rng r = rng_make(6);

	while (!atomic_load(&w->stop))
		put_some(w->db, &r, 2000, 50, 5000);
	return NULL;
}

/* A writer that is at work, with its checkpoints, waits and does no harm. */
START_TEST(writers_wait)
{
	struct busy_writer w = {.db = store_lazy()};
	struct rng r = rng_make(7);
	pthread_t thread;

	put_some(w.db, &r, 2000, 4000, 5000);
	must(pthread_create(&thread, NULL, write_until_stopped, &w) == 0);
	for (uint64_t i = 0; i < testing_count(100, 20); i++)
		must(layout_see(w.db).count[GKV_LAYOUT_WINDOW] == 1);
	atomic_store(&w.stop, true);
	must(pthread_join(thread, NULL) == 0);
	layout_must_agree(w.db);
	store_close(w.db);
}
END_TEST

/* A visit ends the walk with its own answer, a wrong call is GKV_INVALID, and memory alone has a picture too. */
START_TEST(calls_answer)
{
	struct seen s = {.what = -1, .stop_after = 2};
	const gkv_options lazy = {.durability = GKV_LAZY};
	gkv *db = store_lazy();
	gkv_txn *txn;

	must_give(gkv_layout(db, stretch_see, &s), 77);
	must(s.stretches == 2);
	must_give(gkv_layout(NULL, stretch_see, &s), GKV_INVALID);
	must_give(gkv_layout(db, NULL, NULL), GKV_INVALID);
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "a", "1");
	s = (struct seen){.what = -1};
	must_give(gkv_layout(db, stretch_see, &s), GKV_INVALID);
	must(s.stretches == 0);
	store_commit(txn);
	layout_must_agree(db);
	store_close(db);
	must_give(gkv_open(NULL, &lazy, &db), GKV_OK);
	store_put(db, "a", "1");
	layout_must_agree(db);
	store_close(db);
}
END_TEST

/* A record that does not verify is GKV_CORRUPT, after the stretches before it. */
START_TEST(damage_is_told)
{
	static const char mark[] = "mark of the value that is to be damaged";
	struct seen s = {.what = -1};
	gkv *db = store_lazy();
	unsigned char *data, *at;
	size_t size;

	store_put(db, "key", mark);
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	data = file_read(testing_path, &size);
	at = memmem(data, size, mark, sizeof mark - 1);
	must(at != NULL);
	*at ^= 1;
	file_write(testing_path, data, size);
	free(data);
	db = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
	must_give(gkv_layout(db, stretch_see, &s), GKV_CORRUPT);
	must(s.end < size);
	store_close(db);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("layout");

	testing_add_both(suite, "stretches",
			 TESTS(stretches_fill_the_file, snapshots_hold, free_stretches_are_the_slots));
	testing_add(suite, "handles",
		    TESTS(table_is_told, readers_see_the_same, replay_adds_nothing_to_the_file, writers_wait,
			  calls_answer, damage_is_told));
	return testing_main(suite);
}
