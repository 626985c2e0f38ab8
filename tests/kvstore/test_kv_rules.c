/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv_rules.c: what may not be done with transactions, and which thread may do what. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/testing.h"

/* Every function refuses the transaction, and its answers are zero. */
static void transaction_is_refused(gkv_txn *txn)
{
	const gkv_bytes key = {"key", 3};
	gkv_bytes val = {"x", 1};
	gkv_iter *it = (gkv_iter *)&val;
	void *room = &val;
	int code = 1;

	must_give(gkv_txn_get(txn, "key", 3, &val), GKV_INVALID);
	must(val.data == NULL && val.size == 0);
	val.size = 1;
	must_give(gkv_txn_get_many(txn, 1, &key, &val, &code), GKV_INVALID);
	must(val.data == NULL && val.size == 0 && code == GKV_INVALID);
	must_give(gkv_txn_put(txn, "key", 3, "x", 1), GKV_INVALID);
	must_give(gkv_txn_add(txn, "key", 3, "x", 1), GKV_INVALID);
	must_give(gkv_txn_del(txn, "key", 3), GKV_INVALID);
	must_give(gkv_txn_reserve(txn, "key", 3, 1, &room), GKV_INVALID);
	must(room == NULL);
	must_give(gkv_iter_open(txn, &it), GKV_INVALID);
	must(it == NULL);
	must_give(gkv_commit(txn), GKV_INVALID);
}

static void *refused_elsewhere(void *txn)
{
	transaction_is_refused(txn);
	gkv_abort(txn);
	return NULL;
}

static void run_thread(void *(*body)(void *), void *arg)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, body, arg) == 0);
	must(pthread_join(thread, NULL) == 0);
}

/* A transaction that has ended, by commit or by abort, is refused by every function. */
START_TEST(an_ended_transaction_is_refused)
{
	gkv *db = store_lazy();
	gkv_txn *txn;

	store_put(db, "key", "value");
	txn = store_begin(db, GKV_WRITE);
	store_commit(txn);
	transaction_is_refused(txn);
	gkv_abort(txn);
	txn = store_begin(db, GKV_WRITE);
	gkv_abort(txn);
	transaction_is_refused(txn);
	txn = store_begin(db, GKV_READ);
	store_commit(txn);
	transaction_is_refused(txn);
	txn = store_begin(db, GKV_READ);
	gkv_abort(txn);
	transaction_is_refused(txn);
	gkv_abort(txn);
	transaction_is_refused(NULL);
	store_expect(db, "key", "value");
	store_close(db);
}
END_TEST

/* A write transaction is for the thread that began it: another one is refused, and does not end it. */
START_TEST(a_write_transaction_stays_in_its_thread)
{
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);

	txn_put(txn, "key", "value");
	run_thread(refused_elsewhere, txn);
	txn_expect(txn, "key", "value");
	store_commit(txn);
	store_expect(db, "key", "value");
	store_close(db);
}
END_TEST

static void *snapshot_ends_here(void *txn)
{
	txn_expect(txn, "key", "value");
	must(txn_records(txn) == 1);
	store_commit(txn);
	return NULL;
}

/* A read transaction may be used and ended in another thread. */
START_TEST(a_snapshot_moves_between_threads)
{
	gkv *db = store_lazy();
	gkv_txn *txn;

	store_put(db, "key", "value");
	txn = store_begin(db, GKV_READ);
	store_put(db, "key", "new");
	run_thread(snapshot_ends_here, txn);
	transaction_is_refused(txn);
	store_close(db);
}
END_TEST

