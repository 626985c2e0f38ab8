/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* freelist.c owns the free list of a checkpoint: how it is written and read.
 *
 * 1. It names everything that neither the checkpoint nor the log after it reaches: free slots, and all that is pending,
 *    whoever holds it, since readers and older checkpoints are gone after a restart. The chunks of the list before this
 *    one are named; its own chunks and the current window are not.
 * 2. Extents do not overlap. They need not be in order: pending ones follow the slots.
 * 3. Chunks are blobs of kind FREE, each naming the next.
 *
 * Cost: about five bytes an extent. A pair is the distance from the end of the extent before (zigzag) and the size, in
 * units of 8 bytes, as LEB128 varints. */
#include "arena/core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define CHUNK_MOST (UINT64_C(64) << 10)
#define CHUNK_LEAST UINT64_C(256)
#define PAIR_MOST 20u /* bytes of two varints */

/* Either counts what the pairs take (chunk == NULL at first) or writes them into chunks. */
struct list_writer {
	arena *a;
	uint64_t end;   /* of the extent before, in units       */
	uint64_t slots, bytes; /* written so far                */
	uint64_t used;  /* bytes of pairs                       */
	const uint64_t *chunk; /* offsets; NULL: count only     */
	uint32_t chunks, at;
	uint64_t file_bytes; /* extents beyond this are left out */
};

