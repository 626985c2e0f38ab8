/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_crash_moves.c: values that compaction has moved outlast whatever comes before, during and after the checkpoint that
 * makes their new places durable. Compaction changes no value, so what any cut leaves is compared with one state; and it is
 * compacted, cut and compared again.
 *
 * On the simulated machine with power cuts, and on a real file with kills. GKV_TEST_SEED sets the seed. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/crash/shop.h"
#include "tests/testing.h"

static enum gravity_planner planner;
static uint64_t moved_first, moved_again, twigs;

static void store_fill(struct shop *s)
{
	for (uint32_t i = 0; i < 4; i++)
		shop_write(s, s->a, i, 4, true, false);
	must_give(arena_checkpoint(s->a), 0);
	/* Holes between what stays. */
	shop_write(s, s->a, 0, 3, false, false);
	must_give(arena_checkpoint(s->a), 0);
	s->model.first = s->model.count - 1;
}

/* Makes slots, then sweeps: what it moved. */
static uint64_t store_compact(arena *a, enum gravity_planner by)
{
	struct arena_stats stats;

	must_give(arena_stat(a, &stats), 0);
	(void)arena_compact(a, by, stats.largest_free + stats.free_bytes / 4, NULL, NULL);
	must_give(arena_compact(a, by, 0, NULL, NULL), 0);
	must_give(arena_stat(a, &stats), 0);
	return stats.bytes_moved;
}

static void must_hold(struct shop *s, struct sim *image)
{
	must(shop_holds(s, image, s->model.first) == s->model.count - 1);
}

/* Lives on: moves everything again, and is killed, or loses its power, before anything is closed. */
static void move_again(struct shop *s)
{
	const struct arena_options o = shop_options(&s->twig);
	arena *a;

	must_give(arena_open(SHOP_PATH, &o, &a), 0);
	moved_again += store_compact(a, planner == GRAVITY_GRAVITY ? GRAVITY_CHEAPEST : GRAVITY_GRAVITY);
	sim_step(&s->twig);
	sim_copy(&s->twig, &s->leaf);
	must_hold(s, &s->leaf);
	shop_cut(s, &s->twig, &s->leaf);
	must_hold(s, &s->leaf);
	sim_kill(&s->twig);
	twigs++;
}

static void image_of_move(struct shop *s, bool killed)
{
	const bool lives = sim_random(&s->random) % 16 == 0;

	(void)killed;
	if (lives)
		sim_copy(&s->leaf, &s->twig);
	must_hold(s, &s->leaf);
	if (lives)
		move_again(s);
}

/* Whatever is cut, and however often, every value is there. */
START_TEST(moved_values_outlast_power_cuts)
{
	static struct shop s;

	moved_first = moved_again = twigs = 0;
	planner = _i % 2 == 0 ? GRAVITY_CHEAPEST : GRAVITY_GRAVITY;
	for (unsigned round = 0; round < 3; round++) {
		shop_init(&s, 160, 12000);
		s.random += round;
		shop_open(&s);
		store_fill(&s);
		shop_watch(&s, image_of_move);
		moved_first += store_compact(s.a, planner);
		must_give(arena_checkpoint(s.a), 0);
		shop_close(&s);
		shop_open(&s);
		moved_first += store_compact(s.a, planner);
		shop_close(&s);
		shop_watch(&s, NULL);
		printf("moves: %llu images, %llu bytes moved; %llu moved again, of %llu images\n",
		       (unsigned long long)s.images, (unsigned long long)moved_first, (unsigned long long)moved_again,
		       (unsigned long long)twigs);
		must(s.images > 100);
		shop_release(&s);
	}
	must(moved_first > 0 && moved_again > 0 && twigs > 10);
}
END_TEST

/* --- a real file -------------------------------------------------------------------------------------------------- */

/* The real system, but for the death of the process at a certain call that changes the file or flushes it. */
static struct os mortal;
static uint64_t mortal_left;

