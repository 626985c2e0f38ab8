/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* mutate_plain.c: for a replay of targets whose inputs have no form that a mutation must keep. */
#include "tests/fuzz/fuzz.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	struct fuzz_rng rng = {seed};

	for (uint64_t times = 1 + fuzz_below(&rng, 8); times > 0; times--)
		size = LLVMFuzzerMutate(data, size, max_size);
	return size;
}
