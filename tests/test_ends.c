/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_ends.c: what a call may cost, whatever others do meanwhile, is bounded in flushes.
 *
 * The flushes of the thread of the test are counted, and none are made. */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>

#include "arena/os.h"
#include "tests/testing.h"

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
	static struct os counting;

	counting = *os_posix();
	counting.sync_range = counted_range;
	counting.sync = counted_sync;
	os_set_default(&counting);
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

int main(void)
{
	const TTest *const checkpoints[] = {a_checkpoint_ends_beside_a_writer};
	Suite *suite = suite_create("ends");

	system_set();
	testing_add(suite, "checkpoints", checkpoints, sizeof(checkpoints) / sizeof(checkpoints[0]));
	return testing_main(suite);
}
