/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* walk.c owns iteration: every blob of a transaction's view, once.
 *
 * It goes over the table, page after page, not over the file, whose free slots hold changing garbage. Of a snapshot it
 * goes over the table once for each slice of the file: the entries that point into the slice are collected in batches,
 * sorted, and read in the order of the file. The file is asked for some MiB ahead of the place that is read, in ranges,
 * so that a cold file comes in large reads; the lines of a record are prefetched some records ahead.
 *
 * A write transaction's table may change under the walk (what runs before its first blob moves records), so there is a
 * single slice, and every page is looked at once. The walk has two parts then: what the table has, leaving out the
 * names that the transaction had changed when the walk was opened; then those names, as they are when they are met. So
 * a record that is changed meanwhile is seen old or new, and none twice.
 *
 * 1. batch[at..count) are entries of records not yet shown, by rising line of the file. What stands there must be a record
 *    of the entry's tag.
 * 2. Every entry belongs to one slice, whatever it points to: the last slice has no end.
 * 3. An op with an index below ops_seen belongs to the second part, any other to the first.
 *
 * Cost: one verified blob a step, and for each slice half a nanosecond per record of the whole store, with WALK_SLICES
 * at most. Memory: an eighth of the file, but 64 KiB at least and 8 MiB at most. */
#include "arena/arena.h"

#include <errno.h>
#include <string.h>

#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/read/get.h"
#include "arena/read/readahead.h"
#include "arena/space/radix.h"
#include "arena/table/lookup.h"
#include "arena/table/page.h"

#define WALK_SLICE       (UINT64_C(64) << 20) /* bytes of the file, or more where that makes too many slices  */
#define WALK_SLICES      16u
#define WALK_BATCH_LEAST 4096u /* entries */
#define WALK_BATCH_MOST  524288u
#define LINE_BITS        3u                   /* of a position, within a line of the file */
#define WALK_AHEAD       8u                   /* records */
#define WALK_ASK         (UINT64_C(2) << 20)  /* bytes that are asked for at a time                           */
#define WALK_ASK_RANGES  512u                 /* and in so many pieces                                        */
#define WALK_LONG        (UINT64_C(16) << 10) /* a record of this size is asked for by itself                 */

struct arena_walk {
	arena_txn *txn;
	arena *a;
	uint64_t root;
	uint64_t name;       /* prefix of the next page                                               */
	uint64_t name_asked; /* pages before this prefix were asked for, all when it is 0 again       */
	bool pages_done;
	uint32_t ops_seen, ops_at;
	uint32_t slices, slice; /* how many, and which one is at work                                 */
	uint64_t slice_units;
	uint32_t capacity, count, at;
	uint32_t asked, ask_at; /* batch[0..asked) was asked for; the next part is due at ask_at      */
	bool gaps;              /* something between the records of the batch was not asked for          */
	bool slice_read;        /* the slice was asked for whole by an earlier batch                     */
	uint64_t *batch, *spare;
};

static void walk_measure(arena_walk *w)
{
	const uint64_t file = map_bytes(&w->a->map);
	uint64_t capacity;

	w->slices = 1;
	if (!txn_is_writer(w->txn) && file > WALK_SLICE)
		w->slices = file / WALK_SLICE < WALK_SLICES ? (uint32_t)(file / WALK_SLICE) : WALK_SLICES;
	w->slice_units = file / w->slices / DISK_UNIT + 1;
	capacity = file / w->slices / (2 * sizeof *w->batch) / 8;
	w->capacity = capacity > WALK_BATCH_MOST ? WALK_BATCH_MOST : (uint32_t)capacity;
	w->capacity = w->capacity < WALK_BATCH_LEAST ? WALK_BATCH_LEAST : w->capacity;
}

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
	walk_measure(w);
	w->batch = os->alloc(os, NULL, (size_t)2 * w->capacity * sizeof *w->batch);
	if (w->batch == NULL) {
		os->free(os, w);
		return ENOMEM;
	}
	w->spare = w->batch + w->capacity;
	w->root = txn_is_writer(t) ? w->a->b->table.root : t->root;
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

/* Every entry is stored, and the next one mostly over it: that is cheaper than to guess which ones count. */
static inline uint32_t group_collect(uint64_t *batch, uint32_t count, const uint64_t *group, uint64_t start,
				     uint64_t span, bool first)
{
	for (unsigned i = 0; i < PAGE_WAYS; i++) {
		const uint64_t entry = page_load(&group[i]);
		batch[count] = entry;
		count += ((entry << (64 - PAGE_POSITION_BITS)) - start <= span) & (!first | (entry != 0));
	}
	return count;
}

/* What of a page belongs to the slice. Meanwhile the next page comes into the cache. */
static void walk_collect(arena_walk *w, const struct page_disk *page, const struct page_disk *next)
{
	const unsigned tag_bits = 64 - PAGE_POSITION_BITS;
	const uint64_t start = w->slice * w->slice_units << tag_bits;
	const uint64_t span = w->slice + 1 == w->slices ? UINT64_MAX - start : (w->slice_units << tag_bits) - 1;
	uint32_t count = w->count;

	for (unsigned g = 0; g < PAGE_GROUPS; g++) {
		__builtin_prefetch(next->group[g]);
		/* An empty entry looks like one of position 0, which lies in the first slice. */
		if (w->slice == 0)
			count = group_collect(w->batch, count, page->group[g], start, span, true);
		else
			count = group_collect(w->batch, count, page->group[g], start, span, false);
	}
	w->count = count;
}

