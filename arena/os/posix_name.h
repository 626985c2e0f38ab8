/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* posix_name.h: the operations of the seam that take a path, and closing, over Linux. Contracts in os.h. */
#ifndef GKV_ARENA_OS_POSIX_NAME_H
#define GKV_ARENA_OS_POSIX_NAME_H

#include "arena/os/os.h"

int os_posix_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out);
int os_posix_close(const struct os *os, os_file file);
int os_posix_create(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out);
int os_posix_publish(const struct os *os, os_file file, const char *beside, const char *path);
int os_posix_unlink(const struct os *os, const char *path);
int os_posix_named(const struct os *os, os_file file, const char *path);
int os_posix_sync_dir(const struct os *os, os_file file, const char *path);

#endif
