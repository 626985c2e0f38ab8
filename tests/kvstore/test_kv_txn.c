/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv_txn.c: transactions: what they see, what they change, and what may not be done with them. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/testing.h"

static void number_put(gkv_txn *txn, uint64_t key, uint64_t value)
{
	must_give(gkv_txn_put(txn, &key, sizeof(key), &value, sizeof(value)), GKV_OK);
}

/* UINT64_MAX: the key is absent. */
static uint64_t number_get(gkv_txn *txn, uint64_t key)
{
	gkv_bytes got;
	uint64_t value;
	int rc = gkv_txn_get(txn, &key, sizeof(key), &got);

	if (rc == GKV_NOTFOUND)
		return UINT64_MAX;
	must_give(rc, GKV_OK);
	must(got.size == sizeof(value) && ((uintptr_t)got.data & 7) == 0);
	memcpy(&value, got.data, sizeof(value));
	return value;
}

/* A transaction reads what it wrote; nobody else does before its commit; everybody does after it. */
START_TEST(a_transaction_reads_its_writes)
{
	gkv *db = store_lazy();
	gkv_txn *txn, *other;

	store_put(db, "kept", "1");
	store_put(db, "changed", "1");
	store_put(db, "deleted", "1");
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "changed", "2");
	txn_put(txn, "added", "2");
	txn_del(txn, "deleted");
	txn_expect(txn, "kept", "1");
	txn_expect(txn, "changed", "2");
	txn_expect(txn, "added", "2");
	txn_expect(txn, "deleted", NULL);
	must(txn_records(txn) == 3);
	txn_put(txn, "changed", "3");
	txn_put(txn, "deleted", "3");
	txn_del(txn, "deleted");
	txn_del(txn, "added");
	txn_put(txn, "added", "3");
	txn_expect(txn, "changed", "3");
	txn_expect(txn, "deleted", NULL);
	txn_expect(txn, "added", "3");
	store_expect(db, "changed", "1");
	store_expect(db, "deleted", "1");
	store_expect(db, "added", NULL);
	other = store_begin(db, GKV_READ);
	store_commit(txn);
	txn_expect(other, "changed", "1");
	txn_expect(other, "deleted", "1");
	txn_expect(other, "added", NULL);
	must(txn_records(other) == 3);
	store_commit(other);
	store_expect(db, "kept", "1");
	store_expect(db, "changed", "3");
	store_expect(db, "added", "3");
	store_expect(db, "deleted", NULL);
	must(store_records(db) == 3);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* An aborted transaction has changed nothing, now and after the store was opened again. */
START_TEST(an_abort_restores_everything)
{
	gkv *db = store_lazy();
	unsigned round, i;
	gkv_txn *txn;
	char key[16];

	for (i = 0; i < 40; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		store_put(db, key, "old");
	}
	for (round = 0; round < 5; round++) {
		txn = store_begin(db, GKV_WRITE);
		for (i = 0; i < 80; i++) {
			(void)snprintf(key, sizeof(key), "%u", i);
			if (i % 3 == round % 3 && i < 40)
				txn_del(txn, key);
			else
				txn_put(txn, key, "new");
		}
		gkv_abort(txn);
		must(store_records(db) == 40);
		for (i = 0; i < 80; i++) {
			(void)snprintf(key, sizeof(key), "%u", i);
			store_expect(db, key, i < 40 ? "old" : NULL);
		}
		if (round % 2 == 0) {
			store_close(db);
			store_check(testing_path);
			db = store_lazy();
		}
	}
	gkv_abort(NULL);
	store_close(db);
}
END_TEST

/* A transaction of many puts happens whole. */
START_TEST(a_transaction_may_be_large)
{
	const uint64_t count = testing_few() ? 300 : testing_count(10000, 1000);
	gkv *db = store_open(testing_path, 0, GKV_DURABLE);
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	uint64_t i;

	for (i = 0; i < count; i++)
		number_put(txn, i, ~i);
	for (i = 0; i < count; i += 3)
		must_give(gkv_txn_del(txn, &i, sizeof(i)), GKV_OK);
	store_commit(txn);
	store_close(db);
	store_check(testing_path);
	db = store_open(testing_path, 0, GKV_DURABLE);
	txn = store_begin(db, GKV_READ);
	for (i = 0; i < count; i++)
		must(number_get(txn, i) == (i % 3 == 0 ? UINT64_MAX : ~i));
	must(txn_records(txn) == count - (count + 2) / 3);
	store_commit(txn);
	store_close(db);
}
END_TEST

