/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* arena_fixture.c: see arena_fixture.h. */
#define _GNU_SOURCE

#include "tests/arena/arena_fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- a system that fails ------------------------------------------------------------------------------------------ */

static struct faulty *faulty_of(const struct os *os)
{
	return os->context;
}

/* Counts a call; gives the code that it is to fail with, or 0. */
static int faulty_count(struct faulty *f, enum faulty_call call)
{
	uint64_t n;

	if ((f->counted & call) == 0)
		return 0;
	n = atomic_fetch_add(&f->calls, 1) + 1;
	if (f->fail_at == 0 || n < f->fail_at || (n > f->fail_at && !f->for_ever))
		return 0;
	atomic_fetch_add(&f->failed, 1);
	return f->code;
}

static void *faulty_alloc(const struct os *os, void *old, size_t bytes)
{
	struct faulty *f = faulty_of(os);
	void *block;

	must(bytes > 0);
	if (faulty_count(f, FAULTY_ALLOC) != 0)
		return NULL;
	block = os_posix()->alloc(os_posix(), old, bytes);
	if (block != NULL && old == NULL)
		atomic_fetch_add(&f->blocks, 1);
	return block;
}

static void faulty_free(const struct os *os, void *ptr)
{
	if (ptr != NULL)
		atomic_fetch_sub(&faulty_of(os)->blocks, 1);
	os_posix()->free(os_posix(), ptr);
}

static int faulty_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out)
{
	struct faulty *f = faulty_of(os);
	int r = faulty_count(f, FAULTY_OPEN);

	if (r == 0)
		r = os_posix()->open(os_posix(), path, flags, mode, out);
	if (r == 0)
		atomic_fetch_add(&f->files, 1);
	return r;
}

/* A file is closed even where that fails. */
static int faulty_close(const struct os *os, os_file file)
{
	struct faulty *f = faulty_of(os);
	const int r = faulty_count(f, FAULTY_CLOSE);

	must_give(os_posix()->close(os_posix(), file), 0);
	atomic_fetch_sub(&f->files, 1);
	return r;
}

static int faulty_size(const struct os *os, os_file file, uint64_t *bytes)
{
	const int r = faulty_count(faulty_of(os), FAULTY_SIZE);

	return r != 0 ? r : os_posix()->size(os_posix(), file, bytes);
}

static int faulty_lock(const struct os *os, os_file file, bool exclusive)
{
	const int r = faulty_count(faulty_of(os), FAULTY_LOCK);

	return r != 0 ? r : os_posix()->lock(os_posix(), file, exclusive);
}

static int faulty_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		      void **base)
{
	struct faulty *f = faulty_of(os);
	int r = faulty_count(f, FAULTY_MAP);

	if (r == 0)
		r = os_posix()->map(os_posix(), file, mode, least, reserve, base);
	if (r == 0)
		atomic_fetch_add(&f->maps, 1);
	return r;
}

static int faulty_unmap(const struct os *os, void *base, uint64_t reserve)
{
	atomic_fetch_sub(&faulty_of(os)->maps, 1);
	return os_posix()->unmap(os_posix(), base, reserve);
}

static int faulty_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	const int r = faulty_count(faulty_of(os), FAULTY_GROW);

	return r != 0 ? r : os_posix()->grow(os_posix(), file, offset, bytes);
}

static int faulty_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	const int r = faulty_count(faulty_of(os), FAULTY_TRUNCATE);

	return r != 0 ? r : os_posix()->truncate(os_posix(), file, bytes);
}

static int faulty_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	const int r = faulty_count(faulty_of(os), FAULTY_PUNCH);

	return r != 0 ? r : os_posix()->punch(os_posix(), file, offset, bytes);
}

static int faulty_ready(const struct os *os, os_file file, void *base, uint64_t offset)
{
	const int r = faulty_count(faulty_of(os), FAULTY_READY);

	return r != 0 ? r : os_posix()->ready(os_posix(), file, base, offset);
}

/* What a flush says of a range, without the wait. */
static int range_look(void *base, uint64_t offset, uint64_t bytes)
{
	const uint64_t start = offset - offset % (uint64_t)sysconf(_SC_PAGESIZE);

	must(base != NULL && offset <= UINT64_MAX - bytes);
	return bytes == 0 || msync((char *)base + start, offset + bytes - start, MS_ASYNC) == 0 ? 0 : errno;
}

