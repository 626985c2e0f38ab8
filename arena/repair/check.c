/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* check.c owns reading everything: whether every page, node and record verifies and stands where it belongs, and whether
 * every byte of the file is accounted for exactly once.
 *
 *     headers + table + live records + log + pending + free list's chunks + current window + free slots == file
 *
 * It refuses to repair, and to stop at the first finding where it can go on. It stops where the report says so: nothing
 * more is read then but what is under way.
 *
 * The file is read through by calls before it is mapped, so that a sector that cannot be read is a finding and not a signal.
 *
 * Cost: one read of the file, and two bits of memory for each 8 bytes of it. */
#include "arena/arena.h"

#include <errno.h>
#include <string.h>

#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/file/crc32c.h"
#include "arena/log/checkpoint.h"
#include "arena/log/freelist.h"
#include "arena/log/recover.h"
#include "arena/log/writer.h"
#include "arena/open.h"
#include "arena/read/get.h"
#include "arena/repair/diagnose.h"
#include "arena/repair/tell.h"
#include "arena/table/page.h"
#include "arena/types.h"

#define READ_BYTES (UINT64_C(1) << 20)

struct check {
	const struct os *os; /* for what can be done without an arena */
	arena *a;
	arena_txn *view;
	struct teller tell;
	int stopped;
	uint64_t *owned;  /* a bit for each 8 bytes: somebody owns them          */
	uint64_t *logged; /* the same: recovery has read them as part of the log */
	uint64_t owned_reserve;
	uint64_t blobs, live_bytes, pages, table_bytes;
};

/* Whether any of the units has its bit already; they have it now. */
static bool units_mark(uint64_t *bits, uint64_t unit, uint64_t end)
{
	bool any = false;

	while (unit < end) {
		const uint64_t room = 64 - unit % 64;
		const uint64_t n = end - unit < room ? end - unit : room;
		const uint64_t mask = (n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1) << (unit % 64);
		any = any || (bits[unit / 64] & mask) != 0;
		bits[unit / 64] |= mask;
		unit += n;
	}
	return any;
}

/* Notes the owner of a stretch; two owners are a finding. */
static void own(struct check *c, uint64_t start, uint64_t bytes, const char *what)
{
	if (start % DISK_UNIT != 0 || bytes > map_bytes(&c->a->map) || start > map_bytes(&c->a->map) - bytes)
		tell(&c->tell, "%s at %llu, %llu bytes, lies outside the file", what, ULL(start), ULL(bytes));
	else if (units_mark(c->owned, start / DISK_UNIT, (start + bytes) / DISK_UNIT))
		tell(&c->tell, "%s at %llu, %llu bytes, overlaps something else", what, ULL(start), ULL(bytes));
}

/* What the table holds was written by a commit that has been; a record by one that the checkpoint covers, if it is not in the
 * log behind it. Of a later one its space would be taken for this session's, which no checkpoint needs. */
static void check_seq(struct check *c, const struct blob_disk *b, const char *what)
{
	const uint64_t at = blob_offset(&c->a->map, b) / DISK_UNIT;
	const bool covered = blob_is_record(b) && c->logged != NULL && (c->logged[at / 64] >> (at % 64) & 1) == 0;
	const uint64_t newest = covered ? c->a->flush.header.seq : atomic_load(&c->a->readers.seq);

	if (blob_seq(b) > newest)
		tell(&c->tell, "%s at %llu is of commit %llu, and the newest %sis %llu", what, ULL(at * DISK_UNIT),
		     ULL(blob_seq(b)), covered ? "outside the log " : "", ULL(newest));
}

static void check_entry(struct check *c, const struct page_disk *page, unsigned group, uint64_t entry)
{
	const struct map *m = &c->a->map;
	const uint64_t offset = page_entry_offset(entry);
	const struct blob_disk *b = blob_at(m, offset);
	struct arena_blob shown;
	const char *told;
	unsigned first, second;

	if (!tell_record(&c->tell, m, page, offset))
		return;
	page_groups(b->name, &first, &second);
	if (page_tag(b->name) != page_entry_tag(entry) || (group != first && group != second) ||
	    page_prefix(b->name, page_depth(page)) != page->head.name)
		tell(&c->tell, "record at %llu stands under a wrong entry of the page at %llu", ULL(offset),
		     ULL(blob_offset(m, page)));
	check_seq(c, b, "record");
	own(c, offset, blob_span(b->size), "record");
	c->blobs++;
	c->live_bytes += blob_span(b->size);
	if (c->tell.each == NULL)
		return;
	blob_show(b, &shown);
	told = c->tell.each(c->tell.each_arg, c->view, (vpos){b->name}, &shown);
	if (told != NULL)
		tell(&c->tell, "record at %llu: %s", ULL(offset), told);
}

