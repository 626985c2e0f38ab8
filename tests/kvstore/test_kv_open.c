/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv_open.c: who may open what, what is refused and how, damage, and the size limit. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "tests/kvstore/numbered.h"
#include "tests/testing.h"

static int open_gives(const char *path, unsigned flags)
{
	const gkv_options options = {.flags = flags, .durability = GKV_LAZY};
	gkv *db = (gkv *)&options;
	const int rc = gkv_open(path, &options, &db);

	must((rc == GKV_OK) == (db != NULL));
	must_give(gkv_close(db), GKV_OK);
	return rc;
}

/* A store is made where there is none, with the mode that was asked for, and opened where there is one. */
START_TEST(a_store_is_made_once)
{
	gkv_options options = {.mode = 0600};
	struct stat st;
	gkv *db;

	(void)umask(022);
	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	store_put(db, "key", "value");
	store_close(db);
	must(stat(testing_path, &st) == 0 && (st.st_mode & 0777) == 0600);
	options.mode = 0;
	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	store_expect(db, "key", "value");
	store_close(db);
	must(unlink(testing_path) == 0);
	must_give(gkv_open(testing_path, NULL, &db), GKV_OK);
	store_expect(db, "key", NULL);
	store_close(db);
	must(stat(testing_path, &st) == 0 && (st.st_mode & 0777) == 0644);
}
END_TEST

/* Neither a reader nor an opener who says so makes a store; a folder that is missing is not made either. */
START_TEST(a_missing_store_may_stay_missing)
{
	char deeper[320];

	must_give(open_gives(testing_path, GKV_NOCREATE), ENOENT);
	must_give(open_gives(testing_path, GKV_RDONLY), ENOENT);
	must_give(gkv_check(testing_path, NULL, NULL), ENOENT);
	testing_path_of("folder/store", deeper);
	must_give(open_gives(deeper, 0), ENOENT);
	must(!file_exists(testing_path));
	must(rmdir(testing_folder) == 0); /* nothing was left in it */
	must(mkdir(testing_folder, 0777) == 0);
}
END_TEST

/* An option that is unknown, or a reserved one that is set, is GKV_INVALID, and no file is made. */
START_TEST(options_are_checked)
{
	gkv_options options = {.flags = 0x8};
	gkv *db = (gkv *)&options;
	size_t i;

	must_give(gkv_open(testing_path, &options, &db), GKV_INVALID);
	ck_assert_ptr_null(db);
	options = (gkv_options){.flags = 0x80000000u};
	must_give(gkv_open(testing_path, &options, &db), GKV_INVALID);
	options = (gkv_options){.mode = 01000};
	must_give(gkv_open(testing_path, &options, &db), GKV_INVALID);
	options = (gkv_options){.durability = (enum gkv_durability)2};
	must_give(gkv_open(testing_path, &options, &db), GKV_INVALID);
	for (i = 0; i < sizeof(options.reserved) / sizeof(options.reserved[0]); i++) {
		options = (gkv_options){.flags = 0};
		options.reserved[i] = 1;
		must_give(gkv_open(testing_path, &options, &db), GKV_INVALID);
	}
	must_give(gkv_open(testing_path, NULL, NULL), GKV_INVALID);
	options = (gkv_options){.flags = GKV_RDONLY};
	must_give(gkv_open(NULL, &options, &db), GKV_INVALID);
	must(!file_exists(testing_path));
}
END_TEST

/* A writer has the file for itself; readers share it. Whoever is refused learns so at once, and harms nobody. */
START_TEST(a_second_opener_is_busy)
{
	gkv *db = store_lazy(), *second;

	store_put(db, "key", "value");
	must_give(open_gives(testing_path, 0), GKV_BUSY);
	must_give(open_gives(testing_path, GKV_RDONLY), GKV_BUSY);
	must_give(gkv_check(testing_path, NULL, NULL), GKV_BUSY);
	store_put(db, "key", "other");
	store_close(db);

	db = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
	second = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
	store_expect(db, "key", "other");
	store_expect(second, "key", "other");
	must_give(open_gives(testing_path, 0), GKV_BUSY);
	store_check(testing_path);
	store_close(db);
	must_give(open_gives(testing_path, 0), GKV_BUSY);
	store_expect(second, "key", "other");
	store_close(second);
	must_give(open_gives(testing_path, 0), GKV_OK);
}
END_TEST

