/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_scan.c: every record once, in the order that the store likes best, within one snapshot, from a warm page
 * cache. Every value is read whole and checked, and the records are counted. */

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

static int run_scan(const struct workload *workload, struct subject *subject, struct sample *out)
{
	struct stopwatch watch;
	int rc;

	(void)workload;
	if (subject_need_warm(subject) != 0)
		return -1;
	watch = stopwatch_start();
	rc = subject_check_all(subject);
	*out = stopwatch_sample(watch, subject->bench->records, 1);
	return rc;
}

const struct workload workload_scan[] = {
	{.name = "scan",
	 .title = "every record once, in the store's own order",
	 .unit = "ns",
	 .mark = ">= 2.2",
	 .limit = "",
	 .run = run_scan},
	{.name = NULL},
};
