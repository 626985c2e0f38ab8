/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* open.c owns the life of a handle: making a store, opening, closing.
 *
 * 1. A new store is locked, built and flushed before it has its name, which it never takes from another file. An empty
 *    file that has the name becomes a store in place (newstore.c). Its maker keeps the descriptor that it was made with,
 *    whatever its mode lets others do.
 * 2. A writing handle holds the file exclusively, a reading one shares it with other reading ones. Whoever holds it
 *    exclusively may remove it: so a file is looked for again under its name once it is locked.
 * 3. A handle that came along through fork is only let go of: nothing is flushed, unlocked or cut. Its descriptor was
 *    closed by the fork, and its number may be another file's by now. */
#include "arena/open.h"

#include <errno.h>
#include <string.h>

#include "arena/arena.h"
#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/draft.h"
#include "arena/log/adopt.h"
#include "arena/log/checkpoint.h"
#include "arena/log/flush.h"
#include "arena/log/log.h"
#include "arena/log/recover.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/move/shrink.h"
#include "arena/moving.h"
#include "arena/newstore.h"
#include "arena/os/fork.h"
#include "arena/space/freemap.h"

#define OPEN_TRIES  8
#define CREATE_MODE 0644u
/* A log up to this long is left to the next open to replay; a longer one is worth a checkpoint at close. */
#define CLOSE_REPLAY (UINT64_C(16) << 10)

static int arena_new(const struct arena_options *o, arena **out)
{
	const struct os *os = o->os != NULL ? o->os : os_default();
	/* Reader slots stand alone in their cache lines, the writer's too: more than an allocation is aligned to. */
	const size_t align = _Alignof(arena);
	const size_t bytes = sizeof(arena) + sizeof(struct books);
	void *memory = os->alloc(os, NULL, bytes + align);
	arena *a;
	int r;

	if (memory == NULL)
		return ENOMEM;
	a = (arena *)(((uintptr_t)memory + align - 1) & ~(uintptr_t)(align - 1));
	memset(a, 0, bytes);
	a->block = memory;
	a->b = (struct books *)(a + 1);
	a->os = a->memory = os;
	a->kind = o->kind;
	a->read_only = (o->flags & GRAVITY_RDONLY) != 0;
	a->lazy = o->durability == GRAVITY_LAZY;
	a->planner = o->planner;
	a->checkpoint_bytes = o->checkpoint_bytes;
	a->fork_generation = os_fork_generation();
	a->map.file = OS_NOFILE;
	a->map.verify = (o->flags & GRAVITY_NOVERIFY) == 0;
	r = os_fork_watch();
	if (r == 0)
		r = readers_init(&a->readers, os);
	if (r != 0) {
		os->free(os, a->block);
		return r;
	}
	moving_begin(a);
	a->b->home = a->checkpoint.home = a->b;
	*out = a;
	return 0;
}

/* Lets go of everything without a word to the file. */
static void arena_free(arena *a)
{
	const struct os *os = a->os;

	books_adopt(a);
	checkpoint_adopt(a);
	ops_release(&a->writer.ops);
	log_release(&a->b->log);
	space_release(&a->b->space);
	readers_release(&a->readers);
	map_close(&a->map);
	checkpoint_release(a);
	freemap_release(&a->b->interval.freemap, a->memory);
	a->memory->free(a->memory, a->b->replayed);
	moving_end(a);
	os->free(os, a->block);
}

static bool may_create(const struct arena_options *o)
{
	return (o->flags & (GRAVITY_RDONLY | GRAVITY_NOCREATE)) == 0;
}

/* A new store at path, locked; EEXIST where something is there. */
static int store_create(const struct os *os, const char *path, const struct arena_options *o, os_file *file)
{
	struct draft d;
	int r = draft_open(&d, os, path, o->mode != 0 ? o->mode : CREATE_MODE, OS_NOFILE);

	if (r != 0)
		return r;
	r = newstore_build(os, d.file, o);
	if (r == 0)
		r = draft_publish(&d, path);
	if (r == 0)
		*file = draft_keep(&d);
	draft_close(&d);
	return r;
}

static void file_close(const struct os *os, os_file file)
{
	if (file.fd < 0)
		return;
	(void)os->unlock(os, file);
	(void)os->close(os, file);
}

int file_share(const struct os *os, const char *path, file_work *work, void *arg)
{
	os_file file = OS_NOFILE;
	int r = os->open(os, path, OS_RDONLY, 0, &file);

	if (r != 0)
		return r;
	r = os->lock(os, file, false);
	if (r == 0) {
		r = work(arg, file);
		(void)os->unlock(os, file);
	}
	(void)os->close(os, file);
	return r;
}

