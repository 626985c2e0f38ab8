/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* steps.c owns compaction in the write path: small steps after commits, so that the file stays in proportion to what lives
 * in it without a call by anyone.
 *
 * Nothing is done while the file is within its target. Above it, what a step empties is chosen from the free map that the
 * last checkpoint took (arena/space/freemap.h), the emptiest segment first:
 *
 *   too little is clean   large free slots, and segments that will be ones at the next checkpoint, are to hold what the
 *                         next interval between checkpoints writes, so that the file need not grow for it; and half of
 *                         what the file is above its target besides
 *   that much is          and the file is far above its target: the end of the file, where there is a large slot before
 *                         it: the file is cut
 *   otherwise             segments that are nearly half empty, which cost less to move than they give
 *
 * A planner that was asked for chooses instead where too little is clean.
 *
 * 1. A step moves at most STEP_BYTES bytes, one at the end of the file CREDIT_MOST. All steps together move at most COST_LEAST
 *    to twice COST_LEAST times what was written and freed, by the pressure (arena/log/interval.h): so they keep up with commits of
 *    any size, and a small commit takes one at most. They do not make the file longer than shrink_most: at the most pressure
 *    they make checkpoints instead. Small records are moved in smaller steps, so that with the pages copied for them it is
 *    STEP_WRITES: the next step goes on in that segment. That holds where slots are near each other: a stretch of a segment
 *    without one is moved whole.
 * 2. No step runs while a transaction has blobs in the chain, nor while a checkpoint is under way: what it would empty is
 *    not in the free map that follows.
 * 3. Beside snapshots no step is taken that arena/move/guard.c does not allow.
 * 4. A failure of a step is not the commit's: what was moved is moved, the rest stays.
 *
 * Cost: a look at two numbers where nothing is to be done. */
#include "arena/move/steps.h"

#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/interval.h"
#include "arena/log/session.h"
#include "arena/move/evacuate.h"
#include "arena/move/guard.h"
#include "arena/move/limit.h"
#include "arena/move/segment.h"
#include "arena/move/shrink.h"
#include "arena/space/freemap.h"
#include "arena/space/plan.h"

#define STEP_BYTES  (UINT64_C(256) << 10)
#define STEP_WRITES (UINT64_C(1) << 20)
#define COST_LEAST  2 /* bytes to be moved for one that is gained, at the target; twice as many at the most pressure */
#define COST_PARTS  PRESSURE_MOST
/* After a commit, and one more for each STEP_LEAST that it may move: one that moves pages of the table alone counts as nothing moved. */
#define STEPS_MOST         8
#define STEP_LEAST         (UINT64_C(16) << 10)
#define CREDIT_MOST        (UINT64_C(1) << 20)
#define CUT_SHARE          32 /* of the live bytes, above the target: the end of the file is emptied */
#define LIMIT_SHARE        8  /* of a size limit: what is closer to it is near */
#define ASKED_TARGET_SHARE 12 /* where a checkpoint is asked for           */
/* Of FREEMAP_GRADES: how empty a segment must be to be emptied for what it gives, in the write path and where a checkpoint is
 * asked for. */
#define HALF_GRADE  14u
#define ASKED_GRADE 12u
#define ABOVE_SHARE 2 /* of what the file is above its target, clean beyond the need    */

static uint64_t asked_target(const arena *a)
{
	const uint64_t live = file_live(a);

	return live + live / ASKED_TARGET_SHARE + TARGET_SLACK + a->b->space.pending.held_bytes;
}

/* Where the target is close to the limit, the limit bounds the file, and arena/move/limit.c says what is moved. */
static bool limit_near(const arena *a)
{
	const uint64_t limit = a->b->space.max_bytes;

	return limit != UINT64_MAX && file_target(a) >= limit - limit / LIMIT_SHARE;
}

/* How much a step may move: each record may be the first that changes its page in this interval. */
static uint64_t step_most(const arena *a)
{
	const uint64_t record = a->b->blobs == 0 ? STEP_BYTES : a->b->live_bytes / a->b->blobs;
	const uint64_t copied = a->b->space.copied_bytes;
	uint64_t most;

	if (record >= STEP_BYTES || a->b->table.bytes < copied + (STEP_WRITES - STEP_BYTES))
		return STEP_BYTES;
	most = STEP_WRITES / (record + DISK_PAGE) * record;
	return most > STEP_BYTES ? STEP_BYTES : most;
}

