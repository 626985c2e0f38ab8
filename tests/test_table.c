/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_table.c: the virtual-position table: its pages, its shape under puts and deletes against a plain list, what a
 * snapshot sees, names that will not be told apart, and what a damaged or hostile file holds in place of it. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/arena_fixture.h"

#define START_BYTES (DISK_DATA + 256 * KIB)

static struct bare bare;
static uint64_t commit; /* the newest */

static void table_open(const struct os *system)
{
	bare_open(&bare, system, START_BYTES, 0);
	commit = 1;
	bare.table.seq = 1;
	must_give(table_create(&bare.table), 0);
	bare_commit(&bare, 1);
}

static void setup(void)
{
	table_open(os_posix());
}

static void teardown(void)
{
	bare_sound(&bare);
	bare_close(&bare);
}

/* --- the table as commit.c uses it -------------------------------------------------------------------------------- */

/* Adds a record in a commit of its own. 0, or what table_split answered. */
static int entry_add(uint64_t name, uint64_t offset)
{
	for (;;) {
		struct table_path path;
		struct page_plan plan;
		uint64_t *entry;
		int r;
		must_give(table_seek(&bare.table, name, &path), 0);
		must_give(table_own(&bare.table, &path), 0);
		page_plan_begin(&plan, path.page);
		entry = page_plan_take(&plan, name);
		if (entry != NULL) {
			page_store(entry, page_entry(name, offset));
			path.page->head.aux++;
			return 0;
		}
		r = table_split(&bare.table, &path);
		if (r != 0)
			return r;
	}
}

static void entry_drop(uint64_t name, uint64_t offset)
{
	struct table_path path;
	uint64_t *entry;
	bool merged;

	do {
		must_give(table_seek(&bare.table, name, &path), 0);
		must_give(table_merge(&bare.table, &path, &merged), 0);
	} while (merged);
	must_give(table_own(&bare.table, &path), 0);
	entry = page_find(path.page, name, offset);
	must(entry != NULL);
	page_store(entry, 0);
	path.page->head.aux--;
}

static void commit_end(void)
{
	commit++;
	bare_commit(&bare, commit);
}

static uint64_t put(uint64_t name)
{
	const struct blob_disk *b = bare_record(&bare, name, commit + 1, &name, sizeof(name));

	must_give(entry_add(name, blob_offset(&bare.map, b)), 0);
	commit_end();
	return blob_offset(&bare.map, b);
}

static void del(uint64_t name)
{
	const struct blob_disk *b;

	must_give(table_find(&bare.map, bare.table.root, name, &b), 0);
	entry_drop(name, blob_offset(&bare.map, b));
	commit_end();
}

static void expect(uint64_t root, uint64_t name, bool there)
{
	const struct blob_disk *b;

	must_give(table_find(&bare.map, root, name, &b), there ? 0 : GRAVITY_NOTFOUND);
	if (there)
		must(b->name == name && memcmp(b + 1, &name, sizeof(name)) == 0);
}

/* Walks the table; gives its entries, and counts what was born after `born`. */
static uint64_t walk(uint64_t root, uint64_t born, uint64_t *blobs)
{
	struct table_iter it;
	struct blob_disk *b;
	uint64_t entries = 0;
	uint64_t last = 0;
	int r;

	*blobs = 0;
	table_iter_begin(&it, &bare.map, root, born, commit);
	while ((r = table_iter_next(&it, &b)) == 0) {
		must(blob_seq(b) > born);
		must(b->name >= last);
		last = b->name;
		++*blobs;
		if (blob_kind(b) == BLOB_PAGE) {
			must(page_count((const struct page_disk *)(const void *)b) == b->aux);
			entries += b->aux;
		}
	}
	must_give(r, GRAVITY_NOTFOUND);
	return entries;
}

static void freeze(void)
{
	bare.table.frozen = commit;
	bare.space.started_seq = commit;
}

/* --- pages -------------------------------------------------------------------------------------------------------- */

