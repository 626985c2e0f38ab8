/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_gravity.c: the allocator by its public header alone: blobs behind positions, what survives, codes. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "tests/arena/gravity_fixture.h"
#include "tests/testing.h"

/* --- blobs -------------------------------------------------------------------------------------------------------- */

/* What was written is read back, whatever its size, in a file and in memory. */
START_TEST(written_is_read)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 1000, 4096, 70000, 3000000};

	for (unsigned kind = 0; kind < 2; kind++) {
		gravity *g = gravity_lazy(kind == 0 ? NULL : testing_path);
		gravity_pos pos[9];
		for (size_t i = 0; i < 9; i++)
			pos[i] = number_must_write(g, i, sizes[i]);
		for (size_t i = 0; i < 9; i++)
			number_expect(g, pos[i], i, sizes[i]);
		must(gravity_stat_of(g).blobs == 9);
		gravity_must_close(g);
	}
	must(file_exists(testing_path));
}
END_TEST

/* A buffer that is too small is GRAVITY_SHORTBUF with the size that is needed, and is left alone. */
START_TEST(short_buffer_is_told)
{
	gravity *g = gravity_lazy(NULL);
	const gravity_pos pos = number_must_write(g, 1, 100);
	const gravity_pos empty = number_must_write(g, 2, 0);
	char buf[100];
	size_t size;

	memset(buf, 'x', sizeof(buf));
	must_give(gravity_read(g, pos, buf, 99, &size), GRAVITY_SHORTBUF);
	must(size == 100 && buf[0] == 'x');
	must_give(gravity_read(g, pos, NULL, 0, &size), GRAVITY_SHORTBUF);
	must(size == 100);
	must_give(gravity_read(g, empty, NULL, 0, &size), 0);
	must(size == 0);
	gravity_must_close(g);
}
END_TEST

/* A freed position reads as GRAVITY_NOTFOUND for ever, and no later write is given it, in this session or another. */
START_TEST(freed_position_is_never_used_again)
{
	const uint64_t count = testing_count(2000, 300);
	gravity_pos *freed = calloc(count, sizeof(*freed));
	uint64_t used = 0;
	gravity *g = gravity_lazy(testing_path);

	must(freed != NULL);
	for (uint64_t i = 0; i < count; i++) {
		const gravity_pos pos = number_must_write(g, i, 10);
		for (uint64_t k = 0; k < used; k++)
			must(freed[k] != pos);
		must_give(gravity_free(g, pos), 0);
		must_give(gravity_free(g, pos), GRAVITY_NOTFOUND);
		freed[used++] = pos;
		if (i % 100 == 99) {
			gravity_must_close(g);
			g = gravity_lazy(testing_path);
		}
		if (i % 250 == 200)
			must_give(gravity_checkpoint(g), 0);
	}
	for (uint64_t k = 0; k < used; k++)
		number_expect_none(g, freed[k]);
	must(gravity_stat_of(g).blobs == 0);
	number_expect_none(g, 0);
	number_expect_none(g, UINT64_MAX);
	must_give(gravity_free(g, 0), GRAVITY_NOTFOUND);
	free(freed);
	gravity_must_close(g);
}
END_TEST

/* Positions survive restarts, checkpoints and compactions: random writes and frees against a plain list. */
START_TEST(positions_survive)
{
	enum { PLACES = 400 };
	static gravity_pos pos[PLACES];
	static size_t size[PLACES];
	struct rng r = rng_make(1);
	gravity *g = gravity_lazy(testing_path);

	memset(pos, 0, sizeof(pos));
	for (uint64_t turn = 0; turn < testing_count(20000, 2000); turn++) {
		const uint64_t i = rng_below(&r, PLACES);
		if (pos[i] != 0) {
			number_expect(g, pos[i], i, size[i]);
			must_give(gravity_free(g, pos[i]), 0);
			number_expect_none(g, pos[i]);
			pos[i] = 0;
		} else {
			size[i] = (size_t)rng_size(&r, 5000);
			pos[i] = number_must_write(g, i, size[i]);
		}
		if (rng_below(&r, 500) == 0) {
			gravity_must_close(g);
			g = gravity_lazy(testing_path);
		}
		if (rng_below(&r, 300) == 0)
			must_give(gravity_checkpoint(g), 0);
		if (rng_below(&r, 300) == 0) {
			const int code =
				gravity_compact(g, (enum gravity_planner)rng_below(&r, 3), 1 + rng_below(&r, 100000));
			must(code == 0 || code == GRAVITY_FULL);
		}
	}
	for (uint64_t i = 0; i < PLACES; i++)
		if (pos[i] != 0)
			number_expect(g, pos[i], i, size[i]);
	must_give(gravity_sync(g), 0);
	gravity_must_close(g);
}
END_TEST

/* --- calls -------------------------------------------------------------------------------------------------------- */

static int slot_ignore(void *arg, uint64_t start, uint64_t size, double attraction)
{
	(void)arg;
	(void)start;
	(void)size;
	(void)attraction;
	return 0;
}

