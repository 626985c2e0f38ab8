/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_churn.c: a store that stays as large as it is while everything in it changes. Records are replaced, deleted
 * and inserted at random, each in a lazy transaction of its own, until `turnover` times the live bytes have been
 * written; or, in some variants, so many changes in each. Live bytes are those of the keys and values, about 200 for each of --records.
 *
 * In a variant with a fill the store is opened again, after the first fill and a compaction, with a size limit of which
 * the live bytes by its own count are so many percent, and is held there: above them a record is deleted, below none.
 * A change that is refused all the same ends the run; it then has one figure, how far it came.
 *
 * Each variant is several rows of the table that come from one run: it is made when the first of them is asked for, and
 * its figures are kept for the others. At the end every key is looked up, and its value compared.
 *
 * 1. Looks at the store, its file and its blocks are not in any time.
 * 2. Peaks are taken over the looks: one when the fill is done, then CHURN_LOOKS of them at equal distances. */

#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bench/churn.h"
#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

#define CHURN_LOOKS 256
#define FILL_SLACK  500 /* a store is held at its fill to one part in so many */

enum churn_metric {
	CHURN_PUT,
	CHURN_WORK,
	CHURN_WAIT,
	CHURN_FILE,
	CHURN_FILE_END,
	CHURN_DISK,
	CHURN_DISK_END,
	CHURN_OWN,
	CHURN_MOVED,
	CHURN_SLOTS,
	CHURN_HELD,
	CHURN_METRICS
};

struct churn_variant {
	const char *name;
	struct churn_sizes sizes;
	unsigned fill_percent; /* 0: no size limit */
	uint32_t changes;      /* of a transaction */
};

enum {
	VARIANT_MIXED,
	VARIANT_SMALL,
	VARIANT_LARGE,
	VARIANT_MIXED_80,
	VARIANT_MIXED_90,
	VARIANT_SMALL_80,
	VARIANT_SMALL_90,
	VARIANT_TXN_100,
	VARIANT_TXN_1000,
	VARIANT_TXN_10000,
	VARIANTS
};

static const struct churn_variant variants[VARIANTS] = {
	[VARIANT_MIXED] = {"churn", {16, 16384}, 0, 1},
	[VARIANT_SMALL] = {"churn-small", {100, 100}, 0, 1},
	[VARIANT_LARGE] = {"churn-large", {16, 1048576}, 0, 1},
	[VARIANT_MIXED_80] = {"churn80", {16, 16384}, 80, 1},
	[VARIANT_MIXED_90] = {"churn90", {16, 16384}, 90, 1},
	[VARIANT_SMALL_80] = {"churn80-small", {100, 100}, 80, 1},
	[VARIANT_SMALL_90] = {"churn90-small", {100, 100}, 90, 1},
	[VARIANT_TXN_100] = {"churn-txn-100", {16, 16384}, 0, 100},
	[VARIANT_TXN_1000] = {"churn-txn-1000", {16, 16384}, 0, 1000},
	[VARIANT_TXN_10000] = {"churn-txn-10000", {16, 16384}, 0, 10000},
};

struct churn_result {
	const struct subject *subject; /* NULL: none */
	unsigned round;
	bool known[CHURN_METRICS];
	double value[CHURN_METRICS];
	double processor; /* nanoseconds of an operation, deletes among them */
	struct percentiles latency;
};

/* What the rows of a variant share. */
static struct churn_result results[VARIANTS][CONTENDERS_MAX];

struct churn_run {
	const struct churn_variant *variant;
	struct churn_result *result;
	struct churn churn;        /* its times are those since the last look */
	struct churn_times times;  /* up to the last look                     */
	struct store_space before; /* when the fill was done                  */
	uint64_t hold;             /* live bytes to stay at, 0: let them be   */
	uint64_t filled;           /* live bytes when the fill was done       */
};

static void result_set(struct churn_result *result, enum churn_metric metric, double value)
{
	result->known[metric] = true;
	result->value[metric] = value;
}

static void result_raise(struct churn_result *result, enum churn_metric metric, double value)
{
	if (!result->known[metric] || result->value[metric] < value)
		result_set(result, metric, value);
}

/* What the store says of itself, where it does. */
static int look_inside(const struct churn_run *run, struct store_space *space)
{
	const struct subject *subject = run->churn.subject;
	int rc;

	*space = (struct store_space){0};
	if (subject->contender->space == NULL)
		return 0;
	rc = subject->contender->space(subject->store, space);
	return rc != 0 ? fail_code(subject, "counters", rc) : 0;
}

