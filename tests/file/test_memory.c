/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_memory.c: what stores take of the addresses and the memory of their process: in proportion, and nothing where the
 * system counts or locks it.
 *
 * Limits are set in children. Under a sanitizer they are counted from what the process has already, which is much. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/file/map.h"
#include "arena/gravity.h"
#include "tests/testing.h"

#define STORES    ((size_t)1000)
#define LARGE     ((size_t)300 * 1000 * 1000)
#define RECORDS   200u
#define CORE_MOST (16 * MIB)

static unsigned char value[MIB];

/* --- what the system says ----------------------------------------------------------------------------------------- */

/* A line of /proc/self/status, in bytes. */
static uint64_t status_bytes(const char *what)
{
	FILE *file = fopen("/proc/self/status", "r");
	unsigned long kib = 0;
	char line[256];
	bool found = false;

	must(file != NULL);
	while (!found && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, what, strlen(what)) == 0)
			found = sscanf(line + strlen(what), ": %lu", &kib) == 1;
	must(found && fclose(file) == 0);
	return kib * UINT64_C(1024);
}

#if defined(__GLIBC__)
typedef __rlimit_resource_t limit_name;
#else
typedef int limit_name;
#endif

static void limit_set(limit_name resource, const char *counts, uint64_t more)
{
	struct rlimit limit;

	must(getrlimit(resource, &limit) == 0);
	limit.rlim_cur = (TESTING_SANITIZED ? status_bytes(counts) : 0) + more;
	must(setrlimit(resource, &limit) == 0);
}

/* Bytes of the mappings that a core dump has, whatever its filter: but those that are left out by name, and what the
 * process has not touched of memory of its own. */
static uint64_t dumped_bytes(void)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long size = 0, own = 0, kib;
	uint64_t sum = 0;
	char line[512], access[8];

	must(file != NULL);
	while (fgets(line, sizeof(line), file) != NULL) {
		(void)sscanf(line, "%*x-%*x %7s", access);
		if (sscanf(line, "Size: %lu", &kib) == 1)
			size = kib;
		if (sscanf(line, "Anonymous: %lu", &kib) == 1)
			own = kib;
		if (strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd") == NULL && (access[3] == 's' || own > 0))
			sum += size * UINT64_C(1024);
	}
	must(fclose(file) == 0);
	return sum;
}

/* --- stores ------------------------------------------------------------------------------------------------------- */

static void records_put(gkv *db, uint64_t bytes)
{
	const size_t size = 10000;

	for (uint64_t i = 0; i * size < bytes; i++)
		must_give(gkv_put(db, &i, sizeof(i), value, size), GKV_OK);
}

/* Of `length` bytes, with a log that is to be replayed. */
static int leave_a_log(void *arg)
{
	gkv *db = store_lazy();

	(void)arg;
	for (unsigned i = 0; i < RECORDS; i++)
		must_give(gkv_put(db, &i, sizeof(i), value, i), GKV_OK);
	_exit(0);
}

static void store_leave(uint64_t length)
{
	must(testing_in_child(leave_a_log, NULL) == 0);
	must(file_bytes(testing_path) <= length);
	must(truncate(testing_path, (off_t)length) == 0);
}

static void records_expect(gkv *db)
{
	unsigned char buf[RECORDS];
	size_t size;

	for (unsigned i = 0; i < RECORDS; i++) {
		must_give(gkv_get(db, &i, sizeof(i), buf, sizeof(buf), &size), GKV_OK);
		must(size == i);
	}
}

/* --- addresses ---------------------------------------------------------------------------------------------------- */

static size_t descriptors_allow(size_t wanted)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	return limit.rlim_cur - 100 < wanted ? limit.rlim_cur - 100 : wanted;
}

static void path_of(size_t i, char path[320])
{
	char name[32];

	(void)snprintf(name, sizeof(name), "store-%zu", i);
	testing_path_of(name, path);
}

/* One store, copied. */
static void stores_open(gkv **db, size_t count)
{
	char path[320];
	size_t size;
	void *bytes;
	gkv *first = store_open(testing_path, 0, GKV_LAZY);

	store_put(first, "key", "value");
	must_give(gkv_checkpoint(first), GKV_OK);
	store_close(first);
	bytes = file_read(testing_path, &size);
	for (size_t i = 0; i < count; i++) {
		path_of(i, path);
		file_write(path, bytes, size);
		db[i] = store_open(path, GKV_NOCREATE, GKV_LAZY);
	}
	free(bytes);
}