/* The two groups of a name differ and exist; a page takes some 400 random entries before one finds no place. */
START_TEST(page_fills_well)
{
	static struct page_disk page;
	struct page_plan plan;
	struct rng r = rng_make(1);
	unsigned taken = 0;
	uint64_t *entry;
	uint64_t name;

	page_init(&page, 0, 0, 1);
	page_plan_begin(&plan, &page);
	while ((entry = page_plan_take(&plan, name = rng_next(&r))) != NULL) {
		unsigned first, second, group;
		page_groups(name, &first, &second);
		group = (unsigned)((entry - &page.group[0][0]) / PAGE_WAYS);
		must(first < PAGE_GROUPS && second < PAGE_GROUPS && first != second);
		must(group == first || group == second);
		must(*entry == 0);
		*entry = page_entry(name, DISK_DATA + 8 * taken);
		must(page_find(&page, name, DISK_DATA + 8 * taken) == entry);
		must(page_find(&page, name, DISK_DATA + 8 * taken + 8) == NULL);
		taken++;
	}
	must(taken > PAGE_GROUPS * PAGE_WAYS * 6 / 10);
	must(page_count(&page) == taken);
}
END_TEST

/* Two pages are merged only where each is at most 40% full and every group has room; then nothing is lost. */
START_TEST(pages_merge_where_they_fit)
{
	static struct page_disk a, b, to;

	page_init(&a, 0, 1, 1);
	page_init(&b, UINT64_C(1) << 63, 1, 1);
	a.group[3][1] = 11;
	a.group[62][7] = 12;
	b.group[3][1] = 21;
	a.head.aux = 2;
	b.head.aux = 1;
	must(page_mergeable(&a, &b));
	page_init(&to, 0, 0, 2);
	page_merge(&to, &a, &b);
	must(to.head.aux == 3 && page_count(&to) == 3);
	must(to.group[3][0] == 11 && to.group[3][1] == 21 && to.group[62][0] == 12);
	for (unsigned w = 0; w < PAGE_WAYS; w++)
		b.group[3][w] = 30 + w;
	must(!page_mergeable(&a, &b));
	b.head.aux = PAGE_MERGE_LIVE + 1;
	a.group[3][1] = 0;
	must(!page_mergeable(&a, &b));
	must(!page_mergeable(&b, &a));
}
END_TEST

/* --- shape -------------------------------------------------------------------------------------------------------- */

/* Random names are found, absent ones are not, while the table grows to many pages and is emptied to one again. */
START_TEST(table_holds_what_was_put)
{
	const uint64_t count = testing_count(20000, 2000);
	struct rng r = rng_make(2);
	const struct rng same = r;
	uint64_t blobs;

	for (uint64_t i = 0; i < count; i++)
		put(rng_next(&r));
	must(bare.table.pages > count / 500);
	must(walk(bare.table.root, 0, &blobs) == count);
	must(bare.table.bytes ==
	     bare.table.pages * sizeof(struct page_disk) + (blobs - bare.table.pages) * sizeof(struct node_disk));
	r = same;
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t name = rng_next(&r);
		expect(bare.table.root, name, true);
		expect(bare.table.root, name + 1, false);
	}
	r = same;
	for (uint64_t i = 0; i < count; i++)
		del(rng_next(&r));
	must(walk(bare.table.root, 0, &blobs) == 0);
	must(bare.table.pages <= 1 + count / 2000);
}
END_TEST

/* A table whose names are looked at by page has each page once, in rising order, from the first name to the last. */
START_TEST(pages_come_in_order)
{
	struct rng r = rng_make(3);
	uint64_t name = 0;
	uint64_t pages = 0;
	uint64_t entries = 0;

	for (unsigned i = 0; i < 3000; i++)
		put(rng_next(&r));
	do {
		const uint64_t before = name;
		const struct page_disk *page = table_next_page(&bare.map, bare.table.root, &name);
		must(page != NULL && page->head.name == before);
		must(name > before || name == 0);
		pages++;
		entries += page_count(page);
	} while (name != 0);
	must(pages == bare.table.pages && entries == 3000);
}
END_TEST

/* Names that share their first 24 bits go down a chain of nodes, come to stand in pages of depth 25 and more, and leave
 * a table of one page when they are deleted. */
