/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* image.c owns what is asked of a disk image: that it opens at the state after some commit, no older than the last one
 * that was acknowledged as durable; that nothing in it is damaged and every byte of it is accounted for; and that it can
 * be written on, and cut again.
 *
 * Cost: some hundred microseconds an image, most of it in copying, checking and comparing all of a small store. */
#include "tests/crash/crash.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH "store"

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void image_keep(const struct sim *s)
{
	const char *path = getenv("GKV_CRASH_KEEP");
	const struct sim_entry *e = sim_find((struct sim *)(uintptr_t)s, PATH);
	FILE *file;

	if (path == NULL || e == NULL)
		return;
	file = fopen(path, "wb");
	if (file == NULL)
		return;
	(void)fwrite(e->file.cache, 1, e->file.bytes, file);
	(void)fclose(file);
}

void crash_fail(struct life *l, const char *format, ...)
{
	const struct crash *c = l->crash;
	va_list args;

	(void)fflush(stdout);
	(void)fprintf(stderr, "crash test, %s, in %s%s: ", c->workload->name, stage_names[l->stage],
		      l->images == 0 ? " of an image that lived on" : "");
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fprintf(stderr,
		      "\n  the last image's log: from checkpoint %" PRIu64 " (commit %" PRIu64 ") to commit %" PRIu64
		      ", its chain ends at %" PRIu64,
		      c->headers[0], c->headers[1], c->chain_seq, c->chain_end);
	(void)fprintf(stderr, "\n  after %" PRIu64 " images", c->tally.images);
	(void)fprintf(stderr, "\n  again: GKV_TEST_SEED=%" PRIu64 " GKV_CRASH_ONLY='%s:%u:%u:%u'\n", c->seed,
		      c->workload->name, c->run, c->cut, c->image);
	_Exit(EXIT_FAILURE);
}

/* --- one image ---------------------------------------------------------------------------------------------------- */

static int finding_print(void *arg, const char *finding)
{
	(void)arg;
	(void)fprintf(stderr, "  finding: %s\n", finding);
	return 0;
}

void state_read(struct life *l, arena *a, arena_txn *txn, struct state *out)
{
	arena_txn *own = NULL;
	struct arena_blob blob;
	arena_walk *walk;
	vpos name;
	int r = 0;

	memset(out, 0, sizeof *out);
	if (txn == NULL)
		r = arena_begin(a, ARENA_READ, &own);
	if (r == 0)
		r = arena_walk_open(txn == NULL ? own : txn, &walk);
	if (r != 0)
		crash_fail(l, "cannot read: %s", gravity_strerror(r));
	while ((r = arena_walk_next(walk, &name, &blob)) == 0) {
		const char *wrong = model_take(&l->model, out, name, &blob);
		if (wrong != NULL)
			crash_fail(l, "%s: name %016" PRIx64 ", value %u, %" PRIu64 " bytes", wrong, name.bits,
				   (unsigned)blob.aux, blob.size);
	}
	if (r != GRAVITY_NOTFOUND)
		crash_fail(l, "reading all records: %s", gravity_strerror(r));
	arena_walk_close(walk);
	arena_abort(own);
}

static struct arena_options image_options(struct life *l, struct sim *s)
{
	const struct workload *w = l->crash->workload;

	return (struct arena_options){.os = &s->os,
				      .kind = ARENA_KEYED,
				      .flags = GRAVITY_NOCREATE,
				      .checkpoint_bytes = w->checkpoint_bytes,
				      .max_bytes = w->max_bytes,
				      .planner = w->planner};
}

static uint32_t state_match(struct life *l, const struct state *got, uint32_t first)
{
	const struct model *m = &l->model;
	uint32_t nearest = first, least = UINT32_MAX, where = 0;

	for (uint32_t i = m->count; i-- > first;) {
		uint32_t differ = 0, last = 0;
		if (memcmp(m->state[i].value, got->value, sizeof got->value) == 0)
			return i;
		for (uint32_t k = 0; k < m->names; k++) {
			last = m->state[i].value[k] != got->value[k] ? k : last;
			differ += m->state[i].value[k] != got->value[k];
		}
		if (differ < least) {
			least = differ;
			nearest = i;
			where = last;
		}
	}
	for (uint32_t i = 0; i < first; i++)
		if (memcmp(m->state[i].value, got->value, sizeof got->value) == 0)
			crash_fail(l, "opens at commit %u of 0..%u, which is older than %u", i, m->count - 1, first);
	crash_fail(
		l,
		"opens at no commit of %u..%u: %u records differ from the nearest, %u: record %u has value %u, not %u",
		first, m->count - 1, least, nearest, where, got->value[where], m->state[nearest].value[where]);
}

