/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* table_fixture.h: what the suites of the table share: a table in anonymous memory, changed as a commit changes it, one
 * name after the other. */
#ifndef GKV_TESTS_TABLE_TABLE_FIXTURE_H
#define GKV_TESTS_TABLE_TABLE_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/arena/arena_fixture.h"

extern struct bare bare;     /* of this test    */
extern uint64_t bare_newest; /* its last commit */

/* An empty table; the second of these looks at the space first. */
void bare_table_setup(void);
void bare_table_teardown(void);
void bare_table_open(const struct os *system);

/* Adds a record to the commit that is open. 0, or what table_split answered. */
int bare_entry_add(uint64_t name, uint64_t offset);
void bare_entry_drop(uint64_t name, uint64_t offset);
void bare_commit_end(void);

/* Puts or deletes a record in a commit of its own; its bytes are its name. The offset of what was put. */
uint64_t bare_put(uint64_t name);
void bare_del(uint64_t name);
void bare_expect(uint64_t root, uint64_t name, bool there);
/* Walks the table; gives its entries, and counts what was born after `born`. */
uint64_t bare_walk(uint64_t root, uint64_t born, uint64_t *blobs);
/* What is there now changes no more: a checkpoint began. */
void bare_freeze(void);

#endif
