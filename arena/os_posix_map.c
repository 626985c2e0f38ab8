/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* os_posix_map.c: the seam's mapping over Linux.
 *
 * Owns nothing. Refuses to move or resize a mapping: it is made once, over more addresses than the file will need.
 *
 * Invariants
 * 1. errno becomes a return value on the line of the call.
 * 2. No operation on a range of the map changes a byte outside that range, though the system works in pages.
 *
 * Cost: one system call per operation; a private mapping of a file takes three. An address space that the system
 * refuses is halved: at most 40 calls from 1 TiB down to a byte. */
#define _GNU_SOURCE
#include "arena/os_posix_map.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/os_thread.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* As in os_posix.c. */
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

/* Maps as much as the system grants, *reserve at most and `least` at least. */
static int reserve_map(uint64_t least, uint64_t *reserve, int flags, int fd, void **base)
{
	uint64_t bytes = page_ceil(*reserve);
	uint64_t floor = page_ceil(least);

	for (;;) {
		void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, fd, 0);
		int rc = at == MAP_FAILED ? errno : 0;

		if (rc == 0) {
			*base = at;
			*reserve = bytes;
			return 0;
		}
		if (!reserve_refused(rc) || bytes <= floor)
			return rc;
		bytes = page_floor(bytes / 2);
		if (bytes < floor)
			bytes = floor;
	}
}

/* Lays the pages that the file has over the start of an anonymous reservation. A single private mapping of the file
 * would do, but its pages past the end of the file raise SIGBUS. */
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
	if (mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) == MAP_FAILED)
		return errno;
	return 0;
}

int os_posix_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
                 void **base)
{
	int rc;

	(void)os;
	assert(least > 0 && least <= *reserve);
	assert(base != NULL);
	assert(mode == OS_MAP_ANONYMOUS || file.fd >= 0);
	*base = NULL;
	if (mode == OS_MAP_SHARED)
		return reserve_map(least, reserve, MAP_SHARED, file.fd, base);
	rc = reserve_map(least, reserve, MAP_PRIVATE | MAP_ANONYMOUS, -1, base);
	if (rc != 0 || mode == OS_MAP_ANONYMOUS)
		return rc;
	rc = file_overlay(file.fd, *base, *reserve);
	if (rc != 0) {
		(void)munmap(*base, *reserve);
		*base = NULL;
	}
	return rc;
}

int os_posix_unmap(const struct os *os, void *base, uint64_t reserve)
{
	(void)os;
	assert(base != NULL);
	assert(reserve > 0);
	return munmap(base, reserve) == 0 ? 0 : errno;
}

/* Memory is given back in whole pages only: what shares a page with the range's ends is someone else's. */
static int advise_forget(void *base, uint64_t offset, uint64_t bytes)
{
	uint64_t start = page_ceil(offset);
	uint64_t end = page_floor(offset + bytes);

	if (start >= end)
		return 0;
	return madvise((char *)base + start, end - start, MADV_DONTNEED) == 0 ? 0 : errno;
}

int os_posix_advise(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice)
{
	uint64_t start = page_floor(offset);
	int how;

	(void)os;
	assert(base != NULL);
	switch (advice) {
	case OS_ADVISE_RANDOM:
		how = MADV_RANDOM;
		break;
	case OS_ADVISE_WILLNEED:
		how = MADV_WILLNEED;
		break;
	case OS_ADVISE_DONTNEED:
		return advise_forget(base, offset, bytes);
	case OS_ADVISE_HUGE:
		how = MADV_HUGEPAGE;
		break;
	default:
		return EINVAL;
	}
	return madvise((char *)base + start, offset + bytes - start, how) == 0 ? 0 : errno;
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
