/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* posix_map.c: the seam's mapping over Linux.
 *
 * Owns nothing. Refuses to move or resize a mapping: it is made once, over more addresses than the file will need.
 *
 * Invariants
 * 1. errno becomes a return value on the line of the call.
 * 2. No operation on a range of the map changes a byte outside that range, though the system works in pages.
 * 3. Memory without a file that is not in use is inaccessible (PROT_NONE). It counts for no limit but that of addresses
 *    (RLIMIT_AS), for no overcommit, is not locked by mlockall, and is left out of a core dump.
 * 4. All but OS_MAP_MEMORY is left out of a forked child (MADV_DONTFORK) and noted in fork.c, before a fork can begin:
 *    each mapping that is laid anew is, too.
 * 5. What the file has anyhow is left out of a core dump (MADV_DONTDUMP), whatever the filter of the process says.
 *
 * Cost: one system call per operation; a mapping takes four or five. An address space that the system refuses is
 * halved: at most 80 calls from 1 TiB down to a byte. */
#define _GNU_SOURCE
#include "arena/os/posix_map.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/broken.h"
#include "arena/os/fork.h"
#include "arena/os/thread.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* As in posix.c. */
#define RETRY_MOST 1000u

static uint64_t page_size(void)
{
	long bytes = sysconf(_SC_PAGESIZE);

	assert(bytes > 0);
	assert((bytes & (bytes - 1)) == 0);
	return (uint64_t)bytes;
}

static uint64_t page_floor(uint64_t offset)
{
	return offset & ~(page_size() - 1);
}

static uint64_t page_ceil(uint64_t offset)
{
	assert(offset <= INT64_MAX);
	return page_floor(offset + page_size() - 1);
}

static bool reserve_refused(int code)
{
	return code == ENOMEM || code == EINVAL || code == EAGAIN || code == EOVERFLOW;
}

/* Whether the program is left a quarter of the addresses that there are: a third of what was granted. */
static bool rest_left(uint64_t granted)
{
	const uint64_t third = page_ceil(granted / 3);
	void *at = mmap(NULL, third, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED)
		return false;
	(void)munmap(at, third);
	return true;
}

/* Maps as much as the system grants, *reserve at most and `least` at least. */
static int reserve_map(uint64_t least, uint64_t *reserve, int access, int flags, int fd, void **base)
{
	uint64_t bytes = page_ceil(*reserve);
	const uint64_t floor = page_ceil(least);

	for (;;) {
		void *at = mmap(NULL, bytes, access, flags | MAP_NORESERVE, fd, 0);
		const int rc = at == MAP_FAILED ? errno : 0;

		if (rc == 0 && (bytes <= floor || rest_left(bytes))) {
			*base = at;
			*reserve = bytes;
			return 0;
		}
		if (rc == 0)
			(void)munmap(at, bytes);
		else if (!reserve_refused(rc) || bytes <= floor)
			return rc;
		bytes = page_floor(bytes / 2);
		if (bytes < floor)
			bytes = floor;
	}
}

/* Lays the pages that the file has over the start of an inaccessible reservation, to be read. A single private mapping of
 * the file would do, but its pages past the end of the file raise SIGBUS. */
static int file_overlay(int fd, void *base, uint64_t reserve)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd, &st) != 0)
		return errno;
	bytes = page_ceil((uint64_t)st.st_size);
	if (bytes > reserve)
		bytes = reserve;
	if (bytes == 0)
		return 0;
	return mmap(base, bytes, PROT_READ, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED ? errno : 0;
}

static int mode_map(int fd, enum os_map_mode mode, uint64_t least, uint64_t *reserve, void **base)
{
	const int memory = MAP_PRIVATE | MAP_ANONYMOUS;

	if (mode == OS_MAP_SHARED)
		return reserve_map(least, reserve, PROT_READ | PROT_WRITE, MAP_SHARED, fd, base);
	if (mode == OS_MAP_MEMORY)
		return reserve_map(least, reserve, PROT_READ | PROT_WRITE, memory, -1, base);
	return reserve_map(least, reserve, PROT_NONE, memory, -1, base);
}

