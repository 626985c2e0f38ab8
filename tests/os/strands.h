/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* strands.h: lines of execution with a stack each, of which one runs at a time: the test's own, and some others. One goes on
 * where another one says so, and nowhere else. */
#ifndef GKV_TESTS_OS_STRANDS_H
#define GKV_TESTS_OS_STRANDS_H

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
