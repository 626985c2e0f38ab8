/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_log.c: the chain of blobs and its windows, and the private map of a write transaction. */
#define _GNU_SOURCE

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/log/ops.h"
#include "tests/arena/arena_fixture.h"

#define FIRST_WINDOW (UINT64_C(4) * 1024)
#define FILE_BYTES   (DISK_DATA + 512 * KIB)
#define LINK         77u

static struct bare bare;
static struct log *const blobs = &bare.log;

static void log_open(const struct os *system, uint64_t max_bytes)
{
	bare_open(&bare, system, FILE_BYTES, max_bytes);
	must_give(slots_remove(&bare.space.free, DISK_DATA, FIRST_WINDOW), 0);
	log_place_at(blobs, (struct log_place){DISK_DATA, DISK_DATA + FIRST_WINDOW, LINK});
}

static void setup(void)
{
	log_open(os_posix(), 0);
}

static void teardown(void)
{
	bare_sound(&bare);
	bare_close(&bare);
}

static int append(uint64_t name, uint64_t size)
{
	struct blob_disk *b;
	const int r = log_append(blobs, BLOB_PUT, 0, name, size, 0, SPACE_PUT, &b);

	if (r == 0)
		bytes_make(b + 1, size, name);
	return r;
}

static void commit(void)
{
	log_seal_commit(blobs, log_commit_check(blobs));
	log_commit(blobs);
	blobs->seq++;
}

/* Follows the chain from the first window: each blob verifies and names the one before it. Gives the records, and
 * checks that names count from 1. */
static uint64_t chain_follow(uint64_t *jumps)
{
	uint64_t at = DISK_DATA;
	uint32_t link = LINK;
	uint64_t records = 0;

	*jumps = 0;
	while (at != blobs->at.cursor) {
		const struct blob_disk *b = blob_at(&bare.map, at);
		must(blob_verify(&bare.map, at));
		must(b->link == link);
		link = b->check;
		at += blob_span(b->size);
		if (blob_kind(b) == BLOB_JUMP) {
			at = ((const struct jump_disk *)(const void *)b)->start;
			++*jumps;
			continue;
		}
		must(blob_kind(b) == BLOB_PUT && b->name == ++records);
		must(bytes_fit(b + 1, b->size, b->name));
	}
	must(link == blobs->at.link);
	return records;
}

/* --- the chain ---------------------------------------------------------------------------------------------------- */

/* The first blob of a session is a JUMP with random bytes that goes on in the same window; later ones have none. */
START_TEST(session_begins_with_a_jump)
{
	const struct jump_disk *j = (const struct jump_disk *)(const void *)blob_at(&bare.map, DISK_DATA);
	uint64_t jumps;

	must_give(append(1, 100), 0);
	must(blob_kind(&j->head) == BLOB_JUMP && j->nonce != 0);
	must(j->start == DISK_DATA + sizeof(*j) && j->end == DISK_DATA + FIRST_WINDOW);
	must(log_has_blobs(blobs));
	commit();
	must(!log_has_blobs(blobs));
	must_give(append(2, 100), 0);
	commit();
	must(chain_follow(&jumps) == 2 && jumps == 1);
}
END_TEST

/* After an abort of a session's first transaction the next one begins with a JUMP again, with other random bytes. */
START_TEST(aborted_session_jumps_again)
{
	const struct jump_disk *j = (const struct jump_disk *)(const void *)blob_at(&bare.map, DISK_DATA);
	uint64_t nonce, jumps;

	must_give(append(1, 100), 0);
	nonce = j->nonce;
	log_abort(blobs);
	must(!log_has_blobs(blobs) && !blobs->joined);
	must_give(append(1, 100), 0);
	must(j->nonce != nonce);
	commit();
	must(chain_follow(&jumps) == 1 && jumps == 1);
}
END_TEST

