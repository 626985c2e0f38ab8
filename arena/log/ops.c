/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ops.c owns a write transaction's private map.
 *
 * 1. At most one op has a given name.
 * 2. index[] finds every op whenever the list is longer than OPS_SCAN.
 *
 * Cost: 32 bytes an op and about 24 of index and order; the sort is a radix sort by the leading bytes of the names,
 * which are hashes, finished by insertion. */
#include "arena/log/ops.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/file/blob.h"
#include "arena/space/radix.h"

#define OPS_SCAN 8u    /* up to so many are found by looking at each       */
#define OPS_KEEP 2048u /* memory for so many is kept between transactions  */
/* More than the one are sorted by two bytes of their names and then by insertion, more than the other by all bytes. */
#define OPS_SHORT 64u
#define OPS_LONG  4096u

void ops_init(struct ops *o, const struct os *os)
{
	memset(o, 0, sizeof *o);
	o->os = os;
}

void ops_release(struct ops *o)
{
	if (o->os == NULL)
		return;
	o->os->free(o->os, o->list);
	o->os->free(o->os, o->order);
	o->os->free(o->os, o->spare);
	o->os->free(o->os, o->index);
	o->os->free(o->os, o->dead);
	ops_init(o, o->os);
}

void ops_clear(struct ops *o)
{
	if (o->capacity > OPS_KEEP || o->dead_capacity > OPS_KEEP) {
		ops_release(o);
		return;
	}
	if (o->count > OPS_SCAN)
		memset(o->index, 0, o->index_capacity * sizeof *o->index);
	o->count = 0;
	o->dead_count = 0;
}

static void index_insert(struct ops *o, uint32_t i)
{
	const uint32_t mask = o->index_capacity - 1;
	uint32_t at = (uint32_t)mix64(o->list[i].name) & mask;

	while (o->index[at] != 0)
		at = (at + 1) & mask;
	o->index[at] = i + 1;
}

static void index_build(struct ops *o)
{
	memset(o->index, 0, o->index_capacity * sizeof *o->index);
	for (uint32_t i = 0; i < o->count; i++)
		index_insert(o, i);
}

static int ops_grow(struct ops *o)
{
	const uint32_t capacity = o->capacity == 0 ? 64 : 2 * o->capacity;
	void *list, *order, *spare, *index;

	if (o->capacity > UINT32_MAX / 8)
		return ENOMEM;
	/* What was grown before a failure stays grown: it is only larger than it needs to be. */
	list = o->os->alloc(o->os, o->list, capacity * sizeof *o->list);
	if (list == NULL)
		return ENOMEM;
	o->list = list;
	order = o->os->alloc(o->os, o->order, capacity * sizeof *o->order);
	if (order == NULL)
		return ENOMEM;
	o->order = order;
	spare = o->os->alloc(o->os, o->spare, capacity * sizeof *o->spare);
	if (spare == NULL)
		return ENOMEM;
	o->spare = spare;
	index = o->os->alloc(o->os, o->index, 2 * (size_t)capacity * sizeof *o->index);
	if (index == NULL)
		return ENOMEM;
	o->index = index;
	o->capacity = capacity;
	o->index_capacity = 2 * capacity;
	index_build(o);
	return 0;
}

int ops_reserve(struct ops *o, uint32_t dead)
{
	if (o->dead_count + dead > o->dead_capacity) {
		void *list = os_grow(o->os, o->dead, &o->dead_capacity, 64, sizeof *o->dead);
		if (list == NULL)
			return ENOMEM;
		o->dead = list;
	}
	return o->count < o->capacity ? 0 : ops_grow(o);
}

struct op *ops_find(const struct ops *o, uint64_t name)
{
	uint32_t mask, at;

	if (o->count <= OPS_SCAN) {
		for (uint32_t i = 0; i < o->count; i++)
			if (o->list[i].name == name)
				return &o->list[i];
		return NULL;
	}
	mask = o->index_capacity - 1;
	for (at = (uint32_t)mix64(name) & mask; o->index[at] != 0; at = (at + 1) & mask)
		if (o->list[o->index[at] - 1].name == name)
			return &o->list[o->index[at] - 1];
	return NULL;
}

struct op *ops_add(struct ops *o, uint64_t name)
{
	struct op *op = &o->list[o->count];

	assert(o->count < o->capacity);
	assert(ops_find(o, name) == NULL);
	*op = (struct op){.name = name};
	o->count++;
	if (o->count == OPS_SCAN + 1)
		index_build(o);
	else if (o->count > OPS_SCAN)
		index_insert(o, o->count - 1);
	return op;
}

void ops_drop_last(struct ops *o)
{
	assert(o->count > 0);
	o->count--;
	if (o->count > OPS_SCAN) {
		/* The newest index entry ends every run that it is in, so nothing is found through it. */
		const uint32_t mask = o->index_capacity - 1;
		uint32_t at = (uint32_t)mix64(o->list[o->count].name) & mask;
		while (o->index[at] != o->count + 1)
			at = (at + 1) & mask;
		o->index[at] = 0;
	} else if (o->count == OPS_SCAN) {
		memset(o->index, 0, o->index_capacity * sizeof *o->index);
	}
}

void ops_add_dead(struct ops *o, uint64_t offset, uint64_t span)
{
	assert(o->dead_count < o->dead_capacity);
	o->dead[o->dead_count++] = (struct op_dead){offset, span};
}

/* By the bits of the half of the names that `order` has, from `bit` of it on: a byte at a time. */
static void sort_half(struct ops *o, unsigned bit)
{
	for (; bit < 32; bit += 8)
		radix_pass(&o->order, &o->spare, o->count, 0, 32 + bit, 8);
}

/* Whether the name of one word of `order`, which has the high half of it, comes after that of the other. */
static bool sorts_after(const struct ops *o, uint64_t one, uint64_t other)
{
	if (one >> 32 != other >> 32)
		return one > other;
	return o->list[(uint32_t)one].name > o->list[(uint32_t)other].name;
}

static void sort_finish(struct ops *o)
{
	uint64_t *order = o->order;

	for (uint32_t i = 1; i < o->count; i++) {
		const uint64_t moved = order[i];
		uint32_t j = i;
		for (; j > 0 && sorts_after(o, order[j - 1], moved); j--)
			order[j] = order[j - 1];
		order[j] = moved;
	}
}

/* The leading bytes that tell about as many names apart as there are; names need not be random, so the last step still
 * orders whatever they leave, and for long lists every byte is taken. */
void ops_sort(struct ops *o)
{
	const bool is_long = o->count > OPS_LONG;

	for (uint32_t i = 0; i < o->count; i++)
		o->order[i] = o->list[i].name >> (is_long ? 0 : 32) << 32 | i;
	if (o->count > OPS_SHORT)
		sort_half(o, is_long ? 0 : 16);
	if (is_long) {
		for (uint32_t i = 0; i < o->count; i++)
			o->order[i] = ops_at(o, i)->name >> 32 << 32 | (uint32_t)o->order[i];
		sort_half(o, 0);
	}
	sort_finish(o);
}
