/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage.c owns what is believed of a damaged file: which blob of each name is the one that counts, and whether
 * anything but the blob itself says so.
 *
 *   header     a valid one gives the identity, the table of its checkpoint and the log behind it. Without one, the
 *              identity is tried as it stands in the header pages, and then found from the blobs
 *              (salvage_header.c, scan.c).
 *   table      each record that an entry names and that verifies is confirmed.
 *   log        each blob of a whole commit is confirmed. Where the log ends before the mark, where the mark tells of a
 *              newer header than there is, or where it is gone, what was committed later is looked for among the blobs.
 *   scan       only where something of the above is damaged: every blob of the file.
 *   choice     of each name the newest blob counts. A tombstone says that there is no record.
 *
 * 1. What the table and the log say is never overruled by an older blob: where a page verifies and does not have a name,
 *    the checkpoint had none. Only where an entry or page is damaged do older blobs come into question.
 * 2. Where the log reaches the mark, blobs that are newer than it, or younger than the table and not in it, did not
 *    happen: nothing of a sound store changes.
 * 3. The file is read through the seam once before the map is touched, so that a sector that cannot be read is an error
 *    and not a signal. It is opened for reading, shared, and never changed.
 *
 * Cost: of a sound store one read of it and 40 bytes a record; otherwise a second read, and 40 bytes for each blob that
 * verifies, dead ones included. */
#include "arena/repair/salvage.h"

#include <errno.h>
#include <string.h>

#include "arena/arena.h"
#include "arena/file/blob.h"
#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/gravity.h"
#include "arena/log/freelist.h"
#include "arena/log/recover.h"
#include "arena/open.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "arena/read/get.h"
#include "arena/repair/pace.h"
#include "arena/table/page.h"
#include "arena/table/table.h"

#define READ_BYTES (UINT64_C(1) << 20)

/* The owner sees the work as passes over the file: it is read, the table is followed, all blobs are looked at if that is
 * necessary, and the records are copied. */
static void pass_end(struct salvage *s)
{
	s->passes++;
	s->pace.done = s->passes * map_bytes(&s->map);
}

/* What the owner gets: nothing any more once it has ended the salvage. */
static void salvage_give(struct salvage *s, enum arena_fate fate, uint64_t offset)
{
	struct arena_blob shown = {.data = NULL};

	if (s->pace.stopped != 0)
		return;
	if (blob_fits(&s->map, offset))
		blob_show(blob_at(&s->map, offset), &shown);
	s->pace.stopped = s->options->each(s->options->arg, fate, offset, &shown);
}

/* Table and log --------------------------------------------------------------------------------------------------- */

/* Whether the head at offset is one that the entry can have been made for: asked first, so that few entries can name one
 * blob and it is verified a few times only. */
static bool entry_belongs(const struct salvage *s, const struct page_disk *page, unsigned group, uint64_t entry)
{
	const uint64_t offset = page_entry_offset(entry);
	const struct blob_disk *b = blob_at(&s->map, offset);
	unsigned first, second;

	if (!blob_fits(&s->map, offset) || !blob_is_record(b) || page_tag(b->name) != page_entry_tag(entry))
		return false;
	page_groups(b->name, &first, &second);
	return (group == first || group == second) && page_prefix(b->name, page_depth(page)) == page->head.name;
}

static int page_salvage(struct salvage *s, const struct page_disk *page)
{
	for (unsigned i = 0; i < PAGE_GROUPS * PAGE_WAYS; i++) {
		const uint64_t entry = page->group[i / PAGE_WAYS][i % PAGE_WAYS];
		const uint64_t offset = page_entry_offset(entry);
		int r;
		if (entry == 0)
			continue;
		if (!entry_belongs(s, page, i / PAGE_WAYS, entry) || !scan_verify(&s->verifier, offset)) {
			s->damaged = true;
			salvage_give(s, ARENA_LOST, offset);
			continue;
		}
		if (pace_step(&s->pace, blob_span(blob_at(&s->map, offset)->size)) != 0)
			break;
		r = salvage_list_add(&s->found, blob_at(&s->map, offset), offset, FIND_TABLE);
		if (r != 0)
			return r;
	}
	return s->pace.stopped;
}

static int table_collect(struct salvage *s)
{
	const uint64_t before = s->tell.findings;
	struct table_iter it;
	struct blob_disk *b;

	table_iter_begin(&it, &s->map, s->h.root, 0, s->h.seq);
	while (tell_next(&s->tell, &it, &b) && pace_step(&s->pace, blob_span(b->size)) == 0) {
		const int r =
			blob_kind(b) == BLOB_PAGE ? page_salvage(s, (const struct page_disk *)(const void *)b) : 0;
		if (r != 0)
			return r;
	}
	s->damaged |= s->tell.findings > before;
	return s->pace.stopped;
}

