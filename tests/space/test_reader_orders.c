/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_reader_orders.c: pins and snapshots beside a writer that applies commits, and uses again what died, in every
 * order of a few steps.
 *
 * The sources are compiled here once more, with a place to be stopped at before each access to a word. What they
 * serve is a table of one node, which leads to one record. The record of a commit is its number. A node that no
 * snapshot sees is changed where it stands, any other one is copied. This is how commit.c does it, see there.
 *
 * 1. Nothing that a pin or a snapshot has come to is handed out until that one ends.
 * 2. A snapshot finds the record of its commit, whenever it looks.
 * 3. What a pin finds is at least as new as what was published when it began.
 * 4. When all are over, one node and one record are in use: the rest is free. */
#define _GNU_SOURCE
#include "arena/space/pending.h"
#include "arena/space/reader.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "arena/space/ranges.h"
#include "arena/space/slots.h"
#include "tests/os/stepped.h"
#include "tests/testing.h"

#include "arena/space/pending.c" /* NOLINT: see above */
#include "arena/space/reader.c"  /* NOLINT: see above */

#define PAGES   8u
#define SIZE    UINT64_C(64)
#define COMMITS 3u
#define SLOTS   8u /* that are ever used */

static struct readers readers;

static struct {
	struct pending pending;
	struct slots free;
	struct {
		uint64_t seq;         /* of its commit, when it is a record; of a node: its birth */
		_Atomic uint64_t ref; /* of a node: to its record */
		unsigned seen;        /* by so many readers       */
		bool free;
	} page[PAGES];
	unsigned commits, cancelled, in_place, pins, snapshots;
} scene;

static uint64_t place(uint64_t page)
{
	return (page + 1) * SIZE;
}

/* 1: of all that has become free. */
static void freed_must_be_unseen(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		const slot_id id = slots_at_or_before(&scene.free, place(i));
		scene.page[i].free = id != SLOT_NONE && slots_end(&scene.free, id) > place(i);
		must(!scene.page[i].free || scene.page[i].seen == 0);
	}
}

static uint64_t page_take(uint64_t seq)
{
	const slot_id id = slots_first_fit(&scene.free, SIZE);
	uint64_t page;

	must(id != SLOT_NONE);
	page = slots_start(&scene.free, id) / SIZE - 1;
	must(slots_remove(&scene.free, place(page), SIZE) == 0);
	scene.page[page].free = false;
	scene.page[page].seq = seq;
	return page;
}

static void page_die(uint64_t page, uint64_t seq)
{
	const struct extent e = {.start = place(page), .size = SIZE, .born = scene.page[page].seq, .died = seq};

	pending_add(&scene.pending, e, page % 2 == 0);
}

static void drain(void)
{
	(void)pending_drain(&scene.pending, &scene.free, &readers, UINT64_MAX, UINT64_MAX);
	freed_must_be_unseen();
}

/* The node that the commit changes: `root`, if no snapshot sees it, or a copy. */
static uint64_t node_own(uint64_t root, uint64_t own, uint64_t frozen, uint64_t seq)
{
	if (own != root || scene.page[root].seq > frozen)
		return own;
	own = page_take(seq);
	scene.page[own].ref = scene.page[root].ref;
	return own;
}

static void commit(uint64_t seq)
{
	const uint64_t root = readers.root;
	const uint64_t now = seq - 1;
	const uint64_t record = page_take(seq);
	const uint64_t before = scene.page[root].ref;
	/* As beside a checkpoint, which is a snapshot, too. */
	const uint64_t least = seq % 2 == 0 ? now : 0;
	uint64_t frozen = readers_newest(&readers);
	uint64_t own;

	frozen = frozen < least ? least : frozen;
	own = node_own(root, root, frozen, seq);
	must(pending_reserve(&scene.pending, 2) == 0);
	if (readers_apply_begin(&readers) > frozen) {
		readers_apply_cancel(&readers);
		scene.cancelled++;
		own = node_own(root, own, now, seq);
		(void)readers_apply_begin(&readers);
	}
	actor_point();
	scene.page[own].ref = record;
	page_die(before, seq);
	if (own != root)
		page_die(root, seq);
	scene.in_place += own == root;
	drain();
	readers_apply_end(&readers, seq, own);
	scene.commits++;
	drain();
}

static void commits(void)
{
	for (uint64_t seq = 2; seq < 2 + COMMITS; seq++)
		commit(seq);
}

/* Comes to a page, and stays there for as long as it reads it. */
static void see(uint64_t page)
{
	must(!scene.page[page].free);
	scene.page[page].seen++;
}

static void see_no_more(uint64_t page)
{
	must(!scene.page[page].free);
	scene.page[page].seen--;
}

