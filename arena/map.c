/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* map.c owns the mapping and the length of the file. It refuses to touch what it did not allocate.
 *
 * 1. Bytes below `bytes` may be read, and (unless OS_MAP_PRIVATE stands for a read-only file) written, without a signal, if
 *    their disk space was allocated: when `bytes` came to cover them, or by space_allocate. What stands elsewhere (headers,
 *    marks, the log that was replayed, the place where it goes on) is written by calls, which return a code.
 * 2. `bytes` never exceeds the reservation.
 * 3. The file is cut when nobody looks beyond `bytes` any more. A record whose size has rotted is summed up to what was the
 *    end when its reader looked: past the end of the file that would be a signal. */
#include "arena/map.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"

#define MAP_RESERVE (UINT64_C(1) << 40)
#define MAP_HUGE (UINT64_C(2) << 20) /* a large page, mostly     */
#define MAP_HUGE_LEAST (UINT64_C(8) << 20)
/* The first store to a page of a file is a page fault, which costs several times what writing the page does. The system
 * keeps what is written at once as one folio, all of which a later store into it makes dirty: so not too much at once. What
 * could not be written is stored. */
#define MAP_WRITE (UINT64_C(16) << 10)
#define MAP_TRUST_SHIFT 12 /* a bit for 512 bytes, a byte for 4,096 */

int map_open(struct map *m, const struct os *os, os_file file, enum os_map_mode mode, uint64_t bytes)
{
	uint64_t reserve = MAP_RESERVE;
	void *base = NULL;
	void *trust = NULL;
	int r;

	assert(m->base == NULL);
	if (bytes > DISK_FILE_MAX)
		return GRAVITY_CORRUPT;
	while (reserve < 2 * bytes)
		reserve *= 2;
	r = os->map(os, file, mode, bytes + DISK_PAGE, &reserve, &base);
	if (r != 0)
		return r;
	m->trust_reserve = (reserve >> MAP_TRUST_SHIFT) + DISK_PAGE;
	r = os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, m->trust_reserve, &m->trust_reserve, &trust);
	if (r != 0) {
		(void)os->unmap(os, base, reserve);
		return r;
	}
	m->os = os;
	m->file = file;
	m->mode = mode;
	m->base = base;
	m->reserve = reserve;
	m->trust = trust;
	m->length = bytes;
	atomic_store(&m->bytes, bytes);
	(void)os->advise(os, m->base, 0, reserve, OS_ADVISE_RANDOM);
	return 0;
}

void map_close(struct map *m)
{
	if (m->base == NULL)
		return;
	(void)m->os->unmap(m->os, m->base, m->reserve);
	(void)m->os->unmap(m->os, m->trust, m->trust_reserve);
	m->base = NULL;
	m->trust = NULL;
}

/* A get waits for two walks of the page tables, too: memory of some size is had in large pages. Of a file that would make
 * a flush of one record a flush of a large page. */
static void memory_enlarge(const struct map *m, uint64_t old, uint64_t bytes)
{
	const uint64_t start = old & ~(MAP_HUGE - 1);

	if (m->mode == OS_MAP_ANONYMOUS && bytes >= MAP_HUGE_LEAST)
		(void)m->os->advise(m->os, m->base, start, bytes - start, OS_ADVISE_HUGE);
}

int map_grow(struct map *m, uint64_t bytes)
{
	const uint64_t old = map_bytes(m);

	assert(bytes >= old);
	if (bytes > m->reserve || bytes > DISK_FILE_MAX)
		return GRAVITY_FULL;
	if (m->mode == OS_MAP_SHARED) {
		const int r = m->os->grow(m->os, m->file, old, bytes - old);
		if (r != 0)
			return r;
	}
	memory_enlarge(m, old, bytes);
	m->length = m->length < bytes ? bytes : m->length;
	atomic_store(&m->bytes, bytes);
	return 0;
}

void map_lower(struct map *m, uint64_t bytes)
{
	const uint64_t old = map_bytes(m);

	assert(bytes <= old && bytes >= DISK_DATA);
	atomic_store(&m->bytes, bytes);
	if (m->mode == OS_MAP_ANONYMOUS)
		(void)m->os->advise(m->os, m->base, bytes, old - bytes, OS_ADVISE_DONTNEED);
}

void map_empty(const struct map *m)
{
	const uint64_t start = (map_bytes(m) + DISK_PAGE - 1) & ~(DISK_PAGE - 1);

	if (start < m->length)
		(void)m->os->punch(m->os, m->file, start, m->length - start);
}

int map_cut(struct map *m)
{
	const uint64_t bytes = map_bytes(m);
	const int r = bytes < m->length ? m->os->truncate(m->os, m->file, bytes) : 0;

	if (r == 0)
		m->length = bytes;
	return r;
}

/* Into the file, up to the next multiple of MAP_WRITE at a time. 0 or errno. */
static int file_copy(const struct map *m, uint64_t offset, const uint8_t *from, uint64_t bytes)
{
	int r = 0;

	for (uint64_t part; r == 0 && bytes > 0; offset += part, from += part, bytes -= part) {
		part = MAP_WRITE - offset % MAP_WRITE;
		part = part < bytes ? part : bytes;
		r = m->os->write(m->os, m->file, offset, from, part);
	}
	return r;
}

void map_copy(const struct map *m, void *to, const void *from, uint64_t bytes)
{
	const uint64_t offset = (uint64_t)((uint8_t *)to - m->base);

	assert(offset + bytes <= map_bytes(m));
	if (bytes >= MAP_WRITE && m->mode == OS_MAP_SHARED && file_copy(m, offset, from, bytes) == 0)
		return;
	memcpy(to, from, bytes);
}

int map_write(const struct map *m, uint64_t offset, const void *from, uint64_t bytes)
{
	assert(offset + bytes <= map_bytes(m));
	if (m->mode == OS_MAP_SHARED && !broken(BROKEN_CALLS))
		return m->os->write(m->os, m->file, offset, from, bytes);
	memcpy(m->base + offset, from, bytes);
	return 0;
}

int map_touch(const struct map *m, uint64_t start, uint64_t end)
{
	uint8_t part[MAP_WRITE];
	int r = 0;

	assert(start <= end && end <= map_bytes(m) && m->mode == OS_MAP_SHARED);
	while (r == 0 && start < end) {
		size_t got = end - start < sizeof part ? (size_t)(end - start) : sizeof part;
		r = m->os->read(m->os, m->file, start, part, got, &got);
		if (r == 0 && got == 0)
			return EIO; /* somebody has cut the file */
		if (r == 0)
			r = m->os->write(m->os, m->file, start, part, got);
		start += got;
	}
	return r;
}
