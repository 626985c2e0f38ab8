/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_crash_cases.c: power cuts and kills in situations that are made on purpose: recovery that is cut again and again,
 * the creation of a store, a full disk with holes in the file, a damaged page. GKV_TEST_SEED sets the seed. */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "tests/crash/shop.h"
#include "tests/testing.h"

/* --- recovery ----------------------------------------------------------------------------------------------------- */

/* A machine that dies at a certain call, with the power. */
struct doomed {
	struct sim *sim;
	uint64_t calls_left;
	jmp_buf end;
};

static void doomed_call(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	struct doomed *d = arg;

	(void)call;
	(void)offset;
	(void)bytes;
	if (d->calls_left > 0 && --d->calls_left == 0)
		longjmp(d->end, 1);
}

/* Opens, and does what a session's first write does without writing: false when it died on the way. */
static bool open_doomed(struct doomed *d, struct sim *sim, uint64_t calls)
{
	const struct arena_options o = shop_options(sim);
	arena *a;

	sim->hook = doomed_call;
	sim->hook_arg = d;
	d->calls_left = calls;
	if (setjmp(d->end) != 0) {
		sim->hook = NULL;
		return false;
	}
	must_give(arena_open(SHOP_PATH, &o, &a), 0);
	must_give(arena_sync(a), 0);
	must_give(arena_checkpoint(a), 0);
	sim->hook = NULL;
	must_give(arena_close(a), 0);
	return true;
}

/* Recovery, the flushes of the first write and the checkpoint after it are cut at their first call, what that leaves at the
 * second one, what that leaves at the third, and so on to the last: the store stays at the commit that the first power
 * cut left. */
START_TEST(recovery_is_cut_again_and_again)
{
	static struct shop s;
	static struct doomed d;
	static struct sim here;
	uint64_t cuts = 0;

	for (unsigned round = 0; round < 12; round++) {
		bool whole = false;
		uint32_t at;
		shop_init(&s, 200, 9000);
		shop_open(&s);
		shop_write(&s, s.a, 0, 1, true, true);
		must_give(arena_checkpoint(s.a), 0);
		for (uint32_t i = 0; i < 6; i++)
			shop_write(&s, s.a, i, 7, i != 3, i == 1);
		sim_step(&s.sim);
		sim_init(&here, true, round);
		shop_cut(&s, &s.sim, &here);
		sim_copy(&here, &s.leaf);
		at = shop_holds(&s, &s.leaf, 3);
		for (uint64_t calls = 1; !whole; calls++) {
			whole = open_doomed(&d, &here, calls);
			sim_kill(&here);
			if (calls % 3 == 0)
				sim_copy(&here, &s.twig); /* killed this time */
			else
				shop_cut(&s, &here, &s.twig);
			sim_copy(&s.twig, &here);
			sim_copy(&s.twig, &s.leaf);
			must(shop_holds(&s, &s.leaf, at) == at);
			cuts++;
			s.model.count = at + 1;
		}
		sim_release(&here);
		shop_release(&s);
	}
	printf("recovery was cut %llu times\n", (unsigned long long)cuts);
	must(cuts > 12 * 20);
}
END_TEST

/* --- a full disk -------------------------------------------------------------------------------------------------- */

static uint64_t space_of(struct sim *sim)
{
	return sim_file_space(&sim_find(sim, SHOP_PATH)->file);
}

static vpos number_name(uint32_t number)
{
	return (vpos){UINT64_C(0x5000000000000000) + number * UINT64_C(0x9E3779B97F4A7C15)};
}

/* A transaction that puts one record, or with size 0 deletes it. */
static int number_write(struct shop *s, uint32_t number, uint64_t size)
{
	arena_txn *t;
	void *data;
	int r = arena_begin(s->a, ARENA_WRITE | ARENA_DURABLE_COMMIT, &t);

	if (r != 0)
		return r;
	r = size == 0 ? arena_del(t, number_name(number)) : arena_put(t, number_name(number), number, size, &data);
	if (r != 0) {
		arena_abort(t);
		return r;
	}
	if (size > 0)
		memset(data, 0x5a, size);
	return arena_commit(t);
}