START_TEST(long_shared_prefixes_split_deep)
{
	const uint64_t prefix = UINT64_C(0xABCDEF) << 40;
	struct table_path path;
	struct rng r = rng_make(4);
	uint64_t names[1000];
	uint64_t blobs;

	for (unsigned i = 0; i < 1000; i++) {
		names[i] = prefix | rng_next(&r) >> 24;
		put(names[i]);
	}
	for (unsigned i = 0; i < 1000; i++)
		expect(bare.table.root, names[i], true);
	must_give(table_seek(&bare.table, names[0], &path), 0);
	must(path.levels == 5 && page_depth(path.page) > 24);
	expect(bare.table.root, prefix ^ UINT64_C(1) << 63, false);
	must(walk(bare.table.root, 0, &blobs) == 1000);
	for (unsigned i = 0; i < 1000; i++)
		del(names[i]);
	must(walk(bare.table.root, 0, &blobs) == 0);
	/* Merging follows deletions: one in each region that is left takes it back step by step. */
	for (unsigned i = 0; i < 64; i++) {
		put(names[i]);
		del(names[i]);
	}
	must_give(table_seek(&bare.table, names[0], &path), 0);
	must(page_depth(path.page) <= 24);
}
END_TEST

/* A page that is full at the greatest depth is GRAVITY_FULL; what is in it stays, and what goes makes room. */
START_TEST(full_at_the_greatest_depth)
{
	/* Names of one prefix whose two groups are the same. */
	const uint64_t prefix = UINT64_C(0x12345678) << 34;
	uint64_t offset[PAGE_WAYS * 2 + 1];
	struct table_path path;
	unsigned count = 0;
	int r = 0;

	while (r == 0) {
		must(count <= PAGE_WAYS * 2);
		offset[count] = blob_offset(&bare.map, bare_record(&bare, prefix | count, commit + 1, NULL, 0));
		r = entry_add(prefix | count, offset[count]);
		count += r == 0;
	}
	must_give(r, GRAVITY_FULL);
	must(count == PAGE_WAYS * 2);
	must_give(table_seek(&bare.table, prefix, &path), 0);
	must(page_depth(path.page) == PAGE_DEPTH_MAX && path.levels == TABLE_LEVELS);
	must_give(table_split(&bare.table, &path), GRAVITY_FULL);
	for (unsigned i = 0; i < count; i++)
		must(page_find(path.page, prefix | i, offset[i]) != NULL);
	entry_drop(prefix, offset[0]);
	must_give(entry_add(prefix | count, offset[count]), 0);
	commit_end();
}
END_TEST

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

/* What a snapshot can see is copied before it changes: its root shows the same records whatever happens since. */
START_TEST(frozen_table_stays_as_it_was)
{
	struct rng r = rng_make(5);
	uint64_t names[4000];
	uint64_t root, frozen_blobs, blobs;

	for (unsigned i = 0; i < 2000; i++)
		put(names[i] = rng_next(&r));
	freeze();
	root = bare.table.root;
	must(walk(root, 0, &frozen_blobs) == 2000);
	for (unsigned i = 2000; i < 4000; i++)
		put(names[i] = rng_next(&r));
	for (unsigned i = 0; i < 1500; i++)
		del(names[i]);
	must(walk(root, 0, &blobs) == 2000);
	must(blobs == frozen_blobs);
	for (unsigned i = 0; i < 4000; i++) {
		expect(root, names[i], i < 2000);
		expect(bare.table.root, names[i], i >= 1500);
	}
	must(walk(bare.table.root, 0, &blobs) == 2500);
}
END_TEST

/* A page is copied once; after that, changes are made in place until the next freeze. */
START_TEST(page_is_copied_once)
{
	struct table_path first, second;
	uint64_t pending;

	put(1);
	freeze();
	must_give(table_seek(&bare.table, 1, &first), 0);
	must_give(table_own(&bare.table, &first), 0);
	pending = bare.space.pending.bytes;
	must(pending == sizeof(struct page_disk));
	commit_end();
	must_give(table_seek(&bare.table, 1, &second), 0);
	must(second.page == first.page);
	must_give(table_own(&bare.table, &second), 0);
	must(second.page == first.page && bare.space.pending.bytes == pending);
}
END_TEST

