/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* backup.c owns writing one snapshot to a new file, compactly, while readers and the writer go on.
 *
 * 1. The new store has the same names and the same hash seed, and an identity of its own. */
#include "arena/arena.h"

#include <errno.h>

#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/log/flush.h"
#include "arena/log/session.h"

#define BACKUP_COMMIT (UINT64_C(1) << 20)

struct backup {
	arena *from, *to;
	arena_txn *in; /* snapshot that is read       */
	arena_txn *out;
	uint64_t uncommitted, done, total;
	arena_progress *progress;
	void *arg;
};

static int backup_commit(struct backup *b, bool last)
{
	int r = arena_commit(b->out);

	/* The total is the newest checkpoint's: near enough on the way, and exact at the end. */
	if (last || b->total < b->done)
		b->total = b->done;

	b->out = NULL;
	b->uncommitted = 0;
	if (r == 0 && b->progress != NULL && b->progress(b->arg, b->done, b->total) != 0)
		r = ECANCELED;
	return r != 0 ? r : arena_begin(b->to, ARENA_WRITE | ARENA_LAZY_COMMIT, &b->out);
}

static int backup_blob(struct backup *b, vpos name, const struct arena_blob *blob)
{
	void *data;
	const int r = arena_put(b->out, name, blob->aux, blob->size, &data);

	if (r != 0)
		return r;
	if (blob->size > 0)
		arena_copy_in(b->out, data, blob->data, blob->size);
	b->uncommitted += blob_span(blob->size);
	b->done += blob_span(blob->size);
	return b->uncommitted >= BACKUP_COMMIT ? backup_commit(b, false) : 0;
}

static int backup_fill(struct backup *b)
{
	struct arena_blob blob;
	arena_walk *walk;
	vpos name;
	int r = arena_walk_open(b->in, &walk);

	if (r != 0)
		return r;
	r = arena_begin(b->to, ARENA_WRITE | ARENA_LAZY_COMMIT, &b->out);
	while (r == 0 && (r = arena_walk_next(walk, &name, &blob)) == 0)
		r = backup_blob(b, name, &blob);
	if (r == GRAVITY_NOTFOUND)
		r = backup_commit(b, true);
	arena_abort(b->out);
	arena_walk_close(walk);
	return r;
}

static int backup_to(void *arg, arena *to)
{
	struct backup *b = arg;

	b->to = to;
	atomic_store(&to->b->next_name, atomic_load(&b->from->b->next_name));
	return backup_fill(b);
}

int arena_backup(arena *a, const char *dest, arena_progress *progress, void *arg)
{
	OS_UNCANCELLED;
	const struct arena_options o = {.os = a->os, .kind = a->kind, .seed = a->hash_seed};
	struct backup b = {.from = a, .progress = progress, .arg = arg};
	int r;

	if (!arena_ours(a))
		return GRAVITY_INVALID;
	r = arena_begin(a, ARENA_READ, &b.in);
	if (r != 0)
		return r;
	flush_enter(a);
	b.total = a->flush.header.live_bytes;
	flush_leave(a);
	r = arena_make(dest, &o, a->map.file, backup_to, &b);
	arena_abort(b.in);
	return r;
}
