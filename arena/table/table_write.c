/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* table_write.c owns changing the table's shape: copying, splitting and merging pages. None of it changes what any
 * name maps to; entries are changed by commit.c alone.
 *
 * 1. What was born at or before `frozen` is never written, checks aside. While snapshots of commit `seen` may begin, no node
 *    that one of them could reach changes its shape either: a walk that is under way would meet the entries of a merged page
 *    twice. A page that is replaced by its copy is no change of shape.
 * 2. A new page or node is complete before a reference to it is stored.
 * 3. A parent is owned before its child is: a writable page is reached through writable nodes only.
 * 4. An old page keeps every entry that it had: a reader that is on it misses nothing.
 * 5. A place has the head of a page or node from the moment at which it is taken. Whoever walks over the file finds it, also
 *    when nothing came of it and it waits to be free again.
 *
 * Cost: a copy is 4 KiB; it happens once a page between two checkpoints or snapshots. */
#include "arena/table/table.h"

#include <assert.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"

#define MERGE_LOOKS 8u

static bool older_or_evicted(const struct table *t, const struct blob_disk *b, uint64_t frozen)
{
	const uint64_t offset = blob_offset(t->map, b);

	return (blob_seq(b) <= frozen && !broken(BROKEN_PAGE_IN_PLACE)) ||
	       (offset >= t->space->evict_start && offset < t->space->evict_end);
}

static bool needs_copy(const struct table *t, const struct blob_disk *b)
{
	return older_or_evicted(t, b, t->frozen);
}

static int place_take(struct table *t, uint64_t bytes, uint64_t *offset)
{
	int r = pending_reserve(&t->space->pending, 4);

	if (r == 0)
		r = space_take_page(t->space, bytes, offset);
	if (r == 0) {
		map_trust(t->map, *offset);
		t->bytes += bytes;
	}
	return r;
}

static int page_make(struct table *t, uint64_t prefix, unsigned depth, struct page_disk **page)
{
	uint64_t offset;
	const int r = place_take(t, sizeof **page, &offset);

	if (r != 0)
		return r;
	*page = (struct page_disk *)(void *)blob_at(t->map, offset);
	page_init(*page, prefix, depth, t->seq);
	return 0;
}

static int node_make(struct table *t, uint64_t prefix, unsigned depth, struct node_disk **node)
{
	struct node_disk *n;
	uint64_t offset;
	const int r = place_take(t, sizeof *n, &offset);

	assert(depth % NODE_BITS == 0);
	if (r != 0)
		return r;
	n = (struct node_disk *)(void *)blob_at(t->map, offset);
	memset(n, 0, sizeof *n);
	n->head.size = sizeof *n - sizeof n->head;
	n->head.name = prefix;
	n->head.stamp = blob_stamp(t->seq, BLOB_NODE, 0);
	n->head.link = depth;
	*node = n;
	return 0;
}

static void place_free(struct table *t, const struct blob_disk *b)
{
	const uint64_t bytes = blob_span(b->size);

	space_free_page(t->space, blob_offset(t->map, b), bytes, blob_seq(b), t->seq);
	t->bytes -= bytes;
}

static uint64_t ref_to(const struct table *t, const struct blob_disk *b)
{
	return ref_make(blob_offset(t->map, b), blob_seq(b), blob_kind(b) == BLOB_NODE);
}

/* The entries of a node at that level that a prefix of that depth takes: *first and how many. */
static unsigned node_range(uint64_t prefix, unsigned depth, unsigned level, unsigned *first)
{
	assert(depth > NODE_BITS * level && depth <= NODE_BITS * (level + 1));
	*first = node_index(prefix, level);
	return 1u << (NODE_BITS * (level + 1) - depth);
}

/* Stores a reference wherever a prefix of that depth goes through the last node of the path, or as the root. */
static void ref_put(struct table *t, struct table_path *path, unsigned levels, uint64_t prefix, unsigned depth,
		    uint64_t ref)
{
	unsigned first, count;

	if (levels == 0) {
		assert(depth == 0);
		t->root = ref;
		return;
	}
	count = node_range(prefix, depth, levels - 1, &first);
	for (unsigned i = 0; i < count; i++)
		page_store(&path->node[levels - 1]->ref[first + i], ref);
}

