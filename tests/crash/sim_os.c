/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_os.c owns the simulated machine: the table of operations, what they do to the bytes of files, and what a process
 * holds. Names, descriptors and locks are in sim_names.c.
 *
 * 1. Every operation runs the hook first; what it does afterwards happens as a whole.
 * 2. Everything that a process got is listed, so that a killed one leaves nothing behind.
 *
 * A flush makes the range and the length of its file durable (an msync or fdatasync commits the metadata that is needed
 * to read the data back). */
#define _GNU_SOURCE
#include "tests/crash/sim_calls.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const char *const sim_call_names[SIM_CALLS] = {
	"step",   "open",     "close",  "size",  "lock",       "unlock", "map",    "unmap", "use",   "advise",
	"grow",   "truncate", "punch",  "ready", "sync_range", "sync",   "push",   "read",  "write", "touch",
	"create", "publish",  "unlink", "named", "sync_dir",   "clock",  "random", "alloc", "free",
};

struct sim_block {
	struct sim_block *next, *before;
	uint64_t bytes;
	uint64_t unused; /* keeps what follows aligned to 16 */
};

static void sim_see(struct sim *s)
{
	s->moment++;
	for (unsigned i = 0; i < SIM_FILES; i++)
		if (s->entry[i].names > 0)
			sim_file_step(&s->entry[i].file, s->moment);
}

static void hook_run(struct sim *s, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	if (s->hook == NULL)
		return;
	sim_see(s);
	s->hook(s->hook_arg, call, offset, bytes);
}

int sim_enter(struct sim *s, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	hook_run(s, call, offset, bytes);
	if (s->fail_at == 0 || (--s->fail_at != 0 && s->failed == 0))
		return 0;
	if (s->fail_always)
		s->fail_at = 1;
	s->failed++;
	s->failed_call = call;
	return s->fail_code;
}

/* The map -------------------------------------------------------------------------------------------------------- */

static int map_note(struct sim *s, void *base, uint64_t bytes)
{
	for (unsigned i = 0; i < SIM_MAPS; i++) {
		if (s->map[i].base != NULL)
			continue;
		s->map[i].base = base;
		s->map[i].bytes = bytes;
		return 0;
	}
	abort();
}

static int sim_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		   void **base)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_MAP, 0, least);
	uint64_t bytes = *reserve;

	*base = NULL;
	if (r != 0)
		return r;
	while (bytes > SIM_RESERVE && bytes / 2 >= least)
		bytes /= 2;
	*reserve = bytes;
	if (mode == OS_MAP_SHARED) {
		*base = sim_file_of(s, file)->cache;
		return bytes > SIM_RESERVE ? ENOMEM : 0;
	}
	*base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (*base == MAP_FAILED)
		return ENOMEM;
	if (mode == OS_MAP_PRIVATE)
		memcpy(*base, sim_file_of(s, file)->cache, sim_file_of(s, file)->bytes);
	if (mode != OS_MAP_MEMORY && mprotect(*base, bytes, PROT_NONE) != 0)
		abort();
	if (mode == OS_MAP_PRIVATE && mprotect(*base, sim_file_of(s, file)->bytes, PROT_READ) != 0)
		abort();
	return map_note(s, *base, bytes);
}

static int sim_unmap(const struct os *os, void *base, uint64_t reserve)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_UNMAP, 0, reserve);

	for (unsigned i = 0; i < SIM_MAPS; i++) {
		if (s->map[i].base != base)
			continue;
		(void)munmap(base, s->map[i].bytes);
		s->map[i].base = NULL;
	}
	return r;
}

static int sim_use(const struct os *os, void *base, uint64_t offset, uint64_t bytes)
{
	const int r = sim_enter(sim_of(os), SIM_USE, offset, bytes);
	const uint64_t start = offset - offset % SIM_PAGE;

	if (r == 0 && mprotect((char *)base + start, offset + bytes - start, PROT_READ | PROT_WRITE) != 0)
		abort();
	return r;
}

static int sim_advise(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice)
{
	(void)base;
	(void)advice;
	return sim_enter(sim_of(os), SIM_ADVISE, offset, bytes);
}

/* Files ---------------------------------------------------------------------------------------------------------- */

static int sim_size(const struct os *os, os_file file, uint64_t *bytes)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_SIZE, 0, 0);

	*bytes = r == 0 ? sim_file_of(s, file)->bytes : 0;
	return r;
}

static uint64_t used_bytes(const struct sim *s)
{
	uint64_t used = 0;

	for (unsigned i = 0; i < SIM_FILES; i++)
		if (sim_entry_name(&s->entry[i])[0] != '\0' || sim_entry_held(s, i))
			used += sim_file_space(&s->entry[i].file);
	return used;
}

