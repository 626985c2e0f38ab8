/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* latch.h: a lock of one word, and a word that tells of an event. Who waits for one sleeps on the word, through the seam.
 *
 *     FREE      nobody has it: the first who comes takes it, and may so pass those who wait
 *     HELD      somebody has it
 *     HANDED    nobody has it, and it is for the heir: the one who waited longest
 *     LEFT      nobody has it; whoever had it last was gone before what it guards was in order
 *
 *                 latch_take                  latch_drop, after LATCH_PASSED_MOST have passed the heir
 *       FREE ----------------------> HELD ------------------------------------------------> HANDED
 *            <----------------------  ^  ^                                                    |
 *                 latch_drop          |  +----------------------------------------------------+
 *       LEFT -------------------------+        latch_take of the heir
 *            <---- latch_leave ------- HELD
 *
 * A thread that lets go and takes it again at once is faster than one that has to wake up, and spares both a switch: so it is
 * let past, but not for ever. Those who wait get it in the order in which they came.
 *
 * All zero is a latch that is free; there is nothing to release. It holds no address and no number of a thread: whoever lets go
 * need not be who took it. */
#ifndef GKV_ARENA_OS_LATCH_H
#define GKV_ARENA_OS_LATCH_H

#include <stdatomic.h>
#include <stdint.h>

#include "arena/os/os.h"

/* So many times others take it that came after the heir was called. */
#define LATCH_PASSED_MOST 16u

enum latch_how { LATCH_WAIT, LATCH_TRY };
enum latch_got { LATCH_TAKEN, LATCH_INHERITED, LATCH_BUSY };

struct latch {
	_Alignas(64) _Atomic uint32_t word;
	_Atomic uint32_t waiting; /* who are in latch_take and will not go without it */
	_Atomic uint32_t heir;
	uint32_t passed; /* its holder's: how often it was let go of since the last heir took it, while others waited */
};

/* INHERITED: it was left. BUSY: for LATCH_TRY alone, somebody else has it, or will have it. */
enum latch_got latch_take(struct latch *l, const struct os *os, enum latch_how how);
void latch_drop(struct latch *l, const struct os *os);
/* Lets go of it on behalf of a holder who is gone: who takes it next is told. */
__attribute__((unused)) void latch_leave(struct latch *l, const struct os *os);

/* An event that comes again and again. Look at it; look whether what is to be waited for is so already; if it is not, wait:
 * that ends when the event was raised after the look, and now and then without. */
struct event {
	_Atomic uint32_t word; /* twice how often it was raised, and 1 where somebody sleeps */
};

uint32_t event_look(const struct event *e);
void event_wait(struct event *e, const struct os *os, uint32_t seen);
void event_raise(struct event *e, const struct os *os);

#endif
