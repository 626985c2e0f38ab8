/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* report.h: what a run has found, as a table for people or as JSON. */
#ifndef GKV_BENCH_REPORT_H
#define GKV_BENCH_REPORT_H

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

/* One workload over all rounds and contenders. */
struct result {
	const struct workload *workload;
	struct sample bare[ROUNDS_MAX];
	struct sample samples[CONTENDERS_MAX][ROUNDS_MAX];
};

struct report {
	const struct bench *bench;
	struct machine machine;
	const struct contender *contenders[CONTENDERS_MAX];
	size_t contender_count;
	struct result *results;
	size_t result_count;
	uint64_t seconds;
};

/* The ratio of that contender to the reference, or to the fastest of several, in that workload: above 1 is faster, except for costs, where it is the
 * contender's cost over the reference's. Zero when there is none. */
double report_ratio(const struct report *report, const struct result *result, size_t contender);

/* The median (or least) of that contender's samples. */
struct sample report_summary(const struct report *report, const struct result *result, size_t contender);

/* How often that contender's throughput is that of the workload with one thread; zero where there is none. */
double report_scaling(const struct report *report, const struct result *result, size_t contender);

/* -1 when there is none of that name. */
int report_contender(const struct report *report, const char *name);

void report_table(const struct report *report);
void report_json(const struct report *report);
/* 0, or -1 when the file cannot be written. */
int report_rows(const struct report *report, FILE *out);

#endif
