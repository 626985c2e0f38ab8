/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_flips.c: every bit of three small stores, flipped one at a time, and of a deep one a sample. What each flip leads
 * to is computed from docs/format.md (anatomy.c), and is exactly what happens: a code where it says so, right values
 * everywhere else, an earlier commit behind the mark alone. */
#include <stdio.h>
#include <string.h>

#include "kvstore/hash.h"
#include "tests/damage/anatomy.h"
#include "tests/damage/trial.h"

/* Stores are the same in every run: with random ones, one flip in 2^32 would go unnoticed by its check. */
#define STORE_SEED 7

struct flips {
	struct ram ram;
	struct specimen specimen;
	struct anatomy anatomy;
	struct rng rng;
	uint64_t tried[PART_KINDS];
	uint64_t due[PART_KINDS][OUTCOMES]; /* by docs/format.md */
	uint64_t got[PART_KINDS][OUTCOMES]; /* of that           */
	uint64_t commits;                   /* bits of blobs that end a commit    */
	uint64_t written, refused;
};

static struct flips flips;

/* Which kinds of part may stand in a stretch that gkv_layout tells of. What was replayed into memory stands where the
 * file has free space. */
static bool layout_allows(int what, const struct part *p, bool log)
{
	switch (what) {
	case GKV_LAYOUT_HEADER:
		return p->kind <= PART_MARK_OTHER;
	case GKV_LAYOUT_TABLE:
		return p->kind == PART_NODE || p->kind == PART_PAGE || (log && p->kind == PART_FREE);
	case GKV_LAYOUT_RECORD:
		return (p->kind >= PART_PUT && p->kind <= PART_LARGE) || p->kind == PART_LOG_PUT ||
		       p->kind == PART_LOG_MOVE;
	case GKV_LAYOUT_LIST:
		return p->kind == PART_LIST;
	case GKV_LAYOUT_HELD:
		return log && p->kind != PART_WINDOW && p->kind > PART_MARK_OTHER;
	case GKV_LAYOUT_FREE:
		return p->kind == PART_FREE;
	default:
		return what == GKV_LAYOUT_WINDOW && (p->kind == PART_WINDOW || p->kind == PART_TAIL);
	}
}

static int stretch_compare(void *arg, uint64_t start, uint64_t size, int what, double pull)
{
	const struct flips *f = arg;

	(void)pull;
	for (uint64_t i = start; i < start + size; i++)
		if (!layout_allows(what, anatomy_at(&f->anatomy, i), f->specimen.end != SPECIMEN_CLEAN))
			trial_fail("byte %llu is %s, and of kind %d in the layout", (unsigned long long)i,
				   part_names[anatomy_at(&f->anatomy, i)->kind], what);
	return 0;
}

/* The library sees the file as the anatomy does. */
static void layout_must_agree(struct flips *f)
{
	gkv *db = store_open("store", GKV_RDONLY, GKV_LAZY);

	must_give(gkv_layout(db, stretch_compare, f), GKV_OK);
	store_close(db);
}

static void flips_begin(struct flips *f, enum specimen_end end, bool deep)
{
	memset(f, 0, sizeof *f);
	trial_watch();
	trial_begin("making");
	ram_init(&f->ram, STORE_SEED);
	specimen_make(&f->specimen, &f->ram, end, deep, STORE_SEED);
	anatomy_make(&f->anatomy, f->specimen.image, f->specimen.bytes);
	ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
	f->rng = rng_make((uint64_t)end * 2 + deep);
	layout_must_agree(f);
}

static void flips_end(struct flips *f)
{
	anatomy_release(&f->anatomy);
	specimen_release(&f->specimen);
	ram_release(&f->ram);
	kv_set_hash_for_tests(NULL);
}

/* What happened, in the terms of what was to be expected. */
static enum outcome outcome_of(const struct flips *f, const struct answers *a)
{
	if (a->open != GKV_OK)
		return OUTCOME_OPEN;
	if (a->iterated != GKV_NOTFOUND)
		return OUTCOME_READ;
	if (a->check != GKV_OK)
		return OUTCOME_CHECK;
	return a->seq == f->anatomy.seq ? OUTCOME_NONE : OUTCOME_EARLIER;
}

/* A key is read if, and only if, nothing on its way is damaged: the names from its home to where it stands. */
static bool key_hurt(const struct flips *f, unsigned key, const struct part *damaged)
{
	const struct contents *c = specimen_newest(&f->specimen);
	char text[KEY_SIZE + 1];
	uint64_t name;

	key_make(text, key);
	name = kv_hash(text, KEY_SIZE, 0);
	for (;; name += UINT64_C(0x9E3779B97F4A7C15)) {
		const struct part *at = NULL;

		if (part_on_way(damaged, name))
			return true;
		for (unsigned i = 0; i < f->anatomy.parts; i++) {
			const struct part *p = &f->anatomy.part[i];
			if ((p->kind == PART_PUT || p->kind == PART_MOVE || p->kind == PART_LARGE) && p->name == name)
				at = p;
		}
		if (at == NULL || (at->key == key && c->number[key] != 0))
			return false;
	}
}

