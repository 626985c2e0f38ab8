/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_ready.c owns what is kept ready for a full disk, see space_full.c: disk space under the lowest free slots.
 *
 * Cost: a walk over some dozens of slots for each `keep` bytes that are taken. */
#include "arena/space/space_fit.h"

/* What a slot counts: the pages of the table that it holds. */
static uint64_t ready_bytes(uint64_t size)
{
	return size - size % SLOTS_PAGE;
}

static struct fit ready_next(const struct space *s, uint64_t at)
{
	return fit_slot(s, slots_first_fit_from(&s->free, SLOTS_PAGE, at));
}

uint64_t ready_end(const struct space *s)
{
	uint64_t at = 0;
	uint64_t sum = 0;

	while (sum < s->keep) {
		const struct fit f = ready_next(s, at);
		if (f.size == 0)
			break;
		at = f.start + least_of(f.size, s->keep - sum + SLOTS_PAGE);
		sum += ready_bytes(at - f.start);
	}
	return at;
}

uint64_t ready_below(const struct space *s, uint64_t end)
{
	uint64_t at = 0;
	uint64_t sum = 0;

	while (sum < s->keep) {
		const struct fit f = ready_next(s, at);
		if (f.size == 0 || f.start >= end)
			break;
		at = f.start + f.size;
		sum += ready_bytes(least_of(at, end) - f.start);
	}
	return sum;
}

/* Disk space under the lowest slots, `want` bytes of them: how many have it. */
static int slots_ready(struct space *s, uint64_t want, uint64_t *sum)
{
	uint64_t at = 0;
	int r = 0;

	*sum = 0;
	while (r == 0 && *sum < want) {
		const struct fit f = ready_next(s, at);
		const uint64_t part = least_of(f.size, want - *sum + SLOTS_PAGE);
		if (f.size == 0)
			break;
		r = space_allocate(s, f.start, part);
		at = f.start + f.size;
		*sum += r == 0 ? ready_bytes(part) : 0;
	}
	return r;
}

void space_ready_look(struct space *s, bool ask)
{
	const uint64_t old = map_bytes(s->map);
	const uint64_t share = keep_share(s);
	uint64_t sum;
	int r;

	if (s->full || s->map->mode != OS_MAP_SHARED)
		return;
	s->keep = keep_bytes(s);
	/* Twice that, so that it is not looked at again before as much was taken. */
	r = slots_ready(s, 2 * s->keep, &sum);
	if (r == 0 && sum < share)
		r = space_grow(s, tail_bytes(s) + share - sum);
	else if (r == 0 && sum < s->keep && ask && !s->grants)
		/* It need not be much: that the disk grants anything is what is asked. */
		r = space_grow(s, tail_bytes(s) + DISK_PAGE);
	sum += map_bytes(s->map) - old;
	if (disk_short(r) && sum < s->keep)
		(void)full_begin(s, r);
	s->ready_known = sum >= s->keep || s->grants || ask;
	s->keep = keep_bytes(s);
	s->ready = sum > s->keep ? sum - s->keep : 0;
}
