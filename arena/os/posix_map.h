/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* posix_map.h: the operations of os_posix() that work on the map. Each is as os.h says at the member of its name. */
#ifndef GKV_ARENA_OS_POSIX_MAP_H
#define GKV_ARENA_OS_POSIX_MAP_H

#include "arena/os/os.h"

int os_posix_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		 void **base);
int os_posix_unmap(const struct os *os, void *base, uint64_t reserve);
int os_posix_use(const struct os *os, void *base, uint64_t offset, uint64_t bytes);
int os_posix_advise(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice);
int os_posix_ready(const struct os *os, os_file file, void *base, uint64_t offset);
int os_posix_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes);

#endif
