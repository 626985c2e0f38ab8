/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_full.c owns what a full disk changes: a full disk is a limit.
 *
 * While there is disk space a store takes no heed of it but for one thing: the lowest free slots have disk space, `keep` bytes
 * of them, before they are asked for. They are looked after before each write transaction, and after what puts and moves take;
 * nothing punches them or cuts them off. So the disk is found full while there is still something to work with.
 *
 *     free slots:   | ready | ready | hole? | hole? |              the disk refuses
 *     free:         | ready | ready |                              what has disk space
 *     aside:                        | hole  | hole  |              what has none
 *
 * From then on the limit is what the file has: max_bytes is its length, and free slots without disk space are put aside. All
 * that arena/move/limit.c does for a size limit it does for this one: puts leave what deletes and checkpoints need, and what is in
 * pieces is made whole.
 *
 * Before anything is refused the disk is asked again, for a little more than what is wanted. When it has granted a share of
 * the file it is not full any more: what was put aside is free, and max_bytes is as its user set it.
 *
 * 1. While the disk is full each byte of a free slot has disk space, as far as the system tells.
 * 2. No byte is in two slots, of `free` and of `aside`.
 * 3. While it is not full `aside` is empty, and max_bytes is what was asked for.
 * 4. What was handed back while the disk is full is put aside at once: others may have taken it.
 *
 * Cost: a look at two numbers with each window; a walk over some dozens of slots for each `keep` bytes that are taken. When
 * the disk is found full, a system call for each block that may be a hole, until many in a row were. */
#include <assert.h>

#include "arena/broken.h"
#include "arena/space/space_fit.h"

#define KEEP_MOST     (UINT64_C(256) << 10)
#define KEEP_SLOT     UINT64_C(12)          /* of the next free list, for each slot       */
#define KEEP_SHARE    8                     /* of the file, no more                       */
#define KEEP_FILE     (UINT64_C(1) << 20)   /* a shorter one keeps nothing                */
#define PROBES_MOST   4096u                 /* refused in a row, before the rest is taken for holes */
#define ASK_BYTES     (UINT64_C(256) << 10) /* asked for at a time, if no more is wanted   */
#define GRANTED_SHARE 8                     /* of the file, granted in all: it is not full any more, ... */
#define GRANTED_LEAST KEEP_MOST             /* ... at least                               */
#define GRANTED_MOST  (UINT64_C(64) << 20)  /* ... and at most so much                    */

