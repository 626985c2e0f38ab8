/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_model.c: many random operations on a store and on a plain table, which must agree all the time.
 *
 * The table has a version and a size for each key; the value follows from key, version and size. A snapshot that is
 * held keeps a copy of the table. Everything is compared every few hundred operations, and the arena's own structures
 * are checked.
 *
 * The files are real, and their flushes are not: a store that is full flushes several times before it says so, which is
 * nearly all the time that the suite takes on a disk, and no power is cut here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/arena.h"
#include "kvstore/kv.h"
#include "tests/testing.h"
#include "tests/unflushed.h"

#define KEYS_MOST   600u
#define HELD_MOST   4u
#define VALUE_MOST  (16 * KIB)
#define VALUE_LARGE (20 * KIB)

struct table {
	uint64_t version[KEYS_MOST]; /* 0: absent */
	uint32_t size[KEYS_MOST];
};

struct held {
	gkv_txn *txn;
	struct table table;
	uint64_t until; /* operation */
};

struct world {
	gkv *db;
	const char *path;
	gkv_options options;
	unsigned keys;
	struct rng rng;
	uint64_t version, operation, end, committed, aborted, full, reopened;
	uint64_t written; /* bytes that the open transaction has put */
	struct table table;
	struct held held[HELD_MOST];
	unsigned char *value, *got;
};

/* --- keys and values ---------------------------------------------------------------------------------------------- */

/* Key 0 is empty and key 1 as long as keys may be; the others have 4 to 67 bytes. */
static size_t key_make(unsigned key, unsigned char *out)
{
	struct rng rng = {key};
	const size_t len = key == 0 ? 0 : key == 1 ? 65535 : 4 + (size_t)rng_below(&rng, 64);

	rng_fill(&rng, out, len);
	if (key > 1)
		memcpy(out, &key, sizeof(key));
	return len;
}

static const unsigned char *key_bytes(unsigned key, size_t *len)
{
	static unsigned char cache[KEYS_MOST][68], longest[65535];
	static size_t length[KEYS_MOST];
	static bool made[KEYS_MOST];

	must(key < KEYS_MOST);
	if (!made[key])
		length[key] = key_make(key, key == 1 ? longest : cache[key]);
	made[key] = true;
	*len = length[key];
	return key == 1 ? longest : cache[key];
}

static unsigned key_number(gkv_bytes key)
{
	unsigned number;
	size_t len;
	const unsigned char *bytes;

	if (key.size == 0 || key.size == 65535)
		return key.size != 0;
	must(key.size >= sizeof(number));
	memcpy(&number, key.data, sizeof(number));
	bytes = key_bytes(number, &len);
	must(len == key.size && memcmp(bytes, key.data, len) == 0);
	return number;
}

static uint64_t value_number(unsigned key, uint64_t version)
{
	return version << 10 | key;
}

static bool value_is(const struct table *t, unsigned key, const void *data, size_t size)
{
	return t->version[key] != 0 && size == t->size[key] &&
	       bytes_fit(data, size, value_number(key, t->version[key]));
}

/* --- comparing ---------------------------------------------------------------------------------------------------- */

static void view_compare(const struct world *w, gkv_txn *txn, const struct table *t)
{
	bool seen[KEYS_MOST] = {false};
	gkv_bytes key, val;
	unsigned k;
	gkv_iter *it;
	int rc;

	must_give(gkv_iter_open(txn, &it), GKV_OK);
	while ((rc = gkv_iter_next(it, &key, &val)) == GKV_OK) {
		k = key_number(key);
		must(k < w->keys && !seen[k] && value_is(t, k, val.data, val.size));
		seen[k] = true;
	}
	must_give(rc, GKV_NOTFOUND);
	gkv_iter_close(it);
	for (k = 0; k < w->keys; k++)
		must(seen[k] == (t->version[k] != 0));
}

static void view_get_compare(const struct world *w, gkv_txn *txn, const struct table *t)
{
	gkv_bytes keys[KEYS_MOST], vals[KEYS_MOST];
	int codes[KEYS_MOST];
	unsigned k;

	for (k = 0; k < w->keys; k++)
		keys[k].data = key_bytes(k, &keys[k].size);
	must_give(gkv_txn_get_many(txn, w->keys, keys, vals, codes), GKV_OK);
	for (k = 0; k < w->keys; k++) {
		must_give(codes[k], t->version[k] != 0 ? GKV_OK : GKV_NOTFOUND);
		must(codes[k] != GKV_OK || value_is(t, k, vals[k].data, vals[k].size));
	}
}

static uint64_t table_count(const struct table *t)
{
	uint64_t count = 0;
	unsigned k;

	for (k = 0; k < KEYS_MOST; k++)
		count += t->version[k] != 0;
	return count;
}