static void image_checked(struct life *l, int r, const char *what)
{
	if (r == 0)
		return;
	image_keep(&l->crash->leaf);
	crash_fail(l, "%s: %s", what, gravity_strerror(r));
}

uint32_t image_check(struct life *l, uint32_t first)
{
	struct crash *c = l->crash;
	const struct arena_options o = image_options(l, &c->leaf);
	struct state got;
	uint32_t index;
	arena *a;

	image_checked(l, arena_check(PATH, &o, NULL, NULL, finding_print, NULL), "check");
	image_checked(l, arena_open(PATH, &o, &a), "open");
	c->tally.replayed += a->b->replayed_count > 0;
	c->tally.replayed_blobs += a->b->blobs;
	tally_image(l, a);
	state_read(l, a, NULL, &got);
	index = state_match(l, &got, first);
	c->tally.older += index + 1 < l->model.count;
	image_checked(l, arena_check_live(a, finding_print, NULL), "check of the open store");
	if ((sim_random(&c->leaf.random) & 15) == 0) {
		image_checked(l, arena_close(a), "close");
		image_checked(l, arena_check(PATH, &o, NULL, NULL, finding_print, NULL), "check after a close");
	}
	sim_kill(&c->leaf);
	return index;
}

/* --- many images -------------------------------------------------------------------------------------------------- */

/* False: it was there already. */
static bool set_add(struct set *s, uint64_t key)
{
	uint64_t i;

	key += key == 0;
	if (2 * (s->count + 1) > s->capacity) {
		const struct set old = *s;
		s->capacity = old.capacity == 0 ? 65536 : 2 * old.capacity;
		s->slot = calloc(s->capacity, sizeof *s->slot);
		s->count = 0;
		if (s->slot == NULL)
			abort();
		for (i = 0; i < old.capacity; i++)
			if (old.slot[i] != 0)
				(void)set_add(s, old.slot[i]);
		free(old.slot);
	}
	for (i = key & (s->capacity - 1); s->slot[i] != 0; i = (i + 1) & (s->capacity - 1))
		if (s->slot[i] == key)
			return false;
	s->slot[i] = key;
	s->count++;
	return true;
}

/* The image goes on as a store of its own: some rounds of work, each cut short, most often while it recovers. */
static void image_live(struct life *l, const struct sim *image, uint32_t index, uint64_t seed)
{
	struct life twig;

	sim_copy(image, &l->crash->twig);
	l->crash->twig.random = seed;
	life_begin(&twig, l->crash, &l->crash->twig, seed);
	twig.model.state[0] = l->model.state[index];
	twig.model.next_value = l->model.next_value;
	twig.random = l->model.state[index].random;
	twig.model.made = true;
	twig.cut = l->cut;
	for (unsigned i = 0; i < 3; i++)
		life_round(&twig);
	life_end(&twig);
	l->crash->tally.nested++;
}

static void image_do(struct life *l, uint32_t first, uint64_t seed)
{
	struct crash *c = l->crash;
	const bool lives = (seed & 31) == 0;
	const uint64_t hash = sim_hash(&c->leaf);
	uint32_t index;

	c->tally.images++;
	c->tally.distinct += set_add(&c->seen, hash);
	/* The same image may have to be newer than when it was seen before. */
	if (!set_add(&c->done, hash ^ mix64((uint64_t)first << 32 | l->model.count)))
		return;
	if (sim_find(&c->leaf, PATH) == NULL) {
		if (l->model.made)
			crash_fail(l, "the store is gone");
		c->tally.absent++;
		return;
	}
	c->leaf.random = seed;
	if (lives)
		sim_copy(&c->leaf, &c->twig);
	index = image_check(l, first);
	if (!lives)
		return;
	sim_copy(&c->twig, &c->leaf);
	image_live(l, &c->leaf, index, seed);
}

