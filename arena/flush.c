/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* flush.c owns what is on stable storage and what is not yet.
 *
 * 1. A flush for a commit covers everything from the last flushed place on, in the order of the chain, earlier lazy
 *    commits and earlier windows included: what it leaves stable is a whole prefix of the log.
 * 2. A flush that failed is never repeated: the handle is GRAVITY_FAILED from then on.
 * 3. `durable` never claims more than a flush that returned success has covered.
 *
 * A durable commit costs one flush: one msync of one or two pages. Threads that commit meanwhile wait for the mutex
 * and mostly find that the next one's flush covered them. */
#include "arena/core.h"

#include <assert.h>

int flush_init(struct flush *f)
{
	int r = os_mutex_init(&f->mutex);

	if (r != 0)
		return r;
	r = os_mutex_init(&f->stretch_mutex);
	if (r != 0)
		os_mutex_release(&f->mutex);
	return r;
}

void flush_release(struct flush *f)
{
	os_mutex_release(&f->mutex);
	os_mutex_release(&f->stretch_mutex);
}

static void stretch_note(struct flush *f, struct log_stretch s)
{
	if (f->whole)
		return;
	if (f->count > 0 && f->stretch[f->count - 1].end == s.start)
		f->stretch[f->count - 1].end = s.end;
	else if (f->count < FLUSH_STRETCHES)
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
	if (r != 0)
		atomic_store(&a->flush.failed, true);
	return r;
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

/* Holds the flush mutex. */
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
	} else if (a->map.mode == OS_MAP_SHARED) {
		for (uint32_t i = 0; r == 0 && i < count; i++)
			r = a->os->sync_range(a->os, a->map.file, a->map.base, stretch[i].start,
			                      stretch[i].end - stretch[i].start);
	}
	if (flush_result(a, r) != 0)
		return r;
	if (seq > atomic_load(&f->durable)) {
		atomic_store(&f->durable, seq);
		if (a->map.mode == OS_MAP_SHARED)
			header_mark_write(&a->map, 1 - a->header_index, seq, a->header.checkpoint);
	}
	return 0;
}

int flush_to(arena *a, uint64_t seq)
{
	struct flush *f = &a->flush;
	int r = 0;

	if (atomic_load(&f->durable) >= seq)
		return 0;
	os_mutex_lock(&f->mutex);
	if (atomic_load(&f->durable) < seq)
		r = flush_now(a, false);
	os_mutex_unlock(&f->mutex);
	return r;
}

int flush_all(arena *a)
{
	int r;

	os_mutex_lock(&a->flush.mutex);
	r = flush_now(a, true);
	os_mutex_unlock(&a->flush.mutex);
	return r;
}

int flush_range(arena *a, uint64_t start, uint64_t end)
{
	if (atomic_load(&a->flush.failed))
		return GRAVITY_FAILED;
	if (a->map.mode != OS_MAP_SHARED)
		return 0;
	return flush_result(a, a->os->sync_range(a->os, a->map.file, a->map.base, start, end - start));
}
