/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* strands.h: lines of execution with a stack each, of which one runs at a time: the test's own, and some others. One
 * goes on where another one says so, and nowhere else. */
#ifndef GKV_TESTS_OS_STRANDS_H
#define GKV_TESTS_OS_STRANDS_H

#include <stdlib.h>

/* Whether they are contexts of one thread. Sanitizers know threads alone, and musl has no contexts. */
#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define STRANDS_CONTEXTS 1
#else
#define STRANDS_CONTEXTS 0
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#undef STRANDS_CONTEXTS
#define STRANDS_CONTEXTS 0
#endif
#endif
/* Where they are none, a turn is so many times dearer, about. */
#define STRANDS_DEAR (STRANDS_CONTEXTS ? 1u : 10u)

#define STRANDS_MOST 16u
#define STRAND_OWN   STRANDS_MOST /* the test's */

/* Each of them begins in `run`, which never returns, when it is first given the turn. */
void strands_begin(unsigned count, void (*run)(void));
/* The test's own has the turn. The others are gone where they stand. */
void strands_end(void);

/* Who has the turn. */
unsigned strand_self(void);
/* Gives the turn to another one; comes back when this one is given it. */
void strand_give(unsigned to);

#endif