static struct sim_cut cut_choose(uint64_t *random)
{
	static const uint32_t of_16[] = {1, 2, 4, 8, 8, 12, 14, 15};
	struct sim_cut cut = {.random = sim_random(random)};
	const uint64_t pick = sim_random(random);

	cut.style = (pick & 15) < 1 ? SIM_NONE : (pick & 15) < 2 ? SIM_ALL : (enum sim_style)(SIM_MOMENT + (pick & 3));
	cut.of_16 = of_16[pick >> 8 & 7];
	cut.mixed = (pick >> 16 & 3) == 0;
	return cut;
}

/* Calls before which memory may differ from what it was at the call before, in a way that matters. */
static uint32_t images_at(const struct life *l, enum sim_call call, uint64_t random)
{
	const bool moved = l->a != NULL && l->a->b->compaction_steps > l->steps_seen;

	/* Large stores are cut at few of the many places, and wherever something was moved. */
	if (l->crash->workload->share != 0 && random % 32 >= 4 && !moved)
		return 0;
	switch (call) {
	case SIM_SYNC_RANGE:
	case SIM_SYNC:
		return 2 * l->images;
	case SIM_STEP:
	case SIM_GROW:
	case SIM_TRUNCATE:
	case SIM_PUNCH:
	case SIM_PUSH:
	case SIM_PUBLISH:
	case SIM_UNLINK:
	case SIM_SYNC_DIR:
	case SIM_UNLOCK:
	case SIM_OPEN:
		return l->images;
	case SIM_ALLOC:
	case SIM_RANDOM:
		return random % 8 == 0 ? l->images : 0;
	default:
		return 0;
	}
}

void images_make(struct life *l, enum sim_call call, uint64_t offset)
{
	struct crash *c = l->crash;
	uint64_t random = mix64(c->seed) ^ mix64((uint64_t)c->run << 32 | l->cut);
	const uint32_t images = images_at(l, call, sim_random(&random));

	if (c->only && (c->run != c->only_run || l->cut != c->only_cut))
		return;
	c->cut = l->cut;
	c->tally.cuts += images > 0;
	if (images > 0)
		tally_stage(l, call, offset);
	for (c->image = 0; c->image < images; c->image++) {
		const struct sim_cut cut = cut_choose(&random);
		const uint64_t seed = sim_random(&random);
		if (c->only && c->image != c->only_image)
			continue;
		c->tally.style[cut.style]++;
		sim_cut(l->sim, &cut, &c->leaf);
		image_do(l, l->model.first, seed);
	}
	if (images == 0 || (c->only && c->image != c->only_image))
		return;
	/* Killed at this instant: everything is in the file. */
	c->tally.kills++;
	sim_copy(l->sim, &c->leaf);
	image_do(l, l->model.count - 1 - l->model.inflight, sim_random(&random));
}

/* --- many runs ---------------------------------------------------------------------------------------------------- */

void crash_begin(struct crash *c, const struct workload *w, uint64_t seed)
{
	const char *only = getenv("GKV_CRASH_ONLY");
	char name[32] = "";

	memset(c, 0, sizeof *c);
	c->workload = w;
	c->seed = seed;
	c->trace = getenv("GKV_CRASH_TRACE") != NULL;
	c->only =
		only != NULL && sscanf(only, "%31[^:]:%u:%u:%u", name, &c->only_run, &c->only_cut, &c->only_image) == 4;
	sim_init(&c->leaf, false, 0);
	sim_init(&c->twig, true, 0);
}

void crash_end(struct crash *c)
{
	sim_release(&c->leaf);
	sim_release(&c->twig);
	free(c->seen.slot);
	free(c->done.slot);
}

void crash_run(struct crash *c)
{
	const uint64_t run = mix64(c->run + UINT64_C(0x100000000));
	const uint64_t seed = mix64(c->seed) ^ run ^ (uint64_t)c->workload->name[0] << 8;
	struct sim sim;
	struct life life;

	sim_init(&sim, true, mix64(seed));
	life_begin(&life, c, &sim, seed);
	life.images = c->workload->images;
	for (uint32_t i = 0; i < c->workload->rounds; i++)
		life_round(&life);
	life_end(&life);
	sim_release(&sim);
}
