/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_full_threads.c: a full disk is cleaned up by several threads at once.
 *
 * Each thread has keys of its own, and knows what they hold. A history draws the sizes of records, durability, what comes before the
 * disk fills, and whether others take at once what the file gives back. From then on the threads delete, put, make checkpoints and
 * compact side by side, until the store is empty:
 *
 *   puts succeed, or the disk's code says why not, and nothing of them is there
 *   deletes and checkpoints succeed. Beside a snapshot a delete may be refused, and succeeds when that has ended
 *   a snapshot sees the same records from its begin to its end
 *   what a thread has committed is there for it
 *
 * In half of the histories the process is killed now and then, before a call that changes the file: each thread may have been at a
 * change, which is there or not. In the end what the file does not need is given back. */
#define _GNU_SOURCE

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/space/small_disk.h"
#include "tests/testing.h"

#define THREADS     4u
#define KEYS_MOST   3000u /* of a thread */
#define VALUE_LEAST 160u  /* makes a file of FILE_LEAST of so many, or nearly */
#define VALUE_MOST  (64 * KIB)
#define FILE_LEAST  (2 * MIB)   /* a shorter file keeps less ready than most need */
#define LEFT_MOST   (512 * KIB) /* of an empty store: what is kept ready, and the table */
#define TXN_MOST    16u
#define KILLS_MOST  8u
#define FILL_MOST   20000u

/* Who cleans up; its keys are (number, key). */
struct cleaner {
	pthread_t thread;
	struct crowd *crowd;
	struct rng rng;
	unsigned number, live;
	uint32_t size[KEYS_MOST];
	uint64_t value[KEYS_MOST]; /* its number; 0: there is no such record */
	uint64_t round;
	/* What the change under way makes of the keys; the last of a key counts. */
	unsigned changes, at[TXN_MOST];
	uint32_t to_size[TXN_MOST];
	uint64_t to_value[TXN_MOST];
	uint8_t buf[VALUE_MOST];
};

/* In memory that is shared with the children. */
struct crowd {
	gkv *db;
	gkv_options options;
	struct rng rng;
	unsigned keys;
	uint64_t value_least, value_most, txn_records, rare, puts;
	bool filled, greedy, views, in_order;
	unsigned kills;
	uint64_t used;        /* pages, before the disk was full */
	pthread_mutex_t view; /* held while there is a snapshot */
	_Atomic unsigned at_work;
	_Atomic uint64_t seen; /* snapshots */
	struct cleaner cleaner[THREADS];
};

struct name {
	unsigned number, key;
};

/* --- changes ------------------------------------------------------------------------------------------------------ */

static void change_add(struct cleaner *c, unsigned key, uint64_t value, uint64_t size)
{
	c->at[c->changes] = key;
	c->to_value[c->changes] = value;
	c->to_size[c->changes] = (uint32_t)size;
	c->changes++;
}

static void change_end(struct cleaner *c, bool happened)
{
	for (unsigned i = 0; happened && i < c->changes; i++) {
		c->live += (c->to_value[i] != 0) - (unsigned)(c->value[c->at[i]] != 0);
		c->value[c->at[i]] = c->to_value[i];
		c->size[c->at[i]] = c->to_size[i];
	}
	c->changes = 0;
}

static bool record_is(struct cleaner *c, unsigned key, uint64_t value, uint64_t expected)
{
	const struct name name = {c->number, key};
	size_t size;
	const int r = gkv_get(c->crowd->db, &name, sizeof name, c->buf, sizeof c->buf, &size);

	must(r == 0 || r == GKV_NOTFOUND);
	if (value == 0 || r != 0)
		return value == 0 && r != 0;
	return size == expected && bytes_fit(c->buf, size, value);
}

static bool refused(int r)
{
	return r == ENOSPC;
}

/* What changes nothing but deletes. Beside a snapshot it may be refused; without one it may not. */
static void deletes_do(struct cleaner *c, int (*change)(struct cleaner *c))
{
	struct crowd *w = c->crowd;
	int r = change(c);

	if (r != 0 && w->views) {
		must(refused(r));
		must(pthread_mutex_lock(&w->view) == 0);
		r = change(c);
		must(pthread_mutex_unlock(&w->view) == 0);
	}
	must_give(r, 0);
	change_end(c, true);
}

static int one_del(struct cleaner *c)
{
	const struct name name = {c->number, c->at[0]};

	return gkv_del(c->crowd->db, &name, sizeof name);
}

static int txn_dels(struct cleaner *c)
{
	gkv_txn *t;
	int r = gkv_begin(c->crowd->db, GKV_WRITE, &t);

	if (r != 0)
		return r;
	for (unsigned i = 0; r == 0 && i < c->changes; i++) {
		const struct name name = {c->number, c->at[i]};
		r = gkv_txn_del(t, &name, sizeof name);
	}
	if (r == 0)
		return gkv_commit(t);
	gkv_abort(t);
	return r;
}

