/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* evacuate.c owns moving what is live out of a stretch of the file.
 *
 *     | free |  A  | dead | page |  B  | free |   window elsewhere: | A' | B' | ...      page' in another slot
 *     after the next checkpoint:
 *     |                 free                  |
 *
 * 1. A record is moved by appending the same bytes as a MOVE, in commits of its own: compaction needs no log of its own,
 *    and a crash in the middle leaves each record in one place or the other, reachable either way.
 * 2. A record is live if the table's entry for its name points to it, a page or node if the way to its name leads
 *    through it. Everything else in the stretch is pending, or goes with the next checkpoint.
 * 3. What is moved is verified first: damage is reported, not copied under a fresh check.
 * 4. What the write transaction has shown to its user stays where it is.
 * 5. Nothing new is put into the stretch meanwhile (space.evict_*), so a place in it that becomes free keeps its bytes.
 *
 * Cost: the stretch is read from end to end; a batch of records waits once for its entries. */
#include "arena/move/evacuate.h"

#include <assert.h>
#include <errno.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/commit.h"
#include "arena/log/log.h"
#include "arena/log/writer.h"
#include "arena/table/page.h"

#define EVACUATE_COMMIT (UINT64_C(256) << 10) /* bytes of a commit of moves */
#define EVACUATE_BATCH  32u
#define EVACUATE_FEW    8u /* under a limit, where each is a commit: the pages that it copies must find a place */

static bool table_leads_to(arena *a, const struct blob_disk *b)
{
	struct table_path path;

	if (table_seek(&a->b->table, b->name, &path) != 0)
		return false;
	if (&path.page->head == b)
		return true;
	for (unsigned i = 0; i < path.levels; i++)
		if (&path.node[i]->head == b)
			return true;
	return false;
}

static bool was_shown(const struct shown *s, const struct blob_disk *b)
{
	const uintptr_t start = (uintptr_t)b;

	for (uint32_t i = 0; i < s->count; i++)
		if ((uintptr_t)s->data[i] - start < blob_span(b->size))
			return !broken(BROKEN_SHOWN);
	return false;
}

/* 0 with *live set, or GRAVITY_CORRUPT: the table is damaged there. */
static int record_live(arena *a, const struct blob_disk *b, bool *live)
{
	struct page_disk *page = table_page(&a->map, a->b->table.root, b->name);

	*live = page != NULL && page_find(page, b->name, blob_offset(&a->map, b)) != NULL;
	return page == NULL ? GRAVITY_CORRUPT : 0;
}

static bool is_table(const struct blob_disk *b)
{
	return blob_kind(b) == BLOB_PAGE || blob_kind(b) == BLOB_NODE;
}

/* A chunk of a free list in the making has no check yet. A page or node of this session has none until a checkpoint sets it. */
static bool extent_sound(const arena *a, const struct blob_disk *b)
{
	if (is_table(b))
		return map_trusts(&a->map, blob_offset(&a->map, b)) || blob_verify(&a->map, blob_offset(&a->map, b));
	if ((blob_kind(b) == BLOB_FREE && atomic_load(&a->checkpoint.pushing)) || broken(BROKEN_MOVE_TRUST))
		return true;
	return blob_verify(&a->map, blob_offset(&a->map, b));
}

int extent_at(arena *a, uint64_t offset, uint64_t *span, enum extent_use *use)
{
	const struct blob_disk *b;
	bool live = false;
	int r = 0;

	/* A slot may have grown over the boundary meanwhile. */
	*span = space_free_at(&a->b->space, offset);
	if (*span > 0) {
		*use = EXTENT_SLOT;
		return 0;
	}
	if (offset == a->b->log.at.cursor) {
		*span = a->b->log.at.window_end - offset;
		*use = EXTENT_WINDOW;
		return 0;
	}
	if (!blob_fits(&a->map, offset))
		return GRAVITY_CORRUPT;
	b = blob_at(&a->map, offset);
	*span = blob_span(b->size);
	*use = EXTENT_OTHER;
	if (!extent_sound(a, b))
		return GRAVITY_CORRUPT;
	if (is_table(b) && table_leads_to(a, b))
		*use = EXTENT_TABLE;
	if (blob_is_record(b))
		r = record_live(a, b, &live);
	if (live)
		*use = EXTENT_RECORD;
	return r;
}

uint64_t extent_from(const arena *a, uint64_t at, uint64_t least, unsigned most)
{
	for (; at < least && most > 0; most--) {
		const uint64_t free = a->b->space.full ? space_free_at(&a->b->space, at) : 0;
		if (free > 0)
			at += free;
		else if (at == a->b->log.at.cursor)
			at = a->b->log.at.window_end;
		else if (blob_fits(&a->map, at))
			at += blob_span(blob_at(&a->map, at)->size);
		else
			return 0;
	}
	return at < least ? 0 : at;
}

static bool limited(const arena *a)
{
	return a->b->space.max_bytes != UINT64_MAX;
}

/* What a walk over a stretch remembers. */
struct evacuation {
	arena *a;
	uint64_t gap_end; /* no free slot begins before it     */
	unsigned count;   /* records whose entries were asked for */
	uint64_t at[EVACUATE_BATCH];
};

/* Moves a record that was verified, if the table's entry is at that place. Where the free list of a forged file names a part
 * of it, it may have changed since then, and its copy may lie over it: its size is read once, and is one that fits. */
