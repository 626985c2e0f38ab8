/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_fit.h: what space.c and space_limited.c know of each other, and nobody else does. */
#ifndef GKV_ARENA_SPACE_FIT_H
#define GKV_ARENA_SPACE_FIT_H

#include "arena/space.h"

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

/* space.c -------------------------------------------------------------------------------------------------------- */

/* The free bytes at the very end of the file. */
uint64_t tail_bytes(const struct space *s);
/* The first slot of that size, or part of one, outside the range that compaction empties. */
struct fit fit_outside(const struct space *s, uint64_t bytes);
/* The same, draining what is due before the file grows, to `limit` at most. */
int fit_obtain(struct space *s, uint64_t bytes, uint64_t limit, struct fit *f);
/* Cuts a piece out of a slot, with disk space under it. */
int slot_cut(struct space *s, uint64_t start, uint64_t bytes);

/* space_limited.c ------------------------------------------------------------------------------------------------ */

/* The first piece that holds so much; none without a limit. */
struct fit fit_piece(const struct space *s, uint64_t bytes);
/* A new cluster with room for a page or node of `bytes` at least. */
int packed_begin(struct space *s, uint64_t bytes);
/* How much of a fit a window for `need` takes. */
uint64_t window_part(const struct space *s, uint64_t size, uint64_t need);
/* A slot for a window. */
int window_fit_limited(struct space *s, uint64_t need, enum space_claim claim, struct fit *f);

#endif
