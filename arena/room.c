/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* room.c owns what a size limit asks for: that a put is refused for want of bytes and not because free space is in
 * pieces, and that deletes, moves and checkpoints find a place when puts no longer do.
 *
 * A free slot of space.unit bytes and more is clean; the rest are pieces. Puts go into pieces first (arena/space.c).
 * Cleaning makes clean slots of pieces: the emptiest segments of the survey are emptied into clean slots, side by side,
 * and are clean themselves after the next checkpoint.
 *
 *     |A|  |B| |C|   |D|    clean      ->      free          |A|B|C|D| clean
 *
 * What puts leave alone, and why it is enough:
 *
 *   the spare    clean bytes to move through. Emptying a segment of which f bytes are free, and d live, takes d clean ones
 *                and a checkpoint later gives d + f: nothing is lost on the way, since what is moved stands side by side.
 *                So while the spare is there, and any segment has free bytes, clean bytes grow by a step, and a further
 *                step can be made. A blob larger than the clean slot before it cannot be moved.
 *   the copies   pages of the table that commits copy, of moves among them, until a checkpoint frees the old ones. They
 *                need slots that hold a page, clean or not. A checkpoint makes this good again, too.
 *   the list     the free list of the next checkpoint, in small chunks.
 *
 * 1. space.reserve counts these bytes; a put is refused at once when it would leave less. Where bytes suffice and no slot
 *    does, room_make repeats: checkpoint, empty segments, checkpoint; and when this gains nothing more, or the value is
 *    large, it clears the cheapest run of slots from its left end on: each part moves into what the one before it left,
 *    so that a run of any length passes through a small slot, which grows by what is free between its data. Where no run
 *    is to be had, everything is swept to the beginning of the file before a put is refused.
 * 2. Moves ahead of puts leave a quarter of the spare. No move takes room from the copies of the pages that lead to what
 *    is moved, nor from the next free list (space_holds_pages): so the checkpoint that gives all of it back finds a place.
 * 3. Cleaning is done ahead, a segment after a commit, when less than the spare and something more is clean: a put seldom
 *    has to wait for it.
 * 4. Of the copies, no more than a share of the limit is kept: where the table is larger, checkpoints come more often.
 *
 * What it does not promise: a blob larger than any clean slot cannot be moved out of the way, and where each small record
 * that is moved copies a page of its own, room for these copies may run out first. Then a put is refused although bytes
 * would suffice. Below a limit of 128 KiB, of which a few pages are much, so may a delete be.
 *
 * Cost: a look at one number; near the limit, a look at as many clean slots as make up the spare every few windows. */
#include "arena/core.h"

#include <assert.h>
#include <errno.h>

#define SPARE_SHARE 128 /* of the limit ... */
#define SPARE_MOST (UINT64_C(1) << 20)
#define SPARE_LEAST (UINT64_C(64) << 10)
#define SPARE_LEAST_SHARE 4 /* ... of which this is no more than so much */
#define COPIES_SHARE 16      /* of the limit */
#define SEGMENT_UNITS 4
#define STEP_MOST (UINT64_C(256) << 10) /* bytes moved at a time */
#define STEPS_MOST 64                   /* before one checkpoint */
#define RUN_STEP (UINT64_C(16) << 20)
#define PARTS_MOST 256
#define MAKE_TRIES 32
#define SWEEP_SHARE 64 /* of the limit, written or freed between two sweeps that help nothing */
#define IDLE_MOST 3 /* rounds that make nothing */
#define BEGIN_TRIES 4

static bool limited(const arena *a)
{
	return a->space.max_bytes != UINT64_MAX;
}

uint64_t room_segment(const arena *a)
{
	return limited(a) ? SEGMENT_UNITS * a->space.unit : SURVEY_SEGMENT;
}

