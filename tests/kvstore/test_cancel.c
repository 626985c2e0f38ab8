/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_cancel.c: threads that end before their time: cancelled within a call, or with a transaction open.
 *
 * A thread that is to be cancelled asks for it itself, before its call: so every cancellation point that it came by would
 * end it, and what it leaves does not depend on time. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena/gravity.h"
#include "tests/testing.h"

#define VALUE 20000u

struct doomed {
	int (*call)(struct doomed *d);
	int want;
	gkv *db;
	gkv_txn *txn;
	gravity *g;
	char path[320];
	atomic_bool about, done;
	unsigned called; /* back */
};

static void *doomed_run(void *arg)
{
	struct doomed *d = arg;

	must(pthread_cancel(pthread_self()) == 0);
	atomic_store(&d->about, true);
	must_give(d->call(d), d->want);
	atomic_store(&d->done, true);
	for (;;)
		pthread_testcancel();
	return NULL;
}

static void doomed_begin(struct doomed *d, pthread_t *thread)
{
	atomic_store(&d->about, false);
	atomic_store(&d->done, false);
	must(pthread_create(thread, NULL, doomed_run, d) == 0);
}

static void doomed_end(struct doomed *d, pthread_t thread)
{
	void *result;

	must(pthread_join(thread, &result) == 0);
	must(result == PTHREAD_CANCELED && atomic_load(&d->done));
}

/* What a thread calls comes to its end, though the thread is cancelled by then, and the next one may call. */
static void doom(struct doomed *d, int (*call)(struct doomed *), int want)
{
	pthread_t thread;

	d->call = call;
	d->want = want;
	doomed_begin(d, &thread);
	doomed_end(d, thread);
	if (d->db != NULL) {
		must_give(gkv_begin(d->db, GKV_WRITE | GKV_NOWAIT, &d->txn), GKV_OK);
		gkv_abort(d->txn);
	}
}

static void path_of(struct doomed *d, const char *name)
{
	testing_path_of(name, d->path);
}

static int on_progress(void *arg, uint64_t done, uint64_t total)
{
	struct doomed *d = arg;

	(void)done;
	(void)total;
	pthread_testcancel();
	d->called++;
	return 0;
}

static int on_finding(void *arg, const char *finding)
{
	struct doomed *d = arg;

	(void)finding;
	pthread_testcancel();
	d->called++;
	return 0;
}

static int on_stretch(void *arg, uint64_t start, uint64_t size, int what, double attraction)
{
	struct doomed *d = arg;

	(void)start;
	(void)size;
	(void)what;
	(void)attraction;
	pthread_testcancel();
	d->called++;
	return 0;
}

static int on_slot(void *arg, uint64_t start, uint64_t size, double attraction)
{
	return on_stretch(arg, start, size, 0, attraction);
}

static int call_put(struct doomed *d)
{
	static const char value[VALUE];

	return gkv_put(d->db, "key", 3, value, sizeof(value));
}

static int call_del(struct doomed *d)
{
	return gkv_del(d->db, "key", 3);
}

static int call_add(struct doomed *d)
{
	return gkv_add(d->db, "key", 3, "value", 5);
}