/* Any of them take 8 MiB, the program has memory of its own, and every one is what it was. */
static void stores_use(gkv **db, size_t count)
{
	struct rng rng = rng_make(1);
	const size_t growing = testing_count(20, 6);
	unsigned char *own;

	for (size_t i = 0; i < growing; i++)
		records_put(db[i == 0 ? 0 : i == 1 ? count - 1 : (size_t)rng_below(&rng, count)], 8 * MIB);
	own = malloc(64 * MIB);
	must(own != NULL);
	memset(own, 7, MIB);
	free(own);
	for (size_t i = 0; i < count; i++) {
		store_expect(db[i], "key", "value");
		store_close(db[i]);
	}
}

/* A thousand stores may be open in one process. */
START_TEST(a_thousand_stores_leave_room)
{
	static gkv *db[STORES];
	const size_t count = descriptors_allow(STORES);

	stores_open(db, count);
	stores_use(db, count);
	for (size_t i = 0; i < STORES; i++) {
		must_give(gkv_open(NULL, NULL, &db[i]), GKV_OK);
		store_put(db[i], "key", "value");
	}
	stores_use(db, STORES);
}
END_TEST

static void map_make(struct map *m, uint64_t bytes, uint64_t most)
{
	*m = (struct map){.base = NULL};
	must_give(map_open(m, os_posix(), OS_NOFILE, OS_MAP_ANONYMOUS, bytes, most), 0);
}

static uint64_t pages_of(uint64_t bytes, uint64_t page)
{
	return (bytes + page - 1) / page * page;
}

/* The first handles of a process reserve much, and the others less, never more than the file may come to, but twice what
 * it has; what is closed makes room for a large one. Where the reservation ends there is no memory. */
START_TEST(reservations_are_in_proportion)
{
	const uint64_t wide = UINT64_C(1) << 40, narrow = UINT64_C(1) << 36;
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	struct map m[18], small, full, one;

	map_make(&small, 20000, 100000);
	map_make(&full, 200000, 100000);
	must(small.reserve == pages_of(25 * 4096, page) && full.reserve == pages_of(50 * 4096, page));
	must_give(map_grow(&small, small.reserve), 0);
	must_give(map_grow(&small, small.reserve + 1), ENOMEM);
	small.base[small.reserve - 1] = 1;
	for (int i = 0; i < 18; i++)
		map_make(&m[i], 20000, i % 2 == 0 ? UINT64_MAX : 2 * wide);
	must(m[0].reserve <= wide && m[15].reserve <= wide && m[16].reserve <= narrow && m[17].reserve <= narrow);
	/* As much as that, if this system has 47 bits of addresses. */
	if (sizeof(void *) == 8 && m[0].reserve == wide && m[15].reserve == wide)
		must(m[16].reserve == narrow && m[17].reserve == narrow);
	map_close(&m[3]);
	map_make(&one, 20000, UINT64_MAX);
	must(m[15].reserve != wide || one.reserve == wide);
	map_close(&one);
	map_make(&m[3], 3 * narrow / 4, UINT64_MAX / 2);
	map_close(&m[5]);
	map_make(&one, 20000, narrow);
	must(m[15].reserve != wide || (one.reserve == narrow && m[3].reserve == wide));
	map_close(&one);
	map_make(&one, wide, UINT64_MAX);
	must(m[15].reserve != wide || one.reserve == 2 * wide);
	map_close(&one);
	for (int i = 0; i < 18; i++)
		map_close(&m[i]);
	map_close(&small);
	map_close(&full);
}
END_TEST

