/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* records.c: values, and the orders in which records are asked for. Orders are made before the clock starts. */

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "tests/bench/records.h"

void value_fill(void *value, size_t size, const struct key *key, uint32_t version)
{
	unsigned char *at = value;
	uint64_t word = key->word[0] + version;

	assert(size >= VALUE_BYTES_MIN);
	assert(version < VALUE_VERSIONS);
	for (size_t i = 0; i < size; i += 8, word += VALUE_STEP)
		memcpy(at + i, &word, size - i < sizeof word ? size - i : sizeof word);
}

uint32_t *order_shuffled(uint32_t count, uint64_t seed)
{
	uint32_t *order = malloc((count + (size_t)1) * sizeof *order);

	if (order == NULL)
		return NULL;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t j = (uint32_t)random_below(&seed, (uint64_t)i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	return order;
}

/* The sum of 1/i^skew for i from 1 to count. */
static double zeta(uint32_t count, double skew)
{
	double sum = 0;

	for (uint32_t i = 1; i <= count; i++)
		sum += pow((double)i, -skew);
	return sum;
}

uint32_t *order_zipfian(uint32_t count, uint32_t draws, double skew, uint64_t seed)
{
	uint32_t *scatter = order_shuffled(count, seed ^ VALUE_STEP);
	uint32_t *order = malloc((draws + (size_t)1) * sizeof *order);
	double zeta_count, alpha, eta;

	if (scatter == NULL || order == NULL) {
		free(scatter);
		free(order);
		return NULL;
	}
	zeta_count = zeta(count, skew);
	alpha = 1 / (1 - skew);
	eta = (1 - pow(2.0 / (double)count, 1 - skew)) / (1 - zeta(2, skew) / zeta_count);
	for (uint32_t i = 0; i < draws; i++) {
		double u = (double)(random_next(&seed) >> 11) * 0x1p-53;
		double rank = (double)count * pow(eta * u - eta + 1, alpha);

		if (u * zeta_count < 1)
			rank = 0;
		else if (u * zeta_count < 1 + pow(0.5, skew))
			rank = 1;
		if (rank > (double)(count - 1))
			rank = (double)(count - 1);
		order[i] = scatter[(uint32_t)rank];
	}
	free(scatter);
	return order;
}