/* A walk of what was born after a commit shows each changed page and the nodes above it, and leaves out the rest. */
START_TEST(walk_of_what_is_new)
{
	struct rng r = rng_make(6);
	uint64_t all, fresh;
	uint64_t since;

	for (unsigned i = 0; i < 5000; i++)
		put(rng_next(&r));
	since = commit;
	freeze();
	(void)walk(bare.table.root, since, &fresh);
	must(fresh == 0);
	put(rng_next(&r));
	(void)walk(bare.table.root, 0, &all);
	(void)walk(bare.table.root, since, &fresh);
	must(fresh >= 2 && fresh <= 3 + TABLE_LEVELS && fresh < all);
	/* A birth so long ago that a reference's bits cannot tell it: the pages themselves do. */
	commit += 2 * REF_BORN_MASK;
	bare_commit(&bare, commit);
	(void)walk(bare.table.root, since, &fresh);
	must(fresh >= 2 && fresh <= 3 + TABLE_LEVELS);
}
END_TEST

/* Pages in the range that compaction empties are copied out of it, whatever their birth. */
START_TEST(evicted_pages_are_copied)
{
	struct table_path path;
	uint64_t offset;

	put(1);
	must_give(table_seek(&bare.table, 1, &path), 0);
	offset = blob_offset(&bare.map, path.page);
	must_give(space_end_cluster(&bare.space), 0);
	bare.space.evict_start = offset;
	bare.space.evict_end = offset + sizeof(struct page_disk);
	must_give(table_own(&bare.table, &path), 0);
	must(blob_offset(&bare.map, path.page) != offset);
	commit_end();
	bare.space.evict_start = bare.space.evict_end = 0;
	expect(bare.table.root, 1, true);
}
END_TEST

/* --- failures ----------------------------------------------------------------------------------------------------- */

/* Where there is no space for a copy or a split, content stays as it is, and both work once there is. */
START_TEST(no_space_changes_nothing)
{
	struct rng r = rng_make(7);
	uint64_t names[600];

	for (unsigned i = 0; i < 600; i++) {
		struct table_path path;
		struct slots spare;
		put(names[i] = rng_next(&r));
		freeze();
		/* Nothing is free, and the file may not grow. */
		must_give(space_end_cluster(&bare.space), 0);
		spare = bare.space.free;
		slots_init(&bare.space.free, os_posix());
		bare.space.max_bytes = map_bytes(&bare.map);
		must_give(table_seek(&bare.table, names[i], &path), 0);
		must_give(table_own(&bare.table, &path), GRAVITY_FULL);
		must_give(table_seek(&bare.table, names[i], &path), 0);
		must_give(table_split(&bare.table, &path), GRAVITY_FULL);
		bare.space.max_bytes = UINT64_MAX;
		slots_release(&bare.space.free);
		bare.space.free = spare;
		for (unsigned k = 0; k <= i; k += 37)
			expect(bare.table.root, names[k], true);
	}
}
END_TEST

/* The same without memory, whichever call of a put fails; and nothing of it is lost in the end. */
START_TEST(no_memory_changes_nothing)
{
	struct rng r = rng_make(8);
	struct faulty faulty;
	uint64_t failed = 0;
	uint64_t names[600];

	teardown();
	faulty_init(&faulty);
	table_open(&faulty.os);
	for (unsigned i = 0; i < 600; i++) {
		struct table_path path;
		names[i] = rng_next(&r);
		freeze();
		for (uint64_t n = 1; n < 8; n++) {
			must_give(table_seek(&bare.table, names[i], &path), 0);
			faulty_arm(&faulty, FAULTY_ALLOC, n, ENOMEM, true);
			if (table_own(&bare.table, &path) == ENOMEM)
				failed++;
			faulty_arm(&faulty, 0, 0, 0, false);
			for (unsigned k = 0; k < i; k += 37)
				expect(bare.table.root, names[k], true);
		}
		put(names[i]);
	}
	must(failed > 0);
	teardown();
	faulty_clean(&faulty);
	setup();
}
END_TEST