/* A handle that reads only reads everything, writes nothing, and says so. */
START_TEST(a_reading_handle_writes_nothing)
{
	size_t before_bytes, after_bytes;
	void *before, *after;
	gkv_txn *txn;
	gkv *db;

	numbered_make(50);
	before = file_read(testing_path, &before_bytes);
	db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	numbered_hold(db, 0, 50);
	must_give(gkv_put(db, "k", 1, "v", 1), GKV_READONLY);
	must_give(gkv_add(db, "k", 1, "v", 1), GKV_READONLY);
	must_give(gkv_del(db, "k", 1), GKV_READONLY);
	txn = (gkv_txn *)db;
	must_give(gkv_begin(db, GKV_WRITE, &txn), GKV_READONLY);
	ck_assert_ptr_null(txn);
	must_give(gkv_checkpoint(db), GKV_READONLY);
	must_give(gkv_compact(db, NULL, NULL), GKV_READONLY);
	must_give(gkv_sync(db), GKV_OK);
	txn = store_begin(db, GKV_READ);
	must(txn_records(txn) == 50);
	must_give(gkv_txn_put(txn, "k", 1, "v", 1), GKV_READONLY);
	store_commit(txn);
	store_close(db);
	after = file_read(testing_path, &after_bytes);
	must(before_bytes == after_bytes && memcmp(before, after, after_bytes) == 0);
	free(before);
	free(after);
}
END_TEST

static int open_unprivileged(void *arg)
{
	const unsigned *flags = arg;
	gkv *db;
	const gkv_options options = {.flags = *flags};
	int rc;

	testing_drop_privileges();
	rc = gkv_open(testing_path, &options, &db);
	if (rc != GKV_OK)
		return rc;
	numbered_hold(db, 0, 20);
	return gkv_close(db);
}

/* A file that may only be read is opened for reading by anyone and for writing by none; one that may not even be read
 * is opened by none. */
START_TEST(permissions_are_obeyed)
{
	unsigned reading = GKV_RDONLY, writing = 0;

	numbered_make(20);
	must(chmod(testing_path, 0444) == 0);
	must_give(testing_in_child(open_unprivileged, &reading), GKV_OK);
	must_give(testing_in_child(open_unprivileged, &writing), EACCES);
	must(chmod(testing_path, 0) == 0);
	must_give(testing_in_child(open_unprivileged, &reading), EACCES);
	must(chmod(testing_path, 0644) == 0);
	store_check(testing_path);
}
END_TEST

/* What is no store is told from what is a damaged or a foreign one, whoever opens it, and is left as it was. */
START_TEST(other_files_are_refused)
{
	static char text[20000];
	gravity *g;
	size_t size;
	char *data;

	must_give(open_gives(testing_folder, 0), EISDIR);
	must_give(open_gives(testing_folder, GKV_RDONLY), EISDIR);
	file_write(testing_path, "", 0);
	must_give(open_gives(testing_path, GKV_RDONLY), GKV_NOTASTORE);
	must_give(open_gives(testing_path, GKV_NOCREATE), GKV_NOTASTORE);
	must_give(gkv_check(testing_path, NULL, NULL), GKV_NOTASTORE);
	must(file_bytes(testing_path) == 0);
	memset(text, 'x', sizeof(text));
	file_write(testing_path, text, 10);
	must_give(open_gives(testing_path, 0), GKV_NOTASTORE);
	file_write(testing_path, text, sizeof(text));
	must_give(open_gives(testing_path, 0), GKV_NOTASTORE);
	must_give(open_gives(testing_path, GKV_RDONLY), GKV_NOTASTORE);
	must_give(gkv_check(testing_path, NULL, NULL), GKV_NOTASTORE);
	data = file_read(testing_path, &size);
	must(size == sizeof(text) && memcmp(data, text, size) == 0);
	free(data);
	must(unlink(testing_path) == 0);
	must(gravity_open(testing_path, NULL, &g) == GRAVITY_OK);
	must(gravity_close(g) == GRAVITY_OK);
	must_give(open_gives(testing_path, 0), GKV_NOTASTORE);
}
END_TEST

