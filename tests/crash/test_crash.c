/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_crash.c: whatever a power cut or a kill leaves, at any instant, opens at the state after some commit, no older
 * than the last one that was promised to be durable.
 *
 * The environment: GKV_TEST_SEED sets the seed, which is printed; GKV_TEST_SCALE multiplies the number of images, and
 * GKV_CRASH_IMAGES sets it, of each workload; GKV_CRASH_ONLY, as a failure prints it, repeats one image, and
 * GKV_CRASH_KEEP names a file that it is written to. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tests/crash/crash.h"

#define IMAGES      14000 /* distinct ones, of each workload */
#define FAULT_SEEDS 2
#define RUNS_MOST   (1000 + images)

static uint64_t seed;
static uint64_t images;

/* Of all tests of the suite, each of which is a process of its own. */
struct totals {
	struct tally sum;
	uint64_t workloads;
};
static struct totals *totals;

static const struct workload workloads[] = {
	{.name = "durable",
	 .names = 60,
	 .size_most = 6000,
	 .ops_most = 8,
	 .rounds = 12,
	 .work = 24,
	 .images = 6,
	 .lazy = 2,
	 .aborted = 2,
	 .deleted = 4,
	 .syncs = 16,
	 .checkpoints = 10,
	 .readers = 12,
	 .checkpoint_bytes = 12000},
	{.name = "lazy",
	 .names = 120,
	 .size_most = 20000,
	 .ops_most = 24,
	 .rounds = 12,
	 .work = 24,
	 .images = 6,
	 .lazy = 14,
	 .aborted = 2,
	 .deleted = 5,
	 .syncs = 6,
	 .checkpoints = 8,
	 .readers = 12,
	 .checkpoint_bytes = 40000},
	{.name = "table",
	 .names = 240,
	 .size_most = 300,
	 .ops_most = 60,
	 .rounds = 12,
	 .work = 24,
	 .images = 6,
	 .lazy = 10,
	 .aborted = 1,
	 .deleted = 3,
	 .syncs = 6,
	 .checkpoints = 16,
	 .readers = 12,
	 .checkpoint_bytes = 30000},
	{.name = "compact",
	 .names = 100,
	 .size_most = 9000,
	 .ops_most = 20,
	 .rounds = 12,
	 .work = 24,
	 .images = 6,
	 .lazy = 8,
	 .aborted = 1,
	 .deleted = 7,
	 .syncs = 12,
	 .checkpoints = 8,
	 .compactions = 8,
	 .makes = 64,
	 .readers = 8,
	 .checkpoint_bytes = 30000,
	 .planner = GRAVITY_CHEAPEST},
	{.name = "limit",
	 .names = 100,
	 .size_most = 9000,
	 .ops_most = 20,
	 .rounds = 12,
	 .work = 24,
	 .images = 6,
	 .lazy = 8,
	 .aborted = 1,
	 .deleted = 4,
	 .syncs = 12,
	 .checkpoints = 8,
	 .compactions = 4,
	 .makes = 8,
	 .readers = 8,
	 .checkpoint_bytes = 30000,
	 .max_bytes = 112 * 1024},
	{.name = "full disk",
	 .names = 100,
	 .size_most = 9000,
	 .ops_most = 20,
	 .rounds = 12,
	 .work = 24,
	 .images = 6,
	 .lazy = 8,
	 .aborted = 1,
	 .deleted = 4,
	 .syncs = 12,
	 .checkpoints = 8,
	 .compactions = 4,
	 .makes = 8,
	 .readers = 8,
	 .checkpoint_bytes = 30000,
	 .capacity = 180 * 1024},
	{.name = "steps",
	 .names = 80,
	 .size_most = 300000,
	 .ops_most = 40,
	 .rounds = 3,
	 .work = 160,
	 .images = 1,
	 .lazy = 12,
	 .aborted = 1,
	 .deleted = 5,
	 .syncs = 8,
	 .checkpoints = 8,
	 .compactions = 1,
	 .makes = 1,
	 .checkpoint_bytes = 400000,
	 .share = 5},
	{.name = "again",
	 .names = 24,
	 .size_most = 2000,
	 .ops_most = 8,
	 .rounds = 60,
	 .work = 8,
	 .images = 4,
	 .lazy = 15,
	 .aborted = 2,
	 .deleted = 2,
	 .readers = 4,
	 .checkpoints = 3,
	 .checkpoint_bytes = 100000,
	 .hasty = true},
};
#define WORKLOADS (sizeof workloads / sizeof workloads[0])

