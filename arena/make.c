/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* make.c owns a new store that appears when it is filled, or not at all.
 *
 * 1. It stands under a temporary name until it is complete, flushed and checked in; then it is renamed, never over
 *    anything. After a failure there is neither. */
#include "arena/core.h"

#include <assert.h>
#include <errno.h>

/* Whether something stands there: asked before the work, so that it is not done in vain. */
static int dest_free(const struct os *os, const char *dest)
{
	os_file file;
	const int r = os->open(os, dest, OS_RDONLY, 0, &file);

	if (r == 0)
		(void)os->close(os, file);
	return r == ENOENT ? 0 : r == 0 || r == EISDIR || r == GRAVITY_NOTASTORE || r == EACCES ? EEXIST : r;
}

static int store_fill(const char *path, const struct arena_options *options, arena_fill *fill, void *arg)
{
	struct arena_options o = *options;
	arena *to;
	int r, closed;

	/* One flush at the end serves all. */
	o.durability = GRAVITY_LAZY;
	r = arena_open(path, &o, &to);
	if (r != 0)
		return r;
	r = fill(arg, to);
	if (r == 0)
		r = arena_checkpoint(to);
	closed = arena_close(to);
	assert(closed != GRAVITY_BUSY);
	return r != 0 ? r : closed;
}

int arena_make(const char *dest, const struct arena_options *options, arena_fill *fill, void *arg)
{
	const struct os *os = options->os != NULL ? options->os : os_default();
	char *beside;
	int r = dest_free(os, dest);

	if (r != 0)
		return r;
	beside = path_beside(os, dest);
	if (beside == NULL)
		return ENOMEM;
	r = store_fill(beside, options, fill, arg);
	if (r == 0)
		r = os->rename(os, beside, dest);
	if (r != 0) {
		(void)os->unlink(os, beside);
	} else {
		/* What is not known to last is not left there: its name might be gone after a power cut. */
		r = os->sync_dir(os, dest);
		if (r != 0)
			(void)os->unlink(os, dest);
	}
	os->free(os, beside);
	return r;
}
