/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* flush.h: what is on stable storage, and what is not yet. */
#ifndef GKV_ARENA_LOG_FLUSH_H
#define GKV_ARENA_LOG_FLUSH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/file/header.h"
#include "arena/log/stretches.h"
#include "arena/os/latch.h"
#include "arena/types.h"

struct flush {
	struct latch latch;        /* flush                                                    */
	struct event left;         /* it was let go of                                         */
	struct stretches list;     /* committed and not flushed yet                            */
	_Atomic uint64_t durable;  /* newest commit known to be on stable storage              */
	_Atomic uint64_t dated;    /* newest commit that the file's time of change tells of    */
	_Atomic bool failed;       /* a flush failed: nothing is written any more              */
	bool begun;                /* writer: the first flush of this descriptor has returned  */
	bool settled;              /* writer: what recovery found is on stable storage         */
	unsigned header_index;     /* the page of ...                                          */
	struct header_disk header; /* ... the last durable checkpoint's. The checkpoint's last step changes both */
};

/* One thread at a time flushes, and changes which header is the newest. */
void flush_enter(arena *a);
void flush_leave(arena *a);
/* After a commit was applied: its stretches wait for a flush. */
void flush_add(arena *a, uint64_t seq);
/* Waits until commit `seq` is on stable storage. 0 or GRAVITY_FAILED, or the errno of the flush that failed. */
int flush_to(arena *a, uint64_t seq);
/* The newest commit that is known to be on stable storage. The numbers after it that were used up without a commit count
 * with it. For the writer. */
uint64_t flush_durable(arena *a);
/* Flushes everything of the file. */
int flush_all(arena *a);
/* Moves the file's time of change where something was committed since it was moved. */
void flush_date(arena *a);
/* Flushes a range; any failure makes the handle GRAVITY_FAILED. */
int flush_range(arena *a, uint64_t start, uint64_t end);
/* Flushes what an earlier session has left, before anything is promised on top of it: a range, or with FLUSH_ALL for its
 * end everything. `touch` makes all of it dirty, whatever the kernel takes for clean; 0 or errno. The first flush of a
 * handle is repeated once when it fails, see flush.c. */
#define FLUSH_ALL UINT64_MAX
typedef int flush_touch(arena *a);
int flush_earlier(arena *a, flush_touch *touch, uint64_t start, uint64_t end);

#endif
