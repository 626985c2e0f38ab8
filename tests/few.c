/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* few.c: see few.h. */
#include "tests/few.h"

#include "kvstore/hash.h"
#include "kvstore/stray.h"
#include "tests/testing.h"

uint64_t testing_hash_few(const void *key, size_t key_len, uint64_t hash_seed)
{
	static const uint64_t value[8] = {
		UINT64_C(0x1234567890ABCDEF),
		UINT64_C(0x1234567890ABCDEF) + PLACE_STEP,
		UINT64_C(0x1234567890ABCDEF) + 2 * PLACE_STEP,
		UINT64_C(0xFEDCBA9876543210),
		UINT64_C(0xFEDCBA9876543210) + 5 * PLACE_STEP,
		0,
		STRAY_HOME,
		STRAY_HOME - PLACE_STEP,
	};
	const unsigned char *at = key;
	uint64_t h = hash_seed;
	size_t i;

	for (i = 0; i < key_len; i++)
		h = rng_mix(h ^ at[i]);
	return value[rng_mix(h) & 7];
}

static void hash_set(bool few)
{
	kv_set_hash_for_tests(few ? testing_hash_few : NULL);
}

__attribute__((constructor)) static void few_choose(void)
{
	testing_few_set = hash_set;
}