static bool sim_room(void *arg, uint64_t bytes)
{
	const struct sim *s = arg;

	return used_bytes(s) + bytes <= s->capacity;
}

static int sim_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	struct sim *s = sim_of(os);
	struct sim_file *f = sim_file_of(s, file);
	const int r = sim_enter(s, SIM_GROW, offset, bytes);
	uint64_t holes, more;

	if (r != 0)
		return r;
	holes = sim_file_holes(f, offset, offset + bytes);
	more = offset + bytes > f->bytes ? offset + bytes - f->bytes : 0;
	if (offset + bytes > SIM_RESERVE || used_bytes(s) + holes + more > s->capacity)
		return holes + more == 0 ? 0 : ENOSPC;
	sim_file_fill(f, offset, offset + bytes);
	if (more > 0)
		sim_file_resize(f, offset + bytes);
	return 0;
}

static int sim_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_TRUNCATE, bytes, 0);

	if (r == 0)
		sim_file_resize(sim_file_of(s, file), bytes);
	return r;
}

static int sim_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	struct sim *s = sim_of(os);
	struct sim_file *f = sim_file_of(s, file);
	const int r = sim_enter(s, SIM_PUNCH, offset, bytes);

	if (r != 0 || offset >= f->bytes)
		return r;
	sim_file_split(f, offset, offset + bytes);
	sim_file_fill(f, offset, offset + bytes);
	memset(f->cache + offset, 0, bytes < f->bytes - offset ? bytes : f->bytes - offset);
	sim_see(s);
	sim_file_punch(f, offset, offset + bytes);
	s->punched += bytes;
	return 0;
}

static int sim_ready(const struct os *os, os_file file, void *base, uint64_t offset)
{
	struct sim *s = sim_of(os);
	struct sim_file *f = sim_file_of(s, file);
	const int r = sim_enter(s, SIM_READY, offset, 1);

	assert(base == (void *)f->cache && offset < f->bytes);
	(void)base;
	if (r != 0)
		return r;
	return sim_file_touch(f, offset) ? 0 : ENOSPC;
}

static int flush_do(struct sim *s, os_file file, uint64_t start, uint64_t end, int r)
{
	struct sim_file *f = sim_file_of(s, file);
	struct sim_fd *fd = &s->fd[file.fd - 100];

	sim_see(s);
	s->flushes_after += fd->flush_failed;
	fd->flushes++;
	if (r == 0)
		sim_file_flush(f, start, end);
	else if (s->fail_loses)
		sim_file_lose(f, start, end, &s->random);
	if (r == 0 && fd->errors != f->errors) {
		s->stale++;
		r = EIO;
	}
	fd->errors = f->errors;
	f->error_told = true;
	if (r != 0 && fd->flushes > 1)
		s->flush_failed = fd->flush_failed = true;
	return r;
}

static int sim_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_SYNC_RANGE, offset, bytes);

	assert(base == (void *)sim_file_of(s, file)->cache);
	(void)base;
	return flush_do(s, file, offset, offset + bytes, r);
}

static int sim_sync(const struct os *os, os_file file)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_SYNC, 0, 0);

	return flush_do(s, file, 0, SIM_RESERVE, r);
}

static int sim_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)file;
	return sim_enter(sim_of(os), SIM_PUSH, offset, bytes);
}

static int sim_read(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got)
{
	struct sim *s = sim_of(os);
	const struct sim_file *f = sim_file_of(s, file);
	const int r = sim_enter(s, SIM_READ, offset, bytes);

	*got = 0;
	if (r != 0)
		return r;
	if (offset < f->bytes)
		*got = bytes < f->bytes - offset ? bytes : (size_t)(f->bytes - offset);
	memcpy(buf, f->cache + offset, *got);
	return 0;
}

static int sim_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	struct sim *s = sim_of(os);
	struct sim_file *f = sim_file_of(s, file);
	const int r = sim_enter(s, SIM_WRITE, offset, bytes);
	uint64_t holes;

	if (r != 0)
		return r;
	if (offset + bytes > SIM_RESERVE)
		return ENOSPC;
	holes = sim_file_holes(f, offset, offset + bytes);
	if (holes > 0 && used_bytes(s) + holes > s->capacity)
		return ENOSPC;
	sim_file_fill(f, offset, offset + bytes);
	if (offset + bytes > f->bytes)
		sim_file_resize(f, (offset + bytes + SIM_SECTOR - 1) & ~(SIM_SECTOR - 1));
	sim_file_write(f, offset, buf, bytes);
	return 0;
}

