/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* table.c owns reading the table: from a root down to the page and to the blob. It writes nothing but trust bits.
 *
 * 1. Nothing is followed before it lies inside the file and was verified: kind, prefix, depth, birth and check. A birth behind
 *    the header's commit would have the page changed in place, which the checkpoint needs as it is.
 * 2. A level has only references that stand for its own bits, so every walk ends after at most TABLE_LEVELS nodes.
 * 3. An entry that names another blob is passed over only if that blob verifies and has the same tag: damage never makes
 *    a record seem absent.
 *
 * Cost: one directory entry a level (in cache), one or two lines of entries, the blob. */
#include "arena/table/table.h"

#include <assert.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"
#include "arena/table/lookup.h"

bool table_belongs(const struct blob_disk *b, uint64_t ref, uint64_t name, unsigned level)
{
	const unsigned depth_max = NODE_BITS * level;
	unsigned depth_min = level == 0 ? 0 : NODE_BITS * (level - 1) + 1;

	if (ref_is_node(ref)) {
		if (level >= TABLE_LEVELS || blob_kind(b) != BLOB_NODE)
			return false;
		depth_min = depth_max;
	} else if (blob_kind(b) != BLOB_PAGE) {
		return false;
	}
	return b->link >= depth_min && b->link <= depth_max && b->name == page_prefix(name, b->link);
}

const struct blob_disk *table_verify(const struct map *m, uint64_t ref, uint64_t name, unsigned level)
{
	const uint64_t offset = ref_offset(ref);
	const uint64_t span = ref_is_node(ref) ? sizeof(struct node_disk) : sizeof(struct page_disk);
	const uint64_t born = (ref >> PAGE_POSITION_BITS) & REF_BORN_MASK;
	const struct blob_disk *b;

	if (offset % DISK_LINE != 0 || !map_holds(m, offset, span))
		return NULL;
	b = blob_at(m, offset);
	if (map_trusts(m, offset))
		return b;
	if (b->size != span - sizeof *b || ((blob_seq(b) & REF_BORN_MASK) != born && !broken(BROKEN_BIRTH)) ||
	    (blob_seq(b) > m->newest && !broken(BROKEN_BIRTH_LATE)) || !table_belongs(b, ref, name, level) ||
	    !blob_verify(m, offset))
		return NULL;
	map_trust(m, offset);
	return b;
}

int table_find(const struct map *m, uint64_t root, uint64_t name, const struct blob_disk **blob)
{
	return lookup(m, root, name, blob);
}

const struct page_disk *table_next_page(const struct map *m, uint64_t root, uint64_t *name)
{
	const struct page_disk *page = table_page(m, root, *name);

	/* A trusted page in a place that is not its own: references of a hostile file. */
	if (page == NULL || page_depth(page) > PAGE_DEPTH_MAX ||
	    page->head.name != page_prefix(*name, page_depth(page)))
		return NULL;
	*name = page_depth(page) == 0 ? 0 : page->head.name + (UINT64_C(1) << (64 - page_depth(page)));
	return page;
}

void table_iter_begin(struct table_iter *it, const struct map *m, uint64_t root, uint64_t born_after, uint64_t newest)
{
	*it = (struct table_iter){.map = m, .root = root, .born_after = born_after, .newest = newest};
}

/* Behind all names that share `depth` bits with this one, which need not be the first of them: a page is met in its
 * middle where the references before were damaged. Then down from the first node that begins there. */
static void iter_advance(struct table_iter *it, unsigned depth)
{
	it->name = depth == 0 ? 0 : page_prefix(it->name, depth) + (UINT64_C(1) << (64 - depth));
	it->done = it->name == 0;
	it->level = 1;
	while (it->level < TABLE_LEVELS && it->name << (NODE_BITS * it->level) != 0)
		it->level++;
}

/* A reference tells the low bits of a birth, which suffice unless the walk covers very many commits. */
static bool ref_older(const struct table_iter *it, uint64_t ref)
{
	const uint64_t span = it->newest - it->born_after;
	const uint64_t born = ref >> PAGE_POSITION_BITS;

	return it->born_after > 0 && span <= REF_BORN_MASK && ((it->newest - born) & REF_BORN_MASK) >= span;
}

/* The reference where the walk is, or the last one on the way there that can be followed no further. */
static int iter_ref(const struct table_iter *it, uint64_t *ref)
{
	*ref = it->root;
	for (unsigned level = 0; level < it->level; level++) {
		const struct blob_disk *b = table_follow(it->map, *ref, it->name, level);
		if (!ref_is_node(*ref) || b == NULL)
			return GRAVITY_CORRUPT;
		*ref = page_load(&((const struct node_disk *)(const void *)b)->ref[node_index(it->name, level)]);
	}
	return 0;
}

int table_iter_next(struct table_iter *it, struct blob_disk **out)
{
	while (!it->done) {
		const struct blob_disk *b;
		uint64_t ref;
		if (iter_ref(it, &ref) != 0)
			return GRAVITY_CORRUPT;
		if (ref_older(it, ref)) {
			iter_advance(it, NODE_BITS * it->level);
			continue;
		}
		b = table_follow(it->map, ref, it->name, it->level);
		if (b == NULL || !table_belongs(b, ref, it->name, it->level))
			return GRAVITY_CORRUPT;
		if (blob_seq(b) <= it->born_after) {
			iter_advance(it, b->link);
			continue;
		}
		if (ref_is_node(ref))
			it->level++;
		else
			iter_advance(it, b->link);
		*out = (struct blob_disk *)(uintptr_t)b;
		return 0;
	}
	return GRAVITY_NOTFOUND;
}

uint64_t table_iter_offset(const struct table_iter *it)
{
	uint64_t ref;

	(void)iter_ref(it, &ref);
	return ref_offset(ref);
}

void table_iter_skip(struct table_iter *it)
{
	iter_advance(it, NODE_BITS * it->level);
}
