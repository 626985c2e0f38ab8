/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* backup.c owns writing one snapshot to a new file, compactly, while readers and the writer go on.
 *
 * 1. The new store stands under a temporary name until it is complete, flushed and checked in; then it is renamed, never
 *    over anything.
 * 2. It has the same names and the same hash seed, and an identity of its own. */
#include "arena/core.h"

#include <errno.h>
#include <string.h>

#define BACKUP_COMMIT (UINT64_C(1) << 20)

struct backup {
	arena *to;
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
		memcpy(data, blob->data, blob->size);
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

static int backup_run(arena *a, const char *path, arena_progress *progress, void *arg)
{
	const struct arena_options o = {.os = a->os, .kind = a->kind, .durability = GRAVITY_LAZY, .seed = a->hash_seed};
	struct backup b = {.progress = progress, .arg = arg};
	int r = arena_begin(a, ARENA_READ, &b.in);
	int closed;

	if (r != 0)
		return r;
	flush_enter(&a->flush);
	b.total = a->header.live_bytes;
	flush_leave(&a->flush);
	r = arena_open(path, &o, &b.to);
	if (r == 0) {
		atomic_store(&b.to->next_name, atomic_load(&a->next_name));
		r = backup_fill(&b);
		if (r == 0)
			r = arena_checkpoint(b.to);
		closed = arena_close(b.to);
		if (r == 0)
			r = closed;
		if (r != 0)
			(void)a->os->unlink(a->os, path);
	}
	arena_abort(b.in);
	return r;
}

/* Whether something stands there: asked before the work, so that it is not done in vain. */
static int dest_free(const struct os *os, const char *dest)
{
	os_file file;
	const int r = os->open(os, dest, OS_RDONLY, 0, &file);

	if (r == 0)
		(void)os->close(os, file);
	return r == ENOENT ? 0 : r == 0 || r == EISDIR || r == GRAVITY_NOTASTORE || r == EACCES ? EEXIST : r;
}

int arena_backup(arena *a, const char *dest, arena_progress *progress, void *arg)
{
	char *beside;
	int r;

	if (!arena_ours(a))
		return GRAVITY_INVALID;
	r = dest_free(a->os, dest);
	if (r != 0)
		return r;
	beside = path_beside(a->os, dest);
	if (beside == NULL)
		return ENOMEM;
	r = backup_run(a, beside, progress, arg);
	if (r == 0)
		r = path_publish(a->os, beside, dest);
	a->os->free(a->os, beside);
	return r;
}