/* What a map is besides: see the invariants. */
static int mode_settle(int fd, enum os_map_mode mode, uint64_t reserve, void *base)
{
	const int rc = mode == OS_MAP_PRIVATE ? file_overlay(fd, base, reserve) : 0;

	if (rc != 0 || mode == OS_MAP_MEMORY)
		return rc;
	if (mode != OS_MAP_ANONYMOUS && madvise(base, reserve, MADV_DONTDUMP) != 0)
		return errno;
	if (!broken(BROKEN_CHILD_MAP) && madvise(base, reserve, MADV_DONTFORK) != 0)
		return errno;
	return os_fork_note_range(base, reserve);
}

int os_posix_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		 void **base)
{
	int rc;

	(void)os;
	assert(least > 0 && least <= *reserve);
	assert(base != NULL);
	assert(mode == OS_MAP_ANONYMOUS || mode == OS_MAP_MEMORY || file.fd >= 0);
	*base = NULL;
	os_fork_hold();
	rc = mode_map(file.fd, mode, least, reserve, base);
	if (rc == 0) {
		rc = mode_settle(file.fd, mode, *reserve, *base);
		if (rc != 0) {
			(void)munmap(*base, *reserve);
			*base = NULL;
		}
	}
	os_fork_release();
	return rc;
}

int os_posix_unmap(const struct os *os, void *base, uint64_t reserve)
{
	int rc = 0;

	(void)os;
	assert(base != NULL);
	assert(reserve > 0);
	os_fork_hold();
	if (os_fork_forget_range(base) && munmap(base, reserve) != 0)
		rc = errno;
	os_fork_release();
	return rc;
}

int os_posix_use(const struct os *os, void *base, uint64_t offset, uint64_t bytes)
{
	const uint64_t start = page_floor(offset);

	(void)os;
	assert(base != NULL);
	return mprotect((char *)base + start, page_ceil(offset + bytes) - start, PROT_READ | PROT_WRITE) == 0 ? 0
													      : errno;
}

/* Memory is given back in whole pages only: what shares a page with the range's ends is someone else's. Laying a new
 * mapping there, and not telling the system to forget the old one, gives back what counts for its limits, too. */
static int advise_forget(void *base, uint64_t offset, uint64_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
	const uint64_t start = page_ceil(offset);
	const uint64_t end = page_floor(offset + bytes);
	char *const at = (char *)base + start;
	int rc = 0;

	if (start >= end)
		return 0;
	os_fork_hold();
	if (mmap(at, end - start, PROT_NONE, flags, -1, 0) == MAP_FAILED ||
	    madvise(at, end - start, MADV_DONTFORK) != 0)
		rc = errno;
	os_fork_release();
	return rc;
}

int os_posix_advise(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice)
{
	static const int how[] = {
		[OS_ADVISE_RANDOM] = MADV_RANDOM,
		[OS_ADVISE_WILLNEED] = MADV_WILLNEED,
		[OS_ADVISE_HUGE] = MADV_HUGEPAGE,
	};
	const uint64_t start = page_floor(offset);

	(void)os;
	assert(base != NULL);
	if (advice == OS_ADVISE_DONTNEED)
		return advise_forget(base, offset, bytes);
	if ((unsigned)advice >= sizeof how / sizeof how[0] || how[advice] == 0)
		return EINVAL;
	return madvise((char *)base + start, offset + bytes - start, how[advice]) == 0 ? 0 : errno;
}

/* The store itself would be a signal where the kernel finds no space, or cannot read the page: which of the two it is
 * tells a read. Kernels before 5.14 cannot be asked; they keep every page by itself on the file systems that allocate. */
int os_posix_ready(const struct os *os, os_file file, void *base, uint64_t offset)
{
	OS_UNCANCELLED;
	char *page = (char *)base + page_floor(offset);
	char byte;
	int rc = EINTR;

	(void)os;
	assert(base != NULL);
	for (unsigned n = 0; n < RETRY_MOST && (rc == EINTR || rc == EAGAIN); n++)
		rc = madvise(page, page_size(), MADV_POPULATE_WRITE) == 0 ? 0 : errno;
	if (rc == EINVAL)
		return 0;
	if (rc == EFAULT || rc == EHWPOISON)
		return pread(file.fd, &byte, 1, (off_t)offset) < 0 ? errno : ENOSPC;
	return rc;
}

/* Tried once: see posix_sync. */
int os_posix_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	OS_UNCANCELLED;
	uint64_t start = page_floor(offset);

	(void)os;
	(void)file;
	assert(base != NULL);
	assert(offset <= UINT64_MAX - bytes);
	if (bytes == 0)
		return 0;
	return msync((char *)base + start, offset + bytes - start, MS_SYNC) == 0 ? 0 : errno;
}
