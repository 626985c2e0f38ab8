/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_disk.c owns the contents of one simulated file, and what of them the disk may have: which of it a power cut leaves is
 * chosen in sim_cut.c.
 *
 * Stores through a map pass through no call, so they are found by comparison: at each step every sector that differs
 * from what it was at the last step gets a new version. The versions of a sector since its last flush, and what was
 * flushed, are what the disk may hold.
 *
 * 1. Bytes of the cache beyond the length are zero, and touching whole pages of them is a signal.
 * 2. Each sector with a version stands in `dirty` once.
 * 3. A version from before a truncation is not seen once that truncation is durable, and one from after it not before.
 *
 * Cost: a step compares the file once. */
#define _GNU_SOURCE
#include "tests/crash/sim_disk.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define VERSIONS_MOST 16384u /* more are written back, oldest first: the kernel does not wait for ever either */

uint64_t sim_random(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* Whether both are the same: what a simulation spends its time on. memcmp may look at one byte after the other, as that of
 * musl does, so only that of glibc is trusted with it. */
static bool bytes_equal(const uint8_t *a, const uint8_t *b, uint64_t size)
{
	uint64_t at = 0;

#ifndef __GLIBC__
	for (; at + 64 <= size; at += 64) {
		uint64_t left[8], right[8], differs = 0;

		memcpy(left, a + at, sizeof left);
		memcpy(right, b + at, sizeof right);
		for (uint32_t i = 0; i < 8; i++)
			differs |= left[i] ^ right[i];
		if (differs != 0)
			return false;
	}
#endif
	return memcmp(a + at, b + at, size - at) == 0;
}

static struct sim_file *files; /* the tracked ones, for lost_touched */

static void *memory_map(uint64_t bytes, int protection)
{
	void *at = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		abort();
	}
	return at;
}

void sim_file_init(struct sim_file *f, bool tracked)
{
	memset(f, 0, sizeof *f);
	f->piece = 1;
	f->cache = memory_map(SIM_RESERVE, PROT_NONE);
	f->tracked = tracked;
	if (!tracked)
		return;
	f->seen = memory_map(SIM_RESERVE, PROT_READ | PROT_WRITE);
	f->disk = memory_map(SIM_RESERVE, PROT_READ | PROT_WRITE);
	f->newest = memory_map(SIM_SECTORS * sizeof *f->newest, PROT_READ | PROT_WRITE);
	f->dirty = memory_map(SIM_SECTORS * sizeof *f->dirty, PROT_READ | PROT_WRITE);
	f->lost = memory_map(SIM_PAGES_MOST, PROT_READ | PROT_WRITE);
	f->hole = memory_map(SIM_PAGES_MOST, PROT_READ | PROT_WRITE);
	f->whole = memory_map(SIM_PAGES_MOST, PROT_READ | PROT_WRITE);
	f->next = files;
	files = f;
}

static void file_unlist(const struct sim_file *f)
{
	for (struct sim_file **at = &files; *at != NULL; at = &(*at)->next) {
		if (*at == f) {
			*at = f->next;
			return;
		}
	}
}

void sim_file_release(struct sim_file *f)
{
	(void)munmap(f->cache, SIM_RESERVE);
	if (f->tracked) {
		file_unlist(f);
		(void)munmap(f->lost, SIM_PAGES_MOST);
		(void)munmap(f->hole, SIM_PAGES_MOST);
		(void)munmap(f->whole, SIM_PAGES_MOST);
		(void)munmap(f->seen, SIM_RESERVE);
		(void)munmap(f->disk, SIM_RESERVE);
		(void)munmap(f->newest, SIM_SECTORS * sizeof *f->newest);
		(void)munmap(f->dirty, SIM_SECTORS * sizeof *f->dirty);
		free(f->version);
	}
	memset(f, 0, sizeof *f);
}

static uint64_t page_ceil(uint64_t bytes)
{
	return (bytes + SIM_PAGE - 1) & ~(SIM_PAGE - 1);
}

