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
 * 4. Nothing new is put into the stretch meanwhile (space.evict_*). */
#include "arena/core.h"

#include <assert.h>
#include <string.h>

#define EVACUATE_COMMIT (UINT64_C(256) << 10) /* bytes of a commit of moves */

static bool table_leads_to(arena *a, const struct blob_disk *b)
{
	struct table_path path;

	if (table_seek(&a->table, b->name, &path) != 0)
		return false;
	if (&path.page->head == b)
		return true;
	for (unsigned i = 0; i < path.levels; i++)
		if (&path.node[i]->head == b)
			return true;
	return false;
}

/* 0 with *live set, or GRAVITY_CORRUPT: the table is damaged there. */
static int record_live(arena *a, const struct blob_disk *b, bool *live)
{
	struct page_disk *page = table_page(&a->map, a->table.root, b->name);

	*live = page != NULL && page_find(page, b->name, blob_offset(&a->map, b)) != NULL;
	return page == NULL ? GRAVITY_CORRUPT : 0;
}

int extent_at(arena *a, uint64_t offset, uint64_t *span, enum extent_use *use)
{
	const struct slots *s = &a->space.free;
	const slot_id slot = slots_at_or_before(s, offset);
	const struct blob_disk *b;
	bool live = false;
	int r = 0;

	/* A slot may have grown over the boundary meanwhile. */
	if (slot != SLOT_NONE && offset - slots_start(s, slot) < slots_size(s, slot)) {
		*span = slots_size(s, slot) - (offset - slots_start(s, slot));
		*use = EXTENT_SLOT;
		return 0;
	}
	if (offset == a->log.at.cursor) {
		*span = a->log.at.window_end - offset;
		*use = EXTENT_WINDOW;
		return 0;
	}
	if (!blob_fits(&a->map, offset))
		return GRAVITY_CORRUPT;
	b = blob_at(&a->map, offset);
	*span = blob_span(b->size);
	*use = EXTENT_OTHER;
	if (blob_kind(b) == BLOB_PAGE || blob_kind(b) == BLOB_NODE) {
		/* One of this session has no check until a checkpoint sets it. */
		if (!map_trusts(&a->map, offset) && !blob_verify(&a->map, offset))
			return GRAVITY_CORRUPT;
		if (table_leads_to(a, b))
			*use = EXTENT_TABLE;
		return 0;
	}
	if (!blob_verify(&a->map, offset))
		return GRAVITY_CORRUPT;
	if (blob_is_record(b))
		r = record_live(a, b, &live);
	if (live)
		*use = EXTENT_RECORD;
	return r;
}

static int record_move(arena *a, const struct blob_disk *b)
{
	const vpos name = {b->name};
	void *data;
	int r;

	r = writer_put(a, BLOB_MOVE, name, b->aux, b->size, &data);
	if (r != 0)
		return r;
	if (b->size > 0)
		memcpy(data, b + 1, b->size);
	a->bytes_moved += blob_span(b->size);
	return 0;
}

static int moves_commit(arena *a)
{
	uint64_t seq;
	const int r = commit_apply(a, &seq);

	writer_begin(a, a->writer.flags, true);
	return r;
}

static int extents_move(arena *a, uint64_t start, uint64_t end)
{
	uint64_t span;
	int r = 0;

	for (uint64_t at = start; r == 0 && at < end; at += span) {
		enum extent_use use;
		r = extent_at(a, at, &span, &use);
		if (r == 0 && use == EXTENT_RECORD)
			r = record_move(a, blob_at(&a->map, at));
		if (r == 0 && (use == EXTENT_TABLE || a->writer.written >= EVACUATE_COMMIT))
			r = moves_commit(a);
		if (r == 0 && use == EXTENT_TABLE)
			r = commit_move(a, blob_at(&a->map, at)->name);
	}
	if (r == 0 || r == GRAVITY_FULL) {
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
	int r = space_end_cluster(&a->space);

	assert(!log_has_blobs(&a->log) && w->ops.count == 0);
	if (r != 0)
		return r;
	if (a->log.at.cursor >= start && a->log.at.cursor < end)
		log_shed_window(&a->log);
	a->space.evict_start = start;
	a->space.evict_end = end;
	writer_begin(a, flags, true);
	r = extents_move(a, start, end);
	writer_abort(a);
	a->space.evict_start = a->space.evict_end = 0;
	a->compaction_steps++;
	writer_begin(a, flags, internal);
	w->use_reserve = use_reserve;
	return r;
}
