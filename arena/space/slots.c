/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots.c: the free slots as a treap in two arrays, keys and nodes.
 *
 * It owns the two arrays (slots_memory.c) and nothing else: it knows no file, writes nothing to disk, takes no lock, and keeps no slot
 * that its owner did not insert. It never recurses and never relies on the height for its stack: every descent is a
 * loop, every way back up goes over the parent links.
 *
 * Nodes are named by 32-bit indices. Index 0 is the sentinel that stands for "none": its largest size and highest
 * gravity are 0 and it is never written after the arrays were made. A node that is not in use is all zeroes but for
 * `next`, which chains the spare nodes.
 *
 * A slot that grows or shrinks keeps its place in the order, so its node is changed where it stands. Its priority is
 * therefore stored, not computed from a start that moves: it is a hash of the start at which the slot was born. The
 * index is hashed with it, because a slot whose front was taken leaves its birthplace to a second one, and a chain of
 * nodes of one priority would be a list.
 *
 * Invariants, by the numbers that slots_check reports:
 *
 *   1. The list from `first` over `next` ends at `last`, holds `count` nodes, and `prev` is its mirror image.
 *   2. Every slot has a size > 0, start and size are multiples of 8, its end does not wrap, and it ends before the
 *      next one starts: slots neither overlap nor touch.
 *   3. `bytes` is the sum of all sizes, and `pages` that of the pages which each of them holds.
 *   4. Every child names its parent, the root has none, and the order of the tree is that of the list.
 *   5. No node has a higher priority than its parent.
 *   6. Every node's largest size and highest gravity are exactly those of its subtree.
 *   7. The spare list holds every node that was handed out and is not in the list, and each of them is empty.
 *   8. The sentinel is zero, count < used <= capacity, and count + kept < capacity; or there are no arrays, no slot and
 *      nothing kept.
 *
 * How 6 is kept: a node is *settled* when what it stores follows from its own slot, its successor's, and what its
 * children store. When all are settled, 6 holds. Whoever changes what a node's values follow from calls refresh() on
 * that node, which settles it and, while values change, its ancestors; an ancestor that is itself unsettled is left for its
 * own refresh to settle whole. Several unsettled nodes may be refreshed in any order. A slot's gravity follows from its successor, so changing a slot unsettles its predecessor as well. Rotations
 * need every node of the subtree settled, save the one that is being rotated up.
 *
 * Cost: a look-up is one descent, O(log n) expected. An insert or remove is one descent, fewer than two rotations
 * expected, and at most two walks up, which end at the first node whose values stay as they are. 56 bytes a node. */
#include "arena/space/slots.h"

#include <assert.h>
#include <errno.h>

#include "arena/gravity.h"
#include "arena/space/slots_node.h"

/* ---- tree ------------------------------------------------------------------------------------------------------ */

/* Settles one node; true when that changed its values. */
static bool settle(struct slots *s, slot_id id)
{
	struct slots_node *node = &s->nodes[id];
	const struct slots_node *left = &s->nodes[s->keys[id].left];
	const struct slots_node *right = &s->nodes[s->keys[id].right];
	uint64_t size = node->size;
	double attraction = slot_gravity(s, id);
	bool changed;

	assert(id != SLOT_NONE);
	assert(node->size > 0);
	if (left->max_size > size)
		size = left->max_size;
	if (right->max_size > size)
		size = right->max_size;
	if (left->max_gravity > attraction)
		attraction = left->max_gravity;
	if (right->max_gravity > attraction)
		attraction = right->max_gravity;
	changed = size != node->max_size || attraction != node->max_gravity;
	node->max_size = size;
	node->max_gravity = attraction;
	return changed;
}

/* Whether what a node stores can be brought up to date from a child's value before and after: the child was not what the
 * node's value came from, or is now. */
#define FOLLOWS(stored, before, after) ((before) < (stored) || (after) >= (stored))

/* Settles the ancestors of a node whose values have changed. Mostly that takes no look at their own slots, which lie
 * elsewhere in memory. */
static void refresh_above(struct slots *s, slot_id id, uint64_t size_before, double gravity_before)
{
	struct slots_node *n = s->nodes;
	slot_id up;

	for (; (up = n[id].parent) != SLOT_NONE; id = up) {
		const uint64_t size = n[up].max_size;
		const double pull = n[up].max_gravity;
		if (FOLLOWS(size, size_before, n[id].max_size) && FOLLOWS(pull, gravity_before, n[id].max_gravity)) {
			n[up].max_size = n[id].max_size > size ? n[id].max_size : size;
			n[up].max_gravity = n[id].max_gravity > pull ? n[id].max_gravity : pull;
		} else {
			(void)settle(s, up);
		}
		if (n[up].max_size == size && n[up].max_gravity == pull)
			return;
		size_before = size;
		gravity_before = pull;
	}
}