static bool stage_due(const struct workload *w, enum stage stage)
{
	/* What the others meet as well is left to them: images of large stores cost the most. */
	if (w->share != 0)
		return stage == STAGE_TIDY || stage == STAGE_TRUNCATE || stage == STAGE_PUNCH;
	switch (stage) {
	case STAGE_COMPACT:
	case STAGE_MAKE:
	case STAGE_SWEEP:
	case STAGE_SWEEP_END:
	case STAGE_CHEAPEST:
	case STAGE_GRAVITY:
	case STAGE_PUNCH:
		return w->compactions > 4;
	case STAGE_ROOM:
		return w->max_bytes != 0;
	case STAGE_TIDY:
		return false;
	case STAGE_BEGUN:
	case STAGE_SLICE:
	case STAGE_FLUSH:
	case STAGE_FREED:
	case STAGE_SYNC:
	case STAGE_CLOSE:
	case STAGE_TRUNCATE:
		return !w->hasty;
	default:
		return true;
	}
}

static bool piece_due(const struct workload *w, enum piece piece)
{
	if (w->share != 0)
		return piece == PIECE_PUT || piece == PIECE_LARGE || piece == PIECE_MOVE;
	if (piece == PIECE_NODE)
		return w->names == MODEL_NAMES;
	return piece == PIECE_PUT || piece == PIECE_TOMB || piece == PIECE_JUMP || piece == PIECE_COMMIT ||
	       (piece == PIECE_MOVE && w->compactions > 4);
}

/* What the run has not met yet of what it is there for; NULL: nothing is missing. */
static const char *tally_missing(const struct tally *t, const struct workload *w)
{
	const bool limited = w->capacity != 0 || w->max_bytes != 0;

	for (unsigned i = 0; i < STAGES; i++)
		if (stage_due(w, (enum stage)i) && t->stage[i] == 0)
			return stage_names[i];
	for (unsigned i = 0; i < PIECES; i++)
		if (piece_due(w, (enum piece)i) && !tally_met(t, (enum piece)i))
			return "a kind of blob that was lost, one that was torn, and one that was there";
	for (unsigned i = 0; i < SIM_STYLES; i++)
		if (t->style[i] == 0)
			return "each style of write-back";
	if (t->replayed < t->distinct / 10)
		return "logs that were replayed";
	if (t->older == 0 || t->absent == 0)
		return "commits that were lost, and a store that was not there yet";
	if (t->older_header == 0 || t->newer_header == 0)
		return "a header that had not reached the disk, and one that had";
	if (t->nested == 0 || t->crashes == 0)
		return "images that lived on and were cut again";
	if (!w->hasty && t->stale == 0)
		return "a write-back that failed after its process had ended";
	if ((t->wanted > 0) != limited)
		return "want of space where there is a limit, and there alone";
	return (t->beside > 0) != limited ? NULL : "commits beside a checkpoint";
}

/* Whether one image of another workload is to be repeated. */
static bool others_wanted(const struct workload *w)
{
	const char *only = getenv("GKV_CRASH_ONLY");
	const size_t length = strlen(w->name);

	return only != NULL && (strncmp(only, w->name, length) != 0 || only[length] != ':');
}

START_TEST(opens_at_a_commit_wherever_it_is_cut)
{
	const struct workload *w = &workloads[_i];
	const uint64_t wanted = w->share != 0 ? images / w->share : images;
	struct crash c;

	if (others_wanted(w))
		return;
	crash_begin(&c, w, seed);
	c.run = c.only_run;
	do
		crash_run(&c);
	while (!c.only && (c.tally.distinct < wanted || tally_missing(&c.tally, w) != NULL) && ++c.run < RUNS_MOST);
	if (!c.only) {
		tally_print(&c.tally, w->name);
		tally_add(&totals->sum, &c.tally);
		totals->workloads++;
		ck_assert_uint_ge(c.tally.distinct, wanted);
		ck_assert_msg(tally_missing(&c.tally, w) == NULL, "never met: %s", tally_missing(&c.tally, w));
	}
	crash_end(&c);
}
END_TEST

