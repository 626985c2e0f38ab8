/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_creation.c: a new store, and an empty file that becomes one, whenever the power fails or the maker is killed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arena/core.h"
#include "arena/newstore.h"
#include "tests/crash/shop.h"
#include "tests/crash/sim_os.h"
#include "tests/testing.h"

/* --- a new file --------------------------------------------------------------------------------------------------- */

static uint64_t absent, empty, leftovers, promised;

static uint64_t leftovers_of(struct sim *sim)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SIM_FILES; i++) {
		const struct sim_entry *e = &sim->entry[i];
		count += strstr(sim_entry_name(e), ".new-") != NULL;
	}
	return count;
}

/* There is a store without a record or none, whatever else lies there; and one can be made, and used, which leaves that
 * as it is. */
static void image_of_creation(struct shop *s, bool killed)
{
	const struct arena_options o = shop_options(&s->leaf);
	const uint64_t left = leftovers_of(&s->leaf);
	struct state got;
	arena *a;

	(void)killed;
	must(s->a == NULL || sim_find(&s->leaf, SHOP_PATH) != NULL);
	must(left == 0 || s->sim.named);
	promised += s->a != NULL;
	leftovers += left;
	if (sim_find(&s->leaf, SHOP_PATH) != NULL) {
		empty++;
		(void)shop_holds(s, &s->leaf, 0);
	} else {
		absent++;
	}
	s->leaf.random = sim_random(&s->random);
	must_give(arena_open(SHOP_PATH, &o, &a), 0);
	shop_read(s, a, &got);
	must(shop_match(s, &got, 0) == 0);
	must_give(arena_close(a), 0);
	must(leftovers_of(&s->leaf) == left);
}

/* A store that is being made is there whole and empty or not at all, whenever the power fails or its maker is killed. A
 * maker leaves nothing behind; where the system makes no file without a name, what it leaves has another name and is in
 * nobody's way. From the first open that returned on it is there. */
START_TEST(creation_gives_a_whole_store_or_none)
{
	static struct shop s;

	absent = empty = leftovers = promised = 0;
	for (unsigned i = 0; i < 20; i++) {
		shop_init(&s, 10, 100);
		s.random += i;
		s.cuts_at_call = 6;
		s.sim.named = i % 2 != 0;
		shop_watch(&s, image_of_creation);
		shop_open(&s);
		sim_step(&s.sim);
		shop_watch(&s, NULL);
		shop_close(&s);
		must(leftovers_of(&s.sim) == 0);
		shop_release(&s);
	}
	printf("creation: %llu images without a store (%llu files left), %llu with one, %llu of them promised\n",
	       (unsigned long long)absent, (unsigned long long)leftovers, (unsigned long long)empty,
	       (unsigned long long)promised);
	must(absent > 0 && empty > 0 && leftovers > 0 && promised > 0);
}
END_TEST

/* Another maker is done between the building and the naming of this one's store. */
static void race_call(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	struct shop *s = arg;
	const struct arena_options o = shop_options(&s->sim);
	arena *a;

	(void)offset;
	(void)bytes;
	if (call != SIM_PUBLISH || s->calls++ != 0)
		return;
	must_give(arena_open(SHOP_PATH, &o, &a), 0);
	shop_write(s, a, 0, 1, true, true);
	must_give(arena_close(a), 0);
}

/* Of two that make one store at the same time, the one that is late opens the other's, and leaves nothing behind. */
START_TEST(a_late_maker_opens_the_other_ones_store)
{
	static struct shop s;
	struct state got;

	shop_init(&s, 10, 100);
	s.sim.hook = race_call;
	s.sim.hook_arg = &s;
	shop_open(&s);
	s.sim.hook = NULL;
	shop_read(&s, s.a, &got);
	must(shop_match(&s, &got, 1) == 1);
	must(leftovers_of(&s.sim) == 0);
	shop_close(&s);
	shop_release(&s);
}
END_TEST

/* --- an empty file ------------------------------------------------------------------------------------------------ */

static uint64_t zeroes, begun, whole;

/* A file of so many zeroes, which the disk has. */
static void file_of_zeroes(struct shop *s, uint64_t bytes)
{
	const struct os *os = &s->sim.os;
	os_file file;

	must_give(os->open(os, SHOP_PATH, OS_CREATE, 0600, &file), 0);
	must_give(os->grow(os, file, 0, bytes), 0);
	must_give(os->sync(os, file), 0);
	must_give(os->sync_dir(os, file, SHOP_PATH), 0);
	must_give(os->close(os, file), 0);
}

/* What whoever does not want a new store is told, and how the file looks. */
static void image_count(struct shop *s)
{
	const struct sim_file *f = &sim_find(&s->leaf, SHOP_PATH)->file;
	struct arena_options o = shop_options(&s->leaf);
	bool zero = true;
	arena *a;
	int r;

	for (uint64_t i = 0; i < f->bytes; i++)
		zero = zero && f->cache[i] == 0;
	o.flags = GRAVITY_RDONLY;
	r = arena_open(SHOP_PATH, &o, &a);
	if (r == 0)
		must_give(arena_close(a), 0);
	must(r == 0 || (r == GRAVITY_NOTASTORE && s->a == NULL));
	whole += r == 0;
	zeroes += r != 0 && zero;
	begun += r != 0 && !zero;
}