/* Fills and empties the store, so that much of the file is holes. */
static void make_holes(struct shop *s)
{
	shop_write(s, s->a, 0, 1, true, false);
	shop_write(s, s->a, 0, 1, true, false);
	shop_write(s, s->a, 1, 1, false, true);
	must_give(arena_checkpoint(s->a), 0);
	must_give(arena_checkpoint(s->a), 0);
	/* The end of the file is needed: what stands there is too large to be moved in passing. */
	shop_write(s, s->a, 0, 1, true, true);
	must_give(number_write(s, s->model.next_value++, 1500000), 0);
	shop_write(s, s->a, 0, 2, false, true);
	shop_write(s, s->a, 1, 4, false, true);
	must_give(arena_checkpoint(s->a), 0);
	must_give(arena_checkpoint(s->a), 0);
}

/* Puts until the disk is full, so often at most. Whether it was. */
static bool fill_disk(struct shop *s, unsigned most)
{
	for (unsigned i = 0; i < most; i++) {
		const int r = number_write(s, s->model.next_value, 4000);
		if (r == ENOSPC)
			return true;
		must_give(r, 0);
		s->model.next_value++;
	}
	return false;
}

/* Where the disk is full, puts are ENOSPC, and no store goes to a page that has no space, which would be a signal. When
 * there is space again, the same handle goes on, and everything that it acknowledged outlasts a power cut. */
START_TEST(a_full_disk_is_an_error_where_holes_are)
{
	static struct shop s;
	struct arena_stats stats;

	shop_init(&s, 120, 400000);
	shop_open(&s);
	make_holes(&s);
	must(s.sim.punched > 0 && s.sim.entry[0].file.hole_count > 1);
	/* There is space for half of them. */
	s.sim.capacity = space_of(&s.sim) + s.sim.entry[0].file.hole_count / 2 * SIM_PAGE;
	must(fill_disk(&s, 4000));
	must(s.sim.entry[0].file.hole_count > 0);
	s.sim.capacity += 4 * 1024 * 1024;
	must(!fill_disk(&s, 400));
	must_give(arena_stat(s.a, &stats), 0);
	must(stats.durable_seq == stats.commit_seq);
	for (unsigned i = 0; i < 20; i++) {
		struct arena_options o = shop_options(&s.leaf);
		struct arena_stats then;
		arena *a;
		sim_step(&s.sim);
		shop_cut(&s, &s.sim, &s.leaf);
		must_give(arena_check(SHOP_PATH, &o, NULL, NULL, NULL, NULL), 0);
		must_give(arena_open(SHOP_PATH, &o, &a), 0);
		must_give(arena_stat(a, &then), 0);
		must(then.commit_seq == stats.commit_seq && then.blobs == stats.blobs);
		sim_kill(&s.leaf);
	}
	shop_close(&s);
	shop_release(&s);
}
END_TEST

/* The log's window was given back and punched out, and no checkpoint says so: the next session does not store there before
 * it has space. */