/* A split that must ask a damaged record which half it belongs to fails, and changes nothing. */
START_TEST(split_over_damage_is_refused)
{
	struct rng r = rng_make(9);
	struct table_path path;
	uint64_t offset = 0;
	uint64_t pages;

	for (unsigned i = 0; i < 100; i++)
		offset = put(rng_next(&r));
	((uint8_t *)(blob_at(&bare.map, offset) + 1))[0] ^= 1;
	pages = bare.table.pages;
	must_give(table_seek(&bare.table, 0, &path), 0);
	must_give(table_split(&bare.table, &path), GRAVITY_CORRUPT);
	must(bare.table.pages == pages);
	((uint8_t *)(blob_at(&bare.map, offset) + 1))[0] ^= 1;
	must_give(table_seek(&bare.table, 0, &path), 0);
	must_give(table_split(&bare.table, &path), 0);
	must(bare.table.pages == pages + 1);
	commit_end();
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* As after an opening: nothing was verified yet, and every page and node carries its check. */
static void distrust(void)
{
	struct table_iter it;
	struct blob_disk *b;

	table_iter_begin(&it, &bare.map, bare.table.root, 0, commit);
	while (table_iter_next(&it, &b) == 0)
		blob_seal(&bare.map, b);
	memset((void *)(uintptr_t)bare.map.trust, 0, map_bytes(&bare.map) / 4096 + 8);
}

static void flip(uint64_t offset, uint64_t bit)
{
	bare.map.base[offset + bit / 8] = (uint8_t)(bare.map.base[offset + bit / 8] ^ 1u << (bit % 8));
}

/* A changed bit anywhere in a page or node is noticed by whoever comes by it first, and by no one else. */
START_TEST(damaged_page_is_noticed)
{
	struct rng r = rng_make(10);
	struct table_path path;
	uint64_t name = 0;
	const struct blob_disk *b;

	for (unsigned i = 0; i < 3000; i++)
		put(name = rng_next(&r));
	must_give(table_seek(&bare.table, name, &path), 0);
	must(path.levels == 1);
	for (unsigned turn = 0; turn < 200; turn++) {
		const bool node = turn % 2 == 0;
		const struct blob_disk *hurt = node ? &path.node[0]->head : &path.page->head;
		const uint64_t bit = rng_below(&r, 8 * (node ? sizeof(struct node_disk) : sizeof(struct page_disk)));
		struct table_path other;
		uint64_t at = name;
		distrust();
		flip(blob_offset(&bare.map, hurt), bit);
		must_give(table_find(&bare.map, bare.table.root, name, &b), GRAVITY_CORRUPT);
		must_give(table_seek(&bare.table, name, &other), GRAVITY_CORRUPT);
		must(table_next_page(&bare.map, bare.table.root, &at) == NULL);
		if (!node)
			expect(bare.table.root, name ^ UINT64_C(1) << 63, false);
		flip(blob_offset(&bare.map, hurt), bit);
		expect(bare.table.root, name, true);
	}
}
END_TEST

/* A walk over a damaged table says so, goes on behind the damage, and loses nothing that is whole. */
START_TEST(walk_goes_on_behind_damage)
{
	struct rng r = rng_make(12);
	struct table_path path;
	struct table_iter it;
	struct blob_disk *b;
	unsigned damaged = 0;
	uint64_t pages = 0;
	uint64_t name = 0;
	int result;

	for (unsigned i = 0; i < 3000; i++)
		put(name = rng_next(&r));
	must_give(table_seek(&bare.table, name, &path), 0);
	distrust();
	flip(blob_offset(&bare.map, path.page), 4000);
	table_iter_begin(&it, &bare.map, bare.table.root, 0, commit);
	while ((result = table_iter_next(&it, &b)) != GRAVITY_NOTFOUND) {
		if (result != 0) {
			must_give(result, GRAVITY_CORRUPT);
			damaged++;
			table_iter_skip(&it);
			continue;
		}
		pages += blob_kind(b) == BLOB_PAGE;
	}
	must(damaged >= 1);
	must(pages == bare.table.pages - 1);
}
END_TEST

/* A record that was damaged, or that is no record, is GRAVITY_CORRUPT and never absent; a record of another name under
 * the same tag is passed over if it is whole. */
START_TEST(damaged_record_is_never_absent)
{
	const uint64_t name = UINT64_C(0x00ABCDEF12345678);
	const uint64_t twin = name ^ UINT64_C(1) << 63; /* another prefix, the same tag and groups */
	const struct blob_disk *b;
	const uint64_t offset = put(name);
	struct table_path path;
	uint64_t *entry;

	must(page_tag(name) == page_tag(twin));
	expect(bare.table.root, twin, false);
	for (uint64_t bit = 0; bit < 8 * 40; bit++) {
		flip(offset, bit);
		must_give(table_find(&bare.map, bare.table.root, name, &b), GRAVITY_CORRUPT);
		must_give(table_find(&bare.map, bare.table.root, twin, &b), GRAVITY_CORRUPT);
		flip(offset, bit);
	}
	/* Without checks on reading, what is in another's place is told all the same. */
	bare.map.verify = false;
	flip(offset, 8 * 36);
	must_give(table_find(&bare.map, bare.table.root, name, &b), 0);
	must_give(table_find(&bare.map, bare.table.root, twin, &b), GRAVITY_CORRUPT);
	flip(offset, 8 * 36);
	bare.map.verify = true;
	/* A tombstone is no record. */
	blob_at(&bare.map, offset)->stamp = blob_stamp(2, BLOB_TOMB, 0);
	blob_seal(&bare.map, blob_at(&bare.map, offset));
	must_give(table_find(&bare.map, bare.table.root, name, &b), GRAVITY_CORRUPT);
	/* A position outside the file. */
	must_give(table_seek(&bare.table, name, &path), 0);
	entry = page_find(path.page, name, offset);
	page_store(entry, page_entry(name, DISK_FILE_MAX - 8));
	must_give(table_find(&bare.map, bare.table.root, name, &b), GRAVITY_CORRUPT);
	page_store(entry, page_entry(name, offset));
}
END_TEST

/* References of a hostile file lead nowhere: outside, unaligned, to a page of another place or birth, or round in
 * circles. No look-up crashes or hangs, and none finds a record that is not there. */
START_TEST(hostile_references_lead_nowhere)
{
	struct rng r = rng_make(11);
	struct table_path path;
	struct node_disk *node;
	uint64_t name = 0;
	uint64_t good;
	unsigned index;

	for (unsigned i = 0; i < 3000; i++)
		put(name = rng_next(&r));
	must_give(table_seek(&bare.table, name, &path), 0);
	node = path.node[0];
	index = node_index(name, 0);
	good = node->ref[index];
	for (unsigned turn = 0; turn < testing_count(3000, 300); turn++) {
		const struct blob_disk *b;
		struct table_iter it;
		struct blob_disk *seen;
		uint64_t at = name;
		uint64_t steps = 0;
		int result;
		uint64_t bad = rng_next(&r);
		if (turn % 4 == 1)
			bad = bare.table.root; /* round in a circle */
		if (turn % 4 == 2)
			bad = node->ref[(index + 1 + rng_below(&r, NODE_ENTRIES - 1)) % NODE_ENTRIES];
		if (turn % 4 == 3)
			bad = good ^ UINT64_C(1) << rng_below(&r, 64);
		if (bad == good)
			continue;
		distrust();
		node->ref[index] = bad;
		blob_seal(&bare.map, &node->head);
		result = table_find(&bare.map, bare.table.root, name, &b);
		must(result == GRAVITY_CORRUPT || bad == node->ref[index ^ 1] || bad == node->ref[index ^ 2] ||
		     bad == node->ref[index ^ 3] || (result == 0 && b->name == name));
		(void)table_next_page(&bare.map, bare.table.root, &at);
		table_iter_begin(&it, &bare.map, bare.table.root, 0, commit);
		while ((result = table_iter_next(&it, &seen)) != GRAVITY_NOTFOUND && steps++ < 100000)
			if (result != 0)
				table_iter_skip(&it);
		must(steps < 100000);
		node->ref[index] = good;
		blob_seal(&bare.map, &node->head);
	}
	must_give(table_find(&bare.map, ref_make(DISK_FILE_MAX - 64, 1, true), name, &(const struct blob_disk *){NULL}),
		  GRAVITY_CORRUPT);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		page_fills_well,
		pages_merge_where_they_fit,
		table_holds_what_was_put,
		pages_come_in_order,
		long_shared_prefixes_split_deep,
		full_at_the_greatest_depth,
		frozen_table_stays_as_it_was,
		page_is_copied_once,
		walk_of_what_is_new,
		evicted_pages_are_copied,
		no_space_changes_nothing,
		no_memory_changes_nothing,
		split_over_damage_is_refused,
		damaged_page_is_noticed,
		walk_goes_on_behind_damage,
		damaged_record_is_never_absent,
		hostile_references_lead_nowhere,
	};
	Suite *suite = suite_create("table");
	TCase *tc = testing_case(suite, "table", false);

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	return testing_main(suite);
}