/* A commit counts when it is whole: its blobs are taken back where it is not. */
static int log_collect(struct salvage *s)
{
	const struct blob_disk *b;
	struct chain chain;
	size_t whole = s->found.count;

	chain_begin(&chain, &s->map, &s->h);
	while ((b = chain_next(&chain)) != NULL) {
		const int r = salvage_list_add(&s->found, b, blob_offset(&s->map, b), FIND_LOG);
		if (r != 0)
			return r;
		if (pace_step(&s->pace, blob_span(b->size)) != 0)
			return s->pace.stopped;
		if (chain.open_seq == 0)
			whole = s->found.count;
	}
	s->found.count = whole;
	s->log_seq = chain.seq;
	s->strayed = chain_strayed(&chain);
	return 0;
}

/* Whether more was committed than header and log tell. */
static void tail_judge(struct salvage *s)
{
	uint64_t marked;
	const int r = header_marks_read(&s->map, &s->h, &marked);

	if (r != 0)
		tell(&s->tell,
		     "the header of the newest checkpoint is damaged: records stand as checkpoint %llu and the blobs after it "
		     "tell, and some that were deleted since may be there again",
		     ULL(s->h.checkpoint));
	else if (marked > s->log_seq)
		tell(&s->tell,
		     "the log is damaged after commit %llu, and commit %llu was on stable storage once: what follows is taken "
		     "from the blobs alone",
		     ULL(s->log_seq), ULL(marked));
	else if (s->strayed != 0)
		tell(&s->tell,
		     "the log is damaged after commit %llu: a header page stands at %llu, where it should go on, and what follows "
		     "is taken from the blobs alone",
		     ULL(s->log_seq), ULL(s->strayed));
	else if (s->h.checkpoint > 1 && !header_mark_there(&s->map, 1 - s->header_index))
		tell(&s->tell,
		     "the mark that tells the newest commit is damaged: what follows commit %llu is taken from the blobs alone",
		     ULL(s->log_seq));
	else
		return;
	s->tail_open = true;
	s->damaged = true;
}

static int chunk_pass(void *arg, struct free_disk *chunk)
{
	(void)arg;
	(void)chunk;
	return 0;
}

static int header_follow(struct salvage *s)
{
	int r = table_collect(s);

	if (r == 0)
		r = log_collect(s);
	if (r != 0)
		return r;
	tail_judge(s);
	if (freelist_each(&s->map, &s->h, chunk_pass, NULL) != 0)
		tell(&s->tell, "the free list of checkpoint %llu is damaged, by which no record is lost",
		     ULL(s->h.checkpoint));
	return s->pace.stopped;
}

static int scan_all(struct salvage *s)
{
	const uint64_t before = s->pace.done;
	const struct blob_disk *b;
	struct scan scan;

	scan_begin(&scan, &s->map, &s->pace, s->options->aux_mask);
	while ((b = scan_next(&scan)) != NULL) {
		int r = 0;
		s->pace.done = before + scan.at;
		if (blob_is_record(b) || blob_kind(b) == BLOB_TOMB || blob_kind(b) == BLOB_JUMP)
			r = salvage_list_add(&s->found, b, blob_offset(&s->map, b), 0);
		if (r != 0)
			return r;
	}
	if (scan.refused > 0)
		tell(&s->tell, "%llu places that look like long blobs overlap others and were passed over",
		     ULL(scan.refused));
	return s->pace.stopped;
}

/* Choice ---------------------------------------------------------------------------------------------------------- */

/* Whether the table, of which no entry names a sound record of that name, says that there was none: its page is whole,
 * and each entry that might be the name's is another one's. */
static bool table_denies(const struct salvage *s, uint64_t name)
{
	const struct page_disk *page = table_page(&s->map, s->h.root, name);
	struct page_match match;

	if (page == NULL)
		return false;
	match = page_match(page, name);
	while (match.ways != 0) {
		const uint64_t entry = page_match_next(&match, page_tag(name));
		const uint64_t offset = page_entry_offset(entry);
		if (entry == 0)
			continue;
		if (!blob_fits(&s->map, offset) ||
		    !salvage_list_in_table(&s->found, blob_at(&s->map, offset)->name, offset))
			return false;
	}
	return true;
}

