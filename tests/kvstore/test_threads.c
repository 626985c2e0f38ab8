/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_threads.c: readers and writers at once. Meant for the thread sanitizer as well: the work is counted, not timed.
 *
 * The writer keeps three promises that a reader can check alone:
 *   - the sum over all accounts is the same in every commit;
 *   - a proof holds its own number, version and checksum, and its version never goes back;
 *   - a wanderer is deleted and put again in one transaction, so that it is there in every commit. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testing.h"

#define READERS   4u
#define ACCOUNTS  40u
#define PROOFS    100u
#define WANDERERS 10u
#define START     UINT64_C(1000)
#define PROOF_MAX 3000u

struct proof {
	uint64_t number, version, size;
	/* bytes_make(number + version) follows, size bytes in all */
};

struct world {
	gkv *db;
	uint64_t transactions;
	atomic_bool done;
	atomic_uint started;
};

struct reader {
	struct world *w;
	pthread_t thread;
	struct rng rng;
	uint64_t looked, version[PROOFS];
};

static size_t key_make(char *key, const char *what, unsigned number)
{
	return (size_t)snprintf(key, 32, "%s %u", what, number);
}

/* --- the writer --------------------------------------------------------------------------------------------------- */

static uint64_t account_read(gkv_txn *txn, unsigned number)
{
	gkv_bytes val;
	uint64_t balance;
	char key[32];

	must_give(gkv_txn_get(txn, key, key_make(key, "account", number), &val), GKV_OK);
	must(val.size == sizeof(balance));
	memcpy(&balance, val.data, sizeof(balance));
	return balance;
}

static void account_write(gkv_txn *txn, unsigned number, uint64_t balance)
{
	char key[32];

	must_give(gkv_txn_put(txn, key, key_make(key, "account", number), &balance, sizeof(balance)), GKV_OK);
}

static void proof_write(gkv_txn *txn, unsigned number, uint64_t version, size_t size)
{
	struct proof proof = {number, version, sizeof(proof) + size};
	unsigned char value[sizeof(proof) + PROOF_MAX];
	char key[32];

	memcpy(value, &proof, sizeof(proof));
	bytes_make(value + sizeof(proof), size, number + (version << 16));
	must_give(gkv_txn_put(txn, key, key_make(key, "proof", number), value, sizeof(proof) + size), GKV_OK);
}

static void wanderer_write(gkv_txn *txn, unsigned number, bool first)
{
	char key[32];
	const size_t len = key_make(key, "wanderer", number);

	if (!first)
		must_give(gkv_txn_del(txn, key, len), GKV_OK);
	must_give(gkv_txn_put(txn, key, len, key, len), GKV_OK);
}

static void world_fill(struct world *w)
{
	gkv_txn *txn = store_begin(w->db, GKV_WRITE);
	unsigned i;

	for (i = 0; i < ACCOUNTS; i++)
		account_write(txn, i, START);
	for (i = 0; i < PROOFS; i++)
		proof_write(txn, i, 0, i);
	for (i = 0; i < WANDERERS; i++)
		wanderer_write(txn, i, true);
	store_commit(txn);
}

static void transfer(gkv_txn *txn, struct rng *rng)
{
	const unsigned from = (unsigned)rng_below(rng, ACCOUNTS), to = (unsigned)rng_below(rng, ACCOUNTS);
	const uint64_t amount = rng_below(rng, account_read(txn, from) + 1);

	account_write(txn, from, account_read(txn, from) - amount);
	account_write(txn, to, account_read(txn, to) + amount);
}

/* In the order that changes places where keys meet: all go, then all come back the other way round. */
static void wander(gkv_txn *txn, struct rng *rng)
{
	const unsigned first = (unsigned)rng_below(rng, WANDERERS);
	char key[32];
	unsigned i;

	for (i = 0; i < 3; i++)
		must_give(gkv_txn_del(txn, key, key_make(key, "wanderer", (first + i) % WANDERERS)), GKV_OK);
	for (i = 3; i-- > 0;)
		wanderer_write(txn, (first + i) % WANDERERS, true);
}

/* The snapshots of other threads may be in the way. */
static void compact(gkv *db)
{
	const int rc = gkv_compact(db, NULL, NULL);

	must(rc == GKV_OK || rc == GKV_BUSY);
}