/* By lines of the file: what shares one comes at once. Places in the slice are told apart, no others. */
static void batch_sort(arena_walk *w)
{
	for (unsigned shift = LINE_BITS; w->slice_units >> shift != 0; shift += RADIX_MOST)
		radix_pass(&w->batch, &w->spare, w->count, w->slice * w->slice_units, shift, RADIX_MOST);
}

/* The next page. The first time over the table, the pages that come after it are asked for, a node's at a time. */
static const struct page_disk *page_next(arena_walk *w)
{
	const struct map *m = &w->a->map;

	if (w->slice == 0 && w->name == w->name_asked)
		w->name_asked = readahead_pages(m, w->root, w->name);
	return table_next_page(m, w->root, &w->name);
}

/* The page after that one, when it is known to be sound. */
static const struct page_disk *page_after(const arena_walk *w, const struct page_disk *page)
{
	uint64_t name = w->name;
	const struct page_disk *next = name == 0 ? NULL : table_next_page(&w->a->map, w->root, &name);

	return next != NULL ? next : page;
}

/* The next batch: of this slice, or of the next one. */
static int batch_fill(arena_walk *w)
{
	if (w->pages_done) {
		w->slice++;
		w->pages_done = false;
		w->slice_read = false;
	} else if (w->count > 0 && !w->gaps) {
		w->slice_read = true;
	}
	w->gaps = false;
	w->asked = w->ask_at = 0;
	w->count = w->at = 0;
	while (!w->pages_done && w->count + PAGE_GROUPS * PAGE_WAYS <= w->capacity) {
		const struct page_disk *page = page_next(w);
		if (page == NULL)
			return GRAVITY_CORRUPT;
		walk_collect(w, page, page_after(w, page));
		w->pages_done = w->name == 0;
	}
	batch_sort(w);
	return 0;
}

/* Asks for the next part of the batch while the one before it is read. How long records are is not known yet: what
 * reaches further than this into gaps is asked for by long_ask, or small. */
static void walk_ask(arena_walk *w)
{
	struct readahead ahead = readahead_begin(&w->a->map);

	w->ask_at = w->asked;
	while (w->asked < w->count && ahead.bytes < WALK_ASK && ahead.ranges < WALK_ASK_RANGES)
		readahead_add(&ahead, page_entry_offset(w->batch[w->asked++]), DISK_PAGE / 8);
	readahead_end(&ahead);
	w->gaps |= ahead.ranges > 1;
	if (w->asked == w->count)
		w->ask_at = UINT32_MAX;
}

static void blob_ahead(const arena_walk *w)
{
	uint64_t offset;

	if (w->at + WALK_AHEAD >= w->count)
		return;
	/* Asked for without a look at where it lies: a prefetch never faults. */
	offset = page_entry_offset(w->batch[w->at + WALK_AHEAD]);
	for (unsigned line = 0; line < 3; line++)
		__builtin_prefetch(w->a->map.base + offset + line * DISK_LINE);
}

static void long_ask(const struct map *m, uint64_t offset, uint64_t bytes)
{
	struct readahead ahead = readahead_begin(m);

	readahead_add(&ahead, offset, bytes);
	readahead_end(&ahead);
}

static void blob_give(const struct blob_disk *b, vpos *name, struct arena_blob *out)
{
	name->bits = b->name;
	blob_show(b, out);
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

/* The blob of an entry, when it is a record that verifies and has the entry's tag; otherwise NULL. */
static inline const struct blob_disk *entry_blob(const struct map *m, uint64_t entry)
{
	const uint64_t offset = page_entry_offset(entry);
	const uint64_t room = map_room(m, offset);
	const struct blob_disk *b = blob_at(m, offset);

	if (room < sizeof *b || blob_span(b->size) > room)
		return NULL;
	if (__builtin_expect(b->size > WALK_LONG, 0))
		long_ask(m, offset, b->size);
	if (!blob_is_record(b) || (m->verify && b->check != blob_check_inline(m, b, offset)) ||
	    page_tag(b->name) != page_entry_tag(entry))
		return NULL;
	return b;
}

static int table_step(arena_walk *w, const struct blob_disk **blob)
{
	for (;;) {
		while (w->at == w->count) {
			int r;
			if (w->pages_done && w->slice + 1 == w->slices)
				return GRAVITY_NOTFOUND;
			r = batch_fill(w);
			if (r != 0)
				return r;
		}
		while (w->at == w->ask_at && !w->slice_read)
			walk_ask(w);
		blob_ahead(w);
		*blob = entry_blob(&w->a->map, w->batch[w->at++]);
		if (*blob == NULL)
			return GRAVITY_CORRUPT;
		if (!changed_before(w, (*blob)->name))
			return 0;
	}
}

int arena_walk_next(arena_walk *w, vpos *name, struct arena_blob *out)
{
	const struct ops *ops = &w->a->writer.ops;
	const struct blob_disk *b;
	const bool reads = w->txn->live == TXN_READ && arena_ours(w->a);
	int r = reads ? 0 : arena_txn_usable(w->txn);

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
