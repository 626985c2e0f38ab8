/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* records.h: a set of keys and values in plain memory, to compare a store with. */
#ifndef GKV_TESTS_FUZZ_RECORDS_H
#define GKV_TESTS_FUZZ_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvstore/gkv.h"

#define RECORDS_BUCKETS 1024u

struct pair {
	uint8_t *key, *val; /* one allocation, at key */
	size_t key_len, val_len;
	struct pair *next;
};

struct records {
	struct pair *bucket[RECORDS_BUCKETS];
	size_t count;
};

/* Zeroed is empty. */
void records_release(struct records *r);
/* Replaces the value that is there; true: there was one. */
bool records_set(struct records *r, gkv_bytes key, gkv_bytes val);
bool records_del(struct records *r, gkv_bytes key);
const struct pair *records_find(const struct records *r, gkv_bytes key);
/* Some pair, another one for most n; NULL where there is none. */
const struct pair *records_pick(const struct records *r, uint64_t n);
bool records_equal(const struct records *a, const struct records *b);

/* Everything that a snapshot of the store shows: GKV_OK, or what the iteration ended with. */
int records_read(struct records *r, gkv *db);

static inline gkv_bytes pair_key(const struct pair *p)
{
	return (gkv_bytes){p->key, p->key_len};
}

static inline gkv_bytes pair_val(const struct pair *p)
{
	return (gkv_bytes){p->val, p->val_len};
}

bool bytes_same(gkv_bytes a, gkv_bytes b);

#endif