static int finding_print(void *arg, const char *finding)
{
	const struct world *w = arg;

	(void)fprintf(stderr, "operation %" PRIu64 ": %s\n", w->operation, finding);
	return 0;
}

static void world_compare(struct world *w)
{
	gkv_txn *txn = store_begin(w->db, rng_below(&w->rng, 4) == 0 ? GKV_WRITE : GKV_READ);

	view_compare(w, txn, &w->table);
	view_get_compare(w, txn, &w->table);
	gkv_abort(txn);
	must(store_records(w->db) == table_count(&w->table));
	if (rng_below(&w->rng, 4) == 0)
		must_give(arena_check_live(kv_arena(w->db), finding_print, w), GKV_OK);
}

static void held_end(struct world *w, struct held *h)
{
	view_compare(w, h->txn, &h->table);
	view_get_compare(w, h->txn, &h->table);
	store_commit(h->txn);
	h->txn = NULL;
}

static bool held_end_all(struct world *w)
{
	bool any = false;
	unsigned i;

	for (i = 0; i < HELD_MOST; i++) {
		if (w->held[i].txn == NULL)
			continue;
		held_end(w, &w->held[i]);
		any = true;
	}
	return any;
}

/* --- operations --------------------------------------------------------------------------------------------------- */

static size_t size_choose(struct world *w)
{
	if (rng_below(&w->rng, 2000) == 0 && w->options.max_bytes == 0)
		return MIB;
	return (size_t)rng_size(&w->rng, VALUE_MOST);
}

/* What an operation did to the table, where the store said that it did. */
static void table_put(struct table *t, unsigned key, uint64_t version, size_t size)
{
	t->version[key] = version;
	t->size[key] = (uint32_t)size;
}

/* True when the store's answer is that it is full, which it may say where it has a limit. */
static bool is_full(struct world *w, int rc)
{
	if (rc != GKV_FULL || w->options.max_bytes == 0)
		return false;
	w->full++;
	return true;
}

/* Bytes of the limit that neither lives nor was freed and is still held, nor is taken by the open transaction: what it has
 * written, and the copies of pages that its commit makes. */
static uint64_t unused(const struct world *w)
{
	const gkv_stats stats = store_stat(w->db);
	const uint64_t copies = w->written > 0 ? stats.table_pages * UINT64_C(4096) : 0;
	const uint64_t used = stats.live_bytes + stats.pending_bytes + w->written + copies;

	return used < w->options.max_bytes ? w->options.max_bytes - used : 0;
}

static bool any_held(const struct world *w)
{
	bool any = false;

	for (unsigned i = 0; i < HELD_MOST; i++)
		any = any || w->held[i].txn != NULL;
	return any;
}

/* Of a put, which leaves a reserve: copies of pages, a free list, and room to move things through. A large value wants a slot
 * of its size besides, which is not made while snapshots, or the transaction itself, are in the way. */
static bool put_is_full(struct world *w, int rc, size_t size)
{
	const uint64_t limit = w->options.max_bytes;

	if (!is_full(w, rc))
		return false;
	must(unused(w) <= size + (size > VALUE_LARGE ? limit / 3 * 2 : limit / 4 + 80 * KIB));
	return true;
}

/* Of what may use the reserve: only snapshots keep the space that it needs. */
static bool held_is_full(struct world *w, int rc)
{
	if (!is_full(w, rc))
		return false;
	must(any_held(w) && unused(w) <= w->options.max_bytes / 5);
	return true;
}

static void single_write(struct world *w, unsigned k, bool add)
{
	const size_t size = size_choose(w);
	size_t len;
	const unsigned char *key = key_bytes(k, &len);
	int rc;

	bytes_make(w->value, size, value_number(k, ++w->version));
	rc = add ? gkv_add(w->db, key, len, w->value, size) : gkv_put(w->db, key, len, w->value, size);
	if (put_is_full(w, rc, len + size))
		return;
	if (add && w->table.version[k] != 0) {
		must_give(rc, GKV_EXISTS);
		return;
	}
	must_give(rc, GKV_OK);
	table_put(&w->table, k, w->version, size);
}

static void single_operation(struct world *w)
{
	const unsigned k = (unsigned)rng_below(&w->rng, w->keys);
	const uint64_t what = rng_below(&w->rng, 100);
	size_t len, size;
	const unsigned char *key = key_bytes(k, &len);

	w->operation++;
	if (what < 60) {
		single_write(w, k, what >= 50);
	} else if (what < 80) {
		int rc = gkv_del(w->db, key, len);

		/* Snapshots may keep all the space that there is; nothing else may. */
		if (held_is_full(w, rc) && held_end_all(w))
			rc = gkv_del(w->db, key, len);
		must_give(rc, w->table.version[k] != 0 ? GKV_OK : GKV_NOTFOUND);
		w->table.version[k] = 0;
	} else {
		const int rc = gkv_get(w->db, key, len, w->got, MIB, &size);

		must_give(rc, w->table.version[k] != 0 ? GKV_OK : GKV_NOTFOUND);
		must(rc != GKV_OK || value_is(&w->table, k, w->got, size));
	}
}

