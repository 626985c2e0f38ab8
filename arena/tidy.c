/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* tidy.c owns compaction in the write path: small steps after commits, so that the file stays in proportion to what lives
 * in it without a call by anyone.
 *
 * Nothing is done while the file is within its target. Above it, what a step empties is chosen from the survey that the
 * last checkpoint took (arena/survey.h), the emptiest segment first:
 *
 *   too little is clean    large free slots, and segments that will be ones at the next checkpoint, are to hold what the
 *                          next interval between checkpoints writes, so that the file need not grow for it
 *   enough is              segments that are nearly half empty, which cost less to move than they give
 *   much more than enough  the end of the file, where there is a large slot further down: the file is cut
 *
 * A planner that was asked for chooses in the first case instead.
 *
 * 1. A step moves at most TIDY_STEP bytes, and all steps together at most TIDY_RATIO times what was written and freed.
 * 2. No step runs while a transaction has blobs in the chain, nor while a checkpoint is under way: what it would empty is
 *    not in the survey that follows.
 * 3. A failure of a step is not the commit's: what was moved is moved, the rest stays.
 *
 * Cost: a look at two numbers where nothing is to be done. */
#include "arena/core.h"

#include <assert.h>

#define TIDY_STEP (UINT64_C(256) << 10)
#define TIDY_RATIO 2
#define LOOKS_MOST 128 /* at segments that are not any more what the survey says */
#define TIDY_CREDIT_MOST (UINT64_C(1) << 20)
#define TIDY_TARGET_SHARE 5 /* the file may be live + live / 5 long ...  */
#define TIDY_SLACK (UINT64_C(1) << 20) /* ... and so much more            */
#define ASKED_TARGET_SHARE 12 /* where a checkpoint is asked for           */
#define HALVES_SHARE 16 /* of the file, moved at a time when a checkpoint is asked for */
/* Of SURVEY_GRADES: how empty a segment must be to be emptied for what it gives, in the write path and where a checkpoint is
 * asked for; and for want of clean space, near the target and ever less the further the file is above it. */
#define HALF_GRADE 14u
#define ASKED_GRADE 12u
#define SHORT_GRADE 10u
#define SHORT_GRADE_LEAST 4u
#define SHORT_GRADE_SHARE 80 /* of the live bytes above the target: a grade less */

static uint64_t tidy_live(const arena *a)
{
	return a->live_bytes + a->table.bytes;
}

static uint64_t tidy_target(const arena *a, uint64_t share)
{
	const uint64_t live = tidy_live(a);

	return live + live / share + TIDY_SLACK;
}

bool tidy_above_target(const arena *a)
{
	return map_bytes(&a->map) > tidy_target(a, TIDY_TARGET_SHARE);
}

/* Snapshots keep what is moved away from: moving it would only add to the file. */
static bool held_up(const arena *a)
{
	return atomic_load(&a->readers.snapshots) > 0 && a->space.pending.bytes > tidy_live(a) / 4;
}

/* A stretch at the end of what this interval has not emptied yet. */
static bool end_plan(const arena *a, uint64_t *start, uint64_t *end)
{
	const struct slots *s = &a->space.free;
	const uint64_t upper = a->tidy.end != 0 && a->tidy.end < map_bytes(&a->map) ? a->tidy.end : map_bytes(&a->map);
	slot_id id = slots_at_or_before(s, upper - 1);
	uint64_t occupied = 0;
	uint64_t at = upper;

	/* Back over slots until enough lies between them; it must begin behind a slot, where a boundary is known. */
	for (; id != SLOT_NONE && occupied < TIDY_STEP; id = slots_prev(s, id)) {
		const uint64_t slot_end = slots_start(s, id) + slots_size(s, id);
		if (at > slot_end)
			occupied += at - slot_end;
		if (occupied > 4 * TIDY_STEP)
			return false;
		at = slots_start(s, id);
		*start = slot_end < upper ? slot_end : upper;
	}
	*end = upper;
	return occupied > 0 && *start > map_bytes(&a->map) / 2;
}

/* What a segment has now that is worth emptying: from the end of its first slot on, at most TIDY_STEP bytes of data. */
static bool segment_look(const arena *a, unsigned least, uint64_t *start, uint64_t *end)
{
	const struct slots *s = &a->space.free;
	const uint64_t whole = *end - *start;
	slot_id id = slots_at_or_before(s, *start);
	uint64_t room = 0, moved = 0;
	uint64_t at;

	if (id == SLOT_NONE || slots_start(s, id) + slots_size(s, id) <= *start)
		id = slots_at_or_after(s, *start);
	if (id == SLOT_NONE || slots_start(s, id) >= *end)
		return false;
	at = *start = slots_start(s, id) + slots_size(s, id);
	for (id = slots_next(s, id); id != SLOT_NONE && slots_start(s, id) < *end; id = slots_next(s, id)) {
		moved += slots_start(s, id) - at;
		if (moved > TIDY_STEP)
			break;
		at = slots_start(s, id) + slots_size(s, id);
		room += slots_size(s, id);
	}
	if (moved > TIDY_STEP)
		*end = at;
	if (*start >= *end || (a->log.at.cursor >= *start && a->log.at.cursor < *end))
		return false;
	return room * SURVEY_GRADES >= least * (*end - *start) && room < whole;
}

static bool segment_plan(arena *a, unsigned least, uint64_t *start, uint64_t *end)
{
	/* What has become emptier since the survey was taken is worth a look. */
	for (int i = 0; i < LOOKS_MOST && survey_next(&a->tidy.survey, least - least / 4, start, end); i++)
		if (segment_look(a, least, start, end))
			return true;
	return false;
}

