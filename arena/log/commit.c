/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* commit.c owns the step from "appended" to "happened".
 *
 *     prepare   pages that will change are copied, split or merged, and every entry's place is chosen. May fail; has
 *               changed no content if it does. It may take long: the ops are sorted, pages copied, the file grows.
 *     announce  snapshots that begin from here on wait for `publish`, which is soon.
 *     seal      the last check is written. From here on a recovery finds the commit.
 *     store     entries are stored, 8 bytes at a time. Cannot fail: memory and places were had in `prepare`.
 *     publish   readers get the new number and root; the next writer may come in.
 *
 * A process that is killed, or a disk that loses power, before the seal leaves a tail without a commit flag: it did not
 * happen. After the seal it happened, and recovery repeats what `store` did not finish.
 *
 * Snapshots may begin while it is prepared. Let s be the newest commit, and f the newest one that an open snapshot or the
 * checkpoint under way sees when the preparing begins.
 *
 *   f = s   what was born at or before s is copied before it is changed. A snapshot that begins meanwhile sees s, too, and
 *           nothing else: it changes nothing.
 *   f < s   pages that were born after f are to be changed where they stand, and nobody looks at them yet. A snapshot of s
 *           that begins meanwhile does. Until `store` it finds what it should all the same: no page's content is changed by
 *           preparing, a reference that leads to the copy of a page leads to the same entries, and references change their
 *           shape in copies of their nodes alone (table.seen). What it may come to it also holds: copies that it can reach
 *           are born with s, and what they replaced dies with s + 1. But the stores must not reach it. So after the
 *           announcement the snapshots are looked at again. If one has begun, the announcement is taken back, and the commit
 *           is prepared once more with f = s: whatever begins after that changes nothing, so this happens once.
 *
 * 1. Between readers_apply_begin and _end nothing that a snapshot sees is changed. What is changed before, a snapshot may see:
 *    it finds the same entries either way.
 * 2. A commit number is used once: a commit that fails in `prepare` uses it up, since pages may bear it.
 *
 * Cost: two or three cache misses an op, which overlap where there are several; a sort of the ops by name, so that each page
 * is prepared once. */
#include "arena/log/commit.h"

#include <assert.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/flush.h"
#include "arena/log/log.h"
#include "arena/log/writer.h"
#include "arena/table/page.h"

#define ASK_AHEAD 12u /* ops whose pages are asked for before their turn */

/* Where an entry stands: the page, which is at a multiple of 64, and the entry's index in it. */
static uint64_t place_of(const struct map *m, const struct page_disk *page, const uint64_t *entry)
{
	const uint64_t index = (uint64_t)(entry - &page->group[0][0]);

	assert(index < PAGE_GROUPS * PAGE_WAYS);
	return blob_offset(m, page) << 9 | index;
}

static struct page_disk *place_page(const struct map *m, uint64_t place)
{
	return (struct page_disk *)(void *)blob_at(m, place >> 9);
}

static uint64_t *place_entry(const struct map *m, uint64_t place)
{
	return &place_page(m, place)->group[0][0] + (place & 511);
}

static bool page_has(const struct page_disk *page, uint64_t name)
{
	return page_prefix(name, page_depth(page)) == page->head.name;
}

/* Chooses places for the ops from `first` on that belong to the page; *next is the first one that does not. When the page
 * has no room, *full is set. */
static int page_prepare(arena *a, struct page_disk *page, uint32_t first, uint32_t *next, bool *full)
{
	struct ops *ops = &a->writer.ops;
	struct page_plan plan;
	uint32_t i;

	*full = false;
	page_plan_begin(&plan, page);
	for (i = first; i < ops->count && page_has(page, ops_at(ops, i)->name); i++) {
		struct op *op = ops_at(ops, i);
		uint64_t *entry = NULL;
		if (op->before != 0) {
			entry = page_find(page, op->name, op->before);
			if (entry == NULL)
				return GRAVITY_CORRUPT;
		} else if (op->now != 0) {
			entry = page_plan_take(&plan, op->name);
			if (entry == NULL) {
				*full = true;
				return 0;
			}
		}
		op->place = entry == NULL ? 0 : place_of(&a->map, page, entry);
	}
	*next = i;
	return 0;
}

/* A page that has become nearly empty is merged with its buddy, unless an op of this commit has its place there. */
static int path_merge(arena *a, struct table_path *path, uint32_t first, bool *merged)
{
	const struct ops *ops = &a->writer.ops;
	const unsigned depth = page_depth(path->page);

	*merged = false;
	if (ops_at(ops, first)->now != 0 || depth == 0)
		return 0;
	if (first > 0 && page_prefix(ops_at(ops, first - 1)->name, depth - 1) == page_prefix(path->name, depth - 1))
		return 0;
	return table_merge(&a->b->table, path, merged);
}

/* Asks the processor for what preparing and storing the op will read. The way to the page is cached, as a rule; a page that
 * is copied or split meanwhile was asked for in vain. */
