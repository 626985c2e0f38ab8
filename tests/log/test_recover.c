/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_recover.c: what is there after each kind of end: a close, a killed process, a torn tail, damage. A copy of the
 * file at some moment is what a process that is killed at that moment leaves. Ends at a call of the system are in
 * test_faults.c. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"

static char copy_path[320];

static void setup(void)
{
	testing_path_of("copy", copy_path);
}

static arena *arena_durable(const char *path)
{
	const struct arena_options o = plain_options(0, GRAVITY_DURABLE);

	return arena_must_open(path, &o);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

/* Whatever was committed is there after a close and after a kill, session after session, lazy or durable, with
 * checkpoints and without; and each time the file is sound. */
START_TEST(commits_survive_close_and_kill)
{
	struct rng r = rng_make(1);
	static struct model m;

	memset(&m, 0, sizeof(m));
	for (uint64_t session = 0; session < testing_count(60, 12); session++) {
		arena *a = arena_lazy(testing_path);
		must(model_fits(&m, a));
		arena_must_be_sound(a);
		for (uint64_t n = rng_below(&r, 20); n > 0; n--) {
			const unsigned flags = rng_below(&r, 8) == 0 ? ARENA_DURABLE_COMMIT : 0;
			must_give(model_commit(&m, a, &r, 1 + (unsigned)rng_below(&r, 30), 3000, flags), 0);
			if (rng_below(&r, 10) == 0)
				must_give(arena_checkpoint(a), 0);
			if (rng_below(&r, 20) == 0)
				must_give(arena_compact(a, GRAVITY_DEFAULT, 0, NULL, NULL), 0);
			if (rng_below(&r, 20) == 0) {
				const int code = arena_compact(a, GRAVITY_GRAVITY, 30000, NULL, NULL);
				must(code == 0 || code == GRAVITY_FULL);
			}
		}
		arena_must_be_sound(a);
		must(model_fits(&m, a));
		file_copy(testing_path, copy_path);
		arena_must_close(a);
		file_must_hold(copy_path, &m);
		file_must_be_sound(testing_path);
		if (rng_below(&r, 2) == 0)
			must(rename(copy_path, testing_path) == 0);
	}
}
END_TEST

struct shared {
	_Atomic uint64_t acknowledged;
};

/* Commits for ever, telling after each that it is acknowledged. */
static void commit_for_ever(struct shared *s, const char *path)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	static struct model m;
	struct rng r = rng_make(2);
	arena *a;

	o.checkpoint_bytes = 200 * KIB;
	if (arena_open(path, &o, &a) != 0)
		_exit(3);
	memset(&m, 0, sizeof(m));
	for (;;) {
		if (model_commit(&m, a, &r, 10, 2000, 0) != 0)
			_exit(4);
		atomic_fetch_add(&s->acknowledged, 1);
	}
}

/* A process that is killed at any moment leaves each commit that it acknowledged, and at most the one that it was
 * at. */
START_TEST(killed_process_loses_nothing)
{
	struct shared *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct rng kill_time = rng_make(3);

	must(s != MAP_FAILED);
	for (uint64_t turn = 0; turn < testing_count(20, 4); turn++) {
		static struct model m;
		struct rng r = rng_make(2);
		arena *replica;
		bool fits;
		pid_t child;
		int status;
		atomic_store(&s->acknowledged, 0);
		child = fork();
		must(child >= 0);
		if (child == 0)
			commit_for_ever(s, testing_path);
		while (atomic_load(&s->acknowledged) < 3)
			(void)usleep(100);
		(void)usleep((useconds_t)rng_below(&kill_time, 30000));
		must(kill(child, SIGKILL) == 0);
		must(waitpid(child, &status, 0) == child);
		must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		/* The same commits again, in memory. */
		replica = arena_lazy(NULL);
		memset(&m, 0, sizeof(m));
		for (uint64_t n = atomic_load(&s->acknowledged); n > 0; n--)
			must_give(model_commit(&m, replica, &r, 10, 2000, 0), 0);
		must_give(file_opens_as(testing_path, &m, &fits), 0);
		if (!fits) {
			must_give(model_commit(&m, replica, &r, 10, 2000, 0), 0);
			file_must_hold(testing_path, &m);
		}
		arena_must_close(replica);
		file_must_be_sound(testing_path);
		must(unlink(testing_path) == 0);
	}
	must(munmap(s, 4096) == 0);
}
END_TEST

