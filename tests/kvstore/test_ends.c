/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_ends.c: what a call may cost, whatever others do meanwhile, is bounded in flushes.
 *
 * The flushes of the thread of the test are counted, and none are made. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/testing.h"
#include "tests/unflushed.h"

#define CHECKPOINT_FLUSHES 2u /* the file, and the header */

static _Thread_local bool counted; /* the thread of the test */
static uint64_t flushes;
static void (*during_flush)(void);

static int counted_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os, (void)file, (void)base, (void)offset, (void)bytes;
	flushes += counted;
	return 0;
}

static int counted_sync(const struct os *os, os_file file)
{
	(void)os, (void)file;
	flushes += counted;
	if (counted && during_flush != NULL)
		during_flush();
	return 0;
}

static void system_set(void)
{
	struct os *counting = unflushed_set();

	counting->sync_range = counted_range;
	counting->sync = counted_sync;
	counted = true;
}

/* ---- a checkpoint beside a thread that writes -------------------------------------------------------------------- */

#define RECORDS 40000u
#define RECORD  1000u
#define STRETCH 300u /* records that stand side by side and fill a segment */

/* What gkv.h says. */
#define CHECKPOINTS_MOST 24u

struct load {
	gkv *db;
	sem_t flush, commit;
	uint32_t at; /* the next stretch begins here */
	bool over;
};

static struct load load;

static void records_write(uint32_t first, uint32_t end, uint32_t step, bool put)
{
	static const uint8_t value[RECORD];
	gkv_txn *txn = store_begin(load.db, GKV_WRITE);

	for (uint32_t i = first; i < end; i += step)
		must_give(put ? gkv_txn_put(txn, &i, sizeof(i), value, RECORD) : gkv_txn_del(txn, &i, sizeof(i)),
			  GKV_OK);
	store_commit(txn);
}

/* With each flush of the other thread one more segment is half empty, and something new is written. */
static void stretch_write(void)
{
	if (load.at + STRETCH > RECORDS)
		return;
	records_write(load.at + 1, load.at + STRETCH, 3, false);
	records_write(RECORDS + load.at, RECORDS + load.at + STRETCH / 10, 1, true);
	load.at += STRETCH;
}

static void *load_run(void *arg)
{
	(void)arg;
	for (must(sem_wait(&load.flush) == 0); !load.over; must(sem_wait(&load.flush) == 0)) {
		stretch_write();
		must(sem_post(&load.commit) == 0);
	}
	return NULL;
}

/* Lasts until the other thread has committed. */
static void load_wait(void)
{
	must(sem_post(&load.flush) == 0);
	must(sem_wait(&load.commit) == 0);
}

/* A third of each segment is free: but for the first ones none is nearly half empty, and the file is longer than it should be. */
static void load_begin(void)
{
	load.db = store_lazy();
	records_write(0, RECORDS, 1, true);
	must_give(gkv_checkpoint(load.db), GKV_OK);
	records_write(0, RECORDS, 3, false);
	stretch_write();
	stretch_write();
	must(sem_init(&load.flush, 0, 0) == 0 && sem_init(&load.commit, 0, 0) == 0);
}

/* A checkpoint that is asked for ends, whatever another thread writes meanwhile. */
START_TEST(a_checkpoint_ends_beside_a_writer)
{
	gkv_stats before, after;
	pthread_t thread;

	load_begin();
	must(pthread_create(&thread, NULL, load_run, NULL) == 0);
	before = store_stat(load.db);
	during_flush = load_wait;
	flushes = 0;
	must_give(gkv_checkpoint(load.db), GKV_OK);
	during_flush = NULL;
	after = store_stat(load.db);
	printf("%lu flushes, moved %lu of %lu\n", flushes, after.bytes_moved - before.bytes_moved, before.file_bytes);
	must(flushes <= CHECKPOINTS_MOST * CHECKPOINT_FLUSHES);
	load.over = true;
	must(sem_post(&load.flush) == 0 && pthread_join(thread, NULL) == 0);
	store_close(load.db);
	store_check(testing_path);
}
END_TEST

/* ---- puts under a limit ------------------------------------------------------------------------------------------ */

/* What gkv.h says of files of up to 768 MiB. */
#define PUT_CHECKPOINTS   256u
#define BEGIN_CHECKPOINTS 56u /* of these, before the put itself */
#define PUT_MOVES         3u  /* times the limit, the steps that end it among them */
#define TRIES             32u /* of one put, until nothing is moved for it any more */

/* A store that is nearly full of records of one kind. */
struct crowd {
	gkv *db;
	struct rng rng;
	uint64_t limit, records, count;
	size_t mean;
	uint64_t flushes, moved, tries; /* the most */
};