/* A thread with a write transaction open cannot wait for itself: what would is GKV_INVALID; reads go on. */
START_TEST(a_writer_does_not_wait_for_itself)
{
	gkv *db = store_lazy();
	gkv_txn *txn, *second, *reader;

	store_put(db, "key", "old");
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "key", "new");
	must_give(gkv_put(db, "k", 1, "v", 1), GKV_INVALID);
	must_give(gkv_add(db, "k", 1, "v", 1), GKV_INVALID);
	must_give(gkv_del(db, "key", 3), GKV_INVALID);
	must_give(gkv_begin(db, GKV_WRITE, &second), GKV_INVALID);
	ck_assert_ptr_null(second);
	must_give(gkv_begin(db, GKV_WRITE | GKV_NOWAIT, &second), GKV_INVALID);
	must_give(gkv_checkpoint(db), GKV_INVALID);
	must_give(gkv_compact(db, NULL, NULL), GKV_INVALID);
	must_give(gkv_close(db), GKV_BUSY);
	store_expect(db, "key", "old");
	reader = store_begin(db, GKV_READ);
	txn_expect(reader, "key", "old");
	must(store_stat(db).readers == 1);
	store_commit(reader);
	txn_expect(txn, "key", "new");
	store_commit(txn);
	store_expect(db, "key", "new");
	store_put(db, "k", "v");
	store_close(db);
}
END_TEST

/* Flags that are unknown or contradict each other are GKV_INVALID. */
START_TEST(flags_are_checked)
{
	static const unsigned wrong[] = {
		GKV_NOWAIT, GKV_LAZY_COMMIT,   GKV_DURABLE_COMMIT, GKV_WRITE | GKV_LAZY_COMMIT | GKV_DURABLE_COMMIT,
		0x10u,      GKV_WRITE | 0x10u, 0x80000000u};
	static const unsigned right[] = {GKV_READ, GKV_WRITE, GKV_WRITE | GKV_NOWAIT, GKV_WRITE | GKV_LAZY_COMMIT,
					 GKV_WRITE | GKV_NOWAIT | GKV_DURABLE_COMMIT};
	gkv *db = store_lazy();
	gkv_txn *txn;
	size_t i;

	for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		txn = (gkv_txn *)db;
		must_give(gkv_begin(db, wrong[i], &txn), GKV_INVALID);
		ck_assert_ptr_null(txn);
	}
	for (i = 0; i < sizeof(right) / sizeof(right[0]); i++)
		store_commit(store_begin(db, right[i]));
	must_give(gkv_begin(db, GKV_READ, NULL), GKV_INVALID);
	must(store_stat(db).readers == 0);
	store_close(db);
}
END_TEST

/* A read transaction writes nothing and says so, whether the key is there or not. */
START_TEST(a_snapshot_is_read_only)
{
	gkv *db = store_lazy();
	void *room = &db;
	gkv_txn *txn;

	store_put(db, "key", "value");
	txn = store_begin(db, GKV_READ);
	must_give(gkv_txn_put(txn, "key", 3, "x", 1), GKV_READONLY);
	must_give(gkv_txn_add(txn, "key", 3, "x", 1), GKV_READONLY);
	must_give(gkv_txn_add(txn, "none", 4, "x", 1), GKV_READONLY);
	must_give(gkv_txn_del(txn, "key", 3), GKV_READONLY);
	must_give(gkv_txn_del(txn, "none", 4), GKV_READONLY);
	must_give(gkv_txn_reserve(txn, "key", 3, 1, &room), GKV_READONLY);
	ck_assert_ptr_null(room);
	txn_expect(txn, "key", "value");
	store_commit(txn);
	store_close(db);
}
END_TEST