/* Blobs of any size follow each other through window after window, and every byte that is not theirs stays free. */
START_TEST(chain_runs_through_windows)
{
	const uint64_t count = testing_count(3000, 300);
	struct rng r = rng_make(1);
	uint64_t jumps, left;

	for (uint64_t i = 1; i <= count; i++) {
		must_give(append(i, rng_size(&r, i % 50 == 0 ? 200 * KIB : 2 * KIB)), 0);
		must(blobs->at.window_end - blobs->at.cursor >= sizeof(struct jump_disk));
		if (rng_below(&r, 4) == 0 || i == count)
			commit();
	}
	must(chain_follow(&jumps) == count && jumps > 1);
	must(blobs->bytes == blobs->written);
	left = blobs->at.window_end - blobs->at.cursor;
	must(DISK_DATA + blobs->bytes + left + bare.space.free.bytes == map_bytes(&bare.map));
}
END_TEST

/* A window is at most 64 KiB; a blob too large for that gets a slot of its own size. */
START_TEST(windows_are_bounded)
{
	must_give(append(1, 5000), 0);
	must(blobs->at.window_end - blobs->at.cursor <= SPACE_WINDOW);
	must_give(append(2, 300 * KIB), 0);
	must(blobs->at.window_end - blobs->at.cursor == sizeof(struct jump_disk));
	commit();
}
END_TEST

/* The commit flag is on the last blob of a commit and on no other. */
START_TEST(commit_is_its_last_blob)
{
	unsigned flags = 0;

	for (uint64_t i = 1; i <= 10; i++)
		must_give(append(i, 10), 0);
	commit();
	for (uint64_t at = DISK_DATA; at < blobs->at.cursor; at += blob_span(blob_at(&bare.map, at)->size)) {
		must(flags == 0);
		flags = blob_flags(blob_at(&bare.map, at)) & BLOB_COMMIT;
	}
	must(flags == BLOB_COMMIT);
}
END_TEST

/* --- aborting ----------------------------------------------------------------------------------------------------- */

/* An abort puts back the cursor, the window, the free slots and the counts, however many windows were taken. */
START_TEST(abort_restores_everything)
{
	struct rng r = rng_make(2);
	uint64_t name = 0;
	uint64_t jumps;

	must_give(append(++name, 10), 0);
	commit();
	for (uint64_t turn = 0; turn < testing_count(300, 50); turn++) {
		const struct log_place before = blobs->at;
		const uint64_t bytes = blobs->bytes;
		const uint64_t unused = map_bytes(&bare.map) - bare.space.free.bytes;
		const uint64_t slots = bare.space.free.count;
		const uint64_t file_bytes = map_bytes(&bare.map);
		const uint64_t n = 1 + rng_below(&r, 20);
		for (uint64_t i = 1; i <= n; i++)
			must_give(append(name + i, rng_size(&r, 40 * KIB)), 0);
		log_abort(blobs);
		must(memcmp(&blobs->at, &before, sizeof(before)) == 0 || blobs->at.link == before.link);
		must(blobs->at.cursor == before.cursor && blobs->at.window_end == before.window_end);
		must(blobs->bytes == bytes && blobs->bytes_uncommitted == 0);
		must(map_bytes(&bare.map) - bare.space.free.bytes == unused);
		must(file_bytes != map_bytes(&bare.map) || bare.space.free.count == slots);
		bare_sound(&bare);
		if (turn % 3 == 0) {
			must_give(append(++name, rng_size(&r, 3000)), 0);
			commit();
		}
	}
	must(chain_follow(&jumps) == name);
}
END_TEST

