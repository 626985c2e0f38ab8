/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* checkpoint.h: makes a state of the table durable, a step at a time. */
#ifndef GKV_ARENA_LOG_CHECKPOINT_H
#define GKV_ARENA_LOG_CHECKPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/file/header.h"
#include "arena/log/freelist.h"
#include "arena/os/latch.h"
#include "arena/space/freemap.h"
#include "arena/space/ranges.h"
#include "arena/table/table.h"
#include "arena/types.h"

enum checkpoint_state { CHECKPOINT_IDLE, CHECKPOINT_PUSHING, CHECKPOINT_HEADER, CHECKPOINT_WRITTEN, CHECKPOINT_ORPHAN };

struct checkpoint {
	struct latch latch;       /* checkpoint */
	_Atomic uint64_t driver;  /* os_thread_id of who has it, 0: nobody                     */
	const struct books *home; /* where the books stood when the pointers in this were right, see adopt.c */
	enum checkpoint_state state;
	struct header_disk header; /* of the checkpoint under way                           */
	unsigned index;            /* HEADER: the page that it goes into                    */
	struct table_iter iter;    /* where the pushing stands                               */
	uint64_t born_after;       /* pages born at or before this are on disk already       */
	struct free_list list;     /* while it is being made                                 */
	struct freemap freemap;    /* taken from it                                          */
	struct ranges dirty;       /* what was not pushed yet of the log, and what was given its checks */
	bool sealed;               /* all of them                                            */
	uint64_t pushed;           /* how many of the ranges are on their way to the disk    */
	uint64_t *chunks;          /* offsets of the chunks of its free list                 */
	uint32_t chunk_count;
	uint64_t died;         /* the checkpoint whose chunks died with one that was begun  */
	uint64_t count;        /* checkpoints finished by this handle                    */
	uint64_t punch_at;     /* where punching goes on, with the writer's lock; 0: it is done */
	_Atomic bool pushing;  /* state != IDLE, for a look without the lock             */
	_Atomic uint64_t live; /* bytes that lived when the one under way began          */
	_Atomic uint64_t owed; /* bytes of work that commits have asked for, and nobody has done yet */
};

/* After a commit, with the writer's lock: finishes one that was written, begins one that is due. */
void checkpoint_poll(arena *a);
/* After a commit that wrote and freed so many bytes, without the writer's lock: a bounded step of the one under way. */
int checkpoint_work(arena *a, uint64_t bytes);
/* A whole checkpoint. Without the writer's lock, or (locked) with it. */
int checkpoint_run(arena *a, bool locked);
/* The same, but that the newest commits may not be in it: where one is under way it is what is left of that. */
int checkpoint_once(arena *a, bool locked);
/* With the writer's lock: nobody works at the one under way until it is let go of. */
void checkpoint_hold(arena *a);
void checkpoint_let_go(arena *a);
/* Gives back the memory of the one that is over. For the writer. */
void checkpoint_release(arena *a);

#endif