/* Every page may be stored to. */
static void pages_free(struct sim_file *f)
{
	if (!f->tracked)
		return;
	f->piece = 1;
	if (f->lost_count + f->hole_count == 0)
		return;
	memset(f->hole, 0, SIM_PAGES_MOST);
	f->hole_count = 0;
	if (mprotect(f->cache, page_ceil(f->bytes), PROT_READ | PROT_WRITE) != 0)
		abort();
	memset(f->lost, SIM_PAGE_SOUND, SIM_PAGES_MOST);
	f->lost_count = 0;
}

static uint64_t piece_start(const struct sim_file *f, uint64_t page)
{
	return page & ~(uint64_t)(f->piece - 1);
}

/* Pages without space in the page's piece. */
static uint64_t piece_holes(const struct sim_file *f, uint64_t page)
{
	uint64_t holes = 0;

	if (f->piece < 2 || f->whole[page] == 0 || f->hole_count == 0)
		return 0;
	for (uint64_t at = piece_start(f, page); at < piece_start(f, page) + f->piece && at * SIM_PAGE < f->bytes; at++)
		holes += f->hole[at];
	return holes;
}

static void page_protect(struct sim_file *f, uint64_t page)
{
	const bool closed = f->hole[page] != 0 || f->lost[page] == SIM_PAGE_LOST || piece_holes(f, page) > 0;

	if (mprotect(f->cache + page * SIM_PAGE, SIM_PAGE, closed ? PROT_READ : PROT_READ | PROT_WRITE) != 0)
		abort();
}

/* All pages of the pieces that the range reaches into. */
static void pieces_protect(struct sim_file *f, uint64_t start, uint64_t end)
{
	const uint64_t to = end == 0 ? 0 : piece_start(f, (end - 1) / SIM_PAGE) + f->piece;

	for (uint64_t page = piece_start(f, start / SIM_PAGE); page < to && page * SIM_PAGE < f->bytes; page++)
		page_protect(f, page);
}

/* Space under all of the page's piece; false: the disk has not got that. */
static bool piece_fill(struct sim_file *f, uint64_t page)
{
	const uint64_t holes = piece_holes(f, page);

	if (holes == 0)
		return true;
	if (f->room != NULL && !f->room(f->room_arg, holes * SIM_PAGE))
		return false;
	sim_file_fill(f, piece_start(f, page) * SIM_PAGE, (piece_start(f, page) + f->piece) * SIM_PAGE);
	return true;
}

static void store_refused(const char *text)
{
	(void)!write(STDERR_FILENO, text, strlen(text));
	_exit(EXIT_FAILURE);
}

/* A store to a lost page raises the signal once: from then on it is dirty. One to a piece with holes raises it until they
 * have space. Any other fault is what it seems to be. */
static void lost_fault(int signal_number, siginfo_t *info, void *context)
{
	uint8_t *at = info->si_addr;

	(void)context;
	for (struct sim_file *f = files; f != NULL; f = f->next) {
		uint64_t page;
		if (at < f->cache || at >= f->cache + f->bytes)
			continue;
		page = (uint64_t)(at - f->cache) / SIM_PAGE;
		if (f->hole[page] != 0)
			store_refused(
				"tests/crash/sim_disk.c:1: does not hold: a store goes to pages that are allocated\n");
		if (f->lost[page] != SIM_PAGE_LOST && piece_holes(f, page) == 0)
			break;
		if (!piece_fill(f, page))
			store_refused(
				"tests/crash/sim_disk.c:1: does not hold: a store finds space under all of its piece\n");
		if (f->lost[page] == SIM_PAGE_LOST)
			f->lost[page] = SIM_PAGE_TOUCHED;
		page_protect(f, page);
		return;
	}
	(void)signal(signal_number, SIG_DFL);
	(void)raise(signal_number);
}

static void fault_watch(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = lost_fault;
	action.sa_flags = SA_SIGINFO | SA_NODEFER;
	if (sigaction(SIGSEGV, &action, NULL) != 0)
		abort();
}

void sim_file_split(struct sim_file *f, uint64_t start, uint64_t end)
{
	uint64_t from, to;

	if (!f->tracked || f->piece < 2 || start >= end)
		return;
	from = piece_start(f, start / SIM_PAGE);
	to = piece_start(f, (end - 1) / SIM_PAGE) + f->piece;
	if (to > SIM_PAGES_MOST)
		to = SIM_PAGES_MOST;
	memset(f->whole + from, 0, to - from);
	pieces_protect(f, start, end);
}

