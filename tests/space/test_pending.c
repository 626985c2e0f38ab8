/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_pending.c: when freed space may be used again: the conditions of reuse against a naive model, with pins and
 * snapshots, and without memory. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/arena/arena_fixture.h"

static struct bare bare;
static struct space *const space = &bare.space;

/* --- the model ---------------------------------------------------------------------------------------------------- */

#define EXTENTS  600u
#define WATCHERS 24u

struct model_extent {
	bool dead;
	bool logged;
	uint64_t born, died; /* born 0: the place is not in use */
};

struct watcher {
	bool open, pin;
	uint32_t slot;
	uint64_t seq;
};

static struct model_extent extents[EXTENTS];
static struct watcher watchers[WATCHERS];

static uint64_t extent_place(unsigned i)
{
	return DISK_DATA + i * UINT64_C(64);
}

static bool extent_reusable(const struct model_extent *e)
{
	if (!e->dead || (e->logged && e->died > space->durable_seq))
		return false;
	for (unsigned w = 0; w < WATCHERS; w++) {
		const struct watcher *h = &watchers[w];
		if (h->open && (h->pin ? h->seq < e->died : e->born <= h->seq && h->seq < e->died))
			return false;
	}
	return true;
}

static void watcher_turn(struct watcher *w, struct rng *r, uint64_t seq)
{
	if (w->open) {
		if (w->pin)
			readers_unpin(&bare.readers, w->slot);
		else
			readers_end(&bare.readers, w->slot);
		w->open = false;
		return;
	}
	*w = (struct watcher){.open = true, .pin = rng_below(r, 6) == 0, .seq = seq};
	if (w->pin)
		w->slot = readers_pin(&bare.readers);
	else
		must_give(readers_snapshot(&bare.readers, &w->slot), 0);
}

/* Some live extents die with commit `died`, and some new ones are born with it. */
static void extents_turn(struct rng *r, uint64_t died)
{
	for (unsigned n = (unsigned)rng_below(r, 12); n > 0; n--) {
		const unsigned i = (unsigned)rng_below(r, EXTENTS);
		struct model_extent *e = &extents[i];
		if (e->born == 0) {
			*e = (struct model_extent){.born = died};
		} else if (!e->dead) {
			const bool page = rng_below(r, 2) == 0;
			must_give(pending_reserve(&space->pending, 1), 0);
			e->dead = true;
			e->died = died;
			e->logged = !page || e->born <= space->started_seq;
			if (page)
				space_free_page(space, extent_place(i), 32, e->born, died);
			else
				space_free_blob(space, extent_place(i), 32, e->born, died);
		}
	}
}

static bool extent_seen(const struct model_extent *e)
{
	bool seen = false;

	for (unsigned w = 0; w < WATCHERS; w++)
		seen = seen || (watchers[w].open && !watchers[w].pin && e->born <= watchers[w].seq &&
				watchers[w].seq < e->died);
	return seen;
}

/* What is free now is what the model says may be free; that is taken, for new extents. Of the rest, what snapshots see is
 * held, and all else is coming. */
static void extents_compare(void)
{
	uint64_t held = 0, coming = 0;

	for (unsigned i = 0; i < EXTENTS; i++) {
		const bool there = slots_remove(&space->free, extent_place(i), 32) == 0;
		must(there == extent_reusable(&extents[i]));
		if (there)
			extents[i] = (struct model_extent){0};
		else if (extents[i].dead)
			*(extent_seen(&extents[i]) ? &held : &coming) += 32;
	}
	must(pending_held(&space->pending, &bare.readers) == held);
	must(pending_coming(&space->pending, &bare.readers) == coming);
	must(space->free.count == 0);
}

/* --- reuse -------------------------------------------------------------------------------------------------------- */

/* An extent is free again exactly when no durable state, no replay and no reader needs it: against the rules taken one
 * by one, with pins and snapshots that end in any order. */
