/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* histogram.h: waiting times of which there are too many to be kept one by one. Buckets, 64 for each doubling, so that a
 * percentile is right to a sixty-fourth; the greatest is exact. A zeroed struct is empty. */
#ifndef GKV_BENCH_HISTOGRAM_H
#define GKV_BENCH_HISTOGRAM_H

#include <stdint.h>

#include "tests/bench/stats.h"

#define HISTOGRAM_BUCKETS (58 * 64 + 128)

struct histogram {
	uint64_t count, max, bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
/* Adds what `from` holds to `to`. */
void histogram_join(struct histogram *to, const struct histogram *from);
struct percentiles histogram_percentiles(const struct histogram *h);

#endif
