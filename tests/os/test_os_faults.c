/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_os_faults.c: the seam when the system says no: every failure becomes a code, every fallback does its service. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "arena/os/os.h"
#include "tests/os/os_fixture.h"

static int grow_past_the_limit(void)
{
	struct rlimit limit = {MIB, MIB};
	os_file file;

	if (os->open(os, path, OS_CREATE, 0644, &file) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	if (os->grow(os, file, 0, MIB) != 0 || os->grow(os, file, MIB, 1) != EFBIG)
		return 2;
	if (os->write(os, file, MIB - 1, "xx", 2) != EFBIG || os->truncate(os, file, MIB + 1) != EFBIG)
		return 3;
	return os->write(os, file, MIB - 2, "xx", 2);
}

/* The limit of the process on the size of files is an error and not a signal. */
START_TEST(limit_on_file_size_is_an_error)
{
	ck_assert_int_eq(in_child(grow_past_the_limit), 0);
}
END_TEST

/* A system that answers `code` to one of its calls, for the thread that asks for it and until that ends. */
static int system_fails(long call, int code)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 ? 0 : errno;
}

struct errand {
	long call;
	int code;
	int (*body)(os_file file);
	os_file file;
	int result;
};

static void *errand_run(void *arg)
{
	struct errand *e = arg;

	e->result = system_fails(e->call, e->code);
	if (e->result == 0)
		e->result = e->body(e->file);
	return NULL;
}

/* Gives what `body` returns in a thread for which the system answers `code` to `call`. */
static int with_failing(long call, int code, int (*body)(os_file file), os_file file)
{
	struct errand e = {.call = call, .code = code, .body = body, .file = file, .result = -100};
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, errand_run, &e), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	return e.result;
}

static int use_open(os_file file)
{
	(void)file;
	return os->open(os, path, 0, 0, &file);
}

static int use_lock(os_file file)
{
	return os->lock(os, file, true);
}

static int use_grow(os_file file)
{
	return os->grow(os, file, 100, 2 * MIB);
}

static int use_punch(os_file file)
{
	return os->punch(os, file, 0, MIB);
}

static int use_truncate(os_file file)
{
	return os->truncate(os, file, 10);
}

static int use_read(os_file file)
{
	char buf[10];
	size_t got;

	return os->read(os, file, 0, buf, sizeof(buf), &got);
}

static int use_write(os_file file)
{
	return os->write(os, file, 0, "x", 1);
}

static int use_random(os_file file)
{
	char buf[10];

	(void)file;
	return os->random(os, buf, sizeof(buf));
}

static int use_sync(os_file file)
{
	return os->sync(os, file);
}

static int use_sync_dir(os_file file)
{
	return os->sync_dir(os, file, path);
}

static int use_size(os_file file)
{
	uint64_t bytes;

	return os->size(os, file, &bytes);
}

static int use_publish(os_file file)
{
	char other[340];

	(void)snprintf(other, sizeof(other), "%s.other", path);
	return os->publish(os, file, path, other);
}

/* What access(2) and open(2) are where the system has no calls of these names. That of glibc is openat anyhow. */
#ifdef SYS_access
#define CALL_ACCESS SYS_access
#else
#define CALL_ACCESS SYS_faccessat
#endif
#if defined(SYS_open) && !defined(__GLIBC__)
#define CALL_OPEN SYS_open
#else
#define CALL_OPEN SYS_openat
#endif

/* Makes a file and names it; -1 where it had no name meanwhile, -2 where what it had was wrong. */
static int use_create(os_file like)
{
	char longest[560];
	char *beside;
	os_file made;
	struct stat st;
	int rc;

	(void)snprintf(longest, sizeof(longest), "%s/%0255d", folder, 0);
	rc = os->create(os, longest, 0640, like, &beside, &made);
	if (rc != 0)
		return made.fd < 0 && beside == NULL ? rc : -3;
	if (beside == NULL)
		return -1;
	if (stat(beside, &st) != 0 || (st.st_mode & 0777) != (like.fd < 0 ? 0640u : 0600u) ||
	    strncmp(beside, folder, strlen(folder)) != 0)
		return -2;
	rc = os->publish(os, made, beside, longest);
	if (rc == 0 && (stat(beside, &st) == 0 || stat(longest, &st) != 0 || unlink(longest) != 0))
		rc = -4;
	os->free(os, beside);
	return rc != 0 ? rc : os->close(os, made);
}

static int use_private_map(os_file file)
{
	uint64_t reserve = MIB;
	void *base;
	int rc = os->map(os, file, OS_MAP_PRIVATE, MIB, &reserve, &base);

	return rc != 0 && base != NULL ? -101 : rc;
}

