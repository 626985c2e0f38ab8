/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* diagnose.c owns saying why a file cannot be opened: which header, which place of the log, which chunk, page or record.
 *
 * It refuses to guess what should stand there (salvage does that), and to change anything. Whatever it is told is
 * checked before it is followed, as everywhere.
 *
 * Cost: the file is mapped privately; the log, the free list, the table and every record of the newest whole checkpoint
 * are read. */
#include "arena/repair/diagnose.h"

#include "arena/arena.h"
#include "arena/file/blob.h"
#include "arena/file/crc32c.h"
#include "arena/file/disk.h"
#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/log/recover.h"
#include "arena/os/os.h"
#include "arena/table/page.h"
#include "arena/table/table.h"
#include "arena/types.h"

struct diagnosis {
	struct map map;
	struct header_disk h;
	unsigned header_index;
	struct teller *tell;
};

/* 0 with d->h the one that counts. */
static int headers_look(struct diagnosis *d)
{
	struct header_disk h;
	int r;

	for (unsigned i = 0; i < 2 && *d->tell->stopped == 0; i++) {
		r = header_read(&d->map, i, &h);
		if (r != 0 && r != GRAVITY_NOTASTORE)
			tell(d->tell, "the header at %llu is damaged", ULL(i * DISK_PAGE));
	}
	r = header_choose(&d->map, &d->h, &d->header_index);
	if (r == 0)
		header_adopt(&d->map, &d->h);
	return r;
}

/* A header that is as long as it should be says more than the file has: it was cut. */
static void length_look(struct diagnosis *d)
{
	if (map_bytes(&d->map) < d->h.file_bytes)
		tell(d->tell, "the file was cut at %llu: it should have %llu bytes", ULL(map_bytes(&d->map)),
		     ULL(d->h.file_bytes));
}

static void log_look(struct diagnosis *d)
{
	struct chain chain;
	uint64_t marked, strayed;

	if (header_marks_read(&d->map, &d->h, &marked) != 0) {
		tell(d->tell, "the header at %llu, of a newer checkpoint than %llu, is lost",
		     ULL((1 - d->header_index) * DISK_PAGE), ULL(d->h.checkpoint));
		return;
	}
	chain_begin(&chain, &d->map, &d->h);
	while (chain_next(&chain) != NULL)
		continue;
	strayed = chain_strayed(&chain);
	if (strayed != 0)
		tell(d->tell,
		     "the log is damaged at %llu: it ends after commit %llu, and a header page stands where it should go on",
		     ULL(strayed), ULL(chain.seq));
	if (chain.seq < marked)
		tell(d->tell,
		     "the log is damaged at %llu: it ends after commit %llu, and commit %llu was on stable storage once",
		     ULL(chain.at.cursor), ULL(chain.seq), ULL(marked));
}

static void table_look(struct diagnosis *d)
{
	struct table_iter it;
	struct blob_disk *b;

	table_iter_begin(&it, &d->map, d->h.root, 0, d->h.seq);
	while (tell_next(d->tell, &it, &b)) {
		const struct page_disk *page = (const struct page_disk *)(const void *)b;
		if (blob_kind(b) != BLOB_PAGE)
			continue;
		for (unsigned i = 0; i < PAGE_GROUPS * PAGE_WAYS && *d->tell->stopped == 0; i++) {
			const uint64_t entry = page->group[i / PAGE_WAYS][i % PAGE_WAYS];
			if (entry != 0)
				(void)tell_record(d->tell, &d->map, page, page_entry_offset(entry));
		}
	}
}

static void file_look(struct diagnosis *d)
{
	if (headers_look(d) != 0)
		return;
	length_look(d);
	if (*d->tell->stopped == 0)
		log_look(d);
	if (*d->tell->stopped == 0)
		(void)tell_list(d->tell, &d->map, &d->h);
	table_look(d);
}

bool diagnose(const struct os *os, const char *path, struct teller *t)
{
	struct diagnosis d = {.tell = t};
	const uint64_t before = t->findings;
	os_file file = OS_NOFILE;
	uint64_t bytes = 0;

	if (os->open(os, path, OS_RDONLY, 0, &file) != 0)
		return false;
	if (os->size(os, file, &bytes) == 0 && bytes < DISK_DATA)
		tell(t, "the file was cut at %llu, within its headers", ULL(bytes));
	d.map.verify = true;
	if (bytes >= DISK_DATA && map_open(&d.map, os, file, OS_MAP_PRIVATE, bytes, bytes) == 0)
		file_look(&d);
	map_close(&d.map);
	(void)os->close(os, file);
	return t->findings > before;
}