static int live_with_few_addresses(void *arg)
{
	const size_t most = 512 * MIB;
	gkv *db;
	void *own;

	(void)arg;
	limit_set(RLIMIT_AS, "VmSize", most);
	for (int i = 0; i < 3; i++) {
		must_give(gkv_open(i == 0 ? testing_path : NULL, NULL, &db), GKV_OK);
		records_put(db, 8 * MIB);
		if (i > 0)
			continue;
		own = mmap(NULL, most / 4 - 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(own != MAP_FAILED && munmap(own, most / 4 - 2 * MIB) == 0);
	}
	return 0;
}

/* Where addresses are few (ulimit -v) the program keeps a quarter of them. */
START_TEST(few_addresses_are_shared_with_the_program)
{
	must(testing_in_child(live_with_few_addresses, NULL) == 0);
	store_check(testing_path);
}
END_TEST

static int fill_the_addresses(void *arg)
{
	gkv *db;
	uint64_t count = 0;
	size_t size;
	int r;

	(void)arg;
	limit_set(RLIMIT_AS, "VmSize", 64 * MIB);
	must_give(gkv_open(NULL, NULL, &db), GKV_OK);
	while ((r = gkv_put(db, &count, sizeof(count), value, 100000)) == GKV_OK)
		count++;
	must_give(r, ENOMEM);
	must(count > 100);
	must_give(gkv_get(db, "\0\0\0\0\0\0\0\0", 8, value, sizeof(value), &size), GKV_OK);
	for (uint64_t i = 0; i < count / 2; i++)
		must_give(gkv_del(db, &i, sizeof(i)), GKV_OK);
	must_give(gkv_checkpoint(db), GKV_OK);
	for (uint64_t i = 0; i < count / 4; i++)
		must_give(gkv_put(db, &i, sizeof(i), value, 100000), GKV_OK);
	must_give(gkv_close(db), GKV_OK);
	return 0;
}

/* A store that has used up its addresses is out of memory, and not full; what is deleted there may be written again. */
START_TEST(no_more_addresses_are_no_memory)
{
	must(testing_in_child(fill_the_addresses, NULL) == 0);
}
END_TEST

/* --- memory that counts ------------------------------------------------------------------------------------------- */

static int read_a_large_one(void *arg)
{
	gkv *db;

	(void)arg;
	limit_set(RLIMIT_DATA, "VmData", 200000 * KIB);
	db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	records_expect(db);
	must(store_stat(db).file_bytes == LARGE);
	must(store_records(db) == RECORDS);
	store_close(db);
	store_check(testing_path);
	return 0;
}

static int write_a_small_one(void *arg)
{
	gkv *db;

	(void)arg;
	limit_set(RLIMIT_DATA, "VmData", 20000 * KIB);
	db = store_open(testing_path, 0, GKV_DURABLE);
	records_expect(db);
	records_put(db, MIB);
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	return 0;
}

static int fill_the_memory(void *arg)
{
	uint64_t count = 0;
	gkv *db;
	int r;

	(void)arg;
	limit_set(RLIMIT_DATA, "VmData", 20000 * KIB);
	must_give(gkv_open(NULL, NULL, &db), GKV_OK);
	while ((r = gkv_put(db, &count, sizeof(count), value, 10000)) == GKV_OK)
		count++;
	must_give(r, ENOMEM);
	must(count > 500 && store_records(db) == count);
	store_close(db);
	return 0;
}

/* Addresses do not count as memory (ulimit -d, and vm.overcommit_memory=2 likewise): nor does a file that is read, with a
 * log to replay. A store in memory counts as what it holds. */
START_TEST(only_what_is_used_counts_as_memory)
{
	store_leave(LARGE);
	must(testing_in_child(read_a_large_one, NULL) == 0);
	must(unlink(testing_path) == 0);
	store_leave(200000);
	must(testing_in_child(write_a_small_one, NULL) == 0);
	must(testing_in_child(fill_the_memory, NULL) == 0);
}
END_TEST

/* Wherever the file ends, a handle that only reads replays behind it, and leaves it as it was. */
START_TEST(a_replay_goes_behind_a_file_of_any_length)
{
	const uint64_t more[] = {0, 8, 100, 4000, 4095, 4096, 70000};
	uint64_t length;
	size_t size, again;

	store_leave(200000);
	length = file_bytes(testing_path);
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		void *before, *after;
		gkv *db;

		must(truncate(testing_path, (off_t)(length + more[i])) == 0);
		before = file_read(testing_path, &size);
		db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
		records_expect(db);
		must(store_stat(db).free_bytes < size);
		store_close(db);
		store_check(testing_path);
		after = file_read(testing_path, &again);
		must(again == size && memcmp(before, after, size) == 0);
		free(before);
		free(after);
	}
}
END_TEST

