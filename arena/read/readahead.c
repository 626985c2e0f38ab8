/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* readahead.c owns the asking for what will be read. It refuses to read anything but nodes of the table.
 *
 * Cost: a system call for each range, some 50 ns for each 4 KiB that are in memory already. */
#include "arena/read/readahead.h"

#include "arena/table/table.h"

static void range_ask(const struct readahead *ahead)
{
	const struct map *m = ahead->map;
	const uint64_t file = map_bytes(m);
	const uint64_t end = ahead->end < file ? ahead->end : file;

	if (ahead->start < end && m->mode != OS_MAP_ANONYMOUS)
		(void)m->os->advise(m->os, m->base, ahead->start, end - ahead->start, OS_ADVISE_WILLNEED);
}

void readahead_begin_range(struct readahead *ahead, uint64_t start)
{
	range_ask(ahead);
	ahead->start = start;
	ahead->end = start;
	ahead->ranges++;
}

void readahead_end(struct readahead *ahead)
{
	range_ask(ahead);
	ahead->start = ahead->end = 0;
}

/* By insertion: there are 64 at most. */
static void offsets_insert(uint64_t *offsets, unsigned count, uint64_t offset)
{
	while (count > 0 && offsets[count - 1] > offset) {
		offsets[count] = offsets[count - 1];
		count--;
	}
	offsets[count] = offset;
}

/* The last node on the way to a name, and its level; NULL: the root is a page, or something is damaged. */
static const struct node_disk *node_above(const struct map *m, uint64_t root, uint64_t name, unsigned *level)
{
	const struct node_disk *node = NULL;
	uint64_t ref = root;

	for (*level = 0; *level < TABLE_LEVELS && ref_is_node(ref); ++*level) {
		const struct blob_disk *b = table_follow(m, ref, name, *level);
		if (b == NULL)
			return NULL;
		node = (const struct node_disk *)(const void *)b;
		ref = page_load(&node->ref[node_index(name, *level)]);
	}
	--*level;
	return node;
}

uint64_t readahead_pages(const struct map *m, uint64_t root, uint64_t name)
{
	struct readahead ahead = readahead_begin(m);
	uint64_t offsets[NODE_ENTRIES], last = 0;
	unsigned level, at, count = 0;
	const struct node_disk *node = node_above(m, root, name, &level);

	if (node == NULL)
		return 0;
	for (at = node_index(name, level); at < NODE_ENTRIES; at++) {
		const uint64_t ref = page_load(&node->ref[at]);
		if (ref_is_node(ref) && last != 0)
			break;
		if (ref != last)
			offsets_insert(offsets, count++, ref_offset(ref));
		last = ref;
	}
	for (unsigned i = 0; i < count; i++)
		readahead_add(&ahead, offsets[i], sizeof(struct page_disk));
	readahead_end(&ahead);
	return page_prefix(name, NODE_BITS * level) + ((uint64_t)at << (64 - NODE_BITS * (level + 1)));
}
