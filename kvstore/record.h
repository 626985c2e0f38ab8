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

/* Whether bytes are the same; without a call for keys of a few words. */
static inline bool record_bytes_same(const unsigned char *a, const unsigned char *b, size_t len)
{
	uint64_t first[2], last[2];

	if (len < sizeof first[0] || len > 2 * sizeof first[0])
		return len == 0 || memcmp(a, b, len) == 0;
	/* The first 8 and the last 8, which overlap in the middle. */
	memcpy(&first[0], a, sizeof first[0]);
	memcpy(&first[1], b, sizeof first[1]);
	memcpy(&last[0], a + len - sizeof last[0], sizeof last[0]);
	memcpy(&last[1], b + len - sizeof last[1], sizeof last[1]);
	return ((first[0] ^ first[1]) | (last[0] ^ last[1])) == 0;
}

/* A value's record of that very key. */
static inline bool record_has_key(const struct record *r, const struct kv_key *key)
{
	if (r->kind != RECORD_VALUE || r->key_len != key->len)
		return false;
	return record_bytes_same(r->key, key->data, key->len);
}

/* The same from the blob alone, for a key whose limits were checked; *value then is what record_read would give. */
static inline bool record_is_of(const struct arena_blob *blob, const struct kv_key *key, gkv_bytes *value)
{
	const uint64_t value_size = blob->size - key->len;

	if (blob->aux != key->len || key->len > blob->size || value_size > KV_VALUE_MAX ||
	    !record_bytes_same((const unsigned char *)blob->data + value_size, key->data, key->len))
		return false;
	*value = (gkv_bytes){.data = blob->data, .size = (size_t)value_size};
	return true;
}

/* aux of a value's record. */
static inline uint32_t record_aux(size_t key_len)
{
	return (uint32_t)key_len;
}

#endif