static int faulty_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	struct faulty *f = faulty_of(os);
	const int r = faulty_count(f, FAULTY_SYNC_RANGE);

	if (f->before_flush != NULL)
		f->before_flush(f->arg);
	if (r != 0)
		return r;
	return f->unflushed ? range_look(base, offset, bytes)
			    : os_posix()->sync_range(os_posix(), file, base, offset, bytes);
}

static int faulty_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	return faulty_of(os)->unflushed ? 0 : os_posix()->push(os_posix(), file, offset, bytes);
}

static int faulty_sync(const struct os *os, os_file file)
{
	struct faulty *f = faulty_of(os);
	const int r = faulty_count(f, FAULTY_SYNC);

	if (f->before_flush != NULL)
		f->before_flush(f->arg);
	return r != 0 || f->unflushed ? r : os_posix()->sync(os_posix(), file);
}

static int faulty_read(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got)
{
	const int r = faulty_count(faulty_of(os), FAULTY_READ);

	*got = 0;
	return r != 0 ? r : os_posix()->read(os_posix(), file, offset, buf, bytes, got);
}

static int faulty_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	const int r = faulty_count(faulty_of(os), FAULTY_WRITE);

	return r != 0 ? r : os_posix()->write(os_posix(), file, offset, buf, bytes);
}

static int faulty_create(const struct os *os, const char *to, unsigned mode, os_file like, char **beside, os_file *out)
{
	struct faulty *f = faulty_of(os);
	int r = faulty_count(f, FAULTY_OPEN);

	if (r == 0)
		r = os_posix()->create(os, to, mode, like, beside, out);
	if (r == 0)
		atomic_fetch_add(&f->files, 1);
	return r;
}

static int faulty_publish(const struct os *os, os_file file, const char *beside, const char *to)
{
	const int r = faulty_count(faulty_of(os), FAULTY_PUBLISH);

	return r != 0 ? r : os_posix()->publish(os, file, beside, to);
}

static int faulty_sync_dir(const struct os *os, os_file file, const char *path)
{
	struct faulty *f = faulty_of(os);
	const int r = faulty_count(f, FAULTY_SYNC_DIR);

	return r != 0 || f->unflushed ? r : os_posix()->sync_dir(os_posix(), file, path);
}

static int faulty_random(const struct os *os, void *buf, size_t bytes)
{
	const int r = faulty_count(faulty_of(os), FAULTY_RANDOM);

	return r != 0 ? r : os_posix()->random(os_posix(), buf, bytes);
}

void faulty_init(struct faulty *f)
{
	memset(f, 0, sizeof(*f));
	f->os = *os_posix();
	f->os.alloc = faulty_alloc;
	f->os.free = faulty_free;
	f->os.open = faulty_open;
	f->os.close = faulty_close;
	f->os.size = faulty_size;
	f->os.lock = faulty_lock;
	f->os.map = faulty_map;
	f->os.unmap = faulty_unmap;
	f->os.grow = faulty_grow;
	f->os.truncate = faulty_truncate;
	f->os.punch = faulty_punch;
	f->os.ready = faulty_ready;
	f->os.sync_range = faulty_sync_range;
	f->os.push = faulty_push;
	f->os.sync = faulty_sync;
	f->os.read = faulty_read;
	f->os.write = faulty_write;
	f->os.create = faulty_create;
	f->os.publish = faulty_publish;
	f->os.sync_dir = faulty_sync_dir;
	f->os.random = faulty_random;
	f->os.context = f;
}

void faulty_arm(struct faulty *f, unsigned counted, uint64_t nth, int code, bool for_ever)
{
	f->counted = counted;
	f->code = code;
	f->for_ever = for_ever;
	f->fail_at = nth;
	atomic_store(&f->calls, 0);
	atomic_store(&f->failed, 0);
}

void faulty_clean(const struct faulty *f)
{
	must(atomic_load(&f->blocks) == 0);
	must(atomic_load(&f->files) == 0);
	must(atomic_load(&f->maps) == 0);
}

