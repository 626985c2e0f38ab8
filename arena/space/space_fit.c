/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_fit.c owns the search for a free slot, and the growth of the file where none fits.
 *
 * 1. Low addresses go first; the slot at the end of the file is used last.
 * 2. Nothing is found in the range that compaction empties.
 * 3. What is cut out of a slot has disk space under it.
 *
 * Cost: O(log n) in the number of slots. */
#include "arena/space/space_fit.h"

#include <assert.h>

#include "arena/broken.h"

#define GROW_LEAST (UINT64_C(64) << 10)
#define GROW_MOST  (UINT64_C(16) << 20)
#define GROW_NEAR  (4 * SPACE_GROWTH)
#define DRAIN_STEP 1024u

bool space_short(int r)
{
	return r == GRAVITY_FULL || disk_short(r);
}

bool space_none(int r)
{
	return space_short(r) || r == ENOMEM;
}

uint64_t tail_bytes(const struct space *s)
{
	const slot_id last = s->free.last;

	if (last == SLOT_NONE || slots_end(&s->free, last) != map_bytes(s->map))
		return 0;
	return slots_size(&s->free, last);
}

/* Of these, what lies behind the range that compaction empties. */
static uint64_t tail_usable(const struct space *s)
{
	const uint64_t end = map_bytes(s->map);
	const uint64_t tail = tail_bytes(s);

	return tail > end - s->evict_end ? end - s->evict_end : tail;
}

int grow_to(struct space *s, uint64_t end)
{
	const uint64_t old = map_bytes(s->map);
	int r = slots_reserve(&s->free, 1);

	if (r != 0)
		return r;
	r = map_grow(s->map, end);
	if (r == 0)
		r = slots_insert(&s->free, old, end - old);
	assert(r <= 0 || r != EINVAL);
	s->ready_known = false;
	s->grants |= r == 0;
	return r;
}

int space_grow(struct space *s, uint64_t bytes)
{
	const uint64_t limit = s->max_bytes;
	const uint64_t old = map_bytes(s->map);
	const uint64_t tail = tail_usable(s);
	uint64_t share = old / (s->near ? GROW_NEAR : SPACE_GROWTH);
	uint64_t least, wish;
	int r;

	assert(tail < bytes);
	least = page_round(old + bytes - tail);
	if (least > limit)
		return GRAVITY_FULL;
	share = share < GROW_LEAST ? GROW_LEAST : share > GROW_MOST ? GROW_MOST : share;
	wish = page_round(least - (bytes - tail) + (bytes - tail > share ? bytes - tail : share));
	if (wish > limit)
		wish = limit & ~(DISK_PAGE - 1);
	r = grow_to(s, wish < least ? least : wish);
	if (space_none(r) && wish > least)
		r = grow_to(s, least);
	return disk_short(r) ? full_begin(s, r) : r;
}

uint64_t space_growth(const struct space *s)
{
	const uint64_t limit = s->max_bytes & ~(DISK_PAGE - 1);
	const uint64_t bytes = map_bytes(s->map);

	return limit > bytes ? limit - bytes : 0;
}

uint64_t space_left(const struct space *s)
{
	const uint64_t bytes = map_bytes(s->map);

	if (s->max_bytes == UINT64_MAX)
		return UINT64_MAX;
	return s->free.bytes + (s->max_bytes > bytes ? s->max_bytes - bytes : 0);
}

/* Only a limit makes a reserve: without one the file grows. */
bool space_allows(const struct space *s, uint64_t bytes)
{
	const uint64_t left = space_left(s);

	return left >= bytes && left - bytes >= s->reserve;
}

uint64_t space_drain(struct space *s, uint64_t budget)
{
	const uint64_t checkpoint = broken(BROKEN_REUSE) ? UINT64_MAX : s->durable_seq;

	return pending_drain(&s->pending, &s->free, s->readers, checkpoint, budget);
}

struct fit fit_from(const struct space *s, uint64_t least, uint64_t at)
{
	const struct fit over = fit_slot(s, slots_at_or_before(&s->free, at));

	if (over.size > 0 && over.start + over.size >= at + least)
		return (struct fit){at, over.start + over.size - at};
	return fit_slot(s, slots_first_fit_from(&s->free, least, at));
}

struct fit fit_outside(const struct space *s, uint64_t bytes)
{
	const struct fit f = fit_slot(s, slots_first_fit(&s->free, bytes));

	if (f.start >= s->evict_end || f.start + f.size <= s->evict_start)
		return f;
	if (f.start < s->evict_start && s->evict_start - f.start >= bytes)
		return (struct fit){f.start, s->evict_start - f.start};
	return fit_from(s, bytes, s->evict_end);
}

int fit_obtain(struct space *s, uint64_t bytes, struct fit *f)
{
	int r;

	*f = fit_outside(s, bytes);
	while (f->size == 0 && space_drain(s, DRAIN_STEP) > 0)
		*f = fit_outside(s, bytes);
	if (f->size != 0)
		return 0;
	r = space_grow(s, bytes);
	if (r == 0)
		*f = fit_outside(s, bytes);
	assert(r != 0 || f->size >= bytes);
	return r;
}

int slot_cut(struct space *s, uint64_t start, uint64_t bytes)
{
	const int r = space_allocate(s, start, bytes);

	if (r != 0)
		return full_cut(s, start, bytes, r);
	s->ready_known &= bytes <= s->ready;
	s->ready -= s->ready < bytes ? s->ready : bytes;
	return slots_remove(&s->free, start, bytes);
}

int cluster_end(struct space *s, struct cluster *c)
{
	const int r = c->start == c->end ? 0 : slots_insert(&s->free, c->start, c->end - c->start);

	assert(c->start <= c->end);
	if (r == 0)
		*c = (struct cluster){0};
	return r;
}

int space_end_cluster(struct space *s)
{
	const int r = cluster_end(s, &s->pages);

	return r != 0 ? r : cluster_end(s, &s->nodes);
}
