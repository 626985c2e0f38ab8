/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_os_map.c: the seam over the real system: mappings, growth and holes. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena/os/os.h"
#include "tests/os/os_fixture.h"

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
/* Linux has it since 6.5; the C libraries come to it later. */
#ifndef SYS_cachestat
#define SYS_cachestat 451
#endif

/* Pages of the file in the cache that the disk has not got yet; -1: the kernel does not tell. */
static int64_t pages_unwritten(os_file file, uint64_t bytes)
{
	const uint64_t range[2] = {0, bytes};
	struct {
		uint64_t cached, dirty, written_back, evicted, recently_evicted;
	} stat = {0, 0, 0, 0, 0};

	if (syscall(SYS_cachestat, file.fd, range, &stat, 0) != 0)
		return -1;
	return (int64_t)(stat.dirty + stat.written_back);
}

/* Whoever flushes a range through a map of its own, and a file that it has opened itself, flushes what others have stored. Where
 * the kernel tells of it. */
START_TEST(a_flush_covers_what_others_stored)
{
	os_file file = file_make(MIB), other;
	uint64_t reserve = MIB, other_reserve = MIB;
	void *base, *other_base;

	ck_assert_int_eq(os->open(os, path, 0, 0, &other), 0);
	ck_assert_int_eq(os->map(os, file, OS_MAP_SHARED, MIB, &reserve, &base), 0);
	ck_assert_int_eq(os->map(os, other, OS_MAP_SHARED, MIB, &other_reserve, &other_base), 0);
	for (unsigned round = 0; round < 3 && !file_in_memory(file) && pages_unwritten(other, MIB) >= 0; round++) {
		ck_assert_int_eq(os->sync(os, file), 0);
		ck_assert_int_eq(pages_unwritten(other, MIB), 0);
		((char *)base)[100 * KIB + round] = 'x';
		((char *)base)[900 * KIB + round] = 'y';
		ck_assert_int_gt(pages_unwritten(other, MIB), 0);
		ck_assert_int_eq(((char *)other_base)[100 * KIB + round], 'x');
		ck_assert_int_eq(os->sync_range(os, other, other_base, 0, MIB), 0);
		ck_assert_int_eq(pages_unwritten(other, MIB), 0);
	}
	ck_assert_int_eq(os->unmap(os, other_base, other_reserve), 0);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->close(os, other), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

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

/* What may be done with a byte, as the system sees it: it copies it into a pipe, and back. */
enum access { NOTHING, READING, WRITING };

static enum access access_of(char *at)
{
	enum access how = NOTHING;
	int ends[2];

	ck_assert_int_eq(pipe(ends), 0);
	if (write(ends[1], at, 1) == 1)
		how = read(ends[0], at, 1) == 1 ? WRITING : READING;
	ck_assert(how == WRITING || errno == EFAULT);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return how;
}

/* Whether the range is inaccessible memory of this process, which nothing else can have. */
static bool is_covered(char *at, uint64_t bytes)
{
	void *other = mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return other == MAP_FAILED && errno == EEXIST && access_of(at) == NOTHING &&
	       access_of(at + bytes - 1) == NOTHING;
}

/* Memory behind a file, or without one, is inaccessible until it is taken into use; so it is after it was given back. */
START_TEST(memory_is_inaccessible_until_used)
{
	uint64_t reserve = MIB, page = (uint64_t)sysconf(_SC_PAGESIZE), bytes = 2 * page + 1808;
	os_file file = file_make(bytes);
	char *base;
	void *at;

	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, MIB, &reserve, &at), 0);
	base = at;
	ck_assert_int_eq(access_of(base), NOTHING);
	ck_assert_int_eq(os->use(os, base, page + 1, page), 0);
	ck_assert(access_of(base + page - 1) == NOTHING && access_of(base + page) == WRITING);
	ck_assert(access_of(base + 3 * page - 1) == WRITING && access_of(base + 3 * page) == NOTHING);
	base[2 * page] = 'x';
	ck_assert_int_eq(os->use(os, base, 0, 4 * page), 0);
	ck_assert_int_eq(base[2 * page], 'x');
	ck_assert_int_eq(os->advise(os, base, 2 * page, page, OS_ADVISE_DONTNEED), 0);
	ck_assert(access_of(base + 2 * page) == NOTHING && access_of(base + page) == WRITING);
	ck_assert_int_eq(os->use(os, base, 2 * page, page), 0);
	ck_assert_int_eq(base[2 * page], 0);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->map(os, file, OS_MAP_PRIVATE, MIB, &reserve, &at), 0);
	base = at;
	ck_assert(access_of(base) == READING && access_of(base + bytes - 1) == READING);
	ck_assert(access_of(base + MIB - 1) == NOTHING);
	ck_assert_int_eq(os->use(os, base, bytes, MIB - bytes), 0);
	ck_assert(access_of(base) == READING && access_of(base + bytes - 1) == WRITING &&
		  access_of(base + MIB - 1) == WRITING);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_MEMORY, MIB, &reserve, &at), 0);
	ck_assert(zeroes(at, MIB) && access_of(at) == WRITING);
	ck_assert_int_eq(os->unmap(os, at, reserve), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

static struct {
	char *base[3];
	uint64_t reserve[3];
	char *memory;
	os_file file;
} passed_on; /* to a child */

static int look_and_unmap(void)
{
	char buf;

	for (int i = 0; i < 3; i++) {
		if (!is_covered(passed_on.base[i], passed_on.reserve[i]))
			return 1 + i;
		if (os->unmap(os, passed_on.base[i], passed_on.reserve[i]) != 0 || is_covered(passed_on.base[i], MIB))
			return 11 + i;
	}
	if (passed_on.memory[5] != 'x' || os->unmap(os, passed_on.memory, MIB) != 0)
		return 21;
	return pread(passed_on.file.fd, &buf, 1, 0) == -1 && errno == EBADF ? 0 : 22;
}

static int look_in_a_child(void)
{
	const int mine = in_child(look_and_unmap);

	return mine != 0 ? mine : look_and_unmap();
}

/* In a forked child, and in its children, no descriptor is left; what was mapped is inaccessible, whatever was laid there
 * last, and taken until it is unmapped. Plain memory is there. */
START_TEST(a_child_keeps_addresses_alone)
{
	static const enum os_map_mode modes[3] = {OS_MAP_SHARED, OS_MAP_PRIVATE, OS_MAP_ANONYMOUS};
	uint64_t bytes = MIB;
	void *at;

	passed_on.file = file_make(MIB);
	for (int i = 0; i < 3; i++) {
		os_file file = i < 2 ? passed_on.file : OS_NOFILE;

		passed_on.reserve[i] = 4 * MIB;
		ck_assert_int_eq(os->map(os, file, modes[i], MIB, &passed_on.reserve[i], &at), 0);
		passed_on.base[i] = at;
	}
	ck_assert_int_eq(os->use(os, at, 0, 3 * MIB), 0);
	ck_assert_int_eq(os->advise(os, at, MIB, MIB, OS_ADVISE_DONTNEED), 0);
	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_MEMORY, MIB, &bytes, &at), 0);
	passed_on.memory = at;
	passed_on.memory[5] = 'x';
	ck_assert_int_eq(in_child(look_and_unmap), 0);
	ck_assert_int_eq(in_child(look_in_a_child), 0);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_ne(access_of(passed_on.base[i]), NOTHING);
		ck_assert_int_eq(os->unmap(os, passed_on.base[i], passed_on.reserve[i]), 0);
	}
	ck_assert_int_eq(os->unmap(os, passed_on.memory, MIB), 0);
	ck_assert_int_eq(os->close(os, passed_on.file), 0);
}
END_TEST