static void refresh(struct slots *s, slot_id id)
{
	const uint64_t size = s->nodes[id].max_size;
	const double pull = s->nodes[id].max_gravity;

	if (id != SLOT_NONE && settle(s, id))
		refresh_above(s, id, size, pull);
}

/* After a slot moved an end: its own values and its predecessor's gravity follow from that. */
static void refresh_slot(struct slots *s, slot_id id)
{
	assert(id != SLOT_NONE);
	refresh(s, id);
	refresh(s, s->nodes[id].prev);
}

/* Hangs `young` (which may be none) where `old` hangs from `parent` (none: the root). */
static void replace_child(struct slots *s, slot_id parent, slot_id old, slot_id young)
{
	struct slots_key *k = s->keys;
	struct slots_node *n = s->nodes;

	assert(old != SLOT_NONE);
	assert(parent != SLOT_NONE || s->root == old);
	if (parent == SLOT_NONE)
		s->root = young;
	else if (k[parent].left == old)
		k[parent].left = young;
	else
		k[parent].right = young;
	if (young != SLOT_NONE)
		n[young].parent = parent;
}

/*        p            x
 *       / \          / \
 *      x   c  --->  a   p       and its mirror image. The subtree's values stay as they are: x takes over p's, so
 *     / \              / \      that nothing above is unsettled, and p is settled for the children it has now.
 *    a   b            b   c
 */
static void rotate_up(struct slots *s, slot_id x)
{
	struct slots_key *k = s->keys;
	struct slots_node *n = s->nodes;
	const slot_id p = n[x].parent;
	slot_id inner;

	assert(x != SLOT_NONE);
	assert(p != SLOT_NONE);
	n[x].max_size = n[p].max_size;
	n[x].max_gravity = n[p].max_gravity;
	replace_child(s, n[p].parent, p, x);
	if (k[p].left == x) {
		inner = k[x].right;
		k[p].left = inner;
		k[x].right = p;
	} else {
		inner = k[x].left;
		k[p].right = inner;
		k[x].left = p;
	}
	if (inner != SLOT_NONE)
		n[inner].parent = p;
	n[p].parent = x;
	(void)settle(s, p);
}

/* Hangs x between two neighbours in the order, either of which may be none. Of two neighbours, one is below the other:
 * so either `before` has no right child or `after` has no left child. */
static void tree_hang(struct slots *s, slot_id x, slot_id before, slot_id after)
{
	struct slots_key *k = s->keys;
	struct slots_node *n = s->nodes;

	assert(n[x].max_size == 0);
	if (before != SLOT_NONE && k[before].right == SLOT_NONE) {
		k[before].right = x;
		n[x].parent = before;
	} else if (after != SLOT_NONE) {
		assert(k[after].left == SLOT_NONE);
		k[after].left = x;
		n[x].parent = after;
	} else {
		assert(s->root == SLOT_NONE);
		s->root = x;
	}
	while (n[x].parent != SLOT_NONE && n[n[x].parent].priority < n[x].priority)
		rotate_up(s, x);
	refresh(s, x);
}

static void tree_unhang(struct slots *s, slot_id x)
{
	struct slots_key *k = s->keys;
	struct slots_node *n = s->nodes;
	slot_id parent, child;

	assert(x != SLOT_NONE);
	while (k[x].left != SLOT_NONE && k[x].right != SLOT_NONE)
		rotate_up(s, n[k[x].left].priority > n[k[x].right].priority ? k[x].left : k[x].right);
	parent = n[x].parent;
	child = k[x].left != SLOT_NONE ? k[x].left : k[x].right;
	assert(parent != x && child != x);
	replace_child(s, parent, x, child);
	refresh(s, parent);
}

/* ---- slots ----------------------------------------------------------------------------------------------------- */

/* A new slot directly behind `before`, or the first one. The neighbours learn of it only when it hangs in the tree:
 * until then they stay settled, as the rotations need them. */