START_TEST(a_window_that_was_given_back_is_allocated_again)
{
	static struct shop s;
	uint64_t after;

	shop_init(&s, 10, 100);
	shop_open(&s);
	for (uint32_t i = 1; i <= 40; i++)
		must_give(number_write(&s, i, 20000), 0);
	/* All but the last one, which stands at the end of the file: a large slot. */
	for (uint32_t i = 1; i < 40; i++)
		must_give(number_write(&s, i, 0), 0);
	must_give(arena_checkpoint(s.a), 0);
	/* The log goes on in it, and the next checkpoint's header names that window. */
	s.model.next_value = 100;
	must(!fill_disk(&s, 25));
	must_give(number_write(&s, 41, 1000), 0);
	must_give(arena_checkpoint(s.a), 0);
	/* There is not so much: the window's rest is given back in looking for it, and a checkpoint that would say so fails. */
	s.sim.fail_code = ENOSPC;
	s.sim.fail_always = true;
	s.sim.fail_at = 1;
	must(arena_compact(s.a, GRAVITY_CHEAPEST, UINT64_C(12) << 20, NULL, NULL) != 0);
	must(s.sim.failed > 0 && !s.sim.flush_failed);
	s.sim.fail_at = 0;
	/* Whole blocks are punched. */
	after = (s.a->b->log.at.cursor | (HOLES_BLOCK - 1)) + 1;
	must(after < s.a->flush.header.window_end);
	shop_close(&s);
	must(s.sim.entry[0].file.hole[after / DISK_PAGE] != 0);
	shop_open(&s);
	must(!fill_disk(&s, 30));
	must_give(arena_check_live(s.a, NULL, NULL), 0);
	shop_close(&s);
	shop_release(&s);
}
END_TEST

/* A store that was copied: its pages of zeroes are holes, the second header's and the rest of the log's window among them,
 * and the system keeps pages in pieces. On a disk with room for a few pages, or none, whatever is done is done or ENOSPC,
 * also in what follows, and no store is a signal. With room again all goes on. */
static uint64_t copied_done, copied_full;

static void copied_try(int r)
{
	must(r == 0 || r == ENOSPC);
	copied_done += r == 0;
	copied_full += r == ENOSPC;
}

static void copied_session(struct shop *s, uint32_t number)
{
	const struct arena_options o = shop_options(&s->sim);
	const int r = arena_open(SHOP_PATH, &o, &s->a);

	copied_try(r);
	if (r != 0)
		return;
	for (uint32_t i = 0; i < 12; i++) {
		const int put = number_write(s, 1000 + number + i, 500 + 3000 * (i % 3));
		copied_try(put);
		if (put == 0 && i % 2 == 0)
			copied_try(number_write(s, 1000 + number + i, 0));
		if (i % 5 == 4)
			copied_try(arena_checkpoint(s->a));
		sim_step(&s->sim);
	}
	copied_try(arena_close(s->a));
}

static void copied_store(uint32_t piece, bool young, uint64_t room)
{
	static struct shop s;
	uint64_t full;

	shop_init(&s, 120, young ? 100 : 400000);
	shop_open(&s);
	if (!young) {
		make_holes(&s);
		shop_write(&s, s.a, 0, 30, true, false);
	}
	shop_close(&s);
	sim_file_settle(&sim_find(&s.sim, SHOP_PATH)->file);
	sim_file_sparse(&sim_find(&s.sim, SHOP_PATH)->file, piece);
	must(sim_find(&s.sim, SHOP_PATH)->file.hole_count > 0);
	s.sim.capacity = space_of(&s.sim) + room * SIM_PAGE;
	copied_session(&s, 0);
	copied_session(&s, 100);
	s.sim.capacity = UINT64_MAX;
	full = copied_full;
	copied_session(&s, 200);
	must(copied_full == full);
	shop_open(&s);
	must_give(arena_check_live(s.a, NULL, NULL), 0);
	shop_close(&s);
	shop_release(&s);
}

START_TEST(a_copied_store_on_a_full_disk)
{
	static const uint64_t rooms[] = {0, 1, 2, 3, 5, 9, 17, 40, 120};
	static const uint32_t pieces[] = {1, 4, 16, 64};

	copied_done = copied_full = 0;
	for (unsigned i = 0; i < sizeof rooms / sizeof rooms[0]; i++)
		for (unsigned k = 0; k < 2 * sizeof pieces / sizeof pieces[0]; k++)
			copied_store(pieces[k / 2], k % 2 == 0, rooms[i]);
	printf("copies: %llu done, %llu times the disk was full\n", (unsigned long long)copied_done,
	       (unsigned long long)copied_full);
	must(copied_done > 1000 && copied_full > 100);
}
END_TEST

/* --- the end of the file ------------------------------------------------------------------------------------------ */

