/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* freelist_write.c owns how the free list of a checkpoint is made; freelist.c reads it.
 *
 *   begin   holds the writer's lock: takes chunks for the longest list that there can be, and copies what is free, or
 *           pending, as of now into an array. A sequential read of two arrays: nothing is sorted, compared or coded here.
 *   step    without the lock, a bounded one: sorts the array, pass by pass; then writes pairs into the chunks. It takes no
 *           memory, and gives none back.
 *
 * 1. It names everything that neither the checkpoint nor the log after it reaches: free slots, and all that is pending,
 *    whoever holds it, since readers and older checkpoints are gone after a restart. The chunks of the list before this
 *    one are named; its own chunks and the current window are not.
 * 2. Extents do not overlap; neighbours that touch are one pair.
 * 3. Until its last step a chunk has no right check, and nobody but the checkpoint under way knows it.
 *
 * Cost: 16 bytes an extent while it is being made, two to five bytes on disk. */
#include "arena/log/freelist.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/checkpoint.h"
#include "arena/space/freemap.h"

#define CHUNK_MOST   (UINT64_C(64) << 10)
#define CHUNK_LEAST  UINT64_C(128)
#define PAIR_MOST    20u             /* bytes of two varints */
#define STEP_EXTENTS UINT64_C(65536) /* sorted, or written, in a step */

static unsigned varint_put(uint8_t *to, uint64_t value)
{
	unsigned n = 0;

	for (; value >= 0x80; value >>= 7)
		to[n++] = (uint8_t)(value | 0x80);
	to[n++] = (uint8_t)value;
	return n;
}

/* ---- begin: chunks ---------------------------------------------------------------------------------------------- */

static int chunks_room(arena *a, uint32_t *capacity)
{
	struct checkpoint *cp = &a->checkpoint;
	uint64_t *chunks;

	if (cp->chunk_count < *capacity)
		return 0;
	chunks = os_grow(a->memory, cp->chunks, capacity, 16, sizeof *chunks);
	if (chunks == NULL)
		return ENOMEM;
	cp->chunks = chunks;
	return 0;
}

/* A chunk of *pairs bytes, or of less where no slot is large enough: a store of small slots must be able to say so. */
static int chunk_take(arena *a, uint64_t seq, uint64_t *pairs)
{
	uint64_t offset = 0;
	int r = slots_keep(&a->b->space.free, 1); /* until it is sure that it will not be given back */

	if (r != 0)
		return r;
	r = space_take(&a->b->space, sizeof(struct free_disk) + *pairs, &offset);
	while (space_none(r) && *pairs > CHUNK_LEAST) {
		*pairs = *pairs < 2 * CHUNK_LEAST ? CHUNK_LEAST : *pairs / 2 & ~(DISK_UNIT - 1);
		r = space_take(&a->b->space, sizeof(struct free_disk) + *pairs, &offset);
	}
	if (r != 0) {
		slots_keep_less(&a->b->space.free, 1);
		return r;
	}
	blob_init(blob_at(&a->map, offset), blob_stamp(seq, BLOB_FREE, 0), 0,
		  (uint32_t)(sizeof(struct free_disk) - sizeof(struct blob_disk) + *pairs), 0, 0);
	chunk_at(&a->map, offset)->used = 0;
	chunk_at(&a->map, offset)->next = 0;
	a->checkpoint.chunks[a->checkpoint.chunk_count++] = offset;
	return 0;
}

/* Takes chunks that hold `used` bytes of pairs together, each in the first slot that holds one of a useful size. Each that
 * is taken can make one pair longer, and leaves room for less than one at its end. */
static int chunks_take(arena *a, uint64_t used, uint64_t seq)
{
	/* Under a limit they go into pieces, which there are, rather than into clean slots. */
	uint64_t most = a->b->space.max_bytes == UINT64_MAX ? CHUNK_MOST : a->b->space.window / 8;
	uint64_t room = 0;
	uint32_t capacity = 0;
	int r = 0;

	while (r == 0 && room < used) {
		const uint64_t left = used - room + 2 * PAIR_MOST;
		uint64_t pairs = (left < most ? left + DISK_UNIT - 1 : most) & ~(DISK_UNIT - 1);
		r = chunks_room(a, &capacity);
		if (r == 0)
			r = chunk_take(a, seq, &pairs);
		most = pairs < most && pairs < left ? pairs : most;
		room += pairs - 2 * PAIR_MOST;
	}
	return r;
}

/* Room was kept. Offsets and heads are as when they were taken. */
static void chunks_return(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;

	for (uint32_t i = 0; i < cp->chunk_count; i++)
		space_return(&a->b->space, cp->chunks[i],
			     cp->chunks[i] + blob_span(chunk_at(&a->map, cp->chunks[i])->head.size));
	cp->chunk_count = 0;
}

