/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* moving.c owns memory that moves. A handle's books, and all that they and its checkpoint have, stand in one block, with a
 * few places of the same size side by side in the address space.
 *
 * 1. One of the places has the block; nothing can be read or written in the others.
 * 2. After a turn the block is at the next one. What led into it leads to a place that cannot be read.
 * 3. What led from the books to the handle itself leads nowhere, either: it would be another process's.
 * 4. It stays where it is while somebody is at work on the checkpoint.
 *
 * A pointer that is not adopted is so a signal, at its first use, or later than PLACES turns wrong data. */
#define _GNU_SOURCE
#include "arena/moving.h"

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/core.h"
#include "tests/moving.h"

#define PLACES      5u
#define PLACE_BYTES ((size_t)1 << 30) /* addresses: memory is had as it is used */
#define CLASSES     32u
#define CLASS_LEAST 6u /* 64 bytes */
#define HANDLES     64u
#define DEAD        0xdd

struct block {
	struct block *next; /* offset in the place, where it is free; class otherwise */
	uint64_t class;
};

struct moving {
	struct os os; /* what the handle has for its own, with alloc and free of here */
	char *places; /* PLACES of them */
	unsigned at;
	size_t used;
	size_t free[CLASSES]; /* offsets; 0: none */
};

bool moving_wanted;
static uint64_t turns;
static const char *handles[HANDLES]; /* the places of each */
static struct sigaction before;

/* All that is adopted in books and checkpoints, and whether it has led anywhere at a turn. */
enum met {
	MET_FREE,
	MET_ASIDE,
	MET_LOGGED,
	MET_LOOSE,
	MET_BATCH,
	MET_HELD,
	MET_HELD_RING,
	MET_HOLES,
	MET_JUMPS,
	MET_STRETCHES,
	MET_SINCE,
	MET_REPLAYED,
	MET_FREEMAP,
	MET_LIST,
	MET_CHECKPOINT_FREEMAP,
	MET_DIRTY,
	MET_CHUNKS,
	MET_COUNT
};
static bool met[MET_COUNT];
static const char *const met_names[MET_COUNT] = {"free slots",
						 "slots put aside",
						 "what waits for a checkpoint",
						 "what waits for readers",
						 "a batch of it",
						 "what snapshots hold",
						 "what one of them holds",
						 "holes",
						 "jumps",
						 "stretches of a transaction",
						 "stretches not pushed",
						 "stretches replayed",
						 "the free map",
						 "the free list",
						 "its free map",
						 "what is to be pushed",
						 "chunks"};

__attribute__((constructor)) static void moving_choose(void)
{
	moving_wanted = moving_wanted || getenv("GKV_MOVING") != NULL;
}

uint64_t moving_turns(void)
{
	return turns;
}

const char *moving_unmet(void)
{
	for (unsigned i = 0; i < MET_COUNT; i++)
		if (!met[i])
			return met_names[i];
	return NULL;
}

static void give_up(const char *what)
{
	(void)fprintf(stderr, "moving memory: %s\n", what);
	abort();
}

/* What a pointer that was kept does. */
static void kept(int signal, siginfo_t *info, void *context)
{
	static const char told[] = "tests/moving.c:0: does not hold: no pointer was kept to where the books stood\n";
	const char *at = info->si_addr;

	(void)context;
	for (unsigned i = 0; i < HANDLES; i++)
		if (handles[i] != NULL && at >= handles[i] && at < handles[i] + PLACES * PLACE_BYTES) {
			(void)!write(STDOUT_FILENO, told, sizeof told - 1);
			_exit(1);
		}
	/* It is none of these: it happens again, to whoever else looks at such. */
	(void)sigaction(signal, &before, NULL);
}

/* Of a handle that is there from now on, or is gone. */
static void handle_note(const char *old, const char *new)
{
	static bool asked;
	const struct sigaction action = {.sa_sigaction = kept, .sa_flags = SA_SIGINFO};

	if (!asked && sigaction(SIGSEGV, &action, &before) != 0)
		give_up("no signals");
	asked = true;
	for (unsigned i = 0; i < HANDLES; i++)
		if (handles[i] == old) {
			handles[i] = new;
			return;
		}
	give_up("too many handles");
}

static char *place(const struct moving *m)
{
	return m->places + m->at * PLACE_BYTES;
}

static struct block *block_at(const struct moving *m, size_t offset)
{
	return (struct block *)(void *)(place(m) + offset);
}

static size_t block_bytes(uint64_t class)
{
	return (size_t)1 << (CLASS_LEAST + class);
}

static struct moving *moving_of(const struct os *os)
{
	return (struct moving *)(uintptr_t)os;
}

static void block_free(const struct os *os, void *data)
{
	struct moving *m = moving_of(os);
	struct block *b = data;

	if (data == NULL)
		return;
	b--;
	memset(data, DEAD, block_bytes(b->class) - sizeof *b);
	b->next = (struct block *)m->free[b->class];
	m->free[b->class] = (size_t)((char *)b - place(m));
}

