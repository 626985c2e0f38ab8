/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv_collide.c: keys that meet: where their records stand, what is left when they go, and what gkv_check says of a
 * store in which they stand wrong. The hash is whatever a test says; the arena is looked at directly. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/arena.h"
#include "kvstore/hash.h"
#include "kvstore/kv.h"
#include "kvstore/place.h"
#include "kvstore/record.h"
#include "kvstore/stray.h"
#include "tests/few.h"
#include "tests/testing.h"

#define HERE UINT64_C(0x8000000000000001)

/* The first letter says which chain, the second how many steps into it: "a2x" lives two steps after "a0y". Chain S is
 * where the stray list lives. */
static uint64_t hash_by_letters(const void *key, size_t key_len, uint64_t seed)
{
	const unsigned char *at = key;

	(void)seed;
	must(key_len >= 2);
	return (at[0] == 'S' ? STRAY_HOME : HERE * at[0]) + (uint64_t)(at[1] - '0') * PLACE_STEP;
}

static vpos position(const char *letters)
{
	return (vpos){hash_by_letters(letters, 2, 0)};
}

static gkv *store_by_letters(void)
{
	kv_set_hash_for_tests(hash_by_letters);
	return store_lazy();
}

/* What stands at a position: a key's text, "#" for a marker, "list", or "" where it is free. */
static const char *stands(gkv *db, const char *letters)
{
	static char text[64];
	gkv_txn *txn = store_begin(db, GKV_READ);
	struct arena_blob blob;
	struct record record;
	const int rc = arena_find(kv_arena_txn(txn), position(letters), &blob);

	text[0] = 0;
	if (rc == GKV_OK) {
		must_give(record_read(&blob, &record), GKV_OK);
		if (record.kind == RECORD_VALUE)
			(void)snprintf(text, sizeof(text), "%.*s", (int)record.key_len, (const char *)record.key);
		else
			(void)snprintf(text, sizeof(text), "%s", record.kind == RECORD_MARKER ? "#" : "list");
	} else {
		must_give(rc, GKV_NOTFOUND);
	}
	store_commit(txn);
	return text;
}

static bool stands_at(gkv *db, const char *letters, const char *what)
{
	return strcmp(stands(db, letters), what) == 0;
}

static uint64_t blobs(gkv *db)
{
	struct arena_stats stats;

	must_give(arena_stat(kv_arena(db), &stats), GKV_OK);
	return stats.blobs;
}

/* Keys of one hash stand one after the other; one that is deleted leaves a marker while another stands behind it, and
 * markers go when the last one does. */
