/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_sectors.c: what disks, file systems and hands do to a file: sectors that are zeroed, that have landed in the wrong
 * place, that hold what they held before, or what belongs to another store; files that were cut. The answers are right
 * ones or codes, and a key is never missing. */
#include <stdio.h>
#include <string.h>

#include "kvstore/hash.h"
#include "tests/damage/anatomy.h"
#include "tests/damage/trial.h"

#define SECTOR ((uint64_t)512)

static struct wreck {
	struct ram ram;
	struct specimen specimen;
	struct anatomy anatomy;
	struct rng rng;
	uint64_t trials, found, earlier, unnoticed, stale;
	uint64_t kinds[PART_KINDS]; /* parts that were hit */
} wreck;

/* The seed is the run's: these stores are others each time. */
static void wreck_begin(struct wreck *w, enum specimen_end end, bool deep)
{
	memset(w, 0, sizeof *w);
	trial_watch();
	trial_begin("making");
	w->rng = rng_make((uint64_t)end * 2 + deep);
	ram_init(&w->ram, rng_next(&w->rng));
	specimen_make(&w->specimen, &w->ram, end, deep, rng_next(&w->rng));
	anatomy_make(&w->anatomy, w->specimen.image, w->specimen.bytes);
	ram_load(&w->ram, w->specimen.image, w->specimen.bytes);
}

static void wreck_end(struct wreck *w, const char *what)
{
	printf("%s: %s store: %llu trials: %llu found, %llu at an earlier commit, %llu without effect", what,
	       w->specimen.name, (unsigned long long)w->trials, (unsigned long long)w->found,
	       (unsigned long long)w->earlier, (unsigned long long)w->unnoticed);
	printf(w->stale > 0 ? ", %llu stale\n" : "\n", (unsigned long long)w->stale);
	(void)fflush(stdout);
	anatomy_release(&w->anatomy);
	specimen_release(&w->specimen);
	ram_release(&w->ram);
	kv_set_hash_for_tests(NULL);
}

/* Commits up to here must be there: all that the mark names, and all of them where no log is hit. */
static uint64_t least_of(const struct wreck *w)
{
	return w->anatomy.marked < w->anatomy.header.seq ? w->anatomy.header.seq : w->anatomy.marked;
}

/* Both headers are hit when a sector of each is. */
static bool headers_hit(uint64_t a, uint64_t b)
{
	return (a == 0 && b == DISK_PAGE) || (a == DISK_PAGE && b == 0);
}

static void answers_count(struct wreck *w, const struct answers *a)
{
	w->trials++;
	if (a->check != GKV_OK)
		w->found++;
	else if (a->seq != w->anatomy.seq)
		w->earlier++;
	else
		w->unnoticed++;
}

/* The file in memory is damaged: reads it, now and then writes to it, and makes it whole again. */
static void wreck_try(struct wreck *w, bool strange)
{
	struct answers a;

	trial_read(&w->ram, &w->specimen, least_of(w), strange, &a);
	answers_count(w, &a);
	if (!strange && rng_below(&w->rng, 64) == 0)
		(void)trial_write(&w->ram, &w->specimen, least_of(w), &w->rng);
	ram_load(&w->ram, w->specimen.image, w->specimen.bytes);
}

static uint64_t sectors(const struct wreck *w)
{
	return w->specimen.bytes / SECTOR;
}

static void hits_count(struct wreck *w, uint64_t sector)
{
	for (uint64_t i = sector * SECTOR; i < (sector + 1) * SECTOR; i++)
		w->kinds[anatomy_at(&w->anatomy, i)->kind]++;
}

/* --- zeroed and swapped ------------------------------------------------------------------------------------------- */

/* Each sector zeroed, and filled with ones. */
static void zeroed(enum specimen_end end, bool deep)
{
	struct wreck *w = &wreck;

	wreck_begin(w, end, deep);
	for (uint64_t i = 0; i < 2 * sectors(w); i++) {
		const uint64_t at = i / 2 * SECTOR;
		trial_begin("%s store: sector %llu filled with %02x", w->specimen.name, (unsigned long long)(i / 2),
			    i % 2 == 0 ? 0 : 0xff);
		memset(w->ram.file + at, i % 2 == 0 ? 0 : 0xff, SECTOR);
		hits_count(w, i / 2);
		wreck_try(w, false);
	}
	for (unsigned k = 0; k < PART_TAIL; k++)
		must(w->kinds[k] > 0 || (end == SPECIMEN_CLEAN && k >= PART_REPLACED && k != PART_LIST));
	must(w->found > 0 && w->unnoticed > 0 && (w->earlier > 0) == (end == SPECIMEN_KILLED));
	wreck_end(w, "zeroed");
}

