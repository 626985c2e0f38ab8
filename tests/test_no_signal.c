/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_no_signal.c: what would be a signal through the map is something else: the end of the file that is cut while a
 * reader may look there. */
#include <string.h>
#include <sys/stat.h>

#include "arena/core.h"
#include "tests/arena_fixture.h"

#define RECORDS 300u
#define SIZE (8 * KIB)

static vpos name_of(uint64_t i)
{
	return (vpos){mix64(i + 1)};
}

/* A commit that puts records of `size` bytes, or with size 0 deletes them. */
static void records_write(arena *a, uint64_t from, uint64_t to, size_t size)
{
	arena_txn *t;
	void *data;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = from; i < to; i++) {
		if (size == 0) {
			must_give(arena_del(t, name_of(i)), 0);
			continue;
		}
		must_give(arena_put(t, name_of(i), 0, size, &data), 0);
		memset(data, (int)i, size);
	}
	must_give(arena_commit(t), 0);
}

/* --- the end of the file ------------------------------------------------------------------------------------------ */

static uint64_t file_length(void)
{
	struct stat st;

	must(stat(testing_path, &st) == 0);
	return (uint64_t)st.st_size;
}

static uint64_t file_blocks(void)
{
	struct stat st;

	must(stat(testing_path, &st) == 0);
	return (uint64_t)st.st_blocks * 512;
}

/* A reader whose record has a size that has rotted sums it up to the end of the file, as it was when the reader looked. The
 * length is lowered and the space given back meanwhile; the file is cut when that reader is gone, whoever has begun since. */
START_TEST(the_file_is_cut_when_its_readers_are_gone)
{
	const struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a = arena_must_open(testing_path, &o);
	volatile const uint8_t *last;
	arena_txn *old, *new;
	uint64_t length;

	records_write(a, 0, RECORDS, SIZE);
	must_give(arena_checkpoint(a), 0);
	records_write(a, 0, RECORDS, 0);
	must_give(arena_begin(a, ARENA_READ, &old), 0);
	length = file_length();
	must(length == map_bytes(&a->map) && length > RECORDS * SIZE);
	last = a->map.base + length - 1;
	must_give(arena_checkpoint(a), 0);
	must(map_bytes(&a->map) < length / 4);
	must(file_length() == length);
	must(*last == 0);
	must(file_blocks() < length / 2);
	records_write(a, RECORDS, RECORDS + 1, 200);
	must_give(arena_begin(a, ARENA_READ, &new), 0);
	must(file_length() == length);
	arena_abort(old);
	records_write(a, RECORDS, RECORDS + 1, 300);
	must(file_length() == map_bytes(&a->map));
	arena_abort(new);
	arena_must_close(a);
	file_must_be_sound(testing_path);
}
END_TEST

/* The file grows again before it was cut, and its end belongs to somebody once more. */
START_TEST(the_file_grows_before_it_was_cut)
{
	const struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a = arena_must_open(testing_path, &o);
	arena_txn *old;
	uint64_t length;

	records_write(a, 0, RECORDS, SIZE);
	must_give(arena_checkpoint(a), 0);
	records_write(a, 0, RECORDS, 0);
	must_give(arena_begin(a, ARENA_READ, &old), 0);
	must_give(arena_checkpoint(a), 0);
	length = file_length();
	must(map_bytes(&a->map) < length);
	records_write(a, 0, RECORDS / 2, SIZE);
	must(map_bytes(&a->map) < length && file_length() == length);
	arena_abort(old);
	records_write(a, RECORDS, RECORDS + 1, 100);
	must(file_length() == map_bytes(&a->map));
	records_write(a, 0, RECORDS, SIZE);
	must_give(arena_check_live(a, NULL, NULL), 0);
	must(file_length() == map_bytes(&a->map));
	arena_must_close(a);
	file_must_be_sound(testing_path);
}
END_TEST

int main(void)
{
	const TTest *const end[] = {the_file_is_cut_when_its_readers_are_gone, the_file_grows_before_it_was_cut};
	Suite *suite = suite_create("no signal");

	testing_add(suite, "end", end, sizeof end / sizeof end[0]);
	return testing_main(suite);
}
