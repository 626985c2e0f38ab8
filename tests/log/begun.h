/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* begun.h: for suites that stop a checkpoint somewhere between its begin and its end. */
#ifndef GKV_TESTS_LOG_BEGUN_H
#define GKV_TESTS_LOG_BEGUN_H

#include "arena/core.h"
#include "arena/log/checkpoint.h"
#include "arena/log/writer.h"
#include "tests/testing.h"

/* A checkpoint is begun, and that is all. */
static inline void checkpoint_begin_one(arena *a)
{
	must_give(writer_lock(a, false), 0);
	must(a->checkpoint.state == CHECKPOINT_IDLE);
	a->b->interval.due = true;
	checkpoint_poll(a);
	must(a->checkpoint.state == CHECKPOINT_PUSHING);
	writer_unlock(a);
}

#endif