static void write_all(struct world *w, uint64_t stream)
{
	struct rng rng = rng_make(stream);
	uint64_t n;

	for (n = 1; n <= w->transactions; n++) {
		gkv_txn *txn = store_begin(w->db, GKV_WRITE | (n % 500 == 0 ? GKV_DURABLE_COMMIT : 0));

		transfer(txn, &rng);
		proof_write(txn, (unsigned)rng_below(&rng, PROOFS), n, (size_t)rng_size(&rng, PROOF_MAX));
		wander(txn, &rng);
		if (n % 7 == 0) {
			account_write(txn, 0, 1);
			gkv_abort(txn);
		} else {
			store_commit(txn);
		}
		if (n % 300 == 0)
			must_give(gkv_checkpoint(w->db), GKV_OK);
		if (n % 700 == 0)
			compact(w->db);
	}
}

/* --- the readers -------------------------------------------------------------------------------------------------- */

static uint64_t proof_check(const void *data, size_t size, unsigned number)
{
	struct proof proof;

	must(size >= sizeof(proof));
	memcpy(&proof, data, sizeof(proof));
	must(proof.number == number && proof.size == size);
	must(bytes_fit((const char *)data + sizeof(proof), size - sizeof(proof), number + (proof.version << 16)));
	return proof.version;
}

static void look_at_snapshot(struct reader *r)
{
	gkv_txn *txn = store_begin(r->w->db, GKV_READ);
	unsigned number = (unsigned)rng_below(&r->rng, PROOFS), i;
	uint64_t sum = 0, version;
	gkv_bytes first, second;
	char key[32];
	const size_t len = key_make(key, "proof", number);

	must_give(gkv_txn_get(txn, key, len, &first), GKV_OK);
	for (i = 0; i < ACCOUNTS; i++)
		sum += account_read(txn, i);
	must(sum == ACCOUNTS * START);
	must_give(gkv_txn_get(txn, key, len, &second), GKV_OK);
	must(first.data == second.data || memcmp(first.data, second.data, first.size) == 0);
	version = proof_check(first.data, first.size, number);
	must(version >= r->version[number]);
	r->version[number] = version;
	if (rng_below(&r->rng, 16) == 0)
		must(txn_records(txn) == ACCOUNTS + PROOFS + WANDERERS);
	store_commit(txn);
}

static void look_at_newest(struct reader *r)
{
	unsigned number = (unsigned)rng_below(&r->rng, PROOFS);
	unsigned char value[sizeof(struct proof) + PROOF_MAX];
	uint64_t version;
	char key[32];
	size_t size, len = key_make(key, "proof", number);

	must_give(gkv_get(r->w->db, key, len, value, sizeof(value), &size), GKV_OK);
	version = proof_check(value, size, number);
	must(version >= r->version[number]);
	r->version[number] = version;
	len = key_make(key, "wanderer", (unsigned)rng_below(&r->rng, WANDERERS));
	must_give(gkv_get(r->w->db, key, len, value, sizeof(value), &size), GKV_OK);
	must(size == len && memcmp(value, key, len) == 0);
	len = key_make(key, "nobody", number);
	must_give(gkv_get(r->w->db, key, len, value, sizeof(value), &size), GKV_NOTFOUND);
}

static void *reader_run(void *arg)
{
	struct reader *r = arg;

	atomic_fetch_add(&r->w->started, 1);
	while (!atomic_load(&r->w->done) || r->looked < 100) {
		unsigned i;

		look_at_snapshot(r);
		for (i = 0; i < 10; i++)
			look_at_newest(r);
		r->looked++;
	}
	return NULL;
}

/* Four readers see sums that hold, values that prove themselves and keys that never go, while one writer commits,
 * aborts, checkpoints and compacts. */
START_TEST(readers_see_whole_commits)
{
	static struct reader reader[READERS];
	struct world w = {.transactions = testing_count(testing_few() ? 4000 : 20000, 300)};
	uint64_t looked = 0;
	unsigned i;

	w.db = store_lazy();
	world_fill(&w);
	for (i = 0; i < READERS; i++) {
		reader[i] = (struct reader){.w = &w, .rng = rng_make(20 + i)};
		must(pthread_create(&reader[i].thread, NULL, reader_run, &reader[i]) == 0);
	}
	while (atomic_load(&w.started) < READERS)
		;
	write_all(&w, 30);
	atomic_store(&w.done, true);
	for (i = 0; i < READERS; i++) {
		must(pthread_join(reader[i].thread, NULL) == 0);
		looked += reader[i].looked;
	}
	printf("%lu transactions, %lu looks at them\n", (unsigned long)w.transactions, (unsigned long)looked);
	(void)fflush(stdout);
	must(store_records(w.db) == ACCOUNTS + PROOFS + WANDERERS);
	store_close(w.db);
	store_check(testing_path);
}
END_TEST