/* A snapshot sees its commit, byte for byte and in the place where it was shown, while everything is replaced a
 * thousand times, and checkpoints and compactions run. */
START_TEST(a_snapshot_sees_one_commit)
{
	const uint64_t keys = 50, commits = testing_count(1000, 100);
	unsigned char value[300];
	gkv *db = store_lazy();
	gkv_bytes shown[50];
	gkv_txn *snapshot;
	uint64_t i, c;

	for (i = 0; i < keys; i++) {
		bytes_make(value, sizeof(value), i);
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	}
	snapshot = store_begin(db, GKV_READ);
	for (i = 0; i < keys; i++)
		must_give(gkv_txn_get(snapshot, &i, sizeof(i), &shown[i]), GKV_OK);
	for (c = 1; c <= commits; c++) {
		gkv_txn *txn = store_begin(db, GKV_WRITE);

		for (i = 0; i < keys; i++) {
			bytes_make(value, sizeof(value), c * keys + i);
			if ((c + i) % 5 == 0)
				(void)gkv_txn_del(txn, &i, sizeof(i));
			else
				must_give(gkv_txn_put(txn, &i, sizeof(i), value, sizeof(value)), GKV_OK);
		}
		store_commit(txn);
		int rc = GKV_OK;
		if (c % 100 == 0)
			rc = c % 200 == 0 ? gkv_compact(db, NULL, NULL) : gkv_checkpoint(db);
		/* The snapshot may be in the way. */
		must(rc == GKV_OK || (rc == GKV_BUSY && c % 200 == 0));
	}
	must(txn_records(snapshot) == keys);
	for (i = 0; i < keys; i++) {
		gkv_bytes now;

		must(shown[i].size == sizeof(value) && bytes_fit(shown[i].data, sizeof(value), i));
		must_give(gkv_txn_get(snapshot, &i, sizeof(i), &now), GKV_OK);
		must(now.size == sizeof(value) && bytes_fit(now.data, sizeof(value), i));
	}
	store_commit(snapshot);
	store_close(db);
	store_check(testing_path);
}
END_TEST

#define SNAPSHOTS 1200u

struct opener {
	gkv *db;
	gkv_txn **txn;
	unsigned count;
};

static void *snapshots_open(void *arg)
{
	const struct opener *o = arg;
	unsigned i;

	for (i = 0; i < o->count; i++)
		o->txn[i] = store_begin(o->db, GKV_READ);
	return NULL;
}

static void *snapshots_end(void *arg)
{
	const struct opener *o = arg;
	unsigned i;

	for (i = 0; i < o->count; i++)
		store_commit(o->txn[i]);
	return NULL;
}

/* A thousand snapshots and more may be open at once, several in a thread, each of its own commit; a snapshot that one
 * thread began another may use and end. */
