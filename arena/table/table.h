/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* table.h: the virtual-position table: a directory of nodes over pages of entries (extendible hashing).
 *
 * The directory is a tree of nodes, each of which takes the next 6 bits of a name. A page of depth d stands in as many
 * neighbouring entries of one node as names with its d-bit prefix need. A reference to a node or page holds its
 * position and the low bits of its birth, so that an older version at the same place is noticed:
 *
 *     bit 63: node      bits 62..40: birth, low 23 bits      bits 39..0: position
 *
 * What a checkpoint or snapshot can see (born at or before `frozen`) is copied before its first change; so are the nodes
 * above it, up to the root. Changes until then are made in place, a reference or entry at a time.
 *
 * Reading functions serve any thread that holds a pin or snapshot. Writing functions belong to the writer. */
#ifndef GKV_ARENA_TABLE_TABLE_H
#define GKV_ARENA_TABLE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/file/disk.h"
#include "arena/file/map.h"
#include "arena/space/space.h"
#include "arena/table/page.h"

#define TABLE_LEVELS 5u /* 30 bits */

#define REF_NODE      (UINT64_C(1) << 63)
#define REF_BORN_MASK UINT64_C(0x7fffff)

static inline uint64_t ref_offset(uint64_t ref)
{
	return (ref & PAGE_POSITION_MASK) * DISK_UNIT;
}

static inline bool ref_is_node(uint64_t ref)
{
	return (ref & REF_NODE) != 0;
}

static inline uint64_t ref_make(uint64_t offset, uint64_t born, bool node)
{
	return offset / DISK_UNIT | (born & REF_BORN_MASK) << PAGE_POSITION_BITS | (node ? REF_NODE : 0);
}

/* Which entry of a node at that level (0: the root) a name goes through. */
static inline unsigned node_index(uint64_t name, unsigned level)
{
	return (unsigned)(name >> (64 - NODE_BITS * (level + 1))) & (NODE_ENTRIES - 1);
}

/* Reading -------------------------------------------------------------------------------------------------------- */

/* Whether b, which a reference names at that level on the way to a name, has the kind, depth and prefix of that place. */
bool table_belongs(const struct blob_disk *b, uint64_t ref, uint64_t name, unsigned level);

/* The slow half of table_page: verifies what a reference names, or NULL when it is damaged. */
const struct blob_disk *table_verify(const struct map *m, uint64_t ref, uint64_t name, unsigned level);

static inline const struct blob_disk *table_follow(const struct map *m, uint64_t ref, uint64_t name, unsigned level)
{
	const uint64_t offset = ref_offset(ref);

	/* At a multiple of 64, that is of 8 units: one trust bit covers places of which a hostile file may name any. What
	 * was verified lay inside the file, which may have been cut since; the last 4 KiB are left to the slow half. */
	if (__builtin_expect((ref & (DISK_LINE / DISK_UNIT - 1)) == 0 &&
				     offset + sizeof(struct page_disk) <= map_bytes(m) && map_trusts(m, offset),
			     1))
		return blob_at(m, offset);
	return table_verify(m, ref, name, level);
}

/* The page that holds a name; NULL: the table is damaged there. */
static inline struct page_disk *table_page(const struct map *m, uint64_t root, uint64_t name)
{
	uint64_t ref = root;
	uint64_t rest = name; /* the bits of the levels below first */

	for (unsigned level = 0; level <= TABLE_LEVELS; level++, rest <<= NODE_BITS) {
		const struct blob_disk *b = table_follow(m, ref, name, level);
		if (b == NULL)
			return NULL;
		if (!ref_is_node(ref))
			return (struct page_disk *)(uintptr_t)b;
		ref = page_load(&((const struct node_disk *)(const void *)b)->ref[rest >> (64 - NODE_BITS)]);
	}
	return NULL;
}

/* The record of that name: 0 with *blob set, GRAVITY_NOTFOUND or GRAVITY_CORRUPT. */
int table_find(const struct map *m, uint64_t root, uint64_t name, const struct blob_disk **blob);

/* The page with the least prefix at or above *name, in the order of prefixes; sets *name to the prefix that follows it
 * (0 after the last one). NULL: damaged. */
const struct page_disk *table_next_page(const struct map *m, uint64_t root, uint64_t *name);

/* A walk over the nodes and pages below a root, a node before what is below it, in order of prefixes, from place to
 * place: nothing is held between two steps. */
struct table_iter {
	const struct map *map;
	uint64_t root;
	uint64_t born_after; /* what was born at or before this is left out, with all below it     */
	uint64_t newest;     /* the commit that root is of: births are told apart below this       */
	uint64_t name;
	unsigned level;
	bool done;
};

void table_iter_begin(struct table_iter *it, const struct map *m, uint64_t root, uint64_t born_after, uint64_t newest);
/* 0 with *b set, GRAVITY_NOTFOUND at the end, GRAVITY_CORRUPT where it cannot go on. */
int table_iter_next(struct table_iter *it, struct blob_disk **b);
/* After GRAVITY_CORRUPT: the offset that a reference leads to, at which there is not what it is for. */
uint64_t table_iter_offset(const struct table_iter *it);
/* After GRAVITY_CORRUPT: goes on behind what is damaged. */
void table_iter_skip(struct table_iter *it);

/* Writing -------------------------------------------------------------------------------------------------------- */

struct table {
	struct map *map;
	struct space *space;
	uint64_t root;         /* the writer's; readers start from the published one    */
	uint64_t seq;          /* number of the commit at work: births and deaths       */
	uint64_t frozen;       /* born at or before this: copied before it is changed   */
	uint64_t seen;         /* snapshots of this commit may begin meanwhile; 0: none */
	uint64_t pages, bytes; /* pages; bytes of pages and nodes                 */
};

/* The way from the root to the page of a name. */
struct table_path {
	uint64_t name;
	unsigned levels; /* nodes on the way */
	struct node_disk *node[TABLE_LEVELS];
	struct page_disk *page;
};

/* 0 or GRAVITY_CORRUPT. */
int table_seek(const struct table *t, uint64_t name, struct table_path *path);
/* Makes the page of the path, and the nodes above it, ones that may be changed. Changes no content. On failure
 * (GRAVITY_FULL, ENOSPC, ENOMEM, GRAVITY_CORRUPT) what was copied already stays so; the path is invalid. */
int table_own(struct table *t, struct table_path *path);
/* Two pages for the one of the path. Content as above. GRAVITY_FULL at the greatest depth. The path is invalid. */
int table_split(struct table *t, struct table_path *path);
/* One page for the one of the path and its buddy, where they are nearly empty. 0 whether it did or not. *merged tells;
 * then the path is invalid. */
int table_merge(struct table *t, struct table_path *path, bool *merged);

#endif