static uint64_t spare_bytes(const struct space *s)
{
	const uint64_t share = s->max_bytes / SPARE_SHARE;
	const uint64_t most = s->max_bytes / SPARE_LEAST_SHARE;
	const uint64_t least = SPARE_LEAST < most ? SPARE_LEAST : most;

	return share < least ? least : share > SPARE_MOST ? SPARE_MOST : share;
}

/* Pages and nodes that may be copied between two checkpoints. */
static uint64_t copies_most(const arena *a)
{
	const uint64_t share = a->space.max_bytes / COPIES_SHARE;

	return a->table.bytes < share ? a->table.bytes : share;
}

static void room_measure(arena *a)
{
	struct space *s = &a->space;

	if (!limited(a))
		return;
	s->spare = spare_bytes(s);
	s->floor = s->spare / 4;
	s->list = (s->free.count + 64) * 8 + s->pending.bytes / 64;
	s->copies = copies_most(a);
	s->reserve = s->copies + s->list + s->spare;
	space_count_slack(s);
}

/* What has been taken since the beginning of the checkpoint's interval: a delete writes little, and copies a page. */
static uint64_t taken(const arena *a)
{
	return a->log.written + a->space.copied_bytes;
}

static int settle(arena *a)
{
	const int r = checkpoint_run(a, true);

	(void)space_drain(&a->space, UINT64_MAX);
	room_measure(a);
	return r;
}

static uint64_t bounded(int64_t bytes)
{
	return bytes < 0 ? 0 : bytes > (int64_t)STEP_MOST ? STEP_MOST : (uint64_t)bytes;
}

/* How much may be moved ahead of puts: so that all that they leave alone is left but for three quarters of the spare. */
static uint64_t budget_ahead(const arena *a)
{
	const struct space *s = &a->space;
	const int64_t clean = (int64_t)space_clean(s, s->floor + STEP_MOST) - (int64_t)s->floor;
	const int64_t roomy = s->slack + (int64_t)(s->spare - s->floor);

	return bounded(clean < roomy ? clean : roomy);
}

/* How much may be moved for a put that has no place: half of what is clean, the other half is for pages. */
static uint64_t budget_forced(const arena *a)
{
	return bounded((int64_t)(space_clean(&a->space, 2 * STEP_MOST) / 2));
}

/* Empties the emptiest segment, or as much of it as the budget allows. False: there is none, or nowhere to move it to. */
static bool segment_empty(arena *a, uint64_t budget, uint64_t floor)
{
	uint64_t start, end;
	int r;

	if (budget < a->space.unit || !tidy_segment(a, 1, budget, &start, &end))
		return false;
	a->space.floor = floor;
	r = evacuate(a, start, end);
	log_shed_window(&a->log);
	if (r == 0)
		a->tidy.prepared += end - start;
	room_measure(a);
	return r == 0;
}

static bool segments_empty(arena *a)
{
	const uint64_t before = a->bytes_moved;

	for (int i = 0; i < STEPS_MOST && segment_empty(a, budget_forced(a), 0); i++)
		;
	return a->bytes_moved > before;
}

/* What the next part of a run may hold: as much as the slot before it, or clean slots, take. */
static uint64_t part_bytes(const arena *a, uint64_t at)
{
	const struct slots *s = &a->space.free;
	const slot_id before = slots_at_or_before(s, at);
	uint64_t bytes = budget_forced(a);

	if (before != SLOT_NONE && slots_start(s, before) + slots_size(s, before) >= at && slots_size(s, before) > bytes)
		bytes = slots_size(s, before);
	if (bytes < a->space.unit)
		bytes = a->space.unit;
	return bytes > RUN_STEP || !limited(a) ? RUN_STEP : bytes;
}

