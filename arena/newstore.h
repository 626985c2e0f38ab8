/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* newstore.h: the first state of a store, and how an empty file becomes one. */
#ifndef GKV_ARENA_NEWSTORE_H
#define GKV_ARENA_NEWSTORE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/file/disk.h"

#define NEWSTORE_WINDOW DISK_PAGE
#define NEWSTORE_BYTES  (DISK_DATA + sizeof(struct page_disk) + NEWSTORE_WINDOW)

/* Into NEWSTORE_BYTES of zeroed memory. */
int newstore_fill(const struct os *os, const struct arena_options *o, void *memory);
/* Into `file`, which the caller has locked exclusively and which counts as empty. On stable storage when it returns 0;
 * after a failure it counts as empty again. */
int newstore_build(const struct os *os, os_file file, const struct arena_options *o);
/* Whether it, which is no longer than NEWSTORE_BYTES, counts as empty: it has no magic, and nothing is in it but zeroes
 * and what a maker that was killed, or that lost power, has left. */
int newstore_wanted(const struct os *os, os_file file, bool *wanted);

#endif