static char *wanted;

/* Of a library whose handler runs before ours. */
static void take_addresses(void)
{
	if (wanted != NULL)
		(void)mmap(wanted, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			   0);
}

static int unmap_the_taken(void)
{
	wanted[MIB - 1] = 'x'; /* it is there */
	if (os->unmap(os, wanted, MIB) != 0)
		return 1;
	return wanted[MIB - 1] == 'x' ? 0 : 2;
}

/* What another handler of the fork has mapped at the addresses of a map is not unmapped in its place. */
START_TEST(a_child_unmaps_nothing_else)
{
	uint64_t reserve = MIB;
	void *at;

	ck_assert_int_eq(pthread_atfork(NULL, NULL, take_addresses), 0);
	ck_assert_int_eq(os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, MIB, &reserve, &at), 0);
	wanted = at;
	ck_assert_int_eq(in_child(unmap_the_taken), 0);
	wanted = NULL;
	ck_assert_int_eq(os->unmap(os, at, reserve), 0);
}
END_TEST

/* A private map of a read-only file shows the file and zeroes behind it, may be written where it was taken into use, and
 * leaves the file as it was. */
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
	ck_assert_int_eq(os->use(os, base, 10000, 16 * MIB - 10000), 0);
	ck_assert_mem_eq(base + 9990, "hello", 5);
	ck_assert(zeroes(base + 9995, 16 * MIB - 9995));
	memset(base + 9990, 'x', 64 * KIB);
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
	ck_assert_int_eq(os->use(os, base, 0, MIB), 0);
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
	ck_assert_int_eq(os->use(os, base, 0, 4 * MIB), 0);
	ck_assert(zeroes(base, 4 * MIB));
	memset(base, 'x', 4 * page);
	ck_assert_int_eq(os->advise(os, base, page + 8, 2 * page, OS_ADVISE_DONTNEED), 0);
	ck_assert_int_eq(base[2 * page - 1], 'x');
	ck_assert_int_eq(os->use(os, base, 2 * page, page), 0);
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
	ck_assert_int_eq(os->use(os, base, 0, 100), 0);
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
		a_flush_covers_what_others_stored,
		shared_map_needs_a_writable_file,
		memory_is_inaccessible_until_used,
		a_child_keeps_addresses_alone,
		a_child_unmaps_nothing_else,
		private_map_leaves_the_file_alone,
		private_map_takes_files_of_any_size,
		anonymous_map_gives_memory_back,
		map_halves_the_reservation,
		punch_gives_space_back_and_grow_takes_it,
	};

	return suite_run("os_map", tests, sizeof(tests) / sizeof(tests[0]));
}