/* Of the blobs of one name the one that counts is marked. */
static void name_choose(struct salvage *s, struct find *list, size_t count)
{
	struct find *best = NULL, *confirmed = NULL;
	bool known = false; /* what the checkpoint had of this name */

	if (s->header_known)
		known = (list[0].marks & FIND_TABLE) != 0 || table_denies(s, list[0].name);
	for (size_t i = 0; i < count; i++) {
		const uint64_t seq = list[i].stamp & DISK_SEQ_MASK;
		const bool sure = (list[i].marks & (FIND_TABLE | FIND_LOG)) != 0;
		if (!sure && s->header_known && seq <= s->h.seq && known)
			continue;
		if (!sure && s->header_known && seq > s->h.seq && (!s->tail_open || seq <= s->log_seq))
			continue;
		best = &list[i];
		if (sure)
			confirmed = best;
	}
	if (best == NULL)
		return;
	if ((best->stamp >> 48 & 0xff) != BLOB_TOMB)
		best->marks |= FIND_TAKEN;
	else if (confirmed != NULL && confirmed != best && (confirmed->stamp >> 48 & 0xff) != BLOB_TOMB)
		salvage_give(s, ARENA_DELETED, confirmed->offset);
}

static int list_choose(struct salvage *s)
{
	struct salvage_list *f = &s->found;
	uint64_t share;
	size_t end;

	salvage_list_settle(f);
	salvage_list_sort_by_name(f);
	for (size_t start = 0; start < f->count && s->pace.stopped == 0; start = end) {
		for (end = start + 1; end < f->count && f->list[end].name == f->list[start].name;)
			end++;
		name_choose(s, f->list + start, end - start);
	}
	salvage_list_keep_taken(f);
	share = f->count > 0 ? map_bytes(&s->map) / f->count : 0;
	for (size_t i = 0; i < f->count && s->pace.stopped == 0; i++) {
		const bool sure = (f->list[i].marks & (FIND_TABLE | FIND_LOG)) != 0;
		salvage_give(s, sure ? ARENA_CONFIRMED : ARENA_DOUBTFUL, f->list[i].offset);
		(void)pace_step(&s->pace, share);
	}
	pass_end(s);
	return pace_ask(&s->pace);
}

/* The whole ------------------------------------------------------------------------------------------------------- */

static int salvage_read(struct salvage *s, os_file file, uint64_t bytes)
{
	void *buf = s->os->alloc(s->os, NULL, READ_BYTES);
	size_t got = 1;
	int r = buf == NULL ? ENOMEM : 0;

	for (uint64_t at = 0; r == 0 && at < bytes && got > 0; at += got) {
		r = s->os->read(s->os, file, at, buf, READ_BYTES, &got);
		if (r != 0)
			tell(&s->tell,
			     "the file cannot be read at %llu: %s; copy what can be read to another disk first",
			     ULL(at), gravity_strerror(r));
		else
			r = pace_step(&s->pace, got);
	}
	s->os->free(s->os, buf);
	return r;
}

static int salvage_map(struct salvage *s, os_file file)
{
	uint64_t bytes;
	int r = s->os->size(s->os, file, &bytes);

	if (r != 0)
		return r;
	if (bytes < DISK_DATA) {
		r = short_file(s->os, file);
		if (r == GRAVITY_CORRUPT)
			tell(&s->tell, "the file was cut within its headers: nothing of the store is left");
		return r;
	}
	s->pace.total = 3 * bytes;
	r = salvage_read(s, file, bytes);
	if (r != 0)
		return r;
	s->map.verify = true;
	r = map_open(&s->map, s->os, file, OS_MAP_PRIVATE, bytes, bytes);
	if (r == 0)
		pass_end(s);
	return r;
}

/* What the file holds, as far as it is to be believed: `each` is told. */
static int salvage_blobs(struct salvage *s)
{
	int r = salvage_header(s);

	if (r == 0 && s->header_known) {
		r = header_follow(s);
		pass_end(s);
	}
	if (r == 0 && (s->damaged || !s->header_known)) {
		if (s->header_known)
			s->pace.total += map_bytes(&s->map);
		r = scan_all(s);
		pass_end(s);
	}
	return r == 0 ? list_choose(s) : r;
}

/* The file is open, and shared with whoever reads it. */
static int salvage_file(void *arg, os_file file)
{
	struct salvage *s = arg;
	int r = salvage_map(s, file);

	if (r == 0) {
		scan_begin(&s->verifier, &s->map, &s->pace, s->options->aux_mask);
		r = salvage_blobs(s);
	}
	salvage_list_release(&s->found);
	map_close(&s->map);
	return r;
}

int arena_salvage(const char *path, const struct arena_salvage_options *options)
{
	OS_UNCANCELLED;
	struct salvage s = {
		.os = options->os != NULL ? options->os : os_default(),
		.options = options,
		.pace = {.progress = options->progress, .arg = options->arg},
		.tell = {.report = options->report,
			 .arg = options->arg,
			 .most = UINT64_MAX,
			 .stopped = &s.pace.stopped},
	};
	int r;

	salvage_list_init(&s.found, s.os);
	r = file_share(s.os, path, salvage_file, &s);
	/* What a work that is stopped did not see is no finding. */
	return s.pace.stopped != 0 ? s.pace.stopped : r;
}
