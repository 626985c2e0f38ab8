/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv.c: single operations on keys and values, and what a handle tells and does as a whole. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/testing.h"

#define KEY_MAX   ((size_t)65535)
#define VALUE_MAX ((size_t)4000000000)

/* A value that is longer than any may be; its bytes are never looked at. */
static const void *const nowhere = "x";

/* The version of the library is that of its header. */
START_TEST(version_is_that_of_the_header)
{
	ck_assert_str_eq(gkv_version(), GKV_VERSION_STRING);
}
END_TEST

/* Every code has a text of its own, and so has an errno value; a code that is none has a text too. */
START_TEST(every_code_has_a_text)
{
	int code, other;

	for (code = GKV_READERS; code <= GKV_OK; code++) {
		must(strlen(gkv_strerror(code)) > 3);
		for (other = GKV_READERS; other < code; other++)
			must(strcmp(gkv_strerror(code), gkv_strerror(other)) != 0);
	}
	ck_assert_str_eq(gkv_strerror(ENOSPC), strerror(ENOSPC));
	must(strlen(gkv_strerror(-1000)) > 3);
	must(strlen(gkv_strerror(100000)) > 3);
}
END_TEST

/* What was put is what get gives, and a second put replaces it, whatever the lengths of the two. */
START_TEST(a_put_is_got_and_replaced)
{
	gkv *db = store_lazy();
	unsigned i;

	store_expect(db, "key", NULL);
	store_put(db, "key", "value");
	store_expect(db, "key", "value");
	store_expect(db, "ke", NULL);
	store_expect(db, "key2", NULL);
	for (i = 0; i < 200; i++) {
		char value[128];

		memset(value, 'a' + (int)(i % 26), sizeof(value));
		value[i * 37 % 127] = 0;
		store_put(db, "key", value);
		store_expect(db, "key", value);
	}
	must(store_records(db) == 1);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Keys may have 0 to 65,535 bytes; one byte more is GKV_TOOBIG to every function, whatever else is wrong with the
 * call. */
START_TEST(keys_have_up_to_65535_bytes)
{
	static const size_t length[] = {0, 1, 7, 8, 255, 256, KEY_MAX - 1, KEY_MAX};
	char *key = malloc(KEY_MAX + 1);
	gkv *db = store_lazy();
	uint64_t value;
	size_t size, i;

	ck_assert_ptr_nonnull(key);
	memset(key, 'k', KEY_MAX + 1);
	for (i = 0; i < sizeof(length) / sizeof(length[0]); i++)
		must_give(gkv_put(db, key, length[i], &length[i], sizeof(length[i])), GKV_OK);
	for (i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		must_give(gkv_get(db, key, length[i], &value, sizeof(value), &size), GKV_OK);
		must(size == sizeof(value) && value == length[i]);
	}
	must(store_records(db) == sizeof(length) / sizeof(length[0]));
	must_give(gkv_put(db, key, KEY_MAX + 1, "x", 1), GKV_TOOBIG);
	must_give(gkv_put(NULL, NULL, KEY_MAX + 1, NULL, 1), GKV_TOOBIG);
	must_give(gkv_add(db, key, KEY_MAX + 1, "x", 1), GKV_TOOBIG);
	must_give(gkv_del(db, key, KEY_MAX + 1), GKV_TOOBIG);
	size = 77;
	must_give(gkv_get(db, key, KEY_MAX + 1, &value, sizeof(value), &size), GKV_TOOBIG);
	must(size == 0);
	for (i = 0; i < sizeof(length) / sizeof(length[0]); i++)
		must_give(gkv_del(db, key, length[i]), GKV_OK);
	must(store_records(db) == 0);
	store_close(db);
	store_check(testing_path);
	free(key);
}
END_TEST

/* Any bytes make a key: keys that differ in one bit, in a trailing zero or in length alone are different keys. */
START_TEST(keys_are_any_bytes)
{
	unsigned char key[3] = {0};
	gkv *db = store_lazy();
	uint32_t value, number;
	size_t size;

	for (number = 0; number < 3 * 256; number++) {
		key[number / 256] = (unsigned char)number;
		must_give(gkv_add(db, key, 1 + number / 256, &number, sizeof(number)), GKV_OK);
		if (number % 256 == 255)
			key[number / 256] = 0;
	}
	for (number = 0; number < 3 * 256; number++) {
		key[number / 256] = (unsigned char)number;
		must_give(gkv_get(db, key, 1 + number / 256, &value, sizeof(value), &size), GKV_OK);
		must(size == sizeof(value) && value == number);
		if (number % 256 == 255)
			key[number / 256] = 0;
	}
	must(store_records(db) == 3 * (uint64_t)256);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Values of any length come back byte for byte, before and after the store is opened again. */
START_TEST(values_of_all_lengths_come_back)
{
	const size_t most = testing_count(50, 2) * MIB;
	const size_t length[] = {0, 1, 7, 8, 4095, 4096, 4097, 100 * KIB, MIB + 3, most};
	char *value = malloc(most), *got = malloc(most);
	gkv *db = store_lazy();
	unsigned round;
	size_t size, i;

	ck_assert_ptr_nonnull(value);
	ck_assert_ptr_nonnull(got);
	for (i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
		bytes_make(value, length[i], i);
		must_give(gkv_put(db, &i, sizeof(i), value, length[i]), GKV_OK);
	}
	for (round = 0; round < 2; round++) {
		for (i = 0; i < sizeof(length) / sizeof(length[0]); i++) {
			must_give(gkv_get(db, &i, sizeof(i), got, most, &size), GKV_OK);
			must(size == length[i] && bytes_fit(got, size, i));
		}
		store_close(db);
		db = store_lazy();
	}
	store_close(db);
	store_check(testing_path);
	free(value);
	free(got);
}
END_TEST

/* A value over 4,000,000,000 bytes is GKV_TOOBIG before one of its bytes is looked at. */
START_TEST(values_have_a_limit)
{
	gkv *db = store_lazy();
	gkv_txn *txn;
	void *room;

	must_give(gkv_put(db, "k", 1, nowhere, VALUE_MAX + 1), GKV_TOOBIG);
	must_give(gkv_add(db, "k", 1, nowhere, SIZE_MAX), GKV_TOOBIG);
	txn = store_begin(db, GKV_WRITE);
	must_give(gkv_txn_put(txn, "k", 1, nowhere, VALUE_MAX + 1), GKV_TOOBIG);
	must_give(gkv_txn_add(txn, "k", 1, nowhere, VALUE_MAX + 1), GKV_TOOBIG);
	room = &room;
	must_give(gkv_txn_reserve(txn, "k", 1, VALUE_MAX + 1, &room), GKV_TOOBIG);
	ck_assert_ptr_null(room);
	store_commit(txn);
	must(store_records(db) == 0);
	store_close(db);
}
END_TEST

/* NULL is as good as any pointer where there are no bytes, and GKV_INVALID where there are some. */
START_TEST(null_is_for_no_bytes)
{
	gkv *db = store_lazy();
	size_t size = 9;
	char byte;

	must_give(gkv_put(db, NULL, 0, NULL, 0), GKV_OK);
	must_give(gkv_get(db, NULL, 0, NULL, 0, &size), GKV_OK);
	must(size == 0);
	must_give(gkv_put(db, NULL, 0, "v", 1), GKV_OK);
	must_give(gkv_get(db, "", 0, &byte, 1, &size), GKV_OK);
	must(size == 1 && byte == 'v');
	must_give(gkv_add(db, NULL, 0, "v", 1), GKV_EXISTS);
	must_give(gkv_put(db, NULL, 1, "v", 1), GKV_INVALID);
	must_give(gkv_put(db, "k", 1, NULL, 1), GKV_INVALID);
	must_give(gkv_add(db, NULL, 1, "v", 1), GKV_INVALID);
	must_give(gkv_add(db, "k", 1, NULL, 1), GKV_INVALID);
	must_give(gkv_del(db, NULL, 1), GKV_INVALID);
	must_give(gkv_get(db, NULL, 1, &byte, 1, &size), GKV_INVALID);
	must(size == 0);
	must_give(gkv_get(db, "k", 1, NULL, 1, &size), GKV_INVALID);
	must_give(gkv_get(db, "k", 1, &byte, 1, NULL), GKV_INVALID);
	must_give(gkv_del(db, NULL, 0), GKV_OK);
	must(store_records(db) == 0);
	store_close(db);
}
END_TEST

/* Without a handle every function is GKV_INVALID, and its answer zero; closing none is allowed. */
START_TEST(a_handle_is_needed)
{
	gkv_stats stats = {.records = 1};
	gkv_txn *txn = (gkv_txn *)&stats;
	size_t size = 9;
	char byte;

	must_give(gkv_put(NULL, "k", 1, "v", 1), GKV_INVALID);
	must_give(gkv_add(NULL, "k", 1, "v", 1), GKV_INVALID);
	must_give(gkv_del(NULL, "k", 1), GKV_INVALID);
	must_give(gkv_get(NULL, "k", 1, &byte, 1, &size), GKV_INVALID);
	must(size == 0);
	must_give(gkv_sync(NULL), GKV_INVALID);
	must_give(gkv_checkpoint(NULL), GKV_INVALID);
	must_give(gkv_compact(NULL, NULL, NULL), GKV_INVALID);
	must_give(gkv_backup(NULL, testing_path, NULL, NULL), GKV_INVALID);
	must_give(gkv_stat(NULL, &stats), GKV_INVALID);
	must(stats.records == 0);
	must_give(gkv_begin(NULL, GKV_READ, &txn), GKV_INVALID);
	ck_assert_ptr_null(txn);
	must_give(gkv_check(NULL, NULL, NULL), GKV_INVALID);
	must_give(gkv_close(NULL), GKV_OK);
	must(!file_exists(testing_path));
}
END_TEST

/* A buffer that is too short gets nothing, and the size that it should have. */
START_TEST(a_short_buffer_learns_the_size)
{
	gkv *db = store_lazy();
	char buf[8] = "unused";
	size_t size;

	store_put(db, "key", "value");
	store_put(db, "empty", "");
	must_give(gkv_get(db, "key", 3, buf, 4, &size), GKV_SHORTBUF);
	must(size == 5 && strcmp(buf, "unused") == 0);
	must_give(gkv_get(db, "key", 3, NULL, 0, &size), GKV_SHORTBUF);
	must(size == 5);
	must_give(gkv_get(db, "empty", 5, NULL, 0, &size), GKV_OK);
	must(size == 0);
	must_give(gkv_get(db, "none", 4, NULL, 0, &size), GKV_NOTFOUND);
	must(size == 0);
	must_give(gkv_get(db, "key", 3, buf, 5, &size), GKV_OK);
	must(size == 5 && memcmp(buf, "valued", 6) == 0);
	store_close(db);
}
END_TEST

/* Add stores a key that is absent and leaves one that is there as it is. */
START_TEST(add_leaves_what_is_there)
{
	gkv *db = store_lazy();

	must_give(gkv_add(db, "key", 3, "one", 3), GKV_OK);
	must_give(gkv_add(db, "key", 3, "two", 3), GKV_EXISTS);
	store_expect(db, "key", "one");
	store_del(db, "key");
	must_give(gkv_add(db, "key", 3, "two", 3), GKV_OK);
	store_expect(db, "key", "two");
	store_close(db);
}
END_TEST

/* Delete takes away that key and no other; a key that is absent cannot be deleted. */
START_TEST(delete_takes_one_key)
{
	gkv *db = store_lazy();
	unsigned i, j;
	char key[16];

	must_give(gkv_del(db, "key", 3), GKV_NOTFOUND);
	for (i = 0; i < 60; i++) {
		(void)snprintf(key, sizeof(key), "key %u", i);
		store_put(db, key, key);
	}
	for (i = 0; i < 60; i++) {
		(void)snprintf(key, sizeof(key), "key %u", i * 7 % 60);
		store_del(db, key);
		must_give(gkv_del(db, key, strlen(key)), GKV_NOTFOUND);
		must(store_records(db) == 59 - i);
		for (j = 0; j < 60; j++) {
			(void)snprintf(key, sizeof(key), "key %u", j * 7 % 60);
			store_expect(db, key, j <= i ? NULL : key);
		}
	}
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Everything that was committed is there when the store is opened again, however often. */
START_TEST(a_store_keeps_its_records)
{
	const uint64_t count = testing_count(3000, 300);
	gkv *db = store_open(testing_path, 0, GKV_DURABLE);
	gkv_txn *txn;
	unsigned round;
	uint64_t i;
	char key[32];

	txn = store_begin(db, GKV_WRITE);
	for (i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "key %u", (unsigned)i);
		txn_put(txn, key, key + 1);
	}
	store_commit(txn);
	for (round = 0; round < 3; round++) {
		store_close(db);
		store_check(testing_path);
		db = store_open(testing_path, round == 1 ? GKV_RDONLY : 0, GKV_DURABLE);
		must(store_records(db) == count);
		for (i = 0; i < count; i++) {
			(void)snprintf(key, sizeof(key), "key %u", (unsigned)i);
			store_expect(db, key, key + 1);
		}
	}
	store_close(db);
}
END_TEST

/* A durable commit is known to be on stable storage when it returns; a lazy one after gkv_sync; and each transaction
 * may choose against its handle. */
START_TEST(durability_is_as_asked)
{
	gkv *db = store_lazy();
	gkv_stats stats;
	gkv_txn *txn;

	store_put(db, "key", "1");
	stats = store_stat(db);
	must(stats.durable_seq < stats.commit_seq);
	must_give(gkv_sync(db), GKV_OK);
	stats = store_stat(db);
	must(stats.durable_seq == stats.commit_seq);
	txn = store_begin(db, GKV_WRITE | GKV_DURABLE_COMMIT);
	txn_put(txn, "key", "2");
	store_commit(txn);
	stats = store_stat(db);
	must(stats.durable_seq == stats.commit_seq);
	store_close(db);

	db = store_open(testing_path, 0, GKV_DURABLE);
	store_put(db, "key", "3");
	stats = store_stat(db);
	must(stats.durable_seq == stats.commit_seq);
	txn = store_begin(db, GKV_WRITE | GKV_LAZY_COMMIT);
	txn_put(txn, "key", "4");
	store_commit(txn);
	stats = store_stat(db);
	must(stats.durable_seq < stats.commit_seq);
	must_give(gkv_checkpoint(db), GKV_OK);
	stats = store_stat(db);
	must(stats.durable_seq == stats.commit_seq && stats.checkpoint_seq == stats.commit_seq);
	store_close(db);
	db = store_lazy();
	store_expect(db, "key", "4");
	store_close(db);
}
END_TEST

/* A store without a path does all that one with a path does, and leaves nothing. */
START_TEST(a_store_may_live_in_memory)
{
	gkv *db = store_open(NULL, 0, GKV_DURABLE), *other = store_open(NULL, 0, GKV_DURABLE);
	char backup[320];

	store_put(db, "key", "value");
	store_expect(db, "key", "value");
	store_expect(other, "key", NULL);
	must_give(gkv_sync(db), GKV_OK);
	must_give(gkv_checkpoint(db), GKV_OK);
	must_give(gkv_compact(db, NULL, NULL), GKV_OK);
	testing_path_of("backup", backup);
	must_give(gkv_backup(db, backup, NULL, NULL), GKV_OK);
	store_expect(db, "key", "value");
	store_close(db);
	store_close(other);
	store_check(backup);
	db = store_open(backup, 0, GKV_LAZY);
	store_expect(db, "key", "value");
	store_close(db);
}
END_TEST

/* The statistics follow what is done: records, commits, snapshots, bytes. */
START_TEST(statistics_follow_what_is_done)
{
	gkv *db = store_lazy();
	gkv_stats before = store_stat(db), stats;
	char value[1000] = "";
	gkv_txn *first, *second;
	uint64_t i;

	must(before.records == 0 && before.readers == 0 && before.oldest_reader_seq == 0);
	first = store_begin(db, GKV_READ);
	for (i = 0; i < 100; i++)
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	second = store_begin(db, GKV_READ);
	stats = store_stat(db);
	must(stats.records == 100 && stats.readers == 2);
	must(stats.oldest_reader_seq == before.commit_seq);
	must(stats.commit_seq >= before.commit_seq + 100);
	must(stats.live_bytes > 100 * sizeof(value) && stats.live_bytes < 100 * sizeof(value) + 100 * KIB);
	must(stats.file_bytes >= stats.live_bytes && stats.bytes_written > 100 * sizeof(value));
	must(stats.table_pages >= 1);
	must(stats.file_bytes == file_bytes(testing_path));
	gkv_abort(first);
	gkv_abort(second);
	for (i = 0; i < 100; i++)
		must_give(gkv_del(db, &i, sizeof(i)), GKV_OK);
	stats = store_stat(db);
	must(stats.records == 0 && stats.readers == 0 && stats.pending_bytes > 0);
	for (i = 0; i < 8; i++)
		must(stats.reserved[i] == 0);
	must_give(gkv_stat(db, NULL), GKV_INVALID);
	store_close(db);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("keys and values");

	testing_add(suite, "handle",
		    TESTS(version_is_that_of_the_header, every_code_has_a_text, values_have_a_limit, a_handle_is_needed,
			  durability_is_as_asked, a_store_may_live_in_memory));
	testing_add_both(suite, "operations",
			 TESTS(a_put_is_got_and_replaced, keys_have_up_to_65535_bytes, keys_are_any_bytes,
			       values_of_all_lengths_come_back, null_is_for_no_bytes, a_short_buffer_learns_the_size,
			       add_leaves_what_is_there, delete_takes_one_key, a_store_keeps_its_records,
			       statistics_follow_what_is_done));
	return testing_main(suite);
}
