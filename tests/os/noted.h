/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* noted.h: included in place of stepped.h, before arena/os/latch.c, by a scene that notes who has a latch: in the same step in
 * which it is taken, or let go of. */
#ifndef GKV_TESTS_OS_NOTED_H
#define GKV_TESTS_OS_NOTED_H

#include "tests/os/stepped.h"

/* The scene's: this actor has taken the latch with that word, which was `was`; has let go of it, which leaves `value`. */
static void note_take(const _Atomic uint32_t *word, uint32_t was);
static void note_drop(const _Atomic uint32_t *word, uint32_t value);

static bool noted_take(_Atomic uint32_t *p, uint32_t *was, uint32_t value)
{
	actor_point();
	if (!atomic_compare_exchange_strong_explicit(p, was, value, memory_order_seq_cst, memory_order_seq_cst))
		return false;
	note_take(p, *was);
	actor_point();
	return true;
}

static uint32_t noted_drop(_Atomic uint32_t *p, uint32_t value)
{
	uint32_t was;

	actor_point();
	was = *p;
	*p = value;
	note_drop(p, value);
	actor_point();
	return was;
}

#undef atomic_compare_exchange_weak
#undef atomic_exchange
#define atomic_compare_exchange_weak(p, was, v) noted_take(p, was, v)
#define atomic_exchange(p, v)                                                                                          \
	_Generic((p), _Atomic uint32_t * : noted_drop, _Atomic uint64_t * : stepped_exchange_u64)(p, v)

#endif
