/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_cost.c: what compaction in the write path costs. */
#define _GNU_SOURCE

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"
#include "tests/testing.h"

#define RECORDS 150000u
#define TURNS   4u

/* Records of one size, so many in a transaction. */
struct shape {
	uint32_t size;
	unsigned per_txn;
	bool anonymous;
};

static void put(arena_txn *t, uint64_t i, uint32_t size)
{
	void *data;

	must_give(arena_put(t, (vpos){mix64(1 + i)}, 0, size, &data), 0);
	memset(data, (int)i, size);
}

/* All of them, or some at random. */
static void records_put(arena *a, const struct shape *s, struct rng *r, uint64_t count)
{
	for (uint64_t i = 0; i < count;) {
		arena_txn *t;
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		for (unsigned k = 0; k < s->per_txn; k++, i++)
			put(t, r == NULL ? i : rng_below(r, RECORDS), s->size);
		must_give(arena_commit(t), 0);
	}
}

static void shape_costs(const struct shape *s)
{
	const struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a = arena_must_open(s->anonymous ? NULL : testing_path, &o);
	struct rng r = rng_make(1);
	uint64_t written, moved, count;

	records_put(a, s, NULL, RECORDS);
	written = a->b->log.written;
	moved = a->b->bytes_moved;
	count = a->checkpoint.count;
	records_put(a, s, &r, TURNS * RECORDS);
	count = a->checkpoint.count - count;
	moved = a->b->bytes_moved - moved;
	written = a->b->log.written - written - moved;
	printf("%" PRIu32 " bytes, %u a transaction: put %" PRIu64 " bytes, moved %" PRIu64 ", %" PRIu64
	       " checkpoints\n",
	       s->size, s->per_txn, written, moved, count);
	must(moved <= written / 10 * 32);
	must(count <= written / (160 * KIB));
	arena_must_close(a);
	must(s->anonymous || unlink(testing_path) == 0);
}

/* The commits between two checkpoints change every page of the table, so a checkpoint writes all of it, however little was put
 * meanwhile. Records that are replaced at random must not ask for a checkpoint for each few of them that are moved. */
START_TEST(a_large_table_is_written_seldom)
{
	static const struct shape all[] = {{100, 100, false}, {100, 10, false}, {400, 100, false}, {100, 100, true}};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		shape_costs(&all[i]);
}
END_TEST

SUITE("cost", "random", a_large_table_is_written_seldom)
