/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* log.h: the chain of blobs since the last checkpoint, appended window by window.
 *
 *     window                                          window
 *     | blob | blob | JUMP |....left over....|        | blob | blob*|  ...  room for a JUMP |
 *                       \________________________________^      ^ commit flag
 *
 * Every blob names the check of the one before it. The last blob is open (its check is not set) until the next is
 * appended or its commit is sealed, so what it holds, and its commit flag, may be filled in later. */
#ifndef GKV_ARENA_LOG_LOG_H
#define GKV_ARENA_LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/file/map.h"
#include "arena/space/space.h"

struct log_place {
	uint64_t cursor; /* where the next blob goes; a JUMP fits between it and window_end */
	uint64_t window_end;
	uint32_t link; /* check of the blob before cursor, once that is sealed */
};

/* One JUMP of the transaction at work: what it left over, and the window that it took. */
struct log_jump {
	uint64_t left_start, left_end; /* the JUMP itself ends at left_start */
	uint64_t start, end;
	bool inside; /* the session's first blob: it goes on in the same window, nothing left over or taken */
};

/* A stretch of the log. */
struct log_stretch {
	uint64_t start, end;
};

struct log {
	struct map *map;
	struct space *space;
	struct log_place at;
	struct log_place committed; /* where the last commit ended: an abort goes back to it      */
	struct blob_disk *open;     /* the last blob, not sealed; NULL: none                      */
	uint64_t seq;               /* number of the commit at work                               */
	bool joined;                /* this session's first JUMP is committed, or at work         */
	bool joined_committed;
	struct log_jump *jumps; /* of the transaction at work                                 */
	uint32_t jump_count, jump_capacity;
	struct log_stretch *stretches; /* what the transaction at work has written                 */
	uint32_t stretch_count, stretch_capacity;
	uint64_t bytes;            /* since the last checkpoint began                            */
	uint64_t before;           /* before that, and after the last durable one: both are replayed */
	struct log_stretch *since; /* where what was not pushed yet is, as far as there was room to note it */
	uint32_t since_at, since_count, since_capacity; /* those before since_at were pushed         */
	uint64_t bytes_uncommitted;
	uint64_t written, pushed; /* ever, by this handle                                       */
};

/* Makes the last of the stretches longer, where the new one begins at its end. */
bool stretch_joins(struct log_stretch *list, uint32_t count, uint64_t start, uint64_t end);

void log_init(struct log *l, struct map *map, struct space *space);
void log_release(struct log *l);
/* See slots_adopt; map and space are the process's that has it now. */
void log_adopt(struct log *l, uintptr_t by, struct map *map, struct space *space);

/* Appends a blob of `size` bytes, not filled. On failure (GRAVITY_FULL, ENOSPC, ENOMEM, errno) the log is as it was. */
int log_append(struct log *l, unsigned kind, unsigned flags, uint64_t name, uint64_t size, uint32_t aux,
	       enum space_claim claim, struct blob_disk **blob);

/* Appends a JUMP to another window, with nothing behind it. Codes as above. */
int log_hop(struct log *l);

static inline bool log_has_blobs(const struct log *l)
{
	return l->at.cursor != l->committed.cursor;
}

/* What the next open would replay. */
static inline uint64_t log_replay(const struct log *l)
{
	return l->before + l->bytes;
}

/* Makes the open blob the last of its commit, up to its check, which is returned: all of the blob is read for it, and nobody
 * may fill it in any more. */
uint32_t log_commit_check(struct log *l);
/* Sets that check: the commit is whole. */
void log_seal_commit(struct log *l, uint32_t check);
/* After the commit was applied: what JUMPs left over is free, the place is the committed one. */
void log_commit(struct log *l);
/* Takes the cursor back to the last commit and returns the windows that were taken since. */
void log_abort(struct log *l);

/* Gives back all of the current window but the room for the JUMP out of it. No transaction has blobs in the chain. */
void log_shed_window(struct log *l);

/* Puts the log at a place that recovery or a checkpoint found. */
void log_place_at(struct log *l, struct log_place place);

#endif
