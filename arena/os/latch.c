/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* latch.c owns how latches and events are waited for.
 *
 * 1. A latch has one holder: its word becomes HELD by a compare-and-swap alone, and only its holder changes it from there.
 * 2. There is one heir at most. `heir` is NONE, or COMING: one was called and runs, or ASLEEP: it sleeps on `heir`. All others
 *    who wait sleep on the word, and are called one at a time, in the order in which they went to sleep.
 * 3. Who waits is counted before it looks at the word for the last time before its sleep; who lets go looks at the count after
 *    it has changed the word (both are sequentially consistent). So one sees the other: no sleep begins that nobody would end.
 *    The same holds for ASLEEP and the word.
 * 4. Nothing rests on 3 but speed: no sleep is longer than NAP. Who has slept for so long goes to sleep again, behind the
 *    others: where turns take long, the order is that of the naps.
 * 5. No thread is cancelled here: the operations of the seam are no cancellation points.
 * 6. Who dies while it waits stays counted for as long as the latch is there. That costs a call at each change of hands, and
 *    nothing rests on it. An heir that has died is followed by the first one who sleeps for a NAP while the latch is handed
 *    over. Who only tries does not get it until then.
 *
 * Cost: free and alone one compare-and-swap and one exchange; no system call. While others wait, a call for one of them for each
 * LATCH_PASSED_MOST changes of hands, where the changes are fast. */
#include "arena/os/latch.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include "arena/broken.h"
#include "arena/os/thread.h"

#define FREE   0u
#define HELD   1u
#define HANDED 2u
#define LEFT   3u

#define NONE   0u
#define COMING 1u
#define ASLEEP 2u

#ifndef HEIR_TURNS
#define HEIR_TURNS 16u /* of os_pause, all of them spins: mostly those before it are fast */
#endif
/* Looks in vain in a row, each with a change of hands beside it. With 3 one order in some millions lost a call. */
#define CALLS 8u
#define NAP   UINT64_C(80000000)

/* Calls the one who has slept longest, unless one was called before and has not got it yet; `mine`: that is so, and the call is
 * for this one to make. Who was counted may not be asleep yet: it looks once more. But another one may have fallen asleep
 * meanwhile, for whom nobody has called, because it seemed that one was coming: so it is tried again. What was handed over, and
 * there is nobody asleep to have it, is anybody's. */
static void heir_call(struct latch *l, const struct os *os, bool mine)
{
	for (unsigned round = 0; round < CALLS; round++) {
		uint32_t handed = HANDED, heir = NONE;
		if (!mine && !atomic_compare_exchange_strong(&l->heir, &heir, COMING)) {
			if (heir == ASLEEP && atomic_compare_exchange_strong(&l->heir, &heir, COMING))
				(void)os->wake(os, &l->heir, false);
			return;
		}
		mine = false;
		if (os->wake(os, &l->word, false) > 0)
			return;
		atomic_store(&l->heir, NONE);
		if (atomic_load(&l->word) == HELD || atomic_load(&l->waiting) == 0)
			return;
		if (round > 0)
			(void)atomic_compare_exchange_strong(&l->word, &handed, FREE);
	}
}

static void let_go(struct latch *l, const struct os *os, uint32_t as)
{
	const uint32_t waiting = atomic_load_explicit(&l->waiting, memory_order_relaxed);
	uint32_t heir = NONE;
	bool mine = false;

	assert(atomic_load_explicit(&l->word, memory_order_relaxed) == HELD);
	if (as == FREE && waiting > 0 && ++l->passed >= LATCH_PASSED_MOST && !broken(BROKEN_LATCH_PASSED)) {
		mine = atomic_compare_exchange_strong(&l->heir, &heir, COMING);
		as = HANDED;
	}
	(void)atomic_exchange(&l->word, as);
	if ((broken(BROKEN_LATCH_CALL) ? waiting : atomic_load(&l->waiting)) > 0 && !broken(BROKEN_LATCH_DROP))
		heir_call(l, os, mine);
}

void latch_drop(struct latch *l, const struct os *os)
{
	let_go(l, os, FREE);
}

void latch_leave(struct latch *l, const struct os *os)
{
	let_go(l, os, LEFT);
}

/* Takes it if it can be had; *word is what it was. */
static bool try_take(struct latch *l, uint32_t *word, bool heir)
{
	*word = atomic_load(&l->word);
	while (*word != HELD && (*word != HANDED || heir))
		if (atomic_compare_exchange_weak(&l->word, word, HELD))
			return true;
	return false;
}

/* In line. True when this one is the heir: it was called, or it was handed over and nobody has come for it for long. */
static bool line_up(struct latch *l, const struct os *os, uint32_t word)
{
	const int r = os->wait(os, &l->word, word, NAP);

	return r == 0 || (r == ETIMEDOUT && word == HANDED && !broken(BROKEN_LATCH_HEIR));
}

/* Next in turn. */
static void heir_wait(struct latch *l, const struct os *os, unsigned turn)
{
	if (turn < HEIR_TURNS) {
		os_pause(turn);
		return;
	}
	atomic_store(&l->heir, ASLEEP);
	if (atomic_load(&l->word) == HELD || broken(BROKEN_LATCH_ASLEEP))
		(void)os->wait(os, &l->heir, ASLEEP, NAP);
	atomic_store(&l->heir, COMING);
}

/* What its word was when it was taken. */
static uint32_t wait_for(struct latch *l, const struct os *os)
{
	unsigned turn = 0;
	bool heir = false;
	uint32_t word;

	(void)atomic_fetch_add(&l->waiting, 1);
	while (!try_take(l, &word, heir)) {
		if (heir)
			heir_wait(l, os, turn++);
		else
			heir = line_up(l, os, word);
	}
	if (heir) {
		l->passed = 0;
		atomic_store(&l->heir, NONE);
	}
	(void)atomic_fetch_sub(&l->waiting, 1);
	return word;
}

enum latch_got latch_take(struct latch *l, const struct os *os, enum latch_how how)
{
	uint32_t word;

	if (!try_take(l, &word, false)) {
		if (how == LATCH_TRY)
			return LATCH_BUSY;
		word = wait_for(l, os);
	}
	return word == LEFT && !broken(BROKEN_LATCH_LEFT) ? LATCH_INHERITED : LATCH_TAKEN;
}

uint32_t event_look(const struct event *e)
{
	return atomic_load(&e->word) & ~1u;
}

void event_wait(struct event *e, const struct os *os, uint32_t seen)
{
	uint32_t word = seen;

	if (atomic_compare_exchange_strong(&e->word, &word, seen | 1u) || word == (seen | 1u))
		(void)os->wait(os, &e->word, seen | 1u, NAP);
}

void event_raise(struct event *e, const struct os *os)
{
	uint32_t word = atomic_load(&e->word);

	while (!atomic_compare_exchange_weak(&e->word, &word, (word & ~1u) + 2u))
		;
	if ((word & 1u) != 0)
		(void)os->wake(os, &e->word, true);
}
