/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_os.c: the seam over the real system: files, locks, transfers, names, threads and forks. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "arena/os/fork.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "tests/os/os_fixture.h"

#define UNPRIVILEGED 65534

/* A file that was made once is opened after that, and never made a second time. */
START_TEST(open_makes_a_file_once)
{
	os_file file, second;
	struct stat st;

	ck_assert_int_eq(os->open(os, path, 0, 0, &file), ENOENT);
	ck_assert_int_eq(file.fd, -1);
	ck_assert_int_eq(os->open(os, path, OS_CREATE, 0600, &file), 0);
	ck_assert_int_eq(fstat(file.fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777u, 0600u);
	ck_assert_int_eq(fcntl(file.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(os->open(os, path, OS_CREATE, 0600, &second), EEXIST);
	ck_assert_int_eq(second.fd, -1);
	ck_assert_int_eq(os->open(os, path, OS_RDONLY, 0, &second), 0);
	ck_assert_int_eq(os->write(os, second, 0, "x", 1), EBADF);
	ck_assert_int_eq(os->close(os, second), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* What is no regular file is refused at once, whichever way it is opened. */
START_TEST(open_takes_regular_files_only)
{
	static const unsigned ways[] = {0, OS_RDONLY};
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	os_file file;

	ck_assert_int_ge(s, 0);
	ck_assert_int_eq(mkfifo(path, 0644), 0);
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%.90s/socket", folder);
	ck_assert_int_eq(bind(s, (struct sockaddr *)&address, sizeof(address)), 0);
	for (size_t i = 0; i < 2; i++) {
		ck_assert_int_eq(os->open(os, folder, ways[i], 0, &file), EISDIR);
		ck_assert_int_eq(os->open(os, path, ways[i], 0, &file), GRAVITY_NOTASTORE);
		ck_assert_int_eq(os->open(os, "/dev/null", ways[i], 0, &file), GRAVITY_NOTASTORE);
		ck_assert_int_eq(os->open(os, address.sun_path, ways[i], 0, &file), GRAVITY_NOTASTORE);
		ck_assert_int_eq(file.fd, -1);
	}
	(void)close(s);
}
END_TEST

static int open_unprivileged(void)
{
	os_file file;

	if (getuid() == 0 && setuid(UNPRIVILEGED) != 0)
		return 1;
	if (os->open(os, path, 0, 0, &file) != EACCES)
		return 2;
	if (os->open(os, path, OS_RDONLY, 0, &file) != 0)
		return 3;
	return os->open(os, "/etc/gkv-os-test", OS_CREATE, 0644, &file) == EACCES ? 0 : 4;
}

/* Without permission to write, a file opens for reading alone. */
START_TEST(open_obeys_permissions)
{
	os_file file = file_make(1);

	ck_assert_int_eq(fchmod(file.fd, 0444), 0);
	ck_assert_int_eq(in_child(open_unprivileged), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

static int open_without_streams(void)
{
	os_file file;

	(void)close(0);
	(void)close(1);
	(void)close(2);
	if (os->open(os, path, OS_CREATE, 0644, &file) != 0 || file.fd <= 2)
		return 1;
	return fcntl(file.fd, F_GETFD) == FD_CLOEXEC && fcntl(0, F_GETFD) == -1 ? 0 : 2;
}

/* A program that closed its standard streams does not get a store as one of them. */
START_TEST(open_stays_clear_of_the_standard_streams)
{
	ck_assert_int_eq(in_child(open_without_streams), 0);
}
END_TEST

/* Locks conflict between two openers of one process: readers share, a writer is alone, unlocking ends it. */
START_TEST(locks_conflict_within_the_process)
{
	os_file a = file_make(1), b;

	ck_assert_int_eq(os->open(os, path, 0, 0, &b), 0);
	ck_assert_int_eq(os->lock(os, a, false), 0);
	ck_assert_int_eq(os->lock(os, b, false), 0);
	ck_assert_int_eq(os->lock(os, b, true), GRAVITY_BUSY);
	ck_assert_int_eq(os->unlock(os, a), 0);
	ck_assert_int_eq(os->lock(os, b, true), 0);
	ck_assert_int_eq(os->lock(os, a, false), GRAVITY_BUSY);
	ck_assert_int_eq(os->lock(os, a, true), GRAVITY_BUSY);
	ck_assert_int_eq(os->unlock(os, b), 0);
	ck_assert_int_eq(os->lock(os, a, true), 0);
	ck_assert_int_eq(os->close(os, a), 0);
	ck_assert_int_eq(os->lock(os, b, true), 0);
	ck_assert_int_eq(os->close(os, b), 0);
}
END_TEST

static int inherited_fd;

static int close_inherited(void)
{
	return os->close(os, (os_file){inherited_fd});
}

static int lock_again(void)
{
	os_file file;

	if (os->open(os, path, 0, 0, &file) != 0)
		return 1;
	return os->lock(os, file, true) == GRAVITY_BUSY ? 0 : 2;
}

/* A child that closes what it inherited leaves its parent's lock standing. */
START_TEST(locks_outlive_a_child_that_closes)
{
	os_file file = file_make(1);

	ck_assert_int_eq(os->lock(os, file, true), 0);
	inherited_fd = file.fd;
	ck_assert_int_eq(in_child(close_inherited), EBADF);
	ck_assert_int_eq(in_child(lock_again), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* A range of nothing is nothing to do, to each operation on ranges. */
START_TEST(empty_ranges_do_nothing)
{
	os_file file = file_make(100);
	uint64_t reserve = MIB;
	size_t got;
	void *base;

	ck_assert_int_eq(os->map(os, file, OS_MAP_SHARED, MIB, &reserve, &base), 0);
	ck_assert_int_eq(os->grow(os, file, 200, 0), 0);
	ck_assert_int_eq(os->punch(os, file, 0, 0), 0);
	ck_assert_int_eq(os->push(os, file, 0, 0), 0);
	ck_assert_int_eq(os->sync_range(os, file, base, 50, 0), 0);
	ck_assert_int_eq(os->write(os, file, 200, NULL, 0), 0);
	ck_assert_int_eq(os->read(os, file, 0, NULL, 0, &got), 0);
	ck_assert_uint_eq(got, 0);
	ck_assert_uint_eq(file_size(file), 100);
	ck_assert_int_eq(os->unmap(os, base, reserve), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* What is written is read back whole; a read past the end tells how much there was. */
START_TEST(transfers_are_whole)
{
	static char out[3 * 1024 * 1024 + 7], in[sizeof(out) + 100];
	os_file file = file_make(1);
	size_t got;

	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31 >> 3);
	ck_assert_int_eq(os->write(os, file, 11, out, sizeof(out)), 0);
	ck_assert_uint_eq(file_size(file), 11 + sizeof(out));
	ck_assert_int_eq(os->read(os, file, 11, in, sizeof(in), &got), 0);
	ck_assert_uint_eq(got, sizeof(out));
	ck_assert_mem_eq(in, out, sizeof(out));
	ck_assert_int_eq(os->read(os, file, 100 * MIB, in, 10, &got), 0);
	ck_assert_uint_eq(got, 0);
	ck_assert_int_eq(os->read(os, file, UINT64_MAX - 1, in, 1, &got), EOVERFLOW);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* Publishing moves a file that has a name to a free one, and leaves both alone when the name is taken. */
START_TEST(publishing_never_replaces)
{
	char other[340];
	os_file file = file_make(5), second;

	(void)snprintf(other, sizeof(other), "%s.other", path);
	ck_assert_int_eq(os->publish(os, file, path, other), 0);
	ck_assert_int_eq(os->open(os, path, 0, 0, &second), ENOENT);
	ck_assert_int_eq(os->open(os, path, OS_CREATE, 0644, &second), 0);
	ck_assert_int_eq(os->publish(os, second, path, other), EEXIST);
	ck_assert_uint_eq(file_size(second), 0);
	ck_assert_int_eq(os->close(os, second), 0);
	ck_assert_int_eq(os->open(os, other, 0, 0, &second), 0);
	ck_assert_uint_eq(file_size(second), 5);
	ck_assert_int_eq(os->sync_dir(os, second, other), 0);
	ck_assert_int_eq(os->unlink(os, path), 0);
	ck_assert_int_eq(os->unlink(os, path), ENOENT);
	ck_assert_int_eq(os->publish(os, second, path, other), ENOENT);
	ck_assert_int_eq(os->close(os, second), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* A file that is made as another one lets nobody read what he could not read there: where an access control list is, the
 * bits of the group are its mask. */
START_TEST(a_list_is_no_group)
{
	/* Version 2; the owner rw, user 1000 r, the group nothing, the mask r, others nothing. */
	static const uint32_t list[] = {2,          6u << 16 | 1,  UINT32_MAX, 4u << 16 | 2, 1000,      4,
					UINT32_MAX, 4u << 16 | 16, UINT32_MAX, 32,           UINT32_MAX};
	os_file file = file_make(5), copy;
	char *beside;
	struct stat st;

	if (fsetxattr(file.fd, "system.posix_acl_access", list, sizeof(list), 0) != 0) {
		ck_assert_int_eq(errno, EOPNOTSUPP);
		return;
	}
	ck_assert(fstat(file.fd, &st) == 0 && (st.st_mode & 0777) == 0640);
	ck_assert_int_eq(os->create(os, path, 0644, file, &beside, &copy), 0);
	ck_assert(fstat(copy.fd, &st) == 0 && (st.st_mode & 0777) == 0600);
	os->free(os, beside);
	ck_assert_int_eq(os->close(os, copy), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* The directory of a path is found for every form of it. */
START_TEST(sync_dir_finds_the_directory)
{
	char missing[340];

	(void)snprintf(missing, sizeof(missing), "%s/missing/file", folder);
	ck_assert_int_eq(os->sync_dir(os, OS_NOFILE, path), 0);
	ck_assert_int_eq(os->sync_dir(os, OS_NOFILE, missing), ENOENT);
	ck_assert_int_eq(os->sync_dir(os, OS_NOFILE, "/etc"), 0);
	ck_assert_int_eq(chdir(folder), 0);
	ck_assert_int_eq(os->sync_dir(os, OS_NOFILE, "file"), 0);
	ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

/* The clock goes forward, random bytes differ, memory grows with its content, and the default can be replaced. */
START_TEST(small_services_work)
{
	struct os other = *os;
	unsigned char a[300] = {0}, b[300] = {0};
	uint64_t before = os->clock(os);
	char *memory;

	ck_assert_int_eq(os->random(os, a, sizeof(a)), 0);
	ck_assert_int_eq(os->random(os, b, sizeof(b)), 0);
	ck_assert_mem_ne(a, b, sizeof(a));
	memory = os->alloc(os, NULL, 10);
	ck_assert_ptr_nonnull(memory);
	memcpy(memory, "012345678", 10);
	memory = os->alloc(os, memory, 100000);
	ck_assert_ptr_nonnull(memory);
	ck_assert_str_eq(memory, "012345678");
	os->free(os, memory);
	os->free(os, NULL);
	ck_assert_uint_ge(os->clock(os), before);
	ck_assert_ptr_eq(os_default(), os_posix());
	os_set_default(&other);
	ck_assert_ptr_eq(os_default(), &other);
	os_set_default(NULL);
	ck_assert_ptr_eq(os_default(), os_posix());
}
END_TEST

static uint64_t generation_before;

static int generation_in_child(void)
{
	return os_fork_generation() != generation_before && os_fork_generation() == os_fork_generation() ? 0 : 1;
}

/* A forked child has another generation than its parent, which keeps its own. */
START_TEST(fork_changes_the_generation)
{
	ck_assert_int_eq(os_fork_watch(), 0);
	generation_before = os_fork_generation();
	ck_assert_int_eq(in_child(generation_in_child), 0);
	ck_assert_uint_eq(os_fork_generation(), generation_before);
}
END_TEST

struct sleeper {
	_Atomic uint32_t *word;
	_Atomic uint32_t *slept;
};

static void *sleep_on(void *arg)
{
	const struct sleeper *s = arg;

	ck_assert_int_eq(os->wait(os, s->word, 1, UINT64_C(60000000000)), 0);
	atomic_fetch_add(s->slept, 1);
	return NULL;
}

/* Who sleeps on a word is woken, one or all; a word that holds something else is no reason to sleep; no sleep is longer than it
 * may be. */
START_TEST(words_are_slept_on)
{
	_Atomic uint32_t word = 1, slept = 0;
	struct sleeper s = {&word, &slept};
	const uint64_t before = os->clock(os);
	pthread_t threads[4];
	unsigned woken = 0;

	ck_assert_int_eq(os->wait(os, &word, 0, UINT64_C(60000000000)), EAGAIN);
	ck_assert_int_eq(os->wait(os, &word, 1, 20000000), ETIMEDOUT);
	ck_assert(os->clock(os) - before >= 20000000);
	ck_assert_uint_eq(os->wake(os, &word, false), 0);
	ck_assert_uint_eq(os->wake(os, &word, true), 0);
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, sleep_on, &s), 0);
	for (unsigned n = 0; woken == 0; n++) {
		os_pause(n);
		woken = os->wake(os, &word, false);
	}
	ck_assert_uint_eq(woken, 1);
	for (unsigned n = 0; woken < 4; n++) {
		os_pause(n);
		woken += os->wake(os, &word, true);
	}
	for (size_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(slept, 4);
}
END_TEST

static void *thread_number(void *arg)
{
	uint64_t *number = arg;

	*number = os_thread_id();
	ck_assert_uint_eq(os_thread_id(), *number);
	return NULL;
}

/* Threads that come after each other, in the same memory, have numbers of their own, too. */
START_TEST(no_number_comes_again)
{
	uint64_t number[100], mine = os_thread_id();
	pthread_t thread;

	for (size_t i = 0; i < 100; i++) {
		ck_assert_int_eq(pthread_create(&thread, NULL, thread_number, &number[i]), 0);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		ck_assert(number[i] != 0 && number[i] != mine);
		for (size_t k = 0; k < i; k++)
			ck_assert_uint_ne(number[i], number[k]);
	}
	ck_assert_uint_eq(os_thread_id(), mine);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		open_makes_a_file_once,
		open_takes_regular_files_only,
		open_obeys_permissions,
		open_stays_clear_of_the_standard_streams,
		locks_conflict_within_the_process,
		locks_outlive_a_child_that_closes,
		empty_ranges_do_nothing,
		transfers_are_whole,
		publishing_never_replaces,
		a_list_is_no_group,
		sync_dir_finds_the_directory,
		small_services_work,
		fork_changes_the_generation,
		words_are_slept_on,
		no_number_comes_again,
	};

	return suite_run("os", tests, sizeof(tests) / sizeof(tests[0]));
}