/* Without space, memory or random bytes an append fails and the log is as it was; nothing leaks. */
START_TEST(append_fails_whole)
{
	struct faulty faulty;
	uint64_t failed = 0;

	teardown();
	for (uint64_t n = 1; n < 40; n++) {
		struct log_place before;
		uint64_t unused, jumps;
		faulty_init(&faulty);
		log_open(&faulty.os, DISK_DATA + 600 * KIB);
		faulty_arm(&faulty, FAULTY_ALLOC | FAULTY_RANDOM, n, EIO, false);
		for (uint64_t i = 1; i <= 60; i++) {
			uint64_t tail;
			before = blobs->at;
			tail = blobs->bytes_uncommitted;
			unused = map_bytes(&bare.map) - bare.space.free.bytes;
			const int r = append(i, 7 * KIB);
			if (r == 0)
				continue;
			must(r == ENOMEM || r == EIO);
			must(atomic_load(&faulty.failed) > 0);
			failed++;
			must(blobs->at.cursor == before.cursor && blobs->at.window_end == before.window_end);
			must(blobs->bytes_uncommitted == tail);
			must(map_bytes(&bare.map) - bare.space.free.bytes == unused);
			must_give(append(i, 7 * KIB), 0);
		}
		/* Where the call that fails is this one's, the next one is told that it is full. */
		if (atomic_load(&faulty.failed) == 0)
			(void)append(61, 300 * KIB);
		must_give(append(61, 300 * KIB), GRAVITY_FULL);
		commit();
		must(chain_follow(&jumps) == 60);
		teardown();
		faulty_clean(&faulty);
	}
	must(failed > 3);
	setup();
}
END_TEST

/* All that a transaction took, or left over, becomes free at its end, also where there is no memory and others have used
 * what room there was for free slots. */
START_TEST(end_needs_no_memory)
{
	struct faulty faulty;

	teardown();
	for (unsigned turn = 0; turn < 40; turn++) {
		uint64_t free_bytes, taken = 0;
		faulty_init(&faulty);
		bare_open(&bare, &faulty.os, DISK_DATA + MIB, 0);
		log_place_at(blobs, (struct log_place){DISK_DATA, DISK_DATA + FIRST_WINDOW, LINK});
		/* The first half is in use, and the second one has slots of 2 KiB, each of which holds one blob. */
		must_give(slots_remove(&bare.space.free, DISK_DATA, MIB / 2), 0);
		for (uint64_t at = DISK_DATA + MIB / 2; at < DISK_DATA + MIB; at += 4 * KIB)
			must_give(slots_remove(&bare.space.free, at, 2 * KIB), 0);
		must_give(append(1, 10), 0);
		commit();
		free_bytes = bare.space.free.bytes;
		for (uint64_t i = 2; i < 20 + turn; i++)
			must_give(append(i, 1900), 0);
		must(blobs->jump_count > 10);
		faulty_arm(&faulty, FAULTY_ALLOC, 1, ENOMEM, true);
		/* Somebody else's, each between two that are in use. */
		for (uint64_t at = DISK_DATA + FIRST_WINDOW; slots_insert(&bare.space.free, at, 8) == 0; at += 16)
			taken += 8;
		if (turn % 2 == 0) {
			log_abort(blobs);
			must(bare.space.free.bytes == free_bytes + taken);
		} else {
			uint64_t over = 0;
			for (uint32_t i = 0; i < blobs->jump_count; i++)
				over += blobs->jumps[i].inside ? 0
							       : blobs->jumps[i].left_end - blobs->jumps[i].left_start;
			free_bytes = bare.space.free.bytes;
			must(over > 0);
			commit();
			must(bare.space.free.bytes == free_bytes + over);
		}
		must(bare.space.free.kept == 0);
		faulty_arm(&faulty, 0, 0, 0, false);
		teardown();
		faulty_clean(&faulty);
	}
	setup();
}
END_TEST

/* Shedding gives back all of the window but the room for a JUMP, and the chain goes on elsewhere. */
START_TEST(shed_window_leaves_a_jump)
{
	uint64_t free_bytes, jumps;

	must_give(append(1, 10), 0);
	commit();
	free_bytes = bare.space.free.bytes;
	log_shed_window(blobs);
	must(blobs->at.window_end - blobs->at.cursor == sizeof(struct jump_disk));
	must(bare.space.free.bytes > free_bytes);
	free_bytes = bare.space.free.bytes;
	log_shed_window(blobs);
	must(bare.space.free.bytes == free_bytes);
	must_give(append(2, 10), 0);
	commit();
	must(chain_follow(&jumps) == 2 && jumps == 2);
}
END_TEST

