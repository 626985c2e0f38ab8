/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* draft.h: a new file that is locked before it has its name, and gets it when it is complete. */
#ifndef GKV_ARENA_FILE_DRAFT_H
#define GKV_ARENA_FILE_DRAFT_H

#include "arena/os/os.h"

struct draft {
	const struct os *os;
	os_file file;
	char *beside; /* the name that it has meanwhile; NULL: none */
};

/* An empty file for `path`, locked. `mode`, `like`: see create in os.h. */
int draft_open(struct draft *d, const struct os *os, const char *path, unsigned mode, os_file like);
/* Gives it its name; EEXIST where something is there. The name is durable after sync_dir. */
int draft_publish(struct draft *d, const char *path);
/* The file is the caller's from now on. */
os_file draft_keep(struct draft *d);
/* It is gone, unless it was published: then it is closed. */
void draft_close(struct draft *d);

#endif
