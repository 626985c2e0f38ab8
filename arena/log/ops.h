/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ops.h: the private map of a write transaction: what it has put and deleted, by name, until its commit applies it. */
#ifndef GKV_ARENA_LOG_OPS_H
#define GKV_ARENA_LOG_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"

struct op {
	uint64_t name;
	uint64_t now;    /* offset of the transaction's newest record of that name; 0: deleted */
	uint64_t before; /* offset of the record that the table has; 0: none                   */
	uint64_t place;  /* where its entry is, or will be: op_place; 0: nowhere; by commit.c  */
};

/* A blob that the transaction wrote and that is dead as soon as it commits: JUMPs, tombstones, overwritten puts. */
struct op_dead {
	uint64_t offset, span;
};

struct ops {
	const struct os *os;
	struct op *list; /* in the order of first change; indices stay as they are */
	uint64_t *order; /* by name, made by ops_sort: its low 32 bits are the index */
	uint64_t *spare; /* as long as `order`: scratch of ops_sort                */
	uint32_t *index; /* open addressing, list index + 1; unused for short lists */
	uint32_t count, capacity, index_capacity;
	struct op_dead *dead;
	uint32_t dead_count, dead_capacity;
};

void ops_init(struct ops *o, const struct os *os);
void ops_release(struct ops *o);
/* Forgets everything; gives back memory that only a large transaction needs. */
void ops_clear(struct ops *o);

/* Room for one more op and `dead` more dead blobs. 0 or ENOMEM. */
int ops_reserve(struct ops *o, uint32_t dead);

/* NULL when that name was not changed. Pointers last until the next ops_reserve. */
struct op *ops_find(const struct ops *o, uint64_t name);
/* A new op; room was reserved. */
struct op *ops_add(struct ops *o, uint64_t name);
/* Undoes the newest ops_add. */
void ops_drop_last(struct ops *o);
void ops_add_dead(struct ops *o, uint64_t offset, uint64_t span);

/* Puts them in order of rising names: ops_at(0) is then the one with the least. */
void ops_sort(struct ops *o);
static inline struct op *ops_at(const struct ops *o, uint32_t i)
{
	return &o->list[(uint32_t)o->order[i]];
}

#endif
