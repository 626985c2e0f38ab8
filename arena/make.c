/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* make.c owns a new store that appears when it is filled, or not at all.
 *
 * 1. It has no name until it is complete and flushed, and never takes the name of another file. After a failure
 *    nothing is there.
 * 2. It stays locked until its name is durable. */
#include "arena/arena.h"

#include <assert.h>
#include <errno.h>

#include "arena/file/draft.h"
#include "arena/gravity.h"
#include "arena/open.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "arena/types.h"

#define MAKE_MODE 0644u

/* Whether something stands there: asked before the work, so that it is not done in vain. */
static int dest_free(const struct os *os, const char *dest)
{
	os_file file;
	const int r = os->open(os, dest, OS_RDONLY, 0, &file);

	if (r == 0)
		(void)os->close(os, file);
	return r == ENOENT ? 0 : r == 0 || r == EISDIR || r == GRAVITY_NOTASTORE || r == EACCES ? EEXIST : r;
}

static int store_fill(os_file file, const struct arena_options *options, arena_fill *fill, void *arg)
{
	struct arena_options o = *options;
	arena *to;
	int r, closed;

	/* One flush at the end serves all. */
	o.durability = GRAVITY_LAZY;
	r = arena_open_in(file, &o, &to);
	if (r != 0)
		return r;
	r = fill(arg, to);
	if (r == 0)
		r = arena_checkpoint(to);
	closed = arena_leave(to);
	assert(closed != GRAVITY_BUSY);
	return r != 0 ? r : closed;
}

/* What is not known to last is not left there: its name might be gone after a power cut. */
static int name_flush(const struct draft *d, const char *dest)
{
	const int r = d->os->sync_dir(d->os, d->file, dest);

	if (r != 0)
		(void)d->os->unlink(d->os, dest);
	return r;
}

int arena_make(const char *dest, const struct arena_options *options, os_file like, arena_fill *fill, void *arg)
{
	OS_UNCANCELLED;
	const struct os *os = options->os != NULL ? options->os : os_default();
	struct draft d;
	int r = dest_free(os, dest);

	if (r != 0)
		return r;
	r = draft_open(&d, os, dest, MAKE_MODE, like);
	if (r != 0)
		return r;
	r = store_fill(d.file, options, fill, arg);
	if (r == 0)
		r = draft_publish(&d, dest);
	if (r == 0)
		r = name_flush(&d, dest);
	draft_close(&d);
	return r;
}