void sim_file_sparse(struct sim_file *f, uint32_t piece)
{
	static const uint8_t zeroes[SIM_PAGE];

	assert(f->tracked && f->hole_count == 0 && f->lost_count == 0);
	fault_watch();
	f->piece = piece;
	memset(f->whole, 1, SIM_PAGES_MOST);
	for (uint64_t page = 0; (page + 1) * SIM_PAGE <= f->bytes; page++) {
		f->hole[page] = bytes_equal(f->cache + page * SIM_PAGE, zeroes, SIM_PAGE);
		f->hole_count += f->hole[page];
	}
	pieces_protect(f, 0, f->bytes);
}

void sim_file_punch(struct sim_file *f, uint64_t start, uint64_t end)
{
	if (!f->tracked)
		return;
	assert(start % SIM_PAGE == 0 && end % SIM_PAGE == 0);
	fault_watch();
	for (uint64_t page = start / SIM_PAGE; page < end / SIM_PAGE && page * SIM_PAGE < f->bytes; page++) {
		f->hole_count += f->hole[page] == 0;
		f->hole[page] = 1;
		page_protect(f, page);
	}
}

void sim_file_fill(struct sim_file *f, uint64_t start, uint64_t end)
{
	if (!f->tracked || f->hole_count == 0)
		return;
	for (uint64_t page = start / SIM_PAGE; page * SIM_PAGE < end && page * SIM_PAGE < f->bytes; page++) {
		if (f->hole[page] == 0)
			continue;
		f->hole[page] = 0;
		f->hole_count--;
	}
	pieces_protect(f, start, end);
}

bool sim_file_touch(struct sim_file *f, uint64_t offset)
{
	const uint64_t page = offset / SIM_PAGE;

	if (!f->tracked)
		return true;
	if (f->hole[page] != 0 || !piece_fill(f, page))
		return false;
	if (f->lost[page] == SIM_PAGE_LOST) {
		f->lost[page] = SIM_PAGE_TOUCHED;
		page_protect(f, page);
	}
	return true;
}

void sim_file_write(struct sim_file *f, uint64_t offset, const void *from, uint64_t bytes)
{
	const uint64_t start = offset & ~(SIM_PAGE - 1);
	const uint64_t end = page_ceil(offset + bytes);

	if (!f->tracked || f->lost_count + f->hole_count == 0) {
		memcpy(f->cache + offset, from, bytes);
		return;
	}
	if (mprotect(f->cache + start, end - start, PROT_READ | PROT_WRITE) != 0)
		abort();
	memcpy(f->cache + offset, from, bytes);
	for (uint64_t page = start / SIM_PAGE; page * SIM_PAGE < end; page++) {
		if (f->lost[page] == SIM_PAGE_LOST)
			f->lost[page] = SIM_PAGE_TOUCHED;
		page_protect(f, page);
	}
}

uint64_t sim_file_space(const struct sim_file *f)
{
	return f->bytes - (uint64_t)f->hole_count * SIM_PAGE;
}

uint64_t sim_file_holes(const struct sim_file *f, uint64_t start, uint64_t end)
{
	uint64_t bytes = 0;

	if (!f->tracked || f->hole_count == 0)
		return 0;
	for (uint64_t page = start / SIM_PAGE; page * SIM_PAGE < end && page * SIM_PAGE < f->bytes; page++)
		bytes += f->hole[page] != 0 ? SIM_PAGE : 0;
	return bytes;
}

/* Lets the pages up to the new length be touched, and those beyond it no more. */
void sim_cache_resize(struct sim_file *f, uint64_t bytes)
{
	const uint64_t old = page_ceil(f->bytes);
	const uint64_t now = page_ceil(bytes);
	int r = 0;

	assert(bytes <= SIM_RESERVE && bytes % SIM_SECTOR == 0);
	if (bytes < f->bytes) {
		sim_file_split(f, bytes, f->bytes);
		sim_file_fill(f, page_ceil(bytes), old);
		memset(f->cache + bytes, 0, f->bytes - bytes);
	}
	if (now > old)
		r = mprotect(f->cache + old, now - old, PROT_READ | PROT_WRITE);
	else if (now < old)
		r = mprotect(f->cache + now, old - now, PROT_NONE);
	if (r != 0)
		abort();
	f->bytes = bytes;
}

