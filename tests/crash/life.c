/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* life.c owns the life of one store: the work that is done on it, how each round of it ends, and the model beside it.
 *
 * 1. The model's newest state is what the handle shows outside a commit.
 * 2. A state is acknowledged only after the library has promised it: a durable commit, sync, checkpoint or close that
 *    returned 0.
 * 3. All that happens follows from the life's own random numbers. */
#include "arena/arena.h"
#include "arena/log/session.h"
#include "tests/crash/crash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATH         "store"
#define WAITING_MOST 24u /* lazy commits in a row; keeps the model short */

static uint32_t below(struct life *l, uint32_t end)
{
	return (uint32_t)(sim_random(&l->random) >> 32) % end;
}

static uint32_t fate_below(struct life *l, uint32_t end)
{
	return (uint32_t)(sim_random(&l->fate) >> 32) % end;
}

static const struct workload *work_of(const struct life *l)
{
	return l->crash->workload;
}

/* While a checkpoint's pages are being pushed the writer's lock is free: another thread may commit. Where there may be
 * no room it would wait for the checkpoint's end, which this thread cannot. */
static void life_beside(struct life *l)
{
	const struct workload *w = work_of(l);
	const enum stage stage = l->stage;
	const bool limited = w->max_bytes != 0 || w->capacity != 0 || (l->lenient && l->sim->fail_code == ENOSPC);

	if (limited || l->beside || l->a == NULL || l->a->checkpoint.state != CHECKPOINT_PUSHING ||
	    l->a->writer_owner != 0 || arena_failed(l->a) || fate_below(l, 2) == 0)
		return;
	l->beside = true;
	l->model.inflight = false; /* what the checkpoint's own thread has committed shows already */
	life_txn(l, fate_below(l, 3) == 0);
	l->crash->tally.beside++;
	l->beside = false;
	l->stage = stage;
}

/* At every call of the library. */
static void life_call(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	struct life *l = arg;

	l->cut++;
	/* The handle's own memory goes next. */
	if (l->stage == STAGE_CLOSE && call == SIM_UNMAP)
		l->a = NULL;
	if (l->crash->trace && (call < SIM_CLOCK))
		(void)fprintf(stderr, "%s%u %s in %s: %llu, %llu bytes\n", l->images > 0 ? "" : "    ", l->cut,
			      sim_call_names[call], stage_names[l->stage], (unsigned long long)offset,
			      (unsigned long long)bytes);
	if (l->images > 0)
		images_make(l, call, offset);
	if (l->crash_in > 0 && --l->crash_in == 0)
		longjmp(l->end, 1);
	if (call == SIM_PUSH)
		life_beside(l);
}

void life_begin(struct life *l, struct crash *c, struct sim *sim, uint64_t seed)
{
	memset(l, 0, sizeof *l);
	l->crash = c;
	l->sim = sim;
	l->random = seed;
	l->fate = mix64(seed);
	model_init(&l->model, c->workload->names, c->workload->size_most);
	sim->capacity = c->workload->capacity != 0 ? c->workload->capacity : UINT64_MAX;
	sim->hook = life_call;
	sim->hook_arg = l;
}

void life_end(struct life *l)
{
	l->sim->hook = NULL;
	l->crash->tally.stale += l->sim->stale;
	l->sim->stale = 0;
	sim_kill(l->sim);
	model_release(&l->model);
}

/* Where the workload has a limit, the want of space is an answer. */
static bool space_wanted(const struct life *l, int r)
{
	const struct workload *w = work_of(l);

	const bool wanted = (r == GRAVITY_FULL && w->max_bytes != 0) || (r == ENOSPC && w->capacity != 0);

	l->crash->tally.wanted += wanted;
	return wanted;
}

/* Whether a failing call may have had that answer: its own code, or that of a handle whose flush failed. */
static bool fault_code(const struct life *l, int r)
{
	const struct sim *s = l->sim;

	return r == s->fail_code || r == ENOMEM || (r == GRAVITY_FAILED && s->flush_failed);
}

/* Whether it succeeded. */
static bool expect(struct life *l, int r, const char *what)
{
	if (r == 0)
		return true;
	if (!l->lenient || l->sim->failed == 0 || !fault_code(l, r))
		crash_fail(l, "%s: %s", what, gravity_strerror(r));
	l->errors++;
	return false;
}

static void compare(struct life *l, arena_txn *txn, const struct state *want, const char *when)
{
	const uint64_t fail_at = l->sim->fail_at;
	struct state got;

	l->sim->fail_at = 0;
	state_read(l, l->a, txn, &got);
	l->sim->fail_at = fail_at;
	for (uint32_t i = 0; i < l->model.names; i++)
		if (got.value[i] != want->value[i])
			crash_fail(l, "%s: record %u has value %u, not %u", when, i, got.value[i], want->value[i]);
}