static unsigned varint_put(uint8_t *to, uint64_t value)
{
	unsigned n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

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

static struct free_disk *chunk_at(const struct map *m, uint64_t offset)
{
	return (struct free_disk *)(void *)blob_at(m, offset);
}

static uint64_t chunk_room(const struct free_disk *chunk)
{
	return chunk->head.size - (sizeof *chunk - sizeof chunk->head);
}

static int pair_write(struct list_writer *w, uint64_t start, uint64_t size)
{
	const int64_t gap = (int64_t)(start / DISK_UNIT - w->end);
	uint8_t pair[PAIR_MOST];
	struct free_disk *chunk;
	unsigned n;

	assert(size > 0 && start % DISK_UNIT == 0 && size % DISK_UNIT == 0);
	if (start >= w->file_bytes)
		return 0;
	n = varint_put(pair, (uint64_t)gap << 1 ^ (uint64_t)(gap >> 63));
	n += varint_put(pair + n, size / DISK_UNIT);
	w->end = (start + size) / DISK_UNIT;
	w->slots++;
	w->bytes += size;
	w->used += n;
	if (w->chunk == NULL)
		return 0;
	chunk = chunk_at(&w->a->map, w->chunk[w->at]);
	if (chunk->used + n > chunk_room(chunk)) {
		w->at++;
		if (w->at == w->chunks)
			return GRAVITY_FULL;
		chunk = chunk_at(&w->a->map, w->chunk[w->at]);
	}
	memcpy((uint8_t *)(chunk + 1) + chunk->used, pair, n);
	chunk->used += n;
	chunk->head.aux++;
	return 0;
}

static int pair_of_extent(void *arg, const struct extent *e)
{
	return pair_write(arg, e->start, e->size);
}

static int pair_of_chunk(void *arg, struct free_disk *chunk)
{
	struct list_writer *w = arg;

	return pair_write(w, blob_offset(&w->a->map, chunk), blob_span(chunk->head.size));
}

static int list_write(struct list_writer *w)
{
	const struct slots *s = &w->a->space.free;
	int r = 0;

	for (slot_id id = s->first; r == 0 && id != SLOT_NONE; id = slots_next(s, id))
		r = pair_write(w, slots_start(s, id), slots_size(s, id));
	if (r == 0)
		r = pending_each(&w->a->space.pending, pair_of_extent, w);
	if (r == 0)
		r = freelist_each(&w->a->map, &w->a->header, pair_of_chunk, w);
	return r;
}

static int chunk_note(arena *a, uint32_t *capacity)
{
	struct checkpoint *cp = &a->checkpoint;
	uint64_t *chunks;

	if (cp->chunk_count < *capacity)
		return 0;
	*capacity = *capacity == 0 ? 16 : 2 * *capacity;
	chunks = a->os->alloc(a->os, cp->chunks, *capacity * sizeof *chunks);
	if (chunks == NULL)
		return ENOMEM;
	cp->chunks = chunks;
	return 0;
}

/* A chunk of *pairs bytes, or of less where no slot is large enough: a store of small slots must be able to say so. */
static int chunk_take(arena *a, uint64_t seq, uint64_t *pairs)
{
	uint64_t offset = 0;
	int r = space_take(&a->space, sizeof(struct free_disk) + *pairs, &offset);

	while ((r == GRAVITY_FULL || r == ENOSPC || r == EDQUOT) && *pairs >= 2 * CHUNK_LEAST) {
		*pairs = *pairs / 2 & ~(DISK_UNIT - 1);
		r = space_take(&a->space, sizeof(struct free_disk) + *pairs, &offset);
	}
	if (r != 0)
		return r;
	blob_init(blob_at(&a->map, offset), blob_stamp(seq, BLOB_FREE, 0), 0,
	          (uint32_t)(sizeof(struct free_disk) - sizeof(struct blob_disk) + *pairs), 0, 0);
	chunk_at(&a->map, offset)->used = 0;
	chunk_at(&a->map, offset)->next = 0;
	memset(chunk_at(&a->map, offset) + 1, 0, *pairs);
	a->checkpoint.chunks[a->checkpoint.chunk_count++] = offset;
	return 0;
}

/* Takes chunks that hold `used` bytes of pairs together, each in the first slot that holds one of a useful size. Each that
 * is taken can make one pair longer, and leaves room for less than one at its end. */
static int chunks_take(arena *a, uint64_t used, uint64_t seq)
{
	uint64_t most = CHUNK_MOST;
	uint64_t room = 0;
	uint32_t capacity = 0;
	int r = 0;

	a->checkpoint.chunk_count = 0;
	while (r == 0 && room < used) {
		const uint64_t left = used - room + 2 * PAIR_MOST;
		uint64_t pairs = (left < most ? left + DISK_UNIT - 1 : most) & ~(DISK_UNIT - 1);
		r = chunk_note(a, &capacity);
		if (r == 0)
			r = chunk_take(a, seq, &pairs);
		most = pairs < most && pairs < left ? pairs : most;
		room += pairs - 2 * PAIR_MOST;
	}
	return r;
}

static void chunks_return(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;

	/* Room: each chunk was cut from a slot, and a node that this cannot merge away was freed by that. */
	if (slots_reserve(&a->space.free, cp->chunk_count) != 0)
		return;
	for (uint32_t i = 0; i < cp->chunk_count; i++)
		space_return(&a->space, cp->chunks[i], cp->chunks[i] + blob_span(blob_at(&a->map, cp->chunks[i])->size));
	cp->chunk_count = 0;
}

/* Descending heap of extents, for the few at the end of the file. */
struct tail_heap {
	const struct map *map;
	struct extent *list;
	uint64_t count;
};

static void heap_sift(struct tail_heap *h, uint64_t i)
{
	for (;;) {
		uint64_t child = 2 * i + 1;
		struct extent swap;
		if (child >= h->count)
			return;
		if (child + 1 < h->count && h->list[child + 1].start > h->list[child].start)
			child++;
		if (h->list[i].start >= h->list[child].start)
			return;
		swap = h->list[i];
		h->list[i] = h->list[child];
		h->list[child] = swap;
		i = child;
	}
}

static int heap_collect(void *arg, const struct extent *e)
{
	struct tail_heap *h = arg;

	h->list[h->count++] = *e;
	return 0;
}

static int heap_count(void *arg, const struct extent *e)
{
	(void)e;
	++*(uint64_t *)arg;
	return 0;
}

static int heap_collect_chunk(void *arg, struct free_disk *chunk)
{
	struct tail_heap *h = arg;
	const struct extent e = {.start = blob_offset(h->map, chunk), .size = blob_span(chunk->head.size)};

	return heap_collect(arg, &e);
}

/* Where the file could end once everything that is free or pending at its end is gone, the chunks of the list before
 * this one among it. */
static uint64_t file_end(arena *a, uint64_t old_chunks)
{
	const struct slots *s = &a->space.free;
	struct tail_heap h = {.map = &a->map};
	uint64_t end = map_bytes(&a->map);
	uint64_t pending = old_chunks;
	slot_id id = s->last;

	(void)pending_each(&a->space.pending, heap_count, &pending);
	if (pending > 0)
		h.list = a->os->alloc(a->os, NULL, pending * sizeof *h.list);
	if (h.list != NULL) {
		(void)pending_each(&a->space.pending, heap_collect, &h);
		(void)freelist_each(&a->map, &a->header, heap_collect_chunk, &h);
		for (uint64_t i = h.count / 2; i-- > 0;)
			heap_sift(&h, i);
	}
	for (;;) {
		if (id != SLOT_NONE && slots_start(s, id) + slots_size(s, id) == end) {
			end = slots_start(s, id);
			id = slots_prev(s, id);
		} else if (h.count > 0 && h.list[0].start + h.list[0].size == end) {
			end = h.list[0].start;
			h.list[0] = h.list[--h.count];
			heap_sift(&h, 0);
		} else {
			break;
		}
	}
	a->os->free(a->os, h.list);
	return end;
}

/* Links the chunks and tells the header of them. */
static void list_finish(arena *a, struct header_disk *h, const struct list_writer *w)
{
	const struct checkpoint *cp = &a->checkpoint;

	for (uint32_t i = 0; i + 1 < cp->chunk_count; i++)
		chunk_at(&a->map, cp->chunks[i])->next = cp->chunks[i + 1];
	for (uint32_t i = 0; i < cp->chunk_count; i++)
		blob_seal(&a->map, blob_at(&a->map, cp->chunks[i]));
	h->free_first = cp->chunk_count == 0 ? 0 : cp->chunks[0];
	h->free_slots = w->slots;
	h->free_bytes = w->bytes;
}

static int chunk_count(void *arg, struct free_disk *chunk)
{
	++*(uint64_t *)arg;
	(void)chunk;
	return 0;
}

/* Room was reserved, and the chunks verified, before. No snapshot reads them: they die as if they had never lived. */
static int chunk_free(void *arg, struct free_disk *chunk)
{
	arena *a = arg;
	const uint64_t seq = a->checkpoint.header.seq;

	space_free_blob(&a->space, blob_offset(&a->map, chunk), blob_span(chunk->head.size), seq, seq);
	return 0;
}

int freelist_write(arena *a, struct header_disk *h)
{
	struct list_writer count = {.a = a, .file_bytes = UINT64_MAX};
	struct list_writer w = {.a = a};
	uint64_t old_chunks = 0;
	int r = freelist_each(&a->map, &a->header, chunk_count, &old_chunks);

	assert(h == &a->checkpoint.header);
	if (r == 0)
		r = space_end_cluster(&a->space);
	if (r == 0)
		r = pending_reserve(&a->space.pending, old_chunks);
	if (r == 0)
		r = list_write(&count);
	if (r == 0 && count.used > 0)
		r = chunks_take(a, count.used + 2 * PAIR_MOST, h->seq);
	if (r == 0) {
		h->file_bytes = file_end(a, old_chunks);
		w.file_bytes = h->file_bytes;
		w.chunk = a->checkpoint.chunks;
		w.chunks = a->checkpoint.chunk_count;
		if (w.chunks > 0)
			r = list_write(&w);
	}
	if (r != 0) {
		chunks_return(a);
		return r;
	}
	list_finish(a, h, &w);
	return freelist_each(&a->map, &a->header, chunk_free, a);
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
		r = slots_insert(&l->a->space.free, start * DISK_UNIT, size * DISK_UNIT);
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