/* --- the lower parts ---------------------------------------------------------------------------------------------- */

void bare_open(struct bare *b, const struct os *os, uint64_t bytes, uint64_t max_bytes)
{
	memset(b, 0, sizeof(*b));
	b->map.verify = true;
	b->map.identity = UINT64_C(0x1d0f0a5709e5);
	b->map.newest = UINT64_MAX;
	must_give(map_open(&b->map, os, OS_NOFILE, OS_MAP_ANONYMOUS, bytes, UINT64_MAX), 0);
	must_give(readers_init(&b->readers, os), 0);
	space_init(&b->space, b->map.os, &b->map, &b->readers, max_bytes);
	log_init(&b->log, &b->map, &b->space);
	b->table.map = &b->map;
	b->table.space = &b->space;
	if (bytes > DISK_DATA)
		must_give(slots_insert(&b->space.free, DISK_DATA, bytes - DISK_DATA), 0);
	bare_commit(b, 1);
}

void bare_close(struct bare *b)
{
	log_release(&b->log);
	space_release(&b->space);
	readers_release(&b->readers);
	map_close(&b->map);
}

void bare_commit(struct bare *b, uint64_t seq)
{
	(void)readers_apply_begin(&b->readers);
	readers_apply_end(&b->readers, seq, b->table.root);
	b->table.seq = seq + 1;
	b->log.seq = seq + 1;
}

struct blob_disk *bare_record(struct bare *b, uint64_t name, uint64_t seq, const void *data, uint32_t size)
{
	struct blob_disk *blob;
	uint64_t offset;

	must_give(space_take(&b->space, blob_span(size), &offset), 0);
	blob = blob_at(&b->map, offset);
	blob_init(blob, blob_stamp(seq, BLOB_PUT, 0), name, size, 0, 0);
	if (size > 0)
		memcpy(blob + 1, data, size);
	blob_seal(&b->map, blob);
	return blob;
}

static int extent_insert(void *arg, const struct extent *e)
{
	return slots_insert(arg, e->start, e->size);
}

void bare_sound(const struct bare *b)
{
	const struct slots *s = &b->space.free;
	struct slots all;

	must_give(slots_check(s, NULL), 0);
	slots_init(&all, os_posix());
	for (slot_id id = s->first; id != SLOT_NONE; id = slots_next(s, id))
		must_give(slots_insert(&all, slots_start(s, id), slots_size(s, id)), 0);
	must_give(pending_each(&b->space.pending, extent_insert, &all), 0);
	must(all.bytes == s->bytes + b->space.pending.bytes);
	must(all.last == SLOT_NONE || slots_start(&all, all.last) + slots_size(&all, all.last) <= map_bytes(&b->map));
	slots_release(&all);
}

/* --- arenas and their model --------------------------------------------------------------------------------------- */

struct model model_tried;

struct arena_options plain_options(unsigned flags, unsigned durability)
{
	return (struct arena_options){.kind = ARENA_KEYED, .flags = flags, .durability = durability};
}

arena *arena_must_open(const char *path, const struct arena_options *o)
{
	arena *a;

	must_give(arena_open(path, o, &a), 0);
	must(a != NULL);
	return a;
}

arena *arena_lazy(const char *path)
{
	const struct arena_options o = plain_options(0, GRAVITY_LAZY);

	return arena_must_open(path, &o);
}

void arena_must_close(arena *a)
{
	must_give(arena_close(a), 0);
}

vpos model_name(unsigned i)
{
	return (vpos){mix64(i + 1)};
}

int model_put(struct model *m, arena_txn *t, unsigned i, uint64_t number, uint32_t size)
{
	void *data;
	const int r = arena_put(t, model_name(i), i, size, &data);

	if (r != 0)
		return r;
	bytes_make(data, size, number);
	m->number[i] = number;
	m->size[i] = size;
	return 0;
}

int model_del(struct model *m, arena_txn *t, unsigned i)
{
	const int r = arena_del(t, model_name(i));

	if (r == 0)
		m->number[i] = 0;
	return r;
}

