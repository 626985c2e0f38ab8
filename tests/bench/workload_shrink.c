/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_shrink.c: what a store gives back. Half of its records, chosen at random, are deleted, a lazy commit each,
 * and one checkpoint is made: how many blocks does it hold, by those before? The file is compacted: how long is it, by
 * before? Then everything is deleted, and one checkpoint made: how long is the file?
 *
 * The three figures of a variant come from one run, as those of a churn do. LMDB, which has no checkpoint, syncs; it
 * cannot compact in place (mdb_env_copy2 makes a second file) and has no figure there. */

#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <sys/stat.h>

#include "tests/bench/churn.h"
#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

enum shrink_metric { SHRINK_HALF_DISK, SHRINK_HALF_FILE, SHRINK_EMPTY, SHRINK_METRICS };

enum { VARIANT_MIXED, VARIANT_SMALL, VARIANTS };

static const struct churn_sizes sizes[VARIANTS] = {[VARIANT_MIXED] = {16, 16384}, [VARIANT_SMALL] = {100, 100}};

struct shrink_result {
	const struct subject *subject; /* NULL: none */
	unsigned round;
	struct sample sample[SHRINK_METRICS];
};

static struct shrink_result results[VARIANTS][CONTENDERS_MAX];

static int file_bytes(const struct subject *subject, double *bytes)
{
	struct stat st;

	if (stat(subject->path, &st) != 0)
		return fail_errno(subject->path, errno);
	*bytes = (double)st.st_size;
	return 0;
}

static int make_checkpoint(const struct subject *subject)
{
	int rc = subject->contender->checkpoint(subject->store);

	return rc != 0 ? fail_code(subject, "checkpoint", rc) : 0;
}

/* Of the keys that are there each with that chance in 2^32. */
static int delete_some(struct churn *churn, uint64_t chance)
{
	for (uint32_t i = 0; i < churn->keys; i++) {
		if (churn->version[i] != 0 && random_next(&churn->random) >> 32 < chance && churn_delete(churn, i) != 0)
			return -1;
	}
	return 0;
}

static void sample_set(struct shrink_result *result, enum shrink_metric metric, double value)
{
	result->sample[metric] = (struct sample){.present = true, .value = value};
}

static int shrink_half(struct churn *churn, struct shrink_result *result)
{
	struct subject *subject = churn->subject;
	double file_before = 0, file_after = 0;
	uint64_t before, after;
	int rc;

	if (make_checkpoint(subject) != 0 || subject_disk_bytes(subject, &before) != 0)
		return -1;
	if (file_bytes(subject, &file_before) != 0)
		return -1;
	if (delete_some(churn, UINT64_C(1) << 31) != 0 || make_checkpoint(subject) != 0)
		return -1;
	if (subject_disk_bytes(subject, &after) != 0)
		return -1;
	sample_set(result, SHRINK_HALF_DISK, (double)after / (double)before);
	if (subject->contender->compact == NULL)
		return 0;
	rc = subject->contender->compact(subject->store);
	if (rc != 0)
		return fail_code(subject, "compact", rc);
	if (file_bytes(subject, &file_after) != 0)
		return -1;
	sample_set(result, SHRINK_HALF_FILE, file_after / file_before);
	return churn_check(churn);
}

static int shrink_all(struct churn *churn, struct shrink_result *result)
{
	double bytes = 0;

	if (delete_some(churn, UINT64_C(1) << 32) != 0 || make_checkpoint(churn->subject) != 0)
		return -1;
	if (file_bytes(churn->subject, &bytes) != 0)
		return -1;
	sample_set(result, SHRINK_EMPTY, bytes / (1 << 20));
	return churn_check(churn);
}

static int shrink_run(unsigned variant, struct subject *subject, struct shrink_result *result)
{
	struct churn churn;
	int rc = -1;

	*result = (struct shrink_result){.subject = NULL};
	if (churn_init(&churn, subject, sizes[variant], 1) == 0 && churn_fill(&churn) == 0 &&
	    shrink_half(&churn, result) == 0 && shrink_all(&churn, result) == 0) {
		result->subject = subject;
		result->round = subject->bench->round;
		rc = subject_remove(subject);
	}
	churn_release(&churn);
	return rc;
}

static int run_shrink(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const unsigned variant = workload->parameter / SHRINK_METRICS;
	struct shrink_result *place = NULL;

	for (unsigned i = 0; i < CONTENDERS_MAX && place == NULL; i++) {
		if (results[variant][i].subject == NULL || results[variant][i].subject == subject)
			place = &results[variant][i];
	}
	assert(place != NULL);
	if ((place->subject != subject || place->round != subject->bench->round) &&
	    shrink_run(variant, subject, place) != 0)
		return -1;
	*out = place->sample[workload->parameter % SHRINK_METRICS];
	return 0;
}

#define SHRINK_ROW(NAME, VARIANT, METRIC, TITLE, UNIT, MARK)                                                           \
	{                                                                                                              \
		.name = NAME, .title = TITLE, .unit = UNIT, .mark = "", .limit = MARK,                                 \
		.flags = WORKLOAD_ON_DISK | WORKLOAD_APART | WORKLOAD_COST,                                            \
		.parameter = (VARIANT)*SHRINK_METRICS + (METRIC), .run = run_shrink                                    \
	}

#define SHRINK_ROWS(NAME, VARIANT, WHAT)                                                                               \
	SHRINK_ROW(NAME "-half-disk", VARIANT, SHRINK_HALF_DISK,                                                       \
		   WHAT ": blocks on disk after a random half was deleted and one checkpoint, by before", "x",         \
		   "<= 0.6"),                                                                                          \
		SHRINK_ROW(NAME "-half-file", VARIANT, SHRINK_HALF_FILE,                                               \
			   WHAT ": length of the file after that and a compaction, by before", "x", "<= 0.65"),        \
		SHRINK_ROW(NAME "-empty", VARIANT, SHRINK_EMPTY,                                                       \
			   WHAT ": length of the file after everything was deleted and one checkpoint", "MiB", "< 1")

const struct workload workload_shrink[] = {
	SHRINK_ROWS("shrink", VARIANT_MIXED, "values of 16 B to 16 KiB"),
	SHRINK_ROWS("shrink-small", VARIANT_SMALL, "values of 100 B"),
	{.name = NULL},
};
