/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_guard.c: what moves data respects those who look, and ends.
 *
 * Flushes are counted, and not made; what else happens while one runs is a test's own. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testing.h"
#include "tests/unflushed.h"

#define VALUE 600u
#define MOST  100000u

static uint64_t flushes;
static void (*during_flush)(void);

static int counted_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os, (void)file, (void)base, (void)offset, (void)bytes;
	flushes++;
	return 0;
}

static int counted_sync(const struct os *os, os_file file)
{
	(void)os, (void)file;
	flushes++;
	if (during_flush != NULL)
		during_flush();
	return 0;
}

static void system_set(void)
{
	struct os *counted = unflushed_set();

	counted->sync_range = counted_range;
	counted->sync = counted_sync;
}

static gkv *limited_open(const char *path, uint64_t limit)
{
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = limit};
	gkv *db;

	must_give(gkv_open(path, &options, &db), GKV_OK);
	return db;
}

static void number_put(gkv *db, uint32_t i, size_t size)
{
	static uint8_t value[64 * KIB];

	bytes_make(value, size, i);
	must_give(gkv_put(db, &i, sizeof(i), value, size), GKV_OK);
}

/* What is free between the others is in pieces that take nothing else. */
static void halve(gkv *db, uint32_t count)
{
	gkv_txn *txn = store_begin(db, GKV_WRITE);

	for (uint32_t i = 0; i < count; i += 2)
		must_give(gkv_txn_del(txn, &i, sizeof(i)), GKV_OK);
	store_commit(txn);
}

/* So many small records, of which every second one is deleted. */
static void pieces_make(gkv *db, uint32_t count)
{
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	uint8_t value[VALUE];

	for (uint32_t i = 0; i < count; i++) {
		bytes_make(value, VALUE, i);
		must_give(gkv_txn_put(txn, &i, sizeof(i), value, VALUE), GKV_OK);
	}
	store_commit(txn);
	must_give(gkv_checkpoint(db), GKV_OK);
	halve(db, count);
}

static void pieces_expect(gkv_txn *txn, uint32_t count)
{
	gkv_bytes val;

	for (uint32_t i = 1; i < count; i += 2) {
		must_give(gkv_txn_get(txn, &i, sizeof(i), &val), GKV_OK);
		must(bytes_fit(val.data, val.size, i));
	}
}

/* Beside a snapshot that stays open gkv_compact stops before it holds more than a quarter of the live bytes, says so, and what
 * it did stays done; once the snapshot has ended it goes through. */
START_TEST(compaction_stops_for_a_snapshot)
{
	const uint32_t count = (uint32_t)testing_count(40000, 20000);
	gkv *db = store_lazy();
	gkv_txn *snapshot;
	gkv_stats before, after;

	pieces_make(db, count);
	snapshot = store_begin(db, GKV_READ);
	before = store_stat(db);
	must_give(gkv_compact(db, NULL, NULL), GKV_BUSY);
	after = store_stat(db);
	must(after.bytes_moved > before.bytes_moved);
	must(after.file_bytes <= before.file_bytes + before.live_bytes / 4 + MIB);
	must_give(gkv_checkpoint(db), GKV_OK);
	/* What waits now waits for the snapshot alone. */
	must(store_stat(db).pending_bytes <= before.live_bytes / 4);
	pieces_expect(snapshot, count);
	must_give(gkv_compact(db, NULL, NULL), GKV_BUSY);
	must(store_stat(db).file_bytes <= before.file_bytes + before.live_bytes / 4 + MIB);
	store_commit(snapshot);
	must_give(gkv_compact(db, NULL, NULL), GKV_OK);
	must(store_stat(db).file_bytes <= before.live_bytes / 10 * 13 + MIB);
	store_close(db);
	store_check(testing_path);
}
END_TEST

static gkv *shared_db;
static gkv_txn *shared_snapshot;

/* There is always one snapshot open, and none for long. */
static void snapshot_renew(void)
{
	gkv_txn *next = store_begin(shared_db, GKV_READ);

	if (shared_snapshot != NULL)
		gkv_abort(shared_snapshot);
	shared_snapshot = next;
}

/* A store of which somebody always has a snapshot open, but never for long, is compacted all the same. */
START_TEST(short_snapshots_let_compaction_pass)
{
	const uint32_t count = (uint32_t)testing_count(40000, 20000);
	gkv *db = store_lazy();
	gkv_stats before;

	pieces_make(db, count);
	before = store_stat(db);
	shared_db = db;
	snapshot_renew();
	during_flush = snapshot_renew;
	must_give(gkv_compact(db, NULL, NULL), GKV_OK);
	during_flush = NULL;
	must(store_stat(db).file_bytes <= before.live_bytes / 10 * 14 + MIB);
	gkv_abort(shared_snapshot);
	shared_snapshot = NULL;
	store_close(db);
}
END_TEST

