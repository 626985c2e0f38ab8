/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_os_map.c: the seam over the real system: mappings, growth and holes. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arena/os.h"
#include "tests/os_fixture.h"

/* A shared map reaches past the end of the file, and what the file grows by later is there without mapping again. */
START_TEST(shared_map_sees_growth)
{
	os_file file = file_make(4 * KIB);
	uint64_t reserve = 64 * MIB;
	void *base;
	char read[5];
	size_t got;

	ck_assert_int_eq(os->map(os, file, OS_MAP_SHARED, MIB, &reserve, &base), 0);
	ck_assert_uint_ge(reserve, MIB);
	ck_assert_int_eq(os->advise(os, base, 0, MIB, OS_ADVISE_RANDOM), 0);
	ck_assert_int_eq(os->grow(os, file, 4 * KIB, MIB), 0);
	ck_assert_uint_eq(file_size(file), 4 * KIB + MIB);
	ck_assert(zeroes(base, MIB));
	memcpy((char *)base + MIB, "hello", 5);
	ck_assert_int_eq(os->sync_range(os, file, base, MIB, 5), 0);
	ck_assert_int_eq(os->push(os, file, 0, MIB), 0);
	ck_assert_int_eq(os->sync(os, file), 0);
	ck_assert_int_eq(os->read(os, file, MIB, read, 5, &got), 0);
	ck_assert_uint_eq(got, 5);
	ck_assert_mem_eq(read, "hello", 5);
	ck_assert_int_eq(os->write(os, file, MIB, "HE", 2), 0);
	ck_assert_mem_eq((char *)base + MIB, "HEllo", 5);
	ck_assert_int_eq(os->advise(os, base, 3, 5000, OS_ADVISE_WILLNEED), 0);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* A file that is open for reading alone cannot be mapped for stores that reach it. */
START_TEST(shared_map_needs_a_writable_file)
{
	os_file file = file_make(4 * KIB), reader;
	uint64_t reserve = MIB;
	void *base;

	ck_assert_int_eq(os->open(os, path, OS_RDONLY, 0, &reader), 0);
	ck_assert_int_eq(os->map(os, reader, OS_MAP_SHARED, MIB, &reserve, &base), EACCES);
	ck_assert_ptr_null(base);
	ck_assert_int_eq(os->close(os, reader), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* A private map of a read-only file shows the file and zeroes behind it, may be written all over, and leaves the file
 * as it was. */
START_TEST(private_map_leaves_the_file_alone)
{
	os_file file = file_make(10000), reader;
	uint64_t reserve = 16 * MIB;
	char *base, read[5];
	void *at;
	size_t got;

	ck_assert_int_eq(os->write(os, file, 9990, "hello", 5), 0);
	ck_assert_int_eq(os->open(os, path, OS_RDONLY, 0, &reader), 0);
	ck_assert_int_eq(os->map(os, reader, OS_MAP_PRIVATE, 16 * MIB, &reserve, &at), 0);
	ck_assert_uint_eq(reserve, 16 * MIB);
	base = at;
	ck_assert_mem_eq(base + 9990, "hello", 5);
	ck_assert(zeroes(base + 9995, 16 * MIB - 9995));
	memset(base, 'x', 64 * KIB);
	memset(base + 16 * MIB - 10, 'y', 10);
	ck_assert_int_eq(os->read(os, file, 9990, read, 5, &got), 0);
	ck_assert_mem_eq(read, "hello", 5);
	ck_assert_uint_eq(file_size(file), 10000);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->close(os, reader), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* An empty file has nothing to lay over the zeroes; a file larger than the reservation is mapped as far as that goes. */
START_TEST(private_map_takes_files_of_any_size)
{
	os_file file;
	uint64_t reserve = MIB;
	void *base;

	ck_assert_int_eq(os->open(os, path, OS_CREATE, 0644, &file), 0);
	ck_assert_int_eq(os->map(os, file, OS_MAP_PRIVATE, MIB, &reserve, &base), 0);
	ck_assert(zeroes(base, MIB));
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->truncate(os, file, 8 * MIB), 0);
	ck_assert_int_eq(os->map(os, file, OS_MAP_PRIVATE, MIB, &reserve, &base), 0);
	ck_assert_uint_eq(reserve, MIB);
	ck_assert(zeroes(base, MIB));
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* Anonymous memory is zeroed; giving a range back zeroes the whole pages in it and touches nothing around them. */
START_TEST(anonymous_map_gives_memory_back)
{
	uint64_t reserve = 4 * MIB;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char *base;
	void *at;
	int rc;

	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, 4 * MIB, &reserve, &at), 0);
	base = at;
	ck_assert(zeroes(base, 4 * MIB));
	memset(base, 'x', 4 * page);
	ck_assert_int_eq(os->advise(os, base, page + 8, 2 * page, OS_ADVISE_DONTNEED), 0);
	ck_assert_int_eq(base[2 * page - 1], 'x');
	ck_assert(zeroes(base + 2 * page, page));
	ck_assert_int_eq(base[3 * page], 'x');
	ck_assert_int_eq(os->advise(os, base, 8, page / 2, OS_ADVISE_DONTNEED), 0);
	ck_assert_int_eq(base[8], 'x');
	/* A system without large pages says EINVAL. */
	rc = os->advise(os, base, 0, 4 * MIB, OS_ADVISE_HUGE);
	ck_assert(rc == 0 || rc == EINVAL);
	ck_assert(base[8] == 'x' && base[3 * page] == 'x' && zeroes(base + 4 * page, 4 * MIB - 4 * page));
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
}
END_TEST

/* Where the system does not grant the whole reservation, it is halved; where it does not grant the least, it says so. */
START_TEST(map_halves_the_reservation)
{
	uint64_t reserve = UINT64_C(1) << 50, asked = UINT64_C(1) << 50;
	void *base;

	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, MIB, &reserve, &base), 0);
	ck_assert_uint_lt(reserve, asked);
	ck_assert_uint_ge(reserve, MIB);
	memset(base, 1, 100);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, asked, &asked, &base), ENOMEM);
	ck_assert_ptr_null(base);
}
END_TEST

