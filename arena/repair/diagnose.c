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

#include <stdarg.h>
#include <stdio.h>

#include "arena/arena.h"
#include "arena/file/blob.h"
#include "arena/file/crc32c.h"
#include "arena/file/disk.h"
#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/log/freelist.h"
#include "arena/log/recover.h"
#include "arena/os/os.h"
#include "arena/table/page.h"
#include "arena/table/table.h"
#include "arena/types.h"

#define FINDINGS_MOST 1000u /* more are not told one by one */
#define ULL(x)        ((unsigned long long)(x))

struct diagnosis {
	struct map map;
	struct header_disk h;
	unsigned header_index;
	const struct diagnose_options *options;
	unsigned findings;
	bool stopped;
};

static void tell(struct diagnosis *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct diagnosis *d, const char *format, ...)
{
	const struct diagnose_options *o = d->options;
	char text[640];
	va_list args;

	d->findings++;
	if (o->report == NULL || d->stopped || d->findings > FINDINGS_MOST)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	d->stopped = o->report(o->arg, text) != 0;
}

/* 0 with d->h the one that counts. */
static int headers_look(struct diagnosis *d)
{
	struct header_disk h;
	int r;

	for (unsigned i = 0; i < 2 && !d->stopped; i++) {
		r = header_read(&d->map, i, &h);
		if (r != 0 && r != GRAVITY_NOTASTORE)
			tell(d, "the header at %llu is damaged", ULL(i * DISK_PAGE));
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
		tell(d, "the file was cut at %llu: it should have %llu bytes", ULL(map_bytes(&d->map)),
		     ULL(d->h.file_bytes));
}

static void log_look(struct diagnosis *d)
{
	struct chain chain;
	uint64_t marked, strayed;

	if (header_marks_read(&d->map, &d->h, &marked) != 0) {
		tell(d, "the header at %llu, of a newer checkpoint than %llu, is lost",
		     ULL((1 - d->header_index) * DISK_PAGE), ULL(d->h.checkpoint));
		return;
	}
	chain_begin(&chain, &d->map, &d->h);
	while (chain_next(&chain) != NULL)
		continue;
	strayed = chain_strayed(&chain);
	if (strayed != 0)
		tell(d,
		     "the log is damaged at %llu: it ends after commit %llu, and a header page stands where it should go on",
		     ULL(strayed), ULL(chain.seq));
	if (chain.seq < marked)
		tell(d,
		     "the log is damaged at %llu: it ends after commit %llu, and commit %llu was on stable storage once",
		     ULL(chain.at.cursor), ULL(chain.seq), ULL(marked));
}

static int chunk_next(void *arg, struct free_disk *chunk)
{
	uint64_t *next = arg;

	*next = chunk->next;
	return 0;
}

static void freelist_look(struct diagnosis *d)
{
	uint64_t at = d->h.free_first;

	if (freelist_each(&d->map, &d->h, chunk_next, &at) != 0)
		tell(d, "the free list of checkpoint %llu is damaged at %llu", ULL(d->h.checkpoint), ULL(at));
}

static void entry_look(struct diagnosis *d, const struct page_disk *page, uint64_t entry)
{
	const struct diagnose_options *o = d->options;
	const uint64_t offset = page_entry_offset(entry);
	const struct blob_disk *b = blob_at(&d->map, offset);
	const char *told = NULL;
	struct arena_blob shown;

	if (blob_verify(&d->map, offset) && blob_is_record(b))
		return;
	if (o->each != NULL && blob_fits(&d->map, offset) && blob_is_record(b)) {
		shown = (struct arena_blob){.data = b + 1, .size = b->size, .seq = blob_seq(b), .aux = b->aux};
		told = o->each(o->each_arg, NULL, (vpos){b->name}, &shown);
	}
	tell(d, "record at %llu, in the table's page at %llu, is damaged%s%s", ULL(offset),
	     ULL(blob_offset(&d->map, page)), told != NULL ? "; it seems to be " : "", told != NULL ? told : "");
}

static void table_look(struct diagnosis *d)
{
	struct table_iter it;
	struct blob_disk *b;
	int r;

	table_iter_begin(&it, &d->map, d->h.root, 0, d->h.seq);
	while (!d->stopped && (r = table_iter_next(&it, &b)) != GRAVITY_NOTFOUND) {
		const struct page_disk *page = (const struct page_disk *)(const void *)b;
		if (r != 0) {
			tell(d, "the table is damaged at %llu: names from %016llx on, %u bits deep",
			     ULL(table_iter_offset(&it)), ULL(it.name), NODE_BITS * it.level);
			table_iter_skip(&it);
			continue;
		}
		if (blob_kind(b) != BLOB_PAGE)
			continue;
		for (unsigned i = 0; i < PAGE_GROUPS * PAGE_WAYS && !d->stopped; i++)
			if (page->group[i / PAGE_WAYS][i % PAGE_WAYS] != 0)
				entry_look(d, page, page->group[i / PAGE_WAYS][i % PAGE_WAYS]);
	}
}

static void file_look(struct diagnosis *d)
{
	if (headers_look(d) != 0)
		return;
	length_look(d);
	if (!d->stopped)
		log_look(d);
	if (!d->stopped)
		freelist_look(d);
	table_look(d);
}

unsigned diagnose(const char *path, const struct diagnose_options *options)
{
	const struct os *os = options->os;
	struct diagnosis d = {.options = options};
	os_file file = OS_NOFILE;
	uint64_t bytes = 0;

	if (os->open(os, path, OS_RDONLY, 0, &file) != 0)
		return 0;
	if (os->size(os, file, &bytes) == 0 && bytes < DISK_DATA)
		tell(&d, "the file was cut at %llu, within its headers", ULL(bytes));
	d.map.verify = true;
	if (bytes >= DISK_DATA && map_open(&d.map, os, file, OS_MAP_PRIVATE, bytes, bytes) == 0)
		file_look(&d);
	map_close(&d.map);
	(void)os->close(os, file);
	return d.findings;
}