/* A store that was cut, wherever, is GKV_CORRUPT; one of another version is GKV_BADVERSION. Neither is changed. */
START_TEST(a_cut_store_is_corrupt_and_a_newer_one_foreign)
{
	size_t size, kept, got;
	char *data, *now;

	numbered_make(300);
	data = file_read(testing_path, &size);
	for (kept = 16; kept < size; kept = kept * 3 / 2) {
		file_write(testing_path, data, kept);
		must_give(open_gives(testing_path, 0), GKV_CORRUPT);
		must_give(open_gives(testing_path, GKV_RDONLY), GKV_CORRUPT);
		must_give(gkv_check(testing_path, NULL, NULL), GKV_CORRUPT);
		now = file_read(testing_path, &got);
		must(got == kept && memcmp(now, data, kept) == 0);
		free(now);
	}
	data[8]++; /* the version, in both headers */
	data[4096 + 8]++;
	file_write(testing_path, data, size);
	must_give(open_gives(testing_path, 0), GKV_BADVERSION);
	must_give(open_gives(testing_path, GKV_RDONLY), GKV_BADVERSION);
	data[8]--;
	data[4096 + 8]--;
	file_write(testing_path, data, size);
	store_check(testing_path);
	free(data);
}
END_TEST

static int finding_count(void *arg, const char *finding)
{
	uint64_t *count = arg;

	must(strlen(finding) > 10);
	++*count;
	return 0;
}

static int finding_stop(void *arg, const char *finding)
{
	(void)finding_count(arg, finding);
	return 1;
}

/* A check of a store with a damaged value reports it, stops when it is told to, and needs nobody to report to; a read
 * of that value is GKV_CORRUPT, unless verification was turned off. */
START_TEST(damage_is_found)
{
	uint64_t findings = 0, key = 7;
	unsigned char value[1000];
	size_t size, at;
	char *data;
	gkv *db;

	numbered_make(20);
	data = file_read(testing_path, &size);
	bytes_make(value, sizeof(value), key);
	for (at = 0; memcmp(data + at, value, sizeof(value)) != 0; at++)
		must(at + sizeof(value) < size);
	data[at + 500] ^= 1;
	file_write(testing_path, data, size);
	must_give(gkv_check(testing_path, finding_count, &findings), GKV_CORRUPT);
	must(findings >= 1);
	must_give(gkv_check(testing_path, NULL, NULL), GKV_CORRUPT);
	findings = 0;
	must_give(gkv_check(testing_path, finding_stop, &findings), GKV_CORRUPT);
	must(findings == 1);
	if (open_gives(testing_path, GKV_RDONLY) == GKV_OK) {
		db = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
		must_give(gkv_get(db, &key, sizeof(key), value, sizeof(value), &size), GKV_CORRUPT);
		must(size == 0);
		store_close(db);
		db = store_open(testing_path, GKV_RDONLY | GKV_NOVERIFY, GKV_LAZY);
		must_give(gkv_get(db, &key, sizeof(key), value, sizeof(value), &size), GKV_OK);
		must(size == sizeof(value) && !bytes_fit(value, size, key));
		store_close(db);
	}
	free(data);
}
END_TEST

/* A store with a limit stays within it. Where it is full nothing is lost, deletes succeed, and what they free can be
 * filled again, round after round. */
