/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_damage.c: damage is never given a fresh check. Whatever is copied, by a replay or by compaction, is verified first;
 * and a blob that verifies is taken for a part of the log only where its commit's number says so. */
#define _GNU_SOURCE

#include <check.h>
#include <string.h>
#include <unistd.h>

#include "arena/core.h"
#include "arena/log/recover.h"
#include "tests/arena/arena_fixture.h"

static char copy_path[320];

static void setup(void)
{
	testing_path_of("copy", copy_path);
}

/* --- copies ------------------------------------------------------------------------------------------------------- */

#define RECORDS 200u
#define SIZE    2000u

static void put(arena_txn *t, unsigned i, uint32_t size)
{
	void *data;

	must_give(arena_put(t, model_name(i), 0, size, &data), 0);
	bytes_make(data, size, i + 1);
}

static void put_alone(arena *a, unsigned i, uint32_t size)
{
	arena_txn *t;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	put(t, i, size);
	must_give(arena_commit(t), 0);
}

/* What is there under that name, whose bytes must be right if it is anything. */
static int find(arena *a, unsigned i)
{
	struct arena_blob blob;
	arena_pin pin;
	int r;

	must_give(arena_pin_take(a, &pin), 0);
	r = arena_pin_find(a, model_name(i), &blob);
	must(r != 0 || bytes_fit(blob.data, blob.size, i + 1));
	arena_pin_drop(a, pin);
	return r;
}

/* A page of the table that is damaged is not copied by the replay of a log that adds an entry to it: the store does not
 * open, rather than without what the page has lost. */
START_TEST(replay_copies_no_damaged_page)
{
	arena *a = arena_lazy(testing_path);
	uint64_t page;

	for (unsigned i = 0; i < RECORDS; i++)
		put_alone(a, i, 10);
	must_give(arena_checkpoint(a), 0);
	page = blob_offset(&a->map, table_page(&a->map, a->b->table.root, model_name(RECORDS).bits));
	put_alone(a, RECORDS, 10);
	file_copy(testing_path, copy_path);
	arena_must_close(a);
	for (unsigned turn = 0; turn < 8; turn++) {
		const uint64_t at = page + sizeof(struct blob_disk) + turn * 500;
		file_flip(copy_path, at, turn);
		must_give(arena_open(copy_path, &(struct arena_options){.kind = ARENA_KEYED}, &a), GRAVITY_CORRUPT);
		file_flip(copy_path, at, turn);
	}
	a = arena_lazy(copy_path);
	must_give(find(a, RECORDS), 0);
	arena_must_close(a);
}
END_TEST

/* A record that is damaged is not moved by compaction, which says so, also where the handle verifies nothing that it
 * reads; it is damaged afterwards as before, and no other record is. */
START_TEST(compaction_moves_no_damaged_record)
{
	const struct arena_options o = plain_options(_i == 0 ? 0 : GRAVITY_NOVERIFY, GRAVITY_LAZY);
	arena *a = arena_must_open(testing_path, &o);
	const struct blob_disk *b;
	arena_txn *t;

	for (unsigned i = 0; i < RECORDS; i++)
		put_alone(a, i, SIZE);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (unsigned i = 0; i < RECORDS; i++)
		if (i % 3 != 0)
			must_give(arena_del(t, model_name(i)), 0);
	must_give(arena_commit(t), 0);
	must_give(table_find(&a->map, a->b->table.root, model_name(99).bits, &b), 0);
	((uint8_t *)(uintptr_t)(b + 1))[SIZE / 2] ^= 4;
	must_give(arena_compact(a, GRAVITY_DEFAULT, 0, NULL, NULL), GRAVITY_CORRUPT);
	arena_must_close(a);
	a = arena_lazy(testing_path);
	for (unsigned i = 0; i < RECORDS; i++)
		must_give(find(a, i), i % 3 != 0 ? GRAVITY_NOTFOUND : i == 99 ? GRAVITY_CORRUPT : 0);
	arena_must_close(a);
}
END_TEST

/* --- stops ---------------------------------------------------------------------------------------------------------- */

struct telling {
	uint64_t told, asked;
};

static int tell_stop(void *arg, const char *finding)
{
	struct telling *t = arg;

	must(finding[0] != 0);
	t->told++;
	return 1;
}

static const char *tell_asked(void *arg, arena_txn *view, vpos name, const struct arena_blob *blob)
{
	struct telling *t = arg;

	(void)view, (void)name, (void)blob;
	t->asked++;
	return NULL;
}

