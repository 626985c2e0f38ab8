/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* model.h: what a store should hold: the state after each commit that a power cut may take it back to.
 *
 * A record is one of MODEL_NAMES names and the number of its value; name, size and bytes follow from these numbers. */
#ifndef GKV_TESTS_CRASH_MODEL_H
#define GKV_TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"

#define MODEL_NAMES 240u

struct state {
	uint32_t value[MODEL_NAMES]; /* 0: there is no such record                                   */
	uint32_t next_value;         /* of the work that follows, so that it can be done again alike */
	uint64_t random;
};

struct model {
	struct state *state; /* after each commit                             */
	uint32_t count, capacity;
	uint32_t first; /* the newest that is durable: none before it may be seen any more */
	bool made;      /* the store's creation was acknowledged               */
	bool inflight;  /* the newest state's commit has not returned yet      */
	uint32_t next_value;
	uint32_t names;     /* how many of them are used */
	uint32_t size_most; /* of a value                */
};

void model_init(struct model *m, uint32_t names, uint32_t size_most);
void model_release(struct model *m);
/* A new one, which begins as a copy of the newest. */
struct state *model_next(struct model *m);
static inline struct state *model_newest(const struct model *m)
{
	return &m->state[m->count - 1];
}
/* The newest one did not happen. */
void model_drop(struct model *m);
/* That one is durable, and so are those before it. */
void model_acknowledge(struct model *m, uint32_t index);
/* The store is at this one; durable: and no power cut takes it back from there. */
void model_settle(struct model *m, uint32_t index, bool durable);

vpos model_name(uint32_t index);
uint64_t model_size(const struct model *m, uint32_t value);
void model_fill(void *data, uint64_t size, uint32_t index, uint32_t value);
/* Reads the record into the state. NULL, or what is wrong with it. */
const char *model_take(const struct model *m, struct state *state, vpos name, const struct arena_blob *blob);

#endif
