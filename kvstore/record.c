/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* record.c: reads what one blob holds, and believes nothing that it did not check.
 *
 * A blob's checksum says that the bytes are those that were written, not that kvstore/ wrote them: a hostile file has
 * good checksums. So every bound is checked before a byte is pointed to. Cost: a few instructions. */
#include <assert.h>
#include <string.h>

#include "kvstore/record.h"

#define AUX_KEY_LEN UINT32_C(0xffff)
#define AUX_FLAGS   (~AUX_KEY_LEN)

/* A marker has no bytes; a stray list is whole words. */
static int special_read(const struct arena_blob *blob, uint32_t flags, struct record *out)
{
	if ((blob->aux & AUX_KEY_LEN) != 0)
		return GKV_CORRUPT;
	if (flags == RECORD_AUX_MARKER && blob->size == 0) {
		out->kind = RECORD_MARKER;
		return GKV_OK;
	}
	if (flags == RECORD_AUX_STRAYS && blob->size % sizeof(uint64_t) == 0) {
		out->kind = RECORD_STRAYS;
		out->value = blob->data;
		out->value_size = (size_t)blob->size;
		return GKV_OK;
	}
	return GKV_CORRUPT;
}

int record_read(const struct arena_blob *blob, struct record *out)
{
	const uint32_t flags = blob->aux & AUX_FLAGS;
	const size_t key_len = blob->aux & AUX_KEY_LEN;

	assert(blob->size <= ARENA_BLOB_MAX);
	if (flags != 0) {
		*out = (struct record){0};
		return special_read(blob, flags, out);
	}
	if (key_len > blob->size || blob->size - key_len > KV_VALUE_MAX)
		return GKV_CORRUPT;
	out->kind = RECORD_VALUE;
	out->value = blob->data;
	out->value_size = (size_t)(blob->size - key_len);
	out->key = (const unsigned char *)blob->data + out->value_size;
	out->key_len = key_len;
	return GKV_OK;
}

bool record_has_key(const struct record *r, const struct kv_key *key)
{
	if (r->kind != RECORD_VALUE || r->key_len != key->len)
		return false;
	return key->len == 0 || memcmp(r->key, key->data, key->len) == 0;
}
