/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* draft.c owns a file that is being made. It refuses to know what is in it.
 *
 * 1. The maker holds the file exclusively from before it has any name of its own until it is closed.
 * 2. A file without a name is gone with its maker, however that ends. Where the system makes none, a killed maker leaves
 *    what `beside` names. */
#include "arena/file/draft.h"

#include <assert.h>
#include <stddef.h>

int draft_open(struct draft *d, const struct os *os, const char *path, unsigned mode, os_file like)
{
	int r;

	*d = (struct draft){.os = os, .file = OS_NOFILE};
	r = os->create(os, path, mode, like, &d->beside, &d->file);
	if (r != 0)
		return r;
	r = os->lock(os, d->file, true);
	if (r != 0)
		draft_close(d);
	return r;
}

int draft_publish(struct draft *d, const char *path)
{
	const int r = d->os->publish(d->os, d->file, d->beside, path);

	if (r != 0)
		return r;
	d->os->free(d->os, d->beside);
	d->beside = NULL;
	return 0;
}

os_file draft_keep(struct draft *d)
{
	const os_file file = d->file;

	assert(d->beside == NULL);
	d->file = OS_NOFILE;
	return file;
}

void draft_close(struct draft *d)
{
	if (d->beside != NULL)
		(void)d->os->unlink(d->os, d->beside);
	d->os->free(d->os, d->beside);
	d->beside = NULL;
	if (d->file.fd < 0)
		return;
	(void)d->os->unlock(d->os, d->file);
	(void)d->os->close(d->os, d->file);
	d->file = OS_NOFILE;
}