/* --- memory that is locked ---------------------------------------------------------------------------------------- */

static int open_locked(void *arg)
{
	const char *path = arg;
	uint64_t before, after;
	struct stat st;
	gkv *db;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		return errno == EPERM || errno == ENOMEM ? 0 : 1;
	before = status_bytes("VmRSS");
	must_give(gkv_open(path, &(gkv_options){.durability = GKV_LAZY}, &db), GKV_OK);
	store_put(db, "key", "value");
	after = status_bytes("VmRSS");
	if (path != NULL)
		must(stat(path, &st) == 0);
	must(after <= before + (path != NULL ? (uint64_t)st.st_size : 0) + 2 * MIB);
	store_close(db);
	return 0;
}

static int open_with_little_to_lock(void *arg)
{
	struct rlimit little;

	must(getrlimit(RLIMIT_MEMLOCK, &little) == 0);
	little.rlim_cur = little.rlim_max < 64 * MIB ? little.rlim_max : 64 * MIB;
	must(setrlimit(RLIMIT_MEMLOCK, &little) == 0);
	testing_drop_privileges();
	if (mlockall(MCL_FUTURE) != 0)
		return errno == EPERM || errno == ENOMEM ? 0 : 1;
	return open_locked(arg);
}

/* A process that locks its memory gets no more of it than the file, and 2 MiB, and can do so as far as it may lock. */
START_TEST(locked_memory_is_in_proportion)
{
	must(testing_in_child(open_locked, testing_path) == 0);
	must(testing_in_child(open_locked, NULL) == 0);
	must(testing_in_child(open_with_little_to_lock, NULL) == 0);
}
END_TEST

/* --- core dumps --------------------------------------------------------------------------------------------------- */

static gkv *dumped;

static void dumped_open(const char *path)
{
	must_give(gkv_open(path, NULL, &dumped), GKV_OK);
	records_put(dumped, MIB);
}

static int add_to_the_dump(void *arg)
{
	const uint64_t before = dumped_bytes();

	dumped_open(arg);
	must(dumped_bytes() <= before + 4 * MIB);
	must_give(gkv_close(dumped), GKV_OK);
	return 0;
}

/* As it would be read: without its holes. */
static int die_with_a_dump(void *arg)
{
	struct rlimit limit;

	must(chdir(testing_folder) == 0 && getrlimit(RLIMIT_CORE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_CORE, &limit) == 0);
	must(signal(SIGABRT, SIG_DFL) != SIG_ERR);
	dumped_open(arg);
	abort();
}

/* The dump of a child that died with a store open; 0 where the system puts it elsewhere, or writes none. */
static uint64_t core_bytes(const char *path)
{
	char pattern[128] = "", core[600];
	FILE *file = fopen("/proc/sys/kernel/core_pattern", "r");
	struct stat st;
	int died;

	must(file != NULL);
	must(fgets(pattern, sizeof(pattern), file) != NULL && fclose(file) == 0);
	died = testing_in_child(die_with_a_dump, (void *)(uintptr_t)path);
	must(died == 128 + SIGABRT);
	(void)snprintf(core, sizeof(core), "%s/core", testing_folder);
	if (strcmp(pattern, "core\n") != 0 || stat(core, &st) != 0)
		return 0;
	must(unlink(core) == 0);
	return (uint64_t)st.st_size;
}

/* A core dump has a store in memory, and nothing of one on the disk, and is as long as that. */
START_TEST(a_core_dump_is_in_proportion)
{
	must(testing_in_child(add_to_the_dump, testing_path) == 0);
	must(testing_in_child(add_to_the_dump, NULL) == 0);
	must(TESTING_SANITIZED || core_bytes(testing_path) <= CORE_MOST);
	must(TESTING_SANITIZED || core_bytes(NULL) <= CORE_MOST);
}
END_TEST

SUITE("memory", "memory", a_thousand_stores_leave_room, reservations_are_in_proportion,
      few_addresses_are_shared_with_the_program, no_more_addresses_are_no_memory, only_what_is_used_counts_as_memory,
      a_replay_goes_behind_a_file_of_any_length, locked_memory_is_in_proportion, a_core_dump_is_in_proportion)
