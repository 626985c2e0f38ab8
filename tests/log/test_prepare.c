/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_prepare.c: snapshots that begin while a commit is prepared, at every call to the system that preparing makes. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"

enum { NAMES = 6000, VIEWS = 64, STEPS = 40 };

/* What a snapshot should show: for each name a version, 0: it is not there. */
struct view {
	arena_txn *txn;
	arena_walk *walk;
	uint32_t version[NAMES];
	uint8_t seen[NAMES];
};

/* The arena, what it holds, and the system that begins snapshots. */
static struct os os;
static arena *store;
static uint32_t version[NAMES], changed[NAMES];
static struct view *views;
static unsigned view_count, prepared;
static uint64_t newest; /* of the commits, when the change began */
static bool armed;

static vpos name_at(unsigned i)
{
	return (vpos){mix64(i + 1)};
}

static unsigned index_of(vpos name)
{
	return (unsigned)(unmix64(name.bits) - 1);
}

static void walk_on(struct view *v, unsigned steps)
{
	for (; steps > 0; steps--) {
		struct arena_blob blob;
		vpos name;
		const int r = arena_walk_next(v->walk, &name, &blob);
		if (r == GRAVITY_NOTFOUND)
			return;
		must_give(r, 0);
		must(index_of(name) < NAMES && v->seen[index_of(name)]++ == 0);
		must(memcmp(blob.data, &v->version[index_of(name)], sizeof(uint32_t)) == 0);
	}
}

static void view_begin(void)
{
	struct view *v = &views[view_count];

	/* A snapshot would wait for all of this. */
	must((atomic_load(&store->readers.apply) & 1) == 0);
	if (view_count == VIEWS)
		return;
	memset(v, 0, sizeof(*v));
	must_give(arena_begin(store, ARENA_READ, &v->txn), 0);
	memcpy(v->version, v->txn->seq == newest ? version : changed, sizeof(version));
	prepared += v->txn->seq == newest;
	must_give(arena_walk_open(v->txn, &v->walk), 0);
	walk_on(v, STEPS);
	view_count++;
}

static void view_must_hold(struct view *v)
{
	walk_on(v, NAMES + 1);
	for (unsigned i = 0; i < NAMES; i++) {
		struct arena_blob blob;
		must_give(arena_find(v->txn, name_at(i), &blob), v->version[i] == 0 ? GRAVITY_NOTFOUND : 0);
		must(v->version[i] == 0 || memcmp(blob.data, &v->version[i], sizeof(uint32_t)) == 0);
		must(v->seen[i] == (v->version[i] != 0));
	}
}

static void views_end(void)
{
	for (unsigned i = 0; i < view_count; i++) {
		view_must_hold(&views[i]);
		arena_walk_close(views[i].walk);
		must_give(arena_commit(views[i].txn), 0);
	}
	view_count = 0;
}

/* Half of the calls, so that what a commit does with and without a snapshot is met. */
static void called(void)
{
	static unsigned calls;

	if (!armed || ++calls % 2 != 0)
		return;
	/* It calls, too. */
	armed = false;
	view_begin();
	armed = true;
}

static void *calling_alloc(const struct os *o, void *old, size_t bytes)
{
	called();
	(void)o;
	return os_posix()->alloc(os_posix(), old, bytes);
}

static int calling_grow(const struct os *o, os_file file, uint64_t from, uint64_t to)
{
	called();
	(void)o;
	return os_posix()->grow(os_posix(), file, from, to);
}

/* Puts or deletes about one in `share` of the names. */
static void change(struct rng *r, unsigned share, unsigned deleted)
{
	arena_txn *t;

	must_give(arena_begin(store, ARENA_WRITE | ARENA_LAZY_COMMIT, &t), 0);
	memcpy(changed, version, sizeof(version));
	for (unsigned i = 0; i < NAMES; i++) {
		void *data;
		if (rng_below(r, share) != 0)
			continue;
		if (version[i] != 0 && rng_below(r, 100) < deleted) {
			must_give(arena_del(t, name_at(i)), 0);
			changed[i] = 0;
			continue;
		}
		must_give(arena_put(t, name_at(i), 0, 8 + rng_below(r, 100), &data), 0);
		changed[i] = version[i] + 1 + (uint32_t)rng_below(r, 100);
		memcpy(data, &changed[i], sizeof(changed[i]));
	}
	newest = atomic_load(&store->readers.seq);
	armed = true;
	must_give(arena_commit(t), 0);
	armed = false;
	memcpy(version, changed, sizeof(version));
}

/* What a snapshot that begins while a commit is prepared shows is the commit before it, whatever pages are copied, split
 * and merged under it, also to a walk that has begun; and it does not wait. */
START_TEST(a_snapshot_begins_while_a_commit_is_prepared)
{
	const uint64_t rounds = testing_count(40, 12);
	struct rng r = rng_make(1);

	os = *os_posix();
	os.alloc = calling_alloc;
	os.grow = calling_grow;
	views = calloc(VIEWS, sizeof(*views));
	must(views != NULL);
	for (uint64_t round = 0; round < rounds; round++) {
		struct arena_options o = plain_options(0, GRAVITY_LAZY);
		o.os = &os;
		memset(version, 0, sizeof(version));
		store = arena_must_open(testing_path, &o);
		change(&r, 1 + (unsigned)rng_below(&r, 8), 0);
		views_end();
		for (unsigned i = 0; i < 8; i++) {
			/* After a few changes nodes are the writer's own, and most pages below them are not. */
			if (rng_below(&r, 2) == 0) {
				views_end();
				must_give(arena_checkpoint(store), 0);
				change(&r, NAMES / 4, 0);
			}
			change(&r, 1 + (unsigned)rng_below(&r, 40), (unsigned)rng_below(&r, 101));
			/* Some stay for longer. */
			if (rng_below(&r, 3) != 0)
				views_end();
		}
		views_end();
		arena_must_be_sound(store);
		arena_must_close(store);
		file_must_be_sound(testing_path);
		must_give(remove(testing_path), 0);
	}
	must(prepared >= rounds);
	free(views);
}
END_TEST

SUITE("prepare", "snapshots", a_snapshot_begins_while_a_commit_is_prepared)