/* From a key on, those that are there. */
static void records_del(struct cleaner *c, unsigned first, uint64_t most)
{
	const unsigned keys = c->crowd->keys;

	for (unsigned i = 0; i < keys && c->changes < most; i++)
		if (c->value[(first + i) % keys] != 0)
			change_add(c, (first + i) % keys, 0, 0);
	if (c->changes > 0)
		deletes_do(c, c->changes == 1 ? one_del : txn_dels);
}

/* False: there is no room. */
static bool record_put(struct cleaner *c, unsigned key, bool may_fail)
{
	const struct crowd *w = c->crowd;
	const struct name name = {c->number, key};
	const uint64_t size = w->value_least + rng_size(&c->rng, w->value_most - w->value_least);
	int r;

	change_add(c, key, ++c->round, size);
	bytes_make(c->buf, size, c->round);
	r = gkv_put(w->db, &name, sizeof name, c->buf, size);
	must(r == 0 || (may_fail && refused(r)));
	change_end(c, r == 0);
	return r == 0;
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static void *cleaner_run(void *arg)
{
	struct cleaner *c = arg;
	struct crowd *w = c->crowd;
	const uint64_t puts_end = 2 * w->keys;

	for (uint64_t turn = 0; c->live > 0; turn++) {
		const unsigned key = w->in_order ? 0 : (unsigned)rng_below(&c->rng, w->keys);
		records_del(c, key, 1 + rng_size(&c->rng, w->txn_records - 1));
		if (w->puts != 0 && turn < puts_end && rng_below(&c->rng, w->puts) == 0)
			(void)record_put(c, (unsigned)rng_below(&c->rng, w->keys), true);
		if (rng_below(&c->rng, 4) == 0)
			must(record_is(c, key, c->value[key], c->size[key]));
		if (rng_below(&c->rng, w->rare) == 0)
			must_give(gkv_checkpoint(w->db), 0);
		if (rng_below(&c->rng, 4 * w->rare) == 0) {
			const int r = gkv_compact(w->db, NULL, NULL);
			must(r == 0 || r == ENOSPC || (r == GKV_BUSY && w->views));
		}
		if (c->number == 0 && w->kills > 0 && rng_below(&c->rng, w->rare) == 0) {
			w->kills--;
			small_disk_kill(1 + rng_size(&c->rng, 100));
		}
	}
	atomic_fetch_sub(&w->at_work, 1);
	return NULL;
}

/* Records and bytes of a snapshot. */
static uint64_t txn_sum(gkv_txn *t)
{
	uint64_t sum = 0;
	gkv_iter *it;
	gkv_bytes key, val;
	int r;

	must_give(gkv_iter_open(t, &it), 0);
	while ((r = gkv_iter_next(it, &key, &val)) == 0)
		sum += (UINT64_C(1) << 40) + val.size;
	must_give(r, GKV_NOTFOUND);
	gkv_iter_close(it);
	return sum;
}

static void *viewer_run(void *arg)
{
	struct crowd *w = arg;

	while (atomic_load(&w->at_work) > 0) {
		gkv_txn *t;
		uint64_t sum;
		must(pthread_mutex_lock(&w->view) == 0);
		t = store_begin(w->db, GKV_READ);
		sum = txn_sum(t);
		for (unsigned i = 0; i < 4; i++)
			must(txn_sum(t) == sum);
		gkv_abort(t);
		must(pthread_mutex_unlock(&w->view) == 0);
		atomic_fetch_add(&w->seen, 1);
		(void)usleep(100);
	}
	return NULL;
}

static void clean_up(struct crowd *w)
{
	pthread_t viewer;

	must(pthread_mutex_init(&w->view, NULL) == 0);
	atomic_store(&w->at_work, THREADS);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_create(&w->cleaner[i].thread, NULL, cleaner_run, &w->cleaner[i]) == 0);
	if (w->views)
		must(pthread_create(&viewer, NULL, viewer_run, w) == 0);
	for (unsigned i = 0; i < THREADS; i++)
		must(pthread_join(w->cleaner[i].thread, NULL) == 0);
	if (w->views)
		must(pthread_join(viewer, NULL) == 0);
	small_disk_kill(0);
}

/* --- histories ---------------------------------------------------------------------------------------------------- */