/* The key is a number. What it may cost is held to; flushes: what it did cost. */
static int bounded_put(struct crowd *c, uint64_t key, size_t size)
{
	static uint8_t value[2 * MIB];
	const uint64_t before = store_stat(c->db).bytes_moved;
	uint64_t moved;
	int rc;

	must(size <= sizeof(value));
	flushes = 0;
	rc = gkv_put(c->db, &key, sizeof(key), value, size);
	must(rc == GKV_OK || rc == GKV_FULL);
	moved = store_stat(c->db).bytes_moved - before;
	c->flushes = flushes > c->flushes ? flushes : c->flushes;
	c->moved = moved > c->moved ? moved : c->moved;
	if (flushes > PUT_CHECKPOINTS * CHECKPOINT_FLUSHES || moved > PUT_MOVES * c->limit)
		printf("limit %lu, records of %lu: %lu flushes, moved %lu for %lu\n", c->limit, c->mean, flushes, moved,
		       size);
	must(flushes <= PUT_CHECKPOINTS * CHECKPOINT_FLUSHES && moved <= PUT_MOVES * c->limit);
	return rc;
}

static int record_put(struct crowd *c, uint64_t key)
{
	return bounded_put(c, key, c->mean / 2 + rng_below(&c->rng, c->mean));
}

static struct crowd crowd_make(uint64_t stream, uint64_t limit, size_t mean, uint64_t percent)
{
	struct crowd c = {.rng = rng_make(stream), .limit = limit, .mean = mean};
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = limit};

	must_give(gkv_open(testing_path, &options, &c.db), GKV_OK);
	while (store_stat(c.db).live_bytes < limit / 100 * percent && record_put(&c, c.count) == GKV_OK)
		c.count++;
	for (uint64_t i = 0; i < c.count; i++)
		(void)record_put(&c, rng_below(&c.rng, c.count));
	return c;
}

/* Again and again: in the end it is accepted, or refused without a move but for what each transaction begins with. */
static void stubborn_put(struct crowd *c, uint64_t key, size_t size)
{
	uint64_t tries = 1;

	while (bounded_put(c, key, size) == GKV_FULL && flushes > BEGIN_CHECKPOINTS * CHECKPOINT_FLUSHES)
		must(++tries <= TRIES);
	c->tries = tries > c->tries ? tries : c->tries;
}

static void crowd_grow(struct crowd *c, uint64_t share)
{
	for (uint64_t k = 0; k < 4; k++) {
		stubborn_put(c, c->count + k, c->limit / share);
		for (uint64_t i = 0; i < c->count / 20; i++)
			(void)record_put(c, rng_below(&c->rng, c->count));
	}
	for (uint64_t key = c->count; key < c->count + 4; key++)
		(void)gkv_del(c->db, &key, sizeof(key));
}

static void crowd_end(struct crowd *c)
{
	printf("limit %lu KiB, %lu records of %lu: %lu flushes, moved %lu hundredths, %lu tries\n", c->limit / KIB,
	       c->count, c->mean, c->flushes, c->moved * 100 / c->limit, c->tries);
	store_close(c->db);
	store_check(testing_path);
	must(unlink(testing_path) == 0);
}

/* What a put costs has a bound where small records leave no room for the pages that they copy. */
START_TEST(a_put_ends_where_records_are_small)
{
	struct crowd c = crowd_make(10, 16 * MIB, 300, 90);

	crowd_grow(&c, 64);
	crowd_end(&c);
}
END_TEST

/* And whatever the store is like. */
START_TEST(a_put_ends)
{
	const uint64_t stores = testing_count(4, 2);
	struct rng rng = rng_make(1);

	for (uint64_t i = 0; i < stores; i++) {
		const uint64_t limit = (MIB << rng_below(&rng, 3)) + rng_below(&rng, MIB);
		const uint64_t largest = limit / 32 < 64 * KIB ? limit / 32 : 64 * KIB;
		struct crowd c =
			crowd_make(100 + i, limit, 100 + rng_size(&rng, largest - 100), 60 + rng_below(&rng, 30));
		for (uint64_t share = 64; share >= 8; share /= 2)
			crowd_grow(&c, share);
		crowd_end(&c);
	}
}
END_TEST

#define REFUSED 100u

/* A put that is refused beside a snapshot, for what that holds, is not paid for again with each try. */
START_TEST(refused_puts_cost_little)
{
	for (uint64_t percent = 60; percent <= 80; percent += 10) {
		struct crowd c = crowd_make(20 + percent, 4 * MIB, 600, percent);
		gkv_txn *snapshot = store_begin(c.db, GKV_READ);
		uint64_t refused = 0, first = 0, others = 0;
		for (uint64_t i = 0; i < 2 * c.count && record_put(&c, rng_below(&c.rng, c.count)) == GKV_OK; i++)
			;
		for (uint64_t i = 0; i < REFUSED; i++) {
			refused += bounded_put(&c, c.count, c.limit / 8) == GKV_FULL;
			*(i == 0 ? &first : &others) += flushes;
		}
		printf("%lu%%: %lu refused, %lu flushes, and then %lu\n", percent, refused, first, others);
		must(refused == REFUSED && others <= REFUSED / 10);
		gkv_abort(snapshot);
		crowd_end(&c);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ends");

	system_set();
	testing_add(suite, "checkpoints", TESTS(a_checkpoint_ends_beside_a_writer));
	testing_add(suite, "puts", TESTS(a_put_ends_where_records_are_small, a_put_ends, refused_puts_cost_little));
	return testing_main(suite);
}
