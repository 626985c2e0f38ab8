/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* mem_os.c owns a handful of memory files and their names.
 *
 * 1. Every open has an open file description of its own, so that locks conflict as they do on disk.
 * 2. What is mapped, open or allocated is counted: mem_os_reset finds what was forgotten.
 *
 * Cost: the system calls of the mapping; no disk. */
#define _GNU_SOURCE
#include "tests/fuzz/mem_os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/os/os.h"
#include "tests/fuzz/fuzz.h"

#define FILES     8u
#define NAME_SIZE 128u
/* Address space for a file: a sanitizer notes all of it. */
#define RESERVE_MAX (UINT64_C(1) << 28)

struct mem_file {
	char name[NAME_SIZE]; /* "": none */
	int fd;
};

static struct mem_file files[FILES];
static struct fuzz_rng numbers;
static uint64_t ticks;
static const void *last_map;
static size_t handles, maps, blocks;
static struct os mem_os;

static struct mem_file *file_find(const char *path)
{
	for (unsigned i = 0; i < FILES; i++)
		if (files[i].name[0] != 0 && strcmp(files[i].name, path) == 0)
			return &files[i];
	return NULL;
}

static struct mem_file *file_make(const char *path)
{
	struct mem_file *f = NULL;

	for (unsigned i = 0; i < FILES && f == NULL; i++)
		if (files[i].name[0] == 0)
			f = &files[i];
	if (f == NULL || strlen(path) >= NAME_SIZE)
		abort();
	memcpy(f->name, path, strlen(path) + 1);
	f->fd = memfd_create("gkv-fuzz", MFD_CLOEXEC);
	fuzz_must(f->fd >= 0);
	return f;
}

static void file_forget(struct mem_file *f)
{
	(void)close(f->fd);
	f->name[0] = 0;
}

static int mem_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out)
{
	struct mem_file *f = file_find(path);
	char link[64];

	(void)os;
	(void)mode;
	*out = OS_NOFILE;
	if ((flags & OS_CREATE) != 0 && f != NULL)
		return EEXIST;
	if ((flags & OS_CREATE) != 0)
		f = file_make(path);
	if (f == NULL)
		return ENOENT;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", f->fd);
	fuzz_must(os_posix()->open(os, link, flags & OS_RDONLY, 0, out) == 0);
	handles++;
	return 0;
}

static int mem_close(const struct os *os, os_file file)
{
	handles--;
	return os_posix()->close(os, file);
}

static int mem_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		   void **base)
{
	int rc;

	if (*reserve > RESERVE_MAX)
		*reserve = least > RESERVE_MAX ? least : RESERVE_MAX;
	rc = os_posix()->map(os, file, mode, least, reserve, base);
	if (rc == 0)
		maps++;
	if (rc == 0 && mode <= OS_MAP_PRIVATE)
		last_map = *base;
	return rc;
}

static int mem_unmap(const struct os *os, void *base, uint64_t reserve)
{
	maps--;
	return os_posix()->unmap(os, base, reserve);
}

static int mem_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	if (offset > MEM_FILE_MAX || bytes > MEM_FILE_MAX - offset)
		return ENOSPC;
	return os_posix()->grow(os, file, offset, bytes);
}

static int mem_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os;
	(void)file;
	(void)base;
	(void)offset;
	(void)bytes;
	return 0;
}

static int mem_sync(const struct os *os, os_file file)
{
	(void)os;
	(void)file;
	return 0;
}

static int mem_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	(void)file;
	(void)offset;
	(void)bytes;
	return 0;
}

/* Under a name for the meantime: the way of a system that makes no file without one. */
static int mem_create(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out)
{
	(void)like;
	*out = OS_NOFILE;
	*beside = os->alloc(os, NULL, NAME_SIZE);
	if (*beside == NULL)
		return ENOMEM;
	(void)snprintf(*beside, NAME_SIZE, "%s.new", path);
	return mem_open(os, *beside, OS_CREATE, mode, out);
}

static int mem_publish(const struct os *os, os_file file, const char *beside, const char *path)
{
	struct mem_file *f = file_find(beside);

	(void)os;
	(void)file;
	fuzz_must(f != NULL);
	if (file_find(path) != NULL)
		return EEXIST;
	(void)snprintf(f->name, sizeof(f->name), "%s", path);
	return 0;
}