static void slot_add(struct slots *s, slot_id before, uint64_t start, uint64_t size)
{
	const slot_id x = node_take(s, start, size);
	struct slots_node *n = s->nodes;
	const slot_id after = before != SLOT_NONE ? n[before].next : s->first;

	assert(before == SLOT_NONE || slot_end(s, before) < start);
	assert(after == SLOT_NONE || start + size < s->keys[after].start);
	s->pages += size / SLOTS_PAGE;
	n[x].prev = before;
	n[x].next = after;
	tree_hang(s, x, before, after);
	if (before != SLOT_NONE)
		n[before].next = x;
	else
		s->first = x;
	if (after != SLOT_NONE)
		n[after].prev = x;
	else
		s->last = x;
	refresh(s, before);
}

/* The reverse of slot_add: out of the tree while its neighbours still know it, then out of the list. */
static void slot_drop(struct slots *s, slot_id x)
{
	struct slots_node *n = s->nodes;
	const slot_id before = n[x].prev, after = n[x].next;

	assert(x != SLOT_NONE);
	assert(s->count > 0);
	s->pages -= n[x].size / SLOTS_PAGE;
	tree_unhang(s, x);
	if (before != SLOT_NONE)
		n[before].next = after;
	else
		s->first = after;
	if (after != SLOT_NONE)
		n[after].prev = before;
	else
		s->last = before;
	node_give(s, x);
	refresh(s, before);
}

/* Moves both ends of a slot within its gap. */
static void slot_set(struct slots *s, slot_id x, uint64_t start, uint64_t size)
{
	struct slots_node *node = &s->nodes[x];

	assert(x != SLOT_NONE);
	assert(slot_is_sane(start, size));
	assert(node->prev == SLOT_NONE || slot_end(s, node->prev) < start);
	assert(node->next == SLOT_NONE || start + size < s->keys[node->next].start);
	s->pages += size / SLOTS_PAGE;
	s->pages -= node->size / SLOTS_PAGE;
	s->keys[x].start = start;
	node->size = size;
	refresh_slot(s, x);
}

/*     before          after            joins both: `after` is dropped and `before` reaches to its end
 *   [--------)[ new )[-----)           joins one: that one grows
 *                                      joins none: a slot of its own                                    */
int slots_insert(struct slots *s, uint64_t start, uint64_t size)
{
	const slot_id before = slots_at_or_before(s, start);
	uint64_t after_start = UINT64_MAX, after_size;
	slot_id after = s->first;
	bool joins_before, joins_after;

	if (!slot_is_sane(start, size))
		return GRAVITY_INVALID;
	if (before != SLOT_NONE) {
		after = s->nodes[before].next;
		if (slot_end(s, before) > start)
			return GRAVITY_INVALID;
	}
	if (after != SLOT_NONE)
		after_start = s->keys[after].start;
	if (start + size > after_start)
		return GRAVITY_INVALID;
	joins_before = before != SLOT_NONE && slot_end(s, before) == start;
	joins_after = after != SLOT_NONE && start + size == after_start;

	if (!joins_before && !joins_after) {
		int code = slots_reserve(s, 1);

		if (code != 0)
			return code;
		slot_add(s, before, start, size);
	} else if (joins_before && joins_after) {
		after_size = s->nodes[after].size;
		slot_drop(s, after);
		slot_set(s, before, s->keys[before].start, s->nodes[before].size + size + after_size);
	} else if (joins_before) {
		slot_set(s, before, s->keys[before].start, s->nodes[before].size + size);
	} else {
		slot_set(s, after, start, s->nodes[after].size + size);
	}
	s->bytes += size;
	assert(s->bytes >= size);
	return 0;
}

int slots_insert_kept(struct slots *s, uint64_t start, uint64_t size)
{
	slots_keep_less(s, 1);
	return slots_insert(s, start, size);
}

/*   [ front )[ taken )[ back )         what is left keeps the node; when both are left, the back gets a new one */
int slots_remove(struct slots *s, uint64_t start, uint64_t size)
{
	const slot_id x = slots_at_or_before(s, start);
	uint64_t front, back;
	int code;

	if (!slot_is_sane(start, size))
		return GRAVITY_INVALID;
	if (x == SLOT_NONE || start + size > slot_end(s, x))
		return GRAVITY_NOTFOUND;
	front = start - s->keys[x].start;
	back = slot_end(s, x) - (start + size);
	assert(front + size + back == s->nodes[x].size);

	if (front > 0 && back > 0) {
		code = slots_reserve(s, 1);
		if (code != 0)
			return code;
		slot_set(s, x, start - front, front);
		slot_add(s, x, start + size, back);
	} else if (front > 0) {
		slot_set(s, x, start - front, front);
	} else if (back > 0) {
		slot_set(s, x, start + size, back);
	} else {
		slot_drop(s, x);
	}
	assert(s->bytes >= size);
	s->bytes -= size;
	return 0;
}
