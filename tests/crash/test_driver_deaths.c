/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_driver_deaths.c: the driver of a checkpoint dies at any step of it, beside one who commits, and the power is
 * cut at any call that follows.
 *
 * The sources of checkpoint, flush and latch are compiled here once more, see stepped.h; each call of the simulated
 * machine is a place to be stopped at, too. Who commits, and whoever has waited in vain, looks whether a latch is
 * held by a dead one, and lets go of it on its behalf. The driver does not die while it holds the writer's latch:
 * its next holder would have to recover.
 *
 * 1. What a power cut leaves is whole, and as new as the last durable commit; what a kill leaves has all commits.
 * 2. A checkpoint that nobody drives any more is dropped or comes to its end, and the next one is whole.
 * 3. Nothing is lost or free twice. */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/checkpoint.h"
#include "arena/log/flush.h"
#include "arena/log/freelist.h"
#include "arena/log/interval.h"
#include "arena/log/log.h"
#include "arena/log/push.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/os/latch.h"
#include "arena/os/thread.h"
#include "tests/crash/shop.h"
#include "tests/os/noted.h"
#include "tests/testing.h"

#define HEIR_TURNS 1u
#include "arena/log/checkpoint.c" /* NOLINT: see above */
#include "arena/log/flush.c"      /* NOLINT: see above */
#include "arena/os/latch.c"       /* NOLINT: see above */
#include "tests/log/begun.h"

#define NOBODY  ACTORS_MOST
#define NAMES   40u
#define LARGEST 3000u
#define COMMITS 3u
#ifdef GRAVITY_BROKEN
#define ORDERS 800u
#else
#define ORDERS (5000u / STRANDS_DEAR)
#endif
#define CUTS 12u /* one in so many calls is cut */

enum { WRITER, CHECKPOINT, FLUSH, LATCHES };
enum { DRIVER, COMMITTER, ACTORS };

static struct {
	struct shop shop;
	struct rng random;
	unsigned holder[LATCHES];
	uint32_t done;    /* the newest commit that has returned */
	uint32_t durable; /* ... of those that are               */
} scene;

static struct {
	uint64_t orders, died_in[CHECKPOINT_ORPHAN + 1], died_flushing, images, handed;
} met;

/* Latches -------------------------------------------------------------------------------------------------------- */

static struct latch *latch_nth(unsigned i)
{
	arena *a = scene.shop.a;

	return i == WRITER ? &a->writer_latch : i == CHECKPOINT ? &a->checkpoint.latch : &a->flush.latch;
}

static void note(const _Atomic uint32_t *word, unsigned holder)
{
	for (unsigned i = 0; scene.shop.a != NULL && i < LATCHES; i++)
		if (word == &latch_nth(i)->word)
			scene.holder[i] = holder;
}

static void note_take(const _Atomic uint32_t *word, uint32_t was)
{
	(void)was;
	note(word, actor_self());
}

static void note_drop(const _Atomic uint32_t *word, uint32_t value)
{
	(void)value;
	note(word, NOBODY);
}

static void sweep(void)
{
	for (unsigned i = CHECKPOINT; i < LATCHES; i++)
		if (scene.holder[i] < ACTORS && actor_died(scene.holder[i]))
			latch_leave(latch_nth(i), scene.shop.a->os);
	must(scene.holder[WRITER] >= ACTORS || !actor_died(scene.holder[WRITER]));
}

/* For one who waits for none of them while the other one is dead: whoever is counted, or called, or was handed a
 * latch is that one. Otherwise a latch may be handed to a dead one again and again, until somebody waits for it: who
 * only tries does not get it. */
static void sweep_all(void)
{
	sweep();
	for (unsigned i = 0; actor_died(DRIVER) && i < LATCHES; i++) {
		struct latch *l = latch_nth(i);
		uint32_t handed = HANDED;
		atomic_store(&l->waiting, 0);
		atomic_store(&l->heir, NONE);
		met.handed += atomic_compare_exchange_strong(&l->word, &handed, FREE);
	}
}

static int sweeping_wait(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds)
{
	const int r = actors_os.wait(os, word, value, nanoseconds);

	if (r == ETIMEDOUT)
		sweep();
	return r;
}

static bool holds_writer(void)
{
	return scene.holder[WRITER] == actor_self();
}

static void death_note(void)
{
	met.died_in[scene.shop.a->checkpoint.state]++;
	met.died_flushing += scene.holder[FLUSH] == actor_self();
}

/* Threads, as far as the library asks for them; stepped.h has a name for the first. */
#undef os_pause
void os_pause(unsigned n)
{
	(void)n;
	actor_yield();
}

uint64_t os_thread_id(void)
{
	return actor_self() + 1;
}

int os_cancel_disable(void)
{
	return 0;
}

void os_cancel_restore(const int *state)
{
	(void)state;
}

/* Power ---------------------------------------------------------------------------------------------------------- */

