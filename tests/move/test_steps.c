/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_steps.c: compaction in the write path: how long the file is while what lives in it changes, though nobody asks for
 * anything. */
#define _GNU_SOURCE

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena/gravity.h"
#include "tests/arena/gravity_fixture.h"
#include "tests/testing.h"

#define BLOBS 100u
#define SLACK (UINT64_C(2) << 20)

struct blobs {
	gravity *g;
	struct rng rng;
	gravity_pos pos[BLOBS]; /* 0: none */
	uint64_t live;
	size_t size[BLOBS];
};

/* A new one in place of the i-th. */
static void blob_replace(struct blobs *b, uint64_t i, size_t size)
{
	uint8_t *data = malloc(size);

	must(data != NULL);
	bytes_make(data, size, i);
	if (b->pos[i] != 0)
		must_give(gravity_free(b->g, b->pos[i]), 0);
	must_give(gravity_write(b->g, data, size, &b->pos[i]), 0);
	b->live += size - b->size[i];
	b->size[i] = size;
	free(data);
}

/* Of half of `most` bytes, and up to as much more. */
static size_t size_up_to(struct blobs *b, size_t most)
{
	return most / 2 + rng_below(&b->rng, most / 2);
}

static void blobs_replace(struct blobs *b, unsigned times, size_t most)
{
	while (times-- > 0)
		blob_replace(b, rng_below(&b->rng, BLOBS), size_up_to(b, most));
}

static void blobs_expect(const struct blobs *b)
{
	for (uint64_t i = 0; i < BLOBS; i++) {
		uint8_t *data = malloc(b->size[i]);
		size_t size;

		must(data != NULL);
		must_give(gravity_read(b->g, b->pos[i], data, b->size[i], &size), 0);
		must(size == b->size[i] && bytes_fit(data, size, i));
		free(data);
	}
}

/* Large values side by side up to the end of the file, without a slot for megabytes: it is cut all the same. */
START_TEST(the_file_follows_large_values)
{
	struct blobs b = {.rng = rng_make(1)};

	b.g = gravity_lazy(testing_path);
	for (uint64_t i = 0; i < BLOBS; i++)
		blob_replace(&b, i, size_up_to(&b, 1000 << 10));
	for (int round = 0; round < (int)testing_count(10, 2); round++) {
		blobs_replace(&b, 2 * BLOBS, round % 2 == 0 ? 500 << 10 : 1000 << 10);
		must(gravity_stat_of(b.g).file_bytes <= b.live / 100 * 150 + SLACK);
	}
	blobs_expect(&b);
	gravity_must_close(b.g);
}
END_TEST

/* At the end of the file stands a value that is less than a step moves, before it one that is too much together with it:
 * they go down, one after the other, while a small value changes. */
START_TEST(the_end_moves_down_value_by_value)
{
	struct blobs b = {.rng = rng_make(2)};

	b.g = gravity_lazy(testing_path);
	for (uint64_t i = 0; i < BLOBS; i++)
		blob_replace(&b, i, (size_t)(i % 2 == 0 ? 1000 : 100) << 10);
	for (uint64_t i = 0; i < BLOBS / 2; i++)
		blob_replace(&b, i, 1);
	must(gravity_stat_of(b.g).file_bytes > b.live / 100 * 180);
	for (unsigned i = 0; i < 2 * BLOBS; i++)
		blob_replace(&b, 0, 200 << 10);
	must(gravity_stat_of(b.g).file_bytes <= b.live / 100 * 130 + SLACK);
	blobs_expect(&b);
	gravity_must_close(b.g);
}
END_TEST

#define VALUES  300u
#define VALUE   ((size_t)100 << 10)
#define LOW     190u
#define BETWEEN 75u
#define CHANGES 800u

/* A file that is above its target, and not yet so long that it is swept. What could be cut off lies behind a large slot in the
 * second half of the file: the few values there are moved into it, and nothing else is. */
START_TEST(the_end_moves_into_the_slot_before_it)
{
	static const unsigned behind[] = {2, 10};
	static const uint8_t data[VALUE];
	static gravity_pos pos[VALUES];

	for (unsigned i = 0; i < sizeof behind / sizeof behind[0]; i++) {
		gravity *g = gravity_lazy(testing_path);
		gravity_pos change = 0;
		uint64_t live, before;

		for (unsigned k = 0; k < LOW + BETWEEN + behind[i]; k++)
			must_give(gravity_write(g, data, VALUE, &pos[k]), 0);
		for (unsigned k = LOW; k < LOW + BETWEEN; k++)
			must_give(gravity_free(g, pos[k]), 0);
		live = gravity_stat_of(g).live_bytes;
		before = gravity_stat_of(g).file_bytes;
		must(before > live / 100 * 130);
		for (unsigned k = 0; k < CHANGES; k++) {
			if (change != 0)
				must_give(gravity_free(g, change), 0);
			must_give(gravity_write(g, data, VALUE / 5, &change), 0);
		}
		must(gravity_stat_of(g).file_bytes <= live / 100 * 115);
		must(gravity_stat_of(g).bytes_moved <= 2 * behind[i] * VALUE);
		gravity_must_close(g);
		must(remove(testing_path) == 0);
	}
}
END_TEST

#define GROUPS 12u
#define SMALL  300u /* of a group, beside one large value */
#define LARGE  ((size_t)4 << 20)
#define STEP   (UINT64_C(256) << 10)

/* A segment may end within a value of megabytes: a step that empties it for the small ones leaves that where it is. */
START_TEST(a_step_moves_no_large_value)
{
	static const uint8_t data[LARGE];
	static gravity_pos small[GROUPS][SMALL], ring[1000];
	gravity_pos large[GROUPS];
	gravity *g = gravity_lazy(testing_path);
	uint64_t moved, most = 0;

	for (unsigned i = 0; i < GROUPS; i++) {
		for (unsigned k = 0; k < SMALL; k++)
			must_give(gravity_write(g, data, 600, &small[i][k]), 0);
		must_give(gravity_write(g, data, LARGE, &large[i]), 0);
	}
	must_give(gravity_checkpoint(g), 0);
	for (unsigned i = 0; i < GROUPS; i++) {
		for (unsigned k = 0; k < SMALL; k++)
			if (k % 8 != 0)
				must_give(gravity_free(g, small[i][k]), 0);
		if (i == 0)
			must_give(gravity_free(g, large[i]), 0);
	}
	moved = gravity_stat_of(g).bytes_moved;
	for (unsigned i = 0; i < 20000; i++) {
		gravity_pos *at = &ring[i % 1000];
		uint64_t now;
		if (*at != 0)
			must_give(gravity_free(g, *at), 0);
		must_give(gravity_write(g, data, 600, at), 0);
		now = gravity_stat_of(g).bytes_moved;
		most = now - moved > most ? now - moved : most;
		moved = now;
	}
	must(moved > 0 && most <= STEP);
	gravity_must_close(g);
}
END_TEST

SUITE("steps", "the file's length", the_file_follows_large_values, the_end_moves_down_value_by_value,
      the_end_moves_into_the_slot_before_it, a_step_moves_no_large_value)