static void draw(struct crowd *w, unsigned n)
{
	uint64_t file;

	memset(w, 0, sizeof *w);
	w->rng = rng_make(n);
	file = 3 * MIB + rng_size(&w->rng, 5 * MIB);
	w->value_least = VALUE_LEAST + rng_size(&w->rng, 2 * KIB);
	w->value_most = w->value_least + rng_size(&w->rng, VALUE_MOST - w->value_least);
	/* The mean of a log-uniform size is its most by the logarithm of that. */
	w->keys = 16;
	while (w->keys < KEYS_MOST &&
	       THREADS * w->keys * (w->value_least + (w->value_most - w->value_least) / 8 + 60) < file)
		w->keys += 1 + w->keys / 8;
	w->keys = w->keys < KEYS_MOST ? w->keys : KEYS_MOST;
	w->txn_records = 1 + rng_size(&w->rng, TXN_MOST - 1);
	w->options.durability = rng_below(&w->rng, 4) == 0 ? GKV_DURABLE : GKV_LAZY;
	w->greedy = rng_below(&w->rng, 2) == 0;
	w->kills = rng_below(&w->rng, 2) == 0 ? KILLS_MOST : 0;
	w->views = rng_below(&w->rng, 2) == 0;
	w->puts = rng_below(&w->rng, 2) == 0 ? 2 + rng_below(&w->rng, 10) : 0;
	w->rare = 1 + w->keys / 4;
	w->in_order = rng_below(&w->rng, 2) == 0;
	for (unsigned i = 0; i < THREADS; i++) {
		w->cleaner[i].crowd = w;
		w->cleaner[i].number = i;
		w->cleaner[i].rng = rng_make(n * THREADS + i + 100000);
	}
}

static struct cleaner *cleaner_any(struct crowd *w)
{
	return &w->cleaner[rng_below(&w->rng, THREADS)];
}

static unsigned key_any(struct crowd *w)
{
	return (unsigned)rng_below(&w->rng, w->keys);
}

/* A store, and a disk that is full. */
static void prepare(struct crowd *w)
{
	const uint64_t churn = rng_size(&w->rng, 2 * THREADS * w->keys);

	for (unsigned i = 0; i < THREADS; i++)
		for (unsigned key = 0; key < w->keys; key++)
			(void)record_put(&w->cleaner[i], key, false);
	for (uint64_t i = 0; i < churn; i++)
		(void)record_put(cleaner_any(w), key_any(w), false);
	if (rng_below(&w->rng, 3) == 0)
		must_give(gkv_compact(w->db, NULL, NULL), 0);
	w->used = small_disk_used();
	small_disk_leave(rng_below(&w->rng, 3) == 0 ? rng_size(&w->rng, 256) : 0);
	small_disk_greedy(w->greedy);
	if (rng_below(&w->rng, 2) == 0)
		for (unsigned i = 0; i < FILL_MOST && record_put(cleaner_any(w), key_any(w), true); i++)
			;
	w->filled = true;
}

/* Whether a change happened that a killed process was at: the last record tells. */
static void cleaner_recover(struct cleaner *c)
{
	const unsigned last = c->changes - 1;

	if (c->changes > 0)
		change_end(c, record_is(c, c->at[last], c->to_value[last], c->to_size[last]));
	for (unsigned key = 0; key < c->crowd->keys; key++)
		must(record_is(c, key, c->value[key], c->size[key]));
}

/* What a process does: all of it, or what one that was killed has left. */
static void crowd_live(struct crowd *w)
{
	must_give(gkv_open(testing_path, &w->options, &w->db), 0);
	if (w->filled)
		for (unsigned i = 0; i < THREADS; i++)
			cleaner_recover(&w->cleaner[i]);
	else
		prepare(w);
	if (w->used * SMALL_DISK_PAGE < FILE_LEAST)
		small_disk_set(UINT64_MAX);
	clean_up(w);
	must_give(gkv_checkpoint(w->db), 0);
	must_give(gkv_compact(w->db, NULL, NULL), 0);
	must(store_stat(w->db).records == 0);
	must_give(gkv_close(w->db), 0);
	/* What is kept ready is measured anew. */
	must_give(gkv_open(testing_path, &w->options, &w->db), 0);
	must_give(gkv_checkpoint(w->db), 0);
	must_give(gkv_close(w->db), 0);
	must(small_disk_used() <= w->used && small_disk_used() * SMALL_DISK_PAGE <= LEFT_MOST);
}

/* True: a process has come to the end of it. */
static bool crowd_go_on(struct crowd *w)
{
	const pid_t child = fork();
	int status;

	must(child >= 0);
	if (child == 0) {
		crowd_live(w);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child);
	small_disk_gone();
	must((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	     (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && w->filled));
	return WIFEXITED(status);
}

START_TEST(threads_clean_up)
{
	struct crowd *w = small_disk_memory(sizeof *w);
	uint64_t seen = 0, killed = 0;

	for (uint64_t n = testing_count(8, 4); n > 0; n--) {
		os_set_default(small_disk(1000 + n));
		draw(w, (unsigned)n);
		while (!crowd_go_on(w))
			killed++;
		os_set_default(NULL);
		store_check(testing_path);
		must(remove(testing_path) == 0);
		seen += atomic_load(&w->seen);
	}
	printf("%llu snapshots, %llu times killed\n", (unsigned long long)seen, (unsigned long long)killed);
}
END_TEST

SUITE("full_threads", "disk", threads_clean_up)
