/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_full_disk.c: a full disk can be cleaned up.
 *
 * A history draws the sizes of records and transactions, durability, a limit or none, and what comes before the disk fills:
 * churn, compaction, deletes, closes. Then the disk has no more than what the file has, or a little more; and in half of the
 * histories others take at once what the file gives back. From then on
 *
 *   puts succeed, or the disk's code says why not, and nothing of them is there
 *   deletes and checkpoints succeed, in whatever order, until the store is empty; so do closes and opens in between
 *   what was committed is there, and nothing else
 *   what the file does not need is given back
 *
 * Every file of a megabyte and more that was written to before the disk filled is held to that. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/space/small_disk.h"
#include "tests/testing.h"

#define KEYS_MOST  40000u
#define VALUE_MOST (128 * KIB)
#define FILE_LEAST (2 * MIB)   /* a shorter file keeps less ready than most need */
#define LEFT_MOST  (512 * KIB) /* of an empty store: what is kept ready, and the table */

struct history {
	gkv *db;
	gkv_options options;
	struct rng rng;
	unsigned keys, live;
	uint64_t value_least, value_most, txn_records;
	uint64_t round;
	bool greedy;
	uint32_t size[KEYS_MOST];
	uint64_t number[KEYS_MOST]; /* 0: there is no such record */
	uint8_t value[VALUE_MOST];
};

static void history_open(struct history *h)
{
	must_give(gkv_open(testing_path, &h->options, &h->db), 0);
}

static void history_close(struct history *h)
{
	must_give(gkv_close(h->db), 0);
	h->db = NULL;
}

static uint64_t value_size(struct history *h)
{
	return h->value_least + rng_size(&h->rng, h->value_most - h->value_least);
}

/* Puts a new value; false: there is no room. */
static bool record_put(struct history *h, unsigned key, bool may_fail)
{
	const uint64_t size = value_size(h);
	const uint64_t number = ++h->round;
	int r;

	bytes_make(h->value, size, number);
	r = gkv_put(h->db, &key, sizeof key, h->value, size);
	if (r != 0) {
		must(may_fail);
		must(r == ENOSPC || (r == GKV_FULL && h->options.max_bytes != 0));
		return false;
	}
	h->live += h->number[key] == 0;
	h->number[key] = number;
	h->size[key] = (uint32_t)size;
	return true;
}

static void record_del(struct history *h, unsigned key)
{
	if (h->number[key] == 0)
		return;
	must_give(gkv_del(h->db, &key, sizeof key), 0);
	h->number[key] = 0;
	h->live--;
}

/* A transaction of several changes, which fails whole or not at all. */
static void records_change(struct history *h, bool may_fail)
{
	const uint64_t count = 1 + rng_size(&h->rng, h->txn_records - 1);
	unsigned key[64];
	uint64_t number[64];
	uint32_t size[64];
	uint64_t n = 0;
	gkv_txn *t;
	int r = 0;

	must_give(gkv_begin(h->db, GKV_WRITE, &t), 0);
	for (; r == 0 && n < count && n < 64; n++) {
		key[n] = (unsigned)rng_below(&h->rng, h->keys);
		size[n] = (uint32_t)value_size(h);
		number[n] = ++h->round;
		bytes_make(h->value, size[n], number[n]);
		r = gkv_txn_put(t, &key[n], sizeof key[n], h->value, size[n]);
	}
	if (r == 0)
		r = gkv_commit(t);
	else
		gkv_abort(t);
	must(r == 0 || (may_fail && (r == ENOSPC || (r == GKV_FULL && h->options.max_bytes != 0))));
	for (uint64_t i = 0; r == 0 && i < n; i++) {
		h->live += h->number[key[i]] == 0;
		h->number[key[i]] = number[i];
		h->size[key[i]] = size[i];
	}
}

/* All of the model is there, and nothing else. */
static void history_holds(struct history *h)
{
	must(store_records(h->db) == h->live);
	for (unsigned key = 0; key < h->keys; key++) {
		size_t size;
		const int r = gkv_get(h->db, &key, sizeof key, h->value, sizeof h->value, &size);
		must(r == (h->number[key] != 0 ? 0 : GKV_NOTFOUND));
		must(r != 0 || (size == h->size[key] && bytes_fit(h->value, size, h->number[key])));
	}
}

/* Closes and opens, after which everything is there. */
static void history_again(struct history *h)
{
	history_close(h);
	history_open(h);
	history_holds(h);
}

