/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stretches.h: what was committed and not flushed yet. The writer notes it while whoever flushes copies it; neither waits for
 * the other. Nothing is taken out that was not flushed: what a flush has covered the writer drops when it comes by next. */
#ifndef GKV_ARENA_LOG_STRETCHES_H
#define GKV_ARENA_LOG_STRETCHES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/log/log.h"

#define STRETCHES_MOST 16u

struct stretches {
	_Atomic uint64_t generation; /* odd while the rest is changed                                      */
	_Atomic uint64_t seq;        /* newest commit that it covers                                       */
	_Atomic uint64_t whole;      /* up to this commit it was more than fits: everything must be flushed */
	_Atomic uint64_t count;
	uint64_t dropped; /* the writer's own: what was flushed up to this commit is out of the list */
	struct {
		_Atomic uint64_t start, end;
		_Atomic uint64_t seq; /* newest commit in it */
	} at[STRETCHES_MOST];
};

struct stretches_copy {
	uint64_t seq; /* what a flush of these, and of what was flushed before, makes durable */
	bool whole;
	uint32_t count;
	struct log_stretch at[STRETCHES_MOST];
};

/* The writer, after a commit was applied. Up to `durable` all is flushed. */
void stretches_note(struct stretches *s, const struct log_stretch *list, uint32_t count, uint64_t seq,
		    uint64_t durable);
/* What is to be flushed beyond `durable`. */
void stretches_copy(struct stretches *s, uint64_t durable, struct stretches_copy *copy);

#endif
