/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots_memory.c: the two arrays of slots.c, keys and nodes: how they grow, and which of the nodes are spare.
 *
 * Invariants 7 and 8 of slots.c are kept here. */
#include "arena/space/slots.h"

#include <assert.h>
#include <errno.h>

#include "arena/broken.h"
#include "arena/file/blob.h"
#include "arena/space/slots_node.h"

#define FIRST_CAPACITY 64u

_Static_assert(sizeof(size_t) == 8, "the bytes of the whole node array fit a size_t");

static uint32_t priority_of(uint64_t start, slot_id id)
{
	return (uint32_t)(mix64(start + id * UINT64_C(0x9e3779b97f4a7c15)) >> 32);
}

void slots_init(struct slots *s, const struct os *os)
{
	assert(s != NULL);
	assert(os != NULL);
	*s = (struct slots){.os = os};
}

void slots_release(struct slots *s)
{
	assert(s != NULL);
	assert(s->os != NULL);
	if (s->nodes != NULL)
		s->os->free(s->os, s->nodes);
	if (s->keys != NULL)
		s->os->free(s->os, s->keys);
	*s = (struct slots){.os = s->os};
}

void slots_adopt(struct slots *s, uintptr_t by, const struct os *os)
{
	s->os = os;
	s->keys = os_moved(s->keys, by);
	s->nodes = os_moved(s->nodes, by);
}

int slots_reserve(struct slots *s, uint64_t extra)
{
	const uint64_t need = s->count + s->kept + 1;
	uint64_t capacity = s->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : s->capacity;
	void *keys, *nodes;

	assert(s->count + s->kept < UINT32_MAX);
	assert(s->nodes != NULL || s->capacity == 0);
	/* Nodes not in the list are spare or were never handed out; both count as room. */
	if (s->nodes != NULL && extra <= s->capacity - need)
		return 0;
	if (extra > UINT32_MAX - need)
		return ENOMEM;
	while (capacity < need + extra)
		capacity *= 2;
	if (capacity > UINT32_MAX)
		capacity = UINT32_MAX;

	/* Keys that have grown before the nodes could not are no change: the capacity is that of both. */
	keys = s->os->alloc(s->os, s->keys, (size_t)capacity * sizeof(*s->keys));
	if (keys == NULL)
		return ENOMEM;
	s->keys = keys;
	nodes = s->os->alloc(s->os, s->nodes, (size_t)capacity * sizeof(*s->nodes));
	if (nodes == NULL)
		return ENOMEM;
	s->nodes = nodes;
	if (s->used == 0) {
		s->keys[SLOT_NONE] = (struct slots_key){0};
		s->nodes[SLOT_NONE] = (struct slots_node){0};
		s->used = 1;
	}
	s->capacity = (uint32_t)capacity;
	return 0;
}

int slots_keep(struct slots *s, uint64_t extra)
{
	const int code = slots_reserve(s, extra);

	if (code == 0 && !broken(BROKEN_KEPT))
		s->kept += extra;
	return code;
}

void slots_keep_less(struct slots *s, uint64_t fewer)
{
	if (broken(BROKEN_KEPT))
		return;
	assert(fewer <= s->kept);
	s->kept -= fewer;
}

slot_id node_take(struct slots *s, uint64_t start, uint64_t size)
{
	slot_id id = s->spare;

	assert(s->count + 1 < s->capacity);
	assert(slot_is_sane(start, size));
	if (id != SLOT_NONE)
		s->spare = s->nodes[id].next;
	else
		id = s->used++;
	s->keys[id] = (struct slots_key){.start = start};
	s->nodes[id] = (struct slots_node){.size = size, .priority = priority_of(start, id)};
	s->count++;
	return id;
}

void node_give(struct slots *s, slot_id id)
{
	assert(id != SLOT_NONE && id < s->used);
	assert(s->count > 0);
	s->keys[id] = (struct slots_key){0};
	s->nodes[id] = (struct slots_node){.next = s->spare};
	s->spare = id;
	s->count--;
}