/* One line: the state now, and what the changes since the last look took. */
static void series_write(const struct churn_run *run, uint64_t file, uint64_t disk, const struct store_space *space)
{
	const struct bench *bench = run->churn.subject->bench;
	const struct churn *churn = &run->churn;
	const struct churn_times *t = &churn->times;
	const struct percentiles p = histogram_percentiles(&t->puts);

	if (bench->series == NULL)
		return;
	fprintf(bench->series, "%s,%s,%u,%.4f,%llu,%llu,%llu,%llu,%llu,%llu,%llu,", run->variant->name,
		churn->subject->contender->name, bench->round, (double)churn->written / (double)run->filled,
		(unsigned long long)churn->live, (unsigned long long)file, (unsigned long long)disk,
		(unsigned long long)space->live_bytes,
		(unsigned long long)(space->bytes_written - run->before.bytes_written),
		(unsigned long long)(space->bytes_moved - run->before.bytes_moved),
		(unsigned long long)space->free_slots);
	fprintf(bench->series, "%.0f,%llu,%llu,%llu,%llu,%llu,%llu\n",
		t->put_ns > 0 ? (double)p.count * 1e9 / (double)t->put_ns : 0, (unsigned long long)p.p50,
		(unsigned long long)p.p99, (unsigned long long)p.p999, (unsigned long long)p.max,
		(unsigned long long)t->work_most, (unsigned long long)t->wait_most);
}

/* What was taken since the last look goes to the rest. */
static void times_join(struct churn_run *run)
{
	struct churn_times *to = &run->times, *from = &run->churn.times;

	histogram_join(&to->puts, &from->puts);
	to->put_ns += from->put_ns;
	to->work_ns += from->work_ns;
	to->operations += from->operations;
	to->work_most = from->work_most > to->work_most ? from->work_most : to->work_most;
	to->wait_most = from->wait_most > to->wait_most ? from->wait_most : to->wait_most;
	*from = (struct churn_times){.put_ns = 0};
}

/* One look at the file, its blocks and the store's own counters. */
static int churn_look(struct churn_run *run)
{
	const struct subject *subject = run->churn.subject;
	const double live = (double)run->churn.live;
	struct churn_result *result = run->result;
	struct store_space space;
	struct stat st;
	uint64_t disk;

	if (look_inside(run, &space) != 0 || subject_disk_bytes(subject, &disk) != 0)
		return -1;
	if (stat(subject->path, &st) != 0)
		return fail_errno(subject->path, errno);
	result_raise(result, CHURN_FILE, (double)st.st_size / live);
	result_set(result, CHURN_FILE_END, (double)st.st_size / live);
	result_raise(result, CHURN_DISK, (double)disk / live);
	result_set(result, CHURN_DISK_END, (double)disk / live);
	if (space.live_bytes > 0)
		result_raise(result, CHURN_OWN, (double)st.st_size / (double)space.live_bytes);
	if (space.counts) {
		const uint64_t written = space.bytes_written - run->before.bytes_written;
		const uint64_t moved = space.bytes_moved - run->before.bytes_moved;

		result_set(result, CHURN_SLOTS, (double)space.free_slots);
		/* Moves are writes of the store's own: the rest is what was asked for. */
		result_set(result, CHURN_MOVED, written > moved ? (double)moved / (double)(written - moved) : 0);
	}
	series_write(run, (uint64_t)st.st_size, disk, &space);
	times_join(run);
	return 0;
}

/* The store again, with a limit that its live bytes fill so far. */
static int churn_limit(struct churn_run *run)
{
	struct subject *subject = run->churn.subject;
	const struct contender *c = subject->contender;
	struct store_space space;
	int rc = c->compact(subject->store);

	if (rc != 0)
		return fail_code(subject, "compact", rc);
	if (look_inside(run, &space) != 0)
		return -1;
	subject->max_bytes = space.live_bytes * 100 / run->variant->fill_percent;
	run->hold = run->churn.live;
	return subject_reopen(subject);
}

static int churn_begin(struct churn_run *run)
{
	if (churn_fill(&run->churn) != 0)
		return -1;
	if (run->variant->fill_percent != 0 && churn_limit(run) != 0)
		return -1;
	run->churn.times = (struct churn_times){.put_ns = 0};
	run->churn.written = 0;
	run->filled = run->churn.live;
	return look_inside(run, &run->before) != 0 ? -1 : churn_look(run);
}

static int churn_change(struct churn_run *run)
{
	struct churn *churn = &run->churn;
	const uint32_t index = (uint32_t)random_below(&churn->random, churn->keys);
	bool delete = random_below(&churn->random, CHURN_DELETE_ONE_IN) == 0;

	if (run->hold != 0 && churn->live > run->hold)
		delete = true;
	else if (run->hold != 0 && churn->live < run->hold - run->hold / FILL_SLACK)
		delete = false;
	return delete &&churn->version[index] != 0 ? churn_delete(churn, index) : churn_put(churn, index);
}

