/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stepped.h: included before a source that is compiled once more for actors, and before the headers whose inline
 * functions are to be stepped through as well; behind arena/os/thread.h. Each access to an atomic word is a place to
 * be stopped at, and to die at, before it, and a swap that succeeds is one after it, too. A turn of waiting lets
 * others run.
 *
 * Each access is sequentially consistent here, and nothing else is stored or loaded late: what a weaker order would
 * allow does not happen. */
#ifndef GKV_TESTS_OS_STEPPED_H
#define GKV_TESTS_OS_STEPPED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/os/actors.h"

#define STEPPED(type, suffix)                                                                                          \
	__attribute__((unused)) static inline type stepped_exchange_##suffix(_Atomic type *p, type v)                  \
	{                                                                                                              \
		actor_point();                                                                                         \
		return atomic_exchange(p, v);                                                                          \
	}                                                                                                              \
	__attribute__((unused)) static inline bool stepped_swap_##suffix(_Atomic type *p, type *was, type v)           \
	{                                                                                                              \
		actor_point();                                                                                         \
		if (!atomic_compare_exchange_strong(p, was, v))                                                        \
			return false;                                                                                  \
		actor_point();                                                                                         \
		return true;                                                                                           \
	}

#define STEPPED_NUMBER(type, suffix)                                                                                   \
	STEPPED(type, suffix)                                                                                          \
	__attribute__((unused)) static inline type stepped_add_##suffix(_Atomic type *p, type v)                       \
	{                                                                                                              \
		actor_point();                                                                                         \
		return atomic_fetch_add(p, v);                                                                         \
	}                                                                                                              \
	__attribute__((unused)) static inline type stepped_sub_##suffix(_Atomic type *p, type v)                       \
	{                                                                                                              \
		actor_point();                                                                                         \
		return atomic_fetch_sub(p, v);                                                                         \
	}

STEPPED(bool, bool)
STEPPED_NUMBER(uint32_t, u32)
STEPPED_NUMBER(uint64_t, u64)

#define STEPPED_OF(p, what)                                                                                            \
	_Generic((p),                                                                                                  \
		 _Atomic bool *: stepped_##what##_bool,                                                                \
		 _Atomic uint32_t *: stepped_##what##_u32,                                                             \
		 _Atomic uint64_t *: stepped_##what##_u64)
#define STEPPED_NUMBER_OF(p, what)                                                                                     \
	_Generic((p), _Atomic uint32_t * : stepped_##what##_u32, _Atomic uint64_t * : stepped_##what##_u64)

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_fetch_add
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub
#undef atomic_fetch_sub_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_weak
#define atomic_load(p)                            (actor_point(), *(p))
#define atomic_load_explicit(p, order)            atomic_load(p)
#define atomic_store(p, v)                        (actor_point(), (void)(*(p) = (v)))
#define atomic_store_explicit(p, v, order)        atomic_store(p, v)
#define atomic_exchange(p, v)                     STEPPED_OF(p, exchange)(p, v)
#define atomic_exchange_explicit(p, v, order)     atomic_exchange(p, v)
#define atomic_fetch_add(p, v)                    STEPPED_NUMBER_OF(p, add)(p, v)
#define atomic_fetch_add_explicit(p, v, order)    atomic_fetch_add(p, v)
#define atomic_fetch_sub(p, v)                    STEPPED_NUMBER_OF(p, sub)(p, v)
#define atomic_fetch_sub_explicit(p, v, order)    atomic_fetch_sub(p, v)
#define atomic_compare_exchange_strong(p, was, v) STEPPED_OF(p, swap)(p, was, v)
#define atomic_compare_exchange_weak(p, was, v)   atomic_compare_exchange_strong(p, was, v)
#define os_pause(n)                               ((void)(n), actor_yield())

#endif
