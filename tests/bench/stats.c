/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stats.c: order statistics over small arrays. It knows nothing of workloads; what is compared is the caller's
 * business. At most ROUNDS_MAX samples are looked at. */

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "tests/bench/stats.h"

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

static int compare_double(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

struct percentiles percentiles_of(uint64_t *times_ns, size_t count)
{
	struct percentiles p = {0};

	if (count == 0)
		return p;
	qsort(times_ns, count, sizeof *times_ns, compare_u64);
	p.count = count;
	p.p50 = times_ns[count / 2];
	p.p99 = times_ns[count * 99 / 100];
	p.p999 = times_ns[count * 999 / 1000];
	p.max = times_ns[count - 1];
	return p;
}

double median_of(double *values, size_t count)
{
	if (count == 0)
		return 0;
	qsort(values, count, sizeof *values, compare_double);
	return count % 2 == 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

double least_of(const double *values, size_t count)
{
	double least = count > 0 ? values[0] : 0;

	for (size_t i = 1; i < count; i++)
		least = values[i] < least ? values[i] : least;
	return least;
}

struct sample sample_summary(const struct sample *samples, size_t count, bool least)
{
	double value[ROUNDS_MAX], processor[ROUNDS_MAX], p50[ROUNDS_MAX], p99[ROUNDS_MAX], p999[ROUNDS_MAX];
	struct sample summary = {0};
	size_t n = 0;

	assert(count <= ROUNDS_MAX);
	for (size_t i = 0; i < count; i++) {
		if (!samples[i].present)
			continue;
		value[n] = samples[i].value;
		processor[n] = samples[i].processor;
		p50[n] = (double)samples[i].latency.p50;
		p99[n] = (double)samples[i].latency.p99;
		p999[n] = (double)samples[i].latency.p999;
		summary.latency.count += samples[i].latency.count;
		if (samples[i].latency.max > summary.latency.max)
			summary.latency.max = samples[i].latency.max;
		n++;
	}
	if (n == 0)
		return summary;
	summary.present = true;
	summary.value = least ? least_of(value, n) : median_of(value, n);
	summary.processor = median_of(processor, n);
	summary.latency.p50 = (uint64_t)median_of(p50, n);
	summary.latency.p99 = (uint64_t)median_of(p99, n);
	summary.latency.p999 = (uint64_t)median_of(p999, n);
	return summary;
}

double sample_ratio(const struct sample *above, const struct sample *below, size_t count, bool least)
{
	double ratio[ROUNDS_MAX];
	size_t n = 0;

	assert(count <= ROUNDS_MAX);
	if (least) {
		struct sample a = sample_summary(above, count, true), b = sample_summary(below, count, true);

		return a.present && b.present && b.value > 0 ? a.value / b.value : 0;
	}
	for (size_t i = 0; i < count; i++) {
		if (above[i].present && below[i].present && below[i].value > 0)
			ratio[n++] = above[i].value / below[i].value;
	}
	return median_of(ratio, n);
}