static void mortal_call(void)
{
	if (mortal_left > 0 && --mortal_left == 0)
		(void)raise(SIGKILL);
}

static int mortal_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	mortal_call();
	return os_posix()->grow(os, file, offset, bytes);
}

static int mortal_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	mortal_call();
	return os_posix()->truncate(os, file, bytes);
}

static int mortal_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	mortal_call();
	return os_posix()->punch(os, file, offset, bytes);
}

static int mortal_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	mortal_call();
	return os_posix()->sync_range(os, file, base, offset, bytes);
}

static int mortal_sync(const struct os *os, os_file file)
{
	mortal_call();
	return os_posix()->sync(os, file);
}

static int mortal_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	mortal_call();
	return os_posix()->push(os, file, offset, bytes);
}

static struct arena_options file_options(void)
{
	mortal = *os_posix();
	mortal.grow = mortal_grow;
	mortal.truncate = mortal_truncate;
	mortal.punch = mortal_punch;
	mortal.sync_range = mortal_sync_range;
	mortal.sync = mortal_sync;
	mortal.push = mortal_push;
	return (struct arena_options){.os = &mortal, .kind = ARENA_KEYED, .durability = GRAVITY_LAZY};
}

/* In a child: moves values about until it dies at the n-th call. True: it came to the end alive. */
static bool child_compacts(struct shop *s, uint64_t n)
{
	int status;
	const pid_t pid = fork();

	must(pid >= 0);
	if (pid == 0) {
		const struct arena_options o = file_options();
		mortal_left = n;
		must_give(arena_open(testing_path, &o, &s->a), 0);
		must(store_compact(s->a, n % 2 == 0 ? GRAVITY_CHEAPEST : GRAVITY_GRAVITY) < UINT64_MAX);
		must_give(arena_close(s->a), 0);
		_Exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	must((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
	return WIFEXITED(status);
}

/* Values change between two rounds, so that there is something to move: a third goes, another third comes. */
static void file_change(struct shop *s, uint32_t round)
{
	const struct arena_options o = file_options();
	struct arena_stats stats;

	must_give(arena_open(testing_path, &o, &s->a), 0);
	shop_write(s, s->a, round % 3, 3, false, false);
	shop_write(s, s->a, (round + 1) % 3, 3, true, false);
	must_give(arena_stat(s->a, &stats), 0);
	moved_first += stats.bytes_moved;
	must_give(arena_close(s->a), 0);
}

static void file_must_show_all(struct shop *s)
{
	const struct arena_options o = file_options();
	struct state got;

	must_give(arena_check(testing_path, &o, NULL, NULL, NULL, NULL), 0);
	must_give(arena_open(testing_path, &o, &s->a), 0);
	shop_read(s, s->a, &got);
	must(shop_match(s, &got, s->model.count - 1) == s->model.count - 1);
	must_give(arena_check_live(s->a, NULL, NULL), 0);
	must_give(arena_close(s->a), 0);
}

/* A process that compacts is killed at its n-th call, for n = 1, 2, ...: the next one finds every value, and moves on. */
START_TEST(moved_values_outlast_kills_on_a_file)
{
	static struct shop s;
	const uint64_t kills = testing_count(60, 20);
	uint64_t killed = 0;

	mortal_left = 0;
	shop_init(&s, 160, 12000);
	for (uint32_t i = 0; killed < kills && i < 4 * kills; i++) {
		file_change(&s, i);
		/* Twice without a change in between: what was moved is moved again. */
		for (unsigned again = 0; again < 2; again++) {
			killed += !child_compacts(&s, 1 + i % 40 + again);
			file_must_show_all(&s);
		}
	}
	printf("%llu processes were killed while they moved values in a file\n", (unsigned long long)killed);
	must(killed >= kills);
	shop_release(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash moves");
	TCase *tc = testing_case(suite, "moves", false);

	tcase_add_loop_test(tc, moved_values_outlast_power_cuts, 0, 2);
	tcase_add_test(tc, moved_values_outlast_kills_on_a_file);
	return testing_main(suite);
}
