/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* table_fixture.c: see table_fixture.h. */
#include "tests/table/table_fixture.h"

#include <string.h>

#define START_BYTES (DISK_DATA + 256 * KIB)

struct bare bare;
uint64_t bare_newest;

/* An empty table: one page. */
static void table_create(struct table *t)
{
	uint64_t offset;
	struct page_disk *page;

	must_give(pending_reserve(&t->space->pending, 4), 0);
	must_give(space_take_page(t->space, sizeof *page, &offset), 0);
	map_trust(t->map, offset);
	page = (struct page_disk *)(void *)blob_at(t->map, offset);
	page_init(page, 0, 0, t->seq);
	t->root = ref_make(offset, t->seq, false);
	t->pages = 1;
	t->bytes += sizeof *page;
}

void bare_table_open(const struct os *system)
{
	bare_open(&bare, system, START_BYTES, 0);
	bare_newest = 1;
	bare.table.seq = 1;
	table_create(&bare.table);
	bare_commit(&bare, 1);
}

void bare_table_setup(void)
{
	bare_table_open(os_posix());
}

void bare_table_teardown(void)
{
	bare_sound(&bare);
	bare_close(&bare);
}

/* --- the table as commit.c uses it -------------------------------------------------------------------------------- */

int bare_entry_add(uint64_t name, uint64_t offset)
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

void bare_entry_drop(uint64_t name, uint64_t offset)
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

void bare_commit_end(void)
{
	bare_newest++;
	bare_commit(&bare, bare_newest);
}

uint64_t bare_put(uint64_t name)
{
	const struct blob_disk *b = bare_record(&bare, name, bare_newest + 1, &name, sizeof(name));

	must_give(bare_entry_add(name, blob_offset(&bare.map, b)), 0);
	bare_commit_end();
	return blob_offset(&bare.map, b);
}

void bare_del(uint64_t name)
{
	const struct blob_disk *b;

	must_give(table_find(&bare.map, bare.table.root, name, &b), 0);
	bare_entry_drop(name, blob_offset(&bare.map, b));
	bare_commit_end();
}

void bare_expect(uint64_t root, uint64_t name, bool there)
{
	const struct blob_disk *b;

	must_give(table_find(&bare.map, root, name, &b), there ? 0 : GRAVITY_NOTFOUND);
	if (there)
		must(b->name == name && memcmp(b + 1, &name, sizeof(name)) == 0);
}

uint64_t bare_walk(uint64_t root, uint64_t born, uint64_t *blobs)
{
	struct table_iter it;
	struct blob_disk *b;
	uint64_t entries = 0;
	uint64_t last = 0;
	int r;

	*blobs = 0;
	table_iter_begin(&it, &bare.map, root, born, bare_newest);
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

void bare_freeze(void)
{
	bare.table.frozen = bare_newest;
	bare.space.started_seq = bare_newest;
}