static void txn_write(struct world *w, gkv_txn *txn, struct table *t, unsigned k)
{
	const uint64_t what = rng_below(&w->rng, 3);
	const size_t size = size_choose(w);
	size_t len;
	const unsigned char *key = key_bytes(k, &len);
	void *room;
	int rc;

	bytes_make(w->value, size, value_number(k, ++w->version));
	if (what == 0)
		rc = gkv_txn_put(txn, key, len, w->value, size);
	else if (what == 1)
		rc = gkv_txn_add(txn, key, len, w->value, size);
	else
		rc = gkv_txn_reserve(txn, key, len, size, &room);
	if (put_is_full(w, rc, len + size))
		return;
	if (what == 1 && t->version[k] != 0) {
		must_give(rc, GKV_EXISTS);
		return;
	}
	must_give(rc, GKV_OK);
	w->written += len + size;
	if (what == 2)
		memcpy(room, w->value, size);
	table_put(t, k, w->version, size);
}

static void txn_operation(struct world *w, gkv_txn *txn, struct table *t)
{
	const unsigned k = (unsigned)rng_below(&w->rng, w->keys);
	const uint64_t what = rng_below(&w->rng, 100);
	size_t len;
	const unsigned char *key = key_bytes(k, &len);
	gkv_bytes val;
	int rc;

	w->operation++;
	if (what < 60) {
		txn_write(w, txn, t, k);
	} else if (what < 80) {
		rc = gkv_txn_del(txn, key, len);
		if (held_is_full(w, rc))
			return;
		must_give(rc, t->version[k] != 0 ? GKV_OK : GKV_NOTFOUND);
		t->version[k] = 0;
	} else {
		rc = gkv_txn_get(txn, key, len, &val);
		must_give(rc, t->version[k] != 0 ? GKV_OK : GKV_NOTFOUND);
		must(rc != GKV_OK || value_is(t, k, val.data, val.size));
	}
}

static void transaction(struct world *w)
{
	static struct table t;
	gkv_txn *txn = store_begin(w->db, GKV_WRITE);
	uint64_t left = 1 + rng_size(&w->rng, 60);
	bool full;
	int rc;

	t = w->table;
	w->written = 0;
	for (; left > 0; left--)
		txn_operation(w, txn, &t);
	if (rng_below(&w->rng, 20) == 0)
		view_compare(w, txn, &t);
	if (rng_below(&w->rng, 4) == 0) {
		gkv_abort(txn);
		w->written = 0;
		w->aborted++;
		return;
	}
	rc = gkv_commit(txn);
	/* A commit that was refused has given back what it had put, and found no place beside it. */
	full = held_is_full(w, rc);
	w->written = 0;
	if (full)
		return;
	must_give(rc, GKV_OK);
	w->table = t;
	w->committed++;
}

/* --- the rest of a store's life ----------------------------------------------------------------------------------- */

static void held_step(struct world *w)
{
	struct held *h = &w->held[rng_below(&w->rng, HELD_MOST)];

	if (h->txn == NULL) {
		h->txn = store_begin(w->db, GKV_READ);
		h->table = w->table;
		h->until = w->operation + rng_size(&w->rng, 4000);
	} else if (w->operation >= h->until) {
		held_end(w, h);
	}
}

static void world_open(struct world *w)
{
	must_give(gkv_open(w->path, &w->options, &w->db), GKV_OK);
}

static void world_reopen(struct world *w)
{
	(void)held_end_all(w);
	if (w->path == NULL)
		return;
	store_close(w->db);
	if (rng_below(&w->rng, 3) == 0)
		store_check(w->path);
	world_open(w);
	world_compare(w);
	w->reopened++;
}

/* Snapshots may keep all the space that there is, or stop a compaction; nothing else may. */
static void care(struct world *w, bool checkpoint)
{
	int rc = checkpoint ? gkv_checkpoint(w->db) : gkv_compact(w->db, NULL, NULL);

	if ((rc == GKV_BUSY ? !checkpoint : is_full(w, rc)) && held_end_all(w))
		rc = checkpoint ? gkv_checkpoint(w->db) : gkv_compact(w->db, NULL, NULL);
	must_give(rc, GKV_OK);
}

