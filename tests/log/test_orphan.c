/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_orphan.c: a checkpoint whose driver is gone in the middle of it. Nobody dies here: the latch is left on behalf of one who
 * had it, which is what the next one finds. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "arena/core.h"
#include "arena/log/checkpoint.h"
#include "arena/log/freelist.h"
#include "arena/log/writer.h"
#include "tests/arena/arena_fixture.h"
#include "tests/log/begun.h"

#define NAMES 200u

/* The system counts what is taken, and knows what is given back; allocations fail while it is told so. */
#define BLOCKS 4096u
static struct {
	struct os os;
	void *block[BLOCKS];
	bool no_memory;
	unsigned calls; /* that took memory, or gave it back */
} sys;

static void *noted_alloc(const struct os *os, void *old, size_t bytes)
{
	void *block = sys.no_memory ? NULL : os_posix()->alloc(os_posix(), old, bytes);
	unsigned i = 0;

	(void)os;
	sys.calls++;
	if (block == NULL)
		return NULL;
	while (sys.block[i] != old) /* NULL: a place that is free */
		must(++i < BLOCKS);
	sys.block[i] = block;
	return block;
}

static void noted_free(const struct os *os, void *block)
{
	unsigned i = 0;

	(void)os;
	if (block == NULL)
		return;
	while (i < BLOCKS && sys.block[i] != block)
		i++;
	sys.calls++;
	must(i < BLOCKS); /* it was taken, and not given back yet */
	sys.block[i] = NULL;
	os_posix()->free(os_posix(), block);
}

static arena *orphan_open(struct model *m)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a;

	memset(&sys, 0, sizeof sys);
	memset(m, 0, sizeof *m);
	sys.os = *os_posix();
	sys.os.alloc = noted_alloc;
	sys.os.free = noted_free;
	o.os = &sys.os;
	a = arena_must_open(testing_path, &o);
	return a;
}

static void orphan_close(arena *a, const struct model *m)
{
	arena_must_be_sound(a);
	must(model_fits(m, a));
	arena_must_close(a);
	for (unsigned i = 0; i < BLOCKS; i++)
		must(sys.block[i] == NULL);
	file_must_hold(testing_path, m);
}

static void changes(arena *a, struct model *m, struct rng *r, unsigned commits)
{
	for (unsigned i = 0; i < commits; i++)
		must_give(model_commit(m, a, r, 20, 3000, 0), 0);
}

/* What a kill would leave now holds all that was committed. */
static void killed_must_hold(const struct model *m)
{
	char copy[320];

	testing_path_of("killed", copy);
	file_copy(testing_path, copy);
	file_must_hold(copy, m);
}

static void leave_it(arena *a)
{
	must(latch_take(&a->checkpoint.latch, a->os, LATCH_TRY) == LATCH_TAKEN);
	latch_leave(&a->checkpoint.latch, a->os);
}

/* Somebody comes by; no checkpoint begins, for want of memory. */
static void drop_it(arena *a)
{
	must_give(writer_lock(a, false), 0);
	sys.no_memory = true;
	checkpoint_poll(a);
	sys.no_memory = false;
	must(a->checkpoint.state == CHECKPOINT_IDLE && !a->checkpoint.pushing);
	writer_unlock(a);
}

/* Bytes that are neither free nor to be. */
static uint64_t bytes_used(const arena *a)
{
	return map_bytes(&a->map) - a->b->space.free.bytes - a->b->space.pending.bytes;
}

/* The chunks of the list before died once: with the orphan. Neither they nor the orphan's own are lost, or free twice. */
START_TEST(chunks_die_once)
{
	struct rng r = rng_make(1);
	static struct model m;
	arena *a = orphan_open(&m);
	uint64_t used, count;

	changes(a, &m, &r, 60);
	must_give(arena_checkpoint(a), 0);
	must(a->flush.header.free_first != 0);
	changes(a, &m, &r, 1);
	must_give(writer_lock(a, false), 0);
	log_shed_window(&a->b->log);
	used = bytes_used(a);
	writer_unlock(a);
	for (unsigned i = 0; i < 3; i++) {
		checkpoint_begin_one(a);
		leave_it(a);
		drop_it(a);
		arena_must_be_sound(a);
		must(freelist_died(a) && a->b->interval.due);
		must(bytes_used(a) <= used);
		killed_must_hold(&m);
	}
	changes(a, &m, &r, 3);
	arena_must_be_sound(a);
	killed_must_hold(&m);
	count = a->checkpoint.count;
	must_give(arena_checkpoint(a), 0);
	must(a->checkpoint.count > count && !freelist_died(a));
	killed_must_hold(&m);
	changes(a, &m, &r, 20);
	must_give(arena_checkpoint(a), 0);
	orphan_close(a, &m);
}
END_TEST

