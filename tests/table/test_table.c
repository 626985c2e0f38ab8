/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_table.c: the virtual-position table: what a snapshot sees of it, what is left where a change fails, and what a
 * damaged or hostile file holds in place of it. Its shape is in test_table_shape.c. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <string.h>

#include "tests/table/table_fixture.h"

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

/* What a snapshot can see is copied before it changes: its root shows the same records whatever happens since. */
START_TEST(frozen_table_stays_as_it_was)
{
	struct rng r = rng_make(5);
	uint64_t names[4000];
	uint64_t root, frozen_blobs, blobs;

	for (unsigned i = 0; i < 2000; i++)
		bare_put(names[i] = rng_next(&r));
	bare_freeze();
	root = bare.table.root;
	must(bare_walk(root, 0, &frozen_blobs) == 2000);
	for (unsigned i = 2000; i < 4000; i++)
		bare_put(names[i] = rng_next(&r));
	for (unsigned i = 0; i < 1500; i++)
		bare_del(names[i]);
	must(bare_walk(root, 0, &blobs) == 2000);
	must(blobs == frozen_blobs);
	for (unsigned i = 0; i < 4000; i++) {
		bare_expect(root, names[i], i < 2000);
		bare_expect(bare.table.root, names[i], i >= 1500);
	}
	must(bare_walk(bare.table.root, 0, &blobs) == 2500);
}
END_TEST

/* A page is copied once; after that, changes are made in place until the next freeze. */
START_TEST(page_is_copied_once)
{
	struct table_path first, second;
	uint64_t pending;

	bare_put(1);
	bare_freeze();
	must_give(table_seek(&bare.table, 1, &first), 0);
	must_give(table_own(&bare.table, &first), 0);
	pending = bare.space.pending.bytes;
	must(pending == sizeof(struct page_disk));
	bare_commit_end();
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
		bare_put(rng_next(&r));
	since = bare_newest;
	bare_freeze();
	(void)bare_walk(bare.table.root, since, &fresh);
	must(fresh == 0);
	bare_put(rng_next(&r));
	(void)bare_walk(bare.table.root, 0, &all);
	(void)bare_walk(bare.table.root, since, &fresh);
	must(fresh >= 2 && fresh <= 3 + TABLE_LEVELS && fresh < all);
	/* A birth so long ago that a reference's bits cannot tell it: the pages themselves do. */
	bare_newest += 2 * REF_BORN_MASK;
	bare_commit(&bare, bare_newest);
	(void)bare_walk(bare.table.root, since, &fresh);
	must(fresh >= 2 && fresh <= 3 + TABLE_LEVELS);
}
END_TEST

/* Pages in the range that compaction empties are copied out of it, whatever their birth. */
START_TEST(evicted_pages_are_copied)
{
	struct table_path path;
	uint64_t offset;

	bare_put(1);
	must_give(table_seek(&bare.table, 1, &path), 0);
	offset = blob_offset(&bare.map, path.page);
	must_give(space_end_cluster(&bare.space), 0);
	bare.space.evict_start = offset;
	bare.space.evict_end = offset + sizeof(struct page_disk);
	must_give(table_own(&bare.table, &path), 0);
	must(blob_offset(&bare.map, path.page) != offset);
	bare_commit_end();
	bare.space.evict_start = bare.space.evict_end = 0;
	bare_expect(bare.table.root, 1, true);
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
		bare_put(names[i] = rng_next(&r));
		bare_freeze();
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
			bare_expect(bare.table.root, names[k], true);
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

	bare_table_teardown();
	faulty_init(&faulty);
	bare_table_open(&faulty.os);
	for (unsigned i = 0; i < 600; i++) {
		struct table_path path;
		names[i] = rng_next(&r);
		bare_freeze();
		for (uint64_t n = 1; n < 8; n++) {
			must_give(table_seek(&bare.table, names[i], &path), 0);
			faulty_arm(&faulty, FAULTY_ALLOC, n, ENOMEM, true);
			if (table_own(&bare.table, &path) == ENOMEM)
				failed++;
			faulty_arm(&faulty, 0, 0, 0, false);
			for (unsigned k = 0; k < i; k += 37)
				bare_expect(bare.table.root, names[k], true);
		}
		bare_put(names[i]);
	}
	must(failed > 0);
	bare_table_teardown();
	faulty_clean(&faulty);
	bare_table_setup();
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
		offset = bare_put(rng_next(&r));
	((uint8_t *)(blob_at(&bare.map, offset) + 1))[0] ^= 1;
	pages = bare.table.pages;
	must_give(table_seek(&bare.table, 0, &path), 0);
	must_give(table_split(&bare.table, &path), GRAVITY_CORRUPT);
	must(bare.table.pages == pages);
	((uint8_t *)(blob_at(&bare.map, offset) + 1))[0] ^= 1;
	must_give(table_seek(&bare.table, 0, &path), 0);
	must_give(table_split(&bare.table, &path), 0);
	must(bare.table.pages == pages + 1);
	bare_commit_end();
}
END_TEST

