/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* iter.c: a walk over the records of a transaction's view.
 *
 * The arena walks over blobs, each position at most once. In a snapshot that is all there is to it. In a write
 * transaction a key that is deleted and put again meanwhile may come to stand at another position, if it collides with
 * others; so records are shown not where they stand but at their home, which stays the same:
 *
 *  1. A record is shown when the walk comes to its home, and then only.
 *  2. The home of a record that is there all the time is taken all the time (place.c, 1), so the walk comes to it.
 *  3. At a home that a stray may have passed, the keys that live there are noted first and looked up one by one after
 *     that, each of them once, whatever becomes of their records in between.
 *
 * Cost per record: in a snapshot none; in a write transaction a hash of the key and a look-up for the stray list, which
 * hardly any store has. Memory: a few words, and the keys of one home where they collide. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "kvstore/kv.h"
#include "kvstore/place.h"
#include "kvstore/record.h"
#include "kvstore/stray.h"

struct gkv_iter {
	struct view view;
	arena_walk *walk;
	const struct os *os;
	bool writes;
	bool ended;
	/* Keys of the home that the walk came to last, each after its length in a size_t; those up to `shown` are done. */
	unsigned char *keys;
	size_t shown, used, capacity;
};

int gkv_iter_open(gkv_txn *txn, gkv_iter **it)
{
	const struct os *os;
	arena_txn *t;
	gkv_iter *made;
	int rc;

	if (it == NULL)
		return GKV_INVALID;
	*it = NULL;
	t = kv_arena_txn(txn);
	rc = arena_txn_usable(t);
	if (rc != GKV_OK)
		return rc;
	os = arena_os(arena_txn_arena(t));
	made = os->alloc(os, NULL, sizeof(*made));
	if (made == NULL)
		return ENOMEM;
	*made = (gkv_iter){.view = view_of(t), .os = os, .writes = arena_txn_writes(t)};
	rc = arena_walk_open(t, &made->walk);
	if (rc != GKV_OK) {
		os->free(os, made);
		return rc;
	}
	arena_shown(t, NULL);
	*it = made;
	return GKV_OK;
}

void gkv_iter_close(gkv_iter *it)
{
	const struct os *os;

	if (it == NULL)
		return;
	os = it->os;
	arena_walk_close(it->walk);
	os->free(os, it->keys);
	os->free(os, it);
}

static int keys_add(gkv_iter *it, const struct record *record)
{
	const size_t more = sizeof(record->key_len) + record->key_len;
	unsigned char *grown;

	if (it->capacity - it->used < more) {
		const size_t capacity = 2 * it->capacity + more;

		grown = it->os->alloc(it->os, it->keys, capacity);
		if (grown == NULL)
			return ENOMEM;
		it->keys = grown;
		it->capacity = capacity;
	}
	memcpy(it->keys + it->used, &record->key_len, sizeof(record->key_len));
	if (record->key_len != 0)
		memcpy(it->keys + it->used + sizeof(record->key_len), record->key, record->key_len);
	it->used += more;
	return GKV_OK;
}

static bool record_lives_at(const gkv_iter *it, const struct record *record, vpos home)
{
	return record->kind == RECORD_VALUE &&
	       place_same(place_home(it->view.arena, record->key, record->key_len), home);
}

/* Notes the keys whose home that is. */
static int keys_collect(gkv_iter *it, vpos home)
{
	struct record record;
	vpos at = home;
	int rc;

	assert(it->shown == it->used);
	it->shown = it->used = 0;
	for (; (rc = view_read(&it->view, at, &record)) == GKV_OK; at = place_next(at)) {
		if (record_lives_at(it, &record, home))
			rc = keys_add(it, &record);
		if (rc != GKV_OK)
			return rc;
	}
	return rc == GKV_NOTFOUND ? GKV_OK : rc;
}

/* The next of the noted keys that is still there; GKV_NOTFOUND after the last. */
static int keys_next(gkv_iter *it, struct record *out)
{
	while (it->shown < it->used) {
		struct kv_key key;
		struct place place;
		int rc;

		memcpy(&key.len, it->keys + it->shown, sizeof(key.len));
		key.data = it->keys + it->shown + sizeof(key.len);
		it->shown += sizeof(key.len) + key.len;
		rc = place_find(&it->view, &key, &place);
		if (rc == GKV_OK)
			*out = place.record;
		if (rc != GKV_NOTFOUND)
			return rc;
	}
	return GKV_NOTFOUND;
}

/* In a write transaction: what is shown at the position that the walk came to. GKV_NOTFOUND: nothing. */
static int home_show(gkv_iter *it, vpos at, const struct arena_blob *blob, struct record *out)
{
	struct stray_list list;
	int rc;

	rc = stray_read(&it->view, &list);
	if (rc != GKV_OK)
		return rc;
	if (stray_has(&list, at)) {
		rc = keys_collect(it, at);
		return rc == GKV_OK ? keys_next(it, out) : rc;
	}
	rc = record_read(blob, out);
	if (rc == GKV_OK && !record_lives_at(it, out, at))
		rc = GKV_NOTFOUND;
	return rc;
}

/* The next blob of the walk. */
static inline int blob_next(gkv_iter *it, vpos *at, struct arena_blob *blob)
{
	const int rc = arena_walk_next(it->walk, at, blob);

	it->ended = rc == GKV_NOTFOUND;
	return rc;
}

static int step_written(gkv_iter *it, struct record *out)
{
	struct arena_blob blob;
	vpos at;
	int rc;

	rc = keys_next(it, out);
	while (rc == GKV_NOTFOUND) {
		rc = blob_next(it, &at, &blob);
		if (rc != GKV_OK)
			break;
		rc = home_show(it, at, &blob, out);
	}
	return rc;
}

static inline int step_read(gkv_iter *it, struct record *out)
{
	struct arena_blob blob;
	vpos at;
	int rc;

	do {
		rc = blob_next(it, &at, &blob);
		if (rc == GKV_OK)
			rc = record_read(&blob, out);
	} while (rc == GKV_OK && out->kind != RECORD_VALUE);
	return rc;
}

int gkv_iter_next(gkv_iter *it, gkv_bytes *key, gkv_bytes *val)
{
	struct record record;
	int rc;

	if (key != NULL)
		*key = (gkv_bytes){NULL, 0};
	if (val != NULL)
		*val = (gkv_bytes){NULL, 0};
	if (it == NULL)
		return GKV_INVALID;
	rc = it->writes ? arena_txn_usable(it->view.txn) : GKV_OK;
	if (rc == GKV_OK && it->ended)
		rc = GKV_NOTFOUND;
	if (rc == GKV_OK)
		rc = it->writes ? step_written(it, &record) : step_read(it, &record);
	if (rc != GKV_OK)
		return rc;
	if (key != NULL)
		*key = (gkv_bytes){record.key, record.key_len};
	if (val != NULL)
		*val = (gkv_bytes){record.value, record.value_size};
	return GKV_OK;
}
