/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* limit.h: what a size limit asks for. */
#ifndef GKV_ARENA_MOVE_LIMIT_H
#define GKV_ARENA_MOVE_LIMIT_H

#include "arena/core.h"

static inline bool room_limited(const arena *a)
{
	return a->space.max_bytes != UINT64_MAX;
}

/* What may be spent on one put, see slot_make.c: the counts of the arena when that is over. */
struct effort {
	uint64_t checkpoints, moved;
};

static inline bool effort_over(const arena *a, const struct effort *e)
{
	return a->checkpoint.count >= e->checkpoints || a->bytes_moved >= e->moved;
}

/* limit.c -------------------------------------------------------------------------------------------------------- */

/* Before a transaction of a store with a limit: what its commit will need is there. */
void room_begin(arena *a);
/* After a commit, perhaps a step of cleaning; whether the limit is near, so that nothing else should be moved. */
bool room_poll(arena *a);
/* Bytes of a segment of the survey, and of a free extent that counts as none of it. */
uint64_t room_segment(const arena *a);
uint64_t room_large(const arena *a);
/* How much may be moved for a put that has no place. */
uint64_t room_budget(const arena *a);
/* Empties segments, in steps of that, before one checkpoint; whether anything was moved. */
bool room_empty_segments(arena *a);
/* Measures what puts leave alone. */
void room_measure(arena *a);
/* How much of the spare it leaves. All of it may be used, since a put is at stake and a checkpoint gives it back; beside a
 * snapshot that is so no more. */
uint64_t room_floor(const arena *a);
/* guard_settle; and what puts leave alone is measured again. */
int room_settle(arena *a);

/* slot_make.c ---------------------------------------------------------------------------------------------------- */

/* For the writer, who has no blobs in the chain and keeps the lock. Makes a free slot of `want` bytes by moving data.
 * GRAVITY_FULL when there is not that much free space in all, or no more may be done for it at once; GRAVITY_BUSY when snapshots hold too much to move anything. */
int room_make(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim);
/* Bytes that are free, or will be after a checkpoint. */
uint64_t room_all(arena *a);
/* What a transaction may spend before it begins. */
struct effort effort_some(const arena *a);

/* clear.c -------------------------------------------------------------------------------------------------------- */

/* Makes the cheapest run one slot of `want` bytes, or a part of it that is enough; for the writer, as room_make, and with
 * its codes. */
int run_clear(arena *a, enum gravity_planner planner, uint64_t want, enum space_claim claim, const struct effort *e);

/* sweep.c -------------------------------------------------------------------------------------------------------- */

/* The sweep from *at on (sweep_on), until there is a place, or the effort is over. */
int sweep_for(arena *a, uint64_t *at, uint64_t want, enum space_claim claim, const struct effort *e);

#endif