static void check_page(struct check *c, const struct page_disk *page)
{
	const unsigned used = page_count(page);

	if (used != page->head.aux)
		tell(&c->tell, "table page at %llu counts %u entries and has %u", ULL(blob_offset(&c->a->map, page)),
		     (unsigned)page->head.aux, used);
	for (unsigned g = 0; g < PAGE_GROUPS; g++)
		for (unsigned w = 0; w < PAGE_WAYS && !c->stopped; w++)
			if (page->group[g][w] != 0)
				check_entry(c, page, g, page->group[g][w]);
}

static void check_table(struct check *c)
{
	struct table_iter it;
	struct blob_disk *b;

	table_iter_begin(&it, &c->a->map, c->a->b->table.root, 0, atomic_load(&c->a->readers.seq));
	while (tell_next(&c->tell, &it, &b)) {
		const bool page = blob_kind(b) == BLOB_PAGE;
		own(c, blob_offset(&c->a->map, b), blob_span(b->size), page ? "table page" : "directory node");
		check_seq(c, b, page ? "table page" : "directory node");
		c->table_bytes += blob_span(b->size);
		c->pages += page;
		if (page)
			check_page(c, (const struct page_disk *)(const void *)b);
	}
}

static int own_pending(void *arg, const struct extent *e)
{
	own(arg, e->start, e->size, "freed extent");
	return 0;
}

static int own_chunk(void *arg, struct free_disk *chunk)
{
	struct check *c = arg;

	own(c, blob_offset(&c->a->map, chunk), blob_span(chunk->head.size), "chunk of the free list");
	return 0;
}

static void own_slots(struct check *c, const struct slots *s)
{
	const char *what;

	if (slots_check(s, &what) != 0)
		tell(&c->tell, "free slots: %s", what);
	if (s->kept != 0)
		tell(&c->tell, "room for %llu free slots is kept, and nobody is at work", ULL(s->kept));
	for (slot_id id = s->first; id != SLOT_NONE; id = slots_next(s, id))
		own(c, slots_start(s, id), slots_size(s, id), "free slot");
}

static void check_space(struct check *c)
{
	arena *a = c->a;
	const struct checkpoint *cp = &a->checkpoint;

	if (c->stopped)
		return;
	if (!space_full_sound(&a->b->space))
		tell(&c->tell, "%llu bytes are put aside as on a full disk, with a limit of %llu",
		     ULL(a->b->space.aside.bytes), ULL(a->b->space.max_bytes));
	own(c, 0, DISK_DATA, "header");
	own(c, a->b->log.at.cursor, a->b->log.at.window_end - a->b->log.at.cursor, "window");
	own_slots(c, &a->b->space.free);
	own_slots(c, &a->b->space.aside);
	(void)pending_each(&a->b->space.pending, own_pending, c);
	/* While a checkpoint is under way the chunks of the list before it are pending already, and its own in the making. */
	checkpoint_hold(a);
	if (atomic_load(&cp->pushing)) {
		for (uint32_t i = 0; i < cp->chunk_count; i++)
			own(c, cp->chunks[i], blob_span(blob_at(&a->map, cp->chunks[i])->size),
			    "chunk of the free list");
	} else if (!freelist_died(a) && tell_list(&c->tell, &a->map, &a->flush.header)) {
		(void)freelist_each(&a->map, &a->flush.header, own_chunk, c);
	}
	checkpoint_let_go(a);
}

