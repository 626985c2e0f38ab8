/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* checkpoint.c owns making a state of the table durable, so that the log before it, and what died before it, is needed
 * no more.
 *
 *     IDLE --begin--> PUSHING --push, slice by slice, then flush--> HEADER --write it, flush it--> WRITTEN --finish--> IDLE
 *                        |
 *                        +--whoever drove it is gone--> ORPHAN --finish--> IDLE
 *
 *   begin   holds the writer's lock: notes commit c, the place in the log, the window; copies what is free as of c.
 *           From here on c counts as a snapshot: what was born at or before it is copied before it changes.
 *   push    without the lock: makes the free list; sets the checks of the pages and nodes born since the last checkpoint,
 *           and starts writing them and the log up to c, so that the flush finds little to do but to wait.
 *   flush   one fdatasync for all of them, the chunks and the log.
 *   header  goes into the page of the older header, and is flushed. The state HEADER says so before the page is touched:
 *           whoever inherits the checkpoint then does the same again, after which it counts for certain. Before that state
 *           the page is as it was, and the checkpoint is dropped (orphan_drop).
 *   finish  holds the writer's lock: what died at or before c may be used again; the end of the file is cut. Large slots
 *           are punched out of the file after the changes that follow, some after each.
 *
 * What a power cut leaves: before the header's flush the older checkpoint and its log, of which nothing was overwritten;
 * the header, if it got there early, is whole (one sector) and all that it names was flushed before. After it the new
 * one. Between header and finish nothing durable changes.
 *
 * Its memory is had at its begin and given back when it is over, by who has the writer's lock: no step between takes any.
 *
 * The one who pushes holds the checkpoint's latch and never waits for the writer's lock meanwhile. */
#include "arena/log/checkpoint.h"

#include <assert.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/adopt.h"
#include "arena/log/flush.h"
#include "arena/log/freelist.h"
#include "arena/log/interval.h"
#include "arena/log/log.h"
#include "arena/log/push.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"

#define SLICE_LEAST (UINT64_C(256) << 10)
#define SLICE_RATIO 4   /* of what a commit wrote and freed */
#define PUNCH_SHARE 8   /* of the live bytes */
#define PUNCH_STEP  32u /* slots after a change: some ten microseconds each */
#define DRAIN_STEP  4096u

static void header_fill(arena *a, struct header_disk *h)
{
	const struct header_disk *old = &a->flush.header;

	memset(h, 0, sizeof *h);
	h->version = old->version;
	h->kind = (uint32_t)a->kind;
	memcpy(h->identity, old->identity, sizeof h->identity);
	h->hash_seed = old->hash_seed;
	h->checkpoint = old->checkpoint + 1;
	h->seq = atomic_load(&a->readers.seq);
	h->root = a->b->table.root;
	h->log_start = a->b->log.at.cursor;
	h->window_end = a->b->log.at.window_end;
	h->log_link = a->b->log.at.link;
	h->blobs = a->b->blobs;
	h->live_bytes = a->b->live_bytes;
	h->table_pages = a->b->table.pages;
	h->table_bytes = a->b->table.bytes;
	h->next_name = a->b->next_name;
}

/* Without a file there is nothing to flush: what died is free as soon as no reader holds it. */
static void checkpoint_anonymous(arena *a)
{
	a->b->space.started_seq = atomic_load(&a->readers.seq);
	a->b->space.durable_seq = a->b->space.started_seq;
	interval_begin(a);
	freelist_freemap(a);
	interval_renew(a, &a->checkpoint.freemap);
	checkpoint_release(a);
	a->b->log.bytes = 0;
	a->b->space.dead_bytes = a->b->space.copied_bytes = 0;
	a->checkpoint.count++;
	(void)space_drain(&a->b->space, DRAIN_STEP);
}

/* Holds the writer's lock and the checkpoint's latch; no transaction has blobs in the chain. */
static int checkpoint_begin(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;
	int r;

	assert(cp->state == CHECKPOINT_IDLE && !log_has_blobs(&a->b->log));
	if (a->map.mode == OS_MAP_ANONYMOUS) {
		checkpoint_anonymous(a);
		return 0;
	}
	/* All numbers of checkpoints are used up: a header of number 0 is none. */
	if (a->flush.header.checkpoint == UINT64_MAX)
		return GRAVITY_FULL;
	header_fill(a, &cp->header);
	r = freelist_begin(a, &cp->header);
	if (r != 0)
		return r;
	cp->born_after = a->b->space.durable_seq;
	cp->sealed = false;
	cp->pushed = 0;
	push_begin(a);
	table_iter_begin(&cp->iter, &a->map, cp->header.root, cp->born_after, cp->header.seq);
	a->b->space.started_seq = cp->header.seq;
	/* A second checkpoint of one commit: the chunks that die with this one are what the durable header still names. */
	if (a->b->space.durable_seq == cp->header.seq)
		a->b->space.durable_seq--;
	interval_begin(a);
	a->b->log.before += a->b->log.bytes;
	a->b->log.bytes = 0;
	a->b->space.dead_bytes = a->b->space.copied_bytes = 0;
	atomic_store(&cp->live, file_live(a));
	atomic_store(&cp->owed, 0);
	cp->state = CHECKPOINT_PUSHING;
	atomic_store(&cp->pushing, true);
	return 0;
}

