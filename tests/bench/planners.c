/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* planners.c counts what the planners of compaction move; docs/compaction.md quotes what it prints.
 *
 *     planners [SEED]
 *
 *   slots   a picture of a file alone: records side by side, of which a random share was freed. Slots of one size are
 *           asked for, one after the other; each is made from the run that plan_run chooses (the data of the run goes to
 *           its left, the slot to its right) and used up. Beside them the emptiest segments, as a free map names them.
 *   churn   an arena on a file in TMPDIR in which blobs are replaced at random, under each planner: without a limit, where
 *           the write path compacts as it goes, and with one that is nearly full, where a slot must be made for what
 *           fits nowhere. Looked at are the last CHURN_TURNOVERS turnovers of twice as many.
 *
 * Only bytes are counted, and nothing depends on time or the machine: a seed gives the same figures everywhere. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/core.h"
#include "arena/space/plan.h"

#define KIB             UINT64_C(1024)
#define MIB             (1024 * KIB)
#define FILE_BYTES      (128 * MIB)
#define SLOTS_WANTED    32u
#define CHURN_LIVE      (32 * MIB)
#define CHURN_TURNOVERS 2u
#define CHURN_LIMIT     80u
#define BLOB_MOST       (16 * KIB)
#define HEAD            sizeof(struct blob_disk)

static void fail(const char *what, int code)
{
	fprintf(stderr, "planners: %s: %s\n", what, gravity_strerror(code));
	exit(1);
}

static void must(const char *what, int code)
{
	if (code != 0)
		fail(what, code);
}

/* A random number below `bound`, which is below 2^32. */
static uint64_t random_below(uint64_t *rng, uint64_t bound)
{
	*rng += UINT64_C(0x9e3779b97f4a7c15);
	return (mix64(*rng) >> 32) * bound >> 32;
}

/* Log-uniform from 16 to BLOB_MOST bytes, or 1,000 each. */
static uint64_t blob_bytes(uint64_t *rng, bool mixed)
{
	const uint64_t low = UINT64_C(16) << random_below(rng, 10);

	return mixed ? low + random_below(rng, low) : 1000;
}

/* ---- slots ------------------------------------------------------------------------------------------------------ */

/* Records side by side in [0, FILE_BYTES), of which `freed` of 100 are free slots. */
static void file_perforate(struct slots *s, bool mixed, unsigned freed, uint64_t seed)
{
	uint64_t at = 0;

	slots_init(s, os_posix());
	while (at < FILE_BYTES) {
		const uint64_t span = blob_span(blob_bytes(&seed, mixed));
		if (random_below(&seed, 100) < freed)
			must("a free slot", slots_insert(s, at, span));
		at += span;
	}
}

/* The run's data goes to its left; what is behind it is the slot, of which `want` bytes are used. */
static void run_use(struct slots *s, const struct plan *plan, uint64_t want)
{
	const uint64_t start = plan->start + plan->moved;
	slot_id id;

	while ((id = slots_at_or_after(s, plan->start)) != SLOT_NONE && slots_start(s, id) < plan->end)
		must("a slot of the run", slots_remove(s, slots_start(s, id), slots_size(s, id)));
	if (plan->end - start > want)
		must("the rest of the run", slots_insert(s, start + want, plan->end - start - want));
}

/* Bytes moved for SLOTS_WANTED slots. */
static uint64_t runs_make(enum gravity_planner planner, bool mixed, unsigned freed, uint64_t want, uint64_t seed)
{
	struct slots s;
	struct plan plan;
	uint64_t moved = 0;

	file_perforate(&s, mixed, freed, seed);
	for (unsigned i = 0; i < SLOTS_WANTED; i++) {
		must("a run", plan_run(&s, planner, UINT64_MAX, want, &plan));
		moved += plan.moved;
		run_use(&s, &plan, want);
	}
	slots_release(&s);
	return moved;
}

static uint64_t segment_free(const struct slots *s, uint64_t start, uint64_t end)
{
	uint64_t bytes = 0;

	for (slot_id id = slots_at_or_after(s, start); id != SLOT_NONE && slots_start(s, id) < end;
	     id = slots_next(s, id))
		bytes += slots_size(s, id);
	return bytes;
}

/* The same by the emptiest segments, until they have gained as much. */
static uint64_t segments_empty(bool mixed, unsigned freed, uint64_t want, uint64_t seed)
{
	struct slots s;
	struct freemap freemap;
	struct ranges list;
	uint64_t start, end;
	uint64_t gained = 0, moved = 0;

	file_perforate(&s, mixed, freed, seed);
	must("an array", ranges_init(&list, s.os, ranges_room(s.count, s.bytes)));
	slots_copy(&s, &list);
	while (!ranges_sorted(&list, FILE_BYTES))
		ranges_sort_pass(&list);
	must("a freemap", freemap_init(&freemap, s.os, FILE_BYTES + BLOB_MOST, FREEMAP_SEGMENT, FREEMAP_LARGE));
	freemap_take(&freemap, &list, FILE_BYTES + BLOB_MOST);
	while (gained < SLOTS_WANTED * want && freemap_next(&freemap, 1, &start, &end)) {
		const uint64_t room = segment_free(&s, start, end);
		gained += room;
		moved += end - start - room;
	}
	freemap_release(&freemap, s.os);
	ranges_release(&list, s.os);
	slots_release(&s);
	return moved;
}

