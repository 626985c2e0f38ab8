/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* recover.c owns the way from a file to a state: the newest valid header, then the log behind it. The same code serves
 * a clean open, a killed process and a power cut.
 *
 *   walk    the chain is followed to its last whole commit. The mark tells whether that is far enough. It may stand where
 *           the chain should go on.
 *   space   free = free list + the header's window + what lies beyond the header's end
 *                  - blobs of the chain - the rest of the last window
 *   replay  what the blobs say is done to the table, in pages copied as always.
 *
 * 1. Nothing is allocated before the space of the chain was taken out of the free slots.
 * 2. Nothing durable changes: until the next checkpoint, a crash leaves the same header and log as before. The header is
 *    made sure of before anything is written.
 * 3. A chain longer than the file goes round: damage. So every walk ends.
 *
 * A handle that only reads may not write to the file, nor to the memory that shows it: its pages go behind the end of the
 * file, into memory of its own. So it needs to know nothing of what is free.
 *
 * Cost: a clean store is opened by reading the header alone. The free list is read at the first write, or before a replay. A
 * handle that only reads reads it when it is asked what is free. */
#include "arena/log/recover.h"

#include <errno.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/commit.h"
#include "arena/log/flush.h"
#include "arena/log/freelist.h"
#include "arena/log/log.h"

void chain_begin(struct chain *c, const struct map *m, const struct header_disk *h)
{
	*c = (struct chain){
		.map = m,
		.at = {.cursor = h->log_start, .window_end = h->window_end, .link = (uint32_t)h->log_link},
		.seq = h->seq,
		.limit = map_bytes(m),
	};
}

static bool jump_sound(const struct map *m, const struct jump_disk *j)
{
	return j->head.size == sizeof *j - sizeof j->head && j->start % DISK_UNIT == 0 && j->end % DISK_UNIT == 0 &&
	       j->start <= j->end && j->end - j->start >= sizeof *j && j->end <= DISK_FILE_MAX &&
	       map_holds(m, j->start, sizeof *j);
}

/* What a later JUMP left over of a window at the end of the file may have been cut off since. */
static uint64_t jump_end(const struct map *m, const struct jump_disk *j)
{
	const uint64_t file_end = map_bytes(m) & ~(DISK_UNIT - 1);

	return j->end < file_end ? j->end : file_end;
}

/* Whether the blob that stands at the cursor can be the next one, its check aside. */
static bool chain_follows(const struct chain *c, const struct blob_disk *b)
{
	const uint64_t room = c->at.window_end - c->at.cursor;
	const unsigned kind = blob_kind(b);
	const uint64_t seq = blob_seq(b);

	if ((b->link != c->at.link && !broken(BROKEN_LINK)) || (blob_flags(b) & ~(BLOB_COMMIT | BLOB_REPLACES)) != 0)
		return false;
	if ((c->open_seq != 0 ? seq != c->open_seq : seq <= c->seq) && !broken(BROKEN_CHAIN_NUMBER))
		return false;
	if (kind == BLOB_JUMP)
		return blob_span(b->size) <= room;
	if (kind == BLOB_TOMB && b->size != 0)
		return false;
	return (kind == BLOB_TOMB || blob_is_record(b)) && blob_span(b->size) + sizeof(struct jump_disk) <= room;
}

const struct blob_disk *chain_next(struct chain *c)
{
	const struct blob_disk *b;

	if (!blob_fits(c->map, c->at.cursor) || c->at.window_end - c->at.cursor < sizeof(struct jump_disk))
		return NULL;
	b = blob_at(c->map, c->at.cursor);
	if (!chain_follows(c, b) || (!blob_verify(c->map, c->at.cursor) && !broken(BROKEN_CHAIN_CHECK)))
		return NULL;
	c->travelled += blob_span(b->size);
	if (c->travelled > c->limit)
		return NULL;
	c->at.link = b->check;
	c->at.cursor += blob_span(b->size);
	if (blob_kind(b) == BLOB_JUMP) {
		const struct jump_disk *j = (const struct jump_disk *)(const void *)b;
		if (!jump_sound(c->map, j))
			return NULL;
		c->at.cursor = j->start;
		c->at.window_end = jump_end(c->map, j);
	}
	c->open_seq = blob_seq(b);
	if ((blob_flags(b) & BLOB_COMMIT) != 0) {
		c->seq = blob_seq(b);
		c->open_seq = 0;
	}
	return b;
}