static int record_move(arena *a, const struct blob_disk *b)
{
	struct writer *w = &a->writer;
	const vpos name = {b->name};
	const uint64_t size = b->size;
	bool live;
	void *data;
	int r = record_live(a, b, &live);

	if (r != 0 || !live || was_shown(&w->shown, b))
		return r;
	if (!blob_fits(&a->map, blob_offset(&a->map, b)))
		return GRAVITY_CORRUPT;
	w->memo = true;
	w->memo_name = b->name;
	w->memo_before = blob_offset(&a->map, b);
	r = writer_put(a, BLOB_MOVE, name, b->aux, size, &data);
	if (r == 0 && size > 0)
		map_copy(&a->map, data, b + 1, size);
	return r;
}

static int moves_commit(arena *a)
{
	const uint64_t moved = a->writer.written;
	uint64_t seq;
	const int r = commit_apply(a, &seq);

	a->b->bytes_moved += r == 0 ? moved : 0;
	writer_begin(a, a->writer.flags, true);
	return r;
}

/* Before so many records are moved: whether the copies of the pages that lead to them find a place, and the free list of
 * the checkpoint that gives back what they copy. */
static int pages_allow(const arena *a, uint64_t records)
{
	const uint64_t copied = a->b->space.copied_bytes;
	const uint64_t rest = a->b->table.bytes > copied ? (a->b->table.bytes - copied) / DISK_PAGE : 0;

	return space_holds_pages(&a->b->space, (records < rest ? records : rest) + 1) ? 0 : GRAVITY_FULL;
}

static int batch_move(struct evacuation *e)
{
	int r = pages_allow(e->a, e->count);

	for (unsigned i = 0; r == 0 && i < e->count; i++)
		r = record_move(e->a, blob_at(&e->a->map, e->at[i]));
	e->count = 0;
	if (r == 0 && e->a->writer.written >= (limited(e->a) ? 1 : EVACUATE_COMMIT))
		r = moves_commit(e->a);
	return r;
}

/* Asks for the entries of a record now, so that the waits for memory of a batch overlap. */
static int batch_add(struct evacuation *e, uint64_t at)
{
	const struct blob_disk *b = blob_at(&e->a->map, at);
	const struct page_disk *page = table_page(&e->a->map, e->a->b->table.root, b->name);

	if (page == NULL)
		return GRAVITY_CORRUPT;
	page_ask(page, b->name);
	e->at[e->count++] = at;
	return e->count == (limited(e->a) ? EVACUATE_FEW : EVACUATE_BATCH) ? batch_move(e) : 0;
}

static int table_part_move(struct evacuation *e, uint64_t at)
{
	arena *a = e->a;
	const struct blob_disk *b = blob_at(&a->map, at);
	int r = batch_move(e);

	if (r == 0)
		r = pages_allow(a, 1);
	if (r != 0 || !table_leads_to(a, b))
		return r;
	r = moves_commit(a);
	return r != 0 ? r : commit_move(a, b->name);
}

/* One extent between two slots. What was freed there since the walk came by still reads as it did. */
static int extent_move(struct evacuation *e, uint64_t at, uint64_t *span)
{
	arena *a = e->a;
	const struct blob_disk *b;

	if (at == a->b->log.at.cursor) {
		*span = a->b->log.at.window_end - at;
		return 0;
	}
	if (!blob_fits(&a->map, at))
		return GRAVITY_CORRUPT;
	b = blob_at(&a->map, at);
	*span = blob_span(b->size);
	if (!extent_sound(a, b))
		return GRAVITY_CORRUPT;
	if (is_table(b))
		return table_part_move(e, at);
	return blob_is_record(b) ? batch_add(e, at) : 0;
}

/* Over the free slots that `at` lies in, if it does; and where the next one begins. */
static uint64_t slot_pass(struct evacuation *e, uint64_t at)
{
	const struct space *s = &e->a->b->space;

	/* Slots of one kind do not touch. */
	for (uint64_t free = space_free_at(s, at); free > 0; free = s->aside.count > 0 ? space_free_at(s, at) : 0)
		at += free;
	e->gap_end = space_free_next(s, at);
	return at;
}

static int extents_move(arena *a, uint64_t start, uint64_t end)
{
	struct evacuation e = {.a = a};
	uint64_t span = 0;
	int r = 0;

	for (uint64_t at = start; r == 0 && at < end; at += span) {
		if (at >= e.gap_end)
			at = slot_pass(&e, at);
		if (at >= end)
			break;
		r = extent_move(&e, at, &span);
	}
	if (r == 0)
		r = batch_move(&e);
	if (r == 0 || space_short(r)) {
		/* Up to where there was room, what was moved counts. */
		const int committed = moves_commit(a);
		r = committed != 0 ? committed : r;
	}
	return r;
}

int evacuate(arena *a, uint64_t start, uint64_t end)
{
	struct writer *w = &a->writer;
	const unsigned flags = w->flags;
	const bool internal = w->internal;
	const bool use_reserve = w->use_reserve;
	int r = space_end_cluster(&a->b->space);

	assert(!log_has_blobs(&a->b->log) && w->ops.count == 0);
	assert(start % DISK_UNIT == 0 && end % DISK_UNIT == 0);
	if (r != 0)
		return r;
	if (a->b->log.at.cursor >= start && a->b->log.at.cursor < end) {
		log_shed_window(&a->b->log);
		/* Without memory it is as it was, and what moves would go where it comes from. */
		if (a->b->log.at.window_end - a->b->log.at.cursor > sizeof(struct jump_disk))
			return ENOMEM;
	}
	a->b->space.evict_start = start;
	a->b->space.evict_end = end;
	writer_begin(a, flags, true);
	r = extents_move(a, start, end);
	writer_abort(a);
	a->b->space.evict_start = a->b->space.evict_end = 0;
	/* Under a limit its window may be most of what is clean. */
	if (limited(a))
		log_shed_window(&a->b->log);
	a->b->compaction_steps++;
	writer_begin(a, flags, internal);
	w->use_reserve = use_reserve;
	return r;
}
