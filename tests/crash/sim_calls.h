/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_calls.h: what the files share that carry out the calls of the simulated machine. */
#ifndef GKV_TESTS_CRASH_SIM_CALLS_H
#define GKV_TESTS_CRASH_SIM_CALLS_H

#include "tests/crash/sim_os.h"

static inline struct sim *sim_of(const struct os *os)
{
	return os->context;
}

/* At the entry of each operation that can fail: the code that it is to give at once, or 0. */
int sim_enter(struct sim *s, enum sim_call call, uint64_t offset, uint64_t bytes);

/* The file that an open descriptor stands for. */
struct sim_file *sim_file_of(struct sim *s, os_file file);
/* Whether a descriptor stands for that file. */
bool sim_entry_held(const struct sim *s, unsigned entry);

/* Puts the operations of sim_names.c into the table. */
void sim_names_init(struct os *os);

#endif