void life_open(struct life *l)
{
	const struct workload *w = work_of(l);
	const struct arena_options o = {.os = &l->sim->os,
					.kind = ARENA_KEYED,
					.checkpoint_bytes = w->checkpoint_bytes,
					.max_bytes = w->max_bytes,
					.planner = w->planner,
					.durability = GRAVITY_LAZY,
					.seed = 7};

	l->stage = l->model.made ? STAGE_OPEN : STAGE_CREATE;
	l->session = false;
	l->header_seen = l->count_seen = l->steps_seen = l->state_seen = 0;
	l->sim->flush_failed = false;
	if (!expect(l, arena_open(PATH, &o, &l->a), "open"))
		return;
	l->model.made = true;
	compare(l, NULL, model_newest(&l->model), "after open");
}

static void reader_end(struct life *l)
{
	if (l->reader == NULL)
		return;
	compare(l, l->reader, &l->reader_state, "in a snapshot");
	arena_abort(l->reader);
	l->reader = NULL;
}

static void life_reader(struct life *l)
{
	if (l->reader != NULL) {
		reader_end(l);
		return;
	}
	if (!expect(l, arena_begin(l->a, ARENA_READ, &l->reader), "begin to read"))
		return;
	l->reader_state = *model_newest(&l->model);
}

static void txn_put(struct life *l, arena_txn *t, uint32_t index)
{
	const uint32_t value = l->model.next_value++;
	const uint64_t size = model_size(&l->model, value);
	void *data;
	const int r = arena_put(t, model_name(index), value, size, &data);

	if (r != 0) {
		if (!space_wanted(l, r))
			(void)expect(l, r, "put");
		return;
	}
	sim_step(l->sim);
	model_fill(data, size, index, value);
	l->pending.value[index] = value;
}

static void txn_del(struct life *l, arena_txn *t, uint32_t index)
{
	const int r = arena_del(t, model_name(index));

	if ((r == 0 || r == GRAVITY_NOTFOUND) && (r == GRAVITY_NOTFOUND) != (l->pending.value[index] == 0))
		crash_fail(l, "delete of record %u, which has value %u: %s", index, l->pending.value[index],
			   gravity_strerror(r));
	if (r == 0)
		l->pending.value[index] = 0;
	else if (r != GRAVITY_NOTFOUND && !space_wanted(l, r))
		(void)expect(l, r, "delete");
}

static void txn_find(struct life *l, arena_txn *t, uint32_t index)
{
	struct arena_blob blob;
	const int r = arena_find(t, model_name(index), &blob);

	if (r != 0 && r != GRAVITY_NOTFOUND)
		crash_fail(l, "find: %s", gravity_strerror(r));
	if ((r == 0 ? blob.aux : 0) != l->pending.value[index])
		crash_fail(l, "record %u has another value than %u in its transaction", index, l->pending.value[index]);
}

static void txn_commit(struct life *l, arena_txn *t, bool durable)
{
	struct model *m = &l->model;
	const uint32_t index = m->count;
	int r;

	*model_next(m) = l->pending;
	model_newest(m)->random = l->random;
	model_newest(m)->next_value = m->next_value;
	m->inflight = true;
	l->stage = STAGE_COMMIT;
	r = arena_commit(t);
	if (r != 0 && !space_wanted(l, r) && !expect(l, r, "commit") && arena_failed(l->a))
		return; /* it stays unknown whether this one happened */
	m->inflight = false;
	if (r != 0) {
		model_drop(m);
	} else if (durable) {
		model_acknowledge(m, index);
	}
}

/* What follows is for a while the same work as after that moment, as of one who tries again what was lost: so its blobs
 * are those of the lost time, of which the file still holds more than was lost. */
static void work_again(struct life *l, uint64_t random, uint32_t next_value)
{
	l->random = random;
	l->model.next_value = next_value;
	l->again = true;
}

void life_txn(struct life *l, bool durable)
{
	const struct workload *w = work_of(l);
	const uint32_t ops = 1 + below(l, below(l, 8) == 0 ? w->ops_most : w->ops_most / 8 + 1);
	const bool purge = below(l, w->share != 0 ? 20 : 40) == 0;
	const uint64_t random = l->random;
	const uint32_t next_value = l->model.next_value;
	arena_txn *t;

	l->stage = l->session ? STAGE_WRITE : STAGE_SESSION;
	if (!expect(l, arena_begin(l->a, ARENA_WRITE | (durable ? ARENA_DURABLE_COMMIT : ARENA_LAZY_COMMIT), &t),
		    "begin"))
		return;
	l->session = true;
	l->stage = STAGE_WRITE;
	l->pending = *model_newest(&l->model);
	for (uint32_t i = 0; i < ops; i++) {
		const uint32_t index = below(l, l->model.names);
		if (below(l, 8) == 0)
			txn_find(l, t, index);
		if (purge || below(l, 16) < w->deleted)
			txn_del(l, t, index);
		else
			txn_put(l, t, index);
		sim_step(l->sim);
	}
	for (uint32_t i = 0; purge && i < l->model.names; i++)
		if (i % 4 != 0 && l->pending.value[i] != 0)
			txn_del(l, t, i);
	if (fate_below(l, 16) < w->aborted) {
		l->stage = STAGE_ABORT;
		sim_step(l->sim);
		arena_abort(t);
		if (fate_below(l, 2) == 0)
			work_again(l, random, next_value);
	} else {
		txn_commit(l, t, durable);
	}
	sim_step(l->sim);
}

