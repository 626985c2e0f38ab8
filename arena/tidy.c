/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* tidy.c owns compaction in the write path: small steps after commits, so that the file stays in proportion to what lives
 * in it without a call by anyone.
 *
 * Nothing is done while the file is within its target. Above it, a step empties one short stretch of the file, into
 * large slots:
 *
 *   the end   when there is a large slot further down: the file is cut at the next checkpoint
 *   a stretch from a hand that goes round the file, if more than the average of it is free: it is one large slot after the
 *             next checkpoint
 *
 * 1. A step moves at most TIDY_STEP bytes, and all steps together at most TIDY_RATIO times what was written and freed.
 * 2. No step runs while a transaction has blobs in the chain.
 * 3. A failure of a step is not the commit's: what was moved is moved, the rest stays.
 *
 * Cost: a look at two numbers where nothing is to be done. */
#include "arena/core.h"

#include <assert.h>

#define TIDY_STEP (UINT64_C(256) << 10)
#define TIDY_RATIO 2
#define TIDY_CREDIT_MOST (UINT64_C(1) << 20)
#define TIDY_TARGET_SHARE 5 /* the file may be live + live / 5 long ...  */
#define TIDY_SLACK (UINT64_C(1) << 20) /* ... and so much more            */

static uint64_t tidy_live(const arena *a)
{
	return a->live_bytes + a->table.bytes;
}

bool tidy_above_target(const arena *a)
{
	const uint64_t live = tidy_live(a);

	return map_bytes(&a->map) > live + live / TIDY_TARGET_SHARE + TIDY_SLACK;
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
	const uint64_t upper = a->tidy_end != 0 && a->tidy_end < map_bytes(&a->map) ? a->tidy_end : map_bytes(&a->map);
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

static bool hand_plan(arena *a, uint64_t *start, uint64_t *end)
{
	const struct slots *s = &a->space.free;
	struct plan plan;

	for (int i = 0; i < 16; i++) {
		if (plan_stretch(s, a->tidy_hand, map_bytes(&a->map), TIDY_STEP, &plan) != 0) {
			a->tidy_hand = DISK_DATA;
			continue;
		}
		a->tidy_hand = plan.end;
		/* More than the average of the file. */
		if (plan.moved > 0 && plan.free * map_bytes(&a->map) > s->bytes * (plan.end - plan.start)) {
			*start = plan.first_end;
			*end = plan.end;
			return true;
		}
	}
	return false;
}

static void tidy_step(arena *a)
{
	const slot_id large = slots_first_fit(&a->space.free, TIDY_STEP);
	const uint64_t before = a->bytes_moved;
	uint64_t start = 0;
	uint64_t end = 0;
	uint64_t moved;

	if (large != SLOT_NONE && slots_start(&a->space.free, large) < map_bytes(&a->map) / 2 && end_plan(a, &start, &end))
		a->tidy_end = start;
	else if (!hand_plan(a, &start, &end))
		return;
	(void)evacuate(a, start, end);
	moved = a->bytes_moved - before;
	a->tidy_credit -= moved < a->tidy_credit ? moved : a->tidy_credit;
}

void tidy_poll(arena *a, uint64_t bytes)
{
	if (a->checkpoint.count != a->tidy_checkpoint) {
		a->tidy_checkpoint = a->checkpoint.count;
		a->tidy_end = 0;
	}
	if (!tidy_above_target(a) || held_up(a) || arena_failed(a)) {
		a->tidy_credit = 0;
		return;
	}
	a->tidy_credit += TIDY_RATIO * bytes;
	if (a->tidy_credit > TIDY_CREDIT_MOST)
		a->tidy_credit = TIDY_CREDIT_MOST;
	if (a->tidy_credit >= TIDY_STEP)
		tidy_step(a);
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
