/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* record.h: what one blob holds.
 *
 *     offset           size          meaning
 *     0                value size    the value, 8-byte aligned because blobs are
 *     value size       key length    the key
 *
 *     aux bits 0..15   key length
 *     aux bit 16       marker: holds the place of a record that was deleted; no bytes, key length 0
 *     aux bit 17       stray list: see stray.h; 8-byte words, key length 0
 *     aux bits 18..31  zero
 *
 * The value's size is the blob's without the key's length. */
#ifndef GKV_KVSTORE_RECORD_H
#define GKV_KVSTORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "arena/arena.h"
#include "kvstore/kv.h"

#define RECORD_AUX_MARKER (UINT32_C(1) << 16)
#define RECORD_AUX_STRAYS (UINT32_C(1) << 17)
#define RECORD_AUX_MASK   (RECORD_AUX_MARKER | RECORD_AUX_STRAYS | UINT32_C(0xffff))

enum record_kind { RECORD_VALUE = 1, RECORD_MARKER = 2, RECORD_STRAYS = 3 };

struct record {
	enum record_kind kind;
	const void *value;
	size_t value_size;
	const void *key; /* value + value_size */
	size_t key_len;
};

/* The rare half of record_read: what is no value's record. */
int record_read_special(const struct arena_blob *blob, struct record *out);

/* Every bound is checked: GKV_CORRUPT when the blob is no record. Points into the blob. */
static inline int record_read(const struct arena_blob *blob, struct record *out)
{
	const size_t key_len = blob->aux;

	if (key_len > KV_KEY_MAX || key_len > blob->size || blob->size - key_len > KV_VALUE_MAX)
		return record_read_special(blob, out);
	out->kind = RECORD_VALUE;
	out->value = blob->data;
	out->value_size = (size_t)(blob->size - key_len);
	out->key = (const unsigned char *)blob->data + out->value_size;
	out->key_len = key_len;
	return GKV_OK;
}

/* A value's record of that very key. */
static inline bool record_has_key(const struct record *r, const struct kv_key *key)
{
	if (r->kind != RECORD_VALUE || r->key_len != key->len)
		return false;
	return key->len == 0 || memcmp(r->key, key->data, key->len) == 0;
}

/* aux of a value's record. */
static inline uint32_t record_aux(size_t key_len)
{
	return (uint32_t)key_len;
}

#endif
