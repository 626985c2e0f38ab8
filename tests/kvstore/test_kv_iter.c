/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv_iter.c: iterations: every record once, whatever is changed meanwhile. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testing.h"

#define KEYS 600u

/* Key i is the text of i, its value a number. */
static void key_put(gkv_txn *txn, unsigned i, uint64_t value)
{
	char key[16];
	const int len = snprintf(key, sizeof(key), "%u", i);

	must_give(gkv_txn_put(txn, key, (size_t)len, &value, sizeof(value)), GKV_OK);
}

static void key_del(gkv_txn *txn, unsigned i)
{
	char key[16];
	const int len = snprintf(key, sizeof(key), "%u", i);

	must_give(gkv_txn_del(txn, key, (size_t)len), GKV_OK);
}

static unsigned key_number(gkv_bytes key)
{
	char text[16] = "";

	must(key.size < sizeof(text));
	memcpy(text, key.data, key.size);
	return (unsigned)strtoul(text, NULL, 10);
}

static uint64_t value_number(gkv_bytes val)
{
	uint64_t value;

	must(val.size == sizeof(value));
	memcpy(&value, val.data, sizeof(value));
	return value;
}

static gkv_iter *iter_open(gkv_txn *txn)
{
	gkv_iter *it;

	must_give(gkv_iter_open(txn, &it), GKV_OK);
	must(it != NULL);
	return it;
}

static bool iter_next(gkv_iter *it, unsigned *i, uint64_t *value)
{
	gkv_bytes key, val;
	const int rc = gkv_iter_next(it, &key, &val);

	if (rc == GKV_NOTFOUND) {
		must(key.data == NULL && key.size == 0 && val.data == NULL && val.size == 0);
		return false;
	}
	must_give(rc, GKV_OK);
	*i = key_number(key);
	*value = value_number(val);
	must(*i < KEYS);
	return true;
}

static gkv *store_filled(unsigned count)
{
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	unsigned i;

	for (i = 0; i < count; i++)
		key_put(txn, i, i);
	store_commit(txn);
	return db;
}

/* An empty store has nothing to show, before and after the end. */
START_TEST(an_empty_view_shows_nothing)
{
	gkv *db = store_lazy();
	gkv_txn *txn;
	gkv_iter *it;
	unsigned flags;

	for (flags = GKV_READ; flags <= GKV_WRITE; flags++) {
		txn = store_begin(db, flags);
		it = iter_open(txn);
		must_give(gkv_iter_next(it, NULL, NULL), GKV_NOTFOUND);
		must_give(gkv_iter_next(it, NULL, NULL), GKV_NOTFOUND);
		gkv_iter_close(it);
		store_commit(txn);
	}
	store_close(db);
}
END_TEST

/* A snapshot is open: it may be in the way. */
static void compact_or_checkpoint(gkv *db, bool compact)
{
	const int rc = compact ? gkv_compact(db, NULL, NULL) : gkv_checkpoint(db);

	must(rc == GKV_OK || (compact && rc == GKV_BUSY));
}

