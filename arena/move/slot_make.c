/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slot_make.c owns what is done for one put that has no place although bytes suffice, how much that may be, and when such a put
 * is refused. What is kept clean ahead of puts, and why, is in arena/move/limit.c.
 *
 * slot_make repeats rounds: it empties the emptiest segments and makes a checkpoint; where this gains nothing more, or the
 * value is large, it clears the cheapest run of slots (clear.c). Then everything is swept to the beginning of the file, as far
 * as there has to be (sweep.c). In a store without a limit there are rounds alone, and only gravity_compact asks for them.
 *
 * 1. For one put no more is spent than CHECKPOINTS_MOST checkpoints, or one for CHECKPOINT_BYTES of the file where that is
 *    more, and no more is moved than twice the file; but for the step that is under way then, of 16 MiB or one blob at most.
 *    Of both the rounds may have a quarter where a sweep may follow. What begins a transaction (slot_make_begin) may have as much
 *    again as such rounds.
 * 2. What was done is done: a put that is refused because nothing more may be spent finds more room the next time. A sweep
 *    goes on where it stopped, unless much was written meanwhile, and before the rounds. So a put that is tried again and
 *    again gets its place, or is refused for want of one, after a bounded number of tries: a sweep has some 32 steps of the
 *    same length, or less, and none is repeated for less than a 64th of it.
 * 3. As large a put as one that was refused for want of a place is refused untried, until more is free, or will be after a
 *    checkpoint. What snapshots see counts when they end.
 *
 * Cost: that bound, for a put that has no place. */
#include "arena/move/slot_make.h"

#include <assert.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/log.h"
#include "arena/move/clear.h"
#include "arena/move/effort.h"
#include "arena/move/limit.h"
#include "arena/move/sweep.h"

#define CHECKPOINTS_MOST 192u
#define CHECKPOINT_BYTES (UINT64_C(4) << 20)
#define MOVED_MOST       2 /* times the file */
#define ROUNDS_SHARE     4
#define IDLE_MOST        3 /* rounds that make nothing */
#define BEGIN_TRIES      4
#define SWEEP_SHARE      64 /* of the limit, written or freed between two sweeps that help nothing */

static struct effort effort_of(const arena *a, uint64_t share)
{
	const uint64_t file = map_bytes(&a->map);
	const uint64_t checkpoints = file / CHECKPOINT_BYTES;

	return (struct effort){
		.checkpoints =
			a->checkpoint.count + (checkpoints > CHECKPOINTS_MOST ? checkpoints : CHECKPOINTS_MOST) / share,
		.moved = a->b->bytes_moved + MOVED_MOST * file / share,
	};
}

struct effort effort_some(const arena *a)
{
	return effort_of(a, ROUNDS_SHARE);
}

/* One round; what there is is not enough. */
static int round_make(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim,
		      const struct effort *e)
{
	const uint64_t clean = space_clean(&a->b->space, UINT64_MAX);
	const bool small = want <= 2 * a->b->space.unit;
	int r = 0;

	/* A large value only needs something to move its run through. */
	if (limit_on(a) && (small || clean < a->b->space.spare) && limit_empty_segments(a)) {
		r = limit_settle(a);
		if (r != 0 || space_fits(&a->b->space, want, claim) ||
		    (small && space_clean(&a->b->space, UINT64_MAX) > clean))
			return r;
	}
	r = run_clear(a, planner, want, claim, e);
	/* Another run may do, once what the window gave back is part of it. */
	return space_short(r) ? limit_settle(a) : r;
}

/* What a round is to make more of. */
static uint64_t free_made(const arena *a)
{
	const struct slots *s = &a->b->space.free;
	const slot_id largest = slots_largest(s);

	return space_clean(&a->b->space, UINT64_MAX) + (largest == SLOT_NONE ? 0 : slots_size(s, largest));
}

/* What a snapshot sees is neither: it counts when that has ended. */
uint64_t free_coming(arena *a)
{
	struct pending *p = &a->b->space.pending;

	return space_left(&a->b->space) + (broken(BROKEN_REFUSED) ? p->bytes : pending_coming(p, &a->readers));
}

/* A sweep that helped nothing is not repeated before something has changed. */
static bool sweep_due(arena *a)
{
	const struct limit *t = &a->b->limit;
	const uint64_t share = a->b->space.max_bytes / SWEEP_SHARE;

	return limit_on(a) &&
	       (t->swept == 0 || a->b->log.written - t->swept >= share || free_coming(a) >= t->swept_room + share);
}

/* A sweep stopped when nothing more might be spent, and most of what it left stands as it did. */
static bool sweep_stopped(arena *a)
{
	const struct limit *t = &a->b->limit;

	return t->sweep_at != 0 && a->b->log.written - t->sweep_written < a->b->space.max_bytes / SWEEP_SHARE;
}

/* The last resort, where there are enough bytes and no run was to be had: everything moves to the beginning of the file, and
 * what is free is one slot behind it. */
static int everything_sweep(arena *a, uint64_t want, enum space_claim claim, const struct effort *e)
{
	struct space *s = &a->b->space;
	struct limit *t = &a->b->limit;
	struct sweep sweep = {.at = sweep_stopped(a) ? t->sweep_at : DISK_DATA};
	int r;

	if (claim == SPACE_PUT && !space_allows(s, want))
		return 0;
	a->b->space.floor = space_floor_beside(&a->b->space);
	t->sweep_at = 0;
	r = sweep_for(a, &sweep, want, claim, e);
	limit_measure(a);
	if (r == 0 && !space_fits(s, want, claim)) {
		if (sweep.at == UINT64_MAX) {
			t->swept = a->b->log.written;
			t->swept_room = free_coming(a);
		} else {
			t->sweep_at = sweep.at;
			t->sweep_written = a->b->log.written;
		}
	}
	return space_short(r) ? 0 : r;
}