static const struct workload fault_workload = {.names = 40,
					       .size_most = 9000,
					       .ops_most = 10,
					       .images = 1,
					       .work = 16,
					       .lazy = 7,
					       .aborted = 1,
					       .deleted = 4,
					       .syncs = 16,
					       .checkpoints = 24,
					       .compactions = 24,
					       .makes = 16,
					       .readers = 12,
					       .checkpoint_bytes = 20000};

START_TEST(keeps_what_it_promised_when_any_call_fails)
{
	static const int codes[] = {EIO, ENOSPC, ENOMEM};
	const bool always = _i % 2 != 0;
	struct workload w = fault_workload;
	struct crash c;
	uint64_t n = 1;

	w.name = always ? "faults for ever" : "faults once";
	if (others_wanted(&w))
		return;
	crash_begin(&c, &w, seed + (uint64_t)(_i / 2));
	if (c.only) {
		(void)fault_run(&c, c.only_run, codes[c.only_run % 3], always);
		crash_end(&c);
		return;
	}
	while (fault_run(&c, n, codes[n % 3], always))
		n++;
	tally_print(&c.tally, w.name);
	tally_add(&totals->sum, &c.tally);
	printf("  %" PRIu64 " calls failed in turn, %" PRIu64 " errors\n", n - 1, c.tally.errors);
	ck_assert_uint_gt(n, 100);
	ck_assert_uint_gt(c.tally.errors, n / 4);
	crash_end(&c);
}
END_TEST

/* Each kind of blob, page and header was lost, torn and there, and each step of a checkpoint, of a compaction and of a
 * recovery was cut. */
START_TEST(every_kind_and_every_step_was_cut)
{
	const struct tally *t = &totals->sum;

	if (totals->workloads < WORKLOADS)
		return; /* not all of them ran: one image is repeated, or the environment chose a part of the suite */
	tally_print(t, "all together");
	printf("total: %" PRIu64 " distinct images of %" PRIu64 "\n", t->distinct, t->images);
	/* Some are rare: what a small scale meets depends on the seed. */
	if (images >= IMAGES / 10)
		ck_assert_msg(tally_never(t) == NULL, "never cut: %s", tally_never(t));
	ck_assert_uint_gt(t->replayed, t->distinct / 10);
}
END_TEST

static void totals_init(void)
{
	totals = mmap(NULL, sizeof *totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (totals == MAP_FAILED)
		abort();
}

int main(void)
{
	const char *text = getenv("GKV_TEST_SEED");
	const char *scale = getenv("GKV_TEST_SCALE");
	Suite *suite = suite_create("crash");
	TCase *tc = tcase_create("cuts");
	SRunner *runner;
	struct timespec now;
	int failed;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30;
	if (text != NULL && *text != '\0')
		seed = strtoull(text, NULL, 0);
	images = (uint64_t)(IMAGES * (scale != NULL && *scale != '\0' ? strtod(scale, NULL) : 1));
	text = getenv("GKV_CRASH_IMAGES");
	if (text != NULL && *text != '\0')
		images = strtoull(text, NULL, 0);
	printf("GKV_TEST_SEED=%" PRIu64 "\n", seed);
	(void)fflush(stdout);
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, opens_at_a_commit_wherever_it_is_cut, 0, (int)WORKLOADS);
	suite_add_tcase(suite, tc);
	tc = tcase_create("faults");
	tcase_set_timeout(tc, 0);
	tcase_add_loop_test(tc, keeps_what_it_promised_when_any_call_fails, 0, FAULT_SEEDS * 2);
	suite_add_tcase(suite, tc);
	tc = tcase_create("counts");
	tcase_add_test(tc, every_kind_and_every_step_was_cut);
	suite_add_tcase(suite, tc);
	totals_init();
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
