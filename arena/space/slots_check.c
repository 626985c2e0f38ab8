/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots_check.c: walks all free slots, to verify them.
 *
 * It changes nothing, allocates nothing and does not recurse: the parent links lead back up. The invariants are those
 * numbered in slots.c. slots_check trusts no index before it was bounded and no chain before it was counted, so it ends
 * with an answer whatever the nodes hold; each part relies on what the parts before it verified.
 *
 * Cost: O(count). */
#include "arena/space/slots.h"

#include <assert.h>
#include <string.h>

#include "arena/space/slots_node.h"

/* The leftmost node under `id`. */
static slot_id tree_first(const struct slots *s, slot_id id)
{
	while (id != SLOT_NONE && s->keys[id].left != SLOT_NONE)
		id = s->keys[id].left;
	return id;
}

/* The successor of `id` by the tree alone. */
static slot_id tree_next(const struct slots *s, slot_id id)
{
	const struct slots_key *k = s->keys;
	slot_id child;

	assert(id != SLOT_NONE);
	if (k[id].right != SLOT_NONE)
		return tree_first(s, k[id].right);
	do {
		child = id;
		id = s->nodes[id].parent;
	} while (id != SLOT_NONE && k[id].right == child);
	return id;
}

static int faulty(const char **what, int number, const char *text)
{
	assert(number > 0);
	if (what != NULL)
		*what = text;
	return number;
}

/* All zeroes but for `next`, as a spare node is. */
static bool is_empty(const struct slots *s, slot_id id)
{
	static const struct slots_key no_key;
	static const struct slots_node no_node;
	struct slots_node node = s->nodes[id];

	node.next = SLOT_NONE;
	return memcmp(&s->keys[id], &no_key, sizeof(no_key)) == 0 && memcmp(&node, &no_node, sizeof(no_node)) == 0;
}

static int check_array(const struct slots *s, const char **what)
{
	if (s->nodes == NULL) {
		if (s->capacity != 0 || s->used != 0 || s->count != 0 || s->bytes != 0 || s->kept != 0)
			return faulty(what, 8, "without arrays there is no slot, but something is counted");
		if (s->spare != SLOT_NONE || s->root != SLOT_NONE || s->first != SLOT_NONE || s->last != SLOT_NONE)
			return faulty(what, 8, "without arrays there is no slot, but one is named");
		return 0;
	}
	if (s->used > s->capacity || s->count >= s->used)
		return faulty(what, 8, "count < used <= capacity was expected");
	if (s->count + s->kept >= s->capacity)
		return faulty(what, 8, "room is kept that is not there");
	if (s->root >= s->used || s->first >= s->used || s->last >= s->used || s->spare >= s->used)
		return faulty(what, 8, "root, first, last or spare is no node that was handed out");
	if (!is_empty(s, SLOT_NONE) || s->nodes[SLOT_NONE].next != SLOT_NONE)
		return faulty(what, 8, "the sentinel is not zero");
	return 0;
}

static int check_list(const struct slots *s, const char **what)
{
	uint64_t count = 0, bytes = 0, pages = 0, floor = 0; /* floor: the lowest start that the next slot may have */
	slot_id before = SLOT_NONE;

	for (slot_id id = s->first; id != SLOT_NONE; before = id, id = s->nodes[id].next) {
		const struct slots_node *node = &s->nodes[id];
		const uint64_t start = s->keys[id].start;

		if (++count > s->count)
			return faulty(what, 1, "the list holds more slots than are counted");
		if (node->prev != before)
			return faulty(what, 1, "a slot's prev is not the slot before it");
		if (node->next >= s->used)
			return faulty(what, 1, "a slot's next is no node that was handed out");
		if (!slot_is_sane(start, node->size))
			return faulty(what, 2, "a slot is empty, not aligned to 8 bytes, or wraps");
		if (start < floor)
			return faulty(what, 2, "a slot touches or overlaps the one before it");
		floor = start + node->size + 1;
		bytes += node->size;
		pages += node->size / SLOTS_PAGE;
	}
	if (count != s->count)
		return faulty(what, 1, "the list holds fewer slots than are counted");
	if (before != s->last)
		return faulty(what, 1, "the list does not end at the last slot");
	if (bytes != s->bytes)
		return faulty(what, 3, "the sizes do not add up to the counted bytes");
	if (pages != s->pages)
		return faulty(what, 3, "the pages that slots hold do not add up to what is counted");
	return 0;
}

static int check_spare(const struct slots *s, const char **what)
{
	uint64_t left = s->nodes != NULL ? s->used - 1 - s->count : 0;
	slot_id id;

	for (id = s->spare; id != SLOT_NONE && left > 0; id = s->nodes[id].next, left--) {
		if (s->nodes[id].next >= s->used)
			return faulty(what, 7, "a spare node's next is no node that was handed out");
		if (!is_empty(s, id))
			return faulty(what, 7, "a spare node is not empty");
	}
	if (id != SLOT_NONE || left != 0)
		return faulty(what, 7, "spare and listed nodes are not as many as were handed out");
	return 0;
}

/* A child that names this parent is a slot: spare nodes were seen to have no parent. */
static int check_node(const struct slots *s, slot_id id, const char **what)
{
	const struct slots_node *n = s->nodes, *node = &n[id];
	const slot_id children[2] = {s->keys[id].left, s->keys[id].right};
	uint64_t size = node->size;
	double attraction = slot_gravity(s, id);

	for (int i = 0; i < 2; i++) {
		const slot_id child = children[i];

		if (child >= s->used)
			return faulty(what, 4, "a child is no node that was handed out");
		if (child != SLOT_NONE && n[child].parent != id)
			return faulty(what, 4, "a child names another parent");
		if (child != SLOT_NONE && n[child].priority > node->priority)
			return faulty(what, 5, "a child has a higher priority than its parent");
		if (n[child].max_size > size)
			size = n[child].max_size;
		if (n[child].max_gravity > attraction)
			attraction = n[child].max_gravity;
	}
	if (node->max_size != size)
		return faulty(what, 6, "a node's largest size is not its subtree's");
	if (node->max_gravity != attraction)
		return faulty(what, 6, "a node's highest gravity is not its subtree's");
	return 0;
}

/* Ends even in a damaged tree: check_node has seen that every child is a slot that names its one parent, so no way down
 * from a root without a parent meets itself again, and a node that is met twice is not the expected one. */
static int check_order(const struct slots *s, const char **what)
{
	slot_id expected = s->first, id;

	if (s->root != SLOT_NONE && s->nodes[s->root].parent != SLOT_NONE)
		return faulty(what, 4, "the root has a parent");
	for (id = tree_first(s, s->root); id != SLOT_NONE; id = tree_next(s, id)) {
		if (id != expected)
			return faulty(what, 4, "the order of the tree is not that of the list");
		expected = s->nodes[id].next;
	}
	if (expected != SLOT_NONE)
		return faulty(what, 4, "the tree holds fewer slots than the list");
	return 0;
}

int slots_check(const struct slots *s, const char **what)
{
	int number;

	assert(s != NULL);
	number = check_array(s, what);
	if (number == 0)
		number = check_list(s, what);
	if (number == 0)
		number = check_spare(s, what);
	for (slot_id id = s->first; number == 0 && id != SLOT_NONE; id = s->nodes[id].next)
		number = check_node(s, id, what);
	return number != 0 ? number : check_order(s, what);
}