/* A hole that was punched reads as zeroes and gives its space back; growing over it fills it and changes no byte. */
START_TEST(punch_gives_space_back_and_grow_takes_it)
{
	os_file file = file_make(16 * MIB);
	uint64_t reserve = 16 * MIB, full = file_space(file);
	char *base;
	void *at;
	int rc;

	ck_assert_uint_ge(full, 16 * MIB);
	ck_assert_int_eq(os->map(os, file, OS_MAP_SHARED, 16 * MIB, &reserve, &at), 0);
	base = at;
	memset(base, 'x', 16 * MIB);
	rc = os->punch(os, file, 3 * MIB, 8 * MIB);
	ck_assert(rc == 0 || rc == EOPNOTSUPP);
	if (rc == 0) {
		ck_assert(zeroes(base + 3 * MIB, 8 * MIB));
		/* A file system in memory may keep its large pages for a while. */
		ck_assert(file_space(file) <= full - 4 * MIB || file_in_memory(file));
	}
	ck_assert_uint_eq(file_size(file), 16 * MIB);
	ck_assert_int_eq(base[3 * MIB - 1], 'x');
	ck_assert_int_eq(base[11 * MIB], 'x');
	ck_assert_int_eq(os->grow(os, file, 0, 16 * MIB), 0);
	ck_assert_uint_ge(file_space(file), 16 * MIB);
	ck_assert_int_eq(base[3 * MIB - 1], 'x');
	ck_assert_int_eq(base[11 * MIB], 'x');
	ck_assert_int_eq(os->truncate(os, file, MIB / 4), 0);
	ck_assert_uint_eq(file_size(file), MIB / 4);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		shared_map_sees_growth,
		shared_map_needs_a_writable_file,
		private_map_leaves_the_file_alone,
		private_map_takes_files_of_any_size,
		anonymous_map_gives_memory_back,
		map_halves_the_reservation,
		punch_gives_space_back_and_grow_takes_it,
	};

	return suite_run("os_map", tests, sizeof(tests) / sizeof(tests[0]));
}