static int mem_unlink(const struct os *os, const char *path)
{
	struct mem_file *f = file_find(path);

	(void)os;
	if (f == NULL)
		return ENOENT;
	file_forget(f);
	return 0;
}

static int mem_named(const struct os *os, os_file file, const char *path)
{
	(void)os;
	(void)file;
	(void)path;
	return 0;
}

static int mem_sync_dir(const struct os *os, os_file file, const char *path)
{
	(void)os;
	(void)file;
	(void)path;
	return 0;
}

static uint64_t mem_clock(const struct os *os)
{
	(void)os;
	return ticks += 1000;
}

static int mem_random(const struct os *os, void *buf, size_t bytes)
{
	uint8_t *to = buf;

	(void)os;
	while (bytes > 0) {
		const uint64_t number = fuzz_next(&numbers);
		const size_t part = bytes < sizeof(number) ? bytes : sizeof(number);

		memcpy(to, &number, part);
		to += part;
		bytes -= part;
	}
	return 0;
}

static void *mem_alloc(const struct os *os, void *old, size_t bytes)
{
	(void)os;
	fuzz_must(bytes <= MEM_ALLOC_MAX);
	blocks += old == NULL;
	return realloc(old, bytes);
}

static void mem_free(const struct os *os, void *ptr)
{
	(void)os;
	blocks -= ptr != NULL;
	free(ptr);
}

void mem_os_reset(uint64_t seed)
{
	fuzz_must(handles == 0);
	fuzz_must(maps == 0);
	fuzz_must(blocks == 0);
	for (unsigned i = 0; i < FILES; i++)
		if (files[i].name[0] != 0)
			file_forget(&files[i]);
	numbers.state = seed;
	ticks = 0;
	mem_os = *os_posix();
	mem_os.open = mem_open;
	mem_os.close = mem_close;
	mem_os.map = mem_map;
	mem_os.unmap = mem_unmap;
	mem_os.grow = mem_grow;
	mem_os.sync_range = mem_sync_range;
	mem_os.sync = mem_sync;
	mem_os.push = mem_push;
	mem_os.create = mem_create;
	mem_os.publish = mem_publish;
	mem_os.unlink = mem_unlink;
	mem_os.named = mem_named;
	mem_os.sync_dir = mem_sync_dir;
	mem_os.clock = mem_clock;
	mem_os.random = mem_random;
	mem_os.alloc = mem_alloc;
	mem_os.free = mem_free;
	os_set_default(&mem_os);
}

void mem_file_write(const char *path, const void *data, size_t size)
{
	struct mem_file *f = file_find(path);

	if (f == NULL)
		f = file_make(path);
	fuzz_must(ftruncate(f->fd, 0) == 0);
	fuzz_must(pwrite(f->fd, data, size, 0) == (ssize_t)size);
}

uint64_t mem_file_size(const char *path)
{
	const struct mem_file *f = file_find(path);
	struct stat st;

	fuzz_must(f != NULL);
	fuzz_must(fstat(f->fd, &st) == 0);
	return (uint64_t)st.st_size;
}

uint8_t *mem_file_read(const char *path, size_t *size)
{
	const struct mem_file *f = file_find(path);
	uint8_t *bytes;

	*size = (size_t)mem_file_size(path);
	fuzz_must(f != NULL);
	bytes = malloc(*size + 1);
	fuzz_must(bytes != NULL);
	fuzz_must(pread(f->fd, bytes, *size, 0) == (ssize_t)*size);
	return bytes;
}

void mem_file_copy(const char *from, const char *to)
{
	size_t size;
	uint8_t *bytes = mem_file_read(from, &size);

	mem_file_write(to, bytes, size);
	free(bytes);
}

bool mem_file_exists(const char *path)
{
	return file_find(path) != NULL;
}

bool mem_file_equals(const char *path, const void *data, size_t size)
{
	size_t there;
	uint8_t *bytes = mem_file_read(path, &there);
	const bool equal = there == size && (size == 0 || memcmp(bytes, data, size) == 0);

	free(bytes);
	return equal;
}

void mem_file_remove(const char *path)
{
	(void)mem_unlink(&mem_os, path);
}

const uint8_t *mem_last_map(void)
{
	return last_map;
}