/* A check that is told to stop asks nothing more about records, also of a store that does not open. */
START_TEST(check_stops_when_it_is_told_to)
{
	const struct arena_options o = {.kind = ARENA_KEYED};
	struct telling t = {0};
	arena *a = arena_lazy(testing_path);
	const struct blob_disk *b;
	uint64_t at[RECORDS];
	uint64_t log;

	for (unsigned i = 0; i < RECORDS; i++)
		put_alone(a, i, SIZE);
	must_give(arena_checkpoint(a), 0);
	for (unsigned i = 0; i < RECORDS; i++) {
		must_give(table_find(&a->map, a->b->table.root, model_name(i).bits, &b), 0);
		at[i] = blob_offset(&a->map, b);
	}
	log = a->b->log.at.cursor;
	put_alone(a, RECORDS, SIZE);
	must_give(arena_sync(a), 0);
	file_copy(testing_path, copy_path);
	arena_must_close(a);
	for (unsigned i = 0; i < RECORDS; i++)
		file_flip(copy_path, at[i] + SIZE / 2, 0);
	/* It opens where the log is sound: every record but one is damaged. */
	must_give(arena_check(copy_path, &o, tell_asked, &t, tell_stop, &t), GRAVITY_CORRUPT);
	must(t.told == 1 && t.asked <= 2);
	t = (struct telling){0};
	must_give(arena_check(copy_path, &o, tell_asked, &t, NULL, NULL), GRAVITY_CORRUPT);
	must(t.asked > RECORDS / 2);
	/* It does not open where it is not. */
	file_flip(copy_path, log + 10, 0);
	t = (struct telling){0};
	must_give(arena_check(copy_path, &o, tell_asked, &t, tell_stop, &t), GRAVITY_CORRUPT);
	must(t.told == 1 && t.asked == 0);
}
END_TEST

/* --- numbers ------------------------------------------------------------------------------------------------------ */

#define CHAIN_MOST 16u

/* The blobs of the chain. */
static unsigned chain_list(arena *a, struct blob_disk *list[CHAIN_MOST])
{
	const struct blob_disk *b;
	unsigned count = 0;
	struct chain c;

	chain_begin(&c, &a->map, &a->flush.header);
	while ((b = chain_next(&c)) != NULL) {
		must(count < CHAIN_MOST);
		list[count++] = (struct blob_disk *)(uintptr_t)b;
	}
	return count;
}

/* From `first` to before `end` the blobs carry another number; all of them verify and name the one before them. */
static void renumber(arena *a, unsigned first, unsigned end, uint64_t seq)
{
	struct blob_disk *list[CHAIN_MOST];
	const unsigned count = chain_list(a, list);

	must(first > 0 && end <= count);
	for (unsigned i = first; i < count; i++) {
		if (i < end)
			list[i]->stamp = blob_stamp(seq, blob_kind(list[i]), blob_flags(list[i]));
		list[i]->link = list[i - 1]->check;
		blob_seal(&a->map, list[i]);
	}
}

/* Two commits, of three records each, of which some blobs then carry the number that is so much greater than their own. */
static arena *two_commits(unsigned first, unsigned end, int64_t more)
{
	arena *a = arena_lazy(testing_path);
	arena *copy;
	arena_txn *t;

	for (unsigned n = 0; n < 2; n++) {
		must_give(arena_begin(a, ARENA_WRITE, &t), 0);
		for (unsigned i = 0; i < 3; i++)
			put(t, 3 * n + i, 50);
		must_give(arena_commit(t), 0);
	}
	/* JUMP, three records, three records. */
	renumber(a, first, end, atomic_load(&a->readers.seq) + (uint64_t)more);
	file_copy(testing_path, copy_path);
	arena_must_close(a);
	must(unlink(testing_path) == 0);
	copy = arena_lazy(copy_path);
	return copy;
}

static void holds(arena *a, unsigned records)
{
	for (unsigned i = 0; i < 6; i++)
		must_give(find(a, i), i < records ? 0 : GRAVITY_NOTFOUND);
	arena_must_be_sound(a);
	arena_must_close(a);
	file_must_be_sound(copy_path);
	must(unlink(copy_path) == 0);
}

/* A commit is a run of blobs with one number, greater than that of the commit before it: where the number changes within
 * it, or is not greater, the chain ends before it. */
START_TEST(commit_has_one_number_of_its_own)
{
	holds(two_commits(4, 7, 0), 6);
	holds(two_commits(5, 6, 1), 3);  /* another one in the middle */
	holds(two_commits(6, 7, 1), 3);  /* at the end                */
	holds(two_commits(4, 5, -1), 3); /* at the beginning          */
	holds(two_commits(4, 7, -1), 3); /* that of the one before it */
	holds(two_commits(2, 3, 5), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("damage");
	TCase *tc = testing_case(suite, "damage", false);

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, replay_copies_no_damaged_page);
	tcase_add_loop_test(tc, compaction_moves_no_damaged_record, 0, 2);
	tcase_add_test(tc, check_stops_when_it_is_told_to);
	tcase_add_test(tc, commit_has_one_number_of_its_own);
	return testing_main(suite);
}