/* Of a range that is cut off: nothing of it is lost any more. */
static void lost_touch(struct sim_file *f, uint64_t start, uint64_t end)
{
	for (uint64_t page = page_ceil(start) / SIM_PAGE; page * SIM_PAGE < end; page++) {
		if (f->lost[page] == SIM_PAGE_SOUND)
			continue;
		f->lost[page] = SIM_PAGE_SOUND;
		f->lost_count--;
		page_protect(f, page);
	}
}

static void versions_forget(struct sim_file *f)
{
	for (uint32_t i = 0; i < f->dirty_count; i++)
		f->newest[f->dirty[i]] = 0;
	f->dirty_count = 0;
	f->version_count = 0;
}

void sim_file_settle(struct sim_file *f)
{
	if (!f->tracked)
		return;
	pages_free(f);
	versions_forget(f);
	if (f->disk_bytes > f->bytes)
		memset(f->disk + f->bytes, 0, f->disk_bytes - f->bytes);
	memcpy(f->disk, f->cache, f->bytes);
	memcpy(f->seen, f->cache, f->bytes);
	f->disk_bytes = f->bytes;
	f->resize_count = 0;
	f->errors = 0;
}

void sim_file_clear(struct sim_file *f)
{
	if (f->tracked)
		memset(f->seen, 0, f->bytes);
	sim_cache_resize(f, 0);
	sim_file_settle(f);
}

bool sim_version_lasts(const struct sim_file *f, uint32_t sector, uint32_t then, uint32_t now)
{
	const uint32_t from = then < now ? then : now;
	const uint32_t to = then < now ? now : then;

	for (uint32_t i = from; i < to; i++)
		if (f->resize[i] <= sector * SIM_SECTOR)
			return false;
	return true;
}

/* The length is durable: versions from before a truncation are gone. */
static void resizes_settle(struct sim_file *f)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->dirty_count; i++) {
		const uint32_t sector = f->dirty[i];
		uint32_t *link = &f->newest[sector];
		while (*link != 0 && sim_version_lasts(f, sector, f->version[*link - 1].resizes, f->resize_count)) {
			f->version[*link - 1].resizes = 0;
			link = &f->version[*link - 1].older;
		}
		*link = 0;
		if (f->newest[sector] != 0)
			f->dirty[kept++] = sector;
	}
	f->dirty_count = kept;
	for (uint32_t i = 0; i < f->resize_count; i++) {
		if (f->resize[i] < f->disk_bytes)
			memset(f->disk + f->resize[i], 0, f->disk_bytes - f->resize[i]);
		f->disk_bytes = f->resize[i];
	}
	assert(f->disk_bytes == f->bytes);
	f->resize_count = 0;
}

void sim_file_resize(struct sim_file *f, uint64_t bytes)
{
	const uint64_t old = f->bytes;

	if (f->tracked && bytes < old)
		lost_touch(f, bytes, old);
	sim_cache_resize(f, bytes);
	if (!f->tracked)
		return;
	if (bytes < old)
		memset(f->seen + bytes, 0, old - bytes);
	f->resize[f->resize_count++] = bytes;
	if (f->resize_count == SIM_RESIZES)
		resizes_settle(f);
}

static void version_add(struct sim_file *f, uint32_t sector, uint32_t moment)
{
	struct sim_version *v;

	if (f->version_count == f->version_capacity) {
		f->version_capacity = f->version_capacity == 0 ? 1024 : 2 * f->version_capacity;
		f->version = realloc(f->version, f->version_capacity * sizeof *f->version);
		if (f->version == NULL)
			abort();
	}
	v = &f->version[f->version_count++];
	v->older = f->newest[sector];
	v->moment = moment;
	v->resizes = f->resize_count;
	v->sector = sector;
	memcpy(v->data, f->cache + sector * SIM_SECTOR, SIM_SECTOR);
	if (v->older == 0)
		f->dirty[f->dirty_count++] = sector;
	f->newest[sector] = f->version_count;
}

