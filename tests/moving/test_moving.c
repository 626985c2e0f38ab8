/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_moving.c: each pointer that stands in the books or in the checkpoint is met, in histories whose books move after each
 * turn of a writer; and what the store holds is what its model does. */
#include <errno.h>
#include <string.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"
#include "tests/moving.h"

#define SNAPSHOTS   3u
#define ROUNDS_MOST 100u

struct history {
	struct faulty f;
	struct arena_options o;
	struct rng r;
	arena *a;
	struct model m;
	arena_txn *snapshot[SNAPSHOTS];
	struct model seen[SNAPSHOTS];
};

static void snapshot_end(struct history *h, unsigned i)
{
	if (h->snapshot[i] == NULL)
		return;
	must(model_fits_txn(&h->seen[i], h->snapshot[i]));
	arena_abort(h->snapshot[i]);
	h->snapshot[i] = NULL;
}

static void snapshot_turn(struct history *h)
{
	const unsigned i = (unsigned)rng_below(&h->r, SNAPSHOTS);
	const bool open = h->snapshot[i] != NULL;

	snapshot_end(h, i);
	if (open)
		return;
	must_give(arena_begin(h->a, ARENA_READ, &h->snapshot[i]), 0);
	h->seen[i] = h->m;
}

/* Some commits, of one change or of many, and now and then what else moves or frees something. */
static void history_go_on(struct history *h, unsigned commits)
{
	for (unsigned i = 0; i < commits; i++) {
		const int r = model_commit(&h->m, h->a, &h->r, 1 + (unsigned)rng_size(&h->r, 200), 4000, 0);
		must(r == 0 || (r == ENOSPC && h->f.failed > 0));
		if (rng_below(&h->r, 8) == 0)
			snapshot_turn(h);
		if (rng_below(&h->r, 50) == 0 && h->f.failed == 0)
			must_give(arena_checkpoint(h->a), 0);
	}
}

static void snapshots_end(struct history *h)
{
	for (unsigned i = 0; i < SNAPSHOTS; i++)
		snapshot_end(h, i);
}

static void history_reopen(struct history *h)
{
	snapshots_end(h);
	arena_must_close(h->a);
	h->a = arena_must_open(testing_path, &h->o);
	must(model_fits(&h->m, h->a));
}

/* The store as a kill would leave it: what is replayed is noted until the first write. */
static void killed_store_is_opened(struct history *h)
{
	char path[320];
	arena *b;

	testing_path_of("killed", path);
	file_copy(testing_path, path);
	b = arena_must_open(path, &h->o);
	must_give(arena_check_live(b, NULL, NULL), 0);
	must_give(model_commit(&h->m, b, &h->r, 0, 1, 0), 0);
	must(model_fits(&h->m, b));
	arena_must_close(b);
	file_must_hold(path, &h->m);
}

static void history_begin(struct history *h)
{
	memset(h, 0, sizeof *h);
	faulty_init(&h->f);
	h->o = plain_options(0, GRAVITY_LAZY);
	h->o.os = &h->f.os;
	h->r = rng_make(1);
	h->a = arena_must_open(testing_path, &h->o);
}

/* A sorted batch is handed over in steps, so that a turn may end within one; but none is made while a snapshot is open. */
static void many_die_at_once(struct history *h)
{
	arena_txn *t;
	void *data;

	snapshots_end(h);
	for (unsigned round = 0; round < 2; round++) {
		must_give(arena_begin(h->a, ARENA_WRITE, &t), 0);
		for (uint64_t i = 0; i < 30000; i++) {
			must_give(arena_put(t, (vpos){mix64(1000000 + i)}, 0, 40, &data), 0);
			memset(data, 1, 40);
		}
		must_give(arena_commit(t), 0);
	}
	must_give(arena_begin(h->a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 30000; i++)
		must_give(arena_del(t, (vpos){mix64(1000000 + i)}), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_checkpoint(h->a), 0);
}

static void history_round(struct history *h)
{
	history_go_on(h, (unsigned)testing_count(400, 200));
	killed_store_is_opened(h);
	many_die_at_once(h);
	history_reopen(h);
	history_go_on(h, (unsigned)testing_count(400, 200));
	/* The disk fills: what has no space there is put aside. */
	must_give(arena_checkpoint(h->a), 0);
	faulty_arm(&h->f, FAULTY_GROW, 1, ENOSPC, true);
	history_go_on(h, (unsigned)testing_count(400, 200));
	faulty_arm(&h->f, 0, 0, 0, false);
	history_reopen(h);
}

START_TEST(each_pointer_is_adopted)
{
	static struct history h;

	history_begin(&h);
	/* Whether a turn ends in the middle of something is chance. */
	for (unsigned round = 0; round == 0 || (round < ROUNDS_MOST && moving_unmet() != NULL); round++)
		history_round(&h);
	arena_must_close(h.a);
	file_must_hold(testing_path, &h.m);
	faulty_clean(&h.f);
	must(moving_turns() > 500); /* each round has 600 commits at least */
	ck_assert_msg(moving_unmet() == NULL, "%s: not met", moving_unmet());
}
END_TEST

SUITE("moving", "books", each_pointer_is_adopted)
