/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* posix.c: the seam over Linux.
 *
 * Owns nothing but the table of operations: descriptors, mappings and memory belong to who asked for them. Refuses to
 * remember anything between two calls, to print, and to try a failed flush again.
 *
 * Invariants
 * 1. errno becomes a return value on the line of the call.
 * 2. No call here can raise SIGXFSZ: what the process may not write is EFBIG.
 * 3. What the system makes a cancellation point stands behind OS_UNCANCELLED.
 *
 * Cost: one system call per operation; growth two more, truncation and writing one, for the limit and for what is shared.
 * The mapping is in posix_map.c, what takes a path, and closing, in posix_name.c. */
#define _GNU_SOURCE
#include "arena/os/os.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "arena/os/posix_map.h"
#include "arena/os/posix_name.h"
#include "arena/os/thread.h"

/* A signal that interrupts the same call this often is not waited out: the caller hears EINTR. */
#define RETRY_MOST 1000u
/* Makes the call until it is not interrupted; rc: its errno, or 0. */
#define RETRY(rc, call)                                                                                                \
	do {                                                                                                           \
		(rc) = EINTR;                                                                                          \
		for (unsigned n = 0; n < RETRY_MOST && (rc) == EINTR; n++)                                             \
			(rc) = (call) == 0 ? 0 : errno;                                                                \
	} while (0)

/* The C library may not have a name for these, as musl has not. */
#ifndef FALLOC_FL_UNSHARE_RANGE
#define FALLOC_FL_UNSHARE_RANGE 0x40
#endif

/* Operations of futex(2), between processes, too: a C library may come without the kernel's headers. */
#define FUTEX_SLEEP 0
#define FUTEX_ROUSE 1

/* What a write of zeroes hands over at a time. */
#define ZEROES_SIZE 16384u

