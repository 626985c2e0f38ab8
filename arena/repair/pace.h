/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* pace.h: how far a long work has come, and whether it is to end before it is done.
 *
 * The work says what it has done, as often as it likes. For each PACE_BYTES of it the owner's progress function is asked
 * whether it should go on. Once it has said no, or the work itself has set `stopped`, nobody is asked any more: the work
 * returns `stopped` as soon as it can. */
#ifndef GKV_ARENA_REPAIR_PACE_H
#define GKV_ARENA_REPAIR_PACE_H

#include <errno.h>
#include <stddef.h>

#include "arena/arena.h"

#define PACE_BYTES (UINT64_C(1) << 20)

struct pace {
	arena_progress *progress; /* may be NULL                                                            */
	void *arg;
	uint64_t done, total; /* bytes, as the owner is told                                            */
	uint64_t unasked;     /* bytes looked at since the owner was asked                              */
	int stopped;          /* 0, or what the work ends with                                          */
};

/* Asks the owner now. */
static inline int pace_ask(struct pace *p)
{
	p->unasked = 0;
	if (p->total < p->done)
		p->total = p->done;
	if (p->stopped == 0 && p->progress != NULL && p->progress(p->arg, p->done, p->total) != 0)
		p->stopped = ECANCELED;
	return p->stopped;
}

/* So many bytes were looked at, which brings the work no nearer to its end. */
static inline int pace_look(struct pace *p, uint64_t bytes)
{
	p->unasked += bytes;
	return p->unasked < PACE_BYTES ? p->stopped : pace_ask(p);
}

/* So many bytes are done. */
static inline int pace_step(struct pace *p, uint64_t bytes)
{
	p->done += bytes;
	return pace_look(p, bytes);
}

#endif