/* A transaction that was not committed never happened, wherever it was cut off; nor does its tail join what later
 * sessions write in its place. */
START_TEST(abandoned_tail_never_happened)
{
	struct rng r = rng_make(4);
	static struct model m, open;
	arena *a = arena_lazy(testing_path);

	memset(&m, 0, sizeof(m));
	for (uint64_t turn = 0; turn < testing_count(40, 10); turn++) {
		arena_txn *t;
		for (uint64_t n = rng_below(&r, 3); n > 0; n--)
			must_give(model_commit(&m, a, &r, 5, 1000, 0), 0);
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		open = m;
		for (uint64_t n = rng_below(&r, 40); n > 0; n--)
			must_give(model_put(&open, t, (unsigned)rng_below(&r, MODEL_NAMES), n,
					    (uint32_t)rng_below(&r, 4000)),
				  0);
		file_copy(testing_path, copy_path);
		arena_abort(t);
		must(model_fits(&m, a));
		arena_must_close(a);
		must(rename(copy_path, testing_path) == 0);
		a = arena_lazy(testing_path);
		must(model_fits(&m, a));
		arena_must_be_sound(a);
	}
	arena_must_close(a);
	file_must_hold(testing_path, &m);
}
END_TEST

/* A close of a store in which nothing was written changes no byte, and neither does any opening for reading, even when
 * it has a log to replay. */
START_TEST(reading_changes_no_byte)
{
	struct arena_options o = plain_options(GRAVITY_RDONLY, 0);
	struct rng r = rng_make(5);
	static struct model m;
	size_t before_bytes, after_bytes;
	void *before, *after;
	arena *a = arena_lazy(testing_path);

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 30; i++)
		must_give(model_commit(&m, a, &r, 20, 2000, 0), 0);
	file_copy(testing_path, copy_path);
	arena_must_close(a);
	before = file_read(copy_path, &before_bytes);
	a = arena_must_open(copy_path, &o);
	must(a->b->log.bytes > 0);
	must(model_fits(&m, a));
	arena_must_be_sound(a);
	must_give(arena_begin(a, ARENA_WRITE, &(arena_txn *){NULL}), GRAVITY_READONLY);
	must_give(arena_checkpoint(a), GRAVITY_READONLY);
	must_give(arena_compact(a, GRAVITY_DEFAULT, 0, NULL, NULL), GRAVITY_READONLY);
	must_give(arena_sync(a), 0);
	arena_must_close(a);
	after = file_read(copy_path, &after_bytes);
	must(before_bytes == after_bytes && memcmp(before, after, before_bytes) == 0);
	free(after);
	free(before);
	before = file_read(testing_path, &before_bytes);
	a = arena_lazy(testing_path);
	must(model_fits(&m, a));
	arena_must_close(a);
	after = file_read(testing_path, &after_bytes);
	must(before_bytes == after_bytes && memcmp(before, after, before_bytes) == 0);
	free(after);
	free(before);
}
END_TEST

/* Who only reads, also what is in the log, does not read the free list before it is asked what is free. A damaged one keeps
 * nobody from reading: it is told to who asks, to who writes, and by a check. */
