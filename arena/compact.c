/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* compact.c owns the decision to compact: to make a slot for a value that fits nowhere, and to give the end of the file
 * back when it is asked to.
 *
 * What was moved is free after the next checkpoint, so each step ends with one.
 *
 * 1. Between two steps of arena_compact the writer's lock is free.
 * 2. A step leaves the store as a commit left it: it can be stopped, or killed, at any point. */
#include "arena/core.h"

#include <assert.h>
#include <errno.h>

#define MAKE_TRIES 4
#define SHRINK_STEP_LEAST (UINT64_C(4) << 20)
#define SHRINK_STEP_SHARE 16 /* of the file */
#define SHRINK_DUST (UINT64_C(64) << 10) /* less than this is not worth another step */

static bool slot_there(const arena *a, uint64_t want)
{
	return slots_first_fit(&a->space.free, want) != SLOT_NONE;
}

static int settle(arena *a)
{
	const int r = checkpoint_run(a, true);

	(void)space_drain(&a->space, UINT64_MAX);
	return r;
}

static int make_slot(arena *a, enum gravity_planner planner, uint64_t want)
{
	int r = 0;

	(void)space_drain(&a->space, UINT64_MAX);
	if (slot_there(a, want))
		return 0;
	if (a->space.pending.bytes > 0) {
		r = settle(a);
		if (r != 0 || slot_there(a, want))
			return r;
	}
	log_shed_window(&a->log);
	for (int i = 0; i < MAKE_TRIES && !slot_there(a, want); i++) {
		struct plan plan;
		/* What is moved may leave a part of itself in the run's first slot: some more than is wanted. */
		r = plan_run(&a->space.free, planner, want + want / 8 + SPACE_WINDOW_LEAST, &plan);
		if (r != 0)
			r = plan_run(&a->space.free, planner, want, &plan);
		if (r == 0)
			r = evacuate(a, plan.first_end, plan.end);
		if (r == 0)
			r = settle(a);
		if (r != 0)
			return r;
	}
	return slot_there(a, want) ? 0 : GRAVITY_FULL;
}

int compact_make(arena *a, uint64_t want)
{
	return make_slot(a, a->planner, want);
}

/* One step of shrinking, with the writer's lock; *less: the file became shorter. */
static int shrink_step(arena *a, bool *less)
{
	const uint64_t before = map_bytes(&a->map);
	uint64_t step = before / SHRINK_STEP_SHARE;
	struct plan plan;
	int r = settle(a);

	*less = false;
	if (r != 0)
		return r;
	log_shed_window(&a->log);
	step = step < SHRINK_STEP_LEAST ? SHRINK_STEP_LEAST : step;
	if (step > a->space.free.bytes)
		step = a->space.free.bytes;
	/* Slots too small for windows are first made into one that is not. */
	if (!slot_there(a, SPACE_WINDOW) && a->space.free.bytes > 2 * SHRINK_DUST)
		r = make_slot(a, a->planner, step / 2 < SPACE_WINDOW ? SPACE_WINDOW : step / 2);
	if (r == 0 && plan_tail(&a->space.free, map_bytes(&a->map), step, &plan) == 0) {
		r = evacuate(a, plan.start, plan.end);
		/* A part that found no room stays where it is: what was moved is gained all the same. */
		if (r == GRAVITY_FULL)
			r = 0;
	}
	if (r == 0)
		r = settle(a);
	if (r == 0)
		space_trim(&a->space, a->header.file_bytes);
	if (r == 0)
		r = settle(a);
	*less = map_bytes(&a->map) + SHRINK_DUST < before;
	return r == GRAVITY_FULL ? 0 : r;
}

static int shrink(arena *a, arena_progress *progress, void *arg)
{
	uint64_t total = 0;
	uint64_t start = 0;
	bool less = true;
	int r = 0;

	for (bool first = true; r == 0 && less; first = false) {
		uint64_t now;
		r = writer_lock(a, false);
		if (r != 0)
			return r;
		if (first) {
			start = map_bytes(&a->map);
			total = a->space.free.bytes + a->space.pending.bytes;
		}
		r = shrink_step(a, &less);
		now = map_bytes(&a->map);
		writer_unlock(a);
		if (progress != NULL && r == 0 && less &&
		    progress(arg, start - now < total ? start - now : total, total) != 0)
			r = ECANCELED;
	}
	if (r == 0 && progress != NULL)
		(void)progress(arg, total, total);
	return r;
}

int arena_compact(arena *a, enum gravity_planner planner, uint64_t want, arena_progress *progress, void *arg)
{
	int r;

	if (!arena_ours(a))
		return GRAVITY_INVALID;
	if (a->read_only)
		return GRAVITY_READONLY;
	if (arena_failed(a))
		return GRAVITY_FAILED;
	r = writer_lock(a, false);
	if (r != 0)
		return r;
	r = writer_session(a);
	if (r == 0 && want > 0)
		r = make_slot(a, planner == GRAVITY_DEFAULT ? a->planner : planner, (want + DISK_UNIT - 1) & ~(DISK_UNIT - 1));
	writer_unlock(a);
	if (r == 0 && want == 0)
		r = shrink(a, progress, arg);
	return r;
}