/* An iteration over a snapshot shows every record of its commit once, while others replace, delete and add. */
START_TEST(a_snapshot_shows_its_commit)
{
	const unsigned count = KEYS / 2;
	gkv *db = store_filled(count);
	gkv_txn *snapshot = store_begin(db, GKV_READ);
	unsigned seen[KEYS] = {0}, steps = 0, i;
	gkv_iter *it = iter_open(snapshot);
	uint64_t value;

	while (iter_next(it, &i, &value)) {
		gkv_txn *txn = store_begin(db, GKV_WRITE);

		must(i < count && value == i && seen[i]++ == 0);
		key_put(txn, i * 7 % count, 1000);
		key_put(txn, count + steps, 1000);
		if (steps % 3 == 0) {
			char key[16];
			const int len = snprintf(key, sizeof(key), "%u", i * 11 % count);

			(void)gkv_txn_del(txn, key, (size_t)len);
		}
		store_commit(txn);
		if (steps % 50 == 0)
			compact_or_checkpoint(db, steps % 100 != 0);
		steps++;
	}
	must(steps == count);
	gkv_iter_close(it);
	store_commit(snapshot);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* In a file of many MiB, which is gone over in slices, a snapshot shows every record once and with the value that it had,
 * while others replace records and have them moved; and the file is not much longer than both. */
START_TEST(a_large_snapshot_shows_its_commit)
{
	enum { COUNT = 20000, LONG_BYTES = 40000 };
	static unsigned char value[LONG_BYTES];
	unsigned char *seen = calloc(COUNT, 1);
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	uint64_t bytes, most = 0;
	unsigned steps = 0, i;
	gkv_txn *snapshot;
	gkv_stats before;
	gkv_bytes key, val;
	gkv_iter *it;
	int rc;

	must(seen != NULL);
	for (i = 0; i < COUNT; i++) {
		memcpy(value, &i, sizeof(i));
		must_give(gkv_txn_put(txn, &i, sizeof(i), value, i % 16 == 0 ? LONG_BYTES : 100 + i % 100), GKV_OK);
	}
	store_commit(txn);
	must(file_bytes(testing_path) > 48 << 20);
	before = store_stat(db);
	snapshot = store_begin(db, GKV_READ);
	it = iter_open(snapshot);
	for (rc = gkv_iter_next(it, &key, &val); rc == GKV_OK; rc = gkv_iter_next(it, &key, &val)) {
		must(key.size == sizeof(i) && val.size >= sizeof(i));
		memcpy(&i, key.data, sizeof(i));
		must(i < COUNT && seen[i]++ == 0);
		must(val.size == (i % 16 == 0 ? (size_t)LONG_BYTES : 100 + i % 100) &&
		     memcmp(val.data, &i, sizeof(i)) == 0);
		if (steps++ % 4000 != 100)
			continue;
		txn = store_begin(db, GKV_WRITE);
		for (i = steps % 7; i < COUNT; i += 7)
			must_give(i % 3 == 0 ? gkv_txn_put(txn, &i, sizeof(i), "new", 3)
					     : gkv_txn_put(txn, &i, sizeof(i), "", 0),
				  GKV_OK);
		store_commit(txn);
		compact_or_checkpoint(db, true);
		bytes = store_stat(db).file_bytes;
		most = bytes > most ? bytes : most;
	}
	must_give(rc, GKV_NOTFOUND);
	must(steps == COUNT);
	/* What the snapshot sees, what lives beside it, and what may be moved meanwhile. */
	must(most <= before.live_bytes / 4 * 5 + store_stat(db).live_bytes + 4 * MIB);
	gkv_iter_close(it);
	store_commit(snapshot);
	store_close(db);
	free(seen);
}
END_TEST

/* Key and value may be left out, and several iterations of one transaction do not disturb each other. */
START_TEST(iterations_are_independent)
{
	gkv *db = store_filled(KEYS);
	unsigned first_steps = 0, second_steps = 0, i;
	gkv_iter *first, *second;
	gkv_bytes key, val;
	gkv_txn *txn;
	uint64_t value;

	txn = store_begin(db, GKV_READ);
	first = iter_open(txn);
	second = iter_open(txn);
	while (iter_next(first, &i, &value)) {
		first_steps++;
		if (first_steps % 3 == 0)
			continue;
		must_give(
			gkv_iter_next(second, second_steps % 2 == 0 ? &key : NULL, second_steps % 2 == 0 ? NULL : &val),
			GKV_OK);
		second_steps++;
	}
	gkv_iter_close(first);
	while (gkv_iter_next(second, NULL, NULL) == GKV_OK)
		second_steps++;
	gkv_iter_close(second);
	must(first_steps == KEYS && second_steps == KEYS);
	store_commit(txn);
	store_close(db);
}
END_TEST

/* A write transaction's iteration shows what the transaction made of the store before the opening. */
START_TEST(a_writer_shows_its_own_changes)
{
	gkv *db = store_filled(KEYS / 2);
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	unsigned seen[KEYS] = {0}, i;
	uint64_t value;
	gkv_iter *it;

	for (i = 0; i < KEYS; i++) {
		if (i % 3 == 0)
			key_put(txn, i, i + 1000);
		else if (i % 3 == 1 && i < KEYS / 2)
			key_del(txn, i);
	}
	it = iter_open(txn);
	while (iter_next(it, &i, &value)) {
		must(seen[i]++ == 0);
		must(value == (i % 3 == 0 ? i + 1000 : i));
	}
	gkv_iter_close(it);
	for (i = 0; i < KEYS; i++)
		must(seen[i] == (i % 3 == 0 || (i % 3 == 2 && i < KEYS / 2)));
	gkv_abort(txn);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Deleting each record when it is shown, which may be of the table or the transaction's own, empties the store. */
START_TEST(the_current_record_may_be_deleted)
{
	gkv *db = store_filled(KEYS / 2);
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	unsigned seen[KEYS] = {0}, i;
	gkv_bytes key, val;
	gkv_iter *it;
	int rc;

	for (i = KEYS / 4; i < KEYS; i++)
		key_put(txn, i, i);
	it = iter_open(txn);
	while ((rc = gkv_iter_next(it, &key, &val)) == GKV_OK) {
		i = key_number(key);
		must(seen[i]++ == 0);
		must_give(gkv_txn_del(txn, key.data, key.size), GKV_OK);
		must(key_number(key) == i && value_number(val) == i); /* they last until the next step */
	}
	must_give(rc, GKV_NOTFOUND);
	gkv_iter_close(it);
	for (i = 0; i < KEYS; i++)
		must(seen[i] == 1);
	must(txn_records(txn) == 0);
	store_commit(txn);
	must(store_records(db) == 0);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Under changes of every kind a record that is there all the time is shown once, any other at most once, each with a
 * value that it had since the opening. Deleting and putting again is the hard case: where keys meet, it may change
 * places. */
START_TEST(changes_meanwhile_show_no_record_twice)
{
	const uint64_t rounds = testing_count(30, 5);
	struct rng rng = rng_make(2);
	uint64_t round;

	for (round = 0; round < rounds; round++) {
		const unsigned count = 20 + (unsigned)rng_below(&rng, testing_few() ? 60 : KEYS - 100);
		gkv *db = store_filled(count);
		bool touched[KEYS] = {false}, there[KEYS] = {false};
		unsigned seen[KEYS] = {0}, i, n;
		uint64_t value;
		gkv_txn *txn = store_begin(db, GKV_WRITE);
		gkv_iter *it;

		for (i = 0; i < count; i++)
			there[i] = true;
		for (n = 0; n < count / 4; n++) { /* some are the transaction's own at the opening */
			i = (unsigned)rng_below(&rng, count);
			key_put(txn, i, i);
		}
		it = iter_open(txn);
		while (iter_next(it, &i, &value)) {
			must(seen[i]++ == 0);
			must(value == i || (touched[i] && value == i + 1000));
			for (n = 0; n < 3; n++) {
				const unsigned j = (unsigned)rng_below(&rng, count + 40);
				const uint64_t what = rng_below(&rng, 4);

				if (j % 3 == 0 && j < count)
					continue; /* these stay as they are */
				touched[j] = true;
				if (there[j] && what < 3)
					key_del(txn, j);
				if (what > 0)
					key_put(txn, j, j + 1000);
				else if (!there[j])
					continue;
				there[j] = what > 0;
			}
		}
		gkv_iter_close(it);
		for (i = 0, n = 0; i < count + 40; i++) {
			must(touched[i] || seen[i] == (i < count));
			n += there[i];
		}
		must(txn_records(txn) == n);
		store_commit(txn);
		must(store_records(db) == n);
		txn = store_begin(db, GKV_WRITE);
		it = iter_open(txn);
		while (iter_next(it, &i, &value))
			key_del(txn, i);
		gkv_iter_close(it);
		store_commit(txn);
		must(store_records(db) == 0);
		store_close(db);
	}
	store_check(testing_path);
}
END_TEST

/* An iteration without a transaction is refused; closing none is allowed. */
START_TEST(an_iteration_needs_a_transaction)
{
	gkv *db = store_filled(10);
	gkv_bytes key = {"x", 1}, val = {"x", 1};
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	gkv_iter *it;

	must_give(gkv_iter_open(NULL, &it), GKV_INVALID);
	ck_assert_ptr_null(it);
	must_give(gkv_iter_open(txn, NULL), GKV_INVALID);
	must_give(gkv_iter_next(NULL, &key, &val), GKV_INVALID);
	must(key.data == NULL && key.size == 0 && val.data == NULL && val.size == 0);
	gkv_iter_close(NULL);
	gkv_abort(txn);
	must_give(gkv_iter_open(txn, &it), GKV_INVALID);
	ck_assert_ptr_null(it);
	store_close(db);
}
END_TEST

int main(void)
{
	/* So many keys whose hashes meet would take too long. */
	Suite *suite = suite_create("iterations");

	testing_add_both(suite, "iterations",
			 TESTS(an_empty_view_shows_nothing, a_snapshot_shows_its_commit, iterations_are_independent,
			       a_writer_shows_its_own_changes, the_current_record_may_be_deleted,
			       changes_meanwhile_show_no_record_twice, an_iteration_needs_a_transaction));
	testing_add(suite, "large", TESTS(a_large_snapshot_shows_its_commit));
	return testing_main(suite);
}