static int posix_size(const struct os *os, os_file file, uint64_t *bytes)
{
	struct stat st;

	(void)os;
	assert(bytes != NULL);
	*bytes = 0;
	if (fstat(file.fd, &st) != 0)
		return errno;
	assert(st.st_size >= 0);
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int lock_set(int fd, short type)
{
	struct flock whole = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
	int rc;

	RETRY(rc, fcntl(fd, F_OFD_SETLK, &whole));
	return rc == EAGAIN || rc == EACCES ? GRAVITY_BUSY : rc;
}

static int posix_lock(const struct os *os, os_file file, bool exclusive)
{
	(void)os;
	assert(file.fd >= 0);
	return lock_set(file.fd, exclusive ? F_WRLCK : F_RDLCK);
}

/* Said explicitly, because a forked child holds the same open file description: closing it here would not end the
 * lock. For the same reason a child must not call this. */
static int posix_unlock(const struct os *os, os_file file)
{
	(void)os;
	assert(file.fd >= 0);
	return lock_set(file.fd, F_UNLCK);
}

/* Beyond the limit of the process on the size of files the kernel sends SIGXFSZ, which ends most programs. */
static int limit_check(uint64_t end)
{
	struct rlimit limit;

	if (end > INT64_MAX)
		return EFBIG;
	if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
		return errno;
	return limit.rlim_cur != RLIM_INFINITY && end > limit.rlim_cur ? EFBIG : 0;
}

/* Whole; the caller has checked the limit. */
static int write_whole(int fd, uint64_t offset, const char *from, size_t bytes)
{
	OS_UNCANCELLED;
	unsigned interrupted = 0;

	while (bytes > 0) {
		ssize_t n = pwrite(fd, from, bytes, (off_t)offset);

		if (n < 0 && errno == EINTR && ++interrupted < RETRY_MOST)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			return ENOSPC;
		from += n;
		offset += (uint64_t)n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* For file systems without fallocate. What the file already covers is left alone: there is no way to fill a hole that
 * could not overwrite a store through the map, and such file systems do not punch holes either. */
static int zeroes_append(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	char zeroes[ZEROES_SIZE] = {0};
	uint64_t end = offset + bytes;
	uint64_t size;
	int rc = os->size(os, file, &size);

	if (offset < size)
		offset = size;
	while (rc == 0 && offset < end) {
		size_t part = end - offset < sizeof(zeroes) ? (size_t)(end - offset) : sizeof(zeroes);

		rc = write_whole(file.fd, offset, zeroes, part);
		offset += part;
	}
	return rc;
}

/* Blocks that a reflink copy shares are allocated and have no room for a change. Where there is nothing to share, or no
 * way to say so, all is well. */
static int range_unshare(int fd, uint64_t offset, uint64_t bytes)
{
	int rc;

	RETRY(rc, fallocate(fd, FALLOC_FL_UNSHARE_RANGE, (off_t)offset, (off_t)bytes));
	return rc == EOPNOTSUPP || rc == ENOSYS || rc == EINVAL ? 0 : rc;
}

/* fallocate and not posix_fallocate: where the file system cannot, the C library's own way is to write into the range,
 * which can undo a store that another thread makes through the map meanwhile. */
static int posix_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	OS_UNCANCELLED;
	int rc;

	assert(file.fd >= 0);
	assert(offset <= UINT64_MAX - bytes);
	if (bytes == 0)
		return 0;
	rc = limit_check(offset + bytes);
	if (rc != 0)
		return rc;
	RETRY(rc, fallocate(file.fd, 0, (off_t)offset, (off_t)bytes));
	if (rc == EOPNOTSUPP || rc == ENOSYS)
		return zeroes_append(os, file, offset, bytes);
	return rc != 0 ? rc : range_unshare(file.fd, offset, bytes);
}

static int posix_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	int rc;

	(void)os;
	assert(file.fd >= 0);
	rc = limit_check(bytes);
	if (rc == 0)
		RETRY(rc, ftruncate(file.fd, (off_t)bytes));
	return rc;
}

/* The kernel splits a piece of several pages (a folio) where a hole begins or ends in it, if it is not dirty: otherwise
 * every later store to what is left of it would need space under the hole. So its write-back is begun first, for which the
 * punching waits. Best effort. */
static void border_write(int fd, uint64_t border)
{
	const uint64_t before = border > 0 ? border - 1 : 0;

	(void)sync_file_range(fd, (off_t)before, 2, SYNC_FILE_RANGE_WRITE);
}

static int posix_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	OS_UNCANCELLED;
	int rc;

	(void)os;
	assert(file.fd >= 0);
	assert(offset <= INT64_MAX && bytes <= INT64_MAX - offset);
	if (bytes == 0)
		return 0;
	border_write(file.fd, offset);
	border_write(file.fd, offset + bytes);
	RETRY(rc, fallocate(file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes));
	return rc == ENOSYS ? EOPNOTSUPP : rc;
}

/* Flushes are never tried again, not even after EINTR: the kernel reports a failed write-back once, and a second call
 * could answer 0 for pages that the disk never got. */
static int posix_sync(const struct os *os, os_file file)
{
	OS_UNCANCELLED;
	(void)os;
	assert(file.fd >= 0);
	return fdatasync(file.fd) == 0 ? 0 : errno;
}

static int posix_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	OS_UNCANCELLED;
	(void)os;
	assert(file.fd >= 0);
	assert(offset <= INT64_MAX && bytes <= INT64_MAX - offset);
	if (bytes == 0)
		return 0; /* to the system 0 means everything up to the end */
	return sync_file_range(file.fd, (off_t)offset, (off_t)bytes, SYNC_FILE_RANGE_WRITE) == 0 ? 0 : errno;
}

static int posix_read(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got)
{
	OS_UNCANCELLED;
	unsigned interrupted = 0;

	(void)os;
	assert(buf != NULL || bytes == 0);
	assert(got != NULL);
	*got = 0;
	if (offset > INT64_MAX || bytes > INT64_MAX - offset)
		return EOVERFLOW;
	while (*got < bytes) {
		ssize_t n = pread(file.fd, (char *)buf + *got, bytes - *got, (off_t)(offset + *got));

		if (n < 0 && errno == EINTR && ++interrupted < RETRY_MOST)
			continue;
		if (n < 0)
			return errno;
		if (n == 0)
			break;
		*got += (size_t)n;
	}
	return 0;
}

