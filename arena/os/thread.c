/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* thread.c: the number of a thread, its cancellation, and turns of waiting, over POSIX threads.
 *
 * Owns one process-wide number, that of the newest thread.
 *
 * Invariants
 * 1. No number is given to two threads. A forked child goes on with its parent's: handles do not cross a fork.
 *
 * Cost: a call each; os_thread_id makes no system call. */
#define _GNU_SOURCE
#include "arena/os/thread.h"

#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <time.h>

#include "arena/broken.h"

/* How os_pause goes on: spins, then yields, then sleeps twice as long each time up to a limit. */
#define PAUSE_SPINS     16u
#define PAUSE_YIELDS    32u
#define PAUSE_FIRST_NS  20000L
#define PAUSE_DOUBLINGS 6u

/* Tells the processor that it is in a loop that waits, so that the other half of the core gets on. */
static void cpu_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield" ::: "memory");
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

void os_pause(unsigned n)
{
	struct timespec nap = {0, PAUSE_FIRST_NS};
	unsigned doublings;
	OS_UNCANCELLED;

	if (n < PAUSE_SPINS) {
		cpu_relax();
		return;
	}
	if (n < PAUSE_YIELDS) {
		(void)sched_yield();
		return;
	}
	doublings = n - PAUSE_YIELDS;
	if (doublings > PAUSE_DOUBLINGS)
		doublings = PAUSE_DOUBLINGS;
	nap.tv_nsec <<= doublings;
	(void)nanosleep(&nap, NULL); /* a signal that cuts it short does no harm */
}

uint64_t os_thread_id(void)
{
	static _Atomic uint64_t newest;
	static _Thread_local uint64_t own;

	if (own == 0)
		own = atomic_fetch_add_explicit(&newest, 1, memory_order_relaxed) + 1;
	return own;
}

int os_cancel_disable(void)
{
	int before = PTHREAD_CANCEL_ENABLE;
	const int rc = broken(BROKEN_CANCEL) ? 0 : pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);

	assert(rc == 0);
	(void)rc;
	return before;
}

void os_cancel_restore(const int *state)
{
	const int rc = pthread_setcancelstate(*state, NULL);

	assert(rc == 0);
	(void)rc;
}
