/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* limit.c owns what a size limit asks for: that a put is refused for want of bytes and not because free space is in
 * pieces, and that deletes, moves and checkpoints find a place when puts no longer do.
 *
 * A free slot of space.unit bytes and more is clean: it holds some dozens of records, and a page of the table at least. The
 * rest are pieces. Puts go into pieces first (space_limit.c). Cleaning makes clean slots of pieces: the emptiest segments of
 * the free map are emptied into clean slots, side by side, and are clean themselves after the next checkpoint.
 *
 *     |A|  |B| |C|   |D|    clean      ->      free          |A|B|C|D| clean
 *
 * An interval is the time from one checkpoint to the next. Until its end nothing comes back of what it takes from the clean
 * slots: records that are put, records that are moved and, above all where records are small, the pages of the table that
 * both of them copy. What intervals may take is missing between the records, and makes what is moved denser; the less they
 * may take, the more often there is a checkpoint. It is a share of what is not live, or a copy of the table if that is less,
 * and a little.
 *
 *     | records and the holes between them  | table | what an interval may take | kept: copies, list, spare |
 *
 * Segments are emptied, a step after a commit, as long as the next interval would have less than that: what is clean now,
 * what was emptied, and the places of the pages that were copied. The interval is over when little of what it may take is
 * left and a good part of it comes back.
 *
 * What puts leave alone, and why it is enough:
 *
 *   the spare    clean bytes to move through. Emptying a segment of which f bytes are free, and d live, takes d clean ones
 *                and a checkpoint later gives d + f: nothing is lost on the way, since what is moved stands side by side.
 *                So while the spare is there, and any segment has free bytes, clean bytes grow by a step, and a further
 *                step can be made. A blob larger than the clean slot before it cannot be moved.
 *   the copies   room for pages of the table that commits copy when the interval has taken all that it may: deletes, and
 *                what is put while the checkpoint is made. A checkpoint makes this good again, too.
 *   the list     the free list of the next checkpoint, in small chunks.
 *
 * 1. space.reserve counts these bytes, with room for a copy of all of the table; a put is refused at once when it would leave
 *    less. Where bytes suffice and no slot does, data is moved before a put is refused (slot_make.c).
 * 2. Moves ahead of puts leave a quarter of the spare. No move takes room from the copies of the pages that lead to what
 *    is moved, nor from the next free list (space_holds_pages): so the checkpoint that gives all of it back finds a place.
 * 3. Pages of the table are not moved for the sake of their segment: they die by themselves, and what they leave takes
 *    others.
 * 4. Beside snapshots no more is moved ahead of puts than arena/move/guard.c allows. What is moved for a put that has no place is
 *    bounded by what is clean, as ever: without it the put is refused. But what the snapshot sees comes back when it ends, and
 *    not before, and deletes have to go on until then: so these moves leave a quarter of the spare, and two pages for each
 *    snapshot, and puts leave as much in slots that hold pages even where they go into pieces (space_floor_beside). What it sees stands between pieces, of which no
 *    move makes one slot then: what is moved fills them first, if they hold no page (fit_moved). Nothing is moved for a transaction
 *    that has shown more to its user than writer.shown names, since all that it was shown stays where it is.
 * 5. Of the copies, no more than a share of the limit is reserved: where the table is larger, checkpoints come more often.
 *
 * What it does not promise: a blob larger than any clean slot cannot be moved out of the way, and where each small record
 * that is moved copies a page of its own, room for these copies may run out first. Then a put is refused although bytes
 * would suffice; and so may be the commit of a transaction that deletes much in a store that is nearly full. Below a limit
 * of 128 KiB, of which a few pages are much, so may a delete be.
 *
 * Cost: a look at one number; near the limit, with each change that cleans and every few others, a look at as many clean
 * slots as make up the spare. */
#include "arena/move/limit.h"

