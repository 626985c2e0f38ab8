/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_table_shape.c: the virtual-position table: its pages, its shape under puts and deletes, and names that will not
 * be told apart. */
#define _GNU_SOURCE

#include <check.h>

#include "tests/table/table_fixture.h"

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
		bare_put(rng_next(&r));
	must(bare.table.pages > count / 500);
	must(bare_walk(bare.table.root, 0, &blobs) == count);
	must(bare.table.bytes ==
	     bare.table.pages * sizeof(struct page_disk) + (blobs - bare.table.pages) * sizeof(struct node_disk));
	r = same;
	for (uint64_t i = 0; i < count; i++) {
		const uint64_t name = rng_next(&r);
		bare_expect(bare.table.root, name, true);
		bare_expect(bare.table.root, name + 1, false);
	}
	r = same;
	for (uint64_t i = 0; i < count; i++)
		bare_del(rng_next(&r));
	must(bare_walk(bare.table.root, 0, &blobs) == 0);
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
		bare_put(rng_next(&r));
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
		bare_put(names[i]);
	}
	for (unsigned i = 0; i < 1000; i++)
		bare_expect(bare.table.root, names[i], true);
	must_give(table_seek(&bare.table, names[0], &path), 0);
	must(path.levels == 5 && page_depth(path.page) > 24);
	bare_expect(bare.table.root, prefix ^ UINT64_C(1) << 63, false);
	must(bare_walk(bare.table.root, 0, &blobs) == 1000);
	for (unsigned i = 0; i < 1000; i++)
		bare_del(names[i]);
	must(bare_walk(bare.table.root, 0, &blobs) == 0);
	/* Merging follows deletions: one in each region that is left takes it back step by step. */
	for (unsigned i = 0; i < 64; i++) {
		bare_put(names[i]);
		bare_del(names[i]);
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
		offset[count] = blob_offset(&bare.map, bare_record(&bare, prefix | count, bare_newest + 1, NULL, 0));
		r = bare_entry_add(prefix | count, offset[count]);
		count += r == 0;
	}
	must_give(r, GRAVITY_FULL);
	must(count == PAGE_WAYS * 2);
	must_give(table_seek(&bare.table, prefix, &path), 0);
	must(page_depth(path.page) == PAGE_DEPTH_MAX && path.levels == TABLE_LEVELS);
	must_give(table_split(&bare.table, &path), GRAVITY_FULL);
	for (unsigned i = 0; i < count; i++)
		must(page_find(path.page, prefix | i, offset[i]) != NULL);
	bare_entry_drop(prefix, offset[0]);
	must_give(bare_entry_add(prefix | count, offset[count]), 0);
	bare_commit_end();
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		page_fills_well,     pages_merge_where_they_fit,      table_holds_what_was_put,
		pages_come_in_order, long_shared_prefixes_split_deep, full_at_the_greatest_depth,
	};
	Suite *suite = suite_create("table_shape");
	TCase *tc = testing_case(suite, "shape", false);

	tcase_add_checked_fixture(tc, bare_table_setup, bare_table_teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	return testing_main(suite);
}