START_TEST(a_full_store_can_be_emptied_and_filled)
{
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = MIB};
	uint64_t first = 0, end = 0, filled = 0;
	static char large[300 * KIB];
	unsigned char value[1000];
	gkv_stats stats;
	unsigned round;
	gkv *db;
	int rc;

	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	for (round = 0; round < 6; round++) {
		for (;; end++) {
			bytes_make(value, sizeof(value), end);
			rc = gkv_put(db, &end, sizeof(end), value, sizeof(value));
			if (rc != GKV_OK)
				break;
		}
		must_give(rc, GKV_FULL);
		must(file_bytes(testing_path) <= MIB);
		/* What is spared from puts is there: a window and more. */
		must_give(gkv_stat(db, &stats), GKV_OK);
		must(MIB - file_bytes(testing_path) + stats.free_bytes + stats.pending_bytes > 64 * KIB);
		must_give(gkv_add(db, "large", 5, large, sizeof(large)), GKV_FULL);
		store_expect(db, "large", NULL);
		numbered_hold(db, first, end);
		if (round == 0)
			filled = end - first;
		must(filled > 600 && end - first >= filled * 8 / 10);
		for (; first < end - filled / 3; first++)
			must_give(gkv_del(db, &first, sizeof(first)), GKV_OK);
		numbered_hold(db, first, end);
		if (round % 2 == 1) {
			store_close(db);
			store_check(testing_path);
			must_give(gkv_open(testing_path, &options, &db), GKV_OK);
		}
	}
	for (; first < end; first++)
		must_give(gkv_del(db, &first, sizeof(first)), GKV_OK);
	must(store_records(db) == 0);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* What a snapshot holds counts as taken: puts are refused while it is open, though little lives; the snapshot keeps what it
 * sees, and when it has ended its space is there again. */
START_TEST(a_snapshot_fills_a_store_with_a_limit)
{
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = 4 * MIB};
	unsigned char value[4000];
	uint64_t i, key;
	gkv_txn *snapshot;
	gkv *db;
	int rc = GKV_OK;

	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	for (i = 0; i < 600; i++) {
		bytes_make(value, sizeof(value), i);
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	}
	snapshot = store_begin(db, GKV_READ);
	for (i = 0; i < 600 && rc == GKV_OK; i++) {
		bytes_make(value, sizeof(value), i);
		rc = gkv_put(db, &i, sizeof(i), value, sizeof(value));
	}
	must_give(rc, GKV_FULL);
	must(i > 250);
	for (key = 0; key < 600; key++) {
		gkv_bytes got;
		must_give(gkv_txn_get(snapshot, &key, sizeof(key), &got), GKV_OK);
		must(got.size == sizeof(value) && bytes_fit(got.data, got.size, key));
	}
	store_commit(snapshot);
	for (key = 0; key < 6000; key++) {
		i = key % 600;
		bytes_make(value, sizeof(value), i);
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	}
	must(file_bytes(testing_path) <= 4 * MIB);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* A file that is larger than the limit opens and is read; it does not grow. */
START_TEST(a_file_over_the_limit_opens)
{
	gkv_options options = {.durability = GKV_LAZY, .max_bytes = 64 * KIB};
	static char value[200 * KIB];
	uint64_t bytes;
	gkv *db;

	numbered_make(200);
	bytes = file_bytes(testing_path);
	must(bytes > 200000);
	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	numbered_hold(db, 0, 200);
	must_give(gkv_put(db, "large", 5, value, sizeof(value)), GKV_FULL);
	must(file_bytes(testing_path) <= bytes);
	numbered_hold(db, 0, 200);
	store_close(db);
	store_check(testing_path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("opening");

	testing_add(suite, "opening",
		    TESTS(a_store_is_made_once, a_missing_store_may_stay_missing, options_are_checked,
			  a_second_opener_is_busy, a_reading_handle_writes_nothing, permissions_are_obeyed,
			  other_files_are_refused, a_cut_store_is_corrupt_and_a_newer_one_foreign));
	testing_add(suite, "damage and limits",
		    TESTS(damage_is_found, a_snapshot_fills_a_store_with_a_limit,
			  a_full_store_can_be_emptied_and_filled, a_file_over_the_limit_opens));
	return testing_main(suite);
}