static void reads_must_fit(const struct flips *f, const struct answers *a, const struct part *damaged)
{
	for (unsigned i = 0; i < KEYS; i++) {
		const bool hurt = key_hurt(f, i, damaged);
		if ((a->get[i] == GKV_CORRUPT) != hurt)
			trial_fail("get of key %u gives %d", i, a->get[i]);
	}
}

/* What was read is what the rule says, in all that it says. */
static void answers_must_fit(const struct flips *f, const struct answers *a, const struct part *p, enum outcome due)
{
	const enum outcome got = outcome_of(f, a);

	if (got != due)
		trial_fail("leads to %s, not %s", outcome_names[got], outcome_names[due]);
	if ((a->check == GKV_CORRUPT) != (due >= OUTCOME_CHECK))
		trial_fail("the check gives %d", a->check);
	if (due == OUTCOME_EARLIER && (a->seq != anatomy_seq_without(&f->anatomy, p) ||
				       !contents_same(a->right, specimen_at(&f->specimen, a->seq))))
		trial_fail("the store does not end at the commit before");
	if (due == OUTCOME_READ)
		reads_must_fit(f, a, p);
}

/* A damaged record is named by its place, also where it keeps the store from being opened; and by its key, where that is
 * whole. A damaged page is named by the names that it is for. */
static void finding_must_name(const struct flips *f, const struct answers *a, const struct part *p, uint64_t offset)
{
	const struct blob_disk *b = (const struct blob_disk *)(const void *)(f->specimen.image + p->start);
	char text[96];

	if (p->kind == PART_NODE || p->kind == PART_PAGE) {
		(void)snprintf(text, sizeof text, "the table is damaged at %llu: names from %016llx on",
			       (unsigned long long)p->start, (unsigned long long)p->name);
		if (strstr(a->told, text) == NULL)
			trial_fail("no finding says that %s: %s", text, a->told);
	}
	if (p->kind < PART_PUT || p->kind > PART_REPLACED)
		return;
	(void)snprintf(text, sizeof text, "record at %llu, in the table's page at", (unsigned long long)p->start);
	if (strstr(a->told, text) == NULL)
		trial_fail("no finding names the place: %s", a->told);
	if (p->key == KEYS || offset < p->start + sizeof *b || offset >= p->start + sizeof *b + b->size - KEY_SIZE)
		return;
	(void)snprintf(text, sizeof text, "it seems to be key \"k%02u\"", p->key);
	if (strstr(a->told, text) == NULL)
		trial_fail("no finding names the key: %s", a->told);
}

static void flip_try(struct flips *f, uint64_t offset, unsigned bit, bool write)
{
	const struct part *p = anatomy_at(&f->anatomy, offset);
	const enum outcome due = anatomy_outcome(&f->anatomy, offset, bit);
	const uint64_t least = due == OUTCOME_EARLIER ? f->anatomy.marked : f->anatomy.seq;
	struct answers a;
	bool wrote;

	trial_begin("%s store: bit %u of byte %llu (%s) flipped", f->specimen.name, bit, (unsigned long long)offset,
		    part_names[p->kind]);
	f->ram.file[offset] ^= (uint8_t)(1u << bit);
	trial_read(&f->ram, &f->specimen, least, false, &a);
	answers_must_fit(f, &a, p, due);
	finding_must_name(f, &a, p, offset);
	f->tried[p->kind]++;
	f->got[p->kind][outcome_of(f, &a)]++;
	f->commits += p->commit;
	if (!write) {
		f->ram.file[offset] ^= (uint8_t)(1u << bit);
		return;
	}
	wrote = trial_write(&f->ram, &f->specimen, least, &f->rng);
	if (wrote && p->kind == PART_LIST)
		trial_fail("is written to");
	*(wrote ? &f->written : &f->refused) += 1;
	ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
}

/* 1 at a scale of 1, and more at a smaller one. */
static uint64_t sparseness(void)
{
	return 64 / testing_count(64, 1);
}

/* One bit in so many is tried. What the clean store has had tried bit by bit is sampled in the others, and so is free
 * space that is longer than a page. */
static uint64_t step_of(const struct flips *f, const struct part *p)
{
	const bool again = f->specimen.end != SPECIMEN_CLEAN;
	uint64_t step = 1;

	if (p->kind == PART_UNUSED || p->kind == PART_FREE)
		step = again || p->size > DISK_PAGE ? 31 : 1;
	else if (p->kind == PART_PAGE || p->kind == PART_LARGE)
		step = again ? 7 : 1;
	if (f->specimen.deep)
		step = 97;
	return step * sparseness();
}

