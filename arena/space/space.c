/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space.c owns the decision where new data goes. It refuses to decide what is dead.
 *
 * 1. A free slot is reachable from no durable state and no reader.
 * 2. The file never exceeds max_bytes through growth.
 * 3. Low addresses go first, and the file grows only when no slot fits (space_fit.c), or for what space_ready.c keeps ready.
 * 4. Without a limit a page of the table is one page of the file, wherever a slot has that or the file may grow for it.
 *
 * What differs under a limit is in space_limit.c, what differs on a full disk in space_full.c. Disk space is asked for by
 * space_disk.c and handed back by space_back.c.
 *
 * Cost: O(log n) in the number of slots. */
#include "arena/space/space.h"

#include <assert.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"
#include "arena/space/space_fit.h"

void space_init(struct space *s, const struct os *memory, struct map *map, struct readers *readers, uint64_t max_bytes)
{
	memset(s, 0, sizeof *s);
	s->memory = memory;
	s->map = map;
	s->readers = readers;
	s->asked = max_bytes == 0 || max_bytes > DISK_FILE_MAX ? UINT64_MAX : max_bytes;
	limit_set(s, s->asked);
	slots_init(&s->free, memory);
	slots_init(&s->aside, memory);
	pending_init(&s->pending, memory);
}

void space_adopt(struct space *s, uintptr_t by, const struct os *memory, struct map *map, struct readers *readers)
{
	s->memory = memory;
	s->map = map;
	s->readers = readers;
	slots_adopt(&s->free, by, memory);
	slots_adopt(&s->aside, by, memory);
	pending_adopt(&s->pending, by, memory);
	holes_adopt(&s->holes, by);
}

void space_go_behind(struct space *s)
{
	s->evict_start = 0;
	s->evict_end = map_bytes(s->map);
}

void space_release(struct space *s)
{
	if (s->map == NULL)
		return;
	slots_release(&s->free);
	slots_release(&s->aside);
	holes_release(&s->holes, s->memory);
	pending_release(&s->pending);
	s->map = NULL;
}

static int piece_take(struct space *s, uint64_t bytes, uint64_t *offset)
{
	struct fit f = fit_piece(s, bytes);
	const int r = f.size != 0 ? 0 : fit_obtain(s, bytes, &f);

	if (r != 0)
		return r;
	*offset = f.start;
	return slot_cut(s, *offset, bytes);
}

int space_take(struct space *s, uint64_t bytes, uint64_t *offset)
{
	int r;

	assert(bytes > 0 && bytes % DISK_UNIT == 0);
	do
		r = piece_take(s, bytes, offset);
	while (full_again(s, r, bytes));
	return space_code(s, r);
}

/* The first slot that could hold a page, if it happens to hold one at a multiple of DISK_PAGE: one that a page has left. */
static struct fit fit_page(const struct space *s)
{
	const struct fit f = fit_outside(s, DISK_PAGE);

	return page_round(f.start) + DISK_PAGE <= f.start + f.size ? f : (struct fit){0};
}

/*      slot: |   |    |    |    |  |      whole pages of the file are cut out of its middle; what is left on either side
 *                |<- cluster ->|          stays free
 *
 * Of the wished size where a slot has that, smaller otherwise. */
static int pages_begin(struct space *s)
{
	const uint64_t slack = DISK_PAGE - DISK_UNIT; /* before the first multiple, at most */
	const uint64_t wish = s->cluster_bytes > DISK_PAGE ? s->cluster_bytes : DISK_PAGE;
	struct cluster c;
	struct fit f;
	int r = cluster_end(s, &s->pages);

	if (r != 0)
		return r;
	f = wish > DISK_PAGE ? fit_outside(s, wish + slack) : (struct fit){0};
	if (f.size == 0)
		f = fit_page(s);
	if (f.size == 0)
		r = fit_obtain(s, DISK_PAGE + slack, &f);
	if (r != 0)
		return r;
	c.start = page_round(f.start);
	c.end = (f.start + f.size) & ~(DISK_PAGE - 1);
	if (c.end - c.start > wish)
		c.end = c.start + wish;
	r = slot_cut(s, c.start, c.end - c.start);
	if (r == 0)
		s->pages = c;
	return r;
}

/* Wherever there is room. */
static int place_squeeze(struct space *s, uint64_t bytes, uint64_t *offset)
{
	struct fit f;
	const int r = fit_obtain(s, bytes + DISK_LINE - DISK_UNIT, &f);

	if (r != 0)
		return r;
	*offset = line_round(f.start);
	return slot_cut(s, *offset, bytes);
}

static void cluster_take(struct cluster *c, uint64_t bytes, uint64_t *offset)
{
	assert(bytes <= c->end - c->start);
	*offset = c->start;
	c->start += bytes;
}

static int page_take(struct space *s, uint64_t *offset)
{
	const int r = s->pages.start == s->pages.end ? pages_begin(s) : 0;

	if (space_none(r))
		return place_squeeze(s, DISK_PAGE, offset);
	if (r == 0)
		cluster_take(&s->pages, DISK_PAGE, offset);
	return r;
}

/* A page for the next nodes. */
static int nodes_begin(struct space *s)
{
	uint64_t offset;
	int r = cluster_end(s, &s->nodes);

	if (r == 0)
		r = page_take(s, &offset);
	if (r == 0)
		s->nodes = (struct cluster){offset, offset + DISK_PAGE};
	return r;
}