static void *block_take(struct moving *m, uint64_t class)
{
	size_t offset = m->free[class];

	if (offset != 0) {
		m->free[class] = (size_t)block_at(m, offset)->next;
	} else {
		offset = m->used;
		if (block_bytes(class) > PLACE_BYTES - offset)
			return NULL;
		m->used += block_bytes(class);
	}
	block_at(m, offset)->class = class;
	return block_at(m, offset) + 1;
}

static void *block_alloc(const struct os *os, void *old, size_t bytes)
{
	struct moving *m = moving_of(os);
	struct block *was = old;
	uint64_t class = 0;
	void *data;

	while (class < CLASSES && block_bytes(class) - sizeof(struct block) < bytes)
		class ++;
	if (class == CLASSES)
		return NULL;
	if (old != NULL && was[-1].class >= class)
		return old;
	data = block_take(m, class);
	if (data != NULL && old != NULL) {
		memcpy(data, old, block_bytes(was[-1].class) - sizeof *was);
		block_free(os, old);
	}
	return data;
}

void moving_begin(arena *a)
{
	struct moving *m;

	if (!moving_wanted)
		return;
	m = calloc(1, sizeof *m);
	if (m == NULL)
		give_up("no memory");
	m->os = *a->os;
	m->os.alloc = block_alloc;
	m->os.free = block_free;
	m->places = mmap(NULL, PLACES * PLACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (m->places == MAP_FAILED || mprotect(m->places, PLACE_BYTES, PROT_READ | PROT_WRITE) != 0)
		give_up("no addresses");
	handle_note(NULL, m->places);
	m->used = sizeof(struct block);
	a->memory = &m->os;
	a->b = block_alloc(a->memory, NULL, sizeof *a->b);
	memset(a->b, 0, sizeof *a->b);
}

void moving_end(arena *a)
{
	struct moving *m;

	if (a->memory == a->os)
		return;
	m = moving_of(a->memory);
	handle_note(m->places, NULL);
	(void)munmap(m->places, PLACES * PLACE_BYTES);
	free(m);
	a->memory = a->os;
}

static void note(enum met what, bool here)
{
	met[what] = met[what] || here;
}

static void met_note(const arena *a)
{
	const struct space *s = &a->b->space;
	const struct log *l = &a->b->log;
	const struct checkpoint *cp = &a->checkpoint;

	note(MET_FREE, s->free.nodes != NULL);
	note(MET_ASIDE, s->aside.count > 0);
	note(MET_LOGGED, s->pending.logged.tail > s->pending.logged.head);
	note(MET_LOOSE, s->pending.loose.tail > s->pending.loose.head);
	note(MET_BATCH, s->pending.batch_at < s->pending.batch.count);
	note(MET_HELD, s->pending.held_count > 0);
	note(MET_HELD_RING, s->pending.held_count > 0 && s->pending.held[0].extents.ring != NULL);
	note(MET_HOLES, s->holes.words != NULL);
	note(MET_JUMPS, l->jumps != NULL);
	note(MET_STRETCHES, l->stretches != NULL);
	note(MET_SINCE, l->since_count > l->since_at);
	note(MET_REPLAYED, a->b->replayed != NULL);
	note(MET_FREEMAP, a->b->interval.freemap.next != NULL);
	note(MET_LIST, cp->list.ranges.count > 0);
	note(MET_CHECKPOINT_FREEMAP, cp->freemap.room != NULL);
	note(MET_DIRTY, cp->dirty.count > 0);
	note(MET_CHUNKS, cp->chunks != NULL);
}

/* Another process has its handle elsewhere. */
static void handle_forget(arena *a, const char *nowhere)
{
	const uintptr_t from = (uintptr_t)a, to = (uintptr_t)(a + 1);
	uintptr_t *word = (uintptr_t *)(void *)a->b;

	for (size_t i = 0; i < sizeof *a->b / sizeof *word; i++)
		if ((word[i] >= from && word[i] < to) || word[i] == (uintptr_t)a->memory)
			word[i] = (uintptr_t)nowhere;
	if (a->checkpoint.iter.map != NULL)
		a->checkpoint.iter.map = (const struct map *)(const void *)nowhere;
}

void moving_turn(arena *a)
{
	struct moving *m;
	char *old;

	if (a->memory == a->os || latch_take(&a->checkpoint.latch, a->os, LATCH_TRY) == LATCH_BUSY)
		return;
	m = moving_of(a->memory);
	met_note(a);
	old = place(m);
	m->at = (m->at + 1) % PLACES;
	if (mremap(old, PLACE_BYTES, PLACE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, place(m)) == MAP_FAILED ||
	    mmap(old, PLACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
		    MAP_FAILED)
		give_up("it cannot be moved");
	a->b = (struct books *)(void *)(place(m) + ((char *)a->b - old));
	handle_forget(a, old);
	turns++;
	latch_drop(&a->checkpoint.latch, a->os);
}