/* What docs/format.md says of all bits of a part at once; of the number of an older header, of each. */
static void due_add(struct flips *f, const struct part *p, uint64_t step)
{
	const uint64_t bits = (8 * p->size + step - 1) / step;
	uint64_t found = 0;

	if (p->kind != PART_OLDER_OWN) {
		f->due[p->kind][anatomy_outcome(&f->anatomy, p->start, 0)] += bits;
		return;
	}
	for (uint64_t bit = 0; bit < 8 * p->size; bit += step)
		found += anatomy_outcome(&f->anatomy, p->start + bit / 8, (unsigned)(bit % 8)) == OUTCOME_CHECK;
	f->due[p->kind][OUTCOME_CHECK] += found;
	f->due[p->kind][OUTCOME_NONE] += bits - found;
}

/* Where fewer bits are tried, a larger share of them is written after: as many as ever, or nearly. */
static void flips_run(struct flips *f, uint64_t write_each)
{
	const uint64_t each = write_each / sparseness() + 1;
	uint64_t count = 0;

	for (unsigned i = 0; i < f->anatomy.parts; i++) {
		const struct part *p = &f->anatomy.part[i];
		const uint64_t step = step_of(f, p);
		due_add(f, p, step);
		for (uint64_t bit = 0; bit < 8 * p->size; bit += step)
			flip_try(f, p->start + bit / 8, (unsigned)(bit % 8), ++count % each == 0);
	}
}

static void tally_print(const struct flips *f)
{
	printf("%s store, %zu bytes: %llu times written to, %llu refused\n", f->specimen.name, f->specimen.bytes,
	       (unsigned long long)f->written, (unsigned long long)f->refused);
	for (unsigned k = 0; k < PART_KINDS; k++) {
		if (f->tried[k] > 0)
			printf("  %-24s %7llu bits:", part_names[k], (unsigned long long)f->tried[k]);
		for (unsigned o = 0; o < OUTCOMES; o++)
			if (f->got[k][o] > 0)
				printf("  %s %llu", outcome_names[o], (unsigned long long)f->got[k][o]);
		if (f->tried[k] > 0)
			printf("\n");
	}
	(void)fflush(stdout);
}

/* Kinds that every specimen has, but for some. */
static bool kind_expected(const struct flips *f, enum part_kind kind)
{
	const bool log = kind == PART_REPLACED || (kind >= PART_LOG_PUT && kind <= PART_LOG_JUMP);

	if (kind == PART_TAIL)
		return f->specimen.end == SPECIMEN_KILLED;
	return !log || f->specimen.end != SPECIMEN_CLEAN;
}

static void flips_of(enum specimen_end end, bool deep, uint64_t write_each)
{
	struct flips *f = &flips;

	flips_begin(f, end, deep);
	flips_run(f, write_each);
	tally_print(f);
	must(memcmp(f->due, f->got, sizeof f->due) == 0);
	for (unsigned k = 0; k < PART_KINDS; k++)
		must((f->tried[k] > 0) == kind_expected(f, (enum part_kind)k));
	must((f->commits > 0) == (end != SPECIMEN_CLEAN));
	/* At a small scale the sample may hold but one of the two. */
	must(f->written + f->refused > 0);
	flips_end(f);
}

/* Without a log: nothing but the headers keeps it from opening, and those who need what is damaged are told. */
START_TEST(a_clean_store)
{
	flips_of(SPECIMEN_CLEAN, false, 397);
	must(flips.got[PART_PAGE][OUTCOME_READ] > 0 && flips.got[PART_LIST][OUTCOME_CHECK] > 0);
}
END_TEST

/* With a log that was flushed: none of its commits goes missing without a word, the last one included. */
START_TEST(a_closed_store_with_a_log)
{
	flips_of(SPECIMEN_CLOSED, false, 397);
	must(flips.anatomy.marked == flips.anatomy.seq);
	for (unsigned k = PART_LOG_PUT; k <= PART_LOG_JUMP; k++)
		must(flips.got[k][OUTCOME_OPEN] == flips.tried[k]);
}
END_TEST

/* With a log of which a part was flushed: only what lies behind the mark may end it, at the commit before. */
START_TEST(a_killed_store)
{
	flips_of(SPECIMEN_KILLED, false, 397);
	must(flips.anatomy.marked < flips.anatomy.seq);
	for (unsigned k = PART_LOG_PUT; k <= PART_LOG_JUMP; k++)
		must(flips.got[k][OUTCOME_OPEN] > 0 && flips.got[k][OUTCOME_EARLIER] > 0);
}
END_TEST

/* With a directory of two levels, and a value that has a slot of its own. */
START_TEST(a_deep_store)
{
	flips_of(SPECIMEN_KILLED, true, 37);
	must(flips.got[PART_PAGE][OUTCOME_READ] > 0 && flips.got[PART_PAGE][OUTCOME_OPEN] > 0);
}
END_TEST

SUITE("flips", "bits", a_clean_store, a_closed_store_with_a_log, a_killed_store, a_deep_store)