/* A second checkpoint of one commit, dropped: what the first one reaches is not changed where it stands. */
START_TEST(the_durable_one_stays_whole)
{
	struct rng r = rng_make(2);
	static struct model m;
	arena *a = orphan_open(&m);

	changes(a, &m, &r, 60);
	/* All is at rest, but for the newest pages, which the header's own commit made. */
	must_give(arena_checkpoint(a), 0);
	changes(a, &m, &r, 1);
	must_give(arena_checkpoint(a), 0);
	must(a->flush.header.seq == atomic_load(&a->readers.seq));
	checkpoint_begin_one(a);
	must(a->checkpoint.header.seq == a->flush.header.seq && a->b->space.durable_seq < a->flush.header.seq);
	leave_it(a);
	drop_it(a);
	/* No checkpoint follows, which would make it good again. */
	sys.no_memory = true;
	changes(a, &m, &r, 1);
	sys.no_memory = false;
	must(a->checkpoint.state == CHECKPOINT_IDLE);
	killed_must_hold(&m);
	changes(a, &m, &r, 5);
	killed_must_hold(&m);
	orphan_close(a, &m);
}
END_TEST

/* A pass of the sort that was cut short leaves two names for one of its arrays. */
START_TEST(a_sort_that_was_cut_short_is_freed_once)
{
	struct rng r = rng_make(3);
	static struct model m;
	arena *a = orphan_open(&m);
	struct ranges *list = &a->checkpoint.list.ranges;

	changes(a, &m, &r, 60);
	checkpoint_begin_one(a);
	must(list->list != NULL && list->list != list->spare);
	list->list = list->spare;
	leave_it(a);
	drop_it(a);
	changes(a, &m, &r, 1);
	checkpoint_begin_one(a);
	list->spare = list->list;
	leave_it(a);
	drop_it(a);
	must_give(arena_checkpoint(a), 0);
	orphan_close(a, &m);
}
END_TEST

/* From its begin to its finish, which both have the writer's lock, it takes no memory and gives none back: also a free map comes
 * of it where there is none meanwhile. Afterwards it has none. */
START_TEST(no_step_takes_memory)
{
	struct rng r = rng_make(7);
	static struct model m;
	arena *a = orphan_open(&m);
	const struct checkpoint *cp = &a->checkpoint;
	const uint32_t *map;
	unsigned calls;

	changes(a, &m, &r, 60);
	must_give(arena_checkpoint(a), 0);
	map = a->b->interval.freemap.next;
	changes(a, &m, &r, 1);
	checkpoint_begin_one(a);
	must_give(writer_lock(a, false), 0);
	sys.no_memory = true;
	calls = sys.calls;
	while (cp->state != CHECKPOINT_WRITTEN)
		must_give(checkpoint_work(a, 1), 0);
	must(sys.calls == calls && cp->list.complete && cp->freemap.count > 0 && a->b->interval.freemap.next == map);
	checkpoint_poll(a);
	sys.no_memory = false;
	must(cp->state == CHECKPOINT_IDLE && a->b->interval.freemap.next != NULL && a->b->interval.freemap.next != map);
	must(cp->list.ranges.block[0] == NULL && cp->dirty.block[0] == NULL && cp->chunks == NULL &&
	     cp->freemap.next == NULL && cp->freemap.room == NULL && a->b->interval.freemap.room == NULL);
	writer_unlock(a);
	orphan_close(a, &m);
}
END_TEST

