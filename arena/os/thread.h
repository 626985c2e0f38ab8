/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* thread.h: the part of the seam that concerns threads: who am I, may I be cancelled, let others run.
 *
 * Cancellation (pthread_cancel). No operation of the seam is a cancellation point, and a function that calls its user
 * back begins with OS_UNCANCELLED: so a thread is never cancelled within the library. That costs nothing where nothing
 * blocks. */
#ifndef GKV_ARENA_OS_THREAD_H
#define GKV_ARENA_OS_THREAD_H

#include <stdint.h>

/* Lets other threads run: the n-th call in a row of one wait (n from 0) spins, yields, then sleeps. */
void os_pause(unsigned n);

/* The number of this thread: no other thread of this process has it, nor gets it when this one has ended; never 0. */
uint64_t os_thread_id(void);

/* The thread is not cancelled from here to the end of the block. */
#define OS_UNCANCELLED                                                                                                 \
	const int os_cancel_state __attribute__((cleanup(os_cancel_restore), unused)) = os_cancel_disable()

int os_cancel_disable(void); /* what it was before */
void os_cancel_restore(const int *state);

#endif
