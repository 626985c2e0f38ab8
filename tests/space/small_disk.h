/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* small_disk.h: the real system with a disk of so many pages for one file, beside which others may take what is left.
 *
 * Which pages of the file have space is kept here, whatever the file system makes of them. A store through a shared map to
 * a page without space is SIGSEGV, as it would be SIGBUS on a disk that is full. A child shares all of that, and what it leaves
 * is there when it is gone. */
#ifndef GKV_TESTS_SPACE_SMALL_DISK_H
#define GKV_TESTS_SPACE_SMALL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/os/os.h"

#define SMALL_DISK_PAGE UINT64_C(4096)

/* The only one of a process, anew: what os_set_default is given. Flushes are not asked of the real system, nor are random
 * numbers, which are those of the stream. */
const struct os *small_disk(uint64_t stream);

/* Room for the file, in pages; those that it has are its own. UINT64_MAX: the disk is large. */
void small_disk_set(uint64_t pages);
/* So many pages of room beside what the file has. */
void small_disk_leave(uint64_t pages);
/* Others take at once what the file gives back. */
void small_disk_greedy(bool on);
/* Pages that the file has. */
uint64_t small_disk_used(void);
/* What it says when there is no room: ENOSPC at first. */
void small_disk_code(int code);
/* The process is killed before the last of so many more calls that change the file, or where it has space, or flush it. 0: it is
 * not. */
void small_disk_kill(uint64_t calls);
/* A child that had the store open is gone, and its map with it. */
void small_disk_gone(void);
/* Memory that children share, for ever. */
void *small_disk_memory(size_t bytes);

#endif
