/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_load.c: an empty store is filled in random order, 1,000 puts a lazy transaction, with one sync at the end.
 * The latency is that of one transaction with its puts: where a store stops to clean up, its maximum shows it. */

#include <errno.h>
#include <stdlib.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

static int run_load(const struct workload *workload, struct subject *subject, struct sample *out)
{
	uint32_t commits = subject_load_commits(subject->bench);
	uint64_t *commit_ns = malloc((commits + (size_t)1) * sizeof *commit_ns);
	struct stopwatch watch;
	int rc = -1;

	(void)workload;
	if (commit_ns == NULL)
		return fail_errno("the times of the commits", ENOMEM);
	if (subject_open_empty(subject) != 0)
		goto out;
	watch = stopwatch_start();
	if (subject_load(subject, commit_ns) != 0)
		goto out;
	*out = stopwatch_sample(watch, subject->bench->records, 1);
	out->latency = percentiles_of(commit_ns, commits);
	rc = 0;
out:
	free(commit_ns);
	return rc;
}

const struct workload workload_load[] = {
	{.name = "load",
	 .title = "put every record, random order, 1,000 a lazy transaction, one sync at the end",
	 .unit = "ns",
	 .mark = ">= 4.5",
	 .limit = "",
	 .run = run_load},
	{.name = NULL},
};