/* Moves the next part of a run away, as far as there is room; *at: where the one after it begins. */
static int part_clear(arena *a, const struct plan *run, uint64_t *at)
{
	const uint64_t before = a->bytes_moved;
	struct plan part;
	uint64_t end;
	int r = plan_stretch(&a->space.free, *at, map_bytes(&a->map), part_bytes(a, *at), &part);

	if (r == GRAVITY_NOTFOUND || (r == 0 && part.start >= run->end)) {
		*at = run->end;
		return 0;
	}
	if (r != 0)
		return r;
	end = part.end < run->end ? part.end : run->end;
	/* What is at stake is a put: moves may use all of the spare. */
	a->space.floor = 0;
	if (end > part.first_end)
		r = evacuate(a, part.first_end, end);
	log_shed_window(&a->log);
	*at = r == 0 ? end : part.start;
	/* What was moved before there was no room any more is gained all the same. */
	if (r == 0 || (r == GRAVITY_FULL && a->bytes_moved > before))
		r = settle(a);
	return r;
}

/* The run up to the end of the file that is enough with what the file may grow by. */
static int run_at_end(const arena *a, uint64_t want, struct plan *run)
{
	const struct slots *s = &a->space.free;
	uint64_t sum = limited(a) ? space_growth(&a->space) : 0;
	slot_id id = s->last;

	*run = (struct plan){.start = map_bytes(&a->map), .end = map_bytes(&a->map)};
	for (; id != SLOT_NONE && sum < want + a->space.spare; id = slots_prev(s, id)) {
		sum += slots_size(s, id);
		run->start = slots_start(s, id);
	}
	return sum < want ? GRAVITY_FULL : 0;
}

/* Makes the cheapest run one slot. A larger run by preference: it takes back, too, what is moved. */
static int run_clear(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim)
{
	struct space *s = &a->space;
	const slot_id largest = slots_largest(&s->free);
	/* Where there is a large slot it is not enough, or not the put's. */
	uint64_t more = s->spare + (largest == SLOT_NONE ? 0 : slots_size(&s->free, largest));
	struct plan run;
	uint64_t at;
	int r = plan_run(&s->free, planner, UINT64_MAX, want + more, &run);

	for (; r == GRAVITY_FULL && more > 0; more = more < a->space.unit ? 0 : more / 2)
		r = plan_run(&s->free, planner, UINT64_MAX, want + more / 2, &run);
	if (r == GRAVITY_FULL)
		r = run_at_end(a, want, &run);
	if (r != 0)
		return r;
	at = run.start;
	for (int i = 0; r == 0 && i < PARTS_MOST && at < run.end && !space_fits(s, want, claim); i++)
		r = part_clear(a, &run, &at);
	return r;
}

/* One round; what there is is not enough. */
static int room_round(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim)
{
	const uint64_t clean = space_clean(&a->space, UINT64_MAX);
	const bool small = want <= 2 * a->space.unit;
	int r = 0;

	/* A large value only needs something to move its run through. */
	if (limited(a) && (small || clean < a->space.spare) && segments_empty(a)) {
		r = settle(a);
		if (r != 0 || space_fits(&a->space, want, claim) || (small && space_clean(&a->space, UINT64_MAX) > clean))
			return r;
	}
	r = run_clear(a, planner, want, claim);
	/* Another run may do, once what the window gave back is part of it. */
	return r == GRAVITY_FULL ? settle(a) : r;
}

/* What a round is to make more of. */
static uint64_t room_made(const arena *a)
{
	const struct slots *s = &a->space.free;
	const slot_id largest = slots_largest(s);

	return space_clean(&a->space, UINT64_MAX) + (largest == SLOT_NONE ? 0 : slots_size(s, largest));
}

/* A sweep that helped nothing is not repeated before something has changed. */
static bool sweep_due(const arena *a)
{
	const struct tidy *t = &a->tidy;
	const uint64_t share = a->space.max_bytes / SWEEP_SHARE;

	return limited(a) && (t->swept == 0 || a->log.written - t->swept >= share || a->live_bytes + share <= t->swept_live);
}

/* The last resort, where there are enough bytes and no run was to be had: everything moves to the beginning of the file, and
 * what is free is one slot at its end. */
