/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots_node.h: key and node of a free slot, shared by slots.c and slots_memory.c, which change it, and slots_find.c and
 * slots_check.c, which only read. Private to these. */
#ifndef GKV_ARENA_SPACE_SLOTS_NODE_H
#define GKV_ARENA_SPACE_SLOTS_NODE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/space/slots.h"

#define SLOT_ALIGN UINT64_C(8)

/* What a descent reads stands in an array of its own: four to a cache line, so that more of them stay in the cache. */
struct slots_key {
	uint64_t start;
	slot_id left, right;
};

/* The rest of the same slot, under the same index. */
struct slots_node {
	uint64_t size;
	uint64_t max_size;  /* of the subtree */
	double max_gravity; /* of the subtree */
	slot_id parent;
	slot_id prev, next;
	uint32_t priority;
};

_Static_assert(sizeof(struct slots_key) == 16, "a key is 16 bytes");
_Static_assert(sizeof(struct slots_node) == 40, "a node is 40 bytes");

/* Whether [start, start + size) may be a slot at all. */
static inline bool slot_is_sane(uint64_t start, uint64_t size)
{
	return size > 0 && start % SLOT_ALIGN == 0 && size % SLOT_ALIGN == 0 && start <= UINT64_MAX - size;
}

static inline uint64_t slot_end(const struct slots *s, slot_id id)
{
	assert(id != SLOT_NONE);
	return s->keys[id].start + s->nodes[id].size;
}

/* The one place where the formula of slots.h is computed, so that two results for one pair of slots are equal. */
static inline double slot_gravity(const struct slots *s, slot_id id)
{
	const slot_id next = s->nodes[id].next;
	double distance;

	assert(id != SLOT_NONE);
	if (next == SLOT_NONE)
		return 0;
	assert(s->keys[next].start > slot_end(s, id));
	distance = (double)(s->keys[next].start - slot_end(s, id));
	return (double)s->nodes[id].size * (double)s->nodes[next].size / (distance * distance);
}

/* slots_memory.c: a node that stands nowhere yet, for which there is room. Its largest size and highest gravity are 0, as if
 * it were not there. */
slot_id node_take(struct slots *s, uint64_t start, uint64_t size);
/* A node that stands nowhere any more is spare. */
void node_give(struct slots *s, slot_id id);

#endif
