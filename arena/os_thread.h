/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* os_thread.h: the part of the seam that concerns threads: a mutex, a condition, who am I, have we been forked.
 * With os_posix.c the only place that includes <pthread.h>. */
#ifndef GKV_ARENA_OS_THREAD_H
#define GKV_ARENA_OS_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct os_mutex {
	pthread_mutex_t mutex;
} os_mutex;

typedef struct os_cond {
	pthread_cond_t cond;
} os_cond;

int os_mutex_init(os_mutex *m); /* 0 or an errno value */
void os_mutex_release(os_mutex *m);
void os_mutex_lock(os_mutex *m);
bool os_mutex_trylock(os_mutex *m); /* true: taken */
void os_mutex_unlock(os_mutex *m);

int os_cond_init(os_cond *c);
void os_cond_release(os_cond *c);
void os_cond_wait(os_cond *c, os_mutex *m);
void os_cond_wake_one(os_cond *c);
void os_cond_wake_all(os_cond *c);

/* Lets other threads run: the n-th call in a row of one wait (n from 0) spins, yields, then sleeps. */
void os_pause(unsigned n);

/* A number that differs between any two living threads of this process; never 0. */
uint64_t os_thread_id(void);

/* Counts the forks on the way from the process that called os_fork_watch first to this one: a handle of a parent is
 * known by it. 0 or ENOMEM. */
int os_fork_watch(void);
extern _Atomic uint64_t os_forks;

static inline uint64_t os_fork_generation(void)
{
	return atomic_load_explicit(&os_forks, memory_order_relaxed);
}

#endif
