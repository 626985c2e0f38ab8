/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* diagnose.h: why a file cannot be opened. */
#ifndef GKV_ARENA_REPAIR_DIAGNOSE_H
#define GKV_ARENA_REPAIR_DIAGNOSE_H

#include <stdbool.h>

#include "arena/os/os.h"
#include "arena/repair/tell.h"

/* Of a file whose opening was GRAVITY_CORRUPT: one sentence for each thing that is damaged, with its place. False: there was
 * none. */
bool diagnose(const struct os *os, const char *path, struct teller *t);

#endif
