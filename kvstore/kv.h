/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* kv.h: what the files of kvstore/ share: limits, the checks of arguments, and what the public handles are.
 *
 * A gkv is the arena itself and a gkv_txn the arena's transaction: keys and values need no state of their own. The
 * handles are cast here and nowhere else. */
#ifndef GKV_KVSTORE_KV_H
#define GKV_KVSTORE_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/arena.h"
#include "kvstore/gkv.h"

#define KV_KEY_MAX   ((size_t)65535)
#define KV_VALUE_MAX UINT64_C(4000000000)

/* The arena's codes and flags go through unchanged. */
_Static_assert((int)GKV_OK == (int)GRAVITY_OK && (int)GKV_NOTFOUND == (int)GRAVITY_NOTFOUND, "codes differ");
_Static_assert((int)GKV_EXISTS == (int)GRAVITY_EXISTS && (int)GKV_BUSY == (int)GRAVITY_BUSY, "codes differ");
_Static_assert((int)GKV_FULL == (int)GRAVITY_FULL && (int)GKV_TOOBIG == (int)GRAVITY_TOOBIG, "codes differ");
_Static_assert((int)GKV_CORRUPT == (int)GRAVITY_CORRUPT && (int)GKV_NOTASTORE == (int)GRAVITY_NOTASTORE,
	       "codes differ");
_Static_assert((int)GKV_BADVERSION == (int)GRAVITY_BADVERSION && (int)GKV_READONLY == (int)GRAVITY_READONLY,
	       "codes differ");
_Static_assert((int)GKV_INVALID == (int)GRAVITY_INVALID && (int)GKV_SHORTBUF == (int)GRAVITY_SHORTBUF, "codes differ");
_Static_assert((int)GKV_FAILED == (int)GRAVITY_FAILED && (int)GKV_READERS == (int)GRAVITY_READERS, "codes differ");
_Static_assert(GKV_RDONLY == GRAVITY_RDONLY && GKV_NOCREATE == GRAVITY_NOCREATE, "flags differ");
_Static_assert(GKV_NOVERIFY == GRAVITY_NOVERIFY, "flags differ");
_Static_assert((unsigned)GKV_DURABLE == GRAVITY_DURABLE && (unsigned)GKV_LAZY == GRAVITY_LAZY, "durabilities differ");
_Static_assert(GKV_READ == ARENA_READ && GKV_WRITE == ARENA_WRITE && GKV_NOWAIT == ARENA_NOWAIT, "flags differ");
_Static_assert(GKV_LAZY_COMMIT == ARENA_LAZY_COMMIT && GKV_DURABLE_COMMIT == ARENA_DURABLE_COMMIT, "flags differ");
_Static_assert((int)GKV_LAYOUT_HEADER == (int)ARENA_LAYOUT_HEADER && (int)GKV_LAYOUT_TABLE == (int)ARENA_LAYOUT_TABLE,
	       "kinds of the layout differ");
_Static_assert((int)GKV_LAYOUT_RECORD == (int)ARENA_LAYOUT_RECORD && (int)GKV_LAYOUT_LIST == (int)ARENA_LAYOUT_LIST,
	       "kinds of the layout differ");
_Static_assert((int)GKV_LAYOUT_HELD == (int)ARENA_LAYOUT_HELD && (int)GKV_LAYOUT_FREE == (int)ARENA_LAYOUT_FREE,
	       "kinds of the layout differ");
_Static_assert((int)GKV_LAYOUT_WINDOW == (int)ARENA_LAYOUT_WINDOW, "kinds of the layout differ");
_Static_assert(KV_VALUE_MAX + KV_KEY_MAX <= ARENA_BLOB_MAX, "the longest record does not fit a blob");

static inline arena *kv_arena(gkv *db)
{
	return (arena *)db;
}

static inline gkv *kv_handle(arena *a)
{
	return (gkv *)a;
}

static inline arena_txn *kv_arena_txn(gkv_txn *txn)
{
	return (arena_txn *)txn;
}

static inline gkv_txn *kv_txn_handle(arena_txn *t)
{
	return (gkv_txn *)t;
}

/* A key whose limits were checked. */
struct kv_key {
	const void *data;
	size_t len;
};

/* Lengths come first, so that the answer to a call that can never succeed does not depend on the rest of it. Bytes may
 * be NULL when there are none. */
static inline int kv_check_key(const void *key, size_t key_len)
{
	if (key_len > KV_KEY_MAX)
		return GKV_TOOBIG;
	return key == NULL && key_len != 0 ? GKV_INVALID : GKV_OK;
}

static inline int kv_check_record(const void *key, size_t key_len, const void *value, size_t value_size)
{
	if (key_len > KV_KEY_MAX || value_size > KV_VALUE_MAX)
		return GKV_TOOBIG;
	if (key == NULL && key_len != 0)
		return GKV_INVALID;
	return value == NULL && value_size != 0 ? GKV_INVALID : GKV_OK;
}

/* gkv_open with a choice of who picks what is compacted when a put finds no slot (plan.c of the arena). Not public: it is
 * there so that planners can be compared. */
int kv_open(const char *path, const gkv_options *opt, enum gravity_planner planner, gkv **db);

#endif
