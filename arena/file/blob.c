/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* blob.c owns the check of a blob.
 *
 * 1. The check covers the head behind it and every byte of the blob with what pads it, and is mixed with the blob's place
 *    and the random identity of the file: a blob in the wrong place, or of a file kept as a value, does not verify.
 * 2. Nothing is read before its bounds were checked.
 *
 * Files of version 1 have another sum under the same mixture, and leave the padding out.
 *
 * Cost: see arena/file/crc32c.h; some 15 ns for small records. */
#include "arena/file/blob.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint32_t blob_sum_xxh3(const struct blob_disk *b)
{
	const size_t skip = sizeof b->check;

	return (uint32_t)XXH3_64bits((const uint8_t *)b + skip, sizeof *b - skip + b->size);
}

uint32_t blob_check(const struct map *m, const struct blob_disk *b, uint64_t offset)
{
	assert(offset % DISK_UNIT == 0);
	return blob_check_inline(m, b, offset);
}

bool blob_verify(const struct map *m, uint64_t offset)
{
	if (!blob_fits(m, offset))
		return false;
	return blob_at(m, offset)->check == blob_check(m, blob_at(m, offset), offset);
}

void blob_init(struct blob_disk *b, uint64_t stamp, uint64_t name, uint32_t size, uint32_t link, uint32_t aux)
{
	const uint64_t end = sizeof *b + (uint64_t)size;
	const uint64_t pad = blob_span(size) - end;

	assert(pad < DISK_UNIT);
	b->check = 0;
	b->size = size;
	b->name = name;
	b->stamp = stamp;
	b->link = link;
	b->aux = aux;
	memset((uint8_t *)b + end, 0, pad);
}