/* Of the time of change nothing is kept. */
static int sim_touch(const struct os *os, os_file file)
{
	(void)file;
	return sim_enter(sim_of(os), SIM_TOUCH, 0, 0);
}

/* The rest ------------------------------------------------------------------------------------------------------- */

/* The machine runs one thread: nobody would end the sleep. */
static int sim_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	(void)os;
	(void)word;
	(void)value;
	(void)nanoseconds;
	abort();
}

static unsigned sim_wake(const struct os *os, const _Atomic uint32_t *word, bool all)
{
	(void)os;
	(void)word;
	(void)all;
	return 0;
}

static uint64_t sim_clock(const struct os *os)
{
	struct sim *s = sim_of(os);

	return s->ticks += 1000;
}

static int sim_fill(const struct os *os, void *buf, size_t bytes)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_RANDOM, 0, bytes);

	for (size_t i = 0; r == 0 && i < bytes; i++)
		((uint8_t *)buf)[i] = (uint8_t)sim_random(&s->random);
	return r;
}

static void block_unlink(struct sim *s, struct sim_block *b)
{
	if (b->next != NULL)
		b->next->before = b->before;
	if (b->before != NULL)
		b->before->next = b->next;
	else
		s->blocks = b->next;
	s->block_count--;
}

static void sim_free(const struct os *os, void *ptr)
{
	struct sim_block *b = ptr;

	if (ptr == NULL)
		return;
	b--;
	block_unlink(sim_of(os), b);
	free(b);
}

static void *sim_alloc(const struct os *os, void *old, size_t bytes)
{
	struct sim *s = sim_of(os);
	struct sim_block *b;

	assert(bytes > 0);
	if (sim_enter(s, SIM_ALLOC, 0, bytes) != 0)
		return NULL;
	b = malloc(sizeof *b + bytes);
	if (b == NULL)
		return NULL;
	b->bytes = bytes;
	b->before = NULL;
	b->next = s->blocks;
	if (b->next != NULL)
		b->next->before = b;
	s->blocks = b;
	s->block_count++;
	if (old != NULL) {
		const uint64_t had = ((struct sim_block *)old - 1)->bytes;
		memcpy(b + 1, old, had < bytes ? had : bytes);
		sim_free(os, old);
	}
	return b + 1;
}

/* The machine ---------------------------------------------------------------------------------------------------- */

void sim_init(struct sim *s, bool tracked, uint64_t seed)
{
	memset(s, 0, sizeof *s);
	s->os = (struct os){
		.size = sim_size,
		.map = sim_map,
		.unmap = sim_unmap,
		.use = sim_use,
		.advise = sim_advise,
		.grow = sim_grow,
		.truncate = sim_truncate,
		.punch = sim_punch,
		.ready = sim_ready,
		.sync_range = sim_sync_range,
		.sync = sim_sync,
		.push = sim_push,
		.read = sim_read,
		.write = sim_write,
		.touch = sim_touch,
		.wait = sim_wait,
		.wake = sim_wake,
		.clock = sim_clock,
		.random = sim_fill,
		.alloc = sim_alloc,
		.free = sim_free,
		.context = s,
	};
	sim_names_init(&s->os);
	s->tracked = tracked;
	s->random = seed;
	s->capacity = UINT64_MAX;
	for (unsigned i = 0; i < SIM_FILES; i++) {
		sim_file_init(&s->entry[i].file, tracked);
		s->entry[i].file.room = sim_room;
		s->entry[i].file.room_arg = s;
	}
}

void sim_kill(struct sim *s)
{
	while (s->blocks != NULL) {
		struct sim_block *b = s->blocks;
		block_unlink(s, b);
		free(b);
	}
	for (unsigned i = 0; i < SIM_MAPS; i++)
		if (s->map[i].base != NULL)
			(void)munmap(s->map[i].base, s->map[i].bytes);
	s->flush_failed = false;
	memset(s->map, 0, sizeof s->map);
	memset(s->fd, 0, sizeof s->fd);
}

void sim_release(struct sim *s)
{
	sim_kill(s);
	for (unsigned i = 0; i < SIM_FILES; i++)
		sim_file_release(&s->entry[i].file);
}

unsigned sim_write_back(struct sim *s)
{
	unsigned lossy = 0;

	sim_see(s);
	for (unsigned i = 0; i < SIM_FILES; i++)
		if (s->entry[i].names > 0 && s->entry[i].file.tracked)
			lossy += sim_file_write_back(&s->entry[i].file, &s->random);
	return lossy;
}

void sim_step(struct sim *s)
{
	hook_run(s, SIM_STEP, 0, 0);
}