/* A stretch of data at the end of what this interval has not emptied yet. */
static bool end_plan(const arena *a, struct stretch *t)
{
	const struct slots *s = &a->b->space.free;
	const uint64_t upper = a->b->interval.end != 0 && a->b->interval.end < map_bytes(&a->map) ? a->b->interval.end
												  : map_bytes(&a->map);
	slot_id id = slots_at_or_before(s, upper - 1);
	uint64_t occupied = 0;
	uint64_t at = upper;

	*t = (struct stretch){.start = upper, .end = upper};
	/* Back over slots until enough lies between them; it must begin where a boundary of extents is known. */
	for (; id != SLOT_NONE && occupied < step_most(a); id = slots_prev(s, id)) {
		const uint64_t slot_end = slots_end(s, id);
		uint64_t start = slot_end < at ? slot_end : at;
		if (occupied + (at - start) > CREDIT_MOST)
			start = extent_from(a, start, at - (CREDIT_MOST - occupied), SEGMENT_EXTENTS);
		if (start > at)
			return false; /* damaged */
		occupied += at - start;
		t->start = start;
		/* A large slot is what it moves into. */
		if (start > slot_end || (occupied > 0 && slots_size(s, id) >= STEP_BYTES))
			break;
		at = slots_start(s, id);
		t->end = occupied == 0 ? at : t->end;
	}
	return occupied > 0 && occupied <= CREDIT_MOST && t->start > slots_start(s, slots_first_fit(s, STEP_BYTES));
}

/* The next part of the segment that is being emptied; of one that is empty enough, where none is. */
static bool part_plan(arena *a, unsigned least, struct stretch *t)
{
	struct segment_rest *rest = &a->b->segment_rest;

	*t = (struct stretch){.start = rest->start, .end = rest->end};
	if (t->start >= t->end || !segment_look(a, 1, step_most(a), t) || !guard_allows(a, t->start, t->end)) {
		struct stretch segment;
		if (!segment_plan(a, least, STEP_BYTES, false, &segment))
			return false;
		*t = segment;
		/* Before its first slot there is more than that. */
		if (!segment_look(a, 1, step_most(a), t))
			*t = segment;
	}
	rest->start = t->end;
	rest->end = t->segment_end;
	return true;
}

static bool planner_plan(const arena *a, struct stretch *t)
{
	struct plan plan;

	if (plan_run(&a->b->space.free, a->planner, UINT64_MAX, STEP_BYTES, &plan) != 0 || plan.moved == 0)
		return false;
	t->start = plan.first_end;
	t->end = plan.end - plan.start > CREDIT_MOST ? plan.start + CREDIT_MOST : plan.end;
	t->gain = t->start < t->end ? t->end - t->start : 0;
	return t->gain > 0;
}

/* What is clean by the next checkpoint, beyond what is written until then and in the interval that follows. Pages that are
 * copied until then are no loss: the places that they leave are clean as well, since they were taken side by side. */
static int64_t clean_left(const arena *a)
{
	const struct interval *t = &a->b->interval;

	return (int64_t)(t->freemap.large + t->prepared) - (int64_t)(t->need + a->b->log.bytes);
}

static uint64_t above_target(const arena *a)
{
	return map_bytes(&a->map) - file_target(a);
}

/* How many bytes may be moved for one that is gained, in COST_PARTS: by how long the file will be if nothing is. */
static uint64_t cost_most(const arena *a)
{
	const int64_t left = clean_left(a);
	const uint64_t more = left < 0 ? (uint64_t)-left : 0;

	return COST_LEAST * (COST_PARTS + file_pressure(a, map_bytes(&a->map) + more));
}

/* A segment that is as empty as that costs no more. */
static unsigned short_grade(const arena *a)
{
	return (unsigned)(FREEMAP_GRADES * COST_PARTS / (COST_PARTS + cost_most(a)));
}

/* Only where there is a large slot further down for what stands there. */
static bool cut_plan(arena *a, struct stretch *t)
{
	const slot_id large = slots_first_fit(&a->b->space.free, STEP_BYTES);

	if (large == SLOT_NONE)
		return false;
	if (a->b->interval.end == DISK_DATA || space_end_cluster(&a->b->space) != 0)
		return false;
	/* Once in vain is enough for an interval. */
	a->b->interval.end = end_plan(a, t) ? t->start : DISK_DATA;
	return a->b->interval.end != DISK_DATA;
}

static bool step_plan(arena *a, struct stretch *t)
{
	const int64_t left = clean_left(a);
	/* One that has a limit may be as long as that; a planner is asked for what is needed alone. */
	const bool shorten = a->b->space.max_bytes == UINT64_MAX && a->planner == GRAVITY_DEFAULT;
	const int64_t wanted = shorten ? (int64_t)(above_target(a) / ABOVE_SHARE) : 0;

	/* Near a size limit a planner's runs may be far too long for the room that there is. */
	if (left < 0 && a->planner != GRAVITY_DEFAULT && a->b->space.max_bytes == UINT64_MAX)
		return planner_plan(a, t);
	if (left < wanted)
		return part_plan(a, short_grade(a), t);
	if (above_target(a) > file_live(a) / CUT_SHARE && cut_plan(a, t))
		return true;
	return part_plan(a, HALF_GRADE, t);
}