START_TEST(reading_needs_no_free_list)
{
	const struct arena_options reads = plain_options(GRAVITY_RDONLY, 0), writes = plain_options(0, GRAVITY_LAZY);
	struct rng r = rng_make(14);
	static struct model m;
	struct arena_stats st;
	arena *a = arena_lazy(testing_path);
	uint64_t list;

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 4; i++) {
		must_give(model_commit(&m, a, &r, 100, 2000, 0), 0);
		must_give(arena_checkpoint(a), 0);
	}
	must_give(model_commit(&m, a, &r, 100, 2000, 0), 0);
	file_copy(testing_path, copy_path);
	arena_must_close(a);
	a = arena_must_open(copy_path, &reads);
	list = a->flush.header.free_first;
	must(a->b->log.bytes > 0 && list != 0 && !a->b->space_loaded && a->b->space.free.count <= 1);
	must(model_fits(&m, a) && !a->b->space_loaded);
	must_give(arena_stat(a, &st), 0);
	must(a->b->space_loaded && st.free_slots > 0 && st.file_bytes == file_bytes(copy_path));
	arena_must_be_sound(a);
	arena_must_close(a);
	file_flip(copy_path, list + sizeof(struct free_disk), 0);
	a = arena_must_open(copy_path, &reads);
	for (unsigned turn = 0; turn < 2; turn++) {
		must(model_fits(&m, a));
		must_give(arena_stat(a, &st), GRAVITY_CORRUPT);
	}
	arena_must_close(a);
	must_give(arena_open(copy_path, &writes, &a), GRAVITY_CORRUPT);
	must_give(arena_check(copy_path, &reads, NULL, NULL, NULL, NULL), GRAVITY_CORRUPT);
}
END_TEST

/* --- torn tails and damage ---------------------------------------------------------------------------------------- */

/* The last commit, torn in a store that was killed before any flush: the commit before it. In one that made the commit
 * durable, or was closed: GRAVITY_CORRUPT, since the mark names what is missing. */
