/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_crash_kv.c: keys and values on the simulated machine, through gkv.h: long keys, keys of one hash with their markers
 * and the list of strays, values larger than a window, backups. Whatever a power cut, a kill or a failing call leaves is the
 * store after some commit, no older than the last one that was promised.
 *
 * The model's names are keys and its values begin with their number. GKV_TEST_SEED sets the seed, which is printed, and
 * GKV_TEST_SCALE multiplies the runs. */
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvstore/kv.h"
#include "tests/crash/model.h"
#include "tests/crash/sim_os.h"
#include "tests/testing.h"

#define PATH       "store"
#define COPY       "copy"
#define KEYS       40u
#define VALUE_MOST 150000u /* more than two windows */
#define WAITING    20u     /* lazy commits in a row */
#define RUNS_MOST  20u     /* until a process has died */

struct life {
	struct sim sim, leaf;
	struct model model;
	gkv *db;
	uint64_t random, fate;
	uint64_t crash_in;   /* calls until the process dies; 0: it does not */
	uint32_t images;     /* at each call */
	bool lenient;        /* calls fail   */
	struct state copied; /* what the backup under way, or done, holds */
	bool copying, copy_promised;
	jmp_buf end;
};

/* Of all runs. */
static struct {
	uint64_t images, older, strays, large, copies, absent, leftovers, errors, crashes;
} seen;

static uint32_t below(struct life *l, uint32_t end)
{
	return (uint32_t)(sim_random(&l->random) >> 32) % end;
}

/* Some empty, some short, some longer than a sector. */
static size_t key_make(uint32_t index, char key[1200])
{
	const size_t length = index == 0 ? 0 : index % 8 == 3 ? 600 + 10 * index : 4 + index % 30;

	memset(key, 'a' + (int)(index % 26), length);
	if (length >= 4)
		(void)memcpy(key, &(uint32_t){index}, 4);
	return length;
}

static uint64_t value_size(const struct model *m, uint32_t value)
{
	return 8 + model_size(m, value);
}

/* --- what a store holds ------------------------------------------------------------------------------------------- */

static void record_take(struct life *l, struct state *out, uint32_t index, gkv_bytes value)
{
	static uint8_t want[VALUE_MOST + 64];
	uint64_t first = 0;
	uint32_t number;

	must(value.size >= 8 && value.size <= VALUE_MOST + 8);
	memcpy(&first, value.data, 8);
	number = (uint32_t)first;
	must(first >> 32 == index && number > 0 && number < l->model.next_value);
	must(value.size == value_size(&l->model, number));
	model_fill(want, value.size, index, number);
	must(memcmp(want, value.data, value.size) == 0);
	out->value[index] = number;
	seen.large += value.size > 64 * KIB;
}

/* By look-up and by iteration, which must agree. */
static void state_read(struct life *l, gkv *db, struct state *out)
{
	struct arena_stats blobs;
	gkv_bytes key, value;
	gkv_stats stats;
	gkv_iter *it;
	gkv_txn *t;
	uint32_t count = 0, met = 0;
	int r;

	memset(out, 0, sizeof *out);
	must_give(gkv_begin(db, GKV_READ, &t), GKV_OK);
	for (uint32_t i = 0; i < KEYS; i++) {
		char text[1200];
		const size_t length = key_make(i, text);
		r = gkv_txn_get(t, text, length, &value);
		must(r == GKV_OK || r == GKV_NOTFOUND);
		if (r == GKV_OK)
			record_take(l, out, i, value);
		count += r == GKV_OK;
	}
	must_give(gkv_iter_open(t, &it), GKV_OK);
	while ((r = gkv_iter_next(it, &key, &value)) == GKV_OK)
		met++;
	must_give(r, GKV_NOTFOUND);
	must(met == count);
	gkv_iter_close(it);
	gkv_abort(t);
	must_give(gkv_stat(db, &stats), GKV_OK);
	must(stats.records == count);
	must_give(arena_stat(kv_arena(db), &blobs), 0);
	seen.strays += blobs.blobs > stats.records;
}

static bool state_same(const struct state *s, const struct state *t)
{
	return memcmp(s->value, t->value, sizeof s->value) == 0;
}

static int finding_print(void *arg, const char *finding)
{
	(void)arg;
	(void)fprintf(stderr, "finding: %s\n", finding);
	return 0;
}

/* Opens what is in the leaf, under that name, and reads it. */
static void image_read(struct life *l, const char *path, struct state *out)
{
	const gkv_options options = {.flags = GKV_NOCREATE};
	gkv *db;

	os_set_default(&l->leaf.os);
	must_give(gkv_check(path, finding_print, NULL), GKV_OK);
	must_give(gkv_open(path, &options, &db), GKV_OK);
	state_read(l, db, out);
	os_set_default(&l->sim.os);
	sim_kill(&l->leaf);
}