/* Sets the checks of pages and nodes. */
static int slice_seal(arena *a, uint64_t *budget)
{
	struct checkpoint *cp = &a->checkpoint;

	while (*budget > 0) {
		struct blob_disk *b;
		const int r = table_iter_next(&cp->iter, &b);
		cp->sealed = r == GRAVITY_NOTFOUND;
		if (r != 0)
			return cp->sealed ? 0 : r;
		if (!broken(BROKEN_PAGE_CHECK))
			blob_seal(&a->map, b);
		budget_take(budget, blob_span(b->size));
		push_add(&cp->dirty, blob_offset(&a->map, b), blob_offset(&a->map, b) + blob_span(b->size));
	}
	return 0;
}

/* In the state HEADER, and again by whoever inherits that: it comes to the same. What could not be written stays in it. */
static int header_flush(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;
	const unsigned index = cp->index;
	int r;

	flush_enter(a);
	header_seal(&cp->header, index);
	r = header_write(&a->map, &cp->header, index);
	if (r == 0)
		r = flush_range(a, index * DISK_PAGE, (index + 1) * DISK_PAGE);
	if (r == 0) {
		a->flush.header = cp->header;
		a->flush.header_index = index;
		/* Also without a new commit: what an open finds there is never many checkpoints old. */
		header_mark_write(&a->map, 1 - index, atomic_load(&a->flush.durable), a->flush.header.checkpoint);
	}
	flush_leave(a);
	flush_date(a);
	if (r != 0)
		return r;
	cp->state = CHECKPOINT_WRITTEN;
	return 0;
}

static bool steps_left(const struct checkpoint *cp)
{
	return cp->state == CHECKPOINT_PUSHING || cp->state == CHECKPOINT_HEADER;
}

/* Holds the checkpoint's latch. One step; what it cost is taken off *budget. */
static int checkpoint_step(arena *a, uint64_t *budget)
{
	struct checkpoint *cp = &a->checkpoint;
	bool done;
	int r;

	assert(steps_left(cp));
	if (cp->state == CHECKPOINT_HEADER)
		return header_flush(a);
	r = freelist_step(a, budget, &done);
	if (r != 0 || !done)
		return r;
	if (!cp->sealed)
		return slice_seal(a, budget);
	if (!push_slice(a, budget))
		return 0;
	cp->index = broken(BROKEN_HEADER_OVER) ? a->flush.header_index : 1 - a->flush.header_index;
	if (broken(BROKEN_HEADER_FIRST))
		r = header_flush(a);
	if (r == 0)
		r = flush_all(a);
	if (r != 0)
		return r;
	if (!broken(BROKEN_HEADER_STATE))
		cp->state = CHECKPOINT_HEADER;
	return header_flush(a);
}

/* Steps for so many bytes, one at least. */
static int checkpoint_steps(arena *a, uint64_t budget)
{
	int r = 0;

	while (r == 0 && steps_left(&a->checkpoint) && budget > 0)
		r = checkpoint_step(a, &budget);
	return r;
}

void checkpoint_release(arena *a)
{
	freelist_release(a);
	ranges_release(&a->checkpoint.dirty, a->memory);
}

static void checkpoint_idle(arena *a)
{
	checkpoint_release(a);
	a->checkpoint.state = CHECKPOINT_IDLE;
	atomic_store(&a->checkpoint.pushing, false);
}

/* Holds both locks. What its begin has taken is given back, but for what may stay: the chunks of the list before it died with it
 * (freelist_begin knows), and the log counts as that of two checkpoints. What the durable header reaches is not changed in
 * place from here on, either: that is the header's commit, which durable_seq may be one less than. */
static void orphan_drop(arena *a)
{
	/* Without memory it is tried again by whoever comes next. */
	if (freelist_abandon(a) != 0)
		return;
	a->b->space.started_seq = broken(BROKEN_ORPHAN_SEQ) ? a->b->space.durable_seq : a->flush.header.seq;
	a->b->interval.due = true;
	checkpoint_idle(a);
}

/* Holds both locks. */
static void checkpoint_finish(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;

	if (cp->state == CHECKPOINT_ORPHAN)
		orphan_drop(a);
	if (cp->state != CHECKPOINT_WRITTEN)
		return;
	a->b->space.durable_seq = cp->header.seq;
	a->b->log.before = 0;
	interval_renew(a, &cp->freemap);
	checkpoint_idle(a);
	cp->count++;
	(void)space_drain(&a->b->space, DRAIN_STEP);
	space_ready(&a->b->space);
	space_trim(&a->b->space, a->flush.header.file_bytes);
	/* Less than that is room for the next changes. */
	cp->punch_at = a->b->space.free.bytes > file_live(a) / PUNCH_SHARE ? DISK_DATA : 0;
}

