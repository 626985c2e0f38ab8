/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots_find.c owns the questions that are asked of the free slots. It changes nothing.
 *
 * 1. Every descent is a loop over the keys, four of which share a cache line; what a subtree holds is read off its largest
 *    size and its highest gravity (slots.c, invariant 6).
 *
 * Cost: one descent, O(log n) expected; slots_copy is a sequential read of all. */
#include "arena/space/slots.h"

#include <assert.h>

#include "arena/space/ranges.h"
#include "arena/space/slots_node.h"

static inline bool slot_is_there(const struct slots *s, slot_id id)
{
	return id != SLOT_NONE && id < s->used && s->nodes[id].size > 0;
}

uint64_t slots_start(const struct slots *s, slot_id id)
{
	assert(slot_is_there(s, id));
	return s->keys[id].start;
}

uint64_t slots_size(const struct slots *s, slot_id id)
{
	assert(slot_is_there(s, id));
	return s->nodes[id].size;
}

double slots_gravity(const struct slots *s, slot_id id)
{
	assert(slot_is_there(s, id));
	return slot_gravity(s, id);
}

void slots_copy(const struct slots *s, struct ranges *out)
{
	for (slot_id id = 1; id < s->used; id++)
		if (s->nodes[id].size > 0)
			ranges_add(out, s->keys[id].start, s->nodes[id].size);
}

slot_id slots_next(const struct slots *s, slot_id id)
{
	assert(slot_is_there(s, id));
	return s->nodes[id].next;
}

slot_id slots_prev(const struct slots *s, slot_id id)
{
	assert(slot_is_there(s, id));
	return s->nodes[id].prev;
}

/* Asks for both children while the start is still being compared: one of them is the next to be read. */
static inline void prefetch(const struct slots_key *k, slot_id id)
{
	__builtin_prefetch(&k[k[id].left]);
	__builtin_prefetch(&k[k[id].right]);
}

/* The last slot that begins at or before the offset, or the first one that does not begin before it. */
static inline slot_id slot_near(const struct slots *s, uint64_t offset, bool before)
{
	const struct slots_key *k = s->keys;
	slot_id id = s->root, found = SLOT_NONE;

	while (id != SLOT_NONE) {
		prefetch(k, id);
		if (before ? k[id].start <= offset : k[id].start < offset) {
			found = before ? id : found;
			id = k[id].right;
		} else {
			found = before ? found : id;
			id = k[id].left;
		}
	}
	return found;
}

slot_id slots_at_or_before(const struct slots *s, uint64_t offset)
{
	return slot_near(s, offset, true);
}

slot_id slots_at_or_after(const struct slots *s, uint64_t offset)
{
	return slot_near(s, offset, false);
}

/* All descents a level further, round by round: the next node of each was asked for a whole round before it is read. */
void slots_ask(const struct slots *s, const uint64_t *starts, unsigned count)
{
	const struct slots_key *k = s->keys;
	slot_id at[SLOTS_ASK], found[SLOTS_ASK];
	slot_id top = s->root, before = SLOT_NONE;
	bool more;

	assert(count > 0 && count <= SLOTS_ASK);
	/* The way that all of them have in common, which is cached. */
	while (top != SLOT_NONE && (k[top].start <= starts[0] || k[top].start > starts[count - 1])) {
		before = k[top].start <= starts[0] ? top : before;
		top = before == top ? k[top].right : k[top].left;
	}
	more = top != SLOT_NONE;
	for (unsigned i = 0; i < count; i++) {
		at[i] = top;
		found[i] = before;
	}
	while (more) {
		more = false;
		for (unsigned i = 0; i < count; i++) {
			const slot_id id = at[i];
			if (id == SLOT_NONE)
				continue;
			if (k[id].start <= starts[i]) {
				found[i] = id;
				at[i] = k[id].right;
			} else {
				at[i] = k[id].left;
			}
			__builtin_prefetch(&k[at[i]]);
			__builtin_prefetch(&s->nodes[id]);
			more = true;
		}
	}
	for (unsigned i = 0; i < count; i++)
		if (found[i] != SLOT_NONE)
			__builtin_prefetch(&k[s->nodes[found[i]].next]);
}

/* The lowest slot of the subtree under `id` with at least `size` bytes. */
static slot_id fit_under(const struct slots *s, slot_id id, uint64_t size)
{
	const struct slots_key *k = s->keys;
	const struct slots_node *n = s->nodes;

	if (id == SLOT_NONE || n[id].max_size < size)
		return SLOT_NONE;
	for (;;) {
		assert(id != SLOT_NONE);
		assert(n[id].max_size >= size);
		if (k[id].left != SLOT_NONE && n[k[id].left].max_size >= size)
			id = k[id].left;
		else if (n[id].size >= size)
			return id;
		else
			id = k[id].right;
	}
}

slot_id slots_largest(const struct slots *s)
{
	return s->root == SLOT_NONE ? SLOT_NONE : fit_under(s, s->root, s->nodes[s->root].max_size);
}

slot_id slots_first_fit(const struct slots *s, uint64_t size)
{
	return fit_under(s, s->root, size);
}

/* The slots from `from` on are the first of them with its right subtree, then each ancestor that lies behind with its
 * right subtree: something fits in the first of these pairs whose values say so. */
slot_id slots_first_fit_from(const struct slots *s, uint64_t size, uint64_t from)
{
	const struct slots_key *k = s->keys;
	const struct slots_node *n = s->nodes;
	slot_id id = slots_at_or_after(s, from), child;

	while (id != SLOT_NONE && n[id].size < size && n[k[id].right].max_size < size) {
		do {
			child = id;
			id = n[child].parent;
		} while (id != SLOT_NONE && k[id].right == child);
	}
	if (id == SLOT_NONE || n[id].size >= size)
		return id;
	return fit_under(s, k[id].right, size);
}

slot_id slots_most_attracted(const struct slots *s)
{
	const struct slots_key *k = s->keys;
	const struct slots_node *n = s->nodes;
	slot_id id = s->root;
	double best;

	if (s->count < 2)
		return SLOT_NONE;
	best = n[id].max_gravity;
	assert(best > 0);
	for (;;) {
		assert(id != SLOT_NONE);
		if (n[k[id].left].max_gravity >= best)
			id = k[id].left;
		else if (n[k[id].right].max_gravity < best || slot_gravity(s, id) >= best)
			return id;
		else
			id = k[id].right;
	}
}