/* A call that is wrong is GRAVITY_INVALID and does nothing; closing nothing is allowed. */
START_TEST(wrong_calls_are_invalid)
{
	gravity_options o = {0};
	gravity_stats s;
	gravity_pos pos;
	gravity *g;
	size_t size;
	char buf[8];

	must_give(gravity_open(NULL, NULL, NULL), GRAVITY_INVALID);
	o.reserved[7] = 1;
	must_give(gravity_open(NULL, &o, &g), GRAVITY_INVALID);
	must(g == NULL);
	o = (gravity_options){.flags = 0x100};
	must_give(gravity_open(NULL, &o, &g), GRAVITY_INVALID);
	o = (gravity_options){.durability = 2};
	must_give(gravity_open(NULL, &o, &g), GRAVITY_INVALID);
	o = (gravity_options){.planner = (enum gravity_planner)3};
	must_give(gravity_open(NULL, &o, &g), GRAVITY_INVALID);
	must_give(gravity_open(NULL, NULL, &g), 0);
	must_give(gravity_write(NULL, "x", 1, &pos), GRAVITY_INVALID);
	must_give(gravity_write(g, NULL, 1, &pos), GRAVITY_INVALID);
	must_give(gravity_write(g, "x", 1, NULL), GRAVITY_INVALID);
	must_give(gravity_write(g, "x", (size_t)1 << 33, &pos), GRAVITY_TOOBIG);
	must_give(gravity_write(g, NULL, 0, &pos), 0);
	must_give(gravity_read(NULL, pos, buf, 8, &size), GRAVITY_INVALID);
	must_give(gravity_read(g, pos, NULL, 8, &size), GRAVITY_INVALID);
	must_give(gravity_read(g, pos, buf, 8, NULL), GRAVITY_INVALID);
	must_give(gravity_free(NULL, pos), GRAVITY_INVALID);
	must_give(gravity_sync(NULL), GRAVITY_INVALID);
	must_give(gravity_checkpoint(NULL), GRAVITY_INVALID);
	must_give(gravity_compact(NULL, GRAVITY_DEFAULT, 8), GRAVITY_INVALID);
	must_give(gravity_compact(g, (enum gravity_planner)3, 8), GRAVITY_INVALID);
	must_give(gravity_compact(g, GRAVITY_DEFAULT, 0), GRAVITY_INVALID);
	must_give(gravity_each_free_slot(NULL, slot_ignore, NULL), GRAVITY_INVALID);
	must_give(gravity_each_free_slot(g, NULL, NULL), GRAVITY_INVALID);
	must_give(gravity_stat(NULL, &s), GRAVITY_INVALID);
	must_give(gravity_stat(g, NULL), GRAVITY_INVALID);
	gravity_must_close(g);
	gravity_must_close(NULL);
}
END_TEST

/* What an opening refuses: a file of the other interface in either direction, one that is held, one that is not there;
 * a store opened for reading is not written. */
START_TEST(openings_are_refused_with_a_code)
{
	gravity_options o = {.flags = GRAVITY_NOCREATE};
	gravity *g, *other;
	gravity_pos pos;
	char path[320];

	must_give(gravity_open(testing_path, &o, &g), ENOENT);
	g = gravity_lazy(testing_path);
	pos = number_must_write(g, 1, 100);
	must_give(gravity_open(testing_path, &o, &other), GRAVITY_BUSY);
	gravity_must_close(g);
	must_give(gkv_open(testing_path, NULL, &(gkv *){NULL}), GKV_NOTASTORE);
	testing_path_of("keyed", path);
	store_close(store_open(path, 0, GKV_LAZY));
	must_give(gravity_open(path, NULL, &g), GRAVITY_NOTASTORE);
	o.flags = GRAVITY_RDONLY;
	g = gravity_must_open(testing_path, o);
	number_expect(g, pos, 1, 100);
	must_give(number_write(g, 1, 1, &pos), GRAVITY_READONLY);
	must_give(gravity_checkpoint(g), GRAVITY_READONLY);
	must_give(gravity_compact(g, GRAVITY_DEFAULT, 8), GRAVITY_READONLY);
	must_give(gravity_sync(g), 0);
	gravity_must_close(g);
}
END_TEST

/* Every code has a sentence of its own, every other number has one too, and so have the system's. */
START_TEST(codes_have_sentences)
{
	for (int code = GRAVITY_READERS; code <= 0; code++)
		for (int other = GRAVITY_READERS; other < code; other++)
			must(strcmp(gravity_strerror(code), gravity_strerror(other)) != 0);
	must(strlen(gravity_strerror(-9999)) > 0);
	must(strcmp(gravity_strerror(ENOSPC), gravity_strerror(EIO)) != 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gravity");

	testing_add(
		suite, "blobs",
		TESTS(written_is_read, short_buffer_is_told, freed_position_is_never_used_again, positions_survive));
	testing_add(suite, "calls",
		    TESTS(wrong_calls_are_invalid, openings_are_refused_with_a_code, codes_have_sentences));
	return testing_main(suite);
}