int table_seek(const struct table *t, uint64_t name, struct table_path *path)
{
	uint64_t ref = t->root;

	path->name = name;
	for (unsigned level = 0; level <= TABLE_LEVELS; level++) {
		struct blob_disk *b = broken(BROKEN_PAGE_TRUST)
					      ? blob_at(t->map, ref_offset(ref))
					      : (struct blob_disk *)(uintptr_t)table_follow(t->map, ref, name, level);
		if (b == NULL || !table_belongs(b, ref, name, level))
			return GRAVITY_CORRUPT;
		path->levels = level;
		if (!ref_is_node(ref)) {
			path->page = (struct page_disk *)(void *)b;
			return 0;
		}
		path->node[level] = (struct node_disk *)(void *)b;
		ref = path->node[level]->ref[node_index(name, level)];
	}
	return GRAVITY_CORRUPT;
}

/* Copies a page or node, which is a whole blob, to a new place with that birth. In a forged file that place may overlap it. */
static int blob_copy(struct table *t, const struct blob_disk *from, uint64_t born, struct blob_disk **to)
{
	const uint64_t bytes = blob_span(from->size);
	const size_t skip = sizeof from->check; /* a checkpoint may be writing the old one's check just now */
	uint64_t offset;
	const int r = place_take(t, bytes, &offset);

	if (r != 0)
		return r;
	*to = blob_at(t->map, offset);
	memmove((uint8_t *)*to + skip, (const uint8_t *)from + skip, bytes - skip);
	(*to)->check = 0;
	(*to)->stamp = blob_stamp(born, blob_kind(from), 0);
	return 0;
}

/* A snapshot that begins now may come to the copy: it must hold it. */
static uint64_t copy_born(const struct table *t)
{
	return t->seen != 0 ? t->seen : t->seq;
}

/* Copies the nodes of the path that were born at or before `frozen`. */
static int path_own_nodes(struct table *t, struct table_path *path, uint64_t frozen, uint64_t born)
{
	for (unsigned level = 0; level < path->levels; level++) {
		struct blob_disk *old = &path->node[level]->head;
		struct blob_disk *copy;
		int r;
		if (!older_or_evicted(t, old, frozen))
			continue;
		r = blob_copy(t, old, born, &copy);
		if (r != 0)
			return r;
		path->node[level] = (struct node_disk *)(void *)copy;
		ref_put(t, path, level, copy->name, copy->link, ref_to(t, copy));
		place_free(t, old);
	}
	return 0;
}

/* For a change of shape. */
static int path_own_shape(struct table *t, struct table_path *path)
{
	return path_own_nodes(t, path, t->seen > t->frozen ? t->seen : t->frozen, t->seq);
}

int table_own(struct table *t, struct table_path *path)
{
	struct blob_disk *old = &path->page->head;
	struct blob_disk *copy;
	int r = path_own_nodes(t, path, t->frozen, copy_born(t));

	if (r != 0 || !needs_copy(t, old))
		return r;
	r = blob_copy(t, old, copy_born(t), &copy);
	if (r != 0)
		return r;
	path->page = (struct page_disk *)(void *)copy;
	ref_put(t, path, path->levels, copy->name, copy->link, ref_to(t, copy));
	place_free(t, old);
	return 0;
}

/* Which half the entry goes to. Before its tag holds the bit, the blob must tell, and be sound. */
static int entry_half(const struct table *t, uint64_t entry, unsigned depth, unsigned *half)
{
	const uint64_t offset = page_entry_offset(entry);

	if (depth >= PAGE_TAG_FIRST) {
		*half = page_tag_bit(entry, depth);
		return 0;
	}
	if (!blob_verify(t->map, offset) && !broken(BROKEN_SPLIT_TRUST))
		return GRAVITY_CORRUPT;
	*half = (unsigned)(blob_at(t->map, offset)->name >> (63 - depth)) & 1;
	return 0;
}

static int entries_split(const struct table *t, const struct page_disk *from, struct page_disk *const to[2])
{
	const unsigned depth = page_depth(from);

	for (unsigned g = 0; g < PAGE_GROUPS; g++) {
		for (unsigned w = 0; w < PAGE_WAYS; w++) {
			const uint64_t entry = from->group[g][w];
			unsigned half;
			if (entry == 0)
				continue;
			if (entry_half(t, entry, depth, &half) != 0)
				return GRAVITY_CORRUPT;
			to[half]->group[g][w] = entry;
			to[half]->head.aux++;
		}
	}
	return 0;
}