static bool step_take(arena *a)
{
	const uint64_t before = a->b->bytes_moved;
	struct stretch t = {0};
	uint64_t moved;

	if (!step_plan(a, &t) || !guard_allows(a, t.start, t.end)) {
		/* Beside snapshots looking costs more. */
		if (atomic_load(&a->readers.snapshots) != 0)
			a->b->steps.credit = 0;
		return false;
	}
	if (evacuate(a, t.start, t.end) == 0)
		a->b->interval.prepared += t.gain;
	moved = a->b->bytes_moved - before;
	a->b->steps.credit -= moved < a->b->steps.credit ? moved : a->b->steps.credit;
	return true;
}

uint64_t steps_halves(arena *a, uint64_t most)
{
	const uint64_t before = a->b->bytes_moved;
	struct stretch t;

	/* Under a limit space is wanted inside the file. */
	if (arena_failed(a) || a->b->space.max_bytes != UINT64_MAX || map_bytes(&a->map) <= asked_target(a))
		return 0;
	while (a->b->bytes_moved - before < most)
		if (!segment_plan(a, ASKED_GRADE, STEP_BYTES, false, &t) || evacuate(a, t.start, t.end) != 0)
			break;
	return a->b->bytes_moved - before;
}

/* Where values are large, steps take the slot that a sweep moves into, and gain little. */
static bool sweep_alone(const arena *a)
{
	return a->b->shrink.sweep.at != 0 && a->b->live_bytes >= a->b->blobs * STEP_BYTES;
}

/* Whether there is room for what a step moves. At the most pressure what was emptied is made free at once: the file would get
 * longer, or nothing be moved, until commits have pushed a checkpoint. */
static bool step_has_room(arena *a, uint64_t longest)
{
	if (atomic_load(&a->checkpoint.pushing))
		return false;
	if (map_bytes(&a->map) <= longest && slots_first_fit(&a->b->space.free, STEP_BYTES) != SLOT_NONE)
		return true;
	if (file_pressure(a, map_bytes(&a->map)) == PRESSURE_MOST && interval_worth(a, a->b->interval.prepared) &&
	    guard_settle(a) != 0)
		return false;
	return map_bytes(&a->map) <= longest;
}

void steps_poll(arena *a, uint64_t bytes)
{
	uint64_t steps = 0;
	uint64_t share, stop, longest;

	/* Where records are only deleted every segment gets emptier by itself. */
	if (arena_failed(a) || limit_poll(a) || limit_near(a) || !file_above_target(a) || !file_space_wanted(a) ||
	    sweep_alone(a)) {
		a->b->steps.credit = 0;
		return;
	}
	share = cost_most(a) * bytes / COST_PARTS;
	a->b->steps.credit += share;
	if (a->b->steps.credit > most_of(CREDIT_MOST, 2 * share))
		a->b->steps.credit = most_of(CREDIT_MOST, 2 * share);
	/* A large commit asks for more than one. What they move into may be the end of the file, but not past the bound. */
	stop = a->b->bytes_moved + share;
	longest = most_of(map_bytes(&a->map), shrink_most(a));
	while (a->b->steps.credit >= step_most(a) && a->b->bytes_moved < stop &&
	       steps++ < STEPS_MOST + share / STEP_LEAST && step_has_room(a, longest) && step_take(a))
		;
	/* What they have emptied is wanted at once, if nothing is clean any more. */
	if (steps > 0 && slots_first_fit(&a->b->space.free, STEP_BYTES) == SLOT_NONE &&
	    a->b->log.bytes + a->b->space.dead_bytes > a->b->space.copied_bytes)
		a->b->interval.due = true;
}

void steps_end(arena *a)
{
	const struct slots *s = &a->b->space.free;
	const slot_id large = slots_first_fit(s, STEP_BYTES);
	uint64_t start, occupied;

	if (large == SLOT_NONE || !file_above_target(a))
		return;
	start = slots_end(s, large);
	occupied = map_bytes(&a->map) - start;
	for (slot_id id = slots_next(s, large); id != SLOT_NONE; id = slots_next(s, id))
		occupied -= slots_size(s, id);
	if (occupied > 0 && occupied <= CREDIT_MOST && guard_allows(a, start, map_bytes(&a->map)))
		(void)evacuate(a, start, map_bytes(&a->map));
}
