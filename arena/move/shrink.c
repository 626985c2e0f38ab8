/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* shrink.c owns the bound on the length of the file: what is done when the small steps of arena/move/steps.c are not enough,
 * and what a checkpoint that is asked for, and a close, do to give space back.
 *
 * The file may be as long as what lives, a share of it, a few mebibytes, what snapshots hold, and the largest of the latest
 * transactions, since the next one may be as large. Where a file is longer, the checkpoint that is under way is ended, or one is
 * made that is worth it. If what that makes free does not do, the file is swept (arena/move/sweep.c): first its end, as much of it
 * as has to go; if that is not enough, because what is free lies in holes that hold no record, all of it.
 *
 *     | A | B |  free  | C |   | D | E |        ->      | A | B | D | E | C |
 *                                ^ from here to the end
 *
 * Steps see to it as long as commits are no smaller than what there is to be moved for them. Sweeps are for what is left: the
 * file may be an ABOVE_SHARE of what lives longer before one begins.
 *
 * 1. A sweep that begins after a commit is over some 40 commits later, as long as its steps are below STEP_MOST: each step is
 *    a share of what is to be moved. It moves at least WORK_RATIO times what the commits meanwhile write: where the slot that
 *    a step moves into is small, it takes more than one step after a commit.
 * 2. While records are only deleted nothing is moved: what may die next is not worth it. Once half as much is put as dies,
 *    or at the close, it is.
 * 3. A sweep that was in vain is not repeated before AGAIN_LEAST bytes were written, have died, or are what the bound has become
 *    smaller by.
 * 4. A checkpoint that is asked for ends, whatever others write meanwhile: it makes two checkpoints for the commits before it, two
 *    for each of ROUNDS_MOST rounds and two for the end of the file at most. One of two is the one that was under way. It moves
 *    no more than the rounds' shares, a segment for each, and CREDIT_MOST at the end.
 * 5. Beside snapshots a sweep passes over what arena/move/guard.c does not allow. It begins again when a share of the file was
 *    written, or when all of them are gone.
 * 6. A file that is close to that length grows by less at a time (space.near): from the second commit of a session on none takes it
 *    past the bound by what it does not need.
 *
 * Cost: a look at a few numbers after a commit. A sweep moves a byte for each that it gives back where holes are large
 * enough to take what is moved, and all that lives otherwise. */
#include "arena/move/shrink.h"

#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/checkpoint.h"
#include "arena/log/commit.h"
#include "arena/log/interval.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/move/guard.h"
#include "arena/move/steps.h"
#include "arena/move/sweep.h"

#define ABOVE_SHARE    128 /* of what lives: it may be so much longer while steps see to it */
#define BELOW_SHARE    32  /* of what lives: so much more is swept, so that the next sweep is not soon */
#define RECENT_COMMITS 8u  /* in one of two turns */
#define END_STEPS      12u /* of a sweep of the end, ... */
#define ALL_STEPS      24u /* ... and of all of the file */
#define STEP_LEAST     (UINT64_C(64) << 10)
#define STEP_MOST      (UINT64_C(16) << 20)
#define WORK_RATIO     4
#define AGAIN_LEAST    (UINT64_C(1) << 20)
#define LOOK_LEAST     (UINT64_C(4) << 10) /* bytes to be put, or to die, between two looks at the length */
#define BUSY_SHARE     64                  /* of the file: it was looked over from end to end */
#define TWICE_LEAST    (UINT64_C(1) << 20)
#define ROUND_SHARE    16 /* of the file, moved at a time when a checkpoint is asked for */
#define ROUND_LEAST    (UINT64_C(1) << 20)
#define ROUNDS_MOST    10 /* of segments that are three eighths free, the rest is ten such shares of the file */

/* ---- the bound -------------------------------------------------------------------------------------------------- */

/* What the commits of this turn and the one before have put and seen die. */
static bool only_deleted(const struct shrink *s)
{
	return s->turn[0].put + s->turn[1].put < (s->turn[0].died + s->turn[1].died) / 2;
}

uint64_t shrink_most(const arena *a)
{
	const struct shrink *s = &a->b->shrink;

	return file_most(a) + most_of(s->turn[0].largest, s->turn[1].largest);
}