/* Beside a checkpoint, before what it frees is free: the first record goes to the end of the file, the second into what the
 * window before has left over, the third into a window at the end. */
static void beside_call(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	struct shop *s = arg;

	(void)offset;
	(void)bytes;
	if (call != SIM_PUSH || s->calls++ > 0)
		return;
	must_give(number_write(s, 50, 30000), 0);
	must_give(number_write(s, 52, 26000), 0);
	must_give(number_write(s, 53, 1000), 0);
}

/* The log goes on at the end of the file and then, when a lower slot is free, there; the rest of the window at the end is
 * cut off without a checkpoint. The log's JUMP names a window that is longer than the file, and all of the log is there. */
START_TEST(a_window_may_be_cut_off_with_the_end_of_the_file)
{
	static struct shop s;
	struct arena_stats stats;
	uint64_t end;

	shop_init(&s, 10, 100);
	shop_open(&s);
	/* A hole for pages, too small for a window that is to be durable: no page stands at the end. */
	must_give(number_write(&s, 9, 15000), 0);
	for (uint32_t i = 1; i <= 8; i++)
		must_give(number_write(&s, i, 20000), 0);
	must_give(number_write(&s, 9, 0), 0);
	must_give(arena_checkpoint(s.a), 0);
	for (uint32_t i = 2; i <= 6; i++)
		must_give(number_write(&s, i, 0), 0);
	s.sim.hook = beside_call;
	s.sim.hook_arg = &s;
	must_give(arena_checkpoint(s.a), 0);
	s.sim.hook = NULL;
	must(s.calls > 0);
	end = s.a->b->log.at.window_end;
	must_give(number_write(&s, 51, 62000), 0);
	must(s.a->b->log.at.cursor < end - 62000);
	/* The close would make a checkpoint: it has no memory for it, and leaves the log to the next opening. */
	s.sim.fail_code = ENOMEM;
	s.sim.fail_at = 1;
	shop_close(&s);
	must(s.sim.failed == 1 && s.sim.failed_call == SIM_ALLOC);
	must(sim_find(&s.sim, SHOP_PATH)->file.bytes < end);
	for (uint32_t i = 60; i < 63; i++) {
		shop_open(&s);
		must_give(arena_stat(s.a, &stats), 0);
		must(stats.blobs == 7 + i - 60);
		must_give(number_write(&s, i, 9000), 0);
		must_give(arena_check_live(s.a, NULL, NULL), 0);
		shop_close(&s);
	}
	shop_release(&s);
}
END_TEST

/* --- damage ------------------------------------------------------------------------------------------------------- */

static uint64_t damaged_opens, damaged_names, sound_names, refused;

/* All that can be read is of one state, one that is not too old; what cannot be read is said to be damaged. */
static void image_with_damage(struct shop *s, bool killed)
{
	struct arena_options o = shop_options(&s->leaf);
	const struct model *m = &s->model;
	uint32_t first = killed ? m->count - 1 - m->inflight : m->first;
	struct arena_blob blob[MODEL_NAMES];
	int code[MODEL_NAMES];
	bool fits = false;
	arena_txn *t;
	arena *a;
	int r;

	o.flags = GRAVITY_NOCREATE;
	r = arena_open(SHOP_PATH, &o, &a);
	must(r == 0 || r == GRAVITY_CORRUPT);
	refused += r != 0;
	if (r != 0)
		return;
	damaged_opens++;
	must_give(arena_begin(a, ARENA_READ, &t), 0);
	for (uint32_t k = 0; k < m->names; k++) {
		code[k] = arena_find(t, model_name(k), &blob[k]);
		must(code[k] == 0 || code[k] == GRAVITY_NOTFOUND || code[k] == GRAVITY_CORRUPT);
		damaged_names += code[k] == GRAVITY_CORRUPT;
		sound_names += code[k] == 0;
	}
	for (uint32_t i = first; i < m->count && !fits; i++) {
		fits = true;
		for (uint32_t k = 0; k < m->names; k++)
			fits = fits &&
			       (code[k] == GRAVITY_CORRUPT || (code[k] == 0 ? blob[k].aux : 0) == m->state[i].value[k]);
	}
	must(fits);
	arena_abort(t);
}

