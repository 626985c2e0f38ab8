/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* txn.c: transactions over keys: what a view shows, and what a write transaction changes.
 *
 * A gkv_txn is the arena's transaction; its rules (one writer, read your own writes, abort) are the arena's. This file
 * checks the call, turns the key into a place and moves bytes.
 *
 * Cost: gkv_txn_get is a hash, one look-up and one comparison of the key. gkv_txn_get_many looks up BATCH keys at a
 * time, so that their waits for memory overlap; a put is a get and a copy. */
#include <assert.h>
#include <string.h>

#include "arena/read/get.h"
#include "kvstore/kv.h"
#include "kvstore/place.h"
#include "kvstore/record.h"

#define BATCH ((size_t)64)

int gkv_begin(gkv *db, unsigned flags, gkv_txn **txn)
{
	arena_txn *t = NULL;
	int rc;

	if (txn == NULL)
		return GKV_INVALID;
	*txn = NULL;
	if (db == NULL)
		return GKV_INVALID;
	rc = arena_begin(kv_arena(db), flags, &t);
	if (rc == GKV_OK)
		*txn = kv_txn_handle(t);
	return rc;
}

int gkv_commit(gkv_txn *txn)
{
	return arena_commit(kv_arena_txn(txn));
}

void gkv_abort(gkv_txn *txn)
{
	arena_abort(kv_arena_txn(txn));
}

/* Finds the key to write or delete it: codes of place_find, or why the transaction may not. */
static int txn_find(arena_txn *t, const struct kv_key *key, struct place *place)
{
	const int rc = arena_txn_usable(t);
	struct view view;

	if (rc != GKV_OK)
		return rc;
	if (!arena_txn_writes(t))
		return GKV_READONLY;
	view = view_of(t);
	return place_find(&view, key, place);
}

/* Where something else than the key's record stands at its home: on from there. */
static int away_take(const struct view *view, const struct kv_key *key, vpos home, gkv_bytes *val)
{
	struct place place;
	const int rc = place_find_from(view, key, home, &place);

	if (rc == GKV_OK)
		*val = (gkv_bytes){.data = place.record.value, .size = place.record.value_size};
	return rc;
}

int gkv_txn_get(gkv_txn *txn, const void *key, size_t klen, gkv_bytes *val)
{
	const struct kv_key k = {key, klen};
	arena_txn *t = kv_arena_txn(txn);
	struct arena_blob blob;
	vpos home;
	int rc;

	if (val == NULL)
		return GKV_INVALID;
	*val = (gkv_bytes){NULL, 0};
	rc = kv_check_key(key, klen);
	if (rc != GKV_OK || txn == NULL)
		return rc != GKV_OK ? rc : GKV_INVALID;
	/* What almost every key comes to: its record stands at its home, or nothing does. */
	home = (vpos){kv_hash(key, klen, txn_arena(t)->hash_seed)};
	rc = get_by_txn(t, home, &blob);
	if (rc == GKV_OK && !record_is_of(&blob, &k, val)) {
		const struct view view = view_of(t);
		rc = away_take(&view, &k, home, val);
	}
	if (rc == GKV_OK && arena_txn_writes(t))
		arena_shown(t, val->data);
	return rc;
}

static int batch_get(const struct view *view, size_t n, const gkv_bytes *keys, gkv_bytes *vals, int *codes)
{
	struct arena_blob blob[BATCH];
	vpos home[BATCH];
	size_t i;
	int rc;

	assert(n <= BATCH);
	/* A key that is no key is looked up at position 0, and its answer thrown away: the batch stays dense. */
	for (i = 0; i < n; i++) {
		home[i] = (vpos){0};
		if (kv_check_key(keys[i].data, keys[i].size) == GKV_OK)
			home[i] = place_home(view->arena, keys[i].data, keys[i].size);
	}
	rc = arena_find_many(view->txn, n, home, blob, codes);
	if (rc != GKV_OK)
		return rc;
	for (i = 0; i < n; i++) {
		rc = kv_check_key(keys[i].data, keys[i].size);
		if (rc != GKV_OK)
			codes[i] = rc;
		const struct kv_key k = {keys[i].data, keys[i].size};
		if (codes[i] == GKV_OK && !record_is_of(&blob[i], &k, &vals[i]))
			codes[i] = away_take(view, &k, home[i], &vals[i]);
	}
	return GKV_OK;
}