static void op_ask(const arena *a, const struct op *op)
{
	const struct page_disk *page = table_page(&a->map, a->b->table.root, op->name);

	if (page == NULL)
		return;
	__builtin_prefetch(page);
	page_ask(page, op->name);
	if (op->before != 0)
		__builtin_prefetch(blob_at(&a->map, op->before));
}

/* The ops up to ASK_AHEAD behind the one that is next, each once. */
static void ops_ask(const arena *a, uint32_t next, uint32_t *asked)
{
	const struct ops *ops = &a->writer.ops;

	if (*asked < next)
		*asked = next;
	for (; *asked < ops->count && *asked < next + ASK_AHEAD; ++*asked)
		op_ask(a, ops_at(ops, *asked));
}

/* Of ops that are sorted. */
static int ops_prepare(arena *a)
{
	struct ops *ops = &a->writer.ops;
	struct table *t = &a->b->table;
	struct table_path path;
	uint32_t split_at = UINT32_MAX; /* a page that was split for these ops is not merged for them */
	uint32_t asked = 0;
	bool merged = false;
	bool full = false;
	uint32_t i = 0;
	int r;

	while (i < ops->count) {
		if (ops->count > 1)
			ops_ask(a, i, &asked);
		r = table_seek(t, ops_at(ops, i)->name, &path);
		if (r == 0 && i != split_at)
			r = path_merge(a, &path, i, &merged);
		if (r == 0 && merged) {
			merged = false;
			continue;
		}
		if (r == 0)
			r = table_own(t, &path);
		if (r == 0)
			r = page_prepare(a, path.page, i, &i, &full);
		if (r == 0 && full) {
			r = table_split(t, &path);
			split_at = i;
		}
		if (r != 0)
			return r;
	}
	return pending_reserve(&a->b->space.pending, (uint64_t)ops->count + ops->dead_count + a->b->log.jump_count);
}

/* What is born at or before `snapshot`, or the begin of the checkpoint under way, stays as it is. seen: see table.h. */
static void table_freeze(arena *a, uint64_t snapshot, uint64_t seen)
{
	struct table *t = &a->b->table;

	t->frozen = snapshot > a->b->space.started_seq ? snapshot : a->b->space.started_seq;
	t->seen = t->frozen < seen ? seen : 0;
}

/* Prepares, and announces the commit when that is done; *check: for its seal. On failure nothing is announced. */
static int commit_prepare(arena *a, uint32_t *check)
{
	const uint64_t now = atomic_load_explicit(&a->readers.seq, memory_order_relaxed);
	struct table *t = &a->b->table;
	int r;

	assert(t->seq > now);
	table_freeze(a, readers_newest(&a->readers), now);
	ops_sort(&a->writer.ops);
	r = ops_prepare(a);
	if (r == 0 && !broken(BROKEN_SEAL_FIRST))
		*check = log_commit_check(&a->b->log);
	if (r == 0 && readers_apply_begin(&a->readers) > t->frozen && !broken(BROKEN_SNAPSHOT_MISSED)) {
		readers_apply_cancel(&a->readers);
		table_freeze(a, now, now);
		r = ops_prepare(a);
		if (r == 0)
			(void)readers_apply_begin(&a->readers);
	}
	t->seen = 0;
	return r;
}

static void record_die(arena *a, uint64_t offset)
{
	const struct blob_disk *b = blob_at(&a->map, offset);
	const uint64_t span = blob_span(b->size);

	space_free_blob(&a->b->space, offset, span, blob_seq(b), a->b->table.seq);
	a->b->live_bytes -= span;
	a->b->blobs--;
}

/* Never: all that the stores need was had before. */
static bool store_fails(const arena *a)
{
	void *memory;

	if (!broken(BROKEN_APPLY_FAILS))
		return false;
	memory = a->os->alloc(a->os, NULL, 1);
	a->os->free(a->os, memory);
	return memory == NULL;
}

static void commit_store(arena *a)
{
	struct ops *ops = &a->writer.ops;
	const uint64_t seq = a->b->table.seq;

	for (uint32_t i = 0; i < ops->count; i++) {
		const struct op *op = ops_at(ops, i);
		struct page_disk *page;
		if (store_fails(a))
			return;
		if (op->place == 0)
			continue;
		page = place_page(&a->map, op->place);
		assert(blob_seq(&page->head) > a->b->table.frozen);
		page_store(place_entry(&a->map, op->place), op->now == 0 ? 0 : page_entry(op->name, op->now));
		if (op->now != 0) {
			page->head.aux++;
			a->b->live_bytes += blob_span(blob_at(&a->map, op->now)->size);
			a->b->blobs++;
		}
		if (op->before != 0) {
			page->head.aux--;
			record_die(a, op->before);
		}
	}
	for (uint32_t i = 0; i < ops->dead_count; i++)
		space_free_blob(&a->b->space, ops->dead[i].offset, ops->dead[i].span, seq, seq);
	for (uint32_t i = 0; i < a->b->log.jump_count; i++) {
		const uint64_t span = sizeof(struct jump_disk);
		space_free_blob(&a->b->space, a->b->log.jumps[i].left_start - span, span, seq, seq);
	}
}

