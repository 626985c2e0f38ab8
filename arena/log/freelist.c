/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* freelist.c owns reading the free list of a checkpoint; freelist_write.c makes one.
 *
 * 1. A list is a chain of chunks, blobs of kind FREE; a pair is the distance from the end of the extent before (zigzag)
 *    and the size, in units of 8 bytes, as LEB128 varints.
 * 2. Nothing is believed before the chunk verifies, and no pair before it lies inside the file and outside the others.
 *
 * Cost: a few instructions, and an insert into the free slots, a pair. */
#include "arena/log/freelist.h"

#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"

/* 0 when there is no whole varint of at most 64 bits. */
static unsigned varint_get(const uint8_t *from, const uint8_t *end, uint64_t *value)
{
	*value = 0;
	for (unsigned n = 0; n < 10 && from + n < end; n++) {
		*value |= (uint64_t)(from[n] & 0x7f) << (7 * n);
		if ((from[n] & 0x80) == 0)
			return n == 9 && from[n] > 1 ? 0 : n + 1;
	}
	return 0;
}

int freelist_each(const struct map *m, const struct header_disk *h, freelist_visit *visit, void *arg)
{
	uint64_t left = h->file_bytes;
	int r = 0;

	for (uint64_t at = h->free_first; r == 0 && at != 0;) {
		struct free_disk *chunk;
		uint64_t span;
		if (!blob_verify(m, at))
			return GRAVITY_CORRUPT;
		chunk = chunk_at(m, at);
		span = blob_span(chunk->head.size);
		/* Longer than the file all together: it goes round. */
		if (blob_kind(&chunk->head) != BLOB_FREE || span < sizeof *chunk || span > left ||
		    chunk->used > chunk_room(chunk))
			return GRAVITY_CORRUPT;
		left -= span;
		at = chunk->next;
		r = visit(arg, chunk);
	}
	return r;
}

struct list_reader {
	arena *a;
	uint64_t end, limit; /* units */
	uint64_t slots, bytes;
};

static int chunk_read(void *arg, struct free_disk *chunk)
{
	struct list_reader *l = arg;
	const uint8_t *at = (const uint8_t *)(chunk + 1);
	const uint8_t *end = at + chunk->used;

	while (at < end) {
		uint64_t gap, size, start;
		unsigned n = varint_get(at, end, &gap);
		const unsigned k = n == 0 ? 0 : varint_get(at + n, end, &size);
		int r;
		if (k == 0)
			return GRAVITY_CORRUPT;
		at += n + k;
		start = l->end + (gap >> 1 ^ (0 - (gap & 1)));
		if (start < DISK_DATA / DISK_UNIT || start >= l->limit || size == 0 || size > l->limit - start)
			return GRAVITY_CORRUPT;
		r = slots_insert(&l->a->b->space.free, start * DISK_UNIT, size * DISK_UNIT);
		if (r != 0)
			return r == GRAVITY_INVALID ? GRAVITY_CORRUPT : r;
		l->end = start + size;
		l->slots++;
		l->bytes += size * DISK_UNIT;
	}
	return 0;
}

int freelist_read(arena *a, const struct header_disk *h)
{
	struct list_reader l = {.a = a, .limit = h->file_bytes / DISK_UNIT};
	const int r = freelist_each(&a->map, h, chunk_read, &l);

	if (r != 0)
		return r;
	return l.slots == h->free_slots && l.bytes == h->free_bytes ? 0 : GRAVITY_CORRUPT;
}
