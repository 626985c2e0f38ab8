/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ram.c: see ram.h. Cost of an open: a copy of the file. */
#define _GNU_SOURCE
#include "tests/damage/ram.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "arena/file/disk.h"
#include "tests/testing.h"

#define RAM_FD 100
/* What a read-only handle may grow by in memory while it replays. */
#define RAM_ROOM (UINT64_C(72) << 10)
/* A map of no more is had from the heap, which is quicker. */
#define RAM_SMALL (UINT64_C(64) << 10)
/* No library that is right asks for more in one piece here. */
#define RAM_PIECE_MOST (UINT64_C(64) << 20)

struct ram_block {
	uint64_t bytes;
	uint64_t unused; /* keeps what follows aligned to 16 */
};

static struct ram *ram_of(const struct os *os)
{
	return os->context;
}

static void ram_take(struct ram *r, uint64_t bytes)
{
	r->held += bytes;
	r->peak = r->held > r->peak ? r->held : r->peak;
	r->taken++;
}

static void ram_give(struct ram *r, uint64_t bytes)
{
	must(r->held >= bytes && r->taken > 0);
	r->held -= bytes;
	r->taken--;
}

/* Only the pages of the file can be touched. */
static void file_fence(struct ram *r)
{
	const uint64_t end = page_round(r->bytes);

	if (!r->shared)
		return;
	must(mprotect(r->file, end, PROT_READ | PROT_WRITE) == 0);
	must(mprotect(r->file + end, RAM_FILE_MOST - end, PROT_NONE) == 0);
}

/* What is cut off reads as zeroes if it comes back. */
static void file_resize(struct ram *r, uint64_t bytes)
{
	if (bytes < r->bytes)
		memset(r->file + bytes, 0, r->bytes - bytes);
	r->bytes = bytes;
	file_fence(r);
}

/* Files ---------------------------------------------------------------------------------------------------------- */

static int ram_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out)
{
	struct ram *r = ram_of(os);

	(void)path;
	(void)mode;
	*out = OS_NOFILE;
	if ((flags & OS_CREATE) != 0) {
		must(!r->there);
		r->there = true;
		file_resize(r, 0);
	} else if (!r->named) {
		return ENOENT;
	}
	ram_take(r, 0);
	out->fd = RAM_FD;
	return 0;
}

static int ram_close(const struct os *os, os_file file)
{
	must(file.fd == RAM_FD);
	ram_give(ram_of(os), 0);
	return 0;
}

static int ram_size(const struct os *os, os_file file, uint64_t *bytes)
{
	(void)file;
	*bytes = ram_of(os)->bytes;
	return 0;
}

static int ram_lock(const struct os *os, os_file file, bool exclusive)
{
	(void)os;
	(void)file;
	(void)exclusive;
	return 0;
}

static int ram_unlock(const struct os *os, os_file file)
{
	(void)os;
	(void)file;
	return 0;
}

static int ram_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	struct ram *r = ram_of(os);

	(void)file;
	if (bytes > RAM_FILE_MOST || offset > RAM_FILE_MOST - bytes)
		return ENOSPC;
	if (offset + bytes > r->bytes)
		file_resize(r, offset + bytes);
	return 0;
}

static int ram_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	(void)file;
	file_resize(ram_of(os), bytes);
	return 0;
}

static int ram_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	struct ram *r = ram_of(os);

	(void)file;
	if (offset < r->bytes)
		memset(r->file + offset, 0, bytes < r->bytes - offset ? bytes : r->bytes - offset);
	return 0;
}

static int ram_read(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got)
{
	const struct ram *r = ram_of(os);

	(void)file;
	*got = 0;
	if (offset < r->bytes)
		*got = bytes < r->bytes - offset ? bytes : (size_t)(r->bytes - offset);
	memcpy(buf, r->file + offset, *got);
	return 0;
}

static int ram_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	struct ram *r = ram_of(os);
	const int code = ram_grow(os, file, offset, bytes);

	if (code == 0)
		memcpy(r->file + offset, buf, bytes);
	return code;
}

static int ram_touch(const struct os *os, os_file file)
{
	(void)os;
	(void)file;
	return 0;
}

static int ram_create(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out)
{
	(void)like;
	*beside = NULL;
	return ram_open(os, path, OS_CREATE, mode, out);
}

static int ram_publish(const struct os *os, os_file file, const char *beside, const char *path)
{
	struct ram *r = ram_of(os);

	(void)path;
	must(file.fd == RAM_FD && beside == NULL);
	must(r->there && !r->named);
	r->named = true;
	return 0;
}