/* --- the private map ---------------------------------------------------------------------------------------------- */

static struct op *op_known(struct ops *o, const uint64_t *names, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		must(ops_find(o, names[i]) == &o->list[i] && o->list[i].name == names[i]);
	return NULL;
}

/* Every op is found by its name, however many there are, and sorting gives rising names; for names that are spread,
 * names that count, and names that share their leading bytes. */
START_TEST(ops_are_found_and_sorted)
{
	static const uint32_t counts[] = {0, 1, 8, 9, 64, 65, 500, 5000};
	static uint64_t names[5000];
	struct rng r = rng_make(3);
	struct ops o;

	ops_init(&o, os_posix());
	for (unsigned kind = 0; kind < 3; kind++) {
		for (size_t c = 0; c < sizeof(counts) / sizeof(counts[0]); c++) {
			for (uint32_t i = 0; i < counts[c]; i++) {
				names[i] = kind == 0   ? rng_next(&r)
					   : kind == 1 ? i * 7919 % 5003
						       : (i * UINT64_C(7919) % 5003) << 20;
				must_give(ops_reserve(&o, 1), 0);
				must(ops_find(&o, names[i]) == NULL);
				ops_add(&o, names[i])->now = i;
				ops_add_dead(&o, i, 8);
			}
			op_known(&o, names, counts[c]);
			must(ops_find(&o, UINT64_MAX) == NULL);
			must(o.count == counts[c] && o.dead_count == counts[c]);
			ops_sort(&o);
			for (uint32_t i = 1; i < o.count; i++)
				must(ops_at(&o, i - 1)->name < ops_at(&o, i)->name);
			ops_clear(&o);
			must(o.count == 0 && o.dead_count == 0 && ops_find(&o, names[0]) == NULL);
		}
	}
	ops_release(&o);
}
END_TEST

/* Dropping the newest op forgets it and nothing else, across the length at which the index begins. */
START_TEST(newest_op_can_be_dropped)
{
	struct rng r = rng_make(4);
	uint64_t names[200];
	uint32_t count = 0;
	struct ops o;

	ops_init(&o, os_posix());
	for (unsigned turn = 0; turn < 5000; turn++) {
		if (count > 0 && (count == 200 || rng_below(&r, 2) == 0)) {
			ops_drop_last(&o);
			count--;
			must(ops_find(&o, names[count]) == NULL);
		} else {
			names[count] = rng_next(&r);
			must_give(ops_reserve(&o, 0), 0);
			(void)ops_add(&o, names[count]);
			count++;
		}
		op_known(&o, names, count);
	}
	ops_release(&o);
	ops_release(&o);
}
END_TEST

/* Without memory a reservation fails, what was noted stays, and the next one succeeds; nothing leaks. */
START_TEST(ops_without_memory)
{
	struct faulty faulty;
	uint64_t names[300];

	for (uint64_t n = 1; n < 16; n++) {
		struct ops o;
		faulty_init(&faulty);
		ops_init(&o, &faulty.os);
		faulty_arm(&faulty, FAULTY_ALLOC, n, ENOMEM, false);
		for (uint32_t i = 0; i < 300; i++) {
			names[i] = mix64(i);
			if (ops_reserve(&o, 1) != 0)
				must_give(ops_reserve(&o, 1), 0);
			(void)ops_add(&o, names[i]);
			ops_add_dead(&o, i, 8);
			op_known(&o, names, i + 1);
		}
		ops_sort(&o);
		ops_release(&o);
		faulty_clean(&faulty);
	}
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		session_begins_with_a_jump, aborted_session_jumps_again, chain_runs_through_windows,
		windows_are_bounded,        commit_is_its_last_blob,     abort_restores_everything,
		append_fails_whole,         end_needs_no_memory,         shed_window_leaves_a_jump,
		ops_are_found_and_sorted,   newest_op_can_be_dropped,    ops_without_memory,
	};
	Suite *suite = suite_create("log");
	TCase *tc = testing_case(suite, "log", false);

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_test(tc, tests[i]);
	return testing_main(suite);
}
