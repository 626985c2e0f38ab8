/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* place.h: where the record of a key stands.
 *
 * A record stands at its key's own position, which is the key's hash. Where another key's record stands there already,
 * it goes to the next position that is free: open addressing over all 64-bit positions.
 *
 *     next(p) = p + 0x9E3779B97F4A7C15
 *
 * The next position depends on the position alone, so all keys that come through a position go on to the same one:
 * chains may meet and cross. A record that is not at its own position is a stray. */
#ifndef GKV_KVSTORE_PLACE_H
#define GKV_KVSTORE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/arena.h"
#include "kvstore/hash.h"
#include "kvstore/kv.h"
#include "kvstore/record.h"

#define PLACE_STEP UINT64_C(0x9E3779B97F4A7C15)

static inline vpos place_next(vpos p)
{
	return (vpos){p.bits + PLACE_STEP};
}

static inline vpos place_prev(vpos p)
{
	return (vpos){p.bits - PLACE_STEP};
}

static inline bool place_same(vpos p, vpos q)
{
	return p.bits == q.bits;
}

/* What is looked at: a transaction's view or, where txn is NULL, the newest commits under a pin. */
struct view {
	arena *arena;
	arena_txn *txn;
	arena_pin pin;
};

static inline struct view view_of(arena_txn *t)
{
	return (struct view){.arena = arena_txn_arena(t), .txn = t};
}

/* Codes of arena_find. */
static inline int view_find(const struct view *view, vpos name, struct arena_blob *out)
{
	return view->txn != NULL ? arena_find(view->txn, name, out) : arena_pin_find(view->arena, name, out);
}

/* What the record at a position holds. The same codes; GKV_CORRUPT where what stands there is no record. */
static inline int view_read(const struct view *view, vpos name, struct record *out)
{
	struct arena_blob blob;
	const int rc = view_find(view, name, &blob);

	return rc == GKV_OK ? record_read(&blob, out) : rc;
}

/* The key's own position. */
static inline vpos place_home(const arena *a, const void *key, size_t key_len)
{
	return (vpos){kv_hash(key, key_len, arena_seed(a))};
}

struct place {
	vpos home;
	vpos at; /* of the record; where there is none, where it would go     */
	bool found;
	bool passed;          /* something that is not this key's stands at its home       */
	struct record record; /* when found; lasts as long as arena_find's answer          */
};

/* GKV_OK, GKV_NOTFOUND (and where a new record would go), GKV_CORRUPT.
 *
 * Under a pin, commits may change the chain between two steps. GKV_OK then holds all the same; so does GKV_NOTFOUND
 * unless `passed` is set. */
int place_find(const struct view *view, const struct kv_key *key, struct place *out);
/* The same with the home known. */
int place_find_from(const struct view *view, const struct kv_key *key, vpos home, struct place *out);

/* The rest belongs to a write transaction, after place_find with the same key in it.
 *
 * place_put writes the record, or replaces it: *value is where its value_size bytes go. place_remove deletes the record
 * that was found. Codes of arena_put; what fails leaves every record as it was. */
int place_put(arena_txn *t, struct place *place, const struct kv_key *key, size_t value_size, void **value);
int place_remove(arena_txn *t, const struct place *place);

#endif