/* Locks what was opened at `path`. EEXIST: it is not there any more. */
static int file_lock(const struct os *os, const char *path, bool exclusive, os_file *file)
{
	int r = os->lock(os, *file, exclusive);
	const bool locked = r == 0;

	if (locked && !broken(BROKEN_REMOVED))
		r = os->named(os, *file, path);
	if (r == 0)
		return 0;
	file_close(os, *file);
	*file = OS_NOFILE;
	return locked && r == ENOENT ? EEXIST : r;
}

/* The file of that name, or (*made) a new one, locked. GRAVITY_BUSY where others keep making and removing it. */
static int file_open(const struct os *os, const char *path, const struct arena_options *o, os_file *file, bool *made)
{
	const bool read_only = (o->flags & GRAVITY_RDONLY) != 0;

	/* What was not there may be there before a new one is, and the other way round. */
	for (int i = 0; i < OPEN_TRIES; i++) {
		int r = os->open(os, path, read_only ? OS_RDONLY : 0, 0, file);
		if (r == 0) {
			r = file_lock(os, path, !read_only, file);
		} else if (r == ENOENT && may_create(o)) {
			r = store_create(os, path, o, file);
			*made = r == 0;
		}
		if (r != EEXIST)
			return r;
	}
	return GRAVITY_BUSY;
}

int short_file(const struct os *os, os_file file)
{
	uint8_t magic[8] = {0};
	size_t got = 0;
	const int r = os->read(os, file, 0, magic, sizeof magic, &got);

	if (r != 0)
		return r;
	return got == sizeof magic && memcmp(magic, HEADER_MAGIC, sizeof magic) == 0 ? GRAVITY_CORRUPT
										     : GRAVITY_NOTASTORE;
}

/* A file that is no longer than a new store, and may be an empty one. *bytes: its length afterwards. */
static int young_file(arena *a, const struct arena_options *o, uint64_t *bytes)
{
	bool wanted;
	int r = newstore_wanted(a->os, a->map.file, &wanted);

	if (r != 0 || !wanted)
		return r;
	r = newstore_build(a->os, a->map.file, o);
	if (r == 0)
		*bytes = NEWSTORE_BYTES;
	a->flush.begun = true;
	return r;
}

/* A limit is of what is written; 0: none. */
static uint64_t limit_of(const arena *a, const struct arena_options *o)
{
	return a->read_only ? 0 : o->max_bytes;
}

static int arena_map(arena *a, const struct arena_options *o)
{
	const enum os_map_mode mode = a->read_only ? OS_MAP_PRIVATE : OS_MAP_SHARED;
	const uint64_t most = limit_of(a, o) != 0 ? limit_of(a, o) : UINT64_MAX;
	uint64_t bytes;
	int r;

	if (a->map.file.fd < 0) {
		r = map_open(&a->map, a->os, OS_NOFILE, OS_MAP_ANONYMOUS, NEWSTORE_BYTES, most);
		return r != 0 ? r : newstore_fill(a->os, o, a->map.base);
	}
	/* Its length is that after the lock: whoever had it before may have made it a store. */
	r = a->os->size(a->os, a->map.file, &bytes);
	if (r == 0 && bytes <= NEWSTORE_BYTES && may_create(o))
		r = young_file(a, o, &bytes);
	if (r != 0)
		return r;
	if (bytes < DISK_DATA)
		return short_file(a->os, a->map.file);
	/* A file may have any length. What is left of a last unit is nobody's, and is never looked at. */
	bytes &= ~(DISK_UNIT - 1);
	return map_open(&a->map, a->os, a->map.file, mode, bytes, most);
}

/* From a mapped file to a state. */
static int arena_start(arena *a, const struct arena_options *o)
{
	struct header_disk *h = &a->flush.header;
	int r = header_choose(&a->map, h, &a->flush.header_index);

	if (r != 0)
		return r;
	if (h->kind != (uint32_t)a->kind)
		return GRAVITY_NOTASTORE;
	a->hash_seed = h->hash_seed;
	header_adopt(&a->map, h);
	space_init(&a->b->space, a->memory, &a->map, &a->readers, limit_of(a, o));
	holes_add(&a->b->space.holes, a->memory, 0, map_bytes(&a->map)); /* as far as is known */
	log_init(&a->b->log, &a->map, &a->b->space);
	ops_init(&a->writer.ops, a->os);
	a->b->table.map = &a->map;
	a->b->table.space = &a->b->space;
	a->writer.txn.arena = a;
	return recover(a);
}

static bool options_valid(const char *path, const struct arena_options *o)
{
	const unsigned known = GRAVITY_RDONLY | GRAVITY_NOCREATE | GRAVITY_NOVERIFY;

	return (o->flags & ~known) == 0 && o->durability <= GRAVITY_LAZY && (unsigned)o->planner <= GRAVITY_CHEAPEST &&
	       (path != NULL || (o->flags & GRAVITY_RDONLY) == 0) && o->mode <= 0777;
}

