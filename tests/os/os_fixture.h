/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* os_fixture.h: what the suites of the seam share: a folder for each test, and a file in it. */
#ifndef GKV_TESTS_OS_OS_FIXTURE_H
#define GKV_TESTS_OS_OS_FIXTURE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/os/os.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)

extern const struct os *os; /* the real system                       */
extern char folder[256];    /* made for the test, removed after it   */
extern char path[320];      /* of the file that most tests are about */

/* Makes the file at `path`, of that size. */
os_file file_make(uint64_t bytes);
uint64_t file_size(os_file file);
/* Disk space that the file takes. */
uint64_t file_space(os_file file);
/* On tmpfs. */
bool file_in_memory(os_file file);
bool zeroes(const void *data, size_t bytes);

/* Runs `body` in a child and gives its exit status. */
int in_child(int (*body)(void));

/* Runs the tests, each in a folder of its own, and gives what main returns. */
int suite_run(const char *name, const TTest *const *tests, size_t count);

#endif
