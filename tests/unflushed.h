/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* unflushed.h: a system for suites that cut no power: its files are real, and their flushes are not. Its random bytes come
 * from the run's seed, since where a store's keys go follows from them, and so does what moves and what is refused: a seed
 * that was printed repeats all of it. */
#ifndef GKV_TESTS_UNFLUSHED_H
#define GKV_TESTS_UNFLUSHED_H

#include "arena/os/os.h"

/* From now on it is the default. What a test wants otherwise it sets in what this gives. */
struct os *unflushed_set(void);

#endif