static int ram_unlink(const struct os *os, const char *path)
{
	(void)path;
	must(!ram_of(os)->named);
	ram_of(os)->there = false;
	return 0;
}

/* Maps ----------------------------------------------------------------------------------------------------------- */

static uint64_t reserve_for(const struct ram *r, uint64_t reserve, uint64_t least)
{
	while (reserve / 2 >= least && reserve / 2 >= r->bytes + RAM_ROOM)
		reserve /= 2;
	return reserve;
}

/* It ends where nothing can be touched. */
static void *copy_give(struct ram *r, uint64_t reserve)
{
	must(r->copied == NULL && reserve <= RAM_FILE_MOST);
	r->copied = r->copy + RAM_FILE_MOST - reserve;
	memcpy(r->copied, r->file, r->bytes);
	memset(r->copied + r->bytes, 0, reserve - r->bytes);
	return r->copied;
}

static void *memory_give(struct ram *r, uint64_t bytes)
{
	void *p;

	must(bytes <= RAM_PIECE_MOST);
	ram_take(r, 0); /* address space; what is touched of it is bounded by the file's length */
	if (bytes <= RAM_SMALL) {
		p = calloc(1, bytes);
	} else if (bytes == r->spare_bytes) {
		p = r->spare;
		r->spare_bytes = 0;
	} else {
		p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	}
	must(p != NULL && p != MAP_FAILED);
	return p;
}

/* The next handle wants one just as long: it is kept, and reads as zeroes again. */
static void memory_take_back(struct ram *r, void *base, uint64_t bytes)
{
	if (r->spare_bytes != 0) {
		must(munmap(base, bytes) == 0);
		return;
	}
	must(madvise(base, bytes, MADV_DONTNEED) == 0);
	r->spare = base;
	r->spare_bytes = bytes;
}

static int ram_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		   void **base)
{
	struct ram *r = ram_of(os);

	*base = NULL;
	if (mode == OS_MAP_ANONYMOUS || mode == OS_MAP_MEMORY) {
		must(file.fd < 0);
		*base = memory_give(r, *reserve);
		return 0;
	}
	must(file.fd == RAM_FD);
	*reserve = mode == OS_MAP_SHARED ? RAM_FILE_MOST : reserve_for(r, *reserve, least);
	if (*reserve < least || *reserve > RAM_FILE_MOST)
		return ENOMEM;
	if (mode == OS_MAP_SHARED) {
		must(!r->shared);
		r->shared = true;
		file_fence(r);
		*base = r->file;
	} else {
		*base = copy_give(r, *reserve);
	}
	ram_take(r, 0);
	return 0;
}

static int ram_unmap(const struct os *os, void *base, uint64_t reserve)
{
	struct ram *r = ram_of(os);

	ram_give(r, 0);
	if (base == r->file) {
		r->shared = false;
		must(mprotect(r->file, RAM_FILE_MOST, PROT_READ | PROT_WRITE) == 0);
	} else if (base == r->copied) {
		r->copied = NULL;
	} else if (reserve <= RAM_SMALL) {
		free(base);
	} else {
		memory_take_back(r, base, reserve);
	}
	return 0;
}

/* Memory may be touched from the start; of a file what is not there yet may not. */
static int ram_use(const struct os *os, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os;
	(void)base;
	(void)offset;
	(void)bytes;
	return 0;
}

static int ram_advise(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice)
{
	(void)os;
	(void)base;
	(void)offset;
	(void)bytes;
	(void)advice;
	return 0;
}

/* The rest ------------------------------------------------------------------------------------------------------- */

static int ram_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)file;
	must(base == ram_of(os)->file && offset + bytes <= RAM_FILE_MOST);
	return 0;
}

static int ram_sync(const struct os *os, os_file file)
{
	(void)os;
	(void)file;
	return 0;
}

static int ram_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	(void)file;
	(void)offset;
	(void)bytes;
	return 0;
}

static int ram_named(const struct os *os, os_file file, const char *path)
{
	(void)os;
	(void)file;
	(void)path;
	return 0;
}

static int ram_sync_dir(const struct os *os, os_file file, const char *path)
{
	(void)os;
	(void)file;
	(void)path;
	return 0;
}

static int ram_ready(const struct os *os, os_file file, void *base, uint64_t offset)
{
	(void)os;
	(void)file;
	(void)base;
	(void)offset;
	return 0;
}