START_TEST(a_thousand_snapshots_are_open_at_once)
{
	static gkv_txn *txn[SNAPSHOTS];
	gkv *db = store_lazy();
	struct opener part[4];
	pthread_t thread[4];
	uint64_t i, t;

	for (i = 0; i < SNAPSHOTS / 2; i++) {
		must_give(gkv_put(db, "key", 3, &i, sizeof(i)), GKV_OK);
		txn[i] = store_begin(db, GKV_READ);
	}
	for (t = 0; t < 4; t++) {
		part[t] = (struct opener){db, txn + SNAPSHOTS / 2 + t * SNAPSHOTS / 8, SNAPSHOTS / 8};
		must(pthread_create(&thread[t], NULL, snapshots_open, &part[t]) == 0);
	}
	for (t = 0; t < 4; t++)
		must(pthread_join(thread[t], NULL) == 0);
	must(store_stat(db).readers == SNAPSHOTS);
	must_give(gkv_put(db, "key", 3, "new", 3), GKV_OK);
	for (i = 0; i < SNAPSHOTS; i++) {
		gkv_bytes got;
		uint64_t value;

		must_give(gkv_txn_get(txn[i], "key", 3, &got), GKV_OK);
		memcpy(&value, got.data, sizeof(value));
		must(value == (i < SNAPSHOTS / 2 ? i : SNAPSHOTS / 2 - 1));
	}
	must_give(gkv_close(db), GKV_BUSY);
	for (t = 0; t < 4; t++) {
		part[t] = (struct opener){db, txn + t * SNAPSHOTS / 4, SNAPSHOTS / 4};
		must(pthread_create(&thread[t], NULL, snapshots_end, &part[t]) == 0);
	}
	for (t = 0; t < 4; t++)
		must(pthread_join(thread[t], NULL) == 0);
	must(store_stat(db).readers == 0);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* When every reader slot is taken a further snapshot is GKV_READERS, and single operations go on. */
START_TEST(snapshots_run_out_and_gets_do_not)
{
	static gkv_txn *txn[100000];
	gkv *db = store_lazy();
	gkv_txn *writer;
	unsigned count = 0;
	int rc;

	store_put(db, "key", "value");
	store_put(db, "other", "value");
	while ((rc = gkv_begin(db, GKV_READ, &txn[count])) == GKV_OK)
		must(++count < sizeof(txn) / sizeof(txn[0]));
	must_give(rc, GKV_READERS);
	must(txn[count] == NULL && count >= 1000);
	store_expect(db, "key", "value");
	store_expect(db, "none", NULL);
	store_put(db, "key", "new");
	store_expect(db, "key", "new");
	writer = store_begin(db, GKV_WRITE);
	txn_expect(writer, "key", "new");
	gkv_abort(writer);
	store_commit(txn[--count]);
	must_give(gkv_begin(db, GKV_READ, &txn[count]), GKV_OK);
	txn_expect(txn[count++], "key", "new");
	txn_expect(txn[0], "key", "value");
	while (count > 0)
		gkv_abort(txn[--count]);
	store_close(db);
}
END_TEST

/* Reserved bytes are zero and aligned, and what is filled in before the next call is the value. */
START_TEST(reserved_bytes_are_filled_in_place)
{
	static const size_t length[] = {0, 1, 8, 1000, 100 * KIB};
	gkv *db = store_lazy();
	unsigned round;
	gkv_bytes got;
	gkv_txn *txn;
	void *room;
	size_t i, j;

	for (round = 0; round < 3; round++) {
		txn = store_begin(db, GKV_WRITE);
		for (i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
			must_give(gkv_txn_reserve(txn, &i, sizeof(i), length[i], &room), GKV_OK);
			must(room != NULL && ((uintptr_t)room & 7) == 0);
			for (j = 0; j < length[i]; j++)
				must(((const char *)room)[j] == 0);
			bytes_make(room, length[i], i + round);
			txn_put(txn, "between", "two");
		}
		for (i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
			must_give(gkv_txn_get(txn, &i, sizeof(i), &got), GKV_OK);
			must(got.size == length[i] && bytes_fit(got.data, got.size, i + round));
		}
		if (round == 1)
			gkv_abort(txn);
		else
			store_commit(txn);
	}
	store_close(db);
	store_check(testing_path);
	db = store_lazy();
	txn = store_begin(db, GKV_READ);
	for (i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		must_give(gkv_txn_get(txn, &i, sizeof(i), &got), GKV_OK);
		must(got.size == length[i] && bytes_fit(got.data, got.size, i + 2));
	}
	store_commit(txn);
	store_close(db);
}
END_TEST

static void get_many_agrees(gkv_txn *txn, const gkv_bytes *keys, size_t count)
{
	gkv_bytes *vals = malloc((count + 1) * sizeof(*vals));
	int *codes = malloc((count + 1) * sizeof(*codes));
	gkv_bytes one;
	size_t i;

	must(vals != NULL && codes != NULL);
	memset(vals, 1, (count + 1) * sizeof(*vals));
	must_give(gkv_txn_get_many(txn, count, keys, vals, codes), GKV_OK);
	for (i = 0; i < count; i++) {
		must_give(gkv_txn_get(txn, keys[i].data, keys[i].size, &one), codes[i]);
		must(vals[i].size == one.size && vals[i].data == one.data);
	}
	free(vals);
	free(codes);
}

/* Many keys looked up together give what each gives alone: hits, misses, duplicates, the empty key and keys that are
 * none. */
START_TEST(get_many_agrees_with_get)
{
	static const size_t count[] = {0, 1, 2, 15, 16, 17, 63, 64, 65, 128, 999};
	static const char toolong[65536];
	static uint64_t number[999];
	static gkv_bytes keys[999];
	struct rng rng = rng_make(1);
	gkv *db = store_lazy();
	gkv_txn *txn;
	uint64_t i;
	size_t c;

	txn = store_begin(db, GKV_WRITE);
	for (i = 0; i < 300; i++)
		number_put(txn, i * 2, i);
	must_give(gkv_txn_put(txn, NULL, 0, "empty", 5), GKV_OK);
	must_give(gkv_txn_put(txn, "no value", 8, NULL, 0), GKV_OK);
	store_commit(txn);
	for (i = 0; i < 999; i++) {
		number[i] = rng_below(&rng, 600);
		keys[i] = (gkv_bytes){&number[i], sizeof(number[i])};
	}
	keys[3] = (gkv_bytes){NULL, 0};
	keys[5] = (gkv_bytes){toolong, sizeof(toolong)};
	keys[7] = (gkv_bytes){NULL, 1};
	keys[9] = (gkv_bytes){"no value", 8};
	keys[10] = keys[11] = keys[12];
	txn = store_begin(db, GKV_READ);
	for (c = 0; c < sizeof(count) / sizeof(count[0]); c++)
		get_many_agrees(txn, keys, count[c]);
	store_commit(txn);
	txn = store_begin(db, GKV_WRITE);
	for (i = 0; i < 600; i += 5)
		number_put(txn, i, i);
	for (c = 0; c < sizeof(count) / sizeof(count[0]); c++)
		get_many_agrees(txn, keys, count[c]);
	gkv_abort(txn);
	store_close(db);
}
END_TEST

/* What fails within a transaction leaves it as it was, and usable. */
START_TEST(a_failure_leaves_the_transaction)
{
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = 512 * KIB};
	static char large[600 * KIB], huge[65536];
	gkv_txn *txn;
	void *room;
	gkv *db;

	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	store_put(db, "old", "1");
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "new", "1");
	must_give(gkv_txn_add(txn, "old", 3, "2", 1), GKV_EXISTS);
	must_give(gkv_txn_add(txn, "new", 3, "2", 1), GKV_EXISTS);
	must_give(gkv_txn_del(txn, "none", 4), GKV_NOTFOUND);
	must_give(gkv_txn_put(txn, huge, sizeof(huge), "2", 1), GKV_TOOBIG);
	must_give(gkv_txn_put(txn, "old", 3, NULL, 1), GKV_INVALID);
	must_give(gkv_txn_put(txn, "old", 3, large, sizeof(large)), GKV_FULL);
	must_give(gkv_txn_put(txn, "none", 4, large, sizeof(large)), GKV_FULL);
	room = &room;
	must_give(gkv_txn_reserve(txn, "new", 3, sizeof(large), &room), GKV_FULL);
	ck_assert_ptr_null(room);
	txn_expect(txn, "old", "1");
	txn_expect(txn, "new", "1");
	txn_expect(txn, "none", NULL);
	txn_put(txn, "newer", "1");
	must(txn_records(txn) == 3);
	store_commit(txn);
	store_expect(db, "old", "1");
	store_expect(db, "new", "1");
	store_expect(db, "newer", "1");
	must(store_records(db) == 3);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Key and value of a put may point into values of the same transaction. */