/* The page of the older header, which has the mark, and a page of the log may have changed places, or the one was written
 * in the place of the other. Then the mark is where the log is missing. */
uint64_t chain_strayed(const struct chain *c)
{
	const uint64_t at = c->at.cursor;
	uint64_t end = at + sizeof(struct blob_disk);

	if (broken(BROKEN_STRAYED))
		return 0;
	/* A head that is whole tells which pages the blob takes. */
	if (blob_fits(c->map, at) && blob_span(blob_at(c->map, at)->size) <= c->at.window_end - at)
		end = at + blob_span(blob_at(c->map, at)->size);
	for (uint64_t page = at & ~(DISK_PAGE - 1); page < end && map_holds(c->map, page, DISK_PAGE); page += DISK_PAGE)
		if (header_mark_strayed(c->map, page, c->seq) > c->seq)
			return page;
	return 0;
}

/* Notes a stretch of the log that will be relied on. */
static int replayed_add(arena *a, uint64_t start, uint64_t end, uint32_t *capacity)
{
	if (stretch_joins(a->b->replayed, a->b->replayed_count, start, end))
		return 0;
	if (a->b->replayed_count == *capacity) {
		struct log_stretch *list = os_grow(a->memory, a->b->replayed, capacity, 16, sizeof *list);
		if (list == NULL)
			return ENOMEM;
		a->b->replayed = list;
	}
	a->b->replayed[a->b->replayed_count++] = (struct log_stretch){start, end};
	return 0;
}

/* Follows the chain: *blobs of it belong to whole commits, the last of which ends at a->log's place. */
static int chain_walk(arena *a, uint64_t *blobs)
{
	struct log_place place;
	const struct blob_disk *b;
	struct chain c;
	uint64_t walked = 0;
	uint32_t capacity = 0;
	uint32_t whole_count = 0;
	uint64_t whole_end = 0;
	int r = 0;

	chain_begin(&c, &a->map, &a->flush.header);
	place = c.at;
	*blobs = 0;
	while (r == 0 && (b = chain_next(&c)) != NULL) {
		const uint64_t offset = blob_offset(&a->map, b);
		walked++;
		r = replayed_add(a, offset, offset + blob_span(b->size), &capacity);
		if (broken(BROKEN_TAIL))
			place = c.at;
		if (r != 0 || (c.open_seq != 0 && !broken(BROKEN_COMMIT_FLAG)))
			continue;
		*blobs = walked;
		place = c.at;
		whole_count = a->b->replayed_count;
		whole_end = a->b->replayed[whole_count - 1].end;
		a->b->log.bytes = c.travelled;
	}
	if (r == 0 && chain_strayed(&c) != 0)
		r = GRAVITY_CORRUPT;
	if (r != 0)
		return r;
	/* What follows the last whole commit did not happen. */
	a->b->replayed_count = whole_count;
	if (whole_count > 0)
		a->b->replayed[whole_count - 1].end = whole_end;
	log_place_at(&a->b->log, place);
	atomic_store(&a->readers.seq, c.seq);
	return 0;
}

static int slots_take_away(arena *a, uint64_t start, uint64_t end)
{
	const int r = start == end ? 0 : slots_remove(&a->b->space.free, start, end - start);

	return r == GRAVITY_NOTFOUND ? GRAVITY_CORRUPT : r;
}

static int slots_give(arena *a, uint64_t start, uint64_t end)
{
	const int r = start == end ? 0 : slots_insert(&a->b->space.free, start, end - start);

	return r == GRAVITY_INVALID ? GRAVITY_CORRUPT : r;
}

/* Behind the file a handle that only reads has what it replayed. */
static uint64_t file_end(const arena *a)
{
	return a->map.mode == OS_MAP_PRIVATE ? a->b->space.evict_end : map_bytes(&a->map) & ~(DISK_UNIT - 1);
}

