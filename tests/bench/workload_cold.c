/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_cold.c: random gets and a scan after the file was dropped from the page cache. The store is opened after
 * the drop; opening is not timed. Where the kernel keeps more than a hundredth of the file, the run says so and
 * gives no figure. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

#define COLD_KEPT_PERCENT 1.0
#define COLD_FAULTS       0x1u

/* Opens the loaded store cold; *cold is false when the kernel kept it in memory. */
static int open_cold(struct subject *subject, bool read_ahead, bool *cold)
{
	struct store_config config;
	double left = 0;
	int rc;

	*cold = false;
	if (subject_need_closed(subject) != 0)
		return -1;
	rc = probe_drop_cache(subject->path, &left);
	if (rc != 0)
		return fail_errno(subject->path, rc);
	*cold = left <= COLD_KEPT_PERCENT;
	if (!*cold)
		fprintf(stderr, "gkv-bench: %s: %.1f%% of the file stays in the page cache\n", subject->contender->name,
			left);
	subject->durable = false;
	subject->read_ahead = read_ahead;
	config = subject_config(subject);
	rc = subject->contender->open(&config, &subject->store);
	return rc != 0 ? fail_code(subject, "open", rc) : 0;
}

static int cold_gets(struct subject *subject, struct reader *reader, uint64_t *times_ns, uint32_t count)
{
	const struct contender *c = subject->contender;
	const struct bench *bench = subject->bench;
	uint64_t random = mix64(bench->seed + bench->round + 77);
	int rc = 0;

	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct key key = key_at(random_below(&random, bench->records), bench->seed);
		uint64_t start = clock_wall_ns();
		bool right = false;

		rc = c->snapshot_begin(reader);
		if (rc == 0) {
			gkv_bytes value;

			rc = c->get(reader, key_bytes(&key), &value);
			right = rc == 0 && value_check(value, bench->value_bytes, &key);
			c->snapshot_end(reader);
		}
		times_ns[i] = clock_wall_ns() - start;
		if (rc != 0)
			rc = fail_code(subject, "get", rc);
		else if (!right)
			rc = fail_answer(subject, "the value is not the one that was put");
	}
	return rc;
}

/* Pages of maps that this process had to wait for. */
static uint64_t faults_waited(void)
{
	struct rusage usage = {.ru_majflt = 0};

	return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_majflt : 0;
}

/* Its figure is the time, or with COLD_FAULTS how often the disk was waited for. */
static int run_cold_get(const struct workload *workload, struct subject *subject, struct sample *out)
{
	uint64_t times_ns[1000];
	const uint32_t count = subject->bench->quick ? 300 : 1000;
	struct reader *reader = NULL;
	struct stopwatch watch;
	uint64_t faults;
	bool cold;
	int rc;

	if (open_cold(subject, false, &cold) != 0)
		return -1;
	if (!cold)
		return 0;
	rc = subject->contender->reader_open(subject->store, &reader);
	if (rc != 0)
		return fail_code(subject, "reader", rc);
	faults = faults_waited();
	watch = stopwatch_start();
	rc = cold_gets(subject, reader, times_ns, count);
	*out = stopwatch_sample(watch, count, 1000);
	out->latency = percentiles_of(times_ns, count);
	if ((workload->parameter & COLD_FAULTS) != 0)
		*out = (struct sample){.present = true, .value = (double)(faults_waited() - faults) / count};
	subject->contender->reader_close(reader);
	return rc;
}

static int run_cold_scan(const struct workload *workload, struct subject *subject, struct sample *out)
{
	struct stopwatch watch;
	bool cold;
	int rc;

	(void)workload;
	if (open_cold(subject, true, &cold) != 0)
		return -1;
	if (!cold)
		return 0;
	watch = stopwatch_start();
	rc = subject_check_all(subject);
	*out = stopwatch_sample(watch, subject->bench->records, 1);
	return rc;
}

const struct workload workload_cold[] = {
	{.name = "cold-get",
	 .title = "random gets, the file dropped from the page cache before",
	 .unit = "us",
	 .mark = "",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK,
	 .run = run_cold_get},
	{.name = "cold-get-reads",
	 .title = "how often such a get waits for a page of the file (major faults)",
	 .unit = "x",
	 .mark = "",
	 .limit = "<= 2",
	 .flags = WORKLOAD_ON_DISK | WORKLOAD_COST,
	 .parameter = COLD_FAULTS,
	 .run = run_cold_get},
	{.name = "cold-scan",
	 .title = "every record once, the file dropped from the page cache before",
	 .unit = "ns",
	 .mark = "",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK,
	 .run = run_cold_scan},
	{.name = NULL},
};
