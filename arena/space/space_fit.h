/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_fit.h: what the files of space know of each other, and nobody else does. From the bottom up: each calls those above it
 * in this list alone. */
#ifndef GKV_ARENA_SPACE_SPACE_FIT_H
#define GKV_ARENA_SPACE_SPACE_FIT_H

#include <errno.h>

#include "arena/gravity.h"
#include "arena/space/space.h"
#include "arena/types.h"

/* The slot, or the part of it, that takes something. */
struct fit {
	uint64_t start, size; /* size 0: there is none */
};

static inline struct fit fit_slot(const struct space *s, slot_id id)
{
	return id == SLOT_NONE ? (struct fit){0} : (struct fit){slots_start(&s->free, id), slots_size(&s->free, id)};
}

static inline uint64_t line_round(uint64_t offset)
{
	return (offset + DISK_LINE - 1) & ~(DISK_LINE - 1);
}

static inline bool is_moving(const struct space *s)
{
	return s->evict_end > s->evict_start;
}

/* Whether a code says that the system gives no more space. */
static inline bool disk_short(int r)
{
	return r == ENOSPC || r == EDQUOT || r == EFBIG;
}

#define SPACE_AGAIN EAGAIN /* between the files of space alone: what is free is not what it was, look again */

/* space_full.c --------------------------------------------------------------------------------------------------- */

/* From now on the file is to grow to `max_bytes` at most; arena/move/limit.c measures what puts leave alone. */
void limit_set(struct space *s, uint64_t max_bytes);
/* Takes a range out of the one list of slots into the other. 0, or ENOMEM, which leaves it where it was. */
int slots_pass(struct slots *from, struct slots *to, uint64_t start, uint64_t bytes);
/* The disk has refused space with that code. SPACE_AGAIN, or ENOMEM. */
int full_begin(struct space *s, int code);
/* The disk has none for a piece of a free slot, and says so with that code. SPACE_AGAIN, or a code that is no lack of space. */
int full_cut(struct space *s, uint64_t start, uint64_t bytes, int code);
/* Of a full disk: a free stretch has been handed back, or the file has another length. */
void full_punched(struct space *s, uint64_t start, uint64_t end);
void full_length(struct space *s);
/* How much is to be kept ready; and how much of that the file is made longer for. */
uint64_t keep_bytes(const struct space *s);
uint64_t keep_share(const struct space *s);

/* space_fit.c ---------------------------------------------------------------------------------------------------- */

/* The free bytes at the very end of the file. */
uint64_t tail_bytes(const struct space *s);
/* The first slot of that size, or part of one, outside the range that compaction empties. */
struct fit fit_outside(const struct space *s, uint64_t bytes);
/* The first slot of `least` bytes that begins at `at` or behind it, or what is left behind `at` of the one that it lies in. */
struct fit fit_from(const struct space *s, uint64_t least, uint64_t at);
/* The same as fit_outside, draining what is due before the file grows. */
int fit_obtain(struct space *s, uint64_t bytes, struct fit *f);
/* Cuts a piece out of a slot, with disk space under it. SPACE_AGAIN: it has none, the next fit may. */
int slot_cut(struct space *s, uint64_t start, uint64_t bytes);
/* Makes the file longer, up to `end`: one more free slot. */
int grow_to(struct space *s, uint64_t end);
/* Lengthens the file, to max_bytes at most, so that its last slot holds `bytes`, which it does not yet; by a part of its
 * length where that may be had. SPACE_AGAIN: the disk is full from here on. */
int space_grow(struct space *s, uint64_t bytes);
/* What is left of a cluster is free again. 0 or ENOMEM. */
int cluster_end(struct space *s, struct cluster *c);

/* space_ready.c -------------------------------------------------------------------------------------------------- */

/* Up to where the free slots keep their disk space. */
uint64_t ready_end(const struct space *s);
/* Of what is free below `end`, what counts as kept, as far as it is wanted. */
uint64_t ready_below(const struct space *s, uint64_t end);

/* space_again.c -------------------------------------------------------------------------------------------------- */

/* After a search that ended with that code: whether to look again, since a slot was put aside, or since the disk has granted
 * something for `bytes`. */
bool full_again(struct space *s, int r, uint64_t bytes);

/* space_limit.c -------------------------------------------------------------------------------------------------- */

/* The first piece that holds so much; none without a limit. */
struct fit fit_piece(const struct space *s, uint64_t bytes);
/* On a full disk a put that fits into pieces is refused, too, where its commit would copy a page into what is set aside: nothing
 * but deletes makes more room there. */
bool pages_short(struct space *s);
/* A new cluster with room for a page or node of `bytes` at least. */
int packed_begin(struct space *s, uint64_t bytes);
/* How much of a fit a window for `need` takes. */
uint64_t window_part(const struct space *s, uint64_t size, uint64_t need);
/* A slot for a window. */
int window_fit_limited(struct space *s, uint64_t need, enum space_claim claim, struct fit *f);

#endif