static void draw(struct history *h, unsigned n)
{
	uint64_t file;

	memset(h, 0, sizeof *h);
	h->rng = rng_make(n);
	file = 3 * MIB + rng_size(&h->rng, 9 * MIB);
	h->value_least = rng_size(&h->rng, 4 * KIB);
	h->value_most = h->value_least + rng_size(&h->rng, VALUE_MOST - h->value_least);
	/* The mean of a log-uniform size is its most by the logarithm of that. */
	h->keys = 16;
	while (h->keys < KEYS_MOST && h->keys * (h->value_least + (h->value_most - h->value_least) / 8 + 60) < file)
		h->keys += 1 + h->keys / 8;
	h->keys = h->keys < KEYS_MOST ? h->keys : KEYS_MOST;
	h->txn_records = 1 + rng_size(&h->rng, 63);
	h->options.durability = rng_below(&h->rng, 2) == 0 ? GKV_DURABLE : GKV_LAZY;
	if (rng_below(&h->rng, 4) == 0)
		h->options.max_bytes = 2 * file + rng_size(&h->rng, 8 * MIB);
	h->greedy = rng_below(&h->rng, 2) == 0;
}

/* What comes before the disk is full. */
static void prepare(struct history *h)
{
	const uint64_t churn = rng_size(&h->rng, 3 * h->keys);
	const unsigned deletes = (unsigned)rng_size(&h->rng, h->keys / 2);
	const unsigned first = (unsigned)rng_below(&h->rng, h->keys);
	const bool in_order = rng_below(&h->rng, 2) == 0;
	const bool limited = h->options.max_bytes != 0;

	for (unsigned key = 0; key < h->keys; key++)
		(void)record_put(h, key, limited);
	for (uint64_t i = 0; i < churn; i += 1 + h->txn_records / 2)
		records_change(h, limited);
	for (unsigned i = 0; i < deletes; i++)
		record_del(h, in_order ? (first + i) % h->keys : (unsigned)rng_below(&h->rng, h->keys));
	if (rng_below(&h->rng, 3) == 0)
		must_give(gkv_compact(h->db, NULL, NULL), 0);
	if (rng_below(&h->rng, 3) == 0)
		history_again(h);
	if (rng_below(&h->rng, 3) == 0)
		must_give(gkv_checkpoint(h->db), 0);
	/* At least one change of this session, or of the last. */
	if (rng_below(&h->rng, 2) == 0)
		(void)record_put(h, 0, limited);
}

/* The disk is full: changes that may fail, and others that may not, in between. */
static void clean_up(struct history *h)
{
	const uint64_t puts =
		rng_below(&h->rng, 3) == 0 ? 2 + rng_below(&h->rng, 10) : 0; /* one after so many deletes */
	const uint64_t rare = 1 + h->keys / 4;
	const bool in_order = rng_below(&h->rng, 2) == 0;
	unsigned next = 0;

	for (uint64_t i = 0; h->live > 0; i++) {
		const unsigned key = in_order || i > 8 * (uint64_t)h->keys ? next++ % h->keys
									   : (unsigned)rng_below(&h->rng, h->keys);
		record_del(h, key);
		if (puts != 0 && i < 4 * (uint64_t)h->keys && rng_below(&h->rng, puts) == 0)
			(void)record_put(h, (unsigned)rng_below(&h->rng, h->keys), true);
		if (puts != 0 && i < 4 * (uint64_t)h->keys && rng_below(&h->rng, 4 * puts) == 0)
			records_change(h, true);
		if (rng_below(&h->rng, rare) == 0)
			must_give(gkv_checkpoint(h->db), 0);
		if (rng_below(&h->rng, 2 * rare) == 0)
			history_again(h);
		if (rng_below(&h->rng, 4 * rare) == 0) {
			const int r = gkv_compact(h->db, NULL, NULL);
			must(r == 0 || r == ENOSPC || r == GKV_FULL);
		}
	}
}

static void history_run(struct history *h, unsigned n)
{
	uint64_t before;

	os_set_default(small_disk(1000 + n));
	draw(h, n);
	history_open(h);
	prepare(h);
	before = small_disk_used();
	small_disk_leave(rng_below(&h->rng, 3) == 0 ? rng_size(&h->rng, 256) : 0);
	small_disk_greedy(h->greedy);
	/* Until the disk is full. */
	if (rng_below(&h->rng, 2) == 0)
		for (unsigned i = 0; i < 4 * h->keys && record_put(h, (unsigned)rng_below(&h->rng, h->keys), true); i++)
			;
	history_holds(h);
	if (store_stat(h->db).file_bytes < FILE_LEAST) {
		small_disk_set(UINT64_MAX);
		history_close(h);
	} else {
		clean_up(h);
		must_give(gkv_checkpoint(h->db), 0);
		must_give(gkv_compact(h->db, NULL, NULL), 0);
		history_again(h);
		history_close(h);
		must(small_disk_used() <= before && small_disk_used() * SMALL_DISK_PAGE <= LEFT_MOST);
	}
	os_set_default(NULL);
	store_check(testing_path);
	must(remove(testing_path) == 0);
}

START_TEST(deletes_succeed)
{
	static struct history h;

	for (uint64_t n = testing_count(10, 4); n > 0; n--)
		history_run(&h, (unsigned)n);
}
END_TEST

