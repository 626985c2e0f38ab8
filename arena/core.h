/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* core.h: struct arena, shared by the files of the arena that move it from state to state. What of it belongs to one file is
 * declared in that file's header; what belongs to the files of move/, which stand above the log, is declared here.
 *
 * Latches, in the order in which they are taken:
 *   writer      one write transaction, compaction step or checkpoint step at a time; may be held for long
 *   checkpoint  who drives the checkpoint that is under way
 *   flush       who flushes now; others wait and find that it was done for them
 *
 * Everything without a note belongs to the writer. */
#ifndef GKV_ARENA_CORE_H
#define GKV_ARENA_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/gravity.h"
#include "arena/log/checkpoint.h"
#include "arena/log/flush.h"
#include "arena/log/interval.h"
#include "arena/log/log.h"
#include "arena/log/writer.h"
#include "arena/os/latch.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "arena/space/reader.h"
#include "arena/space/space.h"
#include "arena/table/table.h"
#include "arena/types.h"

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
};

struct shrink {
	struct shrink_turn turn[2]; /* this one, and the one before                               */
	unsigned commits;
	struct sweep sweep;
	uint64_t step; /* bytes that it moves at a time                                        */
	uint64_t rest; /* bytes to be put, or to die, before it is looked at again whether to begin one */
	bool all;      /* it began at the beginning of the file                                */
};

struct arena {
	/* Set at open, then constant. */
	const struct os *os;
	struct map map;
	enum arena_kind kind;
	bool read_only, lazy;
	enum gravity_planner planner;
	uint64_t checkpoint_bytes;
	uint64_t fork_generation;
	uint64_t hash_seed;
	uint64_t identity[2];

	struct latch writer_latch;     /* held from begin to commit */
	_Atomic uint64_t writer_owner; /* os_thread_id, 0: nobody */

	struct readers readers;
	struct space space;
	struct log log;
	struct table table;
	struct writer writer;
	struct flush flush;
	struct checkpoint checkpoint;

	struct header_disk header;    /* of the last durable checkpoint                         */
	unsigned header_index;        /* its page; changed by the checkpoint's last step        */
	struct log_stretch *replayed; /* what recovery took from the log: flushed again before the first write */
	uint32_t replayed_count;
	bool space_loaded; /* free list read                                         */
	bool session;      /* the first write of this handle was prepared            */

	uint64_t blobs;             /* live records                       */
	uint64_t live_bytes;        /* theirs, with heads                 */
	_Atomic uint64_t next_name; /* ARENA_PLAIN: names handed out; the writer changes it */
	uint64_t bytes_moved, compaction_steps;
	struct interval interval;
	struct steps steps;
	struct segment_rest segment_rest;
	struct limit limit;
	struct shrink shrink;
	_Atomic uint32_t open_txns;
	void *memory; /* that this stands in, see arena_new */
};

#endif