static uint64_t least_of(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

int space_code(const struct space *s, int r)
{
	return s->full && r == GRAVITY_FULL && s->asked > map_bytes(s->map) ? s->full_code : r;
}

bool space_full_sound(const struct space *s)
{
	return s->full ? s->max_bytes == least_of(s->asked, map_bytes(s->map))
		       : s->aside.count == 0 && s->max_bytes == s->asked;
}

uint64_t space_free_at(const struct space *s, uint64_t offset)
{
	const struct slots *all[] = {&s->free, &s->aside};

	for (unsigned i = 0; i < 2; i++) {
		const slot_id id = slots_at_or_before(all[i], offset);
		if (id != SLOT_NONE && offset - slots_start(all[i], id) < slots_size(all[i], id))
			return slots_size(all[i], id) - (offset - slots_start(all[i], id));
	}
	return 0;
}

uint64_t space_free_next(const struct space *s, uint64_t offset)
{
	const slot_id free = slots_at_or_after(&s->free, offset);
	const slot_id aside = slots_at_or_after(&s->aside, offset);

	return least_of(free == SLOT_NONE ? UINT64_MAX : slots_start(&s->free, free),
			aside == SLOT_NONE ? UINT64_MAX : slots_start(&s->aside, aside));
}

/* ---- what is kept ready ------------------------------------------------------------------------------------------ */

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

static uint64_t keep_most(const struct space *s)
{
	return KEEP_MOST + KEEP_SLOT * s->free.count;
}

/* What the file is made longer for. */
static uint64_t keep_share(const struct space *s)
{
	const uint64_t share = least_of(keep_most(s), map_bytes(s->map) / KEEP_SHARE);

	return map_bytes(s->map) < KEEP_FILE ? 0 : share;
}

static uint64_t keep_bytes(const struct space *s)
{
	if (broken(BROKEN_KEEP))
		return 0;
	return s->grants ? keep_share(s) : keep_most(s);
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
		r = space_grow(s, tail_bytes(s) + share - sum, s->max_bytes);
	else if (r == 0 && sum < s->keep && ask && !s->grants)
		/* It need not be much: that the disk grants anything is what is asked. */
		r = space_grow(s, tail_bytes(s) + DISK_PAGE, s->max_bytes);
	sum += map_bytes(s->map) - old;
	if (disk_short(r) && sum < s->keep)
		(void)full_begin(s, r);
	s->ready_known = sum >= s->keep || s->grants || ask;
	s->keep = keep_bytes(s);
	s->ready = sum > s->keep ? sum - s->keep : 0;
}

/* ---- the disk is full -------------------------------------------------------------------------------------------- */

static int put_aside(struct space *s, uint64_t start, uint64_t bytes)
{
	int r = slots_reserve(&s->aside, 1);

	if (r == 0)
		r = slots_reserve(&s->free, 1);
	if (r == 0)
		r = slots_remove(&s->free, start, bytes);
	return r == 0 ? slots_insert(&s->aside, start, bytes) : r;
}

/* The other way. */
static int take_back(struct space *s, uint64_t start, uint64_t bytes)
{
	int r = slots_reserve(&s->aside, 1);

	if (r == 0)
		r = slots_reserve(&s->free, 1);
	if (r == 0)
		r = slots_remove(&s->aside, start, bytes);
	return r == 0 ? slots_insert(&s->free, start, bytes) : r;
}

/* Whether a piece has disk space. */
static bool has_space(struct space *s, uint64_t start, uint64_t bytes, unsigned *refused)
{
	if (!holes_meet(&s->holes, start, start + bytes))
		return true;
	if (*refused >= PROBES_MOST)
		return false;
	if (space_allocate(s, start, bytes) == 0) {
		*refused = 0;
		return true;
	}
	++*refused;
	return false;
}

/* Parts what a block has of a slot. */
static int pages_part(struct space *s, uint64_t piece, uint64_t end, unsigned *refused)
{
	int r = 0;

	for (uint64_t next; r == 0 && piece < end; piece = next) {
		next = least_of(end, (piece & ~(DISK_PAGE - 1)) + DISK_PAGE);
		if (!has_space(s, piece, next - piece, refused))
			r = put_aside(s, piece, next - piece);
	}
	return r;
}

/* Parts the free slots, block by block, and where space ends, page by page. */
static int slots_part(struct space *s)
{
	unsigned refused = 0;
	uint64_t at = 0;
	int r = 0;

	for (;;) {
		const struct fit f = fit_slot(s, slots_at_or_after(&s->free, at));
		const uint64_t end = f.start + f.size;
		if (r != 0 || f.size == 0)
			return r;
		bool beside = true; /* the slot's edge, or space */
		for (uint64_t next, piece = f.start; r == 0 && piece < end; piece = next) {
			next = least_of(end, (piece & ~(HOLES_BLOCK - 1)) + HOLES_BLOCK);
			if (has_space(s, piece, next - piece, &refused)) {
				beside = true;
				continue;
			}
			r = beside || next == end ? pages_part(s, piece, next, &refused)
						  : put_aside(s, piece, next - piece);
			beside = false;
		}
		at = end;
	}
}

int full_begin(struct space *s, int code)
{
	int r;

	assert(!s->full && disk_short(code));
	if (s->map->mode != OS_MAP_SHARED)
		return code;
	s->full = true;
	s->full_code = code;
	s->granted = 0;
	s->grants = false;
	s->keep = keep_bytes(s);
	limit_set(s, least_of(s->asked, map_bytes(s->map)));
	r = broken(BROKEN_ASIDE) ? 0 : slots_part(s);
	return r != 0 ? r : SPACE_AGAIN;
}

/* Without memory for it the disk stays full. */
static void full_end(struct space *s)
{
	/* Pages stand at other multiples without a limit. */
	if (space_end_cluster(s) != 0 || slots_reserve(&s->free, s->aside.count) != 0)
		return;
	for (slot_id id; (id = s->aside.first) != SLOT_NONE;)
		if (take_back(s, slots_start(&s->aside, id), slots_size(&s->aside, id)) != 0)
			return;
	s->full = false;
	s->ready_known = false;
	limit_set(s, s->asked);
}

void space_restart(struct space *s)
{
	slots_release(&s->free);
	slots_release(&s->aside);
	pending_release(&s->pending);
	slots_init(&s->free, s->map->os);
	slots_init(&s->aside, s->map->os);
	pending_init(&s->pending, s->map->os);
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

int space_gather(struct space *s)
{
	if (s->full)
		full_end(s);
	return s->full ? ENOMEM : 0;
}

int full_cut(struct space *s, uint64_t start, uint64_t bytes, int code)
{
	int r;

	if (!disk_short(code) || broken(BROKEN_ASIDE))
		return code;
	if (!s->full)
		return full_begin(s, code);
	r = put_aside(s, start, bytes);
	return r != 0 ? r : SPACE_AGAIN;
}

void full_punched(struct space *s, uint64_t start, uint64_t end)
{
	/* Without memory for it: what is taken there is asked for first, as ever. */
	if (s->full)
		(void)put_aside(s, start, end - start);
}

void full_length(struct space *s)
{
	if (s->full)
		s->max_bytes = least_of(s->asked, map_bytes(s->map));
}

/* ---- asking again ------------------------------------------------------------------------------------------------ */

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
	return take_back(s, start, part) == 0 ? part : 0;
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