int gkv_txn_get_many(gkv_txn *txn, size_t n, const gkv_bytes *keys, gkv_bytes *vals, int *codes)
{
	struct view view;
	size_t i, part;
	int rc;

	if (n != 0 && (keys == NULL || vals == NULL || codes == NULL))
		return GKV_INVALID;
	for (i = 0; i < n; i++)
		vals[i] = (gkv_bytes){NULL, 0};
	rc = arena_txn_usable(kv_arena_txn(txn));
	if (rc == GKV_OK)
		view = view_of(kv_arena_txn(txn));
	for (i = 0; i < n && rc == GKV_OK; i += part) {
		part = n - i < BATCH ? n - i : BATCH;
		rc = batch_get(&view, part, keys + i, vals + i, codes + i);
	}
	for (i = 0; i < n && rc == GKV_OK && arena_txn_writes(view.txn); i++)
		if (codes[i] == GKV_OK)
			arena_shown(view.txn, vals[i].data);
	for (i = 0; i < n && rc != GKV_OK; i++) {
		vals[i] = (gkv_bytes){NULL, 0};
		codes[i] = rc;
	}
	return rc;
}

/* The record of the key, with room for its value at *data. */
static int txn_write(gkv_txn *txn, const struct kv_key *key, size_t value_size, bool only_new, void **data)
{
	arena_txn *t = kv_arena_txn(txn);
	struct place place;
	const int rc = txn_find(t, key, &place);

	if (rc == GKV_OK && only_new)
		return GKV_EXISTS;
	if (rc != GKV_OK && rc != GKV_NOTFOUND)
		return rc;
	return place_put(t, &place, key, value_size, data);
}

static int txn_store(gkv_txn *txn, const void *key, size_t klen, const void *val, size_t vlen, bool only_new)
{
	const struct kv_key k = {key, klen};
	void *data;
	int rc;

	rc = kv_check_record(key, klen, val, vlen);
	if (rc != GKV_OK)
		return rc;
	rc = txn_write(txn, &k, vlen, only_new, &data);
	if (rc == GKV_OK && vlen != 0)
		arena_copy_in(kv_arena_txn(txn), data, val, vlen);
	return rc;
}

int gkv_txn_put(gkv_txn *txn, const void *key, size_t klen, const void *val, size_t vlen)
{
	return txn_store(txn, key, klen, val, vlen, false);
}

int gkv_txn_add(gkv_txn *txn, const void *key, size_t klen, const void *val, size_t vlen)
{
	return txn_store(txn, key, klen, val, vlen, true);
}

int gkv_txn_reserve(gkv_txn *txn, const void *key, size_t klen, size_t vlen, void **val)
{
	const struct kv_key k = {key, klen};
	void *data;
	int rc;

	if (val == NULL)
		return GKV_INVALID;
	*val = NULL;
	rc = vlen > KV_VALUE_MAX ? GKV_TOOBIG : kv_check_key(key, klen);
	if (rc != GKV_OK)
		return rc;
	rc = txn_write(txn, &k, vlen, false, &data);
	if (rc != GKV_OK)
		return rc;
	memset(data, 0, vlen);
	*val = data;
	return GKV_OK;
}

int gkv_txn_del(gkv_txn *txn, const void *key, size_t klen)
{
	const struct kv_key k = {key, klen};
	arena_txn *t = kv_arena_txn(txn);
	struct place place;
	int rc;

	rc = kv_check_key(key, klen);
	if (rc == GKV_OK)
		rc = txn_find(t, &k, &place);
	return rc == GKV_OK ? place_remove(t, &place) : rc;
}