/* What the last checkpoint left to be punched, so many slots of it. Holds the writer's lock. */
static void checkpoint_punch(arena *a, uint64_t most)
{
	struct checkpoint *cp = &a->checkpoint;

	if (cp->punch_at != 0)
		cp->punch_at = space_punch(&a->b->space, cp->punch_at, SPACE_PUNCH_LEAST, most);
}

/* Takes the checkpoint's latch. Whoever had it may have been gone in the middle of a step. */
static bool drive_begin(arena *a, enum latch_how how)
{
	struct checkpoint *cp = &a->checkpoint;
	const enum latch_got got = latch_take(&cp->latch, a->os, how);

	if (got == LATCH_BUSY)
		return false;
	atomic_store(&cp->driver, os_thread_id());
	checkpoint_adopt(a);
	if (got == LATCH_INHERITED &&
	    (cp->state == CHECKPOINT_PUSHING || (cp->state == CHECKPOINT_HEADER && broken(BROKEN_HEADER_ORPHAN))))
		cp->state = CHECKPOINT_ORPHAN;
	if (got == LATCH_INHERITED && cp->state == CHECKPOINT_HEADER)
		(void)header_flush(a); /* if it fails, the next step is the same */
	return true;
}

static void drive_end(arena *a)
{
	atomic_store(&a->checkpoint.driver, 0);
	latch_drop(&a->checkpoint.latch, a->os);
}

void checkpoint_hold(arena *a)
{
	(void)drive_begin(a, LATCH_WAIT);
}

void checkpoint_let_go(arena *a)
{
	drive_end(a);
}

void checkpoint_poll(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;

	checkpoint_punch(a, PUNCH_STEP);
	space_cut(&a->b->space);
	push_log(a);
	if (!drive_begin(a, LATCH_TRY))
		return;
	checkpoint_finish(a);
	/* The reserve would not last for as long as the next commits take to push it out. */
	if (steps_left(cp) && interval_reserve_low(a))
		(void)checkpoint_steps(a, UINT64_MAX);
	checkpoint_finish(a);
	/* A failure to begin (no space, no memory) is not the commit's: it is tried again by the next one. */
	if (cp->state == CHECKPOINT_IDLE && interval_ended(a) && !arena_failed(a))
		(void)checkpoint_begin(a);
	drive_end(a);
}

/* Whoever finds that another thread drives the checkpoint leaves the work to that one, or to the next commit; but where so
 * much is owed that commits run away from the checkpoint, they wait for it. */
static bool work_waits(const arena *a, uint64_t owed)
{
	const struct checkpoint *cp = &a->checkpoint;

	return owed >= SLICE_RATIO * interval_waiting(atomic_load(&cp->live)) &&
	       atomic_load(&cp->driver) != os_thread_id();
}

int checkpoint_work(arena *a, uint64_t bytes)
{
	struct checkpoint *cp = &a->checkpoint;
	const uint64_t slice = SLICE_RATIO * bytes;
	uint64_t owed;
	int r = 0;

	if (!atomic_load(&cp->pushing))
		return 0;
	owed = slice < SLICE_LEAST ? SLICE_LEAST : slice;
	owed += atomic_fetch_add(&cp->owed, owed);
	if (!drive_begin(a, work_waits(a, owed) ? LATCH_WAIT : LATCH_TRY))
		return 0;
	owed = atomic_exchange(&cp->owed, 0);
	r = checkpoint_steps(a, owed);
	if (!steps_left(cp) && cp->state != CHECKPOINT_IDLE && writer_lock(a, true) == 0) {
		checkpoint_finish(a);
		writer_unlock(a);
	}
	drive_end(a);
	return r;
}

int checkpoint_once(arena *a, bool locked)
{
	struct checkpoint *cp = &a->checkpoint;
	int r = locked ? 0 : writer_lock(a, false);

	if (r != 0)
		return r;
	(void)drive_begin(a, LATCH_WAIT);
	checkpoint_finish(a);
	if (cp->state == CHECKPOINT_IDLE)
		r = checkpoint_begin(a);
	if (!locked)
		writer_unlock(a);
	if (r == 0)
		r = checkpoint_steps(a, UINT64_MAX);
	if (locked && r == 0)
		checkpoint_finish(a);
	drive_end(a);
	if (locked || r != 0)
		return r;
	r = writer_lock(a, false);
	if (r == 0) {
		checkpoint_poll(a);
		checkpoint_punch(a, UINT64_MAX);
		writer_unlock(a);
	}
	return r;
}

int checkpoint_run(arena *a, bool locked)
{
	const bool under_way = atomic_load(&a->checkpoint.pushing);
	int r = 0;

	/* One that is under way does not cover the newest commits: a second one does. */
	for (int round = 0; r == 0 && round < 1 + under_way; round++)
		r = checkpoint_once(a, locked);
	return r;
}