START_TEST(torn_tail_is_told_from_damage)
{
	struct rng r = rng_make(6);
	static struct model before, m;

	for (unsigned end = 0; end < 3; end++) {
		const unsigned flags = end == 1 ? ARENA_DURABLE_COMMIT : 0;
		arena *a = arena_lazy(testing_path);
		uint64_t from, to;
		uint64_t torn = 0;
		memset(&m, 0, sizeof(m));
		for (unsigned i = 0; i < 5; i++)
			must_give(model_commit(&m, a, &r, 4, 300, flags), 0);
		before = m;
		do {
			m = before;
			from = a->b->log.at.cursor;
			must_give(model_commit(&m, a, &r, 2, 100, flags), 0);
			to = a->b->log.at.cursor;
			if (to < from)
				before = m;
		} while (to < from);
		if (end < 2)
			file_copy(testing_path, copy_path);
		arena_must_close(a);
		if (end == 2)
			file_copy(testing_path, copy_path);
		must(rename(copy_path, testing_path) == 0);
		for (uint64_t at = from; at < to; at += 1 + rng_below(&r, 3)) {
			bool fits;
			int code;
			file_copy(testing_path, copy_path);
			file_flip(copy_path, at, (unsigned)rng_below(&r, 8));
			code = file_opens_as(copy_path, &before, &fits);
			torn += code == GRAVITY_CORRUPT || fits;
			/* What pads a blob to a multiple of 8 is nobody's. */
			if (code == 0 && !fits)
				file_must_hold(copy_path, &m);
			must(code == (end > 0 && (code != 0 || fits) ? GRAVITY_CORRUPT : 0));
		}
		must(torn >= (to - from) / 6);
		file_must_hold(testing_path, &m);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

/* Whichever bit of a closed store changes: it is GRAVITY_CORRUPT at the opening, or at the records that it hurts, or
 * it hurts nothing. Never is a value wrong or a record absent. */
START_TEST(any_changed_bit_is_noticed)
{
	struct arena_options o = plain_options(GRAVITY_RDONLY, 0);
	struct rng r = rng_make(7);
	static struct model m;
	arena *a = arena_lazy(testing_path);
	uint64_t noticed = 0;

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 40; i++) {
		must_give(model_commit(&m, a, &r, 20, 200, 0), 0);
		if (i % 13 == 12)
			must_give(arena_checkpoint(a), 0);
	}
	arena_must_close(a);
	for (uint64_t turn = 0; turn < testing_count(1500, 150); turn++) {
		const uint64_t bytes = file_bytes(testing_path);
		const uint64_t at = turn % 4 == 0 ? rng_below(&r, DISK_DATA) : rng_below(&r, bytes);
		const unsigned bit = (unsigned)rng_below(&r, 8);
		arena_pin pin;
		int code;
		file_flip(testing_path, at, bit);
		code = arena_open(testing_path, &o, &a);
		must(code == 0 || code == GRAVITY_CORRUPT || (at < DISK_DATA && code == GRAVITY_BADVERSION));
		noticed += code != 0;
		if (code == 0)
			must_give(arena_pin_take(a, &pin), 0);
		for (unsigned i = 0; code == 0 && i < MODEL_NAMES; i++) {
			struct arena_blob blob;
			const int found = arena_pin_find(a, model_name(i), &blob);
			noticed += found == GRAVITY_CORRUPT;
			if (found == GRAVITY_CORRUPT)
				continue;
			must_give(found, m.number[i] == 0 ? GRAVITY_NOTFOUND : 0);
			if (found == 0)
				must(blob.size == m.size[i] && bytes_fit(blob.data, blob.size, m.number[i]));
		}
		if (code == 0)
			arena_pin_drop(a, pin);
		(void)arena_close(a);
		a = NULL;
		file_flip(testing_path, at, bit);
	}
	must(noticed > 0);
	file_must_hold(testing_path, &m);
}
END_TEST

/* With the newest header damaged, a store is GRAVITY_CORRUPT, or whole from the older one and its log; with both, it
 * is GRAVITY_CORRUPT. */
START_TEST(damaged_header_is_no_way_back)
{
	struct rng r = rng_make(8);
	static struct model m;

	for (unsigned kind = 0; kind < 6; kind++) {
		arena *a = arena_lazy(testing_path);
		unsigned newest;
		bool fits;
		int code;
		memset(&m, 0, sizeof(m));
		for (unsigned i = 0; i < 30; i++) {
			must_give(model_commit(&m, a, &r, 10, 500, 0), 0);
			if (kind > 0 && i % 9 == 8)
				must_give(arena_checkpoint(a), 0);
		}
		newest = a->flush.header_index;
		if (kind % 2 == 0)
			file_copy(testing_path, copy_path);
		arena_must_close(a);
		if (kind % 2 != 0)
			file_copy(testing_path, copy_path);
		file_flip(copy_path, newest * DISK_PAGE + rng_below(&r, sizeof(struct header_disk)), 3);
		code = file_opens_as(copy_path, &m, &fits);
		must(kind == 0 ? code < 0
			       : (code == 0 && fits) || code == GRAVITY_CORRUPT || code == GRAVITY_BADVERSION);
		if (kind > 0) {
			file_flip(copy_path, (1 - newest) * DISK_PAGE + 50, 3);
			file_flip(copy_path, newest * DISK_PAGE + 50, 4);
			must(file_opens_as(copy_path, &m, &fits) < 0);
		}
		file_must_hold(testing_path, &m);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

/* A file that was cut is GRAVITY_CORRUPT, or, without the whole magic, GRAVITY_NOTASTORE; unless what was cut off was
 * free. One of which nothing is left is any empty file: a new store. */
START_TEST(cut_file_is_noticed)
{
	struct rng r = rng_make(9);
	static struct model m;
	arena *a = arena_lazy(testing_path);
	size_t bytes;
	void *data;

	memset(&m, 0, sizeof(m));
	for (unsigned i = 0; i < 20; i++)
		must_give(model_commit(&m, a, &r, 10, 500, 0), 0);
	arena_must_close(a);
	data = file_read(testing_path, &bytes);
	for (uint64_t turn = 0; turn < 200; turn++) {
		const size_t left = turn < 20 ? turn : (size_t)rng_below(&r, bytes);
		bool fits;
		int code;
		file_write(copy_path, data, left);
		code = file_opens_as(copy_path, &m, &fits);
		if (left == 0)
			must(code == 0 && !fits);
		else if (left < 8)
			must(code == GRAVITY_NOTASTORE);
		else
			must(code == GRAVITY_CORRUPT || (code == 0 && fits && left > DISK_DATA));
	}
	free(data);
	file_must_hold(testing_path, &m);
}
END_TEST

/* --- numbers ------------------------------------------------------------------------------------------------------ */

/* Changes a word of the newest header, whose check is right afterwards. There is no mark that could say otherwise. */
static void header_forge(const char *path, size_t offset, uint64_t word)
{
	const uint64_t none = 0;
	struct header_disk h[2];
	unsigned index;

	for (index = 0; index < 2; index++) {
		file_peek(path, index * DISK_PAGE, &h[index], sizeof(h[index]));
		file_poke(path, index * DISK_PAGE + HEADER_MARK_OFFSET, &none, sizeof(none));
		file_poke(path, index * DISK_PAGE + HEADER_MARK_COPY, &none, sizeof(none));
	}
	index = h[1].checkpoint > h[0].checkpoint;
	memcpy((uint8_t *)&h[index] + offset, &word, sizeof(word));
	header_seal(&h[index], index);
	file_poke(path, index * DISK_PAGE, &h[index], sizeof(h[index]));
}

static arena *plain_store(void)
{
	const struct arena_options o = {.kind = ARENA_PLAIN, .durability = GRAVITY_LAZY};

	return arena_must_open(testing_path, &o);
}

/* Whether there is another name, and then a record under it. */
static int name_use(arena *a, vpos *name)
{
	arena_txn *t;
	void *data;
	int r;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	r = arena_name_next(t, name);
	if (r == 0)
		must_give(arena_put(t, *name, 0, 8, &data), 0);
	must_give(arena_commit(t), 0);
	return r;
}

/* Where all names were handed out, by the header or by the log, the next write is GRAVITY_FULL: no name is handed out
 * twice, and none is 0. */
START_TEST(no_name_follows_the_last)
{
	arena *a = plain_store();
	vpos name = {0};

	must_give(name_use(a, &name), 0);
	must_give(arena_checkpoint(a), 0);
	arena_must_close(a);
	header_forge(testing_path, offsetof(struct header_disk, next_name), UINT64_MAX - 1);
	a = plain_store();
	must_give(name_use(a, &name), 0);
	must(name.bits == mix64(UINT64_MAX));
	must_give(name_use(a, &name), GRAVITY_FULL);
	file_copy(testing_path, copy_path);
	arena_must_close(a);
	must(rename(copy_path, testing_path) == 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		a = plain_store();
		must((a->b->replayed_count > 0) == (turn == 0));
		must_give(name_use(a, &name), GRAVITY_FULL);
		arena_must_be_sound(a);
		must_give(arena_checkpoint(a), 0);
		arena_must_close(a);
	}
}
END_TEST

/* Where the number of the newest checkpoint is the last one there is no other: the store says so, goes on with its log, and
 * loses nothing of it. */
START_TEST(no_checkpoint_follows_the_last)
{
	struct rng r = rng_make(13);
	static struct model m;
	arena *a = arena_durable(testing_path);

	memset(&m, 0, sizeof(m));
	must_give(model_commit(&m, a, &r, 20, 500, 0), 0);
	must_give(arena_checkpoint(a), 0);
	arena_must_close(a);
	header_forge(testing_path, offsetof(struct header_disk, checkpoint), UINT64_MAX);
	for (unsigned turn = 0; turn < 3; turn++) {
		a = arena_durable(testing_path);
		must(model_fits(&m, a));
		must_give(model_commit(&m, a, &r, 20, 5000, 0), 0);
		must_give(arena_checkpoint(a), GRAVITY_FULL);
		arena_must_be_sound(a);
		arena_must_close(a);
		file_must_hold(testing_path, &m);
	}
}
END_TEST

static void cases_add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	TCase *tc = testing_case(suite, name, false);

	tcase_add_checked_fixture(tc, setup, NULL);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
}

int main(void)
{
	const TTest *const ends[] = {commits_survive_close_and_kill, killed_process_loses_nothing,
				     abandoned_tail_never_happened, reading_changes_no_byte,
				     reading_needs_no_free_list};
	const TTest *const damage[] = {torn_tail_is_told_from_damage, any_changed_bit_is_noticed,
				       damaged_header_is_no_way_back, cut_file_is_noticed};
	const TTest *const numbers[] = {no_name_follows_the_last, no_checkpoint_follows_the_last};
	Suite *suite = suite_create("recover");

	cases_add(suite, "ends", ends, sizeof(ends) / sizeof(ends[0]));
	cases_add(suite, "damage", damage, sizeof(damage) / sizeof(damage[0]));
	cases_add(suite, "numbers", numbers, sizeof(numbers) / sizeof(numbers[0]));
	return testing_main(suite);
}