/* So it is in the write path, in transactions of which each lets an eighth of the store die. */
START_TEST(short_snapshots_let_the_write_path_compact)
{
	enum { COUNT = 8000, ROUNDS = 60 };
	struct rng rng = rng_make(1);
	gkv *db = store_lazy();
	static uint8_t value[4000];

	for (uint32_t i = 0; i < COUNT; i++)
		number_put(db, i, 500 + rng_below(&rng, 3500));
	shared_db = db;
	for (unsigned round = 0; round < ROUNDS; round++) {
		gkv_txn *txn;
		gkv_stats s;
		snapshot_renew();
		txn = store_begin(db, GKV_WRITE);
		for (unsigned k = 0; k < COUNT / 8; k++) {
			const uint32_t i = (uint32_t)rng_below(&rng, COUNT);
			must_give(gkv_txn_put(txn, &i, sizeof(i), value, 500 + rng_below(&rng, 3500)), GKV_OK);
		}
		store_commit(txn);
		s = store_stat(db);
		must(s.file_bytes <= s.live_bytes / 100 * 130 + s.live_bytes / 4 * 2 + 4 * MIB);
	}
	gkv_abort(shared_snapshot);
	shared_snapshot = NULL;
	store_close(db);
}
END_TEST

/* Under a limit a snapshot stops cleaning, too: it takes no more than that of what is clean. */
START_TEST(cleaning_stops_for_a_snapshot)
{
	const uint64_t limit = 16 * MIB;
	struct rng rng = rng_make(2);
	gkv *db = limited_open(testing_path, limit);
	gkv_txn *snapshot;
	uint32_t count = 0;
	gkv_stats before, after;
	int rc = GKV_OK;

	for (; store_stat(db).live_bytes < limit / 100 * 80; count++)
		number_put(db, count, VALUE + rng_below(&rng, VALUE));
	for (uint64_t k = 0; k < 4 * count; k++)
		number_put(db, (uint32_t)rng_below(&rng, count), VALUE + rng_below(&rng, VALUE));
	snapshot = store_begin(db, GKV_READ);
	before = store_stat(db);
	for (uint64_t k = 0; rc == GKV_OK && k < count; k++) {
		const uint32_t i = (uint32_t)rng_below(&rng, count);
		static const uint8_t value[2 * VALUE];
		rc = gkv_put(db, &i, sizeof(i), value, VALUE + rng_below(&rng, VALUE));
	}
	must_give(rc, GKV_FULL);
	after = store_stat(db);
	printf("moved %lu of %lu live\n", after.bytes_moved - before.bytes_moved, before.live_bytes);
	must(after.bytes_moved - before.bytes_moved <= before.live_bytes / 4);
	store_commit(snapshot);
	for (uint64_t k = 0; k < count; k++)
		number_put(db, (uint32_t)rng_below(&rng, count), VALUE + rng_below(&rng, VALUE));
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* A store of which eight tenths live. */
static uint32_t nearly_full(uint64_t limit, gkv **out)
{
	gkv *db = limited_open(testing_path, limit);
	uint32_t count = 0;

	*out = db;
	for (; store_stat(db).live_bytes < limit / 100 * 80; count++)
		number_put(db, count, VALUE);
	return count;
}

/* Four tenths, in pieces all over it. */
static uint32_t full_of_pieces(uint64_t limit, gkv **out)
{
	const uint32_t count = nearly_full(limit, out);

	halve(*out, count);
	return count;
}

/* A put that was refused beside a snapshot, for what that saw, is accepted when the snapshot has ended, although there is no
 * slot for it yet. Before that, trying again is free. */
START_TEST(a_refused_put_passes_after_the_snapshot)
{
	const uint64_t limit = 8 * MIB;
	const size_t size = limit / 8 * 3;
	uint8_t *value = calloc(1, size);
	gkv *db;
	const uint32_t count = nearly_full(limit, &db);
	gkv_txn *snapshot = store_begin(db, GKV_READ);
	gkv_stats before, after;

	must(value != NULL);
	halve(db, count);
	must_give(gkv_put(db, "large", 5, value, size), GKV_FULL);
	before = store_stat(db);
	flushes = 0;
	must_give(gkv_put(db, "large", 5, value, size), GKV_FULL);
	after = store_stat(db);
	must(flushes == 0 && after.bytes_moved == before.bytes_moved);
	pieces_expect(snapshot, count);
	store_commit(snapshot);
	must_give(gkv_put(db, "large", 5, value, size), GKV_OK);
	store_close(db);
	free(value);
	store_check(testing_path);
}
END_TEST

/* Puts beside a snapshot are refused while there is still room for deletes, which go on until nothing is left. */
START_TEST(deletes_pass_beside_a_snapshot)
{
	const uint64_t limit = 4 * MIB;
	static const uint8_t value[2 * VALUE];
	struct rng rng = rng_make(3);
	gkv *db;
	const uint32_t count = nearly_full(limit, &db);
	gkv_txn *snapshot;
	unsigned refused = 0;

	for (uint64_t k = 0; k < 4 * count; k++)
		number_put(db, (uint32_t)rng_below(&rng, count), VALUE / 2 + rng_below(&rng, VALUE));
	snapshot = store_begin(db, GKV_READ);
	for (uint64_t k = 0; k < 50 * count && refused < 100; k++) {
		const uint32_t i = (uint32_t)rng_below(&rng, count);
		const int rc = gkv_put(db, &i, sizeof(i), value, rng_below(&rng, sizeof(value)));
		must(rc == GKV_OK || rc == GKV_FULL);
		refused += rc == GKV_FULL;
	}
	must(refused > 0);
	for (uint32_t i = 0; i < count; i++)
		must_give(gkv_del(db, &i, sizeof(i)), GKV_OK);
	store_commit(snapshot);
	store_close(db);
	store_check(testing_path);
}
END_TEST

#define SHOWN 30u

static uint32_t key_text(uint32_t count, uint32_t i)
{
	return (count / 8 + 20 * i) | 1;
}

/* A write transaction that has looked at records puts what it could have put without: they stay where it was shown them. */
START_TEST(reading_first_takes_no_room)
{
	const uint64_t limit = 8 * MIB;
	uint8_t *value = calloc(1, limit / 2);
	gkv *db;
	const uint32_t count = full_of_pieces(limit, &db);
	gkv_bytes shown[SHOWN];
	gkv_txn *txn;

	must(value != NULL);
	txn = store_begin(db, GKV_WRITE);
	for (uint32_t i = 0; i < SHOWN; i++) {
		const uint32_t key = key_text(count, i);
		must_give(gkv_txn_get(txn, &key, sizeof(key), &shown[i]), GKV_OK);
	}
	must_give(gkv_txn_put(txn, "large", 5, value, limit / 8 * 3), GKV_OK);
	must(store_stat(db).bytes_moved > 0);
	for (uint32_t i = 0; i < SHOWN; i++)
		must(bytes_fit(shown[i].data, shown[i].size, key_text(count, i)));
	pieces_expect(txn, count);
	store_commit(txn);
	store_close(db);
	free(value);
	store_check(testing_path);
}
END_TEST

/* Where it holds everything nothing is moved for it in vain. */
START_TEST(a_walk_costs_no_vain_work)
{
	const uint64_t limit = 8 * MIB;
	uint8_t *value = calloc(1, limit / 2);
	gkv_stats before, after;
	gkv_iter *it;
	gkv_txn *txn;
	gkv *db;

	(void)full_of_pieces(limit, &db);
	must(value != NULL);
	txn = store_begin(db, GKV_WRITE);
	must_give(gkv_iter_open(txn, &it), GKV_OK);
	before = store_stat(db);
	flushes = 0;
	must_give(gkv_txn_put(txn, "large", 5, value, limit / 8 * 3), GKV_FULL);
	after = store_stat(db);
	must(after.bytes_moved == before.bytes_moved && flushes <= 4);
	gkv_iter_close(it);
	gkv_abort(txn);
	must_give(gkv_put(db, "large", 5, value, limit / 8 * 3), GKV_OK);
	store_close(db);
	free(value);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("guard");

	system_set();
	testing_add(suite, "snapshots",
		    TESTS(compaction_stops_for_a_snapshot, short_snapshots_let_compaction_pass,
			  short_snapshots_let_the_write_path_compact, cleaning_stops_for_a_snapshot,
			  a_refused_put_passes_after_the_snapshot, deletes_pass_beside_a_snapshot));
	testing_add(suite, "shown", TESTS(reading_first_takes_no_room, a_walk_costs_no_vain_work));
	return testing_main(suite);
}
