/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* hash.c: the one place that includes xxHash for keys, and the hook through which a test makes keys meet.
 *
 * Cost: the hook is one predictable branch. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "kvstore/hash.h"

static kv_hash_function *hash_for_tests;

void kv_set_hash_for_tests(kv_hash_function *function)
{
	hash_for_tests = function;
}

uint64_t kv_hash(const void *key, size_t key_len, uint64_t seed)
{
	if (hash_for_tests != NULL)
		return hash_for_tests(key, key_len, seed);
	return XXH3_64bits_withSeed(key, key_len, seed);
}