static void check_owned(struct check *c)
{
	const uint64_t units = map_bytes(&c->a->map) / DISK_UNIT;
	uint64_t start = UINT64_MAX;

	if (c->tell.findings > 0)
		return; /* what is damaged owns nothing, so there would be gaps everywhere */
	for (uint64_t unit = 0; unit <= units; unit++) {
		const bool owned = unit == units || (c->owned[unit / 64] >> (unit % 64) & 1) != 0;
		if (owned && start != UINT64_MAX) {
			tell(&c->tell, "%llu bytes at %llu belong to nothing", ULL((unit - start) * DISK_UNIT),
			     ULL(start * DISK_UNIT));
			start = UINT64_MAX;
		} else if (!owned && start == UINT64_MAX) {
			start = unit;
		}
	}
}

static void check_count(struct check *c, const char *what, uint64_t counted, uint64_t noted)
{
	if (counted != noted)
		tell(&c->tell, "%llu %s were counted and %llu are noted", ULL(counted), what, ULL(noted));
}

static void check_counts(struct check *c)
{
	const arena *a = c->a;

	if (c->tell.findings > 0)
		return; /* what is damaged was not counted */
	check_count(c, "records", c->blobs, a->b->blobs);
	check_count(c, "live bytes", c->live_bytes, a->b->live_bytes);
	check_count(c, "table pages", c->pages, a->b->table.pages);
	check_count(c, "bytes of the table", c->table_bytes, a->b->table.bytes);
}

/* Whether a header that does not verify may be one that was being written when the power went: a page may reach the disk
 * while it is being changed, and then each of its words is that of the header before or of the one after. What all
 * headers of a file share is then right, or zero where there was none before. */
static bool header_torn(const struct header_disk *h, const struct header_disk *good)
{
	static const uint8_t zero[sizeof h->magic];

	return (memcmp(h->magic, good->magic, sizeof h->magic) == 0 || memcmp(h->magic, zero, sizeof zero) == 0) &&
	       ((h->version == good->version && h->kind == good->kind) || (h->version == 0 && h->kind == 0)) &&
	       (h->identity[0] == good->identity[0] || h->identity[0] == 0) &&
	       (h->identity[1] == good->identity[1] || h->identity[1] == 0) &&
	       (h->hash_seed == good->hash_seed || h->hash_seed == 0) &&
	       (h->checkpoint == good->checkpoint + 1 || h->checkpoint == good->checkpoint - 1) &&
	       words_are_zero(h->reserved, sizeof h->reserved / sizeof h->reserved[0]);
}

/* The page that the state was not read from: it holds an older header, nothing at all, or one that was not finished. */
static void check_header(struct check *c)
{
	const unsigned index = 1 - c->a->flush.header_index;
	struct header_disk h, found;

	if (header_read(&c->a->map, index, &h) == 0)
		return;
	memcpy(&found, c->a->map.base + index * DISK_PAGE, sizeof found);
	if (!header_torn(&found, &c->a->flush.header))
		tell(&c->tell, "the header at %llu is damaged", ULL(index * DISK_PAGE));
}

static int bits_make(struct check *c, uint64_t **bits)
{
	const struct os *os = c->a->os;
	void *memory = NULL;
	int r;

	c->owned_reserve = map_bytes(&c->a->map) / 64 + DISK_PAGE;
	r = os->map(os, OS_NOFILE, OS_MAP_MEMORY, c->owned_reserve, &c->owned_reserve, &memory);
	*bits = r == 0 ? memory : NULL;
	return r;
}

/* Only before a session, which forgets what recovery has read. */
static int check_logged(struct check *c)
{
	const struct books *b = c->a->b;
	const int r = bits_make(c, &c->logged);

	for (uint32_t i = 0; r == 0 && i < b->replayed_count; i++)
		(void)units_mark(c->logged, b->replayed[i].start / DISK_UNIT, b->replayed[i].end / DISK_UNIT);
	return r;
}

