/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

#define _GNU_SOURCE

#include "tests/space/small_disk.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "tests/testing.h"
#include "tests/unflushed.h"

#define PAGES_MOST 65536u

/* In memory that a child shares: the disk outlives it. */
static struct disk {
	struct os os;
	struct rng rng;
	uint64_t room; /* pages that the file may have */
	bool greedy;
	bool has[PAGES_MOST];
	uint64_t used;
	int code;
	uint64_t kill_at; /* calls until the process is killed; 0: it is not */
	uint8_t *base;    /* of the shared map; NULL: there is none */
	uint64_t reserve; /* pages of it */
} * disk;

/* Calls of several threads take turns, whole. A child that is killed leaves its own copy of this. */
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static int call_end(int r)
{
	must(pthread_mutex_unlock(&turn) == 0);
	return r;
}

/* Before anything of the call has happened. */
static void call_begin(void)
{
	must(pthread_mutex_lock(&turn) == 0);
	if (disk->kill_at != 0 && --disk->kill_at == 0)
		(void)raise(SIGKILL);
}

static uint64_t page_of(uint64_t offset)
{
	must(offset / SMALL_DISK_PAGE < PAGES_MOST);
	return offset / SMALL_DISK_PAGE;
}

static void pages_protect(uint64_t from, uint64_t to, int how)
{
	to = to < disk->reserve ? to : disk->reserve;
	if (disk->base != NULL && from < to)
		must(mprotect(disk->base + from * SMALL_DISK_PAGE, (to - from) * SMALL_DISK_PAGE, how) == 0);
}

/* False: there is no room for all of them, and none has got any. */
static bool pages_give(uint64_t from, uint64_t to)
{
	uint64_t more = 0;

	for (uint64_t i = from; i < to; i++)
		more += !disk->has[i];
	if (more > 0 && (disk->room < disk->used || disk->room - disk->used < more))
		return false;
	for (uint64_t i = from; i < to; i++)
		disk->has[i] = true;
	disk->used += more;
	pages_protect(from, to, PROT_READ | PROT_WRITE);
	return true;
}

static void pages_take(uint64_t from, uint64_t to)
{
	uint64_t fewer = 0;

	for (uint64_t i = from; i < to; i++) {
		fewer += disk->has[i];
		disk->has[i] = false;
	}
	disk->used -= fewer;
	if (disk->greedy)
		disk->room -= fewer;
	pages_protect(from, to, PROT_READ);
}

static int disk_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		    void **base)
{
	const int r = os_posix()->map(os_posix(), file, mode, least, reserve, base);

	(void)os;
	if (r != 0 || mode != OS_MAP_SHARED)
		return r;
	must(disk->base == NULL);
	must(mprotect(*base, *reserve, PROT_READ) == 0);
	disk->base = *base;
	disk->reserve = *reserve / SMALL_DISK_PAGE;
	for (uint64_t i = 0; i < PAGES_MOST; i++)
		if (disk->has[i])
			pages_protect(i, i + 1, PROT_READ | PROT_WRITE);
	return 0;
}

static int disk_unmap(const struct os *os, void *base, uint64_t reserve)
{
	(void)os;
	if (base == disk->base)
		disk->base = NULL;
	return os_posix()->unmap(os_posix(), base, reserve);
}

static int disk_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	call_begin();
	if (!pages_give(page_of(offset), page_of(offset + bytes + SMALL_DISK_PAGE - 1)))
		return call_end(disk->code);
	return call_end(os_posix()->grow(os_posix(), file, offset, bytes));
}

static int disk_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	(void)os;
	call_begin();
	pages_take(page_of(bytes + SMALL_DISK_PAGE - 1), PAGES_MOST);
	return call_end(os_posix()->truncate(os_posix(), file, bytes));
}

static int disk_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	const uint64_t from = page_of(offset + SMALL_DISK_PAGE - 1);
	const uint64_t to = page_of(offset + bytes);
	int r;

	(void)os;
	call_begin();
	r = os_posix()->punch(os_posix(), file, offset, bytes);
	if (from < to)
		pages_take(from, to);
	return call_end(r);
}

static int disk_ready(const struct os *os, os_file file, void *base, uint64_t offset)
{
	bool has;

	(void)os, (void)file, (void)base;
	must(pthread_mutex_lock(&turn) == 0);
	has = disk->has[page_of(offset)];
	return call_end(has ? 0 : ENOSPC);
}

static int disk_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	(void)os;
	call_begin();
	if (!pages_give(page_of(offset), page_of(offset + bytes + SMALL_DISK_PAGE - 1)))
		return call_end(disk->code);
	return call_end(os_posix()->write(os_posix(), file, offset, buf, bytes));
}

static int disk_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os, (void)file, (void)base, (void)offset, (void)bytes;
	call_begin();
	return call_end(0);
}

static int disk_sync(const struct os *os, os_file file)
{
	(void)os, (void)file;
	call_begin();
	return call_end(0);
}

static int disk_random(const struct os *os, void *buf, size_t bytes)
{
	(void)os;
	rng_fill(&disk->rng, buf, bytes);
	return 0;
}

void *small_disk_memory(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	must(at != MAP_FAILED);
	return at;
}

const struct os *small_disk(uint64_t stream)
{
	if (disk == NULL)
		disk = small_disk_memory(sizeof *disk);
	memset(disk, 0, sizeof *disk);
	disk->os = *unflushed_set();
	disk->os.map = disk_map;
	disk->os.unmap = disk_unmap;
	disk->os.grow = disk_grow;
	disk->os.truncate = disk_truncate;
	disk->os.punch = disk_punch;
	disk->os.ready = disk_ready;
	disk->os.write = disk_write;
	disk->os.sync_range = disk_sync_range;
	disk->os.sync = disk_sync;
	disk->os.random = disk_random;
	disk->rng = rng_make(stream);
	disk->room = UINT64_MAX;
	disk->code = ENOSPC;
	return &disk->os;
}

void small_disk_set(uint64_t pages)
{
	disk->room = pages;
}

void small_disk_leave(uint64_t pages)
{
	disk->room = disk->used + pages;
}

void small_disk_greedy(bool on)
{
	disk->greedy = on;
}

uint64_t small_disk_used(void)
{
	return disk->used;
}

void small_disk_code(int code)
{
	disk->code = code;
}

void small_disk_kill(uint64_t calls)
{
	must(pthread_mutex_lock(&turn) == 0);
	disk->kill_at = calls;
	(void)call_end(0);
}

void small_disk_gone(void)
{
	disk->kill_at = 0;
	disk->base = NULL;
}