/* What the bound has become smaller by counts like what has died. */
static void commit_note(struct shrink *s, uint64_t put, uint64_t died)
{
	const uint64_t largest = most_of(s->turn[0].largest, s->turn[1].largest);
	uint64_t changed = put + died;

	if (++s->commits % RECENT_COMMITS == 0) {
		s->turn[1] = s->turn[0];
		s->turn[0] = (struct shrink_turn){0};
		changed += largest - s->turn[1].largest;
	}
	s->turn[0].put += put;
	s->turn[0].died += died;
	s->turn[0].largest = most_of(s->turn[0].largest, put);
	s->rest -= s->rest < changed ? s->rest : changed;
}

/* ---- sweeps ----------------------------------------------------------------------------------------------------- */

/* Where the last part of the file begins that holds `bytes` of data, with a slot before it; *data: how much it holds. */
static uint64_t last_begin(const arena *a, uint64_t bytes, uint64_t *data)
{
	const struct slots *s = &a->b->space.free;
	uint64_t at = map_bytes(&a->map);
	slot_id id = s->last;

	*data = 0;
	for (; id != SLOT_NONE; id = slots_prev(s, id)) {
		*data += at - (slots_end(s, id));
		at = slots_start(s, id);
		if (*data >= bytes)
			return at;
	}
	*data += at - DISK_DATA;
	return DISK_DATA;
}

/* Begins a sweep of what is too much at the end; or of everything, also where what is free is in holes that hold no page. */
static void sweep_begin(arena *a, uint64_t most, bool all)
{
	struct shrink *s = &a->b->shrink;
	const uint64_t more = map_bytes(&a->map) - most + file_live(a) / BELOW_SHARE;
	uint64_t data;

	if (a->b->space.free.pages * SLOTS_PAGE < more)
		all = true;
	s->sweep = (struct sweep){.at = last_begin(a, all ? UINT64_MAX : more, &data), .end = map_bytes(&a->map)};
	s->all = s->sweep.at == DISK_DATA;
	/* Each step may copy all of the table. */
	s->step = most_of(data / (s->all ? ALL_STEPS : END_STEPS), a->b->table.bytes);
}

/* A sweep is over. Where the end was not enough everything is swept. */
static void sweep_over(arena *a, uint64_t most)
{
	struct shrink *s = &a->b->shrink;

	s->sweep.at = 0;
	if (map_bytes(&a->map) <= most)
		return;
	if (!s->all)
		sweep_begin(a, most, true);
	else
		s->rest = s->sweep.busy ? most_of(map_bytes(&a->map) / BUSY_SHARE, AGAIN_LEAST) : AGAIN_LEAST;
}

/* What a sweep has passed over may be moved when the snapshots are gone: it begins anew. */
static void busy_end(arena *a)
{
	struct shrink *s = &a->b->shrink;

	if (!s->sweep.busy || atomic_load(&a->readers.snapshots) != 0)
		return;
	s->sweep = (struct sweep){0};
	s->rest = 0;
}

void shrink_poll(arena *a, uint64_t put, uint64_t died)
{
	struct shrink *s = &a->b->shrink;
	const uint64_t work = WORK_RATIO * (put + died), stop = a->b->bytes_moved + work;
	uint64_t most, step;
	int r;

	commit_note(s, put, died);
	busy_end(a);
	if (s->sweep.at == 0 && s->rest != 0)
		return;
	/* A sweep may put one record behind the end, before it has made room. */
	most = shrink_most(a) - record_mean(a);
	a->b->space.near = map_bytes(&a->map) + map_bytes(&a->map) / SPACE_GROWTH > most;
	if (s->sweep.at == 0 && map_bytes(&a->map) <= most + file_live(a) / ABOVE_SHARE) {
		s->rest = LOOK_LEAST;
		return;
	}
	/* On a full disk what is free is handed back where it is. */
	if (arena_failed(a) || a->b->space.full || (s->sweep.at == 0 && only_deleted(s)))
		return;
	if (s->sweep.at == 0) {
		const bool whole = !atomic_load(&a->checkpoint.pushing);
		const bool settles = !whole || interval_worth(a, a->b->space.dead_bytes);
		/* What a checkpoint makes free may do: while one is under way the table is there twice. */
		if (settles && (guard_settle_once(a) != 0 || map_bytes(&a->map) <= most + file_live(a) / ABOVE_SHARE))
			return;
		/* What it moves into is among what is free. */
		(void)space_drain(&a->b->space, UINT64_MAX);
		sweep_begin(a, most, false);
		s->sweep.settled = settles && whole;
	}
	step = most_of(most_of(s->step, STEP_LEAST), work);
	a->b->space.floor = 0;
	do {
		r = sweep_on(a, &s->sweep, step < STEP_MOST ? step : most_of(STEP_MOST, work));
		if (r != 0)
			s->sweep.at = UINT64_MAX;
		if (s->sweep.at == UINT64_MAX)
			sweep_over(a, most);
	} while (r == 0 && s->sweep.at != 0 && a->b->bytes_moved < stop && map_bytes(&a->map) > most);
}