START_TEST(a_chain_grows_and_shrinks)
{
	gkv *db = store_by_letters();

	store_put(db, "a0 first", "1");
	must(blobs(db) == 1);
	store_put(db, "a0 second", "2");
	store_put(db, "a0 third", "3");
	must(stands_at(db, "a0", "a0 first") && stands_at(db, "a1", "a0 second") && stands_at(db, "a2", "a0 third"));
	must(stands_at(db, "S0", "list") && blobs(db) == 4 && store_records(db) == 3);
	store_del(db, "a0 second");
	must(stands_at(db, "a1", "#") && store_records(db) == 2 && blobs(db) == 4);
	store_del(db, "a0 first");
	must(stands_at(db, "a0", "#") && store_records(db) == 1);
	store_expect(db, "a0 third", "3");
	store_expect(db, "a0 first", NULL);
	store_del(db, "a0 third");
	must(stands_at(db, "a0", "") && stands_at(db, "a1", "") && stands_at(db, "a2", ""));
	must(store_records(db) == 0 && blobs(db) == 1);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* A new key takes the first marker on its way, once it is known not to stand further along; so does a deleted one that
 * comes back. */
START_TEST(a_marker_is_taken_again)
{
	gkv *db = store_by_letters();

	store_put(db, "a0 first", "1");
	store_put(db, "a0 second", "2");
	store_put(db, "a0 third", "3");
	store_del(db, "a0 first");
	store_put(db, "a0 third", "33");
	must(stands_at(db, "a0", "#") && stands_at(db, "a2", "a0 third"));
	must_give(gkv_add(db, "a0 third", 8, "x", 1), GKV_EXISTS);
	store_put(db, "a0 fourth", "4");
	must(stands_at(db, "a0", "a0 fourth"));
	store_del(db, "a0 second");
	store_put(db, "a0 first", "11");
	must(stands_at(db, "a1", "a0 first") && store_records(db) == 3);
	store_expect(db, "a0 first", "11");
	store_expect(db, "a0 second", NULL);
	store_expect(db, "a0 third", "33");
	store_expect(db, "a0 fourth", "4");
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Chains that run into each other stay right, whichever of their keys goes first. */
START_TEST(chains_cross)
{
	static const char *const key[] = {"a0 one", "a0 two", "a1 three", "a1 four", "a3 five", "a0 six"};
	unsigned order[6] = {0, 1, 2, 3, 4, 5}, rounds, i, j;
	struct rng rng = rng_make(4);
	gkv *db = store_by_letters();

	for (rounds = 0; rounds < 200; rounds++) {
		for (i = 0; i < 6; i++)
			store_put(db, key[order[i]], key[order[i]] + 3);
		for (i = 5; i > 0; i--) {
			const unsigned with = (unsigned)rng_below(&rng, i + 1), swap = order[i];

			order[i] = order[with];
			order[with] = swap;
		}
		for (i = 0; i < 6; i++) {
			for (j = 0; j < 6; j++)
				store_expect(db, key[order[j]], j < i ? NULL : key[order[j]] + 3);
			must(store_records(db) == 6 - i);
			if (rounds % 3 == 0 || i < 5)
				store_del(db, key[order[i]]);
		}
		if (rounds % 20 == 0) {
			store_close(db);
			store_check(testing_path);
			db = store_by_letters();
		}
	}
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* A delete leaves no marker where no stray passed, though another record stands behind it. */
START_TEST(neighbours_without_strays_leave_no_marker)
{
	gkv *db = store_by_letters();

	store_put(db, "a0", "1");
	store_put(db, "a1", "2");
	store_del(db, "a0");
	must(stands_at(db, "a0", "") && stands_at(db, "a1", "a1") && blobs(db) == 1);
	store_expect(db, "a1", "2");
	store_put(db, "b0 one", "1");
	store_put(db, "b0 two", "1");
	store_put(db, "a0", "1");
	store_del(db, "a0");
	must(stands_at(db, "a0", "") && store_records(db) == 3);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* The stray list makes way for a key that was there before it, and its chain for keys that come after. */
START_TEST(the_list_stands_in_a_chain_too)
{
	gkv *db = store_by_letters();

	store_put(db, "S0 one", "1");
	store_put(db, "S0 two", "2");
	must(stands_at(db, "S0", "S0 one") && stands_at(db, "S1", "list") && stands_at(db, "S2", "S0 two"));
	store_put(db, "S1 three", "3");
	must(stands_at(db, "S3", "S1 three") && store_records(db) == 3);
	store_del(db, "S0 one");
	must(stands_at(db, "S0", "#") && store_records(db) == 2);
	store_expect(db, "S0 two", "2");
	store_expect(db, "S1 three", "3");
	store_close(db);
	store_check(testing_path);
	db = store_by_letters();
	store_put(db, "S0 four", "4");
	must(stands_at(db, "S0", "S0 four"));
	store_del(db, "S1 three");
	store_del(db, "S0 two");
	store_del(db, "S0 four");
	must(store_records(db) == 0 && stands_at(db, "S1", "list") && stands_at(db, "S2", ""));
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* Aborting takes back the list and its markers with the records; a snapshot keeps them. */
START_TEST(collisions_follow_transactions)
{
	gkv *db = store_by_letters();
	gkv_txn *txn, *snapshot;

	store_put(db, "a0 first", "1");
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "a0 second", "2");
	txn_del(txn, "a0 first");
	txn_expect(txn, "a0 first", NULL);
	txn_expect(txn, "a0 second", "2");
	must(txn_records(txn) == 1);
	gkv_abort(txn);
	must(blobs(db) == 1 && stands_at(db, "a0", "a0 first"));
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "a0 second", "2");
	store_commit(txn);
	snapshot = store_begin(db, GKV_READ);
	store_del(db, "a0 second");
	store_del(db, "a0 first");
	must(store_records(db) == 0);
	txn_expect(snapshot, "a0 first", "1");
	txn_expect(snapshot, "a0 second", "2");
	must(txn_records(snapshot) == 2);
	store_commit(snapshot);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* In a store that is full of keys that meet, each can still be deleted. */
START_TEST(a_full_store_of_collisions_can_be_emptied)
{
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = 512 * KIB};
	static char value[2000];
	char key[32];
	unsigned count = 0, i;
	gkv *db;
	int rc;

	kv_set_hash_for_tests(testing_hash_few);
	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	do {
		(void)snprintf(key, sizeof(key), "%u", count++);
		rc = gkv_put(db, key, strlen(key), value, sizeof(value));
	} while (rc == GKV_OK);
	must_give(rc, GKV_FULL);
	count--;
	must(count > 50 && store_records(db) == count);
	for (i = 0; i < count; i++) {
		(void)snprintf(key, sizeof(key), "%u", i);
		store_del(db, key);
		must(store_records(db) == count - 1 - i);
	}
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* --- what gkv_check says
 * -------------------------------------------------------------------------------------------- */

static int finding_keep(void *arg, const char *finding)
{
	(void)snprintf(arg, 256, "%s", finding);
	return 0;
}

/* Puts a blob that kvstore/ would not. */
static void blob_put(gkv *db, vpos at, uint32_t aux, const void *bytes, size_t size)
{
	gkv_txn *txn = store_begin(db, GKV_WRITE);
	void *data;

	must_give(arena_put(kv_arena_txn(txn), at, aux, size, &data), GKV_OK);
	if (size != 0)
		memcpy(data, bytes, size);
	store_commit(txn);
}

/* A store that holds nothing but one wrong blob, or that beside the records "a0 first" and "a0 second". */
static void store_with(bool records, vpos at, uint32_t aux, const void *bytes, size_t size)
{
	gkv *db;

	(void)remove(testing_path);
	db = store_by_letters();
	if (records) {
		store_put(db, "a0 first", "1");
		store_put(db, "a0 second", "2");
	}
	blob_put(db, at, aux, bytes, size);
	store_close(db);
}

/* gkv_check finds fault with the store, in words that contain `words`. */
static void check_says(const char *words)
{
	char finding[256] = "";

	must_give(gkv_check(testing_path, finding_keep, finding), GKV_CORRUPT);
	if (strstr(finding, words) == NULL)
		(void)fprintf(stderr, "found: %s\n", finding);
	must(strstr(finding, words) != NULL);
}

/* A blob whose flags or lengths are impossible is found by a check. */
START_TEST(a_blob_that_is_no_record_is_found)
{
	store_with(true, position("b0"), UINT32_C(1) << 18, "b0", 2);
	check_says("no record");
	store_with(true, position("b0"), UINT32_C(1) << 31, "b0", 2);
	check_says("no record");
	store_with(true, position("b0"), 3, "b0", 2);
	check_says("no record");
	store_with(true, position("b0"), RECORD_AUX_MARKER, "b0", 2);
	check_says("no record");
	store_with(true, position("b0"), RECORD_AUX_MARKER | 2, "b0", 2);
	check_says("no record");
	store_with(true, position("b0"), RECORD_AUX_MARKER | RECORD_AUX_STRAYS, NULL, 0);
	check_says("no record");
	store_with(true, position("b0"), RECORD_AUX_STRAYS, "b0b0b0", 6);
	check_says("no record");
}
END_TEST

/* A sound blob in the wrong place is found by a check. */
START_TEST(a_record_in_the_wrong_place_is_found)
{
	store_with(true, position("b0"), 2, "c0", 2);
	check_says("does not lead");
	store_with(true, position("a2"), 8, "a0 first", 8);
	check_says("two records");
	store_with(true, position("a2"), 8, "a0 third", 8);
	check_says("missing in the stray list");
	store_with(true, position("b0"), RECORD_AUX_MARKER, NULL, 0);
	check_says("marker is missing");
	store_with(true, position("b0"), RECORD_AUX_STRAYS, NULL, 0);
	check_says("stray list");
}
END_TEST

static int iterate(gkv_txn *txn)
{
	gkv_iter *it;
	int rc;

	must_give(gkv_iter_open(txn, &it), GKV_OK);
	do
		rc = gkv_iter_next(it, NULL, NULL);
	while (rc == GKV_OK);
	gkv_iter_close(it);
	return rc;
}

/* Every function that meets such a blob says GKV_CORRUPT, and nothing is changed. */
START_TEST(a_blob_that_is_no_record_is_refused)
{
	const gkv_bytes key = {"b0", 2};
	gkv_bytes val;
	gkv_txn *txn;
	size_t size;
	void *room;
	char buf[8];
	int code;
	gkv *db;

	store_with(true, position("b0"), UINT32_C(1) << 18, "b0", 2);
	db = store_by_letters();
	must_give(gkv_get(db, "b0", 2, buf, sizeof(buf), &size), GKV_CORRUPT);
	must(size == 0);
	must_give(gkv_put(db, "b0", 2, "x", 1), GKV_CORRUPT);
	must_give(gkv_add(db, "b0", 2, "x", 1), GKV_CORRUPT);
	must_give(gkv_del(db, "b0", 2), GKV_CORRUPT);
	txn = store_begin(db, GKV_READ);
	must_give(gkv_txn_get(txn, "b0", 2, &val), GKV_CORRUPT);
	must(val.data == NULL && val.size == 0);
	must_give(gkv_txn_get_many(txn, 1, &key, &val, &code), GKV_OK);
	must_give(code, GKV_CORRUPT);
	must(val.data == NULL && val.size == 0);
	must_give(iterate(txn), GKV_CORRUPT);
	store_commit(txn);
	txn = store_begin(db, GKV_WRITE);
	must_give(gkv_txn_reserve(txn, "b0", 2, 1, &room), GKV_CORRUPT);
	must_give(iterate(txn), GKV_CORRUPT);
	txn_expect(txn, "a0 second", "2");
	store_commit(txn);
	store_expect(db, "a0 first", "1");
	store_close(db);
}
END_TEST

/* Where the stray list itself is no record, what needs it is refused and what does not goes on. */
START_TEST(a_broken_list_is_refused)
{
	gkv_stats stats;
	gkv *db;

	store_with(true, position("S0"), UINT32_C(1) << 18, "S0", 2);
	db = store_by_letters();
	store_expect(db, "a0 second", "2");
	store_put(db, "a0 second", "22");
	store_put(db, "b0", "1");
	must_give(gkv_put(db, "a0 third", 8, "3", 1), GKV_CORRUPT);
	must_give(gkv_del(db, "a0 first", 8), GKV_CORRUPT);
	must_give(gkv_stat(db, &stats), GKV_CORRUPT);
	must(stats.records == 0 && stats.file_bytes == 0);
	store_expect(db, "a0 first", "1");
	store_expect(db, "a0 third", NULL);
	store_close(db);
	check_says("stray list");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("collisions");

	testing_add(suite, "chains",
		    TESTS(a_chain_grows_and_shrinks, a_marker_is_taken_again, chains_cross,
			  neighbours_without_strays_leave_no_marker, the_list_stands_in_a_chain_too,
			  collisions_follow_transactions, a_full_store_of_collisions_can_be_emptied));
	testing_add(suite, "damage",
		    TESTS(a_blob_that_is_no_record_is_found, a_record_in_the_wrong_place_is_found,
			  a_blob_that_is_no_record_is_refused, a_broken_list_is_refused));
	return testing_main(suite);
}