static int call_txn(struct doomed *d)
{
	static const char value[VALUE];
	gkv_txn *txn = store_begin(d->db, GKV_WRITE);
	void *data;

	for (int i = 0; i < 100; i++)
		must_give(gkv_txn_put(txn, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	must_give(gkv_txn_reserve(txn, "data", 4, VALUE, &data), GKV_OK);
	return gkv_commit(txn);
}

static int call_get(struct doomed *d)
{
	char buf[8];
	size_t size;

	return gkv_get(d->db, "key", 3, buf, sizeof(buf), &size);
}

static int call_walk(struct doomed *d)
{
	gkv_txn *txn = store_begin(d->db, GKV_READ);

	must(txn_records(txn) > 100);
	return gkv_commit(txn);
}

static int call_sync(struct doomed *d)
{
	return gkv_sync(d->db);
}

static int call_checkpoint(struct doomed *d)
{
	return gkv_checkpoint(d->db);
}

static int call_compact(struct doomed *d)
{
	return gkv_compact(d->db, on_progress, d);
}

static int call_backup(struct doomed *d)
{
	return gkv_backup(d->db, d->path, on_progress, d);
}

static int call_stat(struct doomed *d)
{
	gkv_stats stats;

	return gkv_stat(d->db, &stats);
}

static int call_layout(struct doomed *d)
{
	return gkv_layout(d->db, on_stretch, d);
}

static int call_check(struct doomed *d)
{
	return gkv_check(d->path, on_finding, d);
}

static int call_salvage(struct doomed *d)
{
	char dest[320];

	testing_path_of("salvaged", dest);
	return gkv_salvage(d->path, dest, on_finding, d);
}

static int call_open_close(struct doomed *d)
{
	gkv *db = store_open(d->path, 0, GKV_DURABLE);

	store_put(db, "key", "value");
	return gkv_close(db);
}

static int call_busy(struct doomed *d)
{
	gkv *db;

	(void)d;
	return gkv_open(testing_path, NULL, &db);
}

/* The calls of a store. */
START_TEST(a_cancelled_thread_finishes_its_call)
{
	struct doomed d = {.db = store_open(testing_path, 0, GKV_DURABLE)};

	doom(&d, call_put, GKV_OK);
	doom(&d, call_add, GKV_EXISTS);
	doom(&d, call_del, GKV_OK);
	doom(&d, call_add, GKV_OK);
	doom(&d, call_txn, GKV_OK);
	doom(&d, call_get, GKV_OK);
	doom(&d, call_walk, GKV_OK);
	doom(&d, call_sync, GKV_OK);
	doom(&d, call_checkpoint, GKV_OK);
	doom(&d, call_stat, GKV_OK);
	doom(&d, call_busy, GKV_BUSY);
	path_of(&d, "other");
	doom(&d, call_open_close, GKV_OK);
	doom(&d, call_open_close, GKV_OK);
	must(store_records(d.db) == 102);
	store_close(d.db);
	store_check(testing_path);
	store_check(d.path);
}
END_TEST

/* The calls that call back: a cancellation point in the function that they call ends nothing either. */
START_TEST(a_cancelled_thread_finishes_its_calls_back)
{
	struct doomed d = {.db = store_lazy()};
	unsigned char *bytes;
	size_t size;

	doom(&d, call_txn, GKV_OK);
	doom(&d, call_txn, GKV_OK);
	doom(&d, call_compact, GKV_OK);
	must(d.called > 0);
	d.called = 0;
	path_of(&d, "backup");
	doom(&d, call_backup, GKV_OK);
	must(d.called > 0);
	d.called = 0;
	doom(&d, call_layout, GKV_OK);
	must(d.called > 0);
	store_close(d.db);
	d.db = NULL;
	bytes = file_read(d.path, &size);
	bytes[size / 2] ^= 1;
	file_write(d.path, bytes, size);
	free(bytes);
	d.called = 0;
	doom(&d, call_check, GKV_CORRUPT);
	must(d.called > 0);
	d.called = 0;
	doom(&d, call_salvage, GKV_OK);
	must(d.called > 0);
	store_check(testing_path);
}
END_TEST

static int gravity_write_one(struct doomed *d)
{
	static const char value[VALUE];
	gravity_pos pos;

	return gravity_write(d->g, value, sizeof(value), &pos);
}

static int gravity_compact_some(struct doomed *d)
{
	return gravity_compact(d->g, GRAVITY_GRAVITY, VALUE / 4);
}

static int gravity_walk_slots(struct doomed *d)
{
	return gravity_each_free_slot(d->g, on_slot, d);
}

static int gravity_check_point(struct doomed *d)
{
	return gravity_checkpoint(d->g);
}

/* The arena without keys goes the same ways. */
START_TEST(a_cancelled_thread_finishes_its_call_without_keys)
{
	struct doomed d = {.called = 0};

	must_give(gravity_open(testing_path, NULL, &d.g), 0);
	doom(&d, gravity_write_one, 0);
	doom(&d, gravity_check_point, 0);
	doom(&d, gravity_compact_some, 0);
	doom(&d, gravity_walk_slots, 0);
	must(d.called > 0);
	doom(&d, gravity_write_one, 0);
	must_give(gravity_close(d.g), 0);
}
END_TEST

/* A writer that is cancelled while it waits for another one gets its turn, and lets the next one in. */
START_TEST(a_cancelled_writer_gets_its_turn)
{
	struct doomed d[3];
	pthread_t thread[3];
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	const struct timespec nap = {0, 20000000};

	for (int i = 0; i < 3; i++) {
		memset(&d[i], 0, sizeof(d[i]));
		d[i].db = db;
		d[i].call = i == 0 ? call_put : i == 1 ? call_sync : call_txn;
		doomed_begin(&d[i], &thread[i]);
		while (!atomic_load(&d[i].about))
			;
		(void)nanosleep(&nap, NULL); /* until it waits, most likely */
		must(!atomic_load(&d[i].done) && pthread_tryjoin_np(thread[i], NULL) == EBUSY);
	}
	store_commit(txn);
	for (int i = 0; i < 3; i++)
		doomed_end(&d[i], thread[i]);
	must(store_records(db) == 102);
	must_give(gkv_begin(db, GKV_WRITE | GKV_NOWAIT, &txn), GKV_OK);
	gkv_abort(txn);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* It cannot be ended any more, nor the store closed: kept where it is found. */
static gkv *left_db;
static gkv_txn *left_txn;

static void *leave_open(void *arg)
{
	(void)arg;
	left_txn = store_begin(left_db, GKV_WRITE);
	return NULL;
}

static void *try_nowait(void *arg)
{
	gkv_txn *txn;

	(void)arg;
	must_give(gkv_begin(left_db, GKV_WRITE | GKV_NOWAIT, &txn), GKV_BUSY);
	must_give(gkv_txn_put(left_txn, "key", 3, "x", 1), GKV_INVALID);
	return NULL;
}

/* A thread that ended with its transaction open is not mistaken for another one that comes in its place. */
START_TEST(a_new_thread_is_none_that_has_ended)
{
	pthread_t thread;

	left_db = store_lazy();
	must(pthread_create(&thread, NULL, leave_open, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	for (int i = 0; i < 8; i++) {
		must(pthread_create(&thread, NULL, try_nowait, NULL) == 0);
		must(pthread_join(thread, NULL) == 0);
	}
	must_give(gkv_close(left_db), GKV_BUSY);
}
END_TEST

SUITE("cancellation", "cancellation", a_cancelled_thread_finishes_its_call, a_cancelled_thread_finishes_its_calls_back,
      a_cancelled_thread_finishes_its_call_without_keys, a_cancelled_writer_gets_its_turn,
      a_new_thread_is_none_that_has_ended)