/* Pages that were lost and have been stored to are dirty, whole. */
static void lost_step(struct sim_file *f, uint32_t moment)
{
	for (uint32_t page = 0; page < page_ceil(f->bytes) / SIM_PAGE; page++) {
		if (f->lost[page] != SIM_PAGE_TOUCHED)
			continue;
		f->lost[page] = SIM_PAGE_SOUND;
		f->lost_count--;
		for (uint64_t at = page * SIM_PAGE; at < (page + 1) * SIM_PAGE && at < f->bytes; at += SIM_SECTOR) {
			version_add(f, (uint32_t)(at / SIM_SECTOR), moment);
			memcpy(f->seen + at, f->cache + at, SIM_SECTOR);
		}
	}
}

void sim_file_step(struct sim_file *f, uint32_t moment)
{
	if (!f->tracked)
		return;
	if (f->lost_count > 0)
		lost_step(f, moment);
	if (f->version_count >= VERSIONS_MOST)
		sim_file_flush(f, 0, f->bytes);
	for (uint64_t page = 0; page < f->bytes; page += SIM_PAGE) {
		const uint64_t end = page + SIM_PAGE < f->bytes ? page + SIM_PAGE : f->bytes;
		if (bytes_equal(f->cache + page, f->seen + page, end - page))
			continue;
		for (uint64_t at = page; at < end; at += SIM_SECTOR) {
			if (bytes_equal(f->cache + at, f->seen + at, SIM_SECTOR))
				continue;
			version_add(f, (uint32_t)(at / SIM_SECTOR), moment);
			memcpy(f->seen + at, f->cache + at, SIM_SECTOR);
		}
	}
}

/* The kernel takes the pages of the range for clean; the disk has those that were not lost. */
static void pages_clean(struct sim_file *f, uint64_t start, uint64_t end)
{
	const uint64_t from = start & ~(SIM_PAGE - 1);
	const uint64_t to = page_ceil(end) < f->bytes ? page_ceil(end) : f->bytes;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->dirty_count; i++) {
		const uint32_t sector = f->dirty[i];
		const uint64_t at = sector * SIM_SECTOR;
		if (at < from || at >= to) {
			f->dirty[kept++] = sector;
			continue;
		}
		if (f->lost[at / SIM_PAGE] == SIM_PAGE_SOUND)
			memcpy(f->disk + at, f->seen + at, SIM_SECTOR);
		f->newest[sector] = 0;
	}
	f->dirty_count = kept;
	if (kept == 0)
		f->version_count = 0;
}

void sim_file_flush(struct sim_file *f, uint64_t start, uint64_t end)
{
	if (!f->tracked)
		return;
	resizes_settle(f);
	pages_clean(f, start, end);
}

void sim_file_lose(struct sim_file *f, uint64_t start, uint64_t end, uint64_t *random)
{
	const uint64_t to = end < f->bytes ? end : f->bytes;

	if (!f->tracked)
		return;
	fault_watch();
	resizes_settle(f);
	for (uint64_t page = start / SIM_PAGE; page * SIM_PAGE < to; page++) {
		bool dirty = false;
		for (uint64_t at = page * SIM_PAGE; at < (page + 1) * SIM_PAGE && at < f->bytes; at += SIM_SECTOR)
			dirty = dirty || f->newest[at / SIM_SECTOR] != 0;
		if (!dirty || (sim_random(random) & 1) != 0)
			continue;
		f->lost[page] = SIM_PAGE_LOST;
		f->lost_count++;
		page_protect(f, page);
	}
	pages_clean(f, start, to);
}

bool sim_file_write_back(struct sim_file *f, uint64_t *random)
{
	const uint32_t before = f->lost_count;

	sim_file_lose(f, 0, f->bytes, random);
	if (f->lost_count == before)
		return false;
	f->errors++;
	f->error_told = false;
	return true;
}

void sim_file_copy(const struct sim_file *f, struct sim_file *to)
{
	pages_free(to);
	/* What is cut off is not what was seen when the file grows again: the same bytes would not count as stored. */
	if (to->tracked && f->bytes < to->bytes)
		memset(to->seen + f->bytes, 0, to->bytes - f->bytes);
	sim_cache_resize(to, f->bytes);
	memcpy(to->cache, f->cache, f->bytes);
}