static int model_change(struct model *m, arena_txn *t, struct rng *r, uint32_t max_size)
{
	const unsigned i = (unsigned)rng_below(r, MODEL_NAMES);

	if (m->number[i] != 0 && rng_below(r, 3) == 0)
		return model_del(m, t, i);
	return model_put(m, t, i, rng_next(r) | 1, (uint32_t)rng_size(r, max_size));
}

int model_commit(struct model *m, arena *a, struct rng *r, unsigned count, uint32_t max_size, unsigned flags)
{
	struct model next = *m;
	arena_txn *t;
	int result = arena_begin(a, ARENA_WRITE | flags, &t);

	if (result != 0)
		return result;
	for (unsigned i = 0; result == 0 && i < count; i++)
		result = model_change(&next, t, r, max_size);
	if (result != 0) {
		arena_abort(t);
		return result;
	}
	model_tried = next;
	result = arena_commit(t);
	if (result == 0)
		*m = next;
	return result;
}

bool model_fits_txn(const struct model *m, arena_txn *t)
{
	for (unsigned i = 0; i < MODEL_NAMES; i++) {
		struct arena_blob blob;
		const int r = arena_find(t, model_name(i), &blob);
		if (r != (m->number[i] == 0 ? GRAVITY_NOTFOUND : 0))
			return false;
		if (r == 0 &&
		    (blob.size != m->size[i] || blob.aux != i || !bytes_fit(blob.data, blob.size, m->number[i])))
			return false;
	}
	return true;
}

bool model_fits(const struct model *m, arena *a)
{
	arena_walk *walk;
	struct arena_blob blob;
	uint64_t walked = 0;
	uint64_t known = 0;
	arena_txn *t;
	vpos name;
	bool fits;

	must_give(arena_begin(a, ARENA_READ, &t), 0);
	fits = model_fits_txn(m, t);
	must_give(arena_walk_open(t, &walk), 0);
	while (arena_walk_next(walk, &name, &blob) == 0)
		walked++;
	arena_walk_close(walk);
	arena_abort(t);
	for (unsigned i = 0; i < MODEL_NAMES; i++)
		known += m->number[i] != 0;
	return fits && walked == known;
}

static int finding_print(void *arg, const char *finding)
{
	(void)fprintf(stderr, "%s: %s\n", (const char *)arg, finding);
	return 0;
}

void arena_must_be_sound(arena *a)
{
	must_give(arena_check_live(a, finding_print, (void *)(uintptr_t) "live"), 0);
}

void file_must_be_sound(const char *path)
{
	const struct arena_options o = plain_options(0, 0);

	must_give(arena_check(path, &o, NULL, NULL, finding_print, (void *)(uintptr_t)path), 0);
}

int file_opens_as(const char *path, const struct model *m, bool *fits)
{
	const struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a;
	const int r = arena_open(path, &o, &a);

	*fits = false;
	if (r != 0)
		return r;
	*fits = model_fits(m, a);
	if (*fits)
		arena_must_be_sound(a);
	(void)arena_close(a);
	return 0;
}

void file_must_hold(const char *path, const struct model *m)
{
	bool fits;

	must_give(file_opens_as(path, m, &fits), 0);
	must(fits);
	file_must_be_sound(path);
}

void file_poke(const char *path, uint64_t offset, const void *data, size_t bytes)
{
	FILE *file = fopen(path, "r+b");

	must(file != NULL);
	must(fseek(file, (long)offset, SEEK_SET) == 0);
	must(fwrite(data, 1, bytes, file) == bytes);
	must(fclose(file) == 0);
}

void file_peek(const char *path, uint64_t offset, void *data, size_t bytes)
{
	FILE *file = fopen(path, "rb");

	must(file != NULL);
	must(fseek(file, (long)offset, SEEK_SET) == 0);
	must(fread(data, 1, bytes, file) == bytes);
	must(fclose(file) == 0);
}

void file_copy(const char *from, const char *to)
{
	size_t bytes;
	void *data = file_read(from, &bytes);

	file_write(to, data, bytes);
	free(data);
}

void file_flip(const char *path, uint64_t offset, unsigned bit)
{
	unsigned char byte;

	file_peek(path, offset, &byte, 1);
	byte = (unsigned char)(byte ^ 1u << bit);
	file_poke(path, offset, &byte, 1);
}
