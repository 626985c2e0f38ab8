/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* large_pages.c: a system whose pages have 64 KiB, as some of arm64 have, on one of smaller pages. A program that is linked
 * with it, by the options --wrap of the linker, is told so by sysconf; its calls that work on pages refuse an address that
 * does not begin one, and reach to the end of the last one.
 *
 * A private map of a file has memory behind the file's end in its last page, as it would there. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The C library may not have a name for it, as musl has not. */
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define LARGE ((size_t)65536)

/* What the linker calls them. */
long __real_sysconf(int name);
void *__real_mmap(void *at, size_t bytes, int access, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __real_mprotect(void *at, size_t bytes, int access);
int __real_madvise(void *at, size_t bytes, int how);
int __real_msync(void *at, size_t bytes, int flags);
long __wrap_sysconf(int name);
void *__wrap_mmap(void *at, size_t bytes, int access, int flags, int fd, off_t offset);
int __wrap_munmap(void *at, size_t bytes);
int __wrap_mprotect(void *at, size_t bytes, int access);
int __wrap_madvise(void *at, size_t bytes, int how);
int __wrap_msync(void *at, size_t bytes, int flags);

static size_t small(void)
{
	return (size_t)__real_sysconf(_SC_PAGESIZE);
}

static size_t ceil_to(size_t bytes, size_t page)
{
	return (bytes + page - 1) & ~(page - 1);
}

static bool begins_page(uint64_t at)
{
	if (at % LARGE == 0)
		return true;
	errno = EINVAL;
	return false;
}

long __wrap_sysconf(int name)
{
	return name == _SC_PAGESIZE ? (long)LARGE : __real_sysconf(name);
}

/* Addresses that begin a large page and are nobody else's; MAP_FAILED. */
static void *place_take(size_t bytes)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	uint8_t *at = __real_mmap(NULL, bytes + LARGE, PROT_NONE, flags, -1, 0);
	size_t before;

	if (at == MAP_FAILED)
		return at;
	before = ceil_to((uintptr_t)at, LARGE) - (uintptr_t)at;
	if (before > 0)
		(void)__real_munmap(at, before);
	(void)__real_munmap(at + before + bytes, LARGE - before);
	return at + before;
}

/* How much of a private map of a file is the file's; all of any other. */
static size_t file_part(size_t bytes, int flags, int fd, off_t offset)
{
	struct stat st;
	size_t part;

	if (fd < 0 || (flags & MAP_PRIVATE) == 0 || fstat(fd, &st) != 0)
		return bytes;
	part = st.st_size > offset ? ceil_to((size_t)(st.st_size - offset), small()) : 0;
	return part < bytes && bytes - part < LARGE ? part : bytes;
}

void *__wrap_mmap(void *at, size_t bytes, int access, int flags, int fd, off_t offset)
{
	const bool chosen = at == NULL;
	size_t part;
	void *got;

	if (!begins_page((uintptr_t)at) || !begins_page((uint64_t)offset))
		return MAP_FAILED;
	bytes = ceil_to(bytes, LARGE);
	part = file_part(bytes, flags, fd, offset);
	if (chosen) {
		at = place_take(bytes);
		if (at == MAP_FAILED)
			return at;
		flags |= MAP_FIXED;
	}
	got = __real_mmap(at, part, access, flags, fd, offset);
	if (got == MAP_FAILED && chosen) {
		const int code = errno;
		(void)__real_munmap(at, bytes);
		errno = code;
	}
	if (got == MAP_FAILED || part == bytes)
		return got;
	flags |= MAP_FIXED | MAP_ANONYMOUS;
	if (__real_mmap((uint8_t *)got + part, bytes - part, access, flags, -1, 0) == MAP_FAILED)
		return MAP_FAILED;
	return got;
}

int __wrap_munmap(void *at, size_t bytes)
{
	return begins_page((uintptr_t)at) ? __real_munmap(at, ceil_to(bytes, LARGE)) : -1;
}

int __wrap_mprotect(void *at, size_t bytes, int access)
{
	return begins_page((uintptr_t)at) ? __real_mprotect(at, ceil_to(bytes, LARGE), access) : -1;
}

int __wrap_msync(void *at, size_t bytes, int flags)
{
	return begins_page((uintptr_t)at) ? __real_msync(at, ceil_to(bytes, LARGE), flags) : -1;
}

/* What begins before the end of a file may be stored to up to the end of its page there, and here as far as it goes. */
int __wrap_madvise(void *at, size_t bytes, int how)
{
	int code;

	if (!begins_page((uintptr_t)at))
		return -1;
	bytes = ceil_to(bytes, LARGE);
	if (__real_madvise(at, bytes, how) == 0)
		return 0;
	if (how != MADV_POPULATE_WRITE || errno != EFAULT)
		return -1;
	code = errno;
	if (__real_madvise(at, small(), how) == 0)
		return 0;
	errno = code;
	return -1;
}
