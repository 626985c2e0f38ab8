/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* diagnose.h: why a file cannot be opened. */
#ifndef GKV_ARENA_REPAIR_DIAGNOSE_H
#define GKV_ARENA_REPAIR_DIAGNOSE_H

#include "arena/arena.h"

struct diagnose_options {
	const struct os *os;
	arena_check_blob *each; /* called with view NULL alone: see arena_check; may be NULL */
	void *each_arg;
	arena_report *report; /* may be NULL */
	void *arg;
};
/* Of a file whose opening was GRAVITY_CORRUPT: one sentence for each thing that is damaged, with its place. Returns how
 * many there were. */
unsigned diagnose(const char *path, const struct diagnose_options *options);

#endif
