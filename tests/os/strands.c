/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* strands.c owns the stacks of strands, and who has the turn.
 *
 * 1. Whoever does not have the turn stands in strand_give, or has not begun.
 *
 * Contexts of one thread cost a quarter of a microsecond a turn. Where there are none, each strand is a thread that
 * waits for its turn, which takes some microseconds. */
#define _GNU_SOURCE
#include "tests/os/strands.h"

#include <stdlib.h>

#include "tests/testing.h"

#if STRANDS_CONTEXTS

#include <ucontext.h>

#define STACK (256 * KIB)

static struct {
	unsigned count, self;
	ucontext_t context[STRANDS_MOST + 1];
	void *stack[STRANDS_MOST];
} all;

void strands_begin(unsigned count, void (*run)(void))
{
	must(count <= STRANDS_MOST);
	all.count = count;
	all.self = STRAND_OWN;
	for (unsigned i = 0; i < count; i++) {
		ucontext_t *c = &all.context[i];
		all.stack[i] = malloc(STACK);
		must(all.stack[i] != NULL && getcontext(c) == 0);
		c->uc_stack.ss_sp = all.stack[i];
		c->uc_stack.ss_size = STACK;
		c->uc_link = NULL;
		makecontext(c, run, 0);
	}
}

void strands_end(void)
{
	must(all.self == STRAND_OWN);
	for (unsigned i = 0; i < all.count; i++)
		free(all.stack[i]);
}

unsigned strand_self(void)
{
	return all.self;
}

void strand_give(unsigned to)
{
	const unsigned from = all.self;

	all.self = to;
	must(swapcontext(&all.context[from], &all.context[to]) == 0);
}

#else

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

static struct {
	unsigned count, self;
	bool ending;
	void (*run)(void);
	pthread_t thread[STRANDS_MOST];
	sem_t turn[STRANDS_MOST + 1];
} all;

static void turn_await(unsigned self)
{
	while (sem_wait(&all.turn[self]) != 0)
		must(errno == EINTR);
	if (all.ending)
		pthread_exit(NULL);
}

static void *strand_main(void *arg)
{
	turn_await((unsigned)(uintptr_t)arg);
	all.run();
	return NULL;
}

void strands_begin(unsigned count, void (*run)(void))
{
	must(count <= STRANDS_MOST);
	all.count = count;
	all.run = run;
	all.self = STRAND_OWN;
	all.ending = false;
	for (unsigned i = 0; i <= STRANDS_MOST; i++)
		must(sem_init(&all.turn[i], 0, 0) == 0);
	for (unsigned i = 0; i < count; i++)
		must(pthread_create(&all.thread[i], NULL, strand_main, (void *)(uintptr_t)i) == 0);
}

void strands_end(void)
{
	all.ending = true;
	for (unsigned i = 0; i < all.count; i++) {
		must(sem_post(&all.turn[i]) == 0);
		must(pthread_join(all.thread[i], NULL) == 0);
	}
	for (unsigned i = 0; i <= STRANDS_MOST; i++)
		must(sem_destroy(&all.turn[i]) == 0);
}

unsigned strand_self(void)
{
	return all.self;
}

void strand_give(unsigned to)
{
	const unsigned from = all.self;

	all.self = to;
	must(sem_post(&all.turn[to]) == 0);
	turn_await(from);
}

#endif
