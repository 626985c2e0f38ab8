/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fuzz.c: assertions that stay when asserts are compiled out, and numbers that can be had again. */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Straight to the descriptor: a target may have turned the stream away. */
static _Noreturn void give_up(const char *text, size_t size)
{
	(void)!write(STDERR_FILENO, text, size);
	abort();
}

void fuzz_must_hold(bool holds, const char *what, const char *file, int line)
{
	char text[512];

	if (!holds)
		give_up(text, (size_t)snprintf(text, sizeof(text), "%s:%d: does not hold: %.300s\n", file, line, what));
}

void fuzz_must_equal(int got, int want, const char *what, const char *file, int line)
{
	char text[512];

	if (got != want)
		give_up(text, (size_t)snprintf(text, sizeof(text), "%s:%d: %.300s gives %d, not %d\n", file, line, what,
					       got, want));
}

uint64_t fuzz_next(struct fuzz_rng *r)
{
	uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

uint64_t fuzz_below(struct fuzz_rng *r, uint64_t end)
{
	return end == 0 ? 0 : fuzz_next(r) % end;
}

uint64_t fuzz_hash_few(const void *key, size_t key_len, uint64_t seed)
{
	const uint64_t step = UINT64_C(0x9e3779b97f4a7c15); /* from a name to the next one of its chain */
	const uint8_t *bytes = key;

	(void)seed;
	return 42 + (key_len > 0 ? bytes[key_len - 1] % 4u : 0u) * step;
}