static int everything_sweep(arena *a, uint64_t want, enum space_claim claim)
{
	struct space *s = &a->space;
	int r;

	if ((claim == SPACE_PUT && !space_allows(s, want)) || !sweep_due(a))
		return 0;
	a->space.floor = 0;
	r = compact_all(a);
	room_measure(a);
	if (r == 0 && !space_fits(s, want, claim)) {
		a->tidy.swept = a->log.written;
		a->tidy.swept_live = a->live_bytes;
	}
	return r == GRAVITY_FULL ? 0 : r;
}

/* Everything that is free, or will be. */
static uint64_t room_all(const arena *a)
{
	return space_left(&a->space) + a->space.pending.bytes;
}

/* As much was refused before, and nothing was freed since: a put that is tried again and again costs no checkpoints. */
static bool refused_before(const arena *a, uint64_t want)
{
	return limited(a) && a->tidy.refused != 0 && want >= a->tidy.refused && room_all(a) <= a->tidy.refused_room;
}

static int refuse(arena *a, uint64_t want)
{
	a->tidy.refused = want;
	a->tidy.refused_room = room_all(a);
	return GRAVITY_FULL;
}

int room_make(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim)
{
	struct space *s = &a->space;
	uint64_t best = 0;
	int idle = 0;
	int r = 0;

	(void)space_drain(&a->space, UINT64_MAX);
	room_measure(a);
	if (space_fits(s, want, claim))
		return 0;
	if (claim == SPACE_PUT && refused_before(a, want))
		return GRAVITY_FULL;
	if (s->pending.bytes > 0)
		r = settle(a);
	if (r == 0 && !space_fits(s, want, claim))
		log_shed_window(&a->log);
	for (int i = 0; r == 0 && i < MAKE_TRIES && idle < IDLE_MOST && !space_fits(s, want, claim); i++) {
		if (claim == SPACE_PUT && !space_allows(s, want))
			return refuse(a, want);
		r = room_round(a, planner, want, claim);
		idle = room_made(a) > best ? 0 : idle + 1;
		best = room_made(a) > best ? room_made(a) : best;
	}
	if (r == 0 && !space_fits(s, want, claim))
		r = everything_sweep(a, want, claim);
	if (r != 0)
		return r;
	if (space_fits(s, want, claim))
		return 0;
	return claim == SPACE_PUT ? refuse(a, want) : GRAVITY_FULL;
}

/* Where these fail, the transaction may succeed all the same. */
void room_begin(arena *a)
{
	struct space *s = &a->space;
	uint64_t least;

	assert(limited(a));
	if (taken(a) >= a->tidy.look_at)
		room_measure(a);
	for (int i = 0; i < BEGIN_TRIES && s->slack + (int64_t)(s->spare / 2) < 0; i++) {
		if (!segments_empty(a) && s->pending.logged_bytes < s->unit)
			break;
		if (settle(a) != 0)
			break;
	}
	least = s->floor + s->unit;
	if (space_clean(s, least) >= least)
		return;
	(void)settle(a);
	if (space_clean(s, least) < least)
		(void)run_clear(a, a->planner, s->spare / 2, SPACE_RESERVED);
}

bool room_poll(arena *a)
{
	const struct space *s = &a->space;
	struct tidy *t = &a->tidy;
	uint64_t ahead;

	if (!limited(a))
		return false;
	if (taken(a) < t->look_at)
		return t->due;
	room_measure(a);
	/* Where much of the table is copied between two checkpoints, each is to free enough. */
	ahead = s->spare / 2 + copies_most(a) / 4;
	if (s->slack >= (int64_t)ahead && space_clean(s, s->spare + ahead) >= s->spare + ahead) {
		t->look_at = taken(a) + s->unit / 2;
		return false;
	}
	if (atomic_load(&a->checkpoint.pushing))
		return true;
	if (t->prepared >= 2 * ahead || !segment_empty(a, budget_ahead(a), s->floor))
		t->due = s->pending.logged_bytes >= s->unit;
	return true;
}