/* Steps of making the list, or, after so many, all of the rest; true while it is pushing. */
static bool push_some(arena *a, unsigned steps)
{
	bool done = false;

	if (steps >= 7) {
		must_give(checkpoint_work(a, MIB), 0);
	} else {
		for (unsigned i = 0; i < steps; i++) {
			uint64_t budget = 1;
			must_give(freelist_step(a, &budget, &done), 0);
		}
	}
	return a->checkpoint.state == CHECKPOINT_PUSHING;
}

/* Wherever the driver of it is gone, and whoever comes next: commits, or one who asks for a checkpoint. */
START_TEST(dropped_wherever_it_stands)
{
	struct rng r = rng_make(4);
	static struct model m;
	arena *a = orphan_open(&m);
	unsigned dropped = 0;

	changes(a, &m, &r, 100);
	for (unsigned round = 0; round < 60; round++) {
		uint64_t count;
		changes(a, &m, &r, 1 + round % 3);
		must_give(arena_checkpoint(a), 0);
		changes(a, &m, &r, round % 4);
		checkpoint_begin_one(a);
		dropped += push_some(a, round % 8);
		leave_it(a);
		count = a->checkpoint.count;
		switch (round % 3) {
		case 0:
			changes(a, &m, &r, 3);
			break;
		case 1:
			must_give(arena_checkpoint(a), 0);
			must(a->checkpoint.count > count);
			break;
		default:
			drop_it(a);
		}
		killed_must_hold(&m);
		arena_must_be_sound(a);
	}
	must(dropped >= 50 && dropped < 60);
	orphan_close(a, &m);
}
END_TEST

static unsigned writes_fail; /* of a header, by calls */

static int failing_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	(void)os;
	if (writes_fail > 0 && offset < DISK_DATA && offset % DISK_PAGE == 0 && bytes == sizeof(struct header_disk)) {
		writes_fail--;
		return ENOSPC;
	}
	return os_posix()->write(os_posix(), file, offset, buf, bytes);
}

/* From when its page may have been touched, the header is written again by whoever comes next. */
START_TEST(a_header_is_written_again)
{
	struct rng r = rng_make(5);
	static struct model m;
	arena *a = orphan_open(&m);
	uint64_t before;

	sys.os.write = failing_write;
	changes(a, &m, &r, 60);
	must_give(arena_checkpoint(a), 0);
	changes(a, &m, &r, 3);
	checkpoint_begin_one(a);
	before = a->flush.header.checkpoint;
	writes_fail = 1;
	for (unsigned i = 0; i < 1000 && a->checkpoint.state == CHECKPOINT_PUSHING; i++)
		(void)checkpoint_work(a, MIB);
	must(a->checkpoint.state == CHECKPOINT_HEADER && writes_fail == 0);
	must(a->checkpoint.index == 1 - a->flush.header_index && a->flush.header.checkpoint == before);
	killed_must_hold(&m);
	leave_it(a);
	changes(a, &m, &r, 1);
	must(a->flush.header.checkpoint >= before + 1);
	killed_must_hold(&m);
	/* Without a word of who is gone, the next step does the same. */
	must_give(arena_checkpoint(a), 0);
	changes(a, &m, &r, 3);
	checkpoint_begin_one(a);
	before = a->flush.header.checkpoint;
	writes_fail = 1;
	for (unsigned i = 0; i < 1000 && a->checkpoint.state == CHECKPOINT_PUSHING; i++)
		(void)checkpoint_work(a, MIB);
	must(a->checkpoint.state == CHECKPOINT_HEADER);
	must_give(checkpoint_work(a, 1), 0);
	must(a->flush.header.checkpoint == before + 1);
	orphan_close(a, &m);
}
END_TEST

int main(void)
{
	const TTest *const orphans[] = {
		chunks_die_once,      the_durable_one_stays_whole, a_sort_that_was_cut_short_is_freed_once,
		no_step_takes_memory, dropped_wherever_it_stands,  a_header_is_written_again};
	Suite *suite = suite_create("orphan");

	testing_add(suite, "orphans", orphans, sizeof(orphans) / sizeof(orphans[0]));
	return testing_main(suite);
}
