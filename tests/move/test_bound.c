/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_bound.c: how long the file may be, whatever the values, transactions, durabilities, limits and sessions are.
 *
 * A world draws all of these, log-uniform, and changes records at random. At every step the file is no longer than
 *
 *     1.3 x the most that has lived since the last but one checkpoint began (equal small records: 1.45)
 *         + the most that snapshots have seen since then + 2 x the largest transaction + 4 MiB
 *
 * (what a snapshot saw becomes free at the checkpoint after its end, and it takes up to 64 commits to cut the file then) and no
 * longer than 1.3 x what lives + 4 MiB after a close, or after 64 further commits of a kilobyte. After a close the
 * next open has 64 KiB to replay at most, and the newest commit is known to be durable.
 *
 * The files are real, and their flushes are not, as in test_model.c. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/testing.h"
#include "tests/unflushed.h"

#define KEYS_MOST   300000u
#define VALUE_MOST  (32 * MIB)
#define TXN_MOST    (64 * MIB)
#define LIVE_MOST   (24 * MIB)
#define SMALL_MOST  512u /* bytes of a record that is a small one */
#define HISTORY     4096u
#define CUT_COMMITS 64u /* after which a file is as short as it is to be */
#define REPLAY_MOST (64 * KIB)

struct world {
	gkv *db;
	gkv_options options;
	struct rng rng;
	/* Drawn. */
	uint64_t value_least, value_most, txn_bytes, txn_records, deletes;
	unsigned keys;
	uint64_t factor; /* hundredths */
	/* What was seen. */
	uint64_t largest;                       /* transaction                            */
	uint64_t seq[HISTORY], count;           /* commits, and after each of them:       */
	uint64_t live[HISTORY], sees[HISTORY];  /* what lived, and what the snapshot saw  */
	uint64_t checkpoint, checkpoint_before; /* commits that the last two began with   */
	gkv_txn *snapshot;
	uint64_t snapshot_sees, put, full;
	uint8_t *value;
};

/* --- the bound ---------------------------------------------------------------------------------------------------- */

static uint64_t rest_most(const struct world *w, uint64_t live)
{
	return live / 100 * w->factor + w->factor + 4 * MIB;
}

static void world_print(const struct world *w, const gkv_stats *s, uint64_t most)
{
	(void)fprintf(stderr,
		      "values %" PRIu64 " to %" PRIu64 ", %u keys, transactions up to %" PRIu64 " bytes and %" PRIu64
		      " records, largest %" PRIu64 ", durability %d, limit %" PRIu64 ": file %" PRIu64 ", live %" PRIu64
		      ", at most %" PRIu64 "\n",
		      w->value_least, w->value_most, w->keys, w->txn_bytes, w->txn_records, w->largest,
		      (int)w->options.durability, w->options.max_bytes, s->file_bytes, s->live_bytes, most);
}

/* The largest since the last but one checkpoint began, and of the last `least` commits at least. */
static uint64_t recent_most(const struct world *w, const uint64_t *list, uint64_t least)
{
	uint64_t most = 0;

	for (uint64_t i = w->count; i-- > 0 && w->count - i < HISTORY;) {
		most = list[i % HISTORY] > most ? list[i % HISTORY] : most;
		if (w->seq[i % HISTORY] <= w->checkpoint_before && w->count - i > least)
			break;
	}
	return most;
}

static gkv_stats world_look(struct world *w)
{
	const gkv_stats s = store_stat(w->db);
	uint64_t most;

	if (s.checkpoint_seq != w->checkpoint) {
		w->checkpoint_before = w->checkpoint;
		w->checkpoint = s.checkpoint_seq;
	}
	w->seq[w->count % HISTORY] = s.commit_seq;
	w->live[w->count % HISTORY] = s.live_bytes;
	w->sees[w->count++ % HISTORY] = w->snapshot_sees;
	most = rest_most(w, recent_most(w, w->live, 0)) + recent_most(w, w->sees, CUT_COMMITS) + 2 * w->largest;
	if (s.file_bytes > most)
		world_print(w, &s, most);
	must(s.file_bytes <= most);
	must(w->options.max_bytes == 0 || s.file_bytes <= w->options.max_bytes);
	return s;
}