/* The commit that the oldest snapshot sees; UINT64_MAX: there is none. Of when free_coming looked. */
static uint64_t oldest_seen(const arena *a)
{
	const struct readers_view *view = &a->readers.view;

	return view->count == 0 ? UINT64_MAX : view->seq[0];
}

/* As much was refused before, and nothing has come since: a put that is tried again and again costs no checkpoints. */
static bool refused_before(arena *a, uint64_t want)
{
	const struct limit *t = &a->b->limit;

	if (!limit_on(a) || t->refused == 0 || want < t->refused || free_coming(a) > t->refused_room)
		return false;
	return t->refused_beside == 0 || t->refused_beside == oldest_seen(a);
}

/* busy: what snapshots hold is in the way. */
static int refuse(arena *a, uint64_t want, bool busy)
{
	a->b->limit.refused = want;
	a->b->limit.refused_room = free_coming(a);
	a->b->limit.refused_beside = busy ? oldest_seen(a) : 0;
	return GRAVITY_FULL;
}

/* Until there is a place, nothing is gained any more, or the effort is over. */
static int rounds(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim, const struct effort *e)
{
	uint64_t best = 0;
	int idle = 0;
	int r = 0;

	while (r == 0 && idle < IDLE_MOST && !effort_over(a, e) && !space_fits(&a->b->space, want, claim)) {
		if (claim == SPACE_PUT && !space_allows(&a->b->space, want))
			return 0;
		r = round_make(a, planner, want, claim, e);
		idle = free_made(a) > best ? 0 : idle + 1;
		best = free_made(a) > best ? free_made(a) : best;
	}
	return r;
}

int slot_make(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim)
{
	const struct effort all = effort_of(a, 1);
	const struct effort some = effort_some(a);
	struct space *s = &a->b->space;
	int r = 0;

	(void)space_drain(&a->b->space, UINT64_MAX);
	limit_measure(a);
	if (space_fits(s, want, claim))
		return 0;
	if (claim == SPACE_PUT && refused_before(a, want))
		return GRAVITY_FULL;
	if (s->pending.bytes > 0)
		r = limit_settle(a);
	if (r == 0 && !space_fits(s, want, claim))
		log_shed_window(&a->b->log);
	/* What the transaction was shown stays where it is, and that may be anything. */
	if (r == 0 && a->writer.shown.all && !space_fits(s, want, claim))
		return GRAVITY_FULL;
	if (r == 0 && !(sweep_stopped(a) && sweep_due(a)))
		r = rounds(a, planner, want, claim, sweep_due(a) ? &some : &all);
	if (r == 0 && !space_fits(s, want, claim) && sweep_due(a)) {
		r = everything_sweep(a, want, claim, &all);
		/* What it left in pieces has short runs now. */
		if (r == 0)
			r = rounds(a, planner, want, claim, &all);
	}
	if (r != 0 && r != GRAVITY_BUSY)
		return r;
	if (space_fits(s, want, claim))
		return 0;
	if (claim != SPACE_PUT)
		return r != 0 ? r : GRAVITY_FULL;
	/* A sweep that stopped may yet make a place. */
	if (sweep_stopped(a) && space_allows(s, want))
		return GRAVITY_FULL;
	return refuse(a, want, r == GRAVITY_BUSY);
}

/* What a transaction begins with: room for the pages that its commit copies, and clean slots. */
static bool begin_lacks_pages(const struct space *s)
{
	return s->slack + (int64_t)(s->spare / 2) < 0;
}

static bool begin_lacks_slots(const struct space *s)
{
	const uint64_t least = s->floor + s->unit;

	return space_clean(s, least) < least;
}

/* Nothing came of the last try, and nothing was written or freed since: transactions that change nothing, since what they put
 * is refused, make no checkpoint each. */
static bool begun_in_vain(arena *a)
{
	const struct limit *t = &a->b->limit;

	return t->vain_room != 0 && t->vain_written == a->b->log.written && free_coming(a) <= t->vain_room;
}

/* Where these fail, the transaction may succeed all the same. */
void slot_make_begin(arena *a)
{
	const struct effort some = effort_some(a);
	struct space *s = &a->b->space;

	assert(limit_on(a));
	if (limit_stale(a))
		limit_measure(a);
	if (!begin_lacks_pages(s) && !begin_lacks_slots(s))
		return;
	(void)space_drain(s, UINT64_MAX);
	if (begun_in_vain(a))
		return;
	for (int i = 0; i < BEGIN_TRIES && begin_lacks_pages(s); i++) {
		if (s->pending.logged_bytes < s->unit && !limit_empty_segments(a))
			break;
		if (limit_settle(a) != 0)
			break;
	}
	if (begin_lacks_slots(s))
		(void)limit_settle(a);
	if (begin_lacks_slots(s))
		(void)run_clear(a, a->planner, s->spare / 2, SPACE_RESERVED, &some);
	a->b->limit.vain_room = begin_lacks_pages(s) || begin_lacks_slots(s) ? free_coming(a) : 0;
	a->b->limit.vain_written = a->b->log.written;
}
