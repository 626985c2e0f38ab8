/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* histogram.c owns the buckets: below 128 ns one for each nanosecond, above 64 for each doubling. Adding is a shift and
 * an increment. */

#include <assert.h>

#include "tests/bench/histogram.h"

static unsigned bucket_of(uint64_t ns)
{
	unsigned shift = ns < 128 ? 0 : 57u - (unsigned)__builtin_clzll(ns);

	return shift * 64 + (unsigned)(ns >> shift);
}

/* The least time that the bucket holds. */
static uint64_t bucket_least(unsigned bucket)
{
	return bucket < 128 ? bucket : (uint64_t)(bucket % 64 + 64) << (bucket / 64 - 1);
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	assert(bucket_of(ns) < HISTOGRAM_BUCKETS);
	h->bucket[bucket_of(ns)]++;
	h->count++;
	h->max = ns > h->max ? ns : h->max;
}

void histogram_join(struct histogram *to, const struct histogram *from)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->count += from->count;
	to->max = from->max > to->max ? from->max : to->max;
}

static uint64_t histogram_at(const struct histogram *h, uint64_t rank)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (rank < h->bucket[i])
			return bucket_least(i);
		rank -= h->bucket[i];
	}
	return h->max;
}

struct percentiles histogram_percentiles(const struct histogram *h)
{
	return (struct percentiles){.count = h->count,
				    .p50 = histogram_at(h, h->count / 2),
				    .p99 = histogram_at(h, h->count * 99 / 100),
				    .p999 = histogram_at(h, h->count * 999 / 1000),
				    .max = h->max};
}
