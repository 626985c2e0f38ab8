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

#define FLUSH_GAP (4 * DISK_PAGE)

int flush_init(struct flush *f)
{
	int r = os_mutex_init(&f->mutex);

	if (r != 0)
		return r;
	r = os_cond_init(&f->cond);
	if (r != 0)
		goto release_mutex;
	r = os_mutex_init(&f->stretch_mutex);
	if (r == 0)
		return 0;
	os_cond_release(&f->cond);
release_mutex:
	os_mutex_release(&f->mutex);
	return r;
}

void flush_release(struct flush *f)
{
	os_mutex_release(&f->mutex);
	os_cond_release(&f->cond);
	os_mutex_release(&f->stretch_mutex);
}

void flush_enter(struct flush *f)
{
	os_mutex_lock(&f->mutex);
	while (f->busy)
		os_cond_wait(&f->cond, &f->mutex);
	f->busy = true;
	os_mutex_unlock(&f->mutex);
}

/* All who wait are woken, not the next one alone: whoever was covered goes on at once, and commits again while the next
 * flush is under way. */
void flush_leave(struct flush *f)
{
	os_mutex_lock(&f->mutex);
	f->busy = false;
	os_mutex_unlock(&f->mutex);
	os_cond_wake_all(&f->cond);
}

/* So near to another stretch that what lies between is flushed with them, rather than by a flush more. */
static bool stretch_near(const struct log_stretch *one, const struct log_stretch *other)
{
	return one->start <= other->end + FLUSH_GAP && other->start <= one->end + FLUSH_GAP;
}

static void stretch_note(struct flush *f, struct log_stretch s)
{
	if (f->whole)
		return;
	/* From the newest on: a commit goes on where the one before ended. */
	for (uint32_t i = f->count; i-- > 0;) {
		struct log_stretch *old = &f->stretch[i];
		if (!stretch_near(old, &s))
			continue;
		old->start = s.start < old->start ? s.start : old->start;
		old->end = s.end > old->end ? s.end : old->end;
		return;
	}
	if (f->count < FLUSH_STRETCHES)
		f->stretch[f->count++] = s;
	else
		f->whole = true;
}

void flush_add(arena *a, uint64_t seq)
{
	struct flush *f = &a->flush;

	os_mutex_lock(&f->stretch_mutex);
	for (uint32_t i = 0; i < a->log.stretch_count; i++)
		stretch_note(f, a->log.stretches[i]);
	f->seq = seq;
	os_mutex_unlock(&f->stretch_mutex);
}

static int flush_result(arena *a, int r)
{
	if (r != 0 && broken(BROKEN_FLUSH_TWICE))
		r = a->os->sync(a->os, a->map.file);
	if (r != 0 && !broken(BROKEN_FLUSH_AGAIN))
		atomic_store(&a->flush.failed, true);
	return broken(BROKEN_FLUSH_CLAIM) ? 0 : r;
}

/* Takes what waits. */
static uint64_t flush_take(struct flush *f, struct log_stretch *stretch, uint32_t *count, bool *whole)
{
	uint64_t seq;

	os_mutex_lock(&f->stretch_mutex);
	for (uint32_t i = 0; i < f->count; i++)
		stretch[i] = f->stretch[i];
	*count = f->count;
	*whole = f->whole;
	seq = f->seq;
	f->count = 0;
	f->whole = false;
	os_mutex_unlock(&f->stretch_mutex);
	return seq;
}

/* So far everything is stable; the mark says so. */
static void flush_done(arena *a, uint64_t seq)
{
	if (seq <= atomic_load(&a->flush.durable))
		return;
	atomic_store(&a->flush.durable, seq);
	if (a->map.mode == OS_MAP_SHARED)
		header_mark_write(&a->map, 1 - a->header_index, seq, a->header.checkpoint);
}

/* Between flush_enter and flush_leave. */
static int flush_now(arena *a, bool everything)
{
	struct flush *f = &a->flush;
	struct log_stretch stretch[FLUSH_STRETCHES];
	uint32_t count;
	bool whole;
	uint64_t seq;
	int r = 0;

	if (atomic_load(&f->failed))
		return GRAVITY_FAILED;
	seq = flush_take(f, stretch, &count, &whole);
	if (a->map.mode == OS_MAP_SHARED && (everything || whole)) {
		r = a->os->sync(a->os, a->map.file);
	} else if (a->map.mode == OS_MAP_SHARED && !broken(BROKEN_FLUSH)) {
		for (uint32_t i = broken(BROKEN_FLUSH_WINDOWS) ? count - 1 : 0; r == 0 && i < count; i++)
			r = a->os->sync_range(a->os, a->map.file, a->map.base, stretch[i].start,
					      stretch[i].end - stretch[i].start);
	}
	if (flush_result(a, r) != 0)
		return r;
	flush_done(a, seq);
	return 0;
}

/* Waits until the flush is this thread's, or was done for it by another one; true: it is this thread's. */
static bool flush_wait(struct flush *f, uint64_t seq)
{
	bool mine;

	os_mutex_lock(&f->mutex);
	while (f->busy && atomic_load(&f->durable) < seq)
		os_cond_wait(&f->cond, &f->mutex);
	mine = atomic_load(&f->durable) < seq;
	if (mine)
		f->busy = true;
	os_mutex_unlock(&f->mutex);
	return mine;
}

int flush_to(arena *a, uint64_t seq)
{
	struct flush *f = &a->flush;
	int r;

	if (atomic_load(&f->durable) >= seq || !flush_wait(f, seq))
		return 0;
	r = flush_now(a, false);
	flush_leave(f);
	return r;
}

uint64_t flush_durable(arena *a)
{
	struct flush *f = &a->flush;
	uint64_t durable = atomic_load(&f->durable);
	uint64_t newest;

	os_mutex_lock(&f->stretch_mutex);
	newest = f->seq;
	os_mutex_unlock(&f->stretch_mutex);
	if (durable < a->space.durable_seq)
		durable = a->space.durable_seq;
	return durable >= newest ? atomic_load(&a->readers.seq) : durable;
}

int flush_all(arena *a)
{
	int r;

	flush_enter(&a->flush);
	r = flush_now(a, true);
	flush_leave(&a->flush);
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
	flush_enter(f);
	r = touch(a);
	if (r != 0) {
		flush_leave(f); /* nothing was asked for yet: it may be tried again */
		return r;
	}
	r = flush_ask(a, start, end);
	if (r != 0 && !f->begun && !broken(BROKEN_STALE)) {
		f->begun = true;
		r = broken(BROKEN_STALE_TRUST) ? 0 : touch(a);
		if (r != 0) {
			flush_leave(f); /* the next flush is the repetition, and final */
			return r;
		}
		r = flush_ask(a, start, end);
	}
	f->begun = true;
	r = flush_result(a, r);
	if (r == 0 && end == FLUSH_ALL)
		flush_done(a, f->seq);
	flush_leave(f);
	return r;
}
