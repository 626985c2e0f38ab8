/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* flush.c owns what is on stable storage and what is not yet.
 *
 * 1. A flush for a commit covers everything from the last flushed place on, earlier lazy commits and earlier windows
 *    included: what it leaves stable, once it has returned, is a whole prefix of the log. Until then any part of it may be
 *    stable without the rest, which the checks and links of the chain tell.
 * 2. A flush that failed is never repeated: the handle is GRAVITY_FAILED from then on. There is one exception, the first
 *    flush of a handle. The kernel reports to it what failed before the handle was opened, if nobody was told then. The
 *    handle has promised nothing yet, and the flush covers only what the handle relies on. All of that is made dirty once
 *    more, so that nothing which the kernel has dropped passes for clean. Then the flush is repeated. A second failure is
 *    final.
 * 3. `durable` never claims more than a flush that returned success has covered.
 *
 * A durable commit costs one flush: one msync of one or two pages. Threads that commit meanwhile wait and
 * mostly find that the next one's flush covered them. Records that compaction moved since the last flush add some
 * windows. Only where they are very many does one fdatasync take the place of the msyncs: it writes every page of the
 * table that was changed, and each of them must then be made writable again at its next change. */
#include "arena/log/flush.h"

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/log.h"

void flush_enter(arena *a)
{
	(void)latch_take(&a->flush.latch, a->os, LATCH_WAIT);
}

/* All who wait are woken, not the next one alone: whoever was covered goes on at once, and commits again while the next
 * flush is under way. */
void flush_leave(arena *a)
{
	latch_drop(&a->flush.latch, a->os);
	event_raise(&a->flush.left, a->os);
}

void flush_add(arena *a, uint64_t seq)
{
	struct flush *f = &a->flush;

	stretches_note(&f->list, a->b->log.stretches, a->b->log.stretch_count, seq, atomic_load(&f->durable));
}

static int flush_result(arena *a, int r)
{
	if (r != 0 && broken(BROKEN_FLUSH_TWICE))
		r = a->os->sync(a->os, a->map.file);
	if (r != 0 && !broken(BROKEN_FLUSH_AGAIN))
		atomic_store(&a->flush.failed, true);
	return broken(BROKEN_FLUSH_CLAIM) ? 0 : r;
}

/* So far everything is stable; the mark says so. */
static void flush_done(arena *a, uint64_t seq)
{
	if (seq <= atomic_load(&a->flush.durable))
		return;
	atomic_store(&a->flush.durable, seq);
	if (a->map.mode == OS_MAP_SHARED)
		header_mark_write(&a->map, 1 - a->flush.header_index, seq, a->flush.header.checkpoint);
}

/* Between flush_enter and flush_leave. */
static int flush_now(arena *a, bool everything)
{
	struct flush *f = &a->flush;
	struct stretches_copy copy;
	int r = 0;

	if (atomic_load(&f->failed))
		return GRAVITY_FAILED;
	stretches_copy(&f->list, atomic_load(&f->durable), &copy);
	if (a->map.mode == OS_MAP_SHARED && (everything || copy.whole)) {
		r = a->os->sync(a->os, a->map.file);
	} else if (a->map.mode == OS_MAP_SHARED && !broken(BROKEN_FLUSH)) {
		for (uint32_t i = broken(BROKEN_FLUSH_WINDOWS) ? copy.count - 1 : 0; r == 0 && i < copy.count; i++)
			r = a->os->sync_range(a->os, a->map.file, a->map.base, copy.at[i].start,
					      copy.at[i].end - copy.at[i].start);
	}
	if (flush_result(a, r) != 0)
		return r;
	flush_done(a, copy.seq);
	return 0;
}

int flush_to(arena *a, uint64_t seq)
{
	struct flush *f = &a->flush;
	int r = 0;

	for (;;) {
		const uint32_t seen = event_look(&f->left);
		if (atomic_load(&f->durable) >= seq)
			return 0;
		if (latch_take(&f->latch, a->os, LATCH_TRY) != LATCH_BUSY)
			break;
		event_wait(&f->left, a->os, seen);
	}
	if (atomic_load(&f->durable) < seq)
		r = flush_now(a, false);
	flush_leave(a);
	return r;
}

uint64_t flush_durable(arena *a)
{
	uint64_t durable = atomic_load(&a->flush.durable);

	if (durable < a->b->space.durable_seq)
		durable = a->b->space.durable_seq;
	return durable >= atomic_load(&a->flush.list.seq) ? atomic_load(&a->readers.seq) : durable;
}

int flush_all(arena *a)
{
	int r;

	flush_enter(a);
	r = flush_now(a, true);
	flush_leave(a);
	return r;
}

/* Stores through the map move it late or never, and tools that copy what has changed look at nothing else: neither the
 * length nor the number of blocks need change. Nothing relies on it, so it has no flush of its own. */
void flush_date(arena *a)
{
	const uint64_t seq = atomic_load(&a->readers.seq);

	if (a->map.mode != OS_MAP_SHARED || atomic_exchange(&a->flush.dated, seq) == seq || broken(BROKEN_DATE))
		return;
	(void)a->os->touch(a->os, a->map.file);
}

int flush_range(arena *a, uint64_t start, uint64_t end)
{
	if (atomic_load(&a->flush.failed))
		return GRAVITY_FAILED;
	if (a->map.mode != OS_MAP_SHARED)
		return 0;
	return flush_result(a, a->os->sync_range(a->os, a->map.file, a->map.base, start, end - start));
}

static int flush_ask(arena *a, uint64_t start, uint64_t end)
{
	return end == FLUSH_ALL ? a->os->sync(a->os, a->map.file)
				: a->os->sync_range(a->os, a->map.file, a->map.base, start, end - start);
}

int flush_earlier(arena *a, flush_touch *touch, uint64_t start, uint64_t end)
{
	struct flush *f = &a->flush;
	int r;

	if (atomic_load(&f->failed))
		return GRAVITY_FAILED;
	if (a->map.mode != OS_MAP_SHARED)
		return 0;
	flush_enter(a);
	r = touch(a);
	if (r != 0) {
		flush_leave(a); /* nothing was asked for yet: it may be tried again */
		return r;
	}
	r = flush_ask(a, start, end);
	if (r != 0 && !f->begun && !broken(BROKEN_STALE)) {
		f->begun = true;
		r = broken(BROKEN_STALE_TRUST) ? 0 : touch(a);
		if (r != 0) {
			flush_leave(a); /* the next flush is the repetition, and final */
			return r;
		}
		r = flush_ask(a, start, end);
	}
	f->begun = true;
	r = flush_result(a, r);
	if (r == 0 && end == FLUSH_ALL)
		flush_done(a, atomic_load(&f->list.seq));
	flush_leave(a);
	return r;
}