static void world_rests(const struct world *w, const gkv_stats *s)
{
	const uint64_t most = rest_most(w, s->live_bytes);

	if (s->file_bytes > most)
		world_print(w, s, most);
	must(s->file_bytes <= most);
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

static uint64_t value_size(struct world *w)
{
	return w->value_least + rng_size(&w->rng, w->value_most - w->value_least);
}

static void change(struct world *w, gkv_txn *txn, uint64_t *bytes)
{
	const unsigned key = (unsigned)rng_below(&w->rng, w->keys);
	uint64_t size;
	int rc;

	if (rng_below(&w->rng, 100) < w->deletes) {
		rc = gkv_txn_del(txn, &key, sizeof(key));
		must(rc == GKV_OK || rc == GKV_NOTFOUND);
		*bytes += sizeof(key);
		return;
	}
	size = value_size(w);
	if (*bytes > 0 && *bytes + size > w->txn_bytes)
		return;
	memcpy(w->value, &w->put, sizeof(w->put));
	rc = gkv_txn_put(txn, &key, sizeof(key), w->value, size);
	must(rc == GKV_OK || (rc == GKV_FULL && w->options.max_bytes != 0));
	w->full += rc == GKV_FULL;
	*bytes += rc == GKV_OK ? size + 48 : 0;
	w->put += rc == GKV_OK ? size + 48 : 0;
}

static void transaction(struct world *w)
{
	const uint64_t records = rng_below(&w->rng, 8) == 0 ? 1 : 1 + rng_below(&w->rng, w->txn_records);
	const uint64_t most = rng_below(&w->rng, 16) == 0 ? w->txn_bytes : w->txn_bytes / 8;
	const gkv_stats before = store_stat(w->db);
	gkv_txn *txn = store_begin(w->db, GKV_WRITE);
	uint64_t bytes = 0, written;
	gkv_stats after;

	for (uint64_t i = 0; i < records && bytes <= most; i++)
		change(w, txn, &bytes);
	store_commit(txn);
	after = store_stat(w->db);
	written = after.bytes_written - after.bytes_moved - (before.bytes_written - before.bytes_moved);
	w->largest = written > w->largest ? written : w->largest;
	(void)world_look(w);
}

static void snapshot_end(struct world *w)
{
	if (w->snapshot != NULL)
		gkv_abort(w->snapshot);
	w->snapshot = NULL;
	w->snapshot_sees = 0;
}

static void reopen(struct world *w)
{
	gkv_stats s;

	snapshot_end(w);
	store_close(w->db);
	must_give(gkv_open(testing_path, &w->options, &w->db), GKV_OK);
	s = world_look(w);
	must(s.log_bytes <= REPLAY_MOST && s.durable_seq == s.commit_seq);
	world_rests(w, &s);
}

static void small_commits(struct world *w)
{
	static const char value[KIB];
	gkv_stats s = {0};

	snapshot_end(w);
	for (unsigned i = 0; i < CUT_COMMITS; i++) {
		const int rc = gkv_put(w->db, "small", 5, value, sizeof(value));
		must(rc == GKV_OK || (rc == GKV_FULL && w->options.max_bytes != 0));
		s = world_look(w);
	}
	world_rests(w, &s);
}

static void step(struct world *w)
{
	const uint64_t what = rng_below(&w->rng, 1000);

	if (what < 980) {
		transaction(w);
	} else if (what < 985) {
		reopen(w);
	} else if (what < 990) {
		small_commits(w);
	} else if (w->snapshot != NULL) {
		snapshot_end(w);
	} else {
		w->snapshot = store_begin(w->db, GKV_READ);
		w->snapshot_sees = store_stat(w->db).live_bytes;
	}
}

/* Draws a world of `live` bytes at most. */
static void world_draw(struct world *w, uint64_t live)
{
	uint64_t mean, span;

	w->value_least = rng_below(&w->rng, 4) == 0 ? 0 : rng_size(&w->rng, 64 * KIB);
	span = rng_below(&w->rng, 5) == 0 ? 0 : rng_size(&w->rng, VALUE_MOST - w->value_least);
	w->value_most = w->value_least + span;
	w->txn_bytes = 1 + rng_size(&w->rng, TXN_MOST);
	w->txn_records = 1 + rng_size(&w->rng, 20000);
	w->deletes = rng_below(&w->rng, 3) == 0 ? 40 : 10;
	/* Log-uniform sizes: a few large ones are most of the bytes. */
	mean = w->value_least + span / (span > 64 * KIB ? 12 : 4) + 48;
	w->keys = live / mean < 1 ? 1 : live / mean > KEYS_MOST ? KEYS_MOST : (unsigned)(live / mean);
	w->factor = mean < SMALL_MOST ? 145 : 130;
	w->options.durability = rng_below(&w->rng, 3) == 0 ? GKV_DURABLE : GKV_LAZY;
	if (rng_below(&w->rng, 3) == 0)
		w->options.max_bytes = 2 * live + 4 * w->value_most + 3 * w->txn_bytes + 8 * MIB;
}

static void world_run(uint64_t stream)
{
	static struct world w;
	const uint64_t end = testing_count(64, 16) * MIB;

	memset(&w, 0, sizeof(w));
	w.rng = rng_make(stream);
	world_draw(&w, MIB + rng_size(&w.rng, LIVE_MOST));
	w.value = calloc(1, VALUE_MOST + 64 * KIB);
	must(w.value != NULL);
	rng_fill(&w.rng, w.value, 64 * KIB);
	must_give(gkv_open(testing_path, &w.options, &w.db), GKV_OK);
	for (unsigned i = 0; i < 12000 && w.put < end; i++)
		step(&w);
	small_commits(&w);
	reopen(&w);
	store_close(w.db);
	store_check(testing_path);
	must(unlink(testing_path) == 0);
	free(w.value);
}

/* Whatever is drawn, the file keeps its bound. */
START_TEST(the_file_keeps_its_bound)
{
	const uint64_t worlds = testing_count(24, 8);

	for (uint64_t i = 0; i < worlds; i++)
		world_run(100 + i);
}
END_TEST

static void value_put(gkv *db, const char *key, size_t size)
{
	uint8_t *value = calloc(1, size);

	must(value != NULL);
	must_give(gkv_put(db, key, strlen(key), value, size), GKV_OK);
	free(value);
}

/* One large value that is replaced again and again stands in the file thrice at most, and once after each close. */
START_TEST(a_large_value_is_replaced)
{
	static const size_t sizes[] = {3 * MIB / 2, 5 * MIB, 20 * MIB};

	for (unsigned i = 0; i < 6; i++) {
		const size_t size = sizes[i / 2];
		gkv *db = store_open(testing_path, 0, i % 2 == 0 ? GKV_LAZY : GKV_DURABLE);

		for (uint64_t k = 0; k < testing_count(40, 10); k++) {
			value_put(db, "k", size);
			must(store_stat(db).file_bytes <= 3 * size + size / 3 + 4 * MIB);
		}
		store_close(db);
		must(file_bytes(testing_path) <= size + size / 10 * 3 + 4 * MIB);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

/* So it is where each session puts it once, as the command does. */
START_TEST(a_session_for_each_value)
{
	for (unsigned i = 0; i < 6; i++) {
		gkv *db = store_open(testing_path, 0, GKV_DURABLE);

		value_put(db, "k", 3000000);
		store_close(db);
		must(file_bytes(testing_path) <= 3900000 + 4 * MIB);
	}
}
END_TEST

/* What one transaction has written over itself a million times is gone 64 small commits later. */
START_TEST(a_transaction_writes_over_itself)
{
	const uint64_t puts = testing_count(1000000, 100000);
	static const char value[1000];
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);

	for (uint64_t i = 0; i < puts; i++)
		must_give(gkv_txn_put(txn, &(char){(char)(i % 10)}, 1, value, sizeof(value)), GKV_OK);
	store_commit(txn);
	for (unsigned i = 0; i < 64; i++)
		must_give(gkv_put(db, "small", 5, value, sizeof(value)), GKV_OK);
	must(store_stat(db).file_bytes <= 4 * MIB + 20 * KIB);
	store_close(db);
}
END_TEST

/* Half of the records are deleted at random, in one transaction or in many, and little is put after that. */
START_TEST(half_is_deleted)
{
	static const size_t sizes[] = {40, 600, 20000};
	static const char value[20000];

	for (unsigned i = 0; i < 6; i++) {
		const uint64_t records = testing_count(24, 6) * MIB / (sizes[i / 2] + 48);
		gkv *db = store_lazy();
		gkv_txn *txn = store_begin(db, GKV_WRITE);
		gkv_stats s;

		for (uint64_t k = 0; k < records; k++)
			must_give(gkv_txn_put(txn, &k, sizeof(k), value, sizes[i / 2]), GKV_OK);
		store_commit(txn);
		txn = i % 2 == 0 ? store_begin(db, GKV_WRITE) : NULL;
		for (uint64_t k = 0; k < records; k += 2)
			must_give(txn != NULL ? gkv_txn_del(txn, &k, sizeof(k)) : gkv_del(db, &k, sizeof(k)), GKV_OK);
		if (txn != NULL)
			store_commit(txn);
		for (unsigned k = 0; k < 64; k++)
			must_give(gkv_put(db, "small", 5, value, KIB), GKV_OK);
		s = store_stat(db);
		must(s.file_bytes <= s.live_bytes / 100 * (sizes[i / 2] < SMALL_MOST ? 145 : 130) + 4 * MIB);
		store_close(db);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

/* Records of one size are replaced at random, by transactions of so many. */
struct rewriting {
	size_t size;
	uint64_t mib; /* that live */
	unsigned puts, turns;
	bool snapshot; /* one is open from the end of the first turn on */
};

/* From turn to turn they get longer by so many hundredths of the first size. sessions: after the first turn each transaction has
 * a session of its own. */
static void rewrite(const struct rewriting *w, unsigned longer, bool sessions)
{
	static const char value[5 * MIB];
	const uint64_t records = w->mib * MIB / (w->size + 60);
	const uint64_t share = w->size < SMALL_MOST ? 145 : 130;
	struct rng rng = rng_make(1);
	gkv *db = store_lazy();
	gkv_txn *snapshot = NULL;
	uint64_t sees = 0;

	for (uint64_t put = 0; put < w->turns * records;) {
		const size_t size = w->size + w->size / 100 * longer * (put / records);
		gkv_txn *txn = store_begin(db, GKV_WRITE);
		gkv_stats s;

		for (unsigned k = 0; k < w->puts; k++, put++) {
			const uint64_t key = put < records ? put : rng_below(&rng, records);
			must_give(gkv_txn_put(txn, &key, sizeof(key), value, size), GKV_OK);
		}
		store_commit(txn);
		s = store_stat(db);
		if (w->snapshot && snapshot == NULL && put >= records) {
			snapshot = store_begin(db, GKV_READ);
			sees = s.live_bytes;
		}
		must(s.file_bytes <= s.live_bytes / 100 * share + sees + 2 * w->puts * size + 4 * MIB);
		if (sessions && put >= records) {
			store_close(db);
			db = store_lazy();
		}
	}
	if (snapshot != NULL)
		store_commit(snapshot);
	store_close(db);
	must(unlink(testing_path) == 0);
}

/* However long a snapshot stays, the file holds what it sees, and what lives with the holes of that: what nobody sees is
 * moved as ever. */
START_TEST(a_snapshot_stays)
{
	const uint64_t mib = testing_count(12, 8);
	const struct rewriting all[] = {
		{20, mib, 500, 8, true}, {200, mib, 500, 8, true}, {2000, mib, 500, 8, true}, {2000, 80, 500, 6, true}};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		rewrite(&all[i], 0, false);
}
END_TEST

/* The share that is free is the same in a larger store, whatever part of it a transaction replaces. */
START_TEST(a_larger_store_is_rewritten)
{
	const struct rewriting all[] = {{2000, 80, 500, 4, false},
					{2000, 80, 2000, 5, false},
					{600, 60, 5000, 4, false},
					{2000, 230, 500, 3, false}};
	const uint64_t count = testing_count(4, 2);

	for (unsigned i = 0; i < count; i++)
		rewrite(&all[i], 0, false);
}
END_TEST

/* Holes of one size take records of that size, whatever part of a window that is. */
START_TEST(values_have_any_one_size)
{
	const struct rewriting all[] = {
		{40000, 40, 20, 5, false}, {40000, 40, 20, 5, true}, {23000, 40, 20, 5, true}, {50000, 40, 5, 5, true}};
	const uint64_t count = testing_count(24, 4);
	struct rng rng = rng_make(2);

	for (uint64_t i = 0; i < count; i++) {
		const size_t size = KIB << rng_below(&rng, 10);
		struct rewriting w = {.mib = 24, .turns = 5, .snapshot = i % 2 != 0};

		w.size = size + rng_below(&rng, size);
		w.puts = 1 + (unsigned)(rng_below(&rng, 4 * MIB) / w.size);
		rewrite(i < sizeof(all) / sizeof(all[0]) ? &all[i] : &w, 0, false);
	}
}
END_TEST

/* Values get longer and longer, so that the holes of the old ones take no new one. */
START_TEST(values_get_longer)
{
	static const struct rewriting all[] = {{300000, 60, 4, 6, false},   {2000000, 80, 1, 8, false},
					       {4000000, 46, 1, 12, false}, {600000, 100, 1, 6, false},
					       {300000, 50, 1, 8, false},   {100000, 50, 1, 6, true},
					       {30000, 40, 20, 6, false}};
	const uint64_t count = testing_count(7, 1);

	for (unsigned i = 0; i < count; i++)
		rewrite(&all[i], all[i].size < 100000 ? 5 : 2, false);
}
END_TEST

/* A session does not know how much was put by the ones before it. */
START_TEST(sessions_of_one_transaction)
{
	static const struct rewriting all[] = {{300000, 60, 1, 4, false}, {150000, 100, 3, 3, false}};
	const uint64_t count = testing_count(2, 1);

	for (unsigned i = 0; i < count; i++)
		rewrite(&all[i], 5, true);
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------ */

#define THREADS 4u

/* A flush during which the other threads could put a hundred values. */
static int slow_sync(const struct os *os, os_file file)
{
	const struct timespec nap = {.tv_nsec = 20000000};

	(void)os, (void)file;
	(void)nanosleep(&nap, NULL);
	return 0;
}

struct putter {
	gkv *db;
	pthread_t thread;
	char key;
	uint64_t most; /* bytes of the file, as it saw it */
};

static void *putter_run(void *arg)
{
	struct putter *p = arg;
	uint8_t *value = calloc(1, MIB);
	uint64_t bytes;

	must(value != NULL);
	for (uint64_t i = 0; i < testing_count(60, 20); i++) {
		must_give(gkv_put(p->db, &p->key, 1, value, MIB), GKV_OK);
		bytes = store_stat(p->db).file_bytes;
		p->most = bytes > p->most ? bytes : p->most;
	}
	free(value);
	return NULL;
}

/* Threads that put while another one flushes do not run away from the checkpoint: each may have one value more. */
START_TEST(threads_keep_the_bound)
{
	struct putter putters[THREADS];
	gkv *db;

	unflushed_set()->sync = slow_sync;
	db = store_lazy();
	for (unsigned i = 0; i < THREADS; i++) {
		putters[i] = (struct putter){.db = db, .key = (char)i};
		must(pthread_create(&putters[i].thread, NULL, putter_run, &putters[i]) == 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		must(pthread_join(putters[i].thread, NULL) == 0);
		must(putters[i].most <= THREADS * MIB / 10 * 13 + (2 + THREADS) * MIB + 4 * MIB);
	}
	store_close(db);
	(void)unflushed_set();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("bound");

	(void)unflushed_set();
	testing_add(suite, "bound",
		    TESTS(the_file_keeps_its_bound, a_large_value_is_replaced, a_session_for_each_value,
			  a_transaction_writes_over_itself, half_is_deleted, a_snapshot_stays,
			  a_larger_store_is_rewritten, values_have_any_one_size, values_get_longer,
			  sessions_of_one_transaction, threads_keep_the_bound));
	return testing_main(suite);
}
