/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_hooks.c: what a user of the store sees while the seam, or the hash, is a function of the test: of a check which
 * records it looks at, what a get finds in the middle of a commit, and what an open finds whose file loses its name. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena/os/os.h"
#include "kvstore/hash.h"
#include "tests/kvstore/numbered.h"
#include "tests/testing.h"

/* --- a check that is told to stop ----------------------------------------------------------------------------------- */

static int finding_count(void *arg, const char *finding)
{
	uint64_t *count = arg;

	must(strlen(finding) > 10);
	++*count;
	return 0;
}

/* A check asks for the hash of each sound record. */
static uint64_t hashes, hashes_at_stop;

static uint64_t hash_count(const void *key, size_t len, uint64_t seed)
{
	hashes++;
	return XXH3_64bits_withSeed(key, len, seed);
}

static int finding_stop(void *arg, const char *finding)
{
	(void)finding_count(arg, finding);
	hashes_at_stop = hashes;
	return 1;
}

/* A check that is told to stop looks at no further record. */
START_TEST(a_check_stops_when_it_is_told_to)
{
	uint64_t findings = 0, damaged = 0;
	size_t size;
	char *data;

	numbered_make(60);
	data = file_read(testing_path, &size);
	for (uint64_t key = 0; key < 60; key += 2) {
		unsigned char value[1000];
		bytes_make(value, sizeof(value), key);
		for (size_t at = 0; at + sizeof(value) < size; at += 8) {
			if (memcmp(data + at, value, sizeof(value)) != 0)
				continue;
			data[at + 500] ^= 1;
			damaged++;
		}
	}
	file_write(testing_path, data, size);
	free(data);
	kv_set_hash_for_tests(hash_count);
	must_give(gkv_check(testing_path, finding_count, &findings), GKV_CORRUPT);
	must(damaged == 30 && findings == damaged && hashes == 30);
	hashes = findings = 0;
	must_give(gkv_check(testing_path, finding_stop, &findings), GKV_CORRUPT);
	must(findings == 1 && hashes == hashes_at_stop && hashes < 30);
	kv_set_hash_for_tests(NULL);
}
END_TEST

/* --- gets while a commit replaces the table's root ------------------------------------------------------------------ */

#define FEW 300u

static struct os peeking;
static gkv *peeked;
static unsigned peeks;

static void few_put(gkv_txn *txn, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		must_give(gkv_txn_put(txn, &i, sizeof(i), &i, sizeof(i)), GKV_OK);
}

static void *few_get(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < FEW; i++) {
		unsigned value = 0;
		size_t size;
		must_give(gkv_get(peeked, &i, sizeof(i), &value, sizeof(value), &size), GKV_OK);
		must(size == sizeof(value) && value == i);
	}
	return NULL;
}

static int peeking_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	pthread_t thread;

	(void)os;
	if (peeked != NULL) {
		must(pthread_create(&thread, NULL, few_get, NULL) == 0);
		must(pthread_join(thread, NULL) == 0);
		peeks++;
	}
	return os_posix()->grow(os_posix(), file, offset, bytes);
}

/* One commit makes a table of many pages out of one of a page: whenever it grows the file, another thread gets what was
 * there before. The pages that it replaces are not used again before it is published. */
START_TEST(gets_go_on_while_a_commit_replaces_the_root)
{
	gkv_txn *txn;
	gkv *db;

	peeking = *os_posix();
	peeking.grow = peeking_grow;
	os_set_default(&peeking);
	db = store_lazy();
	txn = store_begin(db, GKV_WRITE);
	few_put(txn, 0, FEW);
	store_commit(txn);
	txn = store_begin(db, GKV_WRITE);
	few_put(txn, FEW, 20000);
	peeked = db;
	store_commit(txn);
	peeked = NULL;
	must(peeks > 0);
	store_close(db);
	os_set_default(NULL);
	store_check(testing_path);
}
END_TEST

/* --- an open whose file loses its name ------------------------------------------------------------------------------ */

/* What happens to the file between its opening and its locking, so many times. */
static struct {
	struct os os;
	unsigned times;
	void (*meanwhile)(void);
} late;

static int late_lock(const struct os *os, os_file file, bool exclusive)
{
	(void)os;
	if (late.times > 0) {
		late.times--;
		late.meanwhile();
	}
	return os_posix()->lock(os_posix(), file, exclusive);
}

static void late_begin(unsigned times, void (*meanwhile)(void))
{
	late.os = *os_posix();
	late.os.lock = late_lock;
	late.times = times;
	late.meanwhile = meanwhile;
	os_set_default(&late.os);
}

static void file_remove(void)
{
	(void)unlink(testing_path);
}

/* The other store takes the name. */
static void file_replace(void)
{
	char other[320];

	testing_path_of("other", other);
	must(rename(other, testing_path) == 0);
}

static void file_remake(void)
{
	file_remove();
	file_write(testing_path, "", 0);
}

static void store_make(const char *path, const char *value)
{
	gkv *db = store_open(path, 0, GKV_DURABLE);

	store_put(db, "key", value);
	store_close(db);
}

/* Whoever opens a file that its holder removes or replaces, and locks it afterwards, gets what the name stands for then,
 * and writes nothing into a file that is gone. */
START_TEST(a_file_that_lost_its_name_is_not_opened)
{
	const unsigned readings[] = {GKV_RDONLY, GKV_NOCREATE};
	char other[320];
	gkv *db;

	testing_path_of("other", other);
	store_make(testing_path, "old");
	late_begin(1, file_remove);
	store_make(testing_path, "new");
	must(late.times == 0);
	db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	store_expect(db, "key", "new");
	store_close(db);
	for (int i = 0; i < 2; i++) {
		os_set_default(NULL);
		store_make(testing_path, "old");
		late_begin(1, file_remove);
		must_give(gkv_open(testing_path, &(gkv_options){.flags = readings[i]}, &db), ENOENT);
		os_set_default(NULL);
		store_make(testing_path, "old");
		store_make(other, "another");
		late_begin(1, file_replace);
		db = store_open(testing_path, readings[i], GKV_DURABLE);
		store_expect(db, "key", "another");
		store_close(db);
		must(unlink(testing_path) == 0);
	}
	file_remake();
	late_begin(1000000, file_remake);
	must_give(gkv_open(testing_path, NULL, &db), GKV_BUSY);
	os_set_default(NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hooks");

	testing_add(suite, "checks", TESTS(a_check_stops_when_it_is_told_to));
	testing_add(suite, "gets", TESTS(gets_go_on_while_a_commit_replaces_the_root));
	testing_add(suite, "names", TESTS(a_file_that_lost_its_name_is_not_opened));
	return testing_main(suite);
}
