/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* log.c owns the cursor, the current window and the chain. It refuses to know what a commit means for the table.
 *
 * 1. Between the cursor and the end of the window there is always room for a JUMP.
 * 2. Every blob before `open` is sealed: its check is right, and the next one's link is that check.
 * 3. The first blob of a session is a JUMP with fresh random bytes, so that no link of an abandoned tail can match what
 *    is written after it.
 * 4. An abort restores the place of the last commit whole; nothing of the transaction is reachable afterwards.
 * 5. For each window that the transaction has taken the free slots keep room: it, or what was left over of the one before
 *    it, becomes free at the transaction's end, which nothing may keep from being so.
 *
 * Cost: appending is a bump of the cursor; a window costs one look-up in the free slots, and 16 bytes until it is
 * pushed. */
#include "arena/log/log.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/gravity.h"

#define SINCE_FIRST 64u
#define SINCE_MOST  (UINT32_C(1) << 16)

void log_init(struct log *l, struct map *map, struct space *space)
{
	memset(l, 0, sizeof *l);
	l->map = map;
	l->space = space;
}

void log_release(struct log *l)
{
	if (l->map == NULL)
		return;
	l->space->memory->free(l->space->memory, l->jumps);
	l->space->memory->free(l->space->memory, l->stretches);
	l->space->memory->free(l->space->memory, l->since);
	memset(l, 0, sizeof *l);
}

/* No transaction has blobs in the chain, so that no blob is open. */
void log_adopt(struct log *l, uintptr_t by, struct map *map, struct space *space)
{
	assert(l->open == NULL);
	l->map = map;
	l->space = space;
	l->jumps = os_moved(l->jumps, by);
	l->stretches = os_moved(l->stretches, by);
	l->since = os_moved(l->since, by);
}

void log_place_at(struct log *l, struct log_place place)
{
	assert(l->open == NULL && l->jump_count == 0);
	l->at = place;
	l->committed = place;
}

/* Room for one more jump and stretch. */
static int log_reserve(struct log *l)
{
	const struct os *os = l->space->memory;

	if (l->jump_count == l->jump_capacity) {
		struct log_jump *jumps = os_grow(os, l->jumps, &l->jump_capacity, 8, sizeof *jumps);
		if (jumps == NULL)
			return ENOMEM;
		l->jumps = jumps;
	}
	/* A JUMP adds one stretch, and the blob after it none or one. */
	if (l->stretch_count + 2 > l->stretch_capacity) {
		struct log_stretch *s = os_grow(os, l->stretches, &l->stretch_capacity, 8, sizeof *s);
		if (s == NULL)
			return ENOMEM;
		l->stretches = s;
	}
	return 0;
}

static void log_seal_open(struct log *l)
{
	if (l->open == NULL)
		return;
	blob_seal(l->map, l->open);
	l->at.link = l->open->check;
	l->open = NULL;
}

bool stretch_joins(struct log_stretch *list, uint32_t count, uint64_t start, uint64_t end)
{
	if (count == 0 || list[count - 1].end != start)
		return false;
	list[count - 1].end = end;
	return true;
}

static void stretch_add(struct log *l, uint64_t start, uint64_t end)
{
	if (stretch_joins(l->stretches, l->stretch_count, start, end))
		return;
	assert(l->stretch_count < l->stretch_capacity);
	l->stretches[l->stretch_count++] = (struct log_stretch){start, end};
}

/* Puts a blob at the cursor, which has room for it. */
static struct blob_disk *log_put(struct log *l, unsigned kind, unsigned flags, uint64_t name, uint64_t size,
				 uint32_t aux)
{
	const uint64_t span = blob_span(size);
	struct blob_disk *b = blob_at(l->map, l->at.cursor);

	log_seal_open(l);
	assert(l->at.cursor + span <= l->at.window_end);
	blob_init(b, blob_stamp(l->seq, kind, flags), name, (uint32_t)size, l->at.link, aux);
	stretch_add(l, l->at.cursor, l->at.cursor + span);
	l->at.cursor += span;
	l->bytes_uncommitted += span;
	l->open = b;
	return b;
}

static bool window_holds(const struct log_place *at, uint64_t offset, uint64_t span)
{
	return at->window_end - offset >= span + sizeof(struct jump_disk);
}

/* Whether a session may begin in the window that it has found. The session before may have given the rest of it back, and
 * have punched it out, without a checkpoint that would say so. */
static bool window_serves(struct log *l, uint64_t after, uint64_t span)
{
	return l->at.window_end > after && window_holds(&l->at, after, span) &&
	       space_allocate(l->space, after, l->at.window_end - after) == 0;
}

/* The next window, with room for what becomes free when the transaction ends. */
static int log_window(struct log *l, uint64_t span, enum space_claim claim, struct log_jump *jump)
{
	int r = slots_keep(&l->space->free, 1);

	if (r != 0)
		return r;
	r = space_window(l->space, span, claim, &jump->start, &jump->end);
	if (r != 0)
		slots_keep_less(&l->space->free, 1);
	return r;
}

