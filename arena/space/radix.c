/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* radix.c owns nothing: the arrays are its callers'.
 *
 * Cost: 16 KiB of stack for the largest digit. */
#include "arena/space/radix.h"

#include <assert.h>
#include <string.h>

void radix_pass(uint64_t **list, uint64_t **spare, uint64_t count, uint64_t base, unsigned shift, unsigned bits)
{
	uint64_t at[1u << RADIX_MOST]; /* where the next word of each digit goes */
	const uint64_t digits = UINT64_C(1) << bits;
	const uint64_t *from = *list;
	uint64_t *to = *spare;
	uint64_t sum = 0;

	assert(bits <= RADIX_MOST && shift < 64);
	memset(at, 0, digits * sizeof at[0]);
	for (uint64_t i = 0; i < count; i++)
		at[(from[i] - base) >> shift & (digits - 1)]++;
	for (uint64_t i = 0; i < digits; i++) {
		const uint64_t words = at[i];
		at[i] = sum;
		sum += words;
	}
	for (uint64_t i = 0; i < count; i++)
		to[at[(from[i] - base) >> shift & (digits - 1)]++] = from[i];
	*spare = *list;
	*list = to;
}
