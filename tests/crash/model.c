/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* model.c owns the states that a store may be in, and the numbers that records are made from.
 *
 * Names are chosen so that a small store has a deep table: eight of them in nine share their two groups with a twelfth of
 * the others, so that pages split long before they are full, and a third share their first bits, so that the directory
 * has nodes below nodes. */
#include "tests/crash/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "arena/file/blob.h"
#include "arena/table/page.h"

#define CLASSES 12u

void model_init(struct model *m, uint32_t names, uint32_t size_most)
{
	memset(m, 0, sizeof *m);
	assert(names <= MODEL_NAMES);
	m->names = names;
	m->size_most = size_most;
	m->next_value = 1;
	m->capacity = 64;
	m->state = calloc(m->capacity, sizeof *m->state);
	m->count = 1;
	if (m->state == NULL)
		abort();
}

void model_release(struct model *m)
{
	free(m->state);
	m->state = NULL;
}

struct state *model_next(struct model *m)
{
	if (m->count == m->capacity) {
		m->capacity *= 2;
		m->state = realloc(m->state, m->capacity * sizeof *m->state);
		if (m->state == NULL)
			abort();
	}
	m->state[m->count] = m->state[m->count - 1];
	m->count++;
	return model_newest(m);
}

void model_drop(struct model *m)
{
	assert(m->count - 1 > m->first);
	m->count--;
}

void model_settle(struct model *m, uint32_t index, bool durable)
{
	assert(index < m->count);
	m->count = index + 1;
	m->inflight = false;
	if (durable)
		m->first = index;
	assert(m->first < m->count);
}

void model_acknowledge(struct model *m, uint32_t index)
{
	assert(index < m->count);
	m->first = index > m->first ? index : m->first;
}

/* The first of the 16-bit numbers that choose that group. */
static uint32_t group_start(uint32_t group)
{
	return (group * 65536 + PAGE_GROUPS - 1) / PAGE_GROUPS;
}

vpos model_name(uint32_t index)
{
	const uint32_t class = index % 9 == 0 ? CLASSES + index % 40 : index % CLASSES;
	uint64_t high = mix64(index + 1) >> 32;

	if (index % 3 == 0)
		high = (high & 0x00ffffff) | UINT64_C(0xa5) << 24;
	return (vpos){high << 32 | (uint64_t)(class * 1111) << 16 | (group_start(class) + index)};
}

static bool name_index(const struct model *m, vpos name, uint32_t *index)
{
	const uint32_t low = (uint32_t)(name.bits & 0xffff);

	*index = low - group_start(low * PAGE_GROUPS >> 16);
	return *index < m->names && model_name(*index).bits == name.bits;
}

uint64_t model_size(const struct model *m, uint32_t value)
{
	uint64_t random = mix64(value);
	const unsigned choice = (unsigned)(random & 31);
	uint64_t most = choice < 18 ? 60 : choice < 26 ? 400 : choice < 30 ? 3000 : m->size_most;

	random >>= 5;
	return random % (most + 1);
}

static uint64_t value_word(uint32_t index, uint32_t value, uint64_t at)
{
	return ((uint64_t)index << 32 | value) + at * UINT64_C(0x9e3779b97f4a7c15);
}

void model_fill(void *data, uint64_t size, uint32_t index, uint32_t value)
{
	for (uint64_t at = 0; at < size; at += 8) {
		const uint64_t word = value_word(index, value, at);
		memcpy((uint8_t *)data + at, &word, size - at < 8 ? size - at : 8);
	}
}

const char *model_take(const struct model *m, struct state *state, vpos name, const struct arena_blob *blob)
{
	uint32_t index;

	if (!name_index(m, name, &index))
		return "a name that was never used";
	if (state->value[index] != 0)
		return "the same name twice";
	if (blob->aux == 0 || blob->aux >= m->next_value)
		return "a value that was never written";
	if (blob->size != model_size(m, blob->aux))
		return "a value of the wrong size";
	for (uint64_t at = 0; at < blob->size; at += 8) {
		const uint64_t word = value_word(index, blob->aux, at);
		if (memcmp((const uint8_t *)blob->data + at, &word, blob->size - at < 8 ? blob->size - at : 8) != 0)
			return "a value with the wrong bytes";
	}
	state->value[index] = blob->aux;
	return NULL;
}