#include "arena/core.h"
#include "arena/log/interval.h"
#include "arena/move/evacuate.h"
#include "arena/move/guard.h"
#include "arena/move/segment.h"
#include "arena/types.h"

#define SPARE_SHARE       128 /* of the limit ... */
#define SPARE_MOST        (UINT64_C(1) << 20)
#define SPARE_LEAST       (UINT64_C(64) << 10)
#define SPARE_LEAST_SHARE 5                     /* ... of which this is no more than so much */
#define COPIES_SHARE      16                    /* of the limit, reserved                        */
#define INTERVAL_SHARE    6                     /* of what is not live, for an interval          */
#define LOW_SHARE         8                     /* of that: little                               */
#define KEPT_SHARE        4                     /* of that, kept for copies, ...                 */
#define KEPT_LEAST        (UINT64_C(256) << 10) /* ... and at least so much                      */
#define UNIT_RECORDS      32                    /* in the smallest clean slot                    */
#define STEP_LEAST        (UINT64_C(4) << 10)   /* bytes moved at a time */
#define STEP_MOST         (UINT64_C(256) << 10)
#define STEPS_MOST        64 /* before one checkpoint */

static uint64_t spare_bytes(const struct space *s)
{
	const uint64_t share = s->max_bytes / SPARE_SHARE;
	const uint64_t most = s->max_bytes / SPARE_LEAST_SHARE;
	const uint64_t least = SPARE_LEAST < most ? SPARE_LEAST : most;

	return share < least ? least : share > SPARE_MOST ? SPARE_MOST : share;
}

/* A slot for some dozens of records is worth a window, and is left alone by cleaning. */
static uint64_t unit_bytes(const arena *a)
{
	const uint64_t records = UNIT_RECORDS * record_mean(a);

	return records < SLOTS_PAGE ? SLOTS_PAGE : least_of(records, a->b->space.window);
}

/* What an interval may take. */
static uint64_t interval_most(const arena *a)
{
	const uint64_t live = file_live(a);
	const uint64_t rest = live < a->b->space.max_bytes ? a->b->space.max_bytes - live : 0;

	return least_of(a->b->table.bytes, rest / INTERVAL_SHARE) + a->b->space.spare / 2;
}

/* Of the copies that are reserved, those for which there are slots that hold them, whatever an interval has taken. */
static uint64_t copies_kept(const arena *a, uint64_t reserved)
{
	const uint64_t share = interval_most(a) / KEPT_SHARE;

	return least_of(reserved, share < KEPT_LEAST ? KEPT_LEAST : share);
}

void limit_measure(arena *a)
{
	struct space *s = &a->b->space;
	uint64_t copies;

	a->b->limit.measured = s->max_bytes;
	if (!limit_on(a))
		return;
	copies = least_of(a->b->table.bytes, s->max_bytes / COPIES_SHARE);
	s->unit = unit_bytes(a);
	s->spare = spare_bytes(s);
	s->floor = s->spare / SPACE_FLOOR_SHARE;
	s->list = space_list_bytes(s);
	s->copies = copies_kept(a, copies);
	s->reserve = copies + s->list + s->spare;
	space_count_slack(s);
}

/* Grows with what an interval takes: a delete writes little, and copies a page. A checkpoint begins it anew (interval_begin). */
static uint64_t taken(const arena *a)
{
	return a->b->log.written + a->b->space.copied_bytes;
}

bool limit_stale(const arena *a)
{
	return taken(a) >= a->b->interval.look_at || a->b->limit.measured != a->b->space.max_bytes;
}

int limit_settle(arena *a)
{
	const int r = guard_settle(a);

	limit_measure(a);
	return r;
}

/* What moving so many bytes takes, with the pages that it copies. */
static uint64_t moving_takes(const arena *a, uint64_t bytes)
{
	const uint64_t copied = a->b->space.copied_bytes;
	const uint64_t rest = a->b->table.bytes > copied ? a->b->table.bytes - copied : 0;

	return bytes + least_of(rest, bytes / (record_mean(a) | 1) * DISK_PAGE);
}