/* ---- begin: extents --------------------------------------------------------------------------------------------- */

/* The ranges that it will be: one, but for a chunk of a hostile file. */
static int chunk_count(void *arg, struct free_disk *chunk)
{
	*(uint64_t *)arg += ranges_room(1, blob_span(chunk->head.size));
	return 0;
}

/* What snapshots see is marked, for the free map. */
static int extent_collect(void *arg, const struct extent *e)
{
	arena *a = arg;
	const struct readers_view *view = &a->readers.view;
	const bool seen = view->count > 0 && readers_holder(view, e->born, e->died) != 0;

	ranges_add_marked(&a->checkpoint.list.ranges, e->start, e->size, seen ? RANGE_MARK : 0);
	return 0;
}

/* A chunk of the list before: named, and dead with this checkpoint. Room was reserved, and the chunks verified, before.
 * No snapshot reads them: they die as if they had never lived. */
static int chunk_free(void *arg, struct free_disk *chunk)
{
	arena *a = arg;
	const uint64_t seq = a->checkpoint.header.seq;

	space_free_blob(&a->b->space, blob_offset(&a->map, chunk), blob_span(chunk->head.size), seq, seq);
	return 0;
}

/* Room to copy what is free and what is pending, and `more`. */
static int extents_reserve(arena *a, uint64_t more)
{
	struct free_list *l = &a->checkpoint.list;
	const uint64_t room =
		a->b->space.free.count + a->b->space.aside.count + pending_count(&a->b->space.pending) + more;

	*l = (struct free_list){.file_bytes = map_bytes(&a->map)};
	/* Without memory for the map there is none: the file gets no better until the next one. */
	(void)freemap_init(&a->checkpoint.freemap, a->memory, l->file_bytes, freemap_segment(&a->b->space),
			   freemap_large(&a->b->space));
	return ranges_init(&l->ranges, a->memory,
			   ranges_room(room, space_free_bytes(&a->b->space) + a->b->space.pending.bytes));
}

static void extents_collect(arena *a)
{
	struct free_list *l = &a->checkpoint.list;

	slots_copy(&a->b->space.free, &l->ranges);
	slots_copy(&a->b->space.aside, &l->ranges);
	readers_look(&a->readers, &a->readers.view);
	if (!broken(BROKEN_LIST_FORGETS))
		(void)pending_each(&a->b->space.pending, extent_collect, a);
}

/* The chunks of the list before died with a checkpoint that was dropped: they are pending. */
bool freelist_died(const arena *a)
{
	return a->checkpoint.died == a->flush.header.checkpoint && !broken(BROKEN_ORPHAN_CHUNKS);
}

int freelist_begin(arena *a, struct header_disk *h)
{
	const bool died = freelist_died(a);
	uint64_t old_chunks = 0;
	uint64_t count;
	int r = died ? 0 : freelist_each(&a->map, &a->flush.header, chunk_count, &old_chunks);

	assert(h == &a->checkpoint.header);
	if (r == 0)
		r = space_end_cluster(&a->b->space);
	if (r != 0)
		return r;
	/* One more: the file may grow for the chunks. */
	count = a->b->space.free.count + a->b->space.aside.count + pending_count(&a->b->space.pending) + old_chunks + 1;
	if (count > 1)
		r = chunks_take(a, space_pairs_bytes(&a->b->space, count), h->seq);
	if (r == 0)
		r = extents_reserve(a, old_chunks);
	/* Last: what takes space may hand over what is pending, and make its queues smaller. */
	if (r == 0)
		r = pending_reserve(&a->b->space.pending, old_chunks);
	/* They were verified; but a hostile list names them as free, and one of the new ones was put there. */
	if (r == 0 && !died && !broken(BROKEN_LIST_CHUNKS)) {
		a->checkpoint.died = a->flush.header.checkpoint;
		r = freelist_each(&a->map, &a->flush.header, chunk_free, a);
	}
	if (r != 0) {
		chunks_return(a);
		freelist_release(a);
		return r;
	}
	slots_keep_less(&a->b->space.free, a->checkpoint.chunk_count);
	extents_collect(a);
	return 0;
}

int freelist_abandon(arena *a)
{
	const int r = slots_keep(&a->b->space.free, a->checkpoint.chunk_count);

	if (r == 0)
		chunks_return(a);
	return r;
}

void freelist_release(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;

	ranges_release(&cp->list.ranges, a->memory);
	freemap_release(&cp->freemap, a->memory);
	a->memory->free(a->memory, cp->chunks);
	cp->list = (struct free_list){0};
	cp->chunks = NULL;
	cp->chunk_count = 0;
}