static int posix_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	int rc;

	(void)os;
	assert(buf != NULL || bytes == 0);
	assert(offset <= UINT64_MAX - bytes);
	rc = limit_check(offset + bytes);
	return rc != 0 ? rc : write_whole(file.fd, offset, buf, bytes);
}

/* Both times are set: to set one alone takes the owner of the file, and not just who may write to it. */
static int posix_touch(const struct os *os, os_file file)
{
	OS_UNCANCELLED;
	(void)os;
	assert(file.fd >= 0);
	return futimens(file.fd, NULL) == 0 ? 0 : errno;
}

/* The C libraries have no function for it, and only a call by its number fits them all. It is no cancellation point. A
 * machine of 32 bits has longs here, whatever its time_t is. */
static long futex(const _Atomic uint32_t *word, int operation, uint32_t value, uint64_t nanoseconds)
{
	const struct {
		long seconds, nanoseconds;
	} most = {(long)(nanoseconds / 1000000000), (long)(nanoseconds % 1000000000)};

	return syscall(SYS_futex, word, operation, value, &most, NULL, 0);
}

static int posix_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	(void)os;
	return futex(word, FUTEX_SLEEP, value, nanoseconds) == 0 ? 0 : errno;
}

static unsigned posix_wake(const struct os *os, const _Atomic uint32_t *word, bool all)
{
	const long woken = futex(word, FUTEX_ROUSE, all ? INT32_MAX : 1, 0);

	(void)os;
	assert(woken >= 0);
	return (unsigned)woken;
}

static uint64_t posix_clock(const struct os *os)
{
	struct timespec now = {0, 0};

	(void)os;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static int posix_random(const struct os *os, void *buf, size_t bytes)
{
	OS_UNCANCELLED;
	unsigned interrupted = 0;
	size_t got = 0;

	(void)os;
	assert(buf != NULL || bytes == 0);
	while (got < bytes) {
		ssize_t n = getrandom((char *)buf + got, bytes - got, 0);

		if (n < 0 && errno == EINTR && ++interrupted < RETRY_MOST)
			continue;
		if (n < 0)
			return errno;
		got += (size_t)n;
	}
	return 0;
}

static void *posix_alloc(const struct os *os, void *old, size_t bytes)
{
	(void)os;
	assert(bytes > 0);
	return realloc(old, bytes);
}

static void posix_free(const struct os *os, void *ptr)
{
	(void)os;
	free(ptr);
}

const struct os *os_posix(void)
{
	static const struct os posix = {
		.open = os_posix_open,
		.close = os_posix_close,
		.size = posix_size,
		.lock = posix_lock,
		.unlock = posix_unlock,
		.map = os_posix_map,
		.unmap = os_posix_unmap,
		.use = os_posix_use,
		.advise = os_posix_advise,
		.grow = posix_grow,
		.truncate = posix_truncate,
		.punch = posix_punch,
		.ready = os_posix_ready,
		.sync_range = os_posix_sync_range,
		.sync = posix_sync,
		.push = posix_push,
		.read = posix_read,
		.write = posix_write,
		.touch = posix_touch,
		.create = os_posix_create,
		.publish = os_posix_publish,
		.unlink = os_posix_unlink,
		.named = os_posix_named,
		.sync_dir = os_posix_sync_dir,
		.wait = posix_wait,
		.wake = posix_wake,
		.clock = posix_clock,
		.random = posix_random,
		.alloc = posix_alloc,
		.free = posix_free,
		.context = NULL,
	};

	return &posix;
}

static const struct os *installed;

const struct os *os_default(void)
{
	return installed != NULL ? installed : os_posix();
}

void os_set_default(const struct os *os)
{
	installed = os;
}
