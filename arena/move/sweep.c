/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sweep.c owns compaction that is asked for: the sweep that gives the end of the file back.
 *
 * What was moved is free after the next checkpoint, so each step ends with one.
 *
 * 1. Between two steps of sweep_all the writer's lock is free.
 * 2. Beside snapshots a step moves no more than arena/move/guard.c allows. A sweep passes over what stays for that reason, and ends
 *    with GRAVITY_BUSY.
 * 3. It ends, whatever others write meanwhile: what they put behind the end of the file is swept once.
 * 4. A step leaves the store as a commit left it: it can be stopped, or killed, at any point. */
#include "arena/move/sweep.h"

#include <assert.h>
#include <errno.h>

#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/interval.h"
#include "arena/log/log.h"
#include "arena/log/writer.h"
#include "arena/move/effort.h"
#include "arena/move/evacuate.h"
#include "arena/move/guard.h"
#include "arena/space/plan.h"

#define SWEEP_FIRST       (UINT64_C(512) << 10) /* bytes moved in the first step, ... */
#define SWEEP_FIRST_LEAST (UINT64_C(64) << 10)
#define SWEEP_LEAST       (UINT64_C(1) << 20) /* bytes moved in a step */
#define SWEEP_MOST        (UINT64_C(16) << 20)
#define SWEEP_SHARE       32                   /* of the file */
#define AGAIN_SHARE       64                   /* of a step, for which it is worth another one */
#define DENSE_SHARE       32                   /* less than this share free: not worth moving */
#define PASS_MOST         (UINT64_C(16) << 20) /* bytes that a step passes over: it looks at the heads in them */

/* Whether there is nothing to gain that is worth the moving. */
static bool dense(const arena *a)
{
	return space_free_bytes(&a->b->space) + a->b->space.pending.bytes < map_bytes(&a->map) / DENSE_SHARE;
}

/* A stretch moves into the slot before it, with the pages of the table that it copies, but for a short one to begin with: so
 * the file grows by that at most and the table, or by one value that is longer. What a stretch leaves is as long, and a slot
 * more. */
static uint64_t step_fitting(const arena *a, uint64_t at, uint64_t step)
{
	const struct slots *s = &a->b->space.free;
	const slot_id id = slots_at_or_before(s, at);
	const uint64_t share = map_bytes(&a->map) / SWEEP_SHARE;
	/* The last record of the stretch may begin just before its end. */
	const uint64_t rest = a->b->table.bytes + record_mean(a);
	uint64_t most = share < SWEEP_FIRST_LEAST ? SWEEP_FIRST_LEAST : share > SWEEP_FIRST ? SWEEP_FIRST : share;

	if (id != SLOT_NONE && slots_size(s, id) > most + rest && slots_end(s, id) >= at)
		most = slots_size(s, id) - rest;
	return step < most ? step : most;
}

/* Whether the stretch may be moved. */
static bool stretch_allowed(arena *a, const struct plan *plan)
{
	return guard_allows(a, plan->first_end, plan->end);
}

/* The stretch at *at, or the part of it that snapshots allow: ever smaller parts would be a checkpoint each, for nothing. */
static int stretch_plan(arena *a, uint64_t at, uint64_t most, struct plan *plan)
{
	const uint64_t step = step_fitting(a, at, most);
	const int r = plan_stretch(&a->b->space.free, at, map_bytes(&a->map), step, plan);
	uint64_t allowed;

	if (r != 0 || stretch_allowed(a, plan))
		return r;
	allowed = guard_allowance(a);
	if (allowed < SWEEP_FIRST_LEAST)
		allowed = SWEEP_FIRST_LEAST;
	return allowed >= step ? 0 : plan_stretch(&a->b->space.free, at, map_bytes(&a->map), allowed, plan);
}

/* The next stretch that is worth it and may be moved. plan->moved 0: it has passed over as much as a step may. */
static int stretch_next(arena *a, struct sweep *s, uint64_t most, struct plan *plan)
{
	const uint64_t first = s->at;

	for (;; s->at = plan->next) {
		const int r = stretch_plan(a, s->at, most, plan);
		if (r != 0)
			return r;
		if (plan->free < plan->moved / DENSE_SHARE)
			continue;
		if (stretch_allowed(a, plan))
			return 0;
		s->busy = true;
		if (plan->next - first >= PASS_MOST)
			break;
	}
	s->at = plan->next;
	plan->moved = 0;
	return 0;
}

/* What was put behind the end meanwhile is swept, too, but not what is put there from now on: it would go on as long as others
 * write. True: it is over. */