int recover_space(arena *a)
{
	const struct header_disk *h = &a->flush.header;
	int r;

	if (a->b->space_loaded)
		return 0;
	r = freelist_read(a, h);
	if (r == 0)
		r = slots_give(a, h->log_start, h->window_end);
	if (r == 0)
		r = slots_give(a, h->file_bytes, file_end(a));
	for (uint32_t i = 0; r == 0 && i < a->b->replayed_count && !broken(BROKEN_LOG_SPACE); i++)
		r = slots_take_away(a, a->b->replayed[i].start, a->b->replayed[i].end);
	if (r == 0)
		r = slots_take_away(a, a->b->log.at.cursor, a->b->log.at.window_end);
	/* Under a limit the session goes on in a window that is asked for: what the last JUMP names may be a large one that
	 * the session before has given back, and puts are to leave the spare; and pages that are replayed need a place. */
	if (r == 0 && a->b->space.max_bytes != UINT64_MAX)
		log_shed_window(&a->b->log);
	a->b->space_loaded = r == 0;
	if (r != 0) {
		slots_release(&a->b->space.free);
		slots_init(&a->b->space.free, a->memory);
	}
	return r;
}

static int chain_replay(arena *a, uint64_t blobs)
{
	struct chain c;
	int r = 0;

	chain_begin(&c, &a->map, &a->flush.header);
	for (uint64_t i = 0; r == 0 && i < blobs; i++) {
		const struct blob_disk *b = chain_next(&c);
		r = b == NULL ? GRAVITY_CORRUPT : commit_replay(a, b);
	}
	return r;
}

static int header_touch(arena *a)
{
	const uint64_t start = a->flush.header_index * DISK_PAGE;

	return broken(BROKEN_HEADER_REPLAY) ? 0 : map_touch(&a->map, start, start + DISK_PAGE);
}

/* The pages of the replay are written where this checkpoint has freed something, and the kernel may write them back at
 * once. If an earlier flush of the header failed, in the same boot, the disk may still have the one before it, which
 * reaches all that: the header is flushed first, also if it seems clean. */
static int header_settle(arena *a)
{
	const uint64_t start = a->flush.header_index * DISK_PAGE;

	return flush_earlier(a, header_touch, start, start + DISK_PAGE);
}

static void state_adopt(arena *a, const struct header_disk *h)
{
	a->b->table.root = h->root;
	a->b->table.pages = h->table_pages;
	a->b->table.bytes = h->table_bytes;
	a->b->blobs = h->blobs;
	a->b->live_bytes = h->live_bytes;
	a->b->next_name = h->next_name;
}

/* The replay has found the disk full on the way. Pages that it took before stand at multiples of 4 KiB, which wastes what the
 * session before, on a disk that was full already, had packed: so from the beginning. */
static int replay_again(arena *a, uint64_t blobs)
{
	int r;

	state_adopt(a, &a->flush.header);
	space_restart(&a->b->space);
	a->b->space_loaded = false;
	r = recover_space(a);
	if (r == 0)
		r = space_full_again(&a->b->space);
	return r != 0 ? r : chain_replay(a, blobs);
}

int recover(arena *a)
{
	const struct header_disk *h = &a->flush.header;
	uint64_t marked, blobs;
	int r;

	if (h->file_bytes > map_bytes(&a->map))
		return GRAVITY_CORRUPT;
	state_adopt(a, h);
	a->b->space.durable_seq = a->b->space.started_seq = h->seq;
	if (a->map.mode == OS_MAP_PRIVATE)
		space_go_behind(&a->b->space);
	r = header_marks_read(&a->map, h, &marked);
	if (r == 0)
		r = chain_walk(a, &blobs);
	if (r != 0)
		return r;
	if (marked > atomic_load(&a->readers.seq) && !broken(BROKEN_WATERMARK))
		return GRAVITY_CORRUPT;
	if (blobs > 0) {
		r = header_settle(a);
		if (r == 0 && a->map.mode != OS_MAP_PRIVATE)
			r = recover_space(a);
		space_cluster_size(&a->b->space, a->b->table.bytes);
		if (r == 0)
			r = chain_replay(a, blobs);
		if (r != 0 && a->b->space.full)
			r = replay_again(a, blobs);
	}
	if (r != 0)
		return r;
	atomic_store(&a->readers.root, a->b->table.root);
	atomic_store(&a->flush.list.seq, atomic_load(&a->readers.seq));
	/* A mark is written after the flush. */
	atomic_store(&a->flush.durable, marked);
	return 0;
}
