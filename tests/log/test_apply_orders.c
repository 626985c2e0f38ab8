/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_apply_orders.c: snapshots and point reads beside commits that are prepared and applied, in random orders of
 * their steps, on a whole arena.
 *
 * The sources of commits, tables and readers are compiled here once more, see stepped.h. Each commit gives all names
 * that there are its own number, or deletes some of them; checkpoints free at once what nobody sees. A step of a
 * commit is an access to a word of the readers, or to a reference or entry of the table.
 *
 * 1. A snapshot finds one number under all names, whenever it looks, and nothing of what it has come to changes.
 * 2. That number is no older than the commit that was the newest when the snapshot was asked for.
 * 3. What a pin finds is a whole record until the pin is dropped, and no older either. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/os/thread.h"
#include "tests/os/stepped.h"
#include "tests/testing.h"

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"

#include "arena/read/get.c"          /* NOLINT: see above */
#include "arena/space/reader.c"      /* NOLINT: see above */
#include "arena/table/page.c"        /* NOLINT: see above */
#include "arena/table/table.c"       /* NOLINT: see above */
#include "arena/table/table_write.c" /* NOLINT: see above */

static uint64_t again; /* commits that were prepared again */

static void cancel_and_count(struct readers *r)
{
	again++;
	readers_apply_cancel(r);
}

#define readers_apply_cancel(r) cancel_and_count(r)
#include "arena/log/commit.c" /* NOLINT: see above */

#define NAMES   24u
#define GONE    3u /* one in so many names is deleted now and then */
#define COMMITS 3u
#define BYTES   200u
#ifdef GRAVITY_BROKEN
#define ORDERS 2000u
#else
#define ORDERS (40000u / STRANDS_DEAR)
#endif

static arena *store;

static struct {
	uint64_t newest; /* number of the commit that returned last */
	unsigned snapshots, pins;
} scene;

static bool may_be_gone(unsigned i)
{
	return i % GONE == 0;
}

static void change(uint64_t number, bool gone)
{
	arena_txn *t;

	must_give(arena_begin(store, ARENA_WRITE, &t), 0);
	for (unsigned i = 0; i < NAMES; i++) {
		void *data;
		if (gone && may_be_gone(i)) {
			const int r = arena_del(t, model_name(i));
			must(r == 0 || r == GRAVITY_NOTFOUND);
			continue;
		}
		must_give(arena_put(t, model_name(i), 0, BYTES, &data), 0);
		bytes_make(data, BYTES, number);
		memcpy(data, &number, sizeof number);
	}
	must_give(arena_commit(t), 0);
	scene.newest = number;
}

static uint64_t number_of(const struct arena_blob *b)
{
	uint8_t want[BYTES];
	uint64_t number;

	must(b->size == BYTES);
	memcpy(&number, b->data, sizeof number);
	bytes_make(want, BYTES, number);
	must(memcmp((const uint8_t *)b->data + sizeof number, want + sizeof number, BYTES - sizeof number) == 0);
	return number;
}

static void snapshot_and_look(void)
{
	const uint64_t least = scene.newest;
	uint64_t number = 0;
	bool gone = false;
	arena_txn *t;

	must_give(arena_begin(store, ARENA_READ, &t), 0);
	for (unsigned look = 0; look < 2; look++) {
		for (unsigned i = 0; i < NAMES; i++) {
			struct arena_blob b;
			const int r = arena_find(t, model_name(NAMES - 1 - i), &b);
			if (look == 0 && i == 0)
				number = number_of(&b);
			if (look == 0 && r == GRAVITY_NOTFOUND)
				gone = true;
			must(r == (gone && may_be_gone(NAMES - 1 - i) ? GRAVITY_NOTFOUND : 0));
			must(r != 0 || number_of(&b) == number);
			if (i % 8 == 0)
				actor_point();
		}
	}
	must(number >= least);
	must_give(arena_commit(t), 0);
	scene.snapshots++;
}

static void pin_and_look(void)
{
	const uint64_t least = scene.newest;
	struct arena_blob b;
	arena_pin pin = {0};
	uint64_t number;

	must_give(arena_pin_take(store, &pin), 0);
	must_give(arena_pin_find(store, model_name(1), &b), 0);
	number = number_of(&b);
	must(number >= least);
	actor_point();
	must(number_of(&b) == number);
	arena_pin_drop(store, pin);
	scene.pins++;
}

static void change_or_look(unsigned self, void *arg)
{
	struct rng *r = arg;

	reader_hint = 0;
	for (unsigned i = 0; self == 0 && i < COMMITS; i++)
		change(scene.newest + 1, rng_below(r, 4) == 0);
	for (unsigned i = 0; self > 0 && i < 2; i++) {
		if ((self + i) % 2 == 0)
			pin_and_look();
		else
			snapshot_and_look();
	}
}

START_TEST(a_snapshot_sees_one_commit)
{
	const uint64_t wanted = testing_count(ORDERS, 8000);
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	struct rng r = rng_make(1), choices = rng_make(2);
	uint64_t orders;

	o.checkpoint_bytes = 256 * KIB;
	store = arena_must_open(NULL, &o);
	change(1, false);
	actors_begin(3, change_or_look, &r);
	for (orders = 0; orders < wanted || again == 0; orders++) {
		actors_run_random(rng_next(&choices), orders % 3 == 0 ? 4 : orders % 3 == 1 ? 30 : 200);
		must(actors_stuck() == 0 && store->readers.snapshots == 0);
		if (orders % 64 == 0)
			arena_must_be_sound(store);
	}
	actors_end();
	printf("snapshots beside commits: %llu orders, %u snapshots, %u pins, %llu commits, %llu of them prepared again, "
	       "%llu checkpoints\n",
	       (unsigned long long)orders, scene.snapshots, scene.pins, (unsigned long long)scene.newest,
	       (unsigned long long)again, (unsigned long long)store->checkpoint.count);
	must(again > 0 && store->checkpoint.count >= orders / 50);
	arena_must_be_sound(store);
	arena_must_close(store);
}
END_TEST

SUITE("apply_orders", "orders", a_snapshot_sees_one_commit)