static void swap_try(struct wreck *w, uint64_t one, uint64_t other)
{
	const uint64_t a = one * SECTOR, b = other * SECTOR;

	trial_begin("%s store: sectors %llu and %llu swapped", w->specimen.name, (unsigned long long)one,
		    (unsigned long long)other);
	memcpy(w->ram.file + a, w->specimen.image + b, SECTOR);
	memcpy(w->ram.file + b, w->specimen.image + a, SECTOR);
	wreck_try(w, headers_hit(a, b));
}

/* Sectors swapped, each with each other or a sample of them; and written over each other. */
static void swapped(enum specimen_end end, bool deep)
{
	struct wreck *w = &wreck;
	uint64_t step;

	wreck_begin(w, end, deep);
	step = sectors(w) * (sectors(w) - 1) / 2 / testing_count(4500, 400) + 1;
	for (uint64_t i = 0, n = rng_below(&w->rng, step); i < sectors(w); i++)
		for (uint64_t j = i + 1; j < sectors(w); j++)
			if (n++ % step == 0)
				swap_try(w, i, j);
	for (uint64_t n = testing_count(1500, 150); n > 0; n--) {
		const uint64_t to = rng_below(&w->rng, sectors(w));
		const uint64_t from = rng_below(&w->rng, sectors(w));
		trial_begin("%s store: sector %llu over %llu", w->specimen.name, (unsigned long long)from,
			    (unsigned long long)to);
		memcpy(w->ram.file + to * SECTOR, w->specimen.image + from * SECTOR, SECTOR);
		wreck_try(w, false);
	}
	must(w->found > 0 && w->unnoticed > 0);
	wreck_end(w, "swapped");
}

START_TEST(sectors_are_zeroed)
{
	for (unsigned end = 0; end < SPECIMEN_ENDS; end++)
		zeroed((enum specimen_end)end, false);
	zeroed(SPECIMEN_KILLED, true);
}
END_TEST

START_TEST(sectors_are_swapped)
{
	for (unsigned end = 0; end < SPECIMEN_ENDS; end++)
		swapped((enum specimen_end)end, false);
	swapped(SPECIMEN_KILLED, true);
}
END_TEST

/* --- cut ---------------------------------------------------------------------------------------------------------- */

static void cut_try(struct wreck *w, uint64_t bytes)
{
	struct answers a;

	trial_begin("%s store: cut to %llu bytes", w->specimen.name, (unsigned long long)bytes);
	ram_load(&w->ram, w->specimen.image, bytes);
	trial_read(&w->ram, &w->specimen, least_of(w), bytes < 8, &a);
	answers_count(w, &a);
	if (bytes < 8 && a.open != GKV_NOTASTORE)
		trial_fail("open gives %d", a.open);
	if (bytes >= 8 && bytes < w->anatomy.header.file_bytes && a.open != GKV_CORRUPT)
		trial_fail("open gives %d", a.open);
	if (a.open == GKV_OK && rng_below(&w->rng, 8) == 0)
		(void)trial_write(&w->ram, &w->specimen, least_of(w), &w->rng);
}

/* At every sector, on either side of it, and at places in between. */
static void cut(enum specimen_end end, bool deep)
{
	static const int64_t beside[] = {0, 1, -1, 8, -8, 37, 256};
	struct wreck *w = &wreck;

	wreck_begin(w, end, deep);
	for (uint64_t at = 0; at <= w->specimen.bytes; at += SECTOR)
		for (unsigned i = 0; i < sizeof beside / sizeof beside[0]; i++)
			if (at + (uint64_t)beside[i] < w->specimen.bytes)
				cut_try(w, at + (uint64_t)beside[i]);
	for (uint64_t at = 0; at < 64; at++)
		cut_try(w, at);
	/* What is added to it is free. */
	for (uint64_t more = 1; more < 3 * SECTOR; more += 37) {
		struct answers a;
		trial_begin("%s store: %llu bytes added", w->specimen.name, (unsigned long long)more);
		ram_load(&w->ram, w->specimen.image, w->specimen.bytes);
		memset(w->ram.file + w->ram.bytes, 0xa5, more);
		w->ram.bytes += more;
		trial_read(&w->ram, &w->specimen, w->anatomy.seq, false, &a);
		if (a.check != GKV_OK)
			trial_fail("the check gives %d", a.check);
	}
	must(w->found > 0);
	wreck_end(w, "cut");
}