static int part_take(struct space *s, uint64_t bytes, uint64_t *offset)
{
	int r;

	if (s->max_bytes != UINT64_MAX) {
		r = s->pages.end - s->pages.start < bytes ? packed_begin(s, bytes) : 0;
		if (r == 0)
			cluster_take(&s->pages, bytes, offset);
		return r;
	}
	if (bytes == DISK_PAGE)
		return page_take(s, offset);
	r = s->nodes.end - s->nodes.start < bytes ? nodes_begin(s) : 0;
	if (space_none(r))
		return place_squeeze(s, bytes, offset);
	if (r == 0)
		cluster_take(&s->nodes, bytes, offset);
	return r;
}

int space_take_page(struct space *s, uint64_t bytes, uint64_t *offset)
{
	int r;

	assert(bytes > 0 && bytes <= DISK_PAGE && bytes % DISK_LINE == 0);
	do
		r = part_take(s, bytes, offset);
	while (full_again(s, r, SLOTS_PAGE));
	return space_code(s, r);
}

/* A slot for a window, by preference one that is worth the JUMP. */
static int window_fit(struct space *s, uint64_t need, struct fit *f)
{
	const uint64_t wish = need > SPACE_WINDOW_LEAST ? need : SPACE_WINDOW_LEAST;
	int r = 0;

	*f = (struct fit){0};
	if (s->window_least > wish)
		*f = fit_outside(s, s->window_least);
	/* What is moved to make large slots does not go into small ones while there is a large one. */
	if (f->size == 0 && s->evict_end > s->evict_start)
		*f = fit_outside(s, need > SPACE_WINDOW ? need : SPACE_WINDOW);
	if (f->size == 0)
		r = fit_obtain(s, wish, f);
	if (f->size == 0)
		*f = fit_outside(s, need);
	if (f->size != 0)
		return 0;
	return r != 0 ? r : GRAVITY_FULL;
}

static int window_take(struct space *s, uint64_t need, enum space_claim claim, uint64_t *start, uint64_t *end)
{
	struct fit f;
	int r;

	if (claim == SPACE_PUT && (!space_allows(s, need) || pages_short(s)))
		return GRAVITY_FULL;
	r = s->max_bytes == UINT64_MAX ? window_fit(s, need, &f) : window_fit_limited(s, need, claim, &f);
	if (r != 0)
		return r;
	if (f.size >= SLOTS_PAGE)
		s->slack -= (int64_t)window_part(s, f.size, need);
	f.size = window_part(s, f.size, need);
	*start = f.start;
	*end = f.start + f.size;
	return slot_cut(s, f.start, f.size);
}

/* What puts and moves take is theirs if what is kept ready is there without it. A transaction that finds the disk full with
 * this window is told so: what limit.c asks for is not measured yet. */
static int window_settle(struct space *s, enum space_claim claim, uint64_t start, uint64_t end)
{
	if (s->full || (claim != SPACE_PUT && !is_moving(s)) || s->ready_known)
		return 0;
	if (slots_keep(&s->free, 1) != 0)
		return 0;
	space_ready_look(s, true);
	if (!s->full) {
		slots_keep_less(&s->free, 1);
		return 0;
	}
	(void)slots_insert_kept(&s->free, start, end - start);
	return s->full_code;
}

int space_window(struct space *s, uint64_t bytes, enum space_claim claim, uint64_t *start, uint64_t *end)
{
	const uint64_t need = bytes + sizeof(struct jump_disk);
	bool full;
	int r;

	assert(bytes % DISK_UNIT == 0);
	do {
		full = s->full;
		r = window_take(s, need, claim, start, end);
	} while ((full || claim != SPACE_PUT) && full_again(s, r, need));
	if (r == 0)
		r = window_settle(s, claim, *start, *end);
	return r == SPACE_AGAIN ? s->full_code : space_code(s, r);
}

void space_return(struct space *s, uint64_t start, uint64_t end)
{
	assert(start <= end);
	/* In a damaged file an extent that died inside it may be free already, and then it is lost. */
	if (start < end)
		(void)slots_insert_kept(&s->free, start, end - start);
	else
		slots_keep_less(&s->free, 1);
}

/* A hostile file may claim a birth that is yet to come. */
static struct extent extent_dead(uint64_t offset, uint64_t bytes, uint64_t born, uint64_t died)
{
	return (struct extent){.start = offset, .size = bytes, .born = born < died ? born : died, .died = died};
}

void space_free_page(struct space *s, uint64_t offset, uint64_t bytes, uint64_t born, uint64_t died)
{
	const struct extent e = extent_dead(offset, bytes, born, died);

	s->copied_bytes += e.born <= s->started_seq ? bytes : 0;
	pending_add(&s->pending, e, e.born <= s->started_seq);
}

void space_free_blob(struct space *s, uint64_t offset, uint64_t bytes, uint64_t born, uint64_t died)
{
	const struct extent e = extent_dead(offset, bytes, born, died);

	s->dead_bytes += bytes;
	pending_add(&s->pending, e, !broken(BROKEN_REUSE_LOG) || born <= s->started_seq);
}
