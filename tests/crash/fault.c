/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fault.c owns the fault matrix: the n-th call fails, once or for ever, for n = 1, 2, ... until a run meets no failure.
 *
 * 1. A failure gives an error code; what was acknowledged is there afterwards, the handle can be closed, and nothing that
 *    it held is left.
 * 2. After a flush that failed, some of its pages seem clean and are not on the disk. Whoever opens the store then, in the
 *    same boot, sees them, and what is acknowledged from then on outlasts a power cut all the same. */
#include "tests/crash/crash.h"

#include <errno.h>
#include <string.h>

#define PATH        "store"
#define WORK_BEFORE 24u
#define WORK_AFTER  4u
#define IMAGES_OF   4u /* runs, one is cut after it was opened again; and each in which a flush failed */

static void leak_check(struct life *l)
{
	const struct sim *s = l->sim;

	for (unsigned i = 0; i < SIM_FDS; i++)
		if (s->fd[i].open)
			crash_fail(l, "descriptor %u is left open", i);
	for (unsigned i = 0; i < SIM_MAPS; i++)
		if (s->map[i].base != NULL)
			crash_fail(l, "%llu bytes are left mapped", (unsigned long long)s->map[i].bytes);
	if (s->flushes_after != 0)
		crash_fail(l, "%llu flushes after one that failed", (unsigned long long)s->flushes_after);
	if (s->block_count != 0)
		crash_fail(l, "%llu pieces of memory are left", (unsigned long long)s->block_count);
}

/* Two sessions of work, in which one call or all calls from some one on fail. */
static void work_with_faults(struct life *l)
{
	l->lenient = true;
	for (unsigned session = 0; session < 2; session++) {
		life_open(l);
		for (unsigned i = 0; i < WORK_BEFORE; i++)
			life_work(l);
		life_close(l);
		if (l->model.inflight)
			break;
	}
	leak_check(l);
	l->sim->fail_at = 0;
	l->lenient = false;
}

/* The process is there no more, the machine still is: all that was committed shows. */
static void open_in_same_boot(struct life *l, bool cut)
{
	struct model *m = &l->model;

	sim_kill(l->sim);
	sim_copy(l->sim, &l->crash->leaf);
	if (sim_find(&l->crash->leaf, PATH) != NULL)
		model_settle(m, image_check(l, m->count - 1 - m->inflight), false);
	else if (m->made)
		crash_fail(l, "the store is gone");
	l->images = cut ? l->crash->workload->images : 0;
	life_open(l);
	for (unsigned i = 0; i < WORK_AFTER; i++)
		life_work(l);
	life_txn(l, true);
}

bool fault_run(struct crash *c, uint64_t n, int code, bool always)
{
	struct sim sim;
	struct life l;
	bool met;

	c->run = (uint32_t)n;
	c->cut = 0;
	sim_init(&sim, true, mix64(c->seed));
	life_begin(&l, c, &sim, mix64(c->seed + 1));
	sim.fail_at = n;
	sim.fail_code = code;
	sim.fail_always = always;
	sim.fail_loses = true;
	work_with_faults(&l);
	met = sim.failed > 0;
	c->tally.errors += l.errors;
	c->tally.faults += met;
	open_in_same_boot(&l, n % IMAGES_OF == 0 || l.sim->flush_failed);
	life_end(&l);
	sim_release(&sim);
	return met;
}