START_TEST(a_put_may_copy_from_the_store)
{
	unsigned char value[5000];
	gkv *db = store_lazy();
	gkv_bytes got;
	gkv_txn *txn;
	unsigned i;

	bytes_make(value, sizeof(value), 1);
	must_give(gkv_put(db, "from", 4, value, sizeof(value)), GKV_OK);
	txn = store_begin(db, GKV_WRITE);
	for (i = 0; i < 20; i++) {
		must_give(gkv_txn_get(txn, "from", 4, &got), GKV_OK);
		must_give(gkv_txn_put(txn, got.data, 100 + i, got.data, got.size), GKV_OK);
		must_give(gkv_txn_put(txn, "from", 4, got.data, got.size - 1), GKV_OK);
		must_give(gkv_txn_get(txn, value, 100 + i, &got), GKV_OK);
		must(got.size == sizeof(value) - i && bytes_fit(got.data, got.size - 8, 1));
	}
	store_commit(txn);
	store_close(db);
	store_check(testing_path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transactions");

	testing_add(suite, "threads", TESTS(a_thousand_snapshots_are_open_at_once));
	testing_add_both(suite, "views",
			 TESTS(a_transaction_reads_its_writes, an_abort_restores_everything, a_transaction_may_be_large,
			       a_snapshot_sees_one_commit, snapshots_run_out_and_gets_do_not,
			       reserved_bytes_are_filled_in_place, get_many_agrees_with_get,
			       a_failure_leaves_the_transaction, a_put_may_copy_from_the_store));
	return testing_main(suite);
}