static bool planner_plan(const arena *a, uint64_t *start, uint64_t *end)
{
	struct plan plan;

	if (plan_run(&a->space.free, a->planner, UINT64_MAX, TIDY_STEP, &plan) != 0 || plan.moved == 0)
		return false;
	*start = plan.first_end;
	*end = plan.end - plan.start > TIDY_CREDIT_MOST ? plan.start + TIDY_CREDIT_MOST : plan.end;
	return *start < *end;
}

/* What is clean by the next checkpoint, beyond what is written until then and in the interval that follows. */
static int64_t clean_left(const arena *a)
{
	const struct tidy *t = &a->tidy;
	const uint64_t taken = a->log.bytes + a->space.copied_bytes;

	return (int64_t)(t->survey.large + t->prepared) - (int64_t)(t->need + taken);
}

static unsigned short_grade(const arena *a)
{
	const uint64_t above = map_bytes(&a->map) - tidy_target(a, TIDY_TARGET_SHARE);
	const uint64_t grades = above / (tidy_live(a) / SHORT_GRADE_SHARE + 1);

	return grades > SHORT_GRADE - SHORT_GRADE_LEAST ? SHORT_GRADE_LEAST : SHORT_GRADE - (unsigned)grades;
}

static bool step_plan(arena *a, uint64_t *start, uint64_t *end)
{
	const int64_t left = clean_left(a);
	const slot_id large = slots_first_fit(&a->space.free, TIDY_STEP);

	/* Near a size limit a planner's runs may be far too long for the room that there is. */
	if (left < 0 && a->planner != GRAVITY_DEFAULT && a->space.max_bytes == UINT64_MAX)
		return planner_plan(a, start, end);
	if (left < 0)
		return segment_plan(a, short_grade(a), start, end);
	if (segment_plan(a, HALF_GRADE, start, end))
		return true;
	if (left < (int64_t)(a->tidy.need + TIDY_SLACK) || large == SLOT_NONE ||
	    slots_start(&a->space.free, large) >= map_bytes(&a->map) / 2 || !end_plan(a, start, end))
		return false;
	a->tidy.end = *start;
	return true;
}

static bool tidy_step(arena *a)
{
	const uint64_t before = a->bytes_moved;
	uint64_t start = 0;
	uint64_t end = 0;
	uint64_t moved;

	if (!step_plan(a, &start, &end))
		return false;
	if (evacuate(a, start, end) == 0)
		a->tidy.prepared += end - start;
	moved = a->bytes_moved - before;
	a->tidy.credit -= moved < a->tidy.credit ? moved : a->tidy.credit;
	return true;
}

bool tidy_halves(arena *a)
{
	const uint64_t share = map_bytes(&a->map) / HALVES_SHARE;
	const uint64_t before = a->bytes_moved;
	uint64_t start, end;

	/* Under a limit space is wanted inside the file. */
	if (held_up(a) || arena_failed(a) || a->space.max_bytes != UINT64_MAX ||
	    map_bytes(&a->map) <= tidy_target(a, ASKED_TARGET_SHARE))
		return false;
	while (a->bytes_moved - before < (share > TIDY_CREDIT_MOST ? share : TIDY_CREDIT_MOST))
		if (!segment_plan(a, ASKED_GRADE, &start, &end) || evacuate(a, start, end) != 0)
			break;
	return a->bytes_moved > before;
}

void tidy_begin(arena *a)
{
	a->tidy.need = a->log.bytes + a->space.copied_bytes;
	a->tidy.prepared = a->tidy.end = 0;
}

void tidy_renew(arena *a, struct survey *survey)
{
	if (survey->next == NULL)
		return;
	survey_release(&a->tidy.survey, a->os);
	a->tidy.survey = *survey;
	*survey = (struct survey){0};
}

void tidy_poll(arena *a, uint64_t bytes)
{
	uint64_t stop;

	/* Near a size limit what room there is belongs to the puts that ask for slots of their own. Where records are only
	 * deleted every segment gets emptier by itself. */
	if (!tidy_above_target(a) || held_up(a) || arena_failed(a) || !space_allows(&a->space, TIDY_STEP) ||
	    !arena_space_wanted(a)) {
		a->tidy.credit = 0;
		return;
	}
	a->tidy.credit += TIDY_RATIO * bytes;
	if (a->tidy.credit > TIDY_CREDIT_MOST)
		a->tidy.credit = TIDY_CREDIT_MOST;
	/* A large commit asks for more than one. */
	stop = a->bytes_moved + (bytes < TIDY_STEP ? bytes : TIDY_STEP);
	while (a->tidy.credit >= TIDY_STEP && !atomic_load(&a->checkpoint.pushing) && tidy_step(a) && a->bytes_moved < stop)
		;
}

void tidy_end(arena *a)
{
	const struct slots *s = &a->space.free;
	const slot_id large = slots_first_fit(s, TIDY_STEP);
	uint64_t start, occupied;

	if (large == SLOT_NONE || !tidy_above_target(a))
		return;
	start = slots_start(s, large) + slots_size(s, large);
	occupied = map_bytes(&a->map) - start;
	for (slot_id id = slots_next(s, large); id != SLOT_NONE; id = slots_next(s, id))
		occupied -= slots_size(s, id);
	if (occupied > 0 && occupied <= TIDY_CREDIT_MOST)
		(void)evacuate(a, start, map_bytes(&a->map));
}
