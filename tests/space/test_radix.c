/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_radix.c: what a pass of the radix sort does to any list, against a count of what has to come first. */
#include <string.h>

#include "arena/space/radix.h"
#include "tests/testing.h"

#define WORDS 300u

static uint64_t digit(uint64_t word, uint64_t base, unsigned shift, unsigned bits)
{
	return (word - base) >> shift & ((UINT64_C(1) << bits) - 1);
}

/* Where list[at] has to be after a pass: behind what has a lower digit, and what has the same one and was before it. */
static unsigned place_of(const uint64_t *list, unsigned count, unsigned at, uint64_t base, unsigned shift,
			 unsigned bits)
{
	const uint64_t own = digit(list[at], base, shift, bits);
	unsigned before = 0;

	for (unsigned i = 0; i < count; i++) {
		const uint64_t other = digit(list[i], base, shift, bits);
		before += other < own || (other == own && i < at);
	}
	return before;
}

/* Random words of which few or many share a digit; also none, and one. */
START_TEST(a_pass_orders_by_its_digit_and_keeps_the_rest)
{
	const uint64_t turns = testing_count(300, 30);
	uint64_t one[WORDS], other[WORDS], before[WORDS];
	struct rng r = rng_make(1);

	for (uint64_t turn = 0; turn < turns; turn++) {
		const unsigned count = (unsigned)rng_size(&r, WORDS);
		const unsigned bits = 1 + (unsigned)rng_below(&r, RADIX_MOST);
		const unsigned shift = (unsigned)rng_below(&r, 65 - bits);
		const uint64_t base = rng_below(&r, 2) == 0 ? 0 : rng_next(&r);
		const uint64_t mask = rng_next(&r) | rng_next(&r);
		uint64_t *list = one, *spare = other;
		for (unsigned i = 0; i < count; i++)
			one[i] = base + (rng_next(&r) & mask);
		memcpy(before, one, sizeof before);
		radix_pass(&list, &spare, count, base, shift, bits);
		must(list == other && spare == one);
		for (unsigned i = 0; i < count; i++)
			must(list[place_of(before, count, i, base, shift, bits)] == before[i]);
	}
}
END_TEST

/* Passes over all digits, from the lowest on. */
START_TEST(passes_over_all_digits_sort)
{
	uint64_t one[WORDS], other[WORDS];
	uint64_t *list = one, *spare = other;
	struct rng r = rng_make(2);

	for (unsigned i = 0; i < WORDS; i++)
		one[i] = rng_next(&r) >> rng_below(&r, 64);
	for (unsigned shift = 0; shift < 64; shift += RADIX_MOST)
		radix_pass(&list, &spare, WORDS, 0, shift, RADIX_MOST);
	for (unsigned i = 1; i < WORDS; i++)
		must(list[i - 1] <= list[i]);
}
END_TEST

SUITE("radix", "passes", a_pass_orders_by_its_digit_and_keeps_the_rest, passes_over_all_digits_sort)