/* Every operation hands on what the system answers, and gives up where it is interrupted for ever. */
START_TEST(failures_of_the_system_are_handed_on)
{
	static const struct {
		long call;
		int (*body)(os_file file);
	} uses[] = {
		{CALL_OPEN, use_open},         {SYS_fcntl, use_lock},       {SYS_fallocate, use_grow},
		{SYS_fallocate, use_punch},    {SYS_pread64, use_read},     {SYS_pwrite64, use_write},
		{SYS_ftruncate, use_truncate}, {SYS_getrandom, use_random}, {SYS_fdatasync, use_sync},
		{SYS_fsync, use_sync_dir},
	};
	os_file file = file_make(100);

	for (size_t i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		ck_assert_int_eq(with_failing(uses[i].call, EINTR, uses[i].body, file), EINTR);
		ck_assert_int_eq(with_failing(uses[i].call, EIO, uses[i].body, file), EIO);
	}
	ck_assert_int_eq(with_failing(SYS_fcntl, EACCES, use_lock, file), GRAVITY_BUSY);
	ck_assert_int_eq(with_failing(SYS_fsync, EINVAL, use_sync_dir, file), 0);
	ck_assert_int_eq(with_failing(SYS_fallocate, ENOSYS, use_punch, file), EOPNOTSUPP);
	ck_assert_int_eq(with_failing(SYS_fallocate, ENOSPC, use_grow, file), ENOSPC);
	ck_assert_uint_eq(file_size(file), 100);
	ck_assert_int_eq(use_size(OS_NOFILE), EBADF);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* On a file system without fallocate a file grows by zeroes behind its end, and what it holds stays as it is. */
START_TEST(grow_works_without_fallocate)
{
	os_file file = file_make(200);
	char read[100];
	size_t got;

	ck_assert_int_eq(os->write(os, file, 150, "hello", 5), 0);
	ck_assert_int_eq(with_failing(SYS_fallocate, EOPNOTSUPP, use_grow, file), 0);
	ck_assert_uint_eq(file_size(file), 100 + 2 * MIB);
	ck_assert_uint_ge(file_space(file), 2 * MIB);
	ck_assert_int_eq(os->read(os, file, 150, read, 100, &got), 0);
	ck_assert_mem_eq(read, "hello", 5);
	ck_assert(zeroes(read + 5, 95));
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* On a file system that cannot rename without replacing, a link does the same service. */
START_TEST(publishing_works_without_the_flag)
{
	char other[340];
	os_file file = file_make(7), second;

	(void)snprintf(other, sizeof(other), "%s.other", path);
	ck_assert_int_eq(with_failing(SYS_renameat2, EINVAL, use_publish, file), 0);
	ck_assert_int_eq(os->open(os, path, 0, 0, &second), ENOENT);
	ck_assert_int_eq(os->close(os, file), 0);
	file = file_make(9);
	ck_assert_int_eq(with_failing(SYS_renameat2, EINVAL, use_publish, file), EEXIST);
	ck_assert_uint_eq(file_size(file), 9);
	ck_assert_int_eq(os->open(os, other, 0, 0, &second), 0);
	ck_assert_uint_eq(file_size(second), 7);
	ck_assert_int_eq(os->close(os, second), 0);
	ck_assert_int_eq(os->close(os, file), 0);
}
END_TEST

/* Where a file without a name could not be named, since /proc is missing, it has a name meanwhile: a short one, for that of
 * the store may be as long as a name can be. It has no more permissions than any group of it may have. */
START_TEST(a_new_file_has_a_name_where_it_must)
{
	os_file like = file_make(1);

	(void)umask(0022);
	ck_assert_int_eq(with_failing(CALL_ACCESS, ENOENT, use_create, OS_NOFILE), 0);
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(with_failing(CALL_ACCESS, ENOENT, use_create, like), 0);
	ck_assert_int_eq(chmod(path, 0604), 0);
	ck_assert_int_eq(with_failing(CALL_ACCESS, ENOENT, use_create, like), 0);
	ck_assert_int_eq(with_failing(CALL_OPEN, ENOSPC, use_create, like), ENOSPC);
	ck_assert_int_eq(with_failing(CALL_OPEN, EOPNOTSUPP, use_create, like), EOPNOTSUPP);
	ck_assert_int_eq(os->close(os, like), 0);
}
END_TEST

/* A private map of what cannot be mapped leaves no reservation behind. */
START_TEST(private_map_fails_whole)
{
	os_file file;

	ck_assert_int_eq(use_private_map((os_file){1000}), EBADF);
	file.fd = open(path, O_WRONLY | O_CREAT, 0644);
	ck_assert_int_ge(file.fd, 0);
	ck_assert_int_eq(os->truncate(os, file, 100), 0);
	ck_assert_int_eq(use_private_map(file), EACCES);
	ck_assert_int_eq(os->close(os, file), EBADF); /* it gave out no such descriptor */
	ck_assert_int_eq(close(file.fd), 0);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		limit_on_file_size_is_an_error,    failures_of_the_system_are_handed_on, grow_works_without_fallocate,
		publishing_works_without_the_flag, a_new_file_has_a_name_where_it_must,  private_map_fails_whole,
	};

	return suite_run("os_faults", tests, sizeof(tests) / sizeof(tests[0]));
}
