/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* mem_os.h: a `struct os` whose files are in memory and whose flushes cost nothing, installed as the default one. Maps,
 * growth, holes and locks are the system's own, so that a touch beyond the end of a file still is a signal. Random
 * numbers and the clock are the same in every run. What the code under test claims is bounded: a file longer than
 * MEM_FILE_MAX is ENOSPC, an allocation above MEM_ALLOC_MAX aborts. */
#ifndef GKV_TESTS_FUZZ_MEM_OS_H
#define GKV_TESTS_FUZZ_MEM_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEM_FILE_MAX  (UINT64_C(48) << 20)
#define MEM_ALLOC_MAX ((size_t)8 << 20)

/* Forgets all files and begins the random numbers anew. Aborts when the run before has left a handle, a map or an
 * allocation behind. */
void mem_os_reset(uint64_t seed);

/* Makes the file or replaces what is in it. */
void mem_file_write(const char *path, const void *data, size_t size);
/* What processes would see if everything that has a handle on it were killed now, under another name. */
void mem_file_copy(const char *from, const char *to);
bool mem_file_exists(const char *path);
uint64_t mem_file_size(const char *path);
bool mem_file_equals(const char *path, const void *data, size_t size);
/* To be freed. */
uint8_t *mem_file_read(const char *path, size_t *size);
void mem_file_remove(const char *path);

/* Where the file that was mapped last stands in memory. */
const uint8_t *mem_last_map(void);

#endif
