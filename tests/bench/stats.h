/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stats.h: medians, percentiles, and the ratio of two contenders. */
#ifndef GKV_BENCH_STATS_H
#define GKV_BENCH_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Waiting times in nanoseconds; all zero when none were taken. */
struct percentiles {
	uint64_t count, p50, p99, p999, max;
};

/* What one contender did in one round of one workload. */
struct sample {
	bool present;
	double value;     /* in the workload's unit; less is better                             */
	double processor; /* nanoseconds of processor time per operation, 0: not measured       */
	struct percentiles latency;
};

/* Sorts the times. */
struct percentiles percentiles_of(uint64_t *times_ns, size_t count);

/* The median of the values, the mean of the middle two for an even count; sorts them. Zero for none. */
double median_of(double *values, size_t count);
double least_of(const double *values, size_t count);

/* Over rounds, of which those without a sample are left out: the median of each part, and the greatest maximum.
 * `least` takes the least value instead of the median one. */
struct sample sample_summary(const struct sample *samples, size_t count, bool least);

/* The median over rounds of above[i].value / below[i].value, so that both come from one round; zero when no round has
 * both. `least` divides the least values instead. */
double sample_ratio(const struct sample *above, const struct sample *below, size_t count, bool least);

#endif