/* One thread: nobody would end the sleep. */
static int ram_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	(void)os;
	(void)word;
	(void)value;
	(void)nanoseconds;
	must(false);
	return 0;
}

static unsigned ram_wake(const struct os *os, const _Atomic uint32_t *word, bool all)
{
	(void)os;
	(void)word;
	(void)all;
	return 0;
}

static uint64_t ram_clock(const struct os *os)
{
	return ram_of(os)->ticks += 1000;
}

static int ram_random(const struct os *os, void *buf, size_t bytes)
{
	struct rng rng = {ram_of(os)->random};

	rng_fill(&rng, buf, bytes);
	ram_of(os)->random = rng.state;
	return 0;
}

static void ram_free(const struct os *os, void *ptr)
{
	struct ram_block *b = ptr;

	if (ptr == NULL)
		return;
	ram_give(ram_of(os), (--b)->bytes);
	free(b);
}

static void *ram_alloc(const struct os *os, void *old, size_t bytes)
{
	struct ram *r = ram_of(os);
	struct ram_block *b;

	must(bytes > 0);
	if (bytes > RAM_PIECE_MOST) {
		r->peak = UINT64_MAX;
		return NULL;
	}
	b = malloc(sizeof *b + bytes);
	must(b != NULL);
	b->bytes = bytes;
	ram_take(r, bytes);
	if (old != NULL) {
		const uint64_t had = ((struct ram_block *)old - 1)->bytes;
		memcpy(b + 1, old, had < bytes ? had : bytes);
		ram_free(os, old);
	}
	return b + 1;
}

/* ---------------------------------------------------------------------------------------------------------------- */

static uint8_t *region_make(void)
{
	uint8_t *p = mmap(NULL, RAM_FILE_MOST + DISK_PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED);
	must(mprotect(p + RAM_FILE_MOST, DISK_PAGE, PROT_NONE) == 0);
	return p;
}

void ram_init(struct ram *r, uint64_t seed)
{
	*r = (struct ram){
		.os = {.open = ram_open,
		       .close = ram_close,
		       .size = ram_size,
		       .lock = ram_lock,
		       .unlock = ram_unlock,
		       .map = ram_map,
		       .unmap = ram_unmap,
		       .use = ram_use,
		       .advise = ram_advise,
		       .grow = ram_grow,
		       .truncate = ram_truncate,
		       .punch = ram_punch,
		       .ready = ram_ready,
		       .sync_range = ram_sync_range,
		       .sync = ram_sync,
		       .push = ram_push,
		       .read = ram_read,
		       .write = ram_write,
		       .touch = ram_touch,
		       .create = ram_create,
		       .publish = ram_publish,
		       .unlink = ram_unlink,
		       .named = ram_named,
		       .sync_dir = ram_sync_dir,
		       .wait = ram_wait,
		       .wake = ram_wake,
		       .clock = ram_clock,
		       .random = ram_random,
		       .alloc = ram_alloc,
		       .free = ram_free},
		.random = seed,
	};
	r->os.context = r;
	/* What is given back is wanted again at once. Other allocators need not be told. */
#if defined(M_MMAP_THRESHOLD)
	(void)mallopt(M_MMAP_THRESHOLD, 8 << 20);
	(void)mallopt(M_TRIM_THRESHOLD, 32 << 20);
#endif
	r->file = region_make();
	r->copy = region_make();
	os_set_default(&r->os);
}

void ram_release(struct ram *r)
{
	must(r->taken == 0 && r->held == 0);
	os_set_default(NULL);
	if (r->spare_bytes != 0)
		must(munmap(r->spare, r->spare_bytes) == 0);
	must(munmap(r->file, RAM_FILE_MOST + DISK_PAGE) == 0);
	must(munmap(r->copy, RAM_FILE_MOST + DISK_PAGE) == 0);
}

void ram_clear(struct ram *r)
{
	must(r->taken == 0);
	file_resize(r, 0);
	r->there = r->named = false;
}

void ram_load(struct ram *r, const void *image, size_t bytes)
{
	must(r->taken == 0 && r->held == 0 && bytes <= RAM_FILE_MOST);
	if (r->bytes > bytes)
		memset(r->file + bytes, 0, r->bytes - bytes);
	memcpy(r->file, image, bytes);
	r->bytes = bytes;
	r->there = r->named = true;
	r->peak = 0;
}