/* --- one thing at a time ------------------------------------------------------------------------------------------ */

#define RECORDS 3000u
#define SIZE    (2 * KIB)

/* A store of 6 MiB, and a disk that refuses more with that code. */
static void fill(struct history *h, int code)
{
	memset(h, 0, sizeof *h);
	h->rng = rng_make(1);
	h->keys = RECORDS;
	h->value_least = h->value_most = SIZE;
	h->options.durability = GKV_LAZY;
	os_set_default(small_disk(1));
	small_disk_code(code);
	history_open(h);
	for (unsigned key = 0; key < h->keys; key++)
		must(record_put(h, key, false));
	small_disk_leave(0);
}

static void empty(struct history *h)
{
	history_close(h);
	os_set_default(NULL);
	store_check(testing_path);
}

/* Puts of new keys until one is refused; its code. */
static int refused(struct history *h)
{
	unsigned key = RECORDS;
	int r = 0;

	bytes_make(h->value, SIZE, key);
	for (; r == 0 && key < 2 * RECORDS; key++)
		r = gkv_put(h->db, &key, sizeof key, h->value, SIZE);
	return r;
}

/* What the system says is what the user is told, whichever way it says that there is no more. */
START_TEST(the_code_is_the_disks)
{
	static const int codes[] = {ENOSPC, EDQUOT, EFBIG};
	static struct history h;

	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		fill(&h, codes[i]);
		must_give(refused(&h), codes[i]);
		must_give(refused(&h), codes[i]);
		for (unsigned key = 0; key < 100; key++)
			record_del(&h, key);
		empty(&h);
		must(remove(testing_path) == 0);
	}
}
END_TEST

/* As soon as there is room puts find it, and the store has no limit any more: the file grows beyond twice its length. */
START_TEST(room_that_comes_back_is_found)
{
	static struct history h;
	uint64_t full;

	fill(&h, ENOSPC);
	must_give(refused(&h), ENOSPC);
	full = store_stat(h.db).file_bytes;
	small_disk_set(UINT64_MAX);
	for (unsigned i = 0; i < 3; i++)
		must_give(refused(&h), 0);
	for (unsigned key = 2 * RECORDS; key < 4 * RECORDS; key++)
		must_give(gkv_put(h.db, &key, sizeof key, h.value, SIZE), 0);
	must(store_stat(h.db).file_bytes > 2 * full);
	empty(&h);
}
END_TEST

/* What a compaction has given back, and the end of the file, are not what the next delete needs. */
START_TEST(a_compacted_store_is_cleaned_up)
{
	static struct history h;

	for (unsigned deleted = 100; deleted <= 900; deleted += 200) {
		fill(&h, ENOSPC);
		for (unsigned key = 0; key < deleted; key++)
			record_del(&h, key);
		must_give(gkv_compact(h.db, NULL, NULL), 0);
		history_close(&h);
		small_disk_leave(0);
		history_open(&h);
		for (unsigned key = 0; key < RECORDS; key++)
			record_del(&h, key);
		empty(&h);
		must(remove(testing_path) == 0);
	}
}
END_TEST

/* Half of the file are holes, which are lower than what deletes free, and others have taken their space. */
START_TEST(slots_without_space_fail_nothing)
{
	static struct history h;

	fill(&h, ENOSPC);
	small_disk_greedy(true);
	for (unsigned key = 0; key < RECORDS / 2; key++)
		record_del(&h, key);
	must_give(gkv_checkpoint(h.db), 0);
	history_close(&h);
	history_open(&h);
	must_give(refused(&h), ENOSPC);
	for (unsigned key = RECORDS / 2; key < RECORDS; key++)
		record_del(&h, key);
	empty(&h);
}
END_TEST

/* Deletes in a row hand disk space back, and what is handed to others is not counted on. Where puts were refused before, and
 * much was moved for them, more of what is free is in pieces too small to be handed back. */
START_TEST(what_is_deleted_is_handed_back)
{
	static struct history h;
	uint64_t before;

	fill(&h, ENOSPC);
	before = small_disk_used();
	small_disk_greedy(true);
	for (unsigned key = 0; key < RECORDS / 2; key++)
		record_del(&h, key);
	must_give(gkv_checkpoint(h.db), 0);
	must(small_disk_used() <= before * 2 / 3);
	for (unsigned key = RECORDS / 2; key < RECORDS; key++)
		record_del(&h, key);
	empty(&h);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("full disk");

	testing_add(suite, "full disk", TESTS(deletes_succeed));
	testing_add(suite, "cases",
		    TESTS(the_code_is_the_disks, room_that_comes_back_is_found, a_compacted_store_is_cleaned_up,
			  slots_without_space_fail_nothing, what_is_deleted_is_handed_back));
	return testing_main(suite);
}