static void life_sync(struct life *l)
{
	l->stage = STAGE_SYNC;
	if (!expect(l, arena_sync(l->a), "sync"))
		return;
	l->session = true;
	model_acknowledge(&l->model, l->model.count - 1);
}

static void life_checkpoint(struct life *l)
{
	const uint32_t index = l->model.count - 1;
	int r;

	l->stage = STAGE_CHECKPOINT;
	r = arena_checkpoint(l->a);
	l->session = true;
	if (r == 0)
		model_acknowledge(&l->model, index);
	else if (!space_wanted(l, r))
		(void)expect(l, r, "checkpoint");
}

static void life_compact(struct life *l, uint64_t want)
{
	int r;

	l->stage = want == 0 ? STAGE_COMPACT : STAGE_MAKE;
	l->planner = below(l, 2) == 0 ? GRAVITY_GRAVITY : GRAVITY_CHEAPEST;
	r = arena_compact(l->a, l->planner, want, NULL, NULL);
	l->session = true;
	/* A snapshot that stays open ends it. */
	if (r == GRAVITY_BUSY && l->reader != NULL)
		return;
	if (r != 0 && r != GRAVITY_FULL && !space_wanted(l, r))
		(void)expect(l, r, "compact");
}

static bool chance(uint32_t *pick, uint32_t of)
{
	if (*pick < of) {
		*pick = UINT32_MAX;
		return true;
	}
	if (*pick != UINT32_MAX)
		*pick -= of;
	return false;
}

void life_work(struct life *l)
{
	const struct workload *w = work_of(l);
	uint32_t pick;

	if (l->a == NULL || arena_failed(l->a))
		return;
	if (l->again && fate_below(l, 4) == 0) {
		l->random ^= sim_random(&l->fate);
		l->again = false;
	}
	pick = below(l, 256);
	if (chance(&pick, w->syncs) || l->model.count - l->model.first > WAITING_MOST)
		life_sync(l);
	else if (chance(&pick, w->checkpoints))
		life_checkpoint(l);
	else if (chance(&pick, w->compactions))
		life_compact(l, 0);
	else if (chance(&pick, w->makes))
		life_compact(l, 64 + below(l, 128 * 1024));
	else if (chance(&pick, w->readers))
		life_reader(l);
	else
		life_txn(l, below(l, 16) >= w->lazy);
}

void life_close(struct life *l)
{
	arena *a = l->a;

	if (a == NULL)
		return;
	reader_end(l);
	l->stage = STAGE_CLOSE;
	if (expect(l, arena_close(a), "close"))
		model_acknowledge(&l->model, l->model.count - 1);
	l->a = NULL;
	sim_step(l->sim);
}

/* The process is gone. What a power cut, or nothing but the kill, has left is where the next round begins. */
static void life_after(struct life *l, bool power)
{
	struct model *m = &l->model;
	struct sim_cut cut = {.random = sim_random(&l->fate)};
	const bool torn = (cut.random & 7) < 6;

	l->a = NULL;
	l->reader = NULL;
	l->beside = false;
	sim_kill(l->sim);
	/* Nobody waits for what the kernel writes after its process; the next one is told of a failure. */
	if (fate_below(l, 2) == 0)
		(void)sim_write_back(l->sim);
	if (power) {
		cut.style = torn ? SIM_SECTORS_TORN : SIM_PAGES;
		cut.of_16 = 1 + fate_below(l, 15);
		cut.mixed = fate_below(l, 2) != 0;
		sim_cut(l->sim, &cut, &l->crash->leaf);
		sim_copy(&l->crash->leaf, l->sim);
	} else {
		sim_copy(l->sim, &l->crash->leaf);
	}
	if (l->images > 0)
		l->crash->image = UINT32_MAX;
	if (sim_find(l->sim, PATH) == NULL) {
		if (m->made)
			crash_fail(l, "the store is gone");
		return;
	}
	model_settle(m, image_check(l, power ? m->first : m->count - 1 - m->inflight), power);
	m->made |= power; /* a kill may leave a name that is not on the disk yet */
	if (power && m->count > 1 && (work_of(l)->hasty || fate_below(l, 2) == 0))
		work_again(l, model_newest(m)->random, model_newest(m)->next_value);
}

void life_round(struct life *l)
{
	const struct workload *w = work_of(l);
	const uint32_t end = fate_below(l, 8);
	bool crashed = true;

	/* Often within the open or the first commits: recovery is cut short, again and again. */
	if (w->hasty)
		l->crash_in = 1 + fate_below(l, w->work * 20);
	else
		l->crash_in = end < 2 ? 0 : 1 + fate_below(l, end < 5 ? 60 : w->work * 40);
	if (setjmp(l->end) == 0) {
		life_open(l);
		for (uint32_t i = 0; i < w->work; i++)
			life_work(l);
		if (end < 2)
			life_close(l);
		crashed = false;
	}
	l->crash->tally.rounds++;
	l->crash->tally.crashes += crashed;
	l->crash_in = 0;
	life_after(l, w->hasty || fate_below(l, 2) == 0);
}
