/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* session.h: a simulated machine with one store, for tests in which one session of it follows another. */
#ifndef GKV_TESTS_CRASH_SESSION_H
#define GKV_TESTS_CRASH_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "arena/core.h"
#include "tests/crash/sim_os.h"

#define PATH  "store"
#define LARGE 40000u

enum { RECORD_BASE = 1, RECORD_LARGE, RECORD_FIRST, RECORD_LOST, RECORD_NEW };

extern struct sim sim;

/* A new machine of that seed, without files; hook: see sim_os.h. A flush that fails loses pages. */
void machine_init(uint64_t seed, sim_hook *hook);

struct arena_options options(void);
/* The store, opened or made. */
arena *session(void);

vpos name_of(uint64_t record);
void put(arena_txn *t, uint64_t record, size_t size);
/* In a transaction of its own. */
void put_alone(arena *a, uint64_t record, size_t size);
/* Demands that a look-up gives the code. */
void expect(arena *a, uint64_t record, int code);

/* A closed store with two records, which no log follows. */
void base_make(void);

#endif