/* Holds the writer's lock. */
static int check_state(struct check *c)
{
	arena *a = c->a;
	const bool file = a->map.mode == OS_MAP_PRIVATE;
	int r = recover_space(a);

	if (r == 0)
		r = space_end_cluster(&a->b->space);
	if (r == GRAVITY_CORRUPT) {
		if (tell_list(&c->tell, &a->map, &a->flush.header))
			tell(&c->tell,
			     "the free list of checkpoint %llu, which begins at %llu, is no list of what is free",
			     ULL(a->flush.header.checkpoint), ULL(a->flush.header.free_first));
		r = 0;
	}
	if (r == 0)
		r = bits_make(c, &c->owned);
	if (r == 0 && file)
		r = check_logged(c);
	if (r == 0) {
		if (file)
			check_header(c);
		check_table(c);
		check_space(c);
		check_counts(c);
		check_owned(c);
	}
	if (c->owned != NULL)
		(void)a->os->unmap(a->os, c->owned, c->owned_reserve);
	if (c->logged != NULL)
		(void)a->os->unmap(a->os, c->logged, c->owned_reserve);
	return r != 0 ? r : c->tell.findings > 0 ? GRAVITY_CORRUPT : 0;
}

/* Whether the first piece of the file has a header in it, sound or not. */
static bool headers_there(const uint8_t *buf, size_t got)
{
	return (got >= sizeof(struct header_disk) && memcmp(buf, HEADER_MAGIC, 8) == 0) ||
	       (got >= DISK_PAGE + sizeof(struct header_disk) && memcmp(buf + DISK_PAGE, HEADER_MAGIC, 8) == 0);
}

/* Reads all of the file by calls: a sector that cannot be read is a finding, where the map would make it a signal. Goes on
 * behind it. What is no store is left to the opening. 0 or the first error. */
static int read_pieces(struct check *c, os_file file, uint64_t bytes, uint8_t *buf)
{
	int first = 0;

	for (uint64_t at = 0; at < bytes && !c->stopped && c->tell.findings < TELL_MOST;) {
		size_t got = 0;
		const int r = c->os->read(c->os, file, at, buf, READ_BYTES, &got);
		if (r == 0 && (got == 0 || (at == 0 && !headers_there(buf, got))))
			break;
		at += got;
		if (r == 0)
			continue;
		tell(&c->tell, "the file cannot be read at %llu: %s", ULL(at), gravity_strerror(r));
		first = first != 0 ? first : r;
		at = (at & ~(DISK_PAGE - 1)) + DISK_PAGE;
	}
	return first;
}

/* Before the file is mapped. */
static int read_through(void *arg, os_file file)
{
	struct check *c = arg;
	const struct os *os = c->os;
	uint64_t bytes = 0;
	uint8_t *buf = NULL;
	int r = os->size(os, file, &bytes);

	if (r == 0)
		buf = os->alloc(os, NULL, READ_BYTES);
	if (r == 0)
		r = buf == NULL ? ENOMEM : read_pieces(c, file, bytes, buf);
	os->free(os, buf);
	return r;
}

int arena_check(const char *path, const struct arena_options *options, arena_check_blob *each, void *each_arg,
		arena_report *report, void *arg)
{
	OS_UNCANCELLED;
	struct check c = {.os = options->os != NULL ? options->os : os_default()};
	struct arena_options o = *options;
	int r, closed;

	if (path == NULL)
		return GRAVITY_INVALID;
	c.tell = (struct teller){.report = report,
				 .arg = arg,
				 .each = each,
				 .each_arg = each_arg,
				 .most = TELL_MOST,
				 .stopped = &c.stopped};
	r = file_share(c.os, path, read_through, &c);
	if (r != 0)
		return r;
	o.flags = GRAVITY_RDONLY | GRAVITY_NOCREATE;
	r = arena_open(path, &o, &c.a);
	if (r == GRAVITY_CORRUPT && !diagnose(c.os, path, &c.tell))
		tell(&c.tell,
		     "the store cannot be opened: its headers, its log or its free list are damaged, or it was cut short");
	if (r != 0)
		return r;
	r = arena_begin(c.a, ARENA_READ, &c.view);
	if (r == 0)
		r = check_state(&c);
	arena_abort(c.view);
	closed = arena_close(c.a);
	return r != 0 ? r : closed;
}

int arena_check_live(arena *a, arena_report *report, void *arg)
{
	OS_UNCANCELLED;
	struct check c = {.a = a};
	int r = writer_lock(a, false);

	if (r != 0)
		return r;
	c.tell = (struct teller){.report = report, .arg = arg, .most = TELL_MOST, .stopped = &c.stopped};
	r = check_state(&c);
	writer_unlock(a);
	return r;
}