static int head_expect(void *arg, const struct extent *e)
{
	const struct blob_disk *b = blob_at(&bare.map, e->start);

	must(blob_kind(b) == BLOB_PAGE || blob_kind(b) == BLOB_NODE);
	must(blob_span(b->size) == e->size);
	++*(uint64_t *)arg;
	return 0;
}

/* What is freed and still held is a page or a node, by which a walk over the file goes on behind it. */
static void freed_have_heads(uint64_t least)
{
	uint64_t count = 0;

	must_give(pending_each(&bare.space.pending, head_expect, &count), 0);
	must(count >= least);
}

/* A split for which there is one page alone, or that meets damage, leaves what it took as pages: they are held until the
 * readers of that time are gone, and whoever walks over the file meanwhile must know how long they are. */
START_TEST(failed_split_leaves_pages)
{
	struct rng r = rng_make(11);
	struct table_path path;
	struct slots spare;
	uint64_t offset = 0;
	uint64_t place;

	for (unsigned i = 0; i < 100; i++)
		offset = bare_put(rng_next(&r));
	must_give(space_end_cluster(&bare.space), 0);
	(void)space_drain(&bare.space, UINT64_MAX);
	spare = bare.space.free;
	place = (slots_start(&spare, slots_largest(&spare)) + 2 * DISK_PAGE) & ~(DISK_PAGE - 1);
	must_give(slots_remove(&spare, place, DISK_PAGE), 0);
	memset(bare.map.base + place, 0xff, DISK_PAGE);
	slots_init(&bare.space.free, os_posix());
	must_give(slots_insert(&bare.space.free, place, DISK_PAGE), 0);
	bare.space.max_bytes = map_bytes(&bare.map);
	must_give(table_seek(&bare.table, 0, &path), 0);
	must_give(table_split(&bare.table, &path), GRAVITY_FULL);
	must(bare.space.free.bytes == 0);
	freed_have_heads(1);
	bare.space.max_bytes = UINT64_MAX;
	slots_release(&bare.space.free);
	bare.space.free = spare;

	((uint8_t *)(blob_at(&bare.map, offset) + 1))[0] ^= 1;
	must_give(table_seek(&bare.table, 0, &path), 0);
	must_give(table_split(&bare.table, &path), GRAVITY_CORRUPT);
	((uint8_t *)(blob_at(&bare.map, offset) + 1))[0] ^= 1;
	freed_have_heads(3);
	bare_commit_end();
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------------------------- */

/* As after an opening: nothing was verified yet, and every page and node carries its check. */
static void distrust(void)
{
	struct table_iter it;
	struct blob_disk *b;

	table_iter_begin(&it, &bare.map, bare.table.root, 0, bare_newest);
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
		bare_put(name = rng_next(&r));
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
			bare_expect(bare.table.root, name ^ UINT64_C(1) << 63, false);
		flip(blob_offset(&bare.map, hurt), bit);
		bare_expect(bare.table.root, name, true);
	}
}
END_TEST

/* A page or node of an earlier birth, which verifies, is noticed where a later one should stand: a write of it was lost. */
START_TEST(older_version_is_noticed)
{
	struct rng r = rng_make(13);
	struct table_path path;
	uint64_t name = 0;
	const struct blob_disk *b;

	for (unsigned i = 0; i < 3000; i++)
		bare_put(name = rng_next(&r));
	must_give(table_seek(&bare.table, name, &path), 0);
	must(path.levels == 1);
	for (unsigned turn = 0; turn < 40; turn++) {
		struct blob_disk *old = turn % 2 == 0 ? &path.node[0]->head : &path.page->head;
		const uint64_t stamp = old->stamp;
		struct table_path other;
		distrust();
		old->stamp -= 1 + turn / 2 % blob_seq(old);
		blob_seal(&bare.map, old);
		must_give(table_find(&bare.map, bare.table.root, name, &b), GRAVITY_CORRUPT);
		must_give(table_seek(&bare.table, name, &other), GRAVITY_CORRUPT);
		old->stamp = stamp;
		blob_seal(&bare.map, old);
		bare_expect(bare.table.root, name, true);
	}
}
END_TEST

