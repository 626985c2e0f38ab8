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
 * What is kept ready is the matter of space_ready.c, the asking that of space_again.c.
 *
 * Cost: a look at two numbers with each window. When the disk is found full, a system call for each block that may be a hole,
 * until many in a row were. */
#include <assert.h>

#include "arena/broken.h"
#include "arena/space/space_fit.h"

#define KEEP_MOST    (UINT64_C(256) << 10)
#define KEEP_SLOT    UINT64_C(12)        /* of the next free list, for each slot       */
#define KEEP_SHARE   8                   /* of the file, no more                       */
#define KEEP_FILE    (UINT64_C(1) << 20) /* a shorter one keeps nothing                */
#define WINDOW_MOST  (UINT64_C(32) << 10)
#define WINDOW_SHARE 256   /* of the limit */
#define PROBES_MOST  4096u /* refused in a row, before the rest is taken for holes */

int space_code(const struct space *s, int r)
{
	return s->full && r == GRAVITY_FULL && s->asked > map_bytes(s->map) ? s->full_code : r;
}

bool space_full_sound(const struct space *s)
{
	return s->full ? s->max_bytes == least_of(s->asked, map_bytes(s->map))
		       : s->aside.count == 0 && s->max_bytes == s->asked;
}

/* What is left of the slot that offset lies in. */
static uint64_t slot_rest(const struct slots *s, uint64_t offset)
{
	const slot_id id = slots_at_or_before(s, offset);

	if (id == SLOT_NONE || offset - slots_start(s, id) >= slots_size(s, id))
		return 0;
	return slots_size(s, id) - (offset - slots_start(s, id));
}

uint64_t space_free_at(const struct space *s, uint64_t offset)
{
	const uint64_t rest = slot_rest(&s->free, offset);

	return rest > 0 || s->aside.count == 0 ? rest : slot_rest(&s->aside, offset);
}

static uint64_t slot_next(const struct slots *s, uint64_t offset)
{
	const slot_id id = slots_at_or_after(s, offset);

	return id == SLOT_NONE ? UINT64_MAX : slots_start(s, id);
}

uint64_t space_free_next(const struct space *s, uint64_t offset)
{
	const uint64_t next = slot_next(&s->free, offset);

	return s->aside.count == 0 ? next : least_of(next, slot_next(&s->aside, offset));
}

void limit_set(struct space *s, uint64_t max_bytes)
{
	s->max_bytes = max_bytes;
	s->slack = INT64_MAX / 2;
	s->reserve = s->spare = s->floor = s->list = s->copies = 0;
	for (s->window = WINDOW_MOST; s->window > 2 * DISK_PAGE && s->window > s->max_bytes / WINDOW_SHARE;
	     s->window /= 2)
		;
	s->unit = s->window;
}

static uint64_t keep_most(const struct space *s)
{
	return KEEP_MOST + KEEP_SLOT * s->free.count;
}

/* What the file is made longer for. */
uint64_t keep_share(const struct space *s)
{
	const uint64_t share = least_of(keep_most(s), map_bytes(s->map) / KEEP_SHARE);

	return map_bytes(s->map) < KEEP_FILE ? 0 : share;
}

uint64_t keep_bytes(const struct space *s)
{
	if (broken(BROKEN_KEEP))
		return 0;
	return s->grants ? keep_share(s) : keep_most(s);
}

int slots_pass(struct slots *from, struct slots *to, uint64_t start, uint64_t bytes)
{
	int r = slots_reserve(to, 1);

	if (r == 0)
		r = slots_reserve(from, 1);
	if (r == 0)
		r = slots_remove(from, start, bytes);
	return r == 0 ? slots_insert(to, start, bytes) : r;
}

static int put_aside(struct space *s, uint64_t start, uint64_t bytes)
{
	return slots_pass(&s->free, &s->aside, start, bytes);
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
