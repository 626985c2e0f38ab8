/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* clear.c owns how a run of neighbouring free slots becomes one: what stands between them is moved away, part by part from the
 * left end on, each part into what the one before it left. A run of any length so passes through a small slot, which grows by
 * what was free between its data.
 *
 * Which run it is a planner says (plan.c); why there has to be one, arena/move/limit.c.
 *
 * Cost: that of moving what stands in the run, and a checkpoint for each part. */
#include "arena/move/clear.h"

#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/log.h"
#include "arena/move/effort.h"
#include "arena/move/evacuate.h"
#include "arena/move/guard.h"
#include "arena/move/limit.h"
#include "arena/space/plan.h"
#include "arena/types.h"

#define RUN_STEP (UINT64_C(16) << 20)

/* Under a limit a put is refused where nothing may be moved for it. What that may take is bounded by what is clean. */
static uint64_t forced_allowance(arena *a)
{
	return limit_on(a) ? UINT64_MAX : guard_allowance(a);
}

/* What the next part of a run may hold: as much as the slot before it, or clean slots, take. */
static uint64_t part_bytes(arena *a, uint64_t at)
{
	const struct slots *s = &a->b->space.free;
	const uint64_t allowed = least_of(forced_allowance(a), RUN_STEP);
	const slot_id before = slots_at_or_before(s, at);
	uint64_t bytes = limit_budget(a);

	if (before != SLOT_NONE && slots_end(s, before) >= at && slots_size(s, before) > bytes)
		bytes = slots_size(s, before);
	if (bytes < a->b->space.unit)
		bytes = a->b->space.unit;
	return bytes > allowed || !limit_on(a) ? allowed : bytes;
}

/* Moves the next part of a run away, as far as there is room; *at: where the one after it begins. */
static int part_clear(arena *a, const struct plan *run, uint64_t *at)
{
	const uint64_t before = a->b->bytes_moved;
	struct plan part;
	uint64_t end;
	int r = plan_stretch(&a->b->space.free, *at, map_bytes(&a->map), part_bytes(a, *at), &part);

	if (r == GRAVITY_NOTFOUND || (r == 0 && part.start >= run->end)) {
		*at = run->end;
		return 0;
	}
	if (r != 0)
		return r;
	end = part.end < run->end ? part.end : run->end;
	if (end > part.first_end && end - part.first_end > forced_allowance(a))
		return GRAVITY_BUSY;
	a->b->space.floor = space_floor_beside(&a->b->space);
	if (end > part.first_end)
		r = evacuate(a, part.first_end, end);
	log_shed_window(&a->b->log);
	*at = r == 0 ? end : part.start;
	/* What was moved before there was no room any more is gained all the same. */
	if (r == 0 || (space_short(r) && a->b->bytes_moved > before))
		r = limit_settle(a);
	return r;
}

/* The run up to the end of the file that is enough with what the file may grow by. */
static int run_at_end(const arena *a, uint64_t want, struct plan *run)
{
	const struct slots *s = &a->b->space.free;
	uint64_t sum = limit_on(a) ? space_growth(&a->b->space) : 0;
	slot_id id = s->last;

	*run = (struct plan){.start = map_bytes(&a->map), .end = map_bytes(&a->map)};
	for (; id != SLOT_NONE && sum < want + a->b->space.spare; id = slots_prev(s, id)) {
		sum += slots_size(s, id);
		run->start = slots_start(s, id);
	}
	return sum < want ? GRAVITY_FULL : 0;
}

/* A larger run by preference: it takes back, too, what is moved. */
int run_clear(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim, const struct effort *e)
{
	struct space *s = &a->b->space;
	const slot_id largest = slots_largest(&s->free);
	/* Where there is a large slot it is not enough, or not the put's. */
	uint64_t more = s->spare + (largest == SLOT_NONE ? 0 : slots_size(&s->free, largest));
	struct plan run;
	uint64_t at;
	int r = plan_run(&s->free, planner, UINT64_MAX, want + more, &run);

	for (; r == GRAVITY_FULL && more > 0; more = more < a->b->space.unit ? 0 : more / 2)
		r = plan_run(&s->free, planner, UINT64_MAX, want + more / 2, &run);
	if (r == GRAVITY_FULL)
		r = run_at_end(a, want, &run);
	if (r != 0)
		return r;
	at = run.start;
	while (r == 0 && at < run.end && !effort_over(a, e) && !space_fits(s, want, claim))
		r = part_clear(a, &run, &at);
	return r;
}