static int churn_turn(struct churn_run *run)
{
	struct churn *churn = &run->churn;
	const uint64_t total = churn->subject->bench->turnover * run->filled;
	const uint64_t step = total / CHURN_LOOKS + 1;
	int rc = 0;

	for (uint64_t next = step; rc == 0 && churn->written < total;) {
		rc = churn_change(run);
		/* Between two transactions. */
		if (rc == 0 && churn->written >= next && churn->writer == NULL) {
			next = churn->written + step;
			rc = churn_look(run);
		}
	}
	if (rc == 0)
		rc = churn_commit(churn);
	if (rc != 0)
		return rc;
	rc = churn->subject->contender->sync(churn->subject->store);
	return rc != 0 ? fail_code(churn->subject, "sync", rc) : churn_look(run);
}

static void churn_finish(struct churn_run *run)
{
	struct churn_result *result = run->result;
	const struct churn_times *t = &run->times;

	result->processor = t->operations > 0 ? (double)t->work_ns / (double)t->operations : 0;
	result->latency = histogram_percentiles(&t->puts);
	result_set(result, CHURN_PUT, t->puts.count > 0 ? (double)t->put_ns / (double)t->puts.count : 0);
	result_set(result, CHURN_WORK, (double)t->work_most / 1e6);
	result_set(result, CHURN_WAIT, (double)t->wait_most / 1e6);
	result_set(result, CHURN_HELD, run->churn.subject->bench->turnover);
}

/* Only how far it came is a figure. */
static void churn_was_full(struct churn_run *run)
{
	const struct subject *subject = run->churn.subject;
	const double held = (double)run->churn.written / (double)run->filled;

	memset(run->result->known, 0, sizeof run->result->known);
	fprintf(stderr, "gkv-bench: %s: %s: refused for want of room after %.2f turnovers\n", run->variant->name,
		subject->contender->name, held);
	result_set(run->result, CHURN_HELD, held);
}

static int churn_run(const struct churn_variant *variant, struct subject *subject, struct churn_result *result)
{
	struct churn_run *run = calloc(1, sizeof *run);
	int rc = -1;

	*result = (struct churn_result){.subject = NULL};
	if (run == NULL)
		return fail_errno("the churn", ENOMEM);
	run->variant = variant;
	run->result = result;
	if (churn_init(&run->churn, subject, variant->sizes, variant->changes) != 0 || churn_begin(run) != 0)
		goto out;
	rc = churn_turn(run);
	if (rc == CHURN_FULL)
		churn_was_full(run);
	else if (rc == 0)
		churn_finish(run);
	if (rc < 0 || churn_check(&run->churn) != 0) {
		rc = -1;
		goto out;
	}
	result->subject = subject;
	result->round = subject->bench->round;
	rc = subject_remove(subject);
out:
	churn_release(&run->churn);
	free(run);
	return rc;
}

/* The run of this variant, subject and round: the one that was made already, or a new one. */
static int churn_result(unsigned variant, struct subject *subject, const struct churn_result **out)
{
	struct churn_result *free_place = NULL;

	for (unsigned i = 0; i < CONTENDERS_MAX; i++) {
		struct churn_result *r = &results[variant][i];

		if (r->subject == subject && r->round == subject->bench->round) {
			*out = r;
			return 0;
		}
		if (r->subject == NULL || r->subject == subject)
			free_place = free_place == NULL || r->subject == subject ? r : free_place;
	}
	assert(free_place != NULL);
	*out = free_place;
	return churn_run(&variants[variant], subject, free_place);
}

static int run_churn(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const unsigned variant = workload->parameter / CHURN_METRICS;
	const unsigned metric = workload->parameter % CHURN_METRICS;
	const struct churn_result *result;

	if (churn_result(variant, subject, &result) != 0)
		return -1;
	*out = (struct sample){.present = result->known[metric], .value = result->value[metric]};
	if (metric == CHURN_PUT) {
		out->processor = result->processor;
		out->latency = result->latency;
	}
	return 0;
}

#define CHURN_ROW(NAME, VARIANT, METRIC, TITLE, UNIT, FLAGS)                                                           \
	{                                                                                                              \
		.name = NAME, .title = TITLE, .unit = UNIT, .mark = "", .limit = "",                                   \
		.flags = WORKLOAD_ON_DISK | WORKLOAD_APART | (FLAGS), .parameter = (VARIANT)*CHURN_METRICS + (METRIC), \
		.run = run_churn                                                                                       \
	}

