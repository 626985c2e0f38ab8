/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage_list.h: the list of blobs that a salvage has found, and the orders in which it needs them. */
#ifndef GKV_ARENA_REPAIR_SALVAGE_LIST_H
#define GKV_ARENA_REPAIR_SALVAGE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/os/os.h"

#define FIND_TABLE 1u /* an entry of the table names it                            */
#define FIND_LOG   2u /* a whole commit of the log behind the table holds it       */
#define FIND_WHOLE 4u /* blobs that follow it lead to one that ends a commit       */
#define FIND_TAKEN 8u /* it is the one of its name                                 */

struct find {
	uint64_t name;
	uint64_t stamp;
	uint64_t offset;
	uint32_t check, link;
	uint32_t rank; /* place in the chain of its commit, from 1; later is higher */
	uint32_t marks;
};

struct salvage_list {
	const struct os *os;
	struct find *list;
	size_t count, capacity;
};

void salvage_list_init(struct salvage_list *f, const struct os *os);
void salvage_list_release(struct salvage_list *f);
/* 0 or ENOMEM. */
int salvage_list_add(struct salvage_list *f, const struct blob_disk *b, uint64_t offset, uint32_t marks);

/* Joins what was found twice, ranks the blobs of each commit, then forgets the JUMPs. The order is lost. */
void salvage_list_settle(struct salvage_list *f);
/* By name; under one name those of the table first, then from old to new. */
void salvage_list_sort_by_name(struct salvage_list *f);
/* Keeps those that were taken, from old to new. */
void salvage_list_keep_taken(struct salvage_list *f);

/* Whether the table names a record of that name there. They are sorted by name. */
bool salvage_list_in_table(const struct salvage_list *f, uint64_t name, uint64_t offset);

#endif