START_TEST(reuse_follows_the_rules)
{
	const uint64_t turns = testing_count(30000, 3000);
	struct rng r = rng_make(2);
	uint64_t seq = 1;

	bare_open(&bare, os_posix(), DISK_DATA, 0);
	must_give(map_grow(&bare.map, extent_place(EXTENTS)), 0);
	memset(extents, 0, sizeof(extents));
	memset(watchers, 0, sizeof(watchers));
	for (uint64_t turn = 0; turn < turns; turn++) {
		seq++;
		extents_turn(&r, seq);
		bare_commit(&bare, seq);
		if (rng_below(&r, 2) == 0)
			watcher_turn(&watchers[rng_below(&r, WATCHERS)], &r, seq);
		if (rng_below(&r, 20) == 0)
			space->durable_seq = space->started_seq;
		else if (rng_below(&r, 40) == 0)
			space->started_seq = seq;
		if (rng_below(&r, 4) == 0) {
			while (space_drain(space, 1 + rng_below(&r, 5)) > 0)
				;
			extents_compare();
			bare_sound(&bare);
		}
	}
	for (unsigned w = 0; w < WATCHERS; w++)
		if (watchers[w].open)
			watcher_turn(&watchers[w], &r, seq);
	space->started_seq = space->durable_seq = seq;
	(void)space_drain(space, UINT64_MAX);
	extents_compare();
	must(space->pending.bytes == 0 && space->pending.logged_bytes == 0);
	bare_close(&bare);
}
END_TEST

/* A forgotten snapshot holds what it sees, and nothing that was born or died outside its sight. */
START_TEST(forgotten_snapshot_holds_no_more_than_it_sees)
{
	uint32_t slot;

	bare_open(&bare, os_posix(), DISK_DATA, 0);
	must_give(map_grow(&bare.map, DISK_DATA + 4 * MIB), 0);
	bare_commit(&bare, 10);
	must_give(readers_snapshot(&bare.readers, &slot), 0);
	for (uint64_t i = 0; i < 10000; i++) {
		must_give(pending_reserve(&space->pending, 1), 0);
		space_free_page(space, DISK_DATA + 64 * i, 64, i == 0 ? 5 : 11 + i, 12 + i);
		bare_commit(&bare, 12 + i);
		(void)space_drain(space, 100);
	}
	must(space->pending.bytes == 64);
	must(space->free.bytes == 64 * 9999 && space->free.count == 1);
	readers_end(&bare.readers, slot);
	(void)space_drain(space, 100);
	must(space->pending.bytes == 0);
	bare_close(&bare);
}
END_TEST

/* Without memory less is handed over, and none is lost. */
START_TEST(draining_without_memory_loses_nothing)
{
	for (uint64_t n = 1; n < 30; n++) {
		struct faulty faulty;
		uint32_t snapshot[40];
		uint64_t count = 0;
		faulty_init(&faulty);
		bare_open(&bare, &faulty.os, DISK_DATA, 0);
		must_give(map_grow(&bare.map, DISK_DATA + MIB), 0);
		for (uint64_t i = 0; i < 40; i++) {
			bare_commit(&bare, 10 + i);
			must_give(readers_snapshot(&bare.readers, &snapshot[i]), 0);
		}
		faulty_arm(&faulty, FAULTY_ALLOC, n, ENOMEM, false);
		for (uint64_t i = 0; i < 400; i++) {
			if (pending_reserve(&space->pending, 1) != 0)
				must_give(pending_reserve(&space->pending, 1), 0);
			space_free_page(space, DISK_DATA + 128 * i, 64, 1 + i % 60, 100 + i);
			count += 64;
			bare_commit(&bare, 100 + i);
			(void)space_drain(space, UINT64_MAX);
			must(space->pending.bytes + space->free.bytes == count);
		}
		bare_commit(&bare, 1000);
		for (uint64_t i = 0; i < 40; i++)
			readers_end(&bare.readers, snapshot[i * 7 % 40]);
		while (space_drain(space, UINT64_MAX) > 0)
			;
		must(space->pending.bytes == 0 && space->free.bytes == count);
		bare_close(&bare);
		faulty_clean(&faulty);
	}
}
END_TEST

SUITE("pending", "reuse", reuse_follows_the_rules, forgotten_snapshot_holds_no_more_than_it_sees,
      draining_without_memory_loses_nothing)
