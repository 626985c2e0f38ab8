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

#define MAKE_TRIES 32
#define SWEEP_LEAST (UINT64_C(1) << 20) /* bytes moved in a step */
#define SWEEP_MOST (UINT64_C(16) << 20)
#define SWEEP_SHARE 32 /* of the file */
#define DENSE_SHARE 32 /* less than this share free: not worth moving */

static int settle(arena *a)
{
	const int r = checkpoint_run(a, true);

	(void)space_drain(&a->space, UINT64_MAX);
	return r;
}

/* Bytes behind `from` that are not free. */
static uint64_t occupied_behind(const arena *a, uint64_t from)
{
	const struct slots *s = &a->space.free;
	uint64_t bytes = map_bytes(&a->map) - from;

	for (slot_id id = slots_at_or_after(s, from); id != SLOT_NONE; id = slots_next(s, id))
		bytes -= slots_size(s, id);
	return bytes;
}

/* Moves what was put into the zone for want of room back before it. What finds none there stays. */
static int zone_clear(arena *a)
{
	const struct slots *s = &a->space.free;
	const uint64_t zone = space_zone(&a->space);
	const slot_id before = zone < map_bytes(&a->map) ? slots_at_or_before(s, zone) : SLOT_NONE;
	uint64_t start;
	int r;

	if (before == SLOT_NONE)
		return 0;
	start = slots_start(s, before) + slots_size(s, before);
	if (start >= map_bytes(&a->map) || occupied_behind(a, start) == 0)
		return 0;
	r = evacuate(a, start, map_bytes(&a->map));
	return r == 0 || r == GRAVITY_FULL ? settle(a) : r;
}

/* The cheapest run whose data the free part of the zone, or the rest of the file system, can take. A larger one than is
 * wanted by preference: it takes back, too, what is moved. For a put a slot in the zone is of no use, however large and
 * cheap: its plans end before the zone. */
static int make_plan(const arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim,
		     struct plan *plan)
{
	const struct space *s = &a->space;
	const uint64_t zone = space_zone(s);
	const uint64_t limit = claim == SPACE_PUT ? zone : UINT64_MAX;
	uint64_t room = UINT64_MAX;
	uint64_t wish = want + want / 8 + SPACE_WINDOW_LEAST;

	if (zone != UINT64_MAX) {
		room = s->max_bytes - zone;
		room -= zone < map_bytes(&a->map) ? occupied_behind(a, zone) : 0;
		room = room > a->table.bytes ? (room - a->table.bytes) / 2 : 0;
		if (wish < want + room)
			wish = want + room;
	}
	for (; wish > want; wish = want + (wish - want) / 2) {
		if (plan_run(&s->free, planner, limit, wish, plan) == 0 && plan->moved <= room)
			return 0;
		if (wish - want < DISK_PAGE / 4)
			break;
	}
	return plan_run(&s->free, planner, limit, want, plan);
}

static int make_slot(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim)
{
	int r = 0;

	(void)space_drain(&a->space, UINT64_MAX);
	if (space_fits(&a->space, want, claim))
		return 0;
	if (a->space.pending.bytes > 0) {
		r = settle(a);
		if (r != 0 || space_fits(&a->space, want, claim))
			return r;
	}
	log_shed_window(&a->log);
	r = zone_clear(a);
	for (int i = 0; r == 0 && i < MAKE_TRIES && !space_fits(&a->space, want, claim); i++) {
		struct plan plan;
		if (claim == SPACE_PUT && !space_allows(&a->space, want))
			return GRAVITY_FULL;
		r = make_plan(a, planner, want, claim, &plan);
		if (r == 0)
			r = evacuate(a, plan.first_end, plan.end);
		/* What was moved before there was no room any more is gained all the same. */
		if (r == 0 || r == GRAVITY_FULL)
			r = settle(a);
		if (r == 0)
			r = zone_clear(a);
	}
	if (r != 0)
		return r;
	return space_fits(&a->space, want, claim) ? 0 : GRAVITY_FULL;
}

int compact_make(arena *a, uint64_t want, enum space_claim claim)
{
	return make_slot(a, a->planner, want, claim);
}

/* Whether there is nothing to gain that is worth the moving. */
static bool dense(const arena *a)
{
	return a->space.free.bytes + a->space.pending.bytes < map_bytes(&a->map) / DENSE_SHARE;
}

/* Moves the data of the next stretch into slots before it, or at first to the end of the file; what it leaves is the
 * large slot that the next stretch moves into: data goes left, the slot goes right.
 *
 *     |A| |B|  |C| |D| |E|          ->  |A|  free   |C| |D| |E| B        ->  |A|C|D|  free  |E| B     */
static int sweep_step(arena *a, uint64_t *at)
{
	uint64_t step = map_bytes(&a->map) / SWEEP_SHARE;
	struct plan plan;
	int r = settle(a);

	if (r != 0)
		return r;
	log_shed_window(&a->log);
	step = step < SWEEP_LEAST ? SWEEP_LEAST : step > SWEEP_MOST ? SWEEP_MOST : step;
	r = plan_stretch(&a->space.free, *at, map_bytes(&a->map), step, &plan);
	if (r != 0) {
		*at = UINT64_MAX;
		return r == GRAVITY_NOTFOUND ? 0 : r;
	}
	*at = plan.next;
	if (plan.free < plan.moved / DENSE_SHARE)
		return 0;
	*at = plan.end;
	r = evacuate(a, plan.first_end, plan.end);
	/* What found no room stays where it is: what was moved is gained all the same. */
	return r == GRAVITY_FULL || r == ENOSPC || r == EDQUOT ? 0 : r;
}

/* The last steps: what was moved becomes free, and the end of the file is cut. */
static int sweep_end(arena *a)
{
	int r = settle(a);

	if (r == 0)
		r = settle(a);
	if (r == 0) {
		space_trim(&a->space, a->header.file_bytes);
		space_punch(&a->space, SPACE_PUNCH_LEAST, UINT64_MAX);
	}
	return r;
}

static int sweep(arena *a, arena_progress *progress, void *arg)
{
	uint64_t at = DISK_DATA;
	uint64_t total = 0;
	int r = 0;

	while (r == 0 && at != UINT64_MAX) {
		r = writer_lock(a, false);
		if (r != 0)
			return r;
		if (total == 0)
			total = map_bytes(&a->map);
		if (at == DISK_DATA && (r = settle(a)) == 0 && dense(a))
			at = UINT64_MAX;
		if (r == 0 && at != UINT64_MAX)
			r = sweep_step(a, &at);
		if (r == 0 && at == UINT64_MAX)
			r = sweep_end(a);
		writer_unlock(a);
		if (r == 0 && progress != NULL && progress(arg, at < total ? at : total, total) != 0)
			r = ECANCELED;
	}
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
		r = make_slot(a, planner == GRAVITY_DEFAULT ? a->planner : planner, (want + DISK_UNIT - 1) & ~(DISK_UNIT - 1),
		              SPACE_RESERVED);
	writer_unlock(a);
	if (r == 0 && want == 0)
		r = sweep(a, progress, arg);
	return r;
}