/*      node: | . | P | P | P | P | . |     P: depth d, all of its prefix's entries
 *  ->  node: | . | A | A | B | B | . |     A, B: depth d+1
 *
 *      node: | . | P | . |                 P has a single entry: a new node below
 *  ->  node: | . | N | . |    N: | A x 32 | B x 32 |  */
int table_split(struct table *t, struct table_path *path)
{
	struct page_disk *old = path->page;
	const unsigned depth = page_depth(old);
	struct page_disk *half[2] = {NULL, NULL};
	struct node_disk *node = NULL;
	int r;

	if (depth >= PAGE_DEPTH_MAX)
		return GRAVITY_FULL;
	r = path_own_shape(t, path);
	for (unsigned i = 0; r == 0 && i < 2; i++)
		r = page_make(t, old->head.name | (uint64_t)i << (63 - depth), depth + 1, &half[i]);
	if (r == 0)
		r = entries_split(t, old, half);
	if (r == 0 && depth == NODE_BITS * path->levels)
		r = node_make(t, old->head.name, depth, &node);
	if (r != 0) {
		/* They lived for no time at all: free with the next drain. */
		for (unsigned i = 0; i < 2 && half[i] != NULL; i++)
			place_free(t, &half[i]->head);
		return r;
	}
	if (node != NULL) {
		for (unsigned i = 0; i < NODE_ENTRIES; i++)
			node->ref[i] = ref_to(t, &half[i >= NODE_ENTRIES / 2]->head);
		ref_put(t, path, path->levels, old->head.name, depth, ref_to(t, &node->head));
	} else {
		for (unsigned i = 0; i < 2; i++)
			ref_put(t, path, path->levels, half[i]->head.name, depth + 1, ref_to(t, &half[i]->head));
	}
	place_free(t, &old->head);
	t->pages++;
	return 0;
}

/* The buddy of the path's page: the page of the same depth whose prefix differs in the last bit; NULL when there is
 * none that could be merged with it. */
static struct page_disk *path_buddy(const struct table *t, const struct table_path *path)
{
	const unsigned depth = page_depth(path->page);
	const uint64_t name = path->page->head.name ^ (UINT64_C(1) << (64 - depth));
	const struct node_disk *node = path->node[path->levels - 1];
	const uint64_t ref = node->ref[node_index(name, path->levels - 1)];
	const struct blob_disk *b;

	if (ref_is_node(ref))
		return NULL;
	b = table_follow(t->map, ref, name, path->levels);
	if (b == NULL || b->link != depth || b->name != name)
		return NULL;
	return (struct page_disk *)(uintptr_t)b;
}

/* Comparing the groups of two pages costs as much as all the rest of a delete, and gives the same answer as after the delete
 * before: so it is done where the page would be copied anyway, where it is so empty that it will nearly always fit, and
 * at every MERGE_LOOKS-th entry in between. */
static bool merge_worth_a_look(const struct table *t, const struct page_disk *page)
{
	const uint32_t live = page->head.aux;

	return live <= PAGE_MERGE_LIVE / 4 || live % MERGE_LOOKS == 0 || needs_copy(t, &page->head);
}

/*      node: | A | A | B | B |   ->   | M | M | M | M |
 *
 *      a node that A and B fill whole goes, and M takes its entry in the parent */
int table_merge(struct table *t, struct table_path *path, bool *merged)
{
	struct page_disk *page = path->page;
	struct page_disk *buddy, *to;
	const unsigned depth = page_depth(page);
	struct node_disk *emptied = NULL;
	int r;

	*merged = false;
	if (depth == 0 || page->head.aux > PAGE_MERGE_LIVE || !merge_worth_a_look(t, page))
		return 0;
	buddy = path_buddy(t, path);
	if (buddy == NULL || !page_mergeable(page, buddy))
		return 0;
	r = path_own_shape(t, path);
	if (r == 0)
		r = page_make(t, page_prefix(page->head.name, depth - 1), depth - 1, &to);
	if (r != 0)
		return r;
	page_merge(to, page, buddy);
	if (depth - 1 == NODE_BITS * (path->levels - 1)) {
		emptied = path->node[path->levels - 1];
		ref_put(t, path, path->levels - 1, to->head.name, depth - 1, ref_to(t, &to->head));
	} else {
		ref_put(t, path, path->levels, to->head.name, depth - 1, ref_to(t, &to->head));
	}
	place_free(t, &page->head);
	place_free(t, &buddy->head);
	if (emptied != NULL)
		place_free(t, &emptied->head);
	t->pages--;
	*merged = true;
	return 0;
}