struct counter {
	gkv *db;
	pthread_t thread;
	uint64_t times;
	unsigned flags;
};

static void *count_up(void *arg)
{
	const struct counter *c = arg;
	uint64_t i, value;
	gkv_bytes val;

	for (i = 0; i < c->times; i++) {
		gkv_txn *txn = store_begin(c->db, GKV_WRITE | c->flags);

		must_give(gkv_txn_get(txn, "counter", 7, &val), GKV_OK);
		must(val.size == sizeof(value));
		memcpy(&value, val.data, sizeof(value));
		value++;
		must_give(gkv_txn_put(txn, "counter", 7, &value, sizeof(value)), GKV_OK);
		store_commit(txn);
		must_give(gkv_put(c->db, &c, sizeof(c), &i, sizeof(i)), GKV_OK);
	}
	return NULL;
}

/* Several writers count one number up, lazy and durable ones: each waits for the others, and no count is lost. */
START_TEST(writers_lose_no_count)
{
	struct counter counter[4];
	gkv_stats stats;
	uint64_t value = 0, times = testing_count(1000, 50);
	size_t size;
	unsigned i;
	gkv *db;

	/* What a limit asks for is measured by whoever writes, beside a checkpoint. */
	must_give(gkv_open(testing_path, &(gkv_options){.max_bytes = 1 << 20}, &db), GKV_OK);
	must_give(gkv_put(db, "counter", 7, &value, sizeof(value)), GKV_OK);
	for (i = 0; i < 4; i++) {
		counter[i] = (struct counter){.db = db, .times = times, .flags = i == 0 ? GKV_LAZY_COMMIT : 0};
		must(pthread_create(&counter[i].thread, NULL, count_up, &counter[i]) == 0);
	}
	for (i = 0; i < 4; i++)
		must(pthread_join(counter[i].thread, NULL) == 0);
	must_give(gkv_get(db, "counter", 7, &value, sizeof(value), &size), GKV_OK);
	must(value == 4 * times);
	must_give(gkv_sync(db), GKV_OK);
	stats = store_stat(db);
	must(stats.durable_seq == stats.commit_seq && stats.records == 5);
	store_close(db);
	store_check(testing_path);
}
END_TEST

struct carer {
	struct world *w;
	pthread_t thread;
	unsigned what;
	uint64_t done;
};

static void *care_run(void *arg)
{
	struct carer *c = arg;
	gkv_stats stats;
	char backup[320];

	testing_path_of("backup", backup);
	while (!atomic_load(&c->w->done)) {
		switch (c->what) {
		case 0:
			must_give(gkv_checkpoint(c->w->db), GKV_OK);
			break;
		case 1:
			compact(c->w->db);
			break;
		case 2:
			must_give(gkv_backup(c->w->db, backup, NULL, NULL), GKV_OK);
			store_check(backup);
			must(remove(backup) == 0);
			break;
		default:
			must_give(gkv_stat(c->w->db, &stats), GKV_OK);
			must_give(gkv_sync(c->w->db), GKV_OK);
			break;
		}
		c->done++;
	}
	return NULL;
}

/* Checkpoints, compactions, backups and statistics of other threads disturb neither the writer nor each other. */
START_TEST(care_goes_on_beside_the_writer)
{
	struct world w = {.transactions = testing_count(testing_few() ? 1000 : 4000, 100)};
	struct carer carer[4];
	gkv_txn *txn;
	unsigned i;

	w.db = store_lazy();
	world_fill(&w);
	for (i = 0; i < 4; i++) {
		carer[i] = (struct carer){.w = &w, .what = i};
		must(pthread_create(&carer[i].thread, NULL, care_run, &carer[i]) == 0);
	}
	write_all(&w, 31);
	atomic_store(&w.done, true);
	for (i = 0; i < 4; i++)
		must(pthread_join(carer[i].thread, NULL) == 0);
	printf("%lu checkpoints, %lu compactions, %lu backups\n", (unsigned long)carer[0].done,
	       (unsigned long)carer[1].done, (unsigned long)carer[2].done);
	(void)fflush(stdout);
	txn = store_begin(w.db, GKV_READ);
	must(txn_records(txn) == ACCOUNTS + PROOFS + WANDERERS);
	store_commit(txn);
	store_close(w.db);
	store_check(testing_path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("threads");

	testing_add_both(suite, "readers", TESTS(readers_see_whole_commits, care_goes_on_beside_the_writer));
	testing_add(suite, "writers", TESTS(writers_lose_no_count));
	return testing_main(suite);
}
