/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* record.c: reads what one blob holds, and believes nothing that it did not check.
 *
 * A blob's checksum says that the bytes are those that were written, not that kvstore/ wrote them: a hostile file has
 * good checksums. So every bound is checked before a byte is pointed to. Cost: a few instructions. */
#include <assert.h>

#include "kvstore/record.h"

/* A marker has no bytes; a stray list is whole words. */
int record_read_special(const struct arena_blob *blob, struct record *out)
{
	assert(blob->size <= ARENA_BLOB_MAX);
	*out = (struct record){0};
	if (blob->aux == RECORD_AUX_MARKER && blob->size == 0) {
		out->kind = RECORD_MARKER;
		return GKV_OK;
	}
	if (blob->aux == RECORD_AUX_STRAYS && blob->size % sizeof(uint64_t) == 0) {
		out->kind = RECORD_STRAYS;
		out->value = blob->data;
		out->value_size = (size_t)blob->size;
		return GKV_OK;
	}
	return GKV_CORRUPT;
}
