/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_OUTFILE_H
#define GKV_CLI_OUTFILE_H

#include "cli/cli.h"

/* A regular file that appears under its name when it is complete, in place of one that stood there. Functions return
 * false with errno set. */
struct outfile {
	char *target;    /* where the path, which may be a symbolic link, leads  */
	char *temporary; /* the name that the file has meanwhile; NULL: none      */
	int fd;
};

/* Whether path is, or will be, the name of a regular file. A descriptor's (/dev/stdout, /dev/fd/3), a pipe or a device is
 * not: what it leads to is written to as it is. */
bool outfile_replaces(const char *path);
/* A new file for path. It keeps the owner, group and mode of what it will replace, as far as it may, and is never easier
 * to read than the file `like`. */
bool outfile_open(struct outfile *file, const char *path, const char *like);
/* Gives it its name, while fd is open. */
bool outfile_publish(struct outfile *file);
/* After fd was closed. What was not published is gone. */
void outfile_release(struct outfile *file);

#endif
