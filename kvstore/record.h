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

#include "arena/arena.h"
#include "kvstore/kv.h"

#define RECORD_AUX_MARKER (UINT32_C(1) << 16)
#define RECORD_AUX_STRAYS (UINT32_C(1) << 17)

enum record_kind { RECORD_VALUE = 1, RECORD_MARKER = 2, RECORD_STRAYS = 3 };

struct record {
	enum record_kind kind;
	const void *value;
	size_t value_size;
	const void *key; /* value + value_size */
	size_t key_len;
};

/* Every bound is checked: GKV_CORRUPT when the blob is no record. Points into the blob. */
int record_read(const struct arena_blob *blob, struct record *out);

/* A value's record of that very key. */
bool record_has_key(const struct record *r, const struct kv_key *key);

/* aux of a value's record. */
static inline uint32_t record_aux(size_t key_len)
{
	return (uint32_t)key_len;
}

#endif