/* Where the n-th page of the table stands. */
static uint64_t page_of(const struct shop *s, unsigned n)
{
	struct table_iter it;
	struct blob_disk *b;

	table_iter_begin(&it, &s->a->map, s->a->flush.header.root, 0, s->a->flush.header.seq);
	do
		must_give(table_iter_next(&it, &b), 0);
	while (blob_kind(b) != BLOB_PAGE || b->aux == 0 || n-- != 0);
	return blob_offset(&s->a->map, b);
}

/* Changes a byte, on the disk as well. */
static void byte_damage(struct shop *s, uint64_t offset)
{
	struct sim_file *f = &sim_find(&s->sim, SHOP_PATH)->file;

	f->cache[offset] ^= 0x40;
	sim_file_settle(f);
}

/* Writes what can be written; a change of what is damaged is refused, and its transaction with it. */
static uint64_t write_with_damage(struct shop *s)
{
	struct model *m = &s->model;
	uint64_t done = 0;

	for (uint32_t i = 0; i < 30; i++) {
		const uint32_t k = (i * 7) % m->names;
		const uint32_t number = m->next_value;
		arena_txn *t;
		void *data;
		int r;
		must_give(arena_begin(s->a, ARENA_WRITE | (i % 3 == 0 ? ARENA_DURABLE_COMMIT : ARENA_LAZY_COMMIT), &t),
			  0);
		r = arena_put(t, model_name(k), number, model_size(m, number), &data);
		if (r != 0) {
			must_give(r, GRAVITY_CORRUPT);
			arena_abort(t);
			continue;
		}
		model_fill(data, model_size(m, number), k, number);
		model_next(m)->value[k] = number;
		m->next_value++;
		m->inflight = true;
		r = arena_commit(t);
		m->inflight = false;
		must(r == 0 || r == GRAVITY_CORRUPT);
		if (r != 0)
			model_drop(m);
		else if (i % 3 == 0)
			model_acknowledge(m, m->count - 1);
		done += r == 0;
		sim_step(&s->sim);
	}
	return done;
}

/* A page of the table is damaged on the disk, and the power fails while the store is being written: what can be read is
 * right and of one commit, what cannot be is GKV_CORRUPT, and commits that do not need the page go on. */
START_TEST(a_damaged_page_and_a_power_cut)
{
	static struct shop s;
	uint64_t written = 0;

	damaged_opens = damaged_names = sound_names = refused = 0;
	for (unsigned n = 0; n < 4; n++) {
		uint64_t page;
		shop_init(&s, 240, 300);
		s.cuts_at_call = 1;
		shop_open(&s);
		shop_write(&s, s.a, 0, 1, true, true);
		must_give(arena_checkpoint(s.a), 0);
		page = page_of(&s, n);
		shop_close(&s);
		s.model.first = s.model.count - 1;
		byte_damage(&s, page + 200);
		shop_open(&s);
		shop_watch(&s, image_with_damage);
		written += write_with_damage(&s);
		shop_watch(&s, NULL);
		(void)arena_close(s.a);
		shop_release(&s);
	}
	printf("damage: %llu images opened, %llu refused; %llu records damaged, %llu sound; %llu commits beside it\n",
	       (unsigned long long)damaged_opens, (unsigned long long)refused, (unsigned long long)damaged_names,
	       (unsigned long long)sound_names, (unsigned long long)written);
	must(damaged_opens > 0 && damaged_names > 0 && sound_names > damaged_names && written > 0);
}
END_TEST

SUITE("crash cases", "cases", recovery_is_cut_again_and_again, a_full_disk_is_an_error_where_holes_are,
      a_copied_store_on_a_full_disk, a_window_that_was_given_back_is_allocated_again,
      a_window_may_be_cut_off_with_the_end_of_the_file, a_damaged_page_and_a_power_cut)
