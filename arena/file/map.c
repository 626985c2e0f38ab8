/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* map.c owns the mapping and the length of the file. It refuses to touch what it did not allocate.
 *
 * 1. Bytes below *length may be read, and (in an OS_MAP_PRIVATE, behind the end of the file alone) written, without a
 *    signal, if their disk space was allocated, or their memory taken into use: when *length came to cover them, or by
 *    space_allocate. What stands elsewhere (headers, marks, the log that was replayed, the place where it goes on) is
 *    written by calls, which return a code.
 * 2. *length never exceeds the reservation, and the trust bits in use cover it.
 * 3. The file is cut, and memory in place of one is given back, when nobody looks beyond *length any more. A record whose
 *    size has rotted is summed up to what was the end when its reader looked: past the end that would be a signal.
 * 4. Memory is in use in proportion to the length of the file. The reservations of all handles of a process leave it most
 *    of its addresses: of 47 bits 1,000 handles take five eighths. */
#include "arena/file/map.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"

/* The reservation of the first handles of a process, and of the others. */
#define MAP_WIDE       (UINT64_C(1) << 40)
#define MAP_WIDE_MOST  16u
#define MAP_NARROW     (UINT64_C(1) << 36)
#define MAP_HUGE       (UINT64_C(2) << 20) /* a large page, mostly     */
#define MAP_HUGE_LEAST (UINT64_C(8) << 20)
/* The first store to a page of a file is a page fault, which costs several times what writing the page does. The system
 * keeps what is written at once as one folio, all of which a later store into it makes dirty: so not too much at once. What
 * could not be written is stored. */
#define MAP_WRITE       (UINT64_C(16) << 10)
#define MAP_TRUST_SHIFT 12 /* a bit for 512 bytes, a byte for 4,096 */

static _Atomic uint32_t wide_count; /* maps of this process that are open */

static bool wide_take(void)
{
	if (atomic_fetch_add(&wide_count, 1) < MAP_WIDE_MOST)
		return true;
	atomic_fetch_sub(&wide_count, 1);
	return false;
}

/* Room to grow: twice the file, at least what the count of open handles leaves, and no more than it may come to. */
static uint64_t reserve_choose(struct map *m, uint64_t bytes, uint64_t most)
{
	const uint64_t least = page_round(bytes) + DISK_PAGE;
	uint64_t reserve;

	most = most < DISK_FILE_MAX ? page_round(most) : DISK_FILE_MAX;
	most = most > least ? most : least;
	m->wide = most > MAP_NARROW && wide_take();
	reserve = m->wide ? MAP_WIDE : MAP_NARROW;
	reserve = reserve > 2 * bytes ? reserve : page_round(2 * bytes);
	return reserve < most ? reserve : most;
}

/* What the file needs of them when it is so long. */
static int trust_use(struct map *m, uint64_t bytes)
{
	const uint64_t want = page_round((bytes >> MAP_TRUST_SHIFT) + 1);
	int r;

	if (want <= m->trust_used)
		return 0;
	r = m->os->use(m->os, m->trust, m->trust_used, want - m->trust_used);
	if (r == 0)
		m->trust_used = want;
	return r;
}

/* Memory behind the end of a file, or in place of one. */
static int memory_use(const struct map *m, uint64_t old, uint64_t bytes)
{
	return m->mode == OS_MAP_SHARED || old == bytes ? 0 : m->os->use(m->os, m->base, old, bytes - old);
}

static int map_reserve(struct map *m, const struct os *os, uint64_t bytes, uint64_t most)
{
	void *base = NULL;
	void *trust = NULL;
	int r;

	m->reserve = reserve_choose(m, bytes, most);
	r = os->map(os, m->file, m->mode, bytes + DISK_PAGE, &m->reserve, &base);
	if (r != 0)
		return r;
	m->base = base;
	m->trust_used = 0;
	m->trust_reserve = (m->reserve >> MAP_TRUST_SHIFT) + DISK_PAGE;
	r = os->map(os, OS_NOFILE, OS_MAP_ANONYMOUS, m->trust_reserve, &m->trust_reserve, &trust);
	if (r == 0)
		m->trust = trust;
	return r;
}

int map_open(struct map *m, const struct os *os, os_file file, enum os_map_mode mode, uint64_t bytes, uint64_t most)
{
	int r;

	assert(m->base == NULL && m->trust == NULL);
	if (bytes > DISK_FILE_MAX)
		return GRAVITY_CORRUPT;
	m->os = os;
	m->file = file;
	m->mode = mode;
	r = map_reserve(m, os, bytes, most);
	if (r == 0)
		r = trust_use(m, bytes);
	if (r == 0 && mode == OS_MAP_ANONYMOUS)
		r = memory_use(m, 0, bytes);
	if (r != 0) {
		map_close(m);
		return r;
	}
	m->file_bytes = bytes;
	m->length = &m->bytes;
	atomic_store(m->length, bytes);
	(void)os->advise(os, m->base, 0, m->reserve, OS_ADVISE_RANDOM);
	return 0;
}

void map_close(struct map *m)
{
	if (m->wide)
		atomic_fetch_sub(&wide_count, 1);
	if (m->base != NULL)
		(void)m->os->unmap(m->os, m->base, m->reserve);
	if (m->trust != NULL)
		(void)m->os->unmap(m->os, m->trust, m->trust_reserve);
	m->wide = false;
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
	int r;

	assert(bytes >= old);
	if (bytes > DISK_FILE_MAX)
		return GRAVITY_FULL;
	if (bytes > m->reserve)
		return ENOMEM;
	r = trust_use(m, bytes);
	if (r == 0)
		r = memory_use(m, old, bytes);
	if (r == 0 && m->mode == OS_MAP_SHARED)
		r = m->os->grow(m->os, m->file, old, bytes - old);
	if (r != 0)
		return r;
	memory_enlarge(m, old, bytes);
	m->file_bytes = m->file_bytes < bytes ? bytes : m->file_bytes;
	atomic_store(m->length, bytes);
	return 0;
}

void map_lower(struct map *m, uint64_t bytes)
{
	assert(bytes <= map_bytes(m) && bytes >= DISK_DATA);
	atomic_store(m->length, bytes);
}

void map_empty(const struct map *m)
{
	const uint64_t start = (map_bytes(m) + DISK_PAGE - 1) & ~(DISK_PAGE - 1);

	if (start < m->file_bytes)
		(void)m->os->punch(m->os, m->file, start, m->file_bytes - start);
}

int map_cut(struct map *m)
{
	const uint64_t bytes = map_bytes(m);
	int r = 0;

	assert(m->mode != OS_MAP_PRIVATE);
	if (bytes < m->file_bytes && m->mode == OS_MAP_SHARED)
		r = m->os->truncate(m->os, m->file, bytes);
	else if (bytes < m->file_bytes)
		r = m->os->advise(m->os, m->base, bytes, m->file_bytes - bytes, OS_ADVISE_DONTNEED);
	if (r == 0)
		m->file_bytes = bytes;
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
	memmove(to, from, bytes);
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
