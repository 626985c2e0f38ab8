/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* books.h: struct books, what belongs to the writer, whoever that is: what is free, the log, the table, and what is to be moved.
 * What belongs to the files of move/, which stand above the log, is declared here, the rest in the header of its file.
 *
 * 1. Whoever reads or changes them has the writer's latch. Where a word is atomic, others look at it as well.
 * 2. A handle reaches them through one pointer, and nothing in them belongs to a handle that has not got the latch. */
#ifndef GKV_ARENA_BOOKS_H
#define GKV_ARENA_BOOKS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/log/interval.h"
#include "arena/log/log.h"
#include "arena/space/space.h"
#include "arena/table/table.h"

/* Compaction in the write path, see steps.c and segment.c. */
struct steps {
	uint64_t credit; /* bytes that may be moved */
};

struct segment_rest {
	uint64_t start, end; /* what is left of the segment that is being emptied, also by the next interval */
};

/* What a size limit asks for, see limit.c and slot_make.c. */
struct limit {
	uint64_t measured; /* space.max_bytes when it was measured                         */
	/* bytes of the last put that was refused, and of all that was free then */
	uint64_t refused, refused_room;
	/* the oldest commit that a snapshot saw then, if it was in the way; 0: none was */
	uint64_t refused_beside;
	/* where a sweep for a put goes on that stopped, 0: none; and log.written then */
	uint64_t sweep_at, sweep_written;
	/* log.written, and all that was free, when slot_make_begin was in vain; 0: it was not */
	uint64_t vain_written, vain_room;
	/* log.written when the last sweep for a put was in vain, and all that was free then */
	uint64_t swept, swept_room;
};

/* The bound on the length of the file, see shrink.c. */
struct shrink_turn {
	uint64_t put, died; /* bytes, by RECENT_COMMITS commits                                   */
	uint64_t largest;   /* put by one of them                                                 */
};

/* A sweep, see sweep.c. */
struct sweep {
	uint64_t at;    /* where it goes on; 0: none is under way, UINT64_MAX: it is over       */
	uint64_t end;   /* of the file, when it began, or came to that; 0: it has not begun yet */
	uint64_t moved; /* bytes                                                                */
	bool again;     /* it came to what was the end when it began                            */
	bool busy;      /* it passed over what snapshots see, ...                               */
	bool passing;   /* ... and did nothing else in its last step                            */
	bool settled;   /* nothing was written since a checkpoint                               */
};

struct shrink {
	struct shrink_turn turn[2]; /* this one, and the one before                               */
	unsigned commits;
	struct sweep sweep;
	uint64_t step; /* bytes that it moves at a time                                        */
	uint64_t rest; /* bytes to be put, or to die, before it is looked at again whether to begin one */
	bool all;      /* it began at the beginning of the file                                */
};

struct books {
	const struct books *home; /* where they stood when the pointers in them were right, see adopt.c */
	struct space space;
	struct log log;
	struct table table;

	struct log_stretch *replayed; /* what recovery took from the log: flushed again before the first write */
	uint32_t replayed_count;
	bool space_loaded; /* free list read                                         */

	uint64_t blobs;             /* live records                       */
	uint64_t live_bytes;        /* theirs, with heads                 */
	_Atomic uint64_t next_name; /* ARENA_PLAIN: names handed out; others read it */
	uint64_t bytes_moved, compaction_steps;

	struct interval interval;
	struct steps steps;
	struct segment_rest segment_rest;
	struct limit limit;
	struct shrink shrink;
};

#endif