static void image_must_hold(bool killed)
{
	struct shop *s = &scene.shop;

	actors_stand_still(true);
	if (killed)
		sim_copy(&s->sim, &s->leaf);
	else
		shop_cut(s, &s->sim, &s->leaf);
	(void)shop_holds(s, &s->leaf, killed ? scene.done : scene.durable);
	sim_kill(&s->leaf);
	met.images++;
	actors_stand_still(false);
}

static void called(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	const bool header = (call == SIM_WRITE || call == SIM_SYNC_RANGE) && offset < DISK_DATA;

	(void)arg;
	(void)bytes;
	if (actor_self() == STRAND_OWN || call == SIM_ADVISE || (call >= SIM_CLOCK && call <= SIM_RANDOM))
		return;
	if (rng_below(&scene.random, header ? 2 : CUTS) == 0)
		image_must_hold(rng_below(&scene.random, 8) == 0);
	actor_point();
}

/* The scene ------------------------------------------------------------------------------------------------------ */

static void drive(void)
{
	arena *a = scene.shop.a;

	while (atomic_load(&a->checkpoint.pushing))
		must_give(checkpoint_work(a, 1 + rng_below(&scene.random, 2) * MIB), 0);
}

static void commit(void)
{
	struct shop *s = &scene.shop;
	const bool durable = rng_below(&scene.random, 3) == 0;

	sweep_all();
	shop_write(s, s->a, (uint32_t)rng_below(&scene.random, 10), 10, rng_below(&scene.random, 4) != 0, durable);
	scene.done = s->model.count - 1;
	if (durable)
		scene.durable = scene.done;
}

static void drive_or_commit(unsigned self, void *arg)
{
	(void)arg;
	for (unsigned i = 0; self == COMMITTER && i < COMMITS; i++)
		commit();
	if (self == DRIVER)
		drive();
}

/* All is durable; then a commit, or none, and a checkpoint that is begun. */
static void begin(void)
{
	struct shop *s = &scene.shop;
	arena *a = s->a;

	must_give(arena_checkpoint(a), 0);
	s->model.state[0] = *model_newest(&s->model);
	s->model.count = 1;
	scene.done = scene.durable = 0;
	if (rng_below(&scene.random, 3) != 0)
		commit();
	checkpoint_begin_one(a);
}

static int finding_print(void *arg, const char *finding)
{
	(void)arg;
	(void)fprintf(stderr, "finding: %s\n", finding);
	return 0;
}

static void verdict(void)
{
	struct shop *s = &scene.shop;
	struct state got;

	sweep_all();
	image_must_hold(false);
	must_give(arena_checkpoint(s->a), 0);
	must(s->a->checkpoint.state == CHECKPOINT_IDLE || s->a->checkpoint.state == CHECKPOINT_WRITTEN);
	must_give(arena_check_live(s->a, finding_print, NULL), 0);
	shop_read(s, s->a, &got);
	must(shop_match(s, &got, scene.done) == scene.done);
	met.orders++;
}

/* At each of its steps, until it comes to its end. */
static void die_everywhere(unsigned stay)
{
	bool died = true;

	for (uint64_t place = 1; died; place++) {
		begin();
		actors_death_at(place);
		actors_run_random(rng_next(&scene.random), stay);
		died = actor_died(DRIVER);
		verdict();
	}
}

START_TEST(a_checkpoint_whose_driver_died)
{
	const uint64_t orders = testing_count(ORDERS, 400);
	struct shop *s = &scene.shop;

	shop_init(s, NAMES, LARGEST);
	scene.random = rng_make(1);
	for (unsigned i = 0; i < LATCHES; i++)
		scene.holder[i] = NOBODY;
	shop_open(s);
	shop_write(s, s->a, 0, 1, true, true);
	s->sim.os.wait = sweeping_wait;
	s->sim.os.wake = actors_os.wake;
	s->sim.hook = called;
	actors_spared = holds_writer;
	actors_on_death = death_note;
	actors_begin(ACTORS, drive_or_commit, NULL);
	actors_deaths(1, 1u << DRIVER);
	while (met.orders < orders) {
		die_everywhere(1000); /* the other one begins then, and not before */
		die_everywhere(20);
		die_everywhere(3);
	}
	actors_end();
	actors_spared = NULL;
	actors_on_death = NULL;
	s->sim.hook = NULL;
	shop_close(s);
	printf("driver of a checkpoint dies: %llu orders, %llu images; it died in PUSHING %llu times, in HEADER "
	       "%llu, in WRITTEN %llu; "
	       "%llu times while it flushed\n",
	       (unsigned long long)met.orders, (unsigned long long)met.images,
	       (unsigned long long)met.died_in[CHECKPOINT_PUSHING], (unsigned long long)met.died_in[CHECKPOINT_HEADER],
	       (unsigned long long)met.died_in[CHECKPOINT_WRITTEN], (unsigned long long)met.died_flushing);
	must(met.died_in[CHECKPOINT_PUSHING] > 0 && met.died_in[CHECKPOINT_HEADER] > 0 &&
	     met.died_in[CHECKPOINT_WRITTEN] > 0 && met.died_flushing > 0);
	shop_release(s);
}
END_TEST

SUITE("driver_deaths", "orders", a_checkpoint_whose_driver_died)