bool shrink_wanted(arena *a)
{
	return map_bytes(&a->map) > file_most(a) && !arena_failed(a) && guard_allowance(a) >= STEP_LEAST;
}

/* For a close: until the file is as long as it may be. */
static int shrink_rest(arena *a)
{
	struct shrink *s = &a->b->shrink;
	int r = 0;

	if (!shrink_wanted(a))
		return 0;
	a->b->space.floor = 0;
	sweep_begin(a, file_most(a), false);
	while (r == 0 && s->sweep.at != 0) {
		r = sweep_on(a, &s->sweep, most_of(s->step, STEP_MOST));
		if (r == 0 && s->sweep.at == UINT64_MAX)
			sweep_over(a, file_most(a));
	}
	return r;
}

/* ---- asked for -------------------------------------------------------------------------------------------------- */

/* Once more where what the one before has freed can make the file shorter. */
static int shorten(arena *a, bool locked)
{
	bool again;
	int r = locked ? 0 : writer_lock(a, false);

	if (r != 0)
		return r;
	(void)space_drain(&a->b->space, UINT64_MAX);
	again = file_above_target(a) && a->b->space.free.bytes > TWICE_LEAST;
	if (again) {
		steps_end(a);
		/* Where it finds no room it stays: the checkpoint is as good, the file a little longer. */
		(void)commit_hop(a);
	}
	if (!locked)
		writer_unlock(a);
	return again ? checkpoint_run(a, locked) : 0;
}

int shrink_close(arena *a)
{
	int r = checkpoint_run(a, true);

	if (r == 0)
		r = shorten(a, true);
	return r == 0 ? shrink_rest(a) : r;
}

/* Rounds of moving. After each a checkpoint frees what it has left. If others write more than a round's share between two of
 * them, they make holes as fast as rounds close them. */
static int halves_move(arena *a)
{
	uint64_t share = 0, written = 0, moved = 0;
	int r = 0;

	for (unsigned round = 0; r == 0 && round < ROUNDS_MOST && (round == 0 || moved > 0); round++) {
		r = writer_lock(a, false);
		if (r != 0)
			return r;
		(void)space_drain(&a->b->space, UINT64_MAX);
		if (round == 0)
			share = most_of(map_bytes(&a->map) / ROUND_SHARE, ROUND_LEAST);
		moved = round == 0 || a->b->log.written - written < share ? steps_halves(a, share) : 0;
		written = a->b->log.written;
		writer_unlock(a);
		if (moved > 0)
			r = checkpoint_run(a, false);
	}
	return r;
}

int shrink_asked(arena *a)
{
	int r = checkpoint_run(a, false);

	if (r == 0)
		r = halves_move(a);
	if (r == 0)
		r = shorten(a, false);
	if (r == 0)
		r = writer_lock(a, false);
	if (r != 0)
		return r;
	/* However little it is. */
	(void)space_drain(&a->b->space, UINT64_MAX);
	(void)space_punch(&a->b->space, DISK_DATA, SPACE_PUNCH_LEAST, UINT64_MAX);
	writer_unlock(a);
	return 0;
}