/* ---- step ------------------------------------------------------------------------------------------------------- */

/* What is free at the end of the file is not named: the file ends before it. */
static void list_cut(struct free_list *l)
{
	struct ranges *r = &l->ranges;

	while (r->count > 0 && range_end(r->list[r->count - 1]) == l->file_bytes)
		l->file_bytes = range_start(r->list[--r->count]);
}

static int pair_write(arena *a, struct free_list *l, uint64_t start, uint64_t size)
{
	const int64_t gap = (int64_t)(start / DISK_UNIT - l->end);
	uint8_t pair[PAIR_MOST];
	struct free_disk *chunk = chunk_at(&a->map, a->checkpoint.chunks[l->chunk]);
	unsigned n;

	assert(size > 0 && start % DISK_UNIT == 0 && size % DISK_UNIT == 0);
	/* Freed twice: two entries of a hostile file led to it. */
	if (gap < 0)
		return GRAVITY_CORRUPT;
	n = varint_put(pair, (uint64_t)gap << 1);
	n += varint_put(pair + n, size / DISK_UNIT);
	if (chunk->used + n > chunk_room(chunk)) {
		assert(l->chunk + 1 < a->checkpoint.chunk_count);
		if (l->chunk + 1 == a->checkpoint.chunk_count)
			return GRAVITY_FULL;
		l->chunk++;
		chunk = chunk_at(&a->map, a->checkpoint.chunks[l->chunk]);
	}
	memcpy((uint8_t *)(chunk + 1) + chunk->used, pair, n);
	chunk->used += n;
	chunk->head.aux++;
	l->end = (start + size) / DISK_UNIT;
	l->slots++;
	l->bytes += size;
	return 0;
}

/* Pairs of the next extents. A run that fails is tried again, and fails again, by whoever takes the next step. */
static int list_write(arena *a, struct free_list *l)
{
	const uint64_t count = l->ranges.count;
	const uint64_t stop = count - l->at < STEP_EXTENTS ? count : l->at + STEP_EXTENTS;
	int r = 0;

	while (r == 0 && l->at < stop) {
		uint64_t next = l->at;
		uint64_t start, size;
		ranges_take_run(&l->ranges, &next, &start, &size);
		r = pair_write(a, l, start, size);
		l->at = r == 0 ? next : l->at;
	}
	return r;
}

/* Links the chunks and tells the header of them. */
static void list_finish(arena *a, const struct free_list *l)
{
	struct checkpoint *cp = &a->checkpoint;

	for (uint32_t i = 0; i < cp->chunk_count; i++) {
		struct free_disk *chunk = chunk_at(&a->map, cp->chunks[i]);
		memset((uint8_t *)(chunk + 1) + chunk->used, 0, chunk_room(chunk) - chunk->used);
		chunk->next = i + 1 < cp->chunk_count ? cp->chunks[i + 1] : 0;
		blob_seal(&a->map, &chunk->head);
	}
	cp->header.free_first = cp->chunk_count == 0 ? 0 : cp->chunks[0];
	cp->header.free_slots = l->slots;
	cp->header.free_bytes = l->bytes;
	cp->header.file_bytes = l->file_bytes;
}

/* A pass; after the last one the list tells where the file can end, and the free map is taken. True when it is sorted. */
static bool list_sort(arena *a, struct free_list *l)
{
	ranges_sort_pass(&l->ranges);
	if (!ranges_sorted(&l->ranges, l->file_bytes))
		return false;
	if (!broken(BROKEN_HEADER_BYTES))
		list_cut(l);
	freemap_take(&a->checkpoint.freemap, &l->ranges, l->file_bytes);
	return true;
}

int freelist_step(arena *a, uint64_t *budget, bool *done)
{
	struct free_list *l = &a->checkpoint.list;
	const uint64_t cost =
		(l->ranges.count < STEP_EXTENTS ? l->ranges.count : STEP_EXTENTS) * sizeof *l->ranges.list;
	int r;

	*done = l->complete;
	if (*done)
		return 0;
	*budget -= cost < *budget ? cost : *budget;
	if (!ranges_sorted(&l->ranges, l->file_bytes)) {
		(void)list_sort(a, l);
		return 0;
	}
	r = list_write(a, l);
	if (r != 0 || l->at < l->ranges.count)
		return r;
	list_finish(a, l);
	*done = l->complete = true;
	return 0;
}

void freelist_freemap(arena *a)
{
	struct free_list *l = &a->checkpoint.list;

	if (space_end_cluster(&a->b->space) == 0 && extents_reserve(a, 0) == 0) {
		extents_collect(a);
		while (l->ranges.count > 0 && !list_sort(a, l))
			;
	}
}
