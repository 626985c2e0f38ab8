/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_again.c owns the end of a full disk, see space_full.c: the disk is asked again before anything is refused.
 *
 * Cost: a system call or two for each refusal. */
#include "arena/space/space_fit.h"

#define ASK_BYTES     (UINT64_C(256) << 10) /* asked for at a time, if no more is wanted */
#define GRANTED_SHARE 8                     /* of the file, granted in all: it is not full any more, ... */
#define GRANTED_LEAST (UINT64_C(256) << 10) /* ... at least */
#define GRANTED_MOST  (UINT64_C(64) << 20)  /* ... and at most so much */

/* Without memory for it the disk stays full. */
static void full_end(struct space *s)
{
	/* Pages stand at other multiples without a limit. */
	if (space_end_cluster(s) != 0 || slots_reserve(&s->free, s->aside.count) != 0)
		return;
	for (slot_id id; (id = s->aside.first) != SLOT_NONE;)
		if (slots_pass(&s->aside, &s->free, slots_start(&s->aside, id), slots_size(&s->aside, id)) != 0)
			return;
	s->full = false;
	s->ready_known = false;
	limit_set(s, s->asked);
}

int space_gather(struct space *s)
{
	if (s->full)
		full_end(s);
	return s->full ? ENOMEM : 0;
}

void space_restart(struct space *s)
{
	slots_release(&s->free);
	slots_release(&s->aside);
	pending_release(&s->pending);
	slots_init(&s->free, s->memory);
	slots_init(&s->aside, s->memory);
	pending_init(&s->pending, s->memory);
	s->pages = s->nodes = (struct cluster){0};
	s->cluster_bytes = 0;
	s->dead_bytes = s->copied_bytes = 0;
	s->full = false;
	limit_set(s, s->asked);
}

int space_full_again(struct space *s)
{
	const int r = full_begin(s, s->full_code);

	return r == SPACE_AGAIN ? 0 : r;
}

/* For the lowest of what was put aside that is enough, or the lowest of all. How much was granted. */
static uint64_t aside_ask(struct space *s, uint64_t bytes)
{
	slot_id id = slots_first_fit(&s->aside, bytes);
	uint64_t start, part;

	if (id == SLOT_NONE)
		id = s->aside.first;
	if (id == SLOT_NONE)
		return 0;
	start = slots_start(&s->aside, id);
	part = least_of(slots_size(&s->aside, id), bytes < ASK_BYTES ? ASK_BYTES : bytes);
	if (space_allocate(s, start, part) != 0) {
		part = least_of(part, HOLES_BLOCK - start % HOLES_BLOCK);
		if (space_allocate(s, start, part) != 0)
			return 0;
	}
	return slots_pass(&s->aside, &s->free, start, part) == 0 ? part : 0;
}

/* For a longer file. */
static uint64_t growth_ask(struct space *s, uint64_t bytes)
{
	const uint64_t old = map_bytes(s->map);
	const uint64_t limit = s->asked & ~(DISK_PAGE - 1);
	const uint64_t least = page_round(old + (bytes > tail_bytes(s) ? bytes - tail_bytes(s) : DISK_PAGE));
	const uint64_t wish = page_round(old + (bytes < ASK_BYTES ? ASK_BYTES : bytes));

	if (least > limit || (grow_to(s, least_of(wish, limit)) != 0 && grow_to(s, least) != 0))
		return 0;
	full_length(s);
	return map_bytes(s->map) - old;
}

bool full_again(struct space *s, int r, uint64_t bytes)
{
	const uint64_t share = map_bytes(s->map) / GRANTED_SHARE;
	const uint64_t enough = share < GRANTED_LEAST ? GRANTED_LEAST : least_of(share, GRANTED_MOST);
	uint64_t got;

	if (r == SPACE_AGAIN || !s->full || !space_short(r))
		return r == SPACE_AGAIN;
	got = aside_ask(s, bytes);
	if (got == 0)
		got = growth_ask(s, bytes);
	s->granted += got;
	if (got > 0 && s->granted >= enough)
		full_end(s);
	return got > 0;
}