#define CHURN_ROWS(NAME, VARIANT, WHAT, FLAGS)                                                                         \
	CHURN_ROW(NAME, VARIANT, CHURN_PUT, WHAT ": a put, a lazy commit each", "ns", FLAGS),                          \
		CHURN_ROW(NAME "-work", VARIANT, CHURN_WORK, WHAT ": most processor time that one change took", "ms",  \
			  WORKLOAD_COST | (FLAGS)),                                                                    \
		CHURN_ROW(NAME "-wait", VARIANT, CHURN_WAIT,                                                           \
			  WHAT ": most time beyond it, waiting for the disk or a processor", "ms",                     \
			  WORKLOAD_COST | (FLAGS)),                                                                    \
		CHURN_ROW(NAME "-file", VARIANT, CHURN_FILE,                                                           \
			  WHAT ": file / bytes of live keys and values, at its most", "x", WORKLOAD_COST | (FLAGS)),   \
		CHURN_ROW(NAME "-file-end", VARIANT, CHURN_FILE_END, WHAT ": the same at the end", "x",                \
			  WORKLOAD_COST | (FLAGS)),                                                                    \
		CHURN_ROW(NAME "-disk", VARIANT, CHURN_DISK,                                                           \
			  WHAT ": blocks on disk / bytes of live keys and values, at their most", "x",                 \
			  WORKLOAD_COST | (FLAGS)),                                                                    \
		CHURN_ROW(NAME "-disk-end", VARIANT, CHURN_DISK_END, WHAT ": the same at the end", "x",                \
			  WORKLOAD_COST | (FLAGS)),                                                                    \
		CHURN_ROW(NAME "-own", VARIANT, CHURN_OWN,                                                             \
			  WHAT ": file / live bytes by the store's own count (LMDB: pages in use), at its most", "x",  \
			  WORKLOAD_COST | (FLAGS)),                                                                    \
		CHURN_ROW(NAME "-moved", VARIANT, CHURN_MOVED, WHAT ": bytes moved / other bytes written", "x",        \
			  WORKLOAD_COST | WORKLOAD_NO_RATIO | (FLAGS)),                                                \
		CHURN_ROW(NAME "-slots", VARIANT, CHURN_SLOTS, WHAT ": free slots at the end", "slots",                \
			  WORKLOAD_COST | WORKLOAD_NO_RATIO | (FLAGS)),                                                \
		CHURN_ROW(NAME "-held", VARIANT, CHURN_HELD, WHAT ": turnovers before a change was refused, or all",   \
			  "x", WORKLOAD_NO_RATIO | (FLAGS))

#define CHURN_TXN_ROWS(NAME, VARIANT, CHANGES)                                                                         \
	CHURN_ROW(NAME, VARIANT, CHURN_PUT,                                                                            \
		  "replace, delete, insert; values of 16 B to 16 KiB, " CHANGES " a lazy commit: a change", "ns", 0),  \
		CHURN_ROW(NAME "-work", VARIANT, CHURN_WORK,                                                           \
			  CHANGES " changes a commit: most processor time that one transaction took", "ms",            \
			  WORKLOAD_COST),                                                                              \
		CHURN_ROW(NAME "-file", VARIANT, CHURN_FILE,                                                           \
			  CHANGES " changes a commit: file / bytes of live keys and values, at its most", "x",         \
			  WORKLOAD_COST),                                                                              \
		CHURN_ROW(NAME "-moved", VARIANT, CHURN_MOVED,                                                         \
			  CHANGES " changes a commit: bytes moved / other bytes written", "x",                         \
			  WORKLOAD_COST | WORKLOAD_NO_RATIO)

const struct workload workload_churn[] = {
	CHURN_ROWS("churn", VARIANT_MIXED, "replace, delete, insert; values of 16 B to 16 KiB", 0),
	CHURN_ROWS("churn-small", VARIANT_SMALL, "the same with values of 100 B", 0),
	CHURN_ROWS("churn-large", VARIANT_LARGE, "the same with values of 16 B to 1 MiB", 0),
	CHURN_ROWS("churn80", VARIANT_MIXED_80, "a size limit filled to 80%, 16 B to 16 KiB", WORKLOAD_HAS_LIMIT),
	CHURN_ROWS("churn90", VARIANT_MIXED_90, "a size limit filled to 90%, 16 B to 16 KiB", WORKLOAD_HAS_LIMIT),
	CHURN_ROWS("churn80-small", VARIANT_SMALL_80, "a size limit filled to 80%, 100 B", WORKLOAD_HAS_LIMIT),
	CHURN_ROWS("churn90-small", VARIANT_SMALL_90, "a size limit filled to 90%, 100 B", WORKLOAD_HAS_LIMIT),
	CHURN_TXN_ROWS("churn-txn-100", VARIANT_TXN_100, "100"),
	CHURN_TXN_ROWS("churn-txn-1000", VARIANT_TXN_1000, "1,000"),
	CHURN_TXN_ROWS("churn-txn-10000", VARIANT_TXN_10000, "10,000"),
	{.name = NULL},
};