START_TEST(files_are_cut)
{
	for (unsigned end = 0; end < SPECIMEN_ENDS; end++)
		cut((enum specimen_end)end, false);
	cut(SPECIMEN_CLOSED, true);
}
END_TEST

/* --- lost writes and other stores --------------------------------------------------------------------------------- */

/* A stretch of the file holds what it held at an earlier time. */
static void lost_try(struct wreck *w, unsigned time, uint64_t start, uint64_t bytes)
{
	trial_begin("%s store: %llu bytes at %llu as at time %u", w->specimen.name, (unsigned long long)bytes,
		    (unsigned long long)start, time);
	memcpy(w->ram.file + start, w->specimen.older[time].image + start, bytes);
	wreck_try(w, false);
}

static void lost(enum specimen_end end, bool deep)
{
	struct wreck *w = &wreck;

	wreck_begin(w, end, deep);
	for (unsigned t = 0; t < w->specimen.older_count; t++) {
		const uint64_t bytes =
			w->specimen.older[t].bytes < w->specimen.bytes ? w->specimen.older[t].bytes : w->specimen.bytes;
		for (uint64_t at = 0; at + SECTOR <= bytes; at += SECTOR)
			if (memcmp(w->specimen.older[t].image + at, w->specimen.image + at, SECTOR) != 0)
				lost_try(w, t, at, SECTOR);
		for (uint64_t at = 2 * DISK_PAGE; at + DISK_PAGE <= bytes; at += DISK_PAGE)
			lost_try(w, t, at, DISK_PAGE);
	}
	must(w->found > 0 && w->unnoticed > 0);
	wreck_end(w, "lost writes");
}

START_TEST(writes_are_lost)
{
	for (unsigned end = 0; end < SPECIMEN_ENDS; end++)
		lost((enum specimen_end)end, false);
	lost(SPECIMEN_KILLED, true);
}
END_TEST

/* Pieces of another store, with the same keys under the same names, in their own places and in others. */
static void foreign(enum specimen_end end, enum specimen_end other_end)
{
	static struct specimen other;
	struct wreck *w = &wreck;

	wreck_begin(w, end, false);
	specimen_make(&other, &w->ram, other_end, false, rng_next(&w->rng));
	ram_load(&w->ram, w->specimen.image, w->specimen.bytes);
	for (uint64_t n = testing_count(2000, 200); n > 0; n--) {
		const uint64_t unit = n % 3 == 0 ? DISK_PAGE : SECTOR;
		const uint64_t to = rng_below(&w->rng, w->specimen.bytes / unit) * unit;
		const uint64_t any = rng_below(&w->rng, other.bytes / unit) * unit;
		const uint64_t from = n % 2 == 0 && to + unit <= other.bytes ? to : any;
		/* With a whole header of the other store in it, this one is both, and neither. */
		if (to < 2 * DISK_PAGE && from < 2 * DISK_PAGE && from / DISK_PAGE == to / DISK_PAGE)
			continue;
		trial_begin("%s store: %llu bytes at %llu of another one's %llu", w->specimen.name,
			    (unsigned long long)unit, (unsigned long long)to, (unsigned long long)from);
		memcpy(w->ram.file + to, other.image + from, unit);
		wreck_try(w, false);
	}
	must(w->found > 0 && w->unnoticed > 0);
	specimen_release(&other);
	wreck_end(w, "another store's");
}

START_TEST(pieces_are_of_another_store)
{
	for (unsigned end = 0; end < SPECIMEN_ENDS; end++)
		for (unsigned other = 0; other < SPECIMEN_ENDS; other++)
			foreign((enum specimen_end)end, (enum specimen_end)other);
}
END_TEST

SUITE("sectors", "sectors", sectors_are_zeroed, sectors_are_swapped, files_are_cut, writes_are_lost,
      pieces_are_of_another_store)