static void slots_row(bool mixed, unsigned freed, uint64_t want, uint64_t seed)
{
	const uint64_t attracted = runs_make(GRAVITY_GRAVITY, mixed, freed, want, seed);
	const uint64_t cheapest = runs_make(GRAVITY_CHEAPEST, mixed, freed, want, seed);
	const uint64_t segments = segments_empty(mixed, freed, want, seed);
	const double all = (double)(SLOTS_WANTED * want);

	printf("| %s | %u%% | %" PRIu64 " KiB | %.2f | %.2f | %.2f | %.2f | %.1f |\n",
	       mixed ? "16 bytes to 16 KiB" : "1,000 bytes", freed, want / KIB, (100.0 - freed) / freed,
	       (double)attracted / all, (double)cheapest / all, (double)segments / all,
	       (double)attracted / (double)cheapest);
}

/* ---- churn ------------------------------------------------------------------------------------------------------ */

struct churn {
	gravity *g;
	gravity_pos *blobs;
	uint64_t count;
	uint64_t rng;
	bool mixed;
	bool refused;      /* the last write: GRAVITY_FULL       */
	uint64_t written;  /* bytes of blobs, with heads         */
	double length_sum; /* of the file, by what lives in it */
	uint64_t looks;
};

static void blob_put(struct churn *c, uint64_t index)
{
	static uint8_t bytes[BLOB_MOST];
	const uint64_t size = blob_bytes(&c->rng, c->mixed);

	const int r = gravity_write(c->g, bytes, size, &c->blobs[index]);

	if (r != GRAVITY_FULL)
		must("a write", r);
	c->refused = r == GRAVITY_FULL;
	c->written += blob_span(size);
}

static void length_look(struct churn *c)
{
	gravity_stats stats;

	must("statistics", gravity_stat(c->g, &stats));
	c->length_sum += (double)stats.file_bytes / (double)stats.live_bytes;
	c->looks++;
}

static void churn_fill(struct churn *c)
{
	const uint64_t most = CHURN_LIVE / HEAD;

	c->blobs = malloc(most * sizeof *c->blobs);
	if (c->blobs == NULL)
		fail("the fill", ENOMEM);
	while (c->written < CHURN_LIVE && c->count < most && !c->refused)
		blob_put(c, c->count++);
	must("a checkpoint", gravity_checkpoint(c->g));
}

/* Replaces blobs at random until so much was written. */
static void churn_replace(struct churn *c, uint64_t bytes)
{
	c->written = 0;
	for (uint64_t i = 0; c->written < bytes && !c->refused; i++) {
		const uint64_t index = random_below(&c->rng, c->count);
		must("a free", gravity_free(c->g, c->blobs[index]));
		blob_put(c, index);
		if (i % 256 == 0)
			length_look(c);
	}
}

static gravity_stats churn_stat(const struct churn *c)
{
	gravity_stats stats;

	must("statistics", gravity_stat(c->g, &stats));
	return stats;
}

/* limit: the share of a size limit, in percent, that what lives fills; 0: there is no limit. */
static void churn_row(const char *name, enum gravity_planner planner, bool mixed, unsigned limit, uint64_t seed)
{
	const gravity_options options = {
		.durability = GRAVITY_LAZY, .planner = planner, .max_bytes = limit == 0 ? 0 : CHURN_LIVE * 100 / limit};
	const char *folder = getenv("TMPDIR");
	struct churn c = {.mixed = mixed, .rng = seed};
	gravity_stats settled, end;
	char path[256];
	char fill[16] = "none";

	(void)snprintf(path, sizeof path, "%s/planners-%ld.gravity", folder != NULL ? folder : "/tmp", (long)getpid());
	must(path, gravity_open(path, &options, &c.g));
	churn_fill(&c);
	churn_replace(&c, CHURN_TURNOVERS * CHURN_LIVE);
	settled = churn_stat(&c);
	c.length_sum = 0;
	c.looks = 0;
	churn_replace(&c, CHURN_TURNOVERS * CHURN_LIVE);
	end = churn_stat(&c);
	must("the close", gravity_close(c.g));
	(void)unlink(path);
	free(c.blobs);
	if (limit != 0)
		(void)snprintf(fill, sizeof fill, "%u%% full", limit);
	printf("| %s | %s | %s ", mixed ? "16 bytes to 16 KiB" : "1,000 bytes", fill, name);
	if (c.refused || c.looks == 0)
		printf("| a put was refused | |\n");
	else
		printf("| %.2f | %.2f |\n", c.length_sum / (double)c.looks,
		       (double)(end.bytes_moved - settled.bytes_moved) / (double)c.written);
}

int main(int argc, char **argv)
{
	const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
	static const unsigned freed[] = {20, 35, 50};

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	printf("| records | free | slot wanted | average | gravity | cheapest | emptiest segments | gravity / cheapest "
	       "|\n"
	       "|---|---|---|---|---|---|---|---|\n");
	for (int mixed = 1; mixed >= 0; mixed--)
		for (unsigned i = 0; i < sizeof freed / sizeof freed[0]; i++)
			for (uint64_t want = 64 * KIB; want <= 256 * KIB; want *= 4)
				slots_row(mixed != 0, freed[i], want, seed);
	printf("\n| records | size limit | planner | file / live | moved / written |\n"
	       "|---|---|---|---|---|\n");
	churn_row("emptiest segments", GRAVITY_DEFAULT, true, 0, seed);
	churn_row("cheapest", GRAVITY_CHEAPEST, true, 0, seed);
	churn_row("gravity", GRAVITY_GRAVITY, true, 0, seed);
	/* Not the cheapest run: it looks through a long list at nearly every commit, which takes minutes. */
	churn_row("emptiest segments", GRAVITY_DEFAULT, false, 0, seed);
	churn_row("gravity", GRAVITY_GRAVITY, false, 0, seed);
	churn_row("cheapest", GRAVITY_CHEAPEST, true, CHURN_LIMIT, seed);
	churn_row("gravity", GRAVITY_GRAVITY, true, CHURN_LIMIT, seed);
	return 0;
}
