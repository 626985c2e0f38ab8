/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* open.h: opening a store in a file that is held already. */
#ifndef GKV_ARENA_OPEN_H
#define GKV_ARENA_OPEN_H

#include "arena/arena.h"

/* Opens the store in `file`, which the caller has locked, or makes one of an empty file. The file stays the caller's. */
int arena_open_in(os_file file, const struct arena_options *options, arena **out);
/* As arena_close, but the file stays open, and locked. */
int arena_leave(arena *a);

#endif