static bool end_reached(const arena *a, struct sweep *s)
{
	if (s->again)
		s->at = UINT64_MAX;
	s->again = true;
	s->end = map_bytes(&a->map);
	return s->at == UINT64_MAX;
}

/* Moves the data of the next stretch into slots before it, or at first to the end of the file; what it leaves is the
 * large slot that the next stretch moves into: data goes left, the slot goes right.
 *
 *     |A| |B|  |C| |D| |E|          ->  |A|  free   |C| |D| |E| B        ->  |A|C|D|  free  |E| B     */
static int sweep_step(arena *a, struct sweep *s, uint64_t most, bool again)
{
	const uint64_t before = a->b->bytes_moved;
	struct plan plan = {0};
	int r = s->passing ? stretch_next(a, s, most, &plan) : 0;

	/* To pass over more costs no checkpoint. */
	if (!s->passing || (r == 0 && plan.moved > 0)) {
		r = s->settled ? 0 : guard_settle(a);
		s->settled = false;
		if (r != 0)
			return r;
		log_shed_window(&a->b->log);
		r = stretch_next(a, s, most, &plan);
	}
	if (r != 0) {
		s->at = UINT64_MAX;
		return r == GRAVITY_NOTFOUND ? 0 : r;
	}
	if (plan.start >= s->end && end_reached(a, s))
		return 0;
	s->passing = plan.moved == 0;
	if (s->passing)
		return 0;
	s->at = plan.end;
	r = evacuate(a, plan.first_end, plan.end);
	s->moved += a->b->bytes_moved - before;
	if (space_short(r) && again && a->b->bytes_moved - before >= plan.moved / AGAIN_SHARE)
		s->at = plan.start;
	/* What found no room stays where it is: what was moved is gained all the same. */
	return space_none(r) && r != ENOMEM ? 0 : r;
}

/* The last steps: what was moved becomes free, and the end of the file is cut. */
static int sweep_end(arena *a)
{
	int r = guard_settle(a);

	if (r == 0)
		r = guard_settle(a);
	if (r == 0)
		space_trim(&a->b->space, a->flush.header.file_bytes);
	return r;
}

/* What was passed over is told of when the rest is done. */
static int sweep_go(arena *a, struct sweep *s, uint64_t most, bool again)
{
	int r;

	if (s->end == 0)
		s->end = map_bytes(&a->map);
	r = sweep_step(a, s, most, again);

	if (r != 0 || s->at != UINT64_MAX)
		return r;
	r = s->busy && s->moved == 0 ? 0 : sweep_end(a);
	return r == 0 && s->busy ? GRAVITY_BUSY : r;
}

int sweep_on(arena *a, struct sweep *s, uint64_t most)
{
	return sweep_go(a, s, most, false);
}

/* Of a file of that length. */
static uint64_t step_bytes(uint64_t file)
{
	const uint64_t step = file / SWEEP_SHARE;

	return step < SWEEP_LEAST ? SWEEP_LEAST : step > SWEEP_MOST ? SWEEP_MOST : step;
}

int sweep_for(arena *a, struct sweep *s, uint64_t want, enum space_claim claim, const struct effort *e)
{
	int r = 0;

	assert(!log_has_blobs(&a->b->log));
	while (r == 0 && s->at != UINT64_MAX && !effort_over(a, e) && !space_fits(&a->b->space, want, claim))
		r = sweep_go(a, s, step_bytes(map_bytes(&a->map)), true);
	return r;
}

int sweep_all(arena *a, arena_progress *progress, void *arg)
{
	struct sweep s = {.at = DISK_DATA};
	uint64_t total = 0;
	int r = 0;

	while (r == 0 && s.at != UINT64_MAX) {
		r = writer_lock(a, false);
		if (r != 0)
			return r;
		if (total == 0)
			total = map_bytes(&a->map);
		if (s.at == DISK_DATA && (r = guard_settle(a)) == 0 && dense(a))
			s.at = UINT64_MAX;
		if (r == 0)
			r = s.at != UINT64_MAX ? sweep_on(a, &s, step_bytes(map_bytes(&a->map))) : sweep_end(a);
		if ((r == 0 || r == GRAVITY_BUSY) && s.at == UINT64_MAX)
			(void)space_punch(&a->b->space, DISK_DATA, DISK_PAGE, SPACE_PUNCH_MOST);
		writer_unlock(a);
		if (r == 0 && progress != NULL && progress(arg, s.at < total ? s.at : total, total) != 0)
			r = ECANCELED;
	}
	return r;
}