/* A birth behind the commit that the file was opened at is not believed, though its low bits are those of the reference. */
START_TEST(later_birth_is_noticed)
{
	struct rng r = rng_make(14);
	struct table_path path;
	uint64_t name = 0;
	const struct blob_disk *b;

	for (unsigned i = 0; i < 3000; i++)
		bare_put(name = rng_next(&r));
	must_give(table_seek(&bare.table, name, &path), 0);
	must(path.levels == 1);
	bare.map.newest = bare.table.seq;
	for (unsigned turn = 0; turn < 2; turn++) {
		struct blob_disk *page = turn == 0 ? &path.node[0]->head : &path.page->head;
		const uint64_t stamp = page->stamp;
		struct table_path other;
		distrust();
		page->stamp += REF_BORN_MASK + 1;
		blob_seal(&bare.map, page);
		must_give(table_find(&bare.map, bare.table.root, name, &b), GRAVITY_CORRUPT);
		must_give(table_seek(&bare.table, name, &other), GRAVITY_CORRUPT);
		page->stamp = stamp;
		blob_seal(&bare.map, page);
		bare_expect(bare.table.root, name, true);
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
		bare_put(name = rng_next(&r));
	must_give(table_seek(&bare.table, name, &path), 0);
	distrust();
	flip(blob_offset(&bare.map, path.page), 4000);
	table_iter_begin(&it, &bare.map, bare.table.root, 0, bare_newest);
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

/* Whichever reference of a node is lost: a page that others lead to is met once all the same, and the walk ends. */
START_TEST(walk_passes_any_lost_reference)
{
	struct rng r = rng_make(13);
	struct table_path path;
	struct node_disk *node;
	uint64_t shared = 0;

	for (unsigned i = 0; i < 3000; i++)
		(void)bare_put(rng_next(&r));
	must_give(table_seek(&bare.table, 0, &path), 0);
	must(path.levels == 1);
	node = path.node[0];
	for (unsigned i = 0; i < NODE_ENTRIES; i++) {
		const uint64_t good = node->ref[i];
		const bool others =
			(i > 0 && node->ref[i - 1] == good) || (i + 1 < NODE_ENTRIES && node->ref[i + 1] == good);
		struct table_iter it;
		struct blob_disk *b;
		uint64_t pages = 0;
		uint64_t steps = 0;
		int result;
		node->ref[i] = 0;
		table_iter_begin(&it, &bare.map, bare.table.root, 0, bare_newest);
		while ((result = table_iter_next(&it, &b)) != GRAVITY_NOTFOUND && steps++ < 1000) {
			if (result != 0)
				table_iter_skip(&it);
			else
				pages += blob_kind(b) == BLOB_PAGE;
		}
		must_give(result, GRAVITY_NOTFOUND);
		must(pages == bare.table.pages - !others);
		shared += others;
		node->ref[i] = good;
	}
	must(shared > 0);
}
END_TEST

/* A record that was damaged, or that is no record, is GRAVITY_CORRUPT and never absent; a record of another name under
 * the same tag is passed over if it is whole. */
START_TEST(damaged_record_is_never_absent)
{
	const uint64_t name = UINT64_C(0x00ABCDEF12345678);
	const uint64_t twin = name ^ UINT64_C(1) << 63; /* another prefix, the same tag and groups */
	const struct blob_disk *b;
	const uint64_t offset = bare_put(name);
	struct table_path path;
	uint64_t *entry;

	must(page_tag(name) == page_tag(twin));
	bare_expect(bare.table.root, twin, false);
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
		bare_put(name = rng_next(&r));
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
		/* Beside the verified root it shares the root's trust: what the forger's node then lacks is absent. */
		must(result == GRAVITY_CORRUPT || bad == node->ref[index ^ 1] || bad == node->ref[index ^ 2] ||
		     bad == node->ref[index ^ 3] || (result == 0 && b->name == name) ||
		     (result == GRAVITY_NOTFOUND && ref_offset(bad) >> 9 == ref_offset(bare.table.root) >> 9));
		(void)table_next_page(&bare.map, bare.table.root, &at);
		table_iter_begin(&it, &bare.map, bare.table.root, 0, bare_newest);
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
		frozen_table_stays_as_it_was,
		page_is_copied_once,
		walk_of_what_is_new,
		evicted_pages_are_copied,
		no_space_changes_nothing,
		no_memory_changes_nothing,
		split_over_damage_is_refused,
		failed_split_leaves_pages,
		damaged_page_is_noticed,
		older_version_is_noticed,
		later_birth_is_noticed,
		walk_goes_on_behind_damage,
		walk_passes_any_lost_reference,
		damaged_record_is_never_absent,
		hostile_references_lead_nowhere,
	};
	Suite *suite = suite_create("table");
	TCase *tc = testing_case(suite, "table", false);

	tcase_add_checked_fixture(tc, bare_table_setup, bare_table_teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	return testing_main(suite);
}