/* Goes on in another window; or, at the start of a session, in this one behind a JUMP. */
static int log_jump(struct log *l, uint64_t span, enum space_claim claim)
{
	const uint64_t after = l->at.cursor + sizeof(struct jump_disk);
	struct log_jump jump = {.left_start = after, .left_end = l->at.window_end};
	struct jump_disk *b;
	uint64_t nonce = 0;
	int r = log_reserve(l);

	assert(after <= l->at.window_end);
	/* The place where a session begins was not taken by it. */
	if (r == 0 && !l->joined)
		r = space_allocate(l->space, l->at.cursor, sizeof *b);
	if (r == 0 && !l->joined && !broken(BROKEN_NONCE))
		r = l->map->os->random(l->map->os, &nonce, sizeof nonce);
	if (r != 0)
		return r;
	if (!l->joined && window_serves(l, after, span)) {
		jump = (struct log_jump){.left_start = after, .start = after, .end = l->at.window_end, .inside = true};
	} else {
		r = log_window(l, span, claim, &jump);
		if (r != 0)
			return r;
	}
	b = (struct jump_disk *)(void *)log_put(l, BLOB_JUMP, 0, 0, sizeof *b - sizeof b->head, 0);
	b->start = jump.start;
	b->end = jump.end;
	b->nonce = nonce;
	l->joined = true;
	l->jumps[l->jump_count++] = jump;
	l->at.cursor = jump.start;
	l->at.window_end = jump.end;
	return 0;
}

int log_append(struct log *l, unsigned kind, unsigned flags, uint64_t name, uint64_t size, uint32_t aux,
	       enum space_claim claim, struct blob_disk **blob)
{
	const uint64_t span = blob_span(size);
	int r = log_reserve(l);

	assert(size <= UINT32_MAX);
	if (r != 0)
		return r;
	if (!l->joined || !window_holds(&l->at, l->at.cursor, span)) {
		r = log_jump(l, span, claim);
		if (r != 0)
			return r;
	}
	*blob = log_put(l, kind, flags, name, size, aux);
	assert(l->at.window_end - l->at.cursor >= sizeof(struct jump_disk));
	return 0;
}

int log_hop(struct log *l)
{
	log_shed_window(l);
	return log_jump(l, 0, SPACE_RESERVED);
}

uint32_t log_commit_check(struct log *l)
{
	assert(l->open != NULL);
	l->open->stamp |= (uint64_t)BLOB_COMMIT << 56;
	return blob_check(l->map, l->open, blob_offset(l->map, l->open));
}

void log_seal_commit(struct log *l, uint32_t check)
{
	assert(l->open != NULL && (blob_flags(l->open) & BLOB_COMMIT) != 0);
	l->open->check = check;
	l->at.link = check;
	l->open = NULL;
}

/* Only what may be pushed is noted. Where there is no room for it, it is left to the flush. */
static void since_add(struct log *l, uint64_t start, uint64_t end)
{
	const struct os *os = l->space->memory;

	if (l->map->mode != OS_MAP_SHARED || stretch_joins(l->since, l->since_count, start, end))
		return;
	if (l->since_count == l->since_capacity && l->since_capacity < SINCE_MOST) {
		struct log_stretch *since = os_grow(os, l->since, &l->since_capacity, SINCE_FIRST, sizeof *since);
		if (since == NULL)
			return;
		l->since = since;
	}
	if (l->since_count < l->since_capacity)
		l->since[l->since_count++] = (struct log_stretch){start, end};
}

void log_commit(struct log *l)
{
	assert(l->open == NULL);
	for (uint32_t i = 0; i < l->jump_count; i++)
		if (!l->jumps[i].inside)
			space_return(l->space, l->jumps[i].left_start, l->jumps[i].left_end);
	for (uint32_t i = 0; i < l->stretch_count; i++)
		since_add(l, l->stretches[i].start, l->stretches[i].end);
	l->jump_count = 0;
	l->stretch_count = 0;
	l->committed = l->at;
	l->joined_committed = l->joined;
	l->bytes += l->bytes_uncommitted;
	l->written += l->bytes_uncommitted;
	l->bytes_uncommitted = 0;
}

void log_abort(struct log *l)
{
	l->open = NULL;
	for (uint32_t i = 0; i < l->jump_count; i++)
		if (!l->jumps[i].inside)
			space_return(l->space, l->jumps[i].start, l->jumps[i].end);
	l->jump_count = 0;
	l->stretch_count = 0;
	l->at = l->committed;
	l->joined = l->joined_committed;
	l->bytes_uncommitted = 0;
}

void log_shed_window(struct log *l)
{
	const uint64_t keep = l->at.cursor + sizeof(struct jump_disk);

	assert(!log_has_blobs(l) && l->open == NULL);
	if (l->at.window_end == keep || slots_keep(&l->space->free, 1) != 0)
		return;
	space_return(l->space, keep, l->at.window_end);
	l->at.window_end = keep;
	l->committed = l->at;
}
