/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_no_signal.c: what would be a signal through the map is something else: the end of the file that is cut while a
 * reader may look there, and a sector that cannot be read. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"

#define RECORDS 150u /* in one page of the table */
#define SIZE    (16 * KIB)

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

	/* The page that the snapshot sees is made before the records, at the beginning: at the end it would hold that. */
	records_write(a, RECORDS, RECORDS + 1, 100);
	records_write(a, 0, RECORDS, SIZE);
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

	records_write(a, RECORDS, RECORDS + 1, 100);
	records_write(a, 0, RECORDS, SIZE);
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

/* --- sectors that cannot be read ---------------------------------------------------------------------------------- */

#define BAD_MOST 2u

static struct {
	struct os os;
	uint64_t bad[BAD_MOST]; /* offsets of 512 bytes */
	unsigned count;
	uint64_t read; /* bytes */
	unsigned maps; /* of files */
	char text[1024];
} rotten;

/* As far as it can be read; EIO at what cannot. */
static int rotten_read(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got)
{
	uint64_t end = offset + bytes;
	int r;

	(void)os;
	for (unsigned i = 0; i < rotten.count; i++)
		if (rotten.bad[i] < end && rotten.bad[i] + 512 > offset)
			end = rotten.bad[i] > offset ? rotten.bad[i] : offset;
	r = os_posix()->read(os_posix(), file, offset, buf, (size_t)(end - offset), got);
	rotten.read += *got;
	return r == 0 && end < offset + bytes && *got == end - offset ? EIO : r;
}

static int rotten_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		      void **base)
{
	(void)os;
	rotten.maps += file.fd >= 0;
	return os_posix()->map(os_posix(), file, mode, least, reserve, base);
}

static int rotten_report(void *arg, const char *finding)
{
	const size_t used = strlen(rotten.text);

	(void)arg;
	(void)snprintf(rotten.text + used, sizeof rotten.text - used, "%s\n", finding);
	return 0;
}

static int rotten_check(unsigned count, uint64_t first, uint64_t second)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);

	rotten.os = *os_posix();
	rotten.os.read = rotten_read;
	rotten.os.map = rotten_map;
	rotten.bad[0] = first & ~UINT64_C(511);
	rotten.bad[1] = second & ~UINT64_C(511);
	rotten.count = count;
	rotten.read = rotten.maps = 0;
	rotten.text[0] = 0;
	o.os = &rotten.os;
	return arena_check(testing_path, &o, NULL, NULL, rotten_report, NULL);
}

static void place_must_be_told(uint64_t place)
{
	char text[64];

	(void)snprintf(text, sizeof text, "cannot be read at %llu:", (unsigned long long)place);
	must(strstr(rotten.text, text) != NULL);
}

/* A check tells which sectors cannot be read, whatever stands there, and never maps the file, through which they would be a
 * signal. */
START_TEST(an_unreadable_sector_is_a_finding)
{
	const struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a = arena_must_open(testing_path, &o);
	uint64_t places[5];

	records_write(a, 0, RECORDS, SIZE);
	must_give(arena_checkpoint(a), 0);
	records_write(a, 0, 2, SIZE);
	places[0] = 0;
	places[1] = DISK_PAGE;
	places[2] = a->flush.header.free_first;
	places[3] = a->flush.header.log_start;
	places[4] = ref_offset(a->flush.header.root);
	arena_must_close(a);
	for (unsigned i = 0; i < 5; i++) {
		must_give(rotten_check(1, places[i], 0), EIO);
		must(rotten.maps == 0);
		place_must_be_told(rotten.bad[0]);
	}
	must_give(rotten_check(2, places[2], 100 * DISK_PAGE), EIO);
	must(rotten.maps == 0);
	place_must_be_told(rotten.bad[0]);
	place_must_be_told(rotten.bad[1]);
	must(rotten.read >= file_length() - 2 * DISK_PAGE);
	must_give(rotten_check(0, 0, 0), 0);
	must(rotten.maps == 1 && rotten.text[0] == 0 && rotten.read >= file_length());
}
END_TEST

/* Of a file that is no store not more is read than it takes to see that. */
START_TEST(another_file_is_not_read_through)
{
	FILE *f = fopen(testing_path, "w");

	must(f != NULL && ftruncate(fileno(f), 64 << 20) == 0);
	must(fclose(f) == 0);
	must_give(rotten_check(0, 0, 0), GRAVITY_NOTASTORE);
	must(rotten.read <= 1 << 20);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("no signal");

	testing_add(suite, "end", TESTS(the_file_is_cut_when_its_readers_are_gone, the_file_grows_before_it_was_cut));
	testing_add(suite, "sectors", TESTS(an_unreadable_sector_is_a_finding, another_file_is_not_read_through));
	return testing_main(suite);
}