int arena_open_in(os_file file, const struct arena_options *options, arena **out)
{
	arena *a;
	int r = arena_new(options, &a);

	if (r != 0)
		return r;
	a->map.file = file;
	r = arena_map(a, options);
	if (r == 0)
		r = arena_start(a, options);
	if (r != 0) {
		arena_free(a);
		return r;
	}
	atomic_store(&a->flush.dated, atomic_load(&a->readers.seq));
	*out = a;
	return 0;
}

/* Whoever made a young store may have been killed before its name was durable. A store that has seen a checkpoint was
 * written by a handle that has passed here. */
static int name_settle(const arena *a, const char *path)
{
	if (a->read_only || a->flush.header.checkpoint != 1 || broken(BROKEN_NAME))
		return 0;
	return a->os->sync_dir(a->os, a->map.file, path);
}

int arena_open(const char *path, const struct arena_options *options, arena **out)
{
	const struct os *os = options->os != NULL ? options->os : os_default();
	os_file file = OS_NOFILE;
	bool made = false;
	arena *a = NULL;
	int r = 0;

	*out = NULL;
	if (!options_valid(path, options))
		return GRAVITY_INVALID;
	if (path != NULL)
		r = file_open(os, path, options, &file, &made);
	if (r != 0)
		return r;
	r = arena_open_in(file, options, &a);
	/* What the kernel had to tell of this file it has told the flushes of its making. */
	if (r == 0 && made)
		a->flush.begun = true;
	if (r == 0 && path != NULL)
		r = name_settle(a, path);
	if (r != 0) {
		if (a != NULL)
			arena_free(a);
		file_close(os, file);
		return r;
	}
	*out = a;
	return 0;
}

/* Everything that was committed, and the mark that says so, on stable storage. */
static int close_flush(arena *a)
{
	bool checkpointed;
	int flushed;
	int r = arena_failed(a) ? GRAVITY_FAILED : 0;

	if (r != 0 || a->read_only || a->map.mode != OS_MAP_SHARED)
		return r;
	if (a->b->replayed_count > 0 && commits_left(a))
		r = writer_session(a);
	if (r != 0 || !a->flush.settled)
		return r;
	/* What snapshots that have ended saw is no part of how long the file may be. */
	(void)space_drain(&a->b->space, UINT64_MAX);
	/* On a full disk a replay may want for room, however short it is. */
	checkpointed = log_replay(&a->b->log) >= (a->b->space.full ? 1 : CLOSE_REPLAY) || shrink_wanted(a);
	if (checkpointed) {
		r = shrink_close(a);
		/* What has no room for a checkpoint is replayed at the next open. */
		if (space_none(r))
			r = 0;
	}
	/* Whatever became of the checkpoint, the commits are made stable. */
	flushed = arena_failed(a) ? GRAVITY_FAILED : flush_to(a, atomic_load(&a->flush.list.seq));
	if (flushed == 0)
		flushed = flush_range(a, 0, DISK_DATA);
	r = r != 0 ? r : flushed;
	(void)space_drain(&a->b->space, UINT64_MAX);
	if (r == 0) {
		(void)space_end_cluster(&a->b->space);
		space_ready(&a->b->space);
		space_trim(&a->b->space, a->flush.header.file_bytes);
		space_cut(&a->b->space);
		(void)space_punch(&a->b->space, DISK_DATA, SPACE_PUNCH_LEAST, UINT64_MAX);
		/* What wrote little has made few slots that were not there when it came. */
		if (checkpointed)
			(void)space_punch(&a->b->space, DISK_DATA, DISK_PAGE, SPACE_PUNCH_MOST);
	}
	return r;
}

int arena_leave(arena *a)
{
	int r = 0;

	if (arena_ours(a)) {
		if (atomic_load(&a->open_txns) > 0)
			return GRAVITY_BUSY;
		(void)writer_lock(a, false);
		r = close_flush(a);
		flush_date(a);
		writer_unlock(a);
	}
	arena_free(a);
	return r;
}

int arena_close(arena *a)
{
	const struct os *os;
	os_file file;
	bool ours;
	int r;

	if (a == NULL)
		return 0;
	os = a->os;
	file = a->map.file;
	ours = arena_ours(a);
	r = arena_leave(a);
	if (ours && r != GRAVITY_BUSY)
		file_close(os, file);
	return r;
}

uint64_t arena_seed(const arena *a)
{
	return a->hash_seed;
}

const struct os *arena_os(const arena *a)
{
	return a->os;
}