/* How much may be moved ahead of puts; 0: nothing. A little where there is only room for the bytes: the pages that it copies
 * are seen to as they come (arena/move/evacuate.c), and without it nothing would ever get better. */
static uint64_t budget_ahead(const arena *a)
{
	const struct space *s = &a->b->space;
	const uint64_t clean = space_clean(s, s->floor + STEP_MOST);
	const int64_t roomy = s->slack + (int64_t)(s->spare - s->floor);
	uint64_t budget = STEP_MOST;

	while (budget > STEP_LEAST && (clean < s->floor + budget || roomy < (int64_t)moving_takes(a, budget)))
		budget /= 2;
	return clean < s->floor + budget || roomy < (int64_t)budget ? 0 : budget;
}

/* Half of what is clean, the other half is for pages. */
uint64_t limit_budget(const arena *a)
{
	return least_of(space_clean(&a->b->space, 2 * STEP_MOST) / 2, STEP_MOST);
}

/* Empties the emptiest segment, or what the budget allows of it; the next step goes on there. False: there is none, or nowhere
 * to move it to. */
static bool segment_empty(arena *a, uint64_t budget, uint64_t floor)
{
	const uint64_t before = a->b->bytes_moved;
	uint64_t start, end, room;
	int r;

	if (budget < STEP_LEAST || !segment_next(a, budget, &start, &end, &room))
		return false;
	a->b->space.floor = floor;
	r = evacuate(a, start, end);
	if (r == 0)
		a->b->interval.prepared += a->b->bytes_moved - before + room;
	limit_measure(a);
	return r == 0;
}

bool limit_empty_segments(arena *a)
{
	const uint64_t before = a->b->bytes_moved;

	for (int i = 0; i < STEPS_MOST && segment_empty(a, limit_budget(a), space_floor_beside(&a->b->space)); i++)
		;
	return a->b->bytes_moved > before;
}

/* Whether puts will want for clean slots before long. */
static bool clean_low(const arena *a)
{
	const struct space *s = &a->b->space;
	const uint64_t wish = s->spare + s->spare / 2 + s->unit;

	return space_clean(s, wish) < wish;
}

/* What the next checkpoint gives back. */
static uint64_t coming(const arena *a)
{
	return a->b->interval.prepared + a->b->space.copied_bytes;
}

/* Whether more is to be emptied in this interval. */
static bool step_due(const arena *a)
{
	return a->b->space.slack + (int64_t)coming(a) < (int64_t)interval_most(a) || clean_low(a);
}

static bool interval_over(const arena *a)
{
	const struct space *s = &a->b->space;
	const uint64_t most = interval_most(a);
	const int64_t little = (int64_t)(most / LOW_SHARE + s->window);

	return (s->slack < little && coming(a) >= most / 2) || (a->b->interval.prepared >= s->spare && clean_low(a));
}

bool limit_poll(arena *a)
{
	const struct space *s = &a->b->space;
	struct interval *t = &a->b->interval;
	bool over;

	if (!limit_on(a))
		return false;
	if (!limit_stale(a))
		return t->due;
	limit_measure(a);
	over = interval_over(a);
	if (!over && !step_due(a)) {
		t->look_at = taken(a) + s->window / 2;
		return false;
	}
	if (atomic_load(&a->checkpoint.pushing))
		return true;
	/* Nothing is worth a checkpoint that snapshots keep from becoming free. */
	if (!over && guard_allowance(a) < STEP_LEAST) {
		t->look_at = taken(a) + s->window / 2;
		return true;
	}
	if (over || !segment_empty(a, least_of(budget_ahead(a), guard_allowance(a)), s->floor)) {
		t->due = s->pending.logged_bytes >= s->unit;
		t->look_at = taken(a) + s->window / 8;
	}
	return true;
}
