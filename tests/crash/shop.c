/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* shop.c owns the store of a test of one situation: its work, its images, and the comparison of each with the states that
 * it may be in.
 *
 * 1. The model's states are the commits; what is durable is known by the test, which says how old an image may be. */
#include "tests/crash/shop.h"

#include <stdio.h>
#include <string.h>

#include "tests/testing.h"

void shop_init(struct shop *s, uint32_t names, uint32_t size_most)
{
	memset(s, 0, sizeof *s);
	s->random = rng_make(names).state;
	sim_init(&s->sim, true, sim_random(&s->random));
	sim_init(&s->leaf, false, sim_random(&s->random));
	sim_init(&s->twig, true, sim_random(&s->random));
	model_init(&s->model, names, size_most);
	s->cuts_at_call = 3;
}

void shop_release(struct shop *s)
{
	sim_release(&s->sim);
	sim_release(&s->leaf);
	sim_release(&s->twig);
	model_release(&s->model);
}

struct arena_options shop_options(struct sim *sim)
{
	return (struct arena_options){.os = &sim->os, .kind = ARENA_KEYED, .checkpoint_bytes = UINT64_C(1) << 30};
}

void shop_open(struct shop *s)
{
	const struct arena_options o = shop_options(&s->sim);

	must_give(arena_open(SHOP_PATH, &o, &s->a), 0);
}

void shop_close(struct shop *s)
{
	must_give(arena_close(s->a), 0);
	s->a = NULL;
}

static void name_write(struct shop *s, arena_txn *t, uint32_t index, bool value)
{
	struct state *now = model_newest(&s->model);
	const uint32_t number = s->model.next_value;
	const uint64_t size = model_size(&s->model, number);
	void *data;

	if (!value) {
		if (now->value[index] != 0)
			must_give(arena_del(t, model_name(index)), 0);
		now->value[index] = 0;
		return;
	}
	must_give(arena_put(t, model_name(index), number, size, &data), 0);
	model_fill(data, size, index, number);
	now->value[index] = number;
	s->model.next_value++;
}

void shop_write(struct shop *s, arena *a, uint32_t from, uint32_t step, bool value, bool durable)
{
	arena_txn *t;

	must_give(arena_begin(a, ARENA_WRITE | (durable ? ARENA_DURABLE_COMMIT : ARENA_LAZY_COMMIT), &t), 0);
	(void)model_next(&s->model);
	for (uint32_t i = from; i < s->model.names; i += step)
		name_write(s, t, i, value);
	must_give(arena_commit(t), 0);
}

void shop_cut(struct shop *s, const struct sim *from, struct sim *to)
{
	const uint64_t pick = sim_random(&s->random);
	const struct sim_cut cut = {.style = (enum sim_style)(pick % SIM_STYLES),
				    .of_16 = 1 + (uint32_t)(pick >> 8) % 15,
				    .mixed = (pick >> 16 & 3) == 0,
				    .random = sim_random(&s->random)};

	sim_cut(from, &cut, to);
}

static void shop_call(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	struct shop *s = arg;

	(void)offset;
	(void)bytes;
	s->calls++;
	/* Calls that change neither the file nor what is asked of it. */
	if (s->image == NULL || (call >= SIM_CLOCK && call <= SIM_FREE) || call == SIM_ADVISE || call == SIM_SIZE)
		return;
	for (uint32_t i = 0; i <= s->cuts_at_call; i++) {
		if (i == 0)
			sim_copy(&s->sim, &s->leaf);
		else
			shop_cut(s, &s->sim, &s->leaf);
		s->images++;
		s->image(s, i == 0);
		sim_kill(&s->leaf);
	}
}

void shop_watch(struct shop *s, void (*image)(struct shop *s, bool killed))
{
	s->image = image;
	s->sim.hook = image != NULL ? shop_call : NULL;
	s->sim.hook_arg = s;
}

void shop_read(struct shop *s, arena *a, struct state *out)
{
	struct arena_blob blob;
	arena_walk *walk;
	arena_txn *t;
	vpos name;
	int r;

	memset(out, 0, sizeof *out);
	must_give(arena_begin(a, ARENA_READ, &t), 0);
	must_give(arena_walk_open(t, &walk), 0);
	while ((r = arena_walk_next(walk, &name, &blob)) == 0) {
		const char *wrong = model_take(&s->model, out, name, &blob);
		if (wrong != NULL)
			(void)fprintf(stderr, "value %u: %s\n", (unsigned)blob.aux, wrong);
		must(wrong == NULL);
	}
	must_give(r, GRAVITY_NOTFOUND);
	arena_walk_close(walk);
	arena_abort(t);
}

uint32_t shop_match(struct shop *s, const struct state *got, uint32_t first)
{
	for (uint32_t i = s->model.count; i-- > first;)
		if (memcmp(s->model.state[i].value, got->value, sizeof got->value) == 0)
			return i;
	testing_must(false, "the store is at a commit that it may be at", __FILE__, __LINE__);
	return 0;
}

static int finding_print(void *arg, const char *finding)
{
	(void)arg;
	(void)fprintf(stderr, "finding: %s\n", finding);
	return 0;
}

uint32_t shop_holds(struct shop *s, struct sim *image, uint32_t first)
{
	struct arena_options o = shop_options(image);
	struct state got;
	arena *a;

	o.flags = GRAVITY_NOCREATE;
	must_give(arena_check(SHOP_PATH, &o, NULL, NULL, finding_print, NULL), 0);
	must_give(arena_open(SHOP_PATH, &o, &a), 0);
	shop_read(s, a, &got);
	must_give(arena_check_live(a, finding_print, NULL), 0);
	sim_kill(image);
	return shop_match(s, &got, first);
}