/* The arguments of a transaction's functions are checked as those of single operations are. */
START_TEST(arguments_are_checked)
{
	static const char toolong[65536];
	const gkv_bytes key = {"key", 3};
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	gkv_bytes val;
	void *room;
	int code;

	must_give(gkv_txn_get(txn, "key", 3, NULL), GKV_INVALID);
	must_give(gkv_txn_get(txn, NULL, 1, &val), GKV_INVALID);
	must_give(gkv_txn_get(txn, toolong, sizeof(toolong), &val), GKV_TOOBIG);
	must_give(gkv_txn_put(txn, NULL, 1, "x", 1), GKV_INVALID);
	must_give(gkv_txn_put(txn, "key", 3, NULL, 1), GKV_INVALID);
	must_give(gkv_txn_put(txn, toolong, sizeof(toolong), NULL, 1), GKV_TOOBIG);
	must_give(gkv_txn_add(txn, NULL, 1, "x", 1), GKV_INVALID);
	must_give(gkv_txn_del(txn, NULL, 1), GKV_INVALID);
	must_give(gkv_txn_del(txn, toolong, sizeof(toolong)), GKV_TOOBIG);
	must_give(gkv_txn_reserve(txn, "key", 3, 1, NULL), GKV_INVALID);
	must_give(gkv_txn_reserve(txn, NULL, 1, 1, &room), GKV_INVALID);
	must_give(gkv_txn_reserve(txn, toolong, sizeof(toolong), 1, &room), GKV_TOOBIG);
	must_give(gkv_txn_get_many(txn, 1, NULL, &val, &code), GKV_INVALID);
	must_give(gkv_txn_get_many(txn, 1, &key, NULL, &code), GKV_INVALID);
	must_give(gkv_txn_get_many(txn, 1, &key, &val, NULL), GKV_INVALID);
	must_give(gkv_txn_get_many(txn, 0, NULL, NULL, NULL), GKV_OK);
	must(txn_records(txn) == 0);
	store_commit(txn);
	must_give(gkv_commit(NULL), GKV_INVALID);
	store_close(db);
}
END_TEST

struct waiter {
	gkv *db;
	atomic_int stage;
};

static void *wait_for_the_writer(void *arg)
{
	struct waiter *w = arg;
	gkv_txn *txn;

	must_give(gkv_begin(w->db, GKV_WRITE | GKV_NOWAIT, &txn), GKV_BUSY);
	must(txn == NULL);
	store_expect(w->db, "key", "old");
	atomic_store(&w->stage, 1);
	txn = store_begin(w->db, GKV_WRITE);
	must(atomic_load(&w->stage) == 2);
	txn_expect(txn, "key", "first");
	txn_put(txn, "key", "second");
	store_commit(txn);
	return NULL;
}

/* A second writer waits for the first, or is told that it would have to; then it sees what the first one did. */
START_TEST(writers_take_turns)
{
	const struct timespec moment = {.tv_nsec = 50000000};
	struct waiter w = {.db = store_lazy()};
	pthread_t thread;
	gkv_txn *txn;

	store_put(w.db, "key", "old");
	txn = store_begin(w.db, GKV_WRITE);
	txn_put(txn, "key", "first");
	must(pthread_create(&thread, NULL, wait_for_the_writer, &w) == 0);
	while (atomic_load(&w.stage) == 0)
		(void)nanosleep(&moment, NULL);
	(void)nanosleep(&moment, NULL);
	atomic_store(&w.stage, 2);
	store_commit(txn);
	must(pthread_join(thread, NULL) == 0);
	store_expect(w.db, "key", "second");
	store_close(w.db);
}
END_TEST

/* A handle with a transaction open is not closed, and goes on. */
START_TEST(closing_waits_for_nobody)
{
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_READ);

	must_give(gkv_close(db), GKV_BUSY);
	store_put(db, "key", "value");
	txn_expect(txn, "key", NULL);
	gkv_abort(txn);
	txn = store_begin(db, GKV_WRITE);
	must_give(gkv_close(db), GKV_BUSY);
	txn_put(txn, "key", "new");
	store_commit(txn);
	store_close(db);
	db = store_lazy();
	store_expect(db, "key", "new");
	store_close(db);
}
END_TEST

SUITE("rules", "rules", an_ended_transaction_is_refused, a_write_transaction_stays_in_its_thread,
      a_snapshot_moves_between_threads, a_writer_does_not_wait_for_itself, flags_are_checked, a_snapshot_is_read_only,
      arguments_are_checked, writers_take_turns, closing_waits_for_nobody)