static void world_step(struct world *w)
{
	const uint64_t what = rng_below(&w->rng, 10000);

	if (what < 9000)
		single_operation(w);
	else if (what < 9900)
		transaction(w);
	else if (what < 9980)
		held_step(w);
	else if (what < 9990)
		care(w, what < 9986);
	else if (what < 9996)
		must_give(gkv_sync(w->db), GKV_OK);
	else
		world_reopen(w);
}

static void world_run(unsigned keys, uint64_t operations, const char *path, uint64_t max_bytes, uint64_t stream)
{
	static struct world w;
	uint64_t next = 0;

	w = (struct world){.path = path, .keys = keys, .rng = rng_make(stream), .end = operations};
	w.options = (gkv_options){.durability = GKV_LAZY, .max_bytes = max_bytes};
	w.value = malloc(MIB);
	w.got = malloc(MIB);
	must(w.value != NULL && w.got != NULL);
	world_open(&w);
	while (w.operation < w.end) {
		world_step(&w);
		if (w.operation >= next) {
			world_compare(&w);
			next = w.operation + 400;
		}
	}
	(void)held_end_all(&w);
	world_compare(&w);
	printf("%" PRIu64 " operations, %" PRIu64 " commits, %" PRIu64 " aborts, %" PRIu64 " times full, %" PRIu64
	       " times reopened, %" PRIu64 " bytes of %" PRIu64 " live\n",
	       w.operation, w.committed, w.aborted, w.full, w.reopened, store_stat(w.db).file_bytes,
	       store_stat(w.db).live_bytes);
	store_close(w.db);
	if (path != NULL)
		store_check(path);
	(void)fflush(stdout);
	free(w.value);
	free(w.got);
}

/* A store and a table agree through two hundred thousand random operations. */
START_TEST(a_store_is_a_table)
{
	world_run(testing_few() ? 60 : KEYS_MOST, testing_count(testing_few() ? 20000 : 200000, 2000), testing_path, 0,
		  10);
}
END_TEST

/* So they do in a store that is full much of the time: what was refused changed nothing, and a delete is refused only
 * while snapshots keep the space. */
START_TEST(a_full_store_is_a_table)
{
	world_run(testing_few() ? 150 : KEYS_MOST, testing_count(testing_few() ? 10000 : 40000, 2000), testing_path,
		  testing_few() ? 256 * KIB : MIB, 11);
}
END_TEST

/* So they do in memory. */
START_TEST(a_store_in_memory_is_a_table)
{
	world_run(testing_few() ? 60 : KEYS_MOST, testing_count(testing_few() ? 10000 : 40000, 2000), NULL, 0, 12);
}
END_TEST

/* Fills a store until it refuses, and deletes the oldest third, round after round; then all. */
static void fill_and_empty(const char *path, uint64_t max_bytes, size_t size)
{
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = max_bytes};
	unsigned char value[1000] = {0};
	uint64_t first = 0, end = 0, filled = 0;
	gkv *db;
	int rc;

	must(size <= sizeof(value));
	must_give(gkv_open(path, &options, &db), GKV_OK);
	for (uint64_t round = 0; round < testing_count(6, 2); round++) {
		while ((rc = gkv_put(db, &end, sizeof(end), value, size)) == GKV_OK)
			end++;
		must_give(rc, GKV_FULL);
		filled = round == 0 ? end : filled;
		/* A store of so few pages holds now more and now less: 3 of 4 records are the fewest in a thousand runs. */
		must(end - first >= filled / 10 * 7);
		while (first < end - filled / 3)
			must_give(gkv_del(db, &(uint64_t){first++}, sizeof(first)), GKV_OK);
	}
	while (first < end)
		must_give(gkv_del(db, &(uint64_t){first++}, sizeof(first)), GKV_OK);
	must(store_stat(db).records == 0 && store_stat(db).file_bytes <= max_bytes);
	store_close(db);
	store_check(path);
	must(unlink(path) == 0);
}

/* A delete is never refused in a full store, however small its records are: each of them copies a page of the table. */
START_TEST(a_full_store_takes_deletes)
{
	static const uint64_t limits[] = {128 * KIB, 256 * KIB, MIB};
	static const size_t sizes[] = {16, 100, 500, 1000};

	for (unsigned i = 0; i < (testing_few() ? 1 : sizeof(limits) / sizeof(limits[0])); i++)
		for (unsigned k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++)
			fill_and_empty(testing_path, limits[i], sizes[k]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("model");

	(void)unflushed_set();
	testing_add_both(suite, "model",
			 TESTS(a_store_is_a_table, a_full_store_is_a_table, a_store_in_memory_is_a_table,
			       a_full_store_takes_deletes));
	return testing_main(suite);
}