static void pin_and_get(void)
{
	const uint64_t least = readers.seq;
	uint32_t slot;
	uint64_t root, record;

	slot = readers_pin(&readers);
	root = atomic_load(&readers.root);
	see(root);
	record = atomic_load(&scene.page[root].ref);
	see(record);
	actor_point();
	must(scene.page[record].seq >= least);
	see_no_more(record);
	see_no_more(root);
	readers_unpin(&readers, slot);
	scene.pins++;
}

static void snapshot_and_get(unsigned looks)
{
	uint64_t root, seq;
	uint32_t slot;

	must(readers_snapshot(&readers, &slot) == 0);
	root = readers.txns[slot].root;
	seq = readers.txns[slot].seq;
	see(root);
	for (unsigned i = 0; i < looks; i++) {
		const uint64_t record = atomic_load(&scene.page[root].ref);
		see(record);
		actor_point();
		must(scene.page[record].seq == seq);
		see_no_more(record);
	}
	see_no_more(root);
	readers_end(&readers, slot);
	scene.snapshots++;
}

/* One node and one record, of commit 1. */
static void begin(void)
{
	uint64_t root, record;

	pending_release(&scene.pending);
	slots_release(&scene.free);
	memset(&scene, 0, sizeof scene);
	slots_init(&scene.free, os_posix());
	pending_init(&scene.pending, os_posix());
	must(slots_insert(&scene.free, place(0), PAGES * SIZE) == 0);
	root = page_take(1);
	record = page_take(1);
	scene.page[root].ref = record;
	freed_must_be_unseen();
	memset(readers.slots, 0, SLOTS * sizeof readers.slots[0]);
	readers.high = readers.snapshots = 0;
	readers.apply = 0;
	readers.seq = 1;
	readers.root = root;
}

static struct {
	uint64_t cancelled, in_place;
} met;

static void verdict(void)
{
	const char *what;

	must(scene.commits == COMMITS && actors_stuck() == 0);
	must(readers.snapshots == 0 && readers.high <= SLOTS && readers.apply % 2 == 0);
	drain();
	must(scene.pending.bytes == 0 && scene.free.bytes == (PAGES - 2) * SIZE);
	must(slots_check(&scene.free, &what) == 0);
	must(scene.page[readers.root].seq <= readers.seq && readers.seq == 1 + COMMITS);
	met.cancelled += scene.cancelled;
	met.in_place += scene.in_place;
}

static uint64_t play(struct scene s)
{
	uint64_t each;

	memset(&met, 0, sizeof met);
	slots_init(&scene.free, os_posix());
	must(readers_init(&readers, os_posix()) == 0);
	s.begin = begin;
	s.verdict = verdict;
	each = scene_play(&s);
	pending_release(&scene.pending);
	slots_release(&scene.free);
	memset(&scene, 0, sizeof scene);
	readers_release(&readers);
	return each;
}

static void write_or_pin(unsigned self, void *arg)
{
	(void)arg;
	reader_hint = 0;
	if (self == 0)
		commits();
	for (unsigned i = 0; self > 0 && i < 2; i++)
		pin_and_get();
}

START_TEST(nothing_that_a_pin_sees_is_handed_out)
{
	const struct scene two = {"pin and drain", 2, write_or_pin, .preempted = 2, .orders = 150000};
	const struct scene three = {"two pins and drain", 3, write_or_pin, .preempted = 1, .orders = 100000};

	must(play(two) >= 1000);
	must(met.in_place > 0 && met.cancelled == 0);
	must(play(three) >= 100);
}
END_TEST

static void write_or_snapshot(unsigned self, void *arg)
{
	(void)arg;
	reader_hint = 0;
	if (self == 0)
		commits();
	for (unsigned i = 0; self > 0 && i < 2; i++)
		snapshot_and_get(2);
}

START_TEST(a_snapshot_sees_one_commit)
{
	const struct scene two = {"snapshot and apply", 2, write_or_snapshot, .preempted = 2, .orders = 150000};
	const struct scene three = {"two snapshots and apply", 3, write_or_snapshot, .preempted = 1, .orders = 100000};

	must(play(two) >= 1000);
	must(met.in_place > 0 && met.cancelled > 0);
	must(play(three) >= 100);
	must(met.in_place > 0 && met.cancelled > 0);
}
END_TEST

static void write_or_read(unsigned self, void *arg)
{
	(void)arg;
	reader_hint = 0;
	if (self == 0)
		commits();
	for (unsigned i = 0; self == 1 && i < 2; i++)
		pin_and_get();
	if (self == 2)
		snapshot_and_get(3);
}

START_TEST(pins_beside_snapshots)
{
	const struct scene both = {"pin, snapshot and apply", 3, write_or_read, .preempted = 2, .orders = 150000};

	must(play(both) >= 1000);
	must(met.in_place > 0 && met.cancelled > 0);
}
END_TEST

SUITE("reader_orders", "orders", nothing_that_a_pin_sees_is_handed_out, a_snapshot_sees_one_commit,
      pins_beside_snapshots)