/* It is a whole store, or a file that still becomes one. */
static void image_of_an_empty_file(struct shop *s, bool killed)
{
	const struct arena_options o = shop_options(&s->leaf);
	struct state got;
	arena *a;

	(void)killed;
	image_count(s);
	s->leaf.random = sim_random(&s->random);
	must_give(arena_open(SHOP_PATH, &o, &a), 0);
	shop_read(s, a, &got);
	must(shop_match(s, &got, 0) == 0);
	must_give(arena_close(a), 0);
	(void)shop_holds(s, &s->leaf, 0);
}

/* An empty file, and one of zeroes that is no longer than a new store, becomes a store in place. Whenever the power fails
 * on the way, it is a store or becomes one at the next open: it is never taken for a damaged one. */
START_TEST(an_empty_file_becomes_a_store_or_can_become_one)
{
	static struct shop s;
	const uint64_t sizes[] = {0, 512, DISK_PAGE, DISK_DATA, NEWSTORE_BYTES - 512, NEWSTORE_BYTES};

	zeroes = begun = whole = 0;
	for (unsigned i = 0; i < 6 * testing_count(10, 2); i++) {
		shop_init(&s, 10, 100);
		s.random += i;
		s.cuts_at_call = 12;
		file_of_zeroes(&s, sizes[i % 6]);
		shop_watch(&s, image_of_an_empty_file);
		shop_open(&s);
		sim_step(&s.sim);
		shop_watch(&s, NULL);
		shop_close(&s);
		must(shop_holds(&s, &s.sim, 0) == 0);
		shop_release(&s);
	}
	printf("empty files: %llu images of zeroes, %llu of a store that was begun, %llu of a whole one\n",
	       (unsigned long long)zeroes, (unsigned long long)begun, (unsigned long long)whole);
	must(zeroes > 0 && begun > 0 && whole > 0);
}
END_TEST

/* A call fails while an empty file becomes a store: the open says so, and the next one makes the store. */
START_TEST(an_empty_file_outlasts_failing_calls)
{
	static struct shop s;
	struct arena_options o;
	uint64_t errors = 0;
	bool met = true;
	int r;

	for (uint64_t n = 1; met; n++) {
		shop_init(&s, 10, 100);
		file_of_zeroes(&s, n % 2 * DISK_PAGE);
		s.sim.fail_at = n;
		s.sim.fail_code = EIO;
		s.sim.fail_loses = true;
		o = shop_options(&s.sim);
		r = arena_open(SHOP_PATH, &o, &s.a);
		met = s.sim.failed > 0;
		errors += r != 0;
		must(s.sim.flushes_after == 0);
		s.sim.fail_at = 0;
		if (r == 0)
			(void)arena_close(s.a);
		sim_kill(&s.sim);
		shop_open(&s);
		shop_write(&s, s.a, 0, 1, true, true);
		shop_cut(&s, &s.sim, &s.leaf);
		must(shop_holds(&s, &s.leaf, 1) == 1);
		shop_close(&s);
		shop_release(&s);
	}
	must(errors > 10);
}
END_TEST

/* A file with anything else in it is not touched, however little it is. */
START_TEST(a_file_with_a_bit_in_it_is_no_empty_one)
{
	static struct shop s;
	struct rng r = rng_make(4);

	for (unsigned i = 0; i < testing_count(300, 100); i++) {
		/* Where a new store has nothing: behind the head of its page, in the window, in the other header page. */
		const uint64_t places[] = {DISK_DATA + 64, DISK_DATA + DISK_PAGE, DISK_PAGE};
		const uint64_t at = places[i % 3] + rng_below(&r, DISK_PAGE - 64);
		const uint8_t bit = (uint8_t)(1u << rng_below(&r, 8));
		struct arena_options o;
		uint8_t *cache;

		shop_init(&s, 10, 100);
		file_of_zeroes(&s, NEWSTORE_BYTES);
		cache = sim_find(&s.sim, SHOP_PATH)->file.cache;
		cache[at] = bit;
		o = shop_options(&s.sim);
		must_give(arena_open(SHOP_PATH, &o, &s.a), GRAVITY_NOTASTORE);
		must(cache[at] == bit && cache[0] == 0 && cache[12] == 0);
		shop_release(&s);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("creation");

	testing_add(suite, "made",
		    TESTS(creation_gives_a_whole_store_or_none, a_late_maker_opens_the_other_ones_store));
	testing_add(suite, "empty files",
		    TESTS(an_empty_file_becomes_a_store_or_can_become_one, an_empty_file_outlasts_failing_calls,
			  a_file_with_a_bit_in_it_is_no_empty_one));
	return testing_main(suite);
}
