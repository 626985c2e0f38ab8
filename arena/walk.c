/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* walk.c owns iteration: every blob of a transaction's view, once.
 *
 * It goes over the table, page after page, not over the file, whose free slots hold changing garbage. Positions are
 * collected in batches, sorted, and read in the order of the file, each asked for some steps ahead.
 *
 * In a write transaction the walk has two parts: what the table has, leaving out the names that the transaction had
 * changed when the walk was opened; then those names, as they are when they are met. So a record that is changed
 * meanwhile is seen old or new, and none twice.
 *
 * 1. batch[at..count) are entries of records not yet shown, by rising position. What stands there must be a record of
 *    the entry's tag.
 * 2. An op with an index below ops_seen belongs to the second part, any other to the first.
 *
 * Cost: WALK_BATCH * 8 bytes of memory; one verified blob a step. */
#include "arena/core.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define WALK_BATCH 32768u /* entries: 256 KiB */
#define WALK_AHEAD 8u

struct arena_walk {
	arena_txn *txn;
	arena *a;
	uint64_t root;
	uint64_t name; /* prefix of the next page                    */
	bool pages_done;
	uint32_t ops_seen, ops_at;
	uint32_t count, at;
	uint64_t *batch, *spare;
};

int arena_walk_open(arena_txn *t, arena_walk **out)
{
	const int usable = arena_txn_usable(t);
	const struct os *os;
	arena_walk *w;

	*out = NULL;
	if (usable != 0)
		return usable;
	os = txn_arena(t)->os;
	w = os->alloc(os, NULL, sizeof *w);
	if (w == NULL)
		return ENOMEM;
	memset(w, 0, sizeof *w);
	w->txn = t;
	w->a = txn_arena(t);
	w->batch = os->alloc(os, NULL, 2 * WALK_BATCH * sizeof *w->batch);
	if (w->batch == NULL) {
		os->free(os, w);
		return ENOMEM;
	}
	w->spare = w->batch + WALK_BATCH;
	w->root = txn_is_writer(t) ? w->a->table.root : t->slot.root;
	w->ops_seen = txn_is_writer(t) ? w->a->writer.ops.count : 0;
	*out = w;
	return 0;
}

void arena_walk_close(arena_walk *w)
{
	const struct os *os;

	if (w == NULL)
		return;
	os = w->a->os;
	os->free(os, w->batch < w->spare ? w->batch : w->spare);
	os->free(os, w);
}

static void page_collect(arena_walk *w, const struct page_disk *page)
{
	for (unsigned g = 0; g < PAGE_GROUPS; g++) {
		for (unsigned i = 0; i < PAGE_WAYS; i++) {
			const uint64_t entry = page_load(&page->group[g][i]);
			if (entry != 0)
				w->batch[w->count++] = entry;
		}
	}
}

/* Radix sort, 11 bits a pass, of the bits of the position that differ. */
static void batch_sort(arena_walk *w)
{
	uint64_t differ = 0;

	for (uint32_t i = 1; i < w->count; i++)
		differ |= (w->batch[i] ^ w->batch[0]) & PAGE_POSITION_MASK;
	for (unsigned shift = 0; shift < 64 && differ >> shift != 0; shift += 11) {
		uint32_t start[2049] = {0};
		uint64_t *swap = w->batch;
		if ((differ >> shift & 2047) == 0)
			continue;
		for (uint32_t i = 0; i < w->count; i++)
			start[(w->batch[i] >> shift & 2047) + 1]++;
		for (unsigned b = 0; b < 2048; b++)
			start[b + 1] += start[b];
		for (uint32_t i = 0; i < w->count; i++)
			w->spare[start[w->batch[i] >> shift & 2047]++] = w->batch[i];
		w->batch = w->spare;
		w->spare = swap;
	}
}

static int batch_fill(arena_walk *w)
{
	w->count = 0;
	w->at = 0;
	while (!w->pages_done && w->count + PAGE_GROUPS * PAGE_WAYS <= WALK_BATCH) {
		const struct page_disk *page = table_next_page(&w->a->map, w->root, &w->name);
		if (page == NULL)
			return GRAVITY_CORRUPT;
		page_collect(w, page);
		w->pages_done = w->name == 0;
	}
	batch_sort(w);
	return 0;
}

static void blob_ahead(const arena_walk *w)
{
	uint64_t offset;

	if (w->at + WALK_AHEAD >= w->count)
		return;
	offset = page_entry_offset(w->batch[w->at + WALK_AHEAD]);
	if (!map_holds(&w->a->map, offset, 3 * DISK_LINE))
		return;
	for (unsigned line = 0; line < 3; line++)
		__builtin_prefetch(w->a->map.base + offset + line * DISK_LINE);
}

static void blob_give(const struct blob_disk *b, vpos *name, struct arena_blob *out)
{
	name->bits = b->name;
	*out = (struct arena_blob){.data = b + 1, .size = b->size, .seq = blob_seq(b), .aux = b->aux};
}

/* Whether the record belongs to the second part. */
static bool changed_before(const arena_walk *w, uint64_t name)
{
	const struct ops *ops = &w->a->writer.ops;
	const struct op *op;

	if (w->ops_seen == 0)
		return false;
	op = ops_find(ops, name);
	return op != NULL && (uint32_t)(op - ops->list) < w->ops_seen;
}

static int table_step(arena_walk *w, const struct blob_disk **blob)
{
	for (;;) {
		const struct blob_disk *b;
		uint64_t entry, offset;
		if (w->at == w->count) {
			const int r = w->pages_done ? GRAVITY_NOTFOUND : batch_fill(w);
			if (r != 0)
				return r;
			continue;
		}
		blob_ahead(w);
		entry = w->batch[w->at++];
		offset = page_entry_offset(entry);
		if (!blob_fits(&w->a->map, offset))
			return GRAVITY_CORRUPT;
		b = blob_at(&w->a->map, offset);
		if (!blob_is_record(b) || (w->a->map.verify && b->check != blob_check(&w->a->map, b, offset)) ||
		    page_tag(b->name) != page_entry_tag(entry))
			return GRAVITY_CORRUPT;
		if (changed_before(w, b->name))
			continue;
		*blob = b;
		return 0;
	}
}

int arena_walk_next(arena_walk *w, vpos *name, struct arena_blob *out)
{
	const struct ops *ops = &w->a->writer.ops;
	const struct blob_disk *b;
	int r = arena_txn_usable(w->txn);

	if (r == 0)
		r = table_step(w, &b);
	if (r == 0) {
		blob_give(b, name, out);
		return 0;
	}
	if (r != GRAVITY_NOTFOUND)
		return r;
	while (w->ops_at < w->ops_seen) {
		const struct op *op = &ops->list[w->ops_at++];
		if (op->now == 0)
			continue;
		blob_give(blob_at(&w->a->map, op->now), name, out);
		return 0;
	}
	return GRAVITY_NOTFOUND;
}
