/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* open.h: opening a store in a file that is held already, and a file for those who read it as it is. */
#ifndef GKV_ARENA_OPEN_H
#define GKV_ARENA_OPEN_H

#include "arena/arena.h"

/* Opens the store in `file`, which the caller has locked, or makes one of an empty file. The file stays the caller's. */
int arena_open_in(os_file file, const struct arena_options *options, arena **out);
/* Opens the file of that name for reading, shared with others who read it; 0, or what opening, locking or the work gave. */
typedef int file_work(void *arg, os_file file);
int file_share(const struct os *os, const char *path, file_work *work, void *arg);
/* What a file is that is too short for its headers: GRAVITY_CORRUPT, a store that was cut, or GRAVITY_NOTASTORE. */
int short_file(const struct os *os, os_file file);
/* As arena_close, but the file stays open, and locked. */
int arena_leave(arena *a);

#endif