/* The store in the leaf is at one of the states from `first` on: which. */
static uint32_t image_check(struct life *l, uint32_t first)
{
	const struct model *m = &l->model;
	struct state got;

	seen.images++;
	image_read(l, PATH, &got);
	for (uint32_t i = m->count; i-- > first;) {
		if (!state_same(&m->state[i], &got))
			continue;
		seen.older += i + 1 < m->count;
		return i;
	}
	testing_must(false, "the store is at a commit that it may be at", __FILE__, __LINE__);
	return 0;
}

/* A backup is there whole or not at all, and there once it was promised. */
static void copy_check(struct life *l)
{
	struct state got;

	if (sim_find(&l->leaf, COPY) == NULL) {
		must(!l->copy_promised);
		return;
	}
	must(l->copying || l->copy_promised);
	image_read(l, COPY, &got);
	must(state_same(&got, &l->copied));
	seen.copies++;
}

static void image_judge(struct life *l, uint32_t first)
{
	uint64_t left = 0;

	for (unsigned i = 0; i < SIM_FILES; i++)
		left += strstr(sim_entry_name(&l->leaf.entry[i]), ".new-") != NULL;
	must(left == 0 || l->sim.named);
	seen.leftovers += left;
	if (sim_find(&l->leaf, PATH) == NULL) {
		must(!l->model.made);
		seen.absent++;
		return;
	}
	(void)image_check(l, first);
	copy_check(l);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static struct sim_cut cut_choose(uint64_t *random)
{
	const uint64_t pick = sim_random(random);

	return (struct sim_cut){.style = (enum sim_style)(pick % SIM_STYLES),
				.of_16 = 1 + (uint32_t)(pick >> 8) % 15,
				.mixed = (pick >> 16 & 3) == 0,
				.random = sim_random(random)};
}

static void life_call(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes)
{
	struct life *l = arg;
	const uint64_t fail_at = l->sim.fail_at;

	(void)offset;
	(void)bytes;
	if (l->images > 0 && call != SIM_CLOCK && call != SIM_FREE && call != SIM_ADVISE && call != SIM_SIZE &&
	    (call != SIM_ALLOC || sim_random(&l->fate) % 16 == 0) && sim_random(&l->fate) % 2 == 0) {
		l->sim.fail_at = 0;
		for (uint32_t i = 0; i < l->images; i++) {
			const struct sim_cut cut = cut_choose(&l->fate);
			sim_cut(&l->sim, &cut, &l->leaf);
			image_judge(l, l->model.first);
		}
		sim_copy(&l->sim, &l->leaf);
		image_judge(l, l->model.count - 1 - l->model.inflight);
		l->sim.fail_at = fail_at;
	}
	if (l->crash_in > 0 && --l->crash_in == 0)
		longjmp(l->end, 1);
}

/* Whether it succeeded. A failing call gives its own code, or that of a handle whose flush failed. */
static bool expect(struct life *l, int r)
{
	if (r == GKV_OK)
		return true;
	must(l->lenient && l->sim.failed > 0);
	must(r == l->sim.fail_code || r == ENOMEM || (r == GKV_FAILED && l->sim.flush_failed));
	seen.errors++;
	return false;
}

/* --- work --------------------------------------------------------------------------------------------------------- */

static void op_do(struct life *l, gkv_txn *t, struct state *now)
{
	static uint8_t value[VALUE_MOST + 64];
	const uint32_t index = below(l, KEYS), number = l->model.next_value;
	const uint64_t size = value_size(&l->model, number);
	char key[1200];
	const size_t length = key_make(index, key);
	void *room;
	int r;

	model_fill(value, size, index, number);
	switch (below(l, 8)) {
	case 0:
	case 1:
		r = gkv_txn_del(t, key, length);
		must(r != GKV_NOTFOUND || now->value[index] == 0);
		if (r == GKV_NOTFOUND || !expect(l, r))
			return;
		now->value[index] = 0;
		return;
	case 2:
		r = gkv_txn_add(t, key, length, value, size);
		must((r == GKV_EXISTS) == (now->value[index] != 0) || l->lenient);
		if (r == GKV_EXISTS)
			return;
		break;
	case 3:
		r = gkv_txn_reserve(t, key, length, size, &room);
		if (r == GKV_OK)
			memcpy(room, value, size);
		break;
	default:
		r = gkv_txn_put(t, key, length, value, size);
		break;
	}
	if (!expect(l, r))
		return;
	now->value[index] = number;
	l->model.next_value++;
}

static void txn_do(struct life *l, bool durable)
{
	const uint32_t ops = 1 + below(l, 6);
	struct model *m = &l->model;
	struct state now;
	gkv_txn *t;
	int r;

	if (!expect(l, gkv_begin(l->db, GKV_WRITE | (durable ? GKV_DURABLE_COMMIT : GKV_LAZY_COMMIT), &t)))
		return;
	now = *model_newest(m);
	for (uint32_t i = 0; i < ops; i++)
		op_do(l, t, &now);
	if (below(l, 8) == 0) {
		gkv_abort(t);
		return;
	}
	*model_next(m) = now;
	m->inflight = true;
	r = gkv_commit(t);
	if (!expect(l, r) && l->sim.flush_failed)
		return; /* unknown whether it happened */
	m->inflight = false;
	if (r != GKV_OK)
		model_drop(m);
	else if (durable)
		model_acknowledge(m, m->count - 1);
}

static void backup_do(struct life *l)
{
	int r;

	if (sim_find(&l->sim, COPY) != NULL) {
		must(!l->copy_promised || gkv_backup(l->db, COPY, NULL, NULL) != GKV_OK);
		return;
	}
	l->copied = *model_newest(&l->model);
	l->copying = true;
	r = gkv_backup(l->db, COPY, NULL, NULL);
	l->copying = false;
	if (expect(l, r))
		l->copy_promised = true;
	else
		must(sim_find(&l->sim, COPY) == NULL || l->sim.failed > 1);
	l->copying = !l->copy_promised && sim_find(&l->sim, COPY) != NULL;
}

static void work_do(struct life *l)
{
	struct model *m = &l->model;
	const uint32_t newest = m->count - 1;
	const uint32_t pick = below(l, 24);

	if (m->inflight)
		return; /* its flush failed: nothing is written any more */
	if (pick == 0 || m->count - m->first > WAITING) {
		if (expect(l, gkv_sync(l->db)))
			model_acknowledge(m, newest);
	} else if (pick == 1) {
		if (expect(l, gkv_checkpoint(l->db)))
			model_acknowledge(m, newest);
	} else if (pick == 2) {
		(void)expect(l, gkv_compact(l->db, NULL, NULL));
	} else if (pick == 3) {
		backup_do(l);
	} else {
		txn_do(l, pick % 3 == 0);
	}
	sim_step(&l->sim);
}

static bool store_begin_life(struct life *l)
{
	const gkv_options options = {.durability = GKV_LAZY, .checkpoint_bytes = 200000};
	struct state got;
	const uint64_t fail_at = l->sim.fail_at;

	os_set_default(&l->sim.os);
	l->sim.flush_failed = false;
	l->db = NULL;
	if (!expect(l, gkv_open(PATH, &options, &l->db)))
		return false;
	l->model.made = true;
	l->sim.fail_at = 0;
	state_read(l, l->db, &got);
	l->sim.fail_at = fail_at;
	must(state_same(&got, model_newest(&l->model)));
	return true;
}

/* Works, and closes or dies. */
static void round_do(struct life *l, uint32_t work)
{
	if (setjmp(l->end) != 0) {
		seen.crashes++;
		return;
	}
	if (!store_begin_life(l))
		return;
	for (uint32_t i = 0; i < work; i++)
		work_do(l);
	if (below(l, 2) == 0 && expect(l, gkv_close(l->db)))
		model_acknowledge(&l->model, l->model.count - 1);
	sim_step(&l->sim);
}

/* The process is gone; perhaps with the power. What is left is where the next one begins. */
static void after_round(struct life *l, bool power)
{
	const struct sim_cut cut = cut_choose(&l->fate);
	struct model *m = &l->model;

	l->db = NULL;
	sim_kill(&l->sim);
	if (power)
		sim_cut(&l->sim, &cut, &l->leaf);
	else
		sim_copy(&l->sim, &l->leaf);
	sim_copy(&l->leaf, &l->sim);
	if (sim_find(&l->sim, PATH) == NULL) {
		must(!m->made);
		return;
	}
	copy_check(l);
	sim_copy(&l->sim, &l->leaf);
	model_settle(m, image_check(l, power ? m->first : m->count - 1 - m->inflight), power);
	m->made = true;
	l->sim.hook = NULL;
	/* What a killed backup has left, and the backup itself, make room for the next one. */
	for (unsigned i = 0; i < SIM_FILES; i++) {
		const struct sim_entry *e = &l->sim.entry[i];
		if (e->names > 0 && strcmp(e->name[e->names - 1], PATH) != 0)
			(void)l->sim.os.unlink(&l->sim.os, e->name[e->names - 1]);
	}
	(void)l->sim.os.sync_dir(&l->sim.os, OS_NOFILE, PATH);
	l->sim.hook = life_call;
	l->copying = l->copy_promised = false;
}

static void life_begin(struct life *l, uint64_t seed)
{
	memset(l, 0, sizeof *l);
	l->random = seed;
	l->fate = seed ^ UINT64_C(0x5555);
	sim_init(&l->sim, true, seed + 1);
	sim_init(&l->leaf, false, seed + 2);
	model_init(&l->model, KEYS, VALUE_MOST);
	l->sim.hook = life_call;
	l->sim.hook_arg = l;
}

static void life_end(struct life *l)
{
	os_set_default(NULL);
	sim_release(&l->sim);
	sim_release(&l->leaf);
	model_release(&l->model);
}

static void seen_print(const char *what)
{
	printf("%s: %llu images (%llu with strays, %llu large values), %llu at an older commit, %llu without a store; %llu "
	       "backups whole, %llu files left beside; %llu deaths, %llu errors\n",
	       what, (unsigned long long)seen.images, (unsigned long long)seen.strays, (unsigned long long)seen.large,
	       (unsigned long long)seen.older, (unsigned long long)seen.absent, (unsigned long long)seen.copies,
	       (unsigned long long)seen.leftovers, (unsigned long long)seen.crashes, (unsigned long long)seen.errors);
}

/* Whatever a power cut or a kill leaves is the store after some commit, and a backup is there whole or not at all. */
START_TEST(keys_and_values_outlast_power_cuts)
{
	static struct life l;
	struct rng r = rng_make(70);
	const uint64_t runs = testing_count(6, 2);

	memset(&seen, 0, sizeof seen);
	/* Two runs alone meet no death once in some hundred seeds (1138 is one). */
	for (uint64_t run = 0; run < runs || (seen.crashes == 0 && run < RUNS_MOST); run++) {
		life_begin(&l, rng_next(&r));
		l.sim.named = run % 2 != 0;
		l.images = 1;
		for (unsigned round = 0; round < 6; round++) {
			l.crash_in =
				sim_random(&l.fate) % 4 == 0 ? 0 : 1 + sim_random(&l.fate) % (round == 0 ? 80 : 900);
			round_do(&l, 16);
			l.crash_in = 0;
			after_round(&l, round % 3 != 0);
		}
		life_end(&l);
	}
	seen_print(testing_few() ? "keys of few hashes" : "keys");
	must(seen.older > 0 && seen.absent > 0 && seen.large > 0 && seen.copies > 0 && seen.crashes > 0);
	must(seen.leftovers > 0 && (seen.strays > 0) == testing_few());
}
END_TEST

/* The n-th call of the system, an allocation among them, fails, once or for ever: an answer that says so, and what was
 * promised is there. */
START_TEST(keys_and_values_outlast_failing_calls)
{
	static struct life l;
	static const int codes[] = {EIO, ENOSPC, ENOMEM};
	const uint64_t step = 3;
	uint64_t n, met = 1;

	memset(&seen, 0, sizeof seen);
	for (n = 1 + (uint64_t)_i; met > 0; n += step) {
		life_begin(&l, rng_make(71).state);
		l.sim.named = n % 2 != 0;
		l.lenient = true;
		l.sim.fail_at = n;
		l.sim.fail_code = codes[n / step % 3];
		l.sim.fail_always = n / step % 2 != 0;
		l.sim.fail_loses = true;
		for (unsigned session = 0; session < 2; session++) {
			if (store_begin_life(&l)) {
				for (unsigned i = 0; i < 20; i++)
					work_do(&l);
				if (expect(&l, gkv_close(l.db)))
					model_acknowledge(&l.model, l.model.count - 1);
			}
			if (l.model.inflight)
				break;
		}
		met = l.sim.failed;
		must(l.sim.block_count == 0);
		must(l.sim.flushes_after == 0);
		for (unsigned i = 0; i < SIM_FDS; i++)
			must(!l.sim.fd[i].open);
		l.sim.fail_at = 0;
		after_round(&l, false);
		l.lenient = false;
		must(store_begin_life(&l));
		txn_do(&l, true);
		after_round(&l, true);
		life_end(&l);
	}
	seen_print("failing calls");
	must(n > 100 && seen.errors > n / 8);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("crash kv");
	TCase *tc;

	testing_add_both(suite, "cuts", TESTS(keys_and_values_outlast_power_cuts));
	tc = testing_case(suite, "faults", true);
	tcase_add_loop_test(tc, keys_and_values_outlast_failing_calls, 0, 3);
	return testing_main(suite);
}