int commit_apply(arena *a, uint64_t *seq)
{
	struct table *t = &a->b->table;
	uint32_t check = 0;
	int r;

	*seq = 0;
	if (!log_has_blobs(&a->b->log)) {
		writer_abort(a);
		return 0;
	}
	t->seq = a->b->log.seq;
	if (broken(BROKEN_SEAL_FIRST))
		log_seal_commit(&a->b->log, log_commit_check(&a->b->log));
	r = commit_prepare(a, &check);
	if (r == 0) {
		if (!broken(BROKEN_SEAL_FIRST))
			log_seal_commit(&a->b->log, check);
		commit_store(a);
		flush_add(a, t->seq);
		readers_apply_end(&a->readers, t->seq, t->root);
		log_commit(&a->b->log);
		*seq = t->seq;
	} else {
		log_abort(&a->b->log);
		(void)readers_apply_begin(&a->readers);
		readers_apply_end(&a->readers, t->seq, t->root);
	}
	ops_clear(&a->writer.ops);
	a->writer.memo = false;
	return r;
}

int commit_hop(arena *a)
{
	struct table *t = &a->b->table;
	int r = pending_reserve(&a->b->space.pending, 1);

	assert(!log_has_blobs(&a->b->log) && a->writer.ops.count == 0);
	a->b->log.seq = atomic_load(&a->readers.seq) + 1;
	if (r == 0)
		r = log_hop(&a->b->log);
	if (r != 0)
		return r;
	(void)readers_apply_begin(&a->readers);
	t->seq = a->b->log.seq;
	log_seal_commit(&a->b->log, log_commit_check(&a->b->log));
	commit_store(a);
	flush_add(a, t->seq);
	readers_apply_end(&a->readers, t->seq, t->root);
	log_commit(&a->b->log);
	return 0;
}

int commit_move(arena *a, uint64_t name)
{
	const uint64_t now = atomic_load(&a->readers.seq);
	struct table *t = &a->b->table;
	struct table_path path;
	int r;

	assert(!log_has_blobs(&a->b->log));
	/* A commit without a blob: recovery makes pages of its own. */
	t->seq = now + 1;
	table_freeze(a, readers_newest(&a->readers), now);
	r = table_seek(t, name, &path);
	if (r == 0)
		r = table_own(t, &path);
	t->seen = 0;
	/* A snapshot that began meanwhile finds the same entries, whichever copy it comes to. */
	(void)readers_apply_begin(&a->readers);
	readers_apply_end(&a->readers, t->seq, t->root);
	/* The number is used up: a snapshot may bear it, so the next commit dies and is born after it. */
	a->b->log.seq = t->seq + 1;
	return r;
}

/* A name that was handed out before the crash is not handed out again. */
static void replay_name(arena *a, uint64_t name)
{
	const uint64_t counter = unmix64(name);

	if (a->kind == ARENA_PLAIN && counter > a->b->next_name && !broken(BROKEN_NAMES))
		a->b->next_name = counter;
}

static int replay_record(arena *a, const struct blob_disk *b)
{
	struct ops *ops = &a->writer.ops;
	const struct blob_disk *old;
	uint64_t before = 0;
	struct op *op;
	int r = ops_reserve(ops, 1);

	if (r == 0 && (blob_flags(b) & BLOB_REPLACES) != 0 &&
	    !(broken(BROKEN_MOVE_BLIND) && blob_kind(b) == BLOB_MOVE)) {
		r = table_find(&a->map, a->b->table.root, b->name, &old);
		if (r == GRAVITY_NOTFOUND)
			r = GRAVITY_CORRUPT;
		if (r == 0)
			before = blob_offset(&a->map, old);
	}
	if (r != 0)
		return r;
	op = ops_add(ops, b->name);
	op->before = before;
	if (blob_is_record(b))
		op->now = blob_offset(&a->map, b);
	else
		ops_add_dead(ops, blob_offset(&a->map, b), blob_span(b->size));
	replay_name(a, b->name);
	ops_sort(ops);
	r = ops_prepare(a);
	if (r == 0)
		commit_store(a);
	ops_clear(ops);
	return r;
}

int commit_replay(arena *a, const struct blob_disk *b)
{
	int r;

	a->b->table.seq = blob_seq(b);
	table_freeze(a, 0, 0);
	if (broken(BROKEN_TOMB) && blob_kind(b) == BLOB_TOMB)
		return 0;
	if (blob_kind(b) != BLOB_JUMP)
		return replay_record(a, b);
	r = pending_reserve(&a->b->space.pending, 1);
	if (r == 0)
		space_free_blob(&a->b->space, blob_offset(&a->map, b), blob_span(b->size), blob_seq(b), blob_seq(b));
	return r;
}
