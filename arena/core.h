/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* core.h: struct arena, a handle: shared by the files of the arena that move a store from state to state.
 *
 * Latches, in the order in which they are taken:
 *   writer      one write transaction, compaction step or checkpoint step at a time; may be held for long
 *   checkpoint  who drives the checkpoint that is under way
 *   flush       who flushes now; others wait and find that it was done for them
 *
 * 1. The handle's own is of use to this handle alone: memory of this process, and its transactions.
 * 2. The rest is the state of the store: who reads, who has which latch, what is durable, and the writer's books (books.h).
 * 3. Who may change a word its structure says: the books are the writer's. */
#ifndef GKV_ARENA_CORE_H
#define GKV_ARENA_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/books.h"
#include "arena/file/map.h"
#include "arena/gravity.h"
#include "arena/log/checkpoint.h"
#include "arena/log/flush.h"
#include "arena/log/writer.h"
#include "arena/os/latch.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "arena/space/reader.h"
#include "arena/types.h"

struct arena {
	/* The handle's own. Set at open, then constant. */
	const struct os *os;
	const struct os *memory; /* from whose alloc the books and the checkpoint have theirs: os, but in tests */
	struct map map;
	enum arena_kind kind;
	bool read_only, lazy;
	enum gravity_planner planner;
	uint64_t checkpoint_bytes;
	uint64_t fork_generation;
	uint64_t hash_seed;
	void *block;     /* that this stands in, and the books, see arena_new */
	struct books *b; /* the writer's                                      */

	/* The handle's own: its transactions. */
	_Atomic uint64_t writer_owner; /* os_thread_id, 0: nobody            */
	struct writer writer;          /* at work; who has the writer's latch */
	_Atomic uint32_t open_txns;

	/* The state of the store. */
	struct latch writer_latch; /* held from begin to commit */
	struct readers readers;
	struct flush flush;
	struct checkpoint checkpoint;
};

#endif
