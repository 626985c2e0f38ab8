/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* hash.h: from a key to 64 bits, the key's own position.
 *
 * XXH3 of the key's bytes with the seed of the store, so that nobody who does not know the seed can prepare keys that
 * meet. Thread-safe. */
#ifndef GKV_KVSTORE_HASH_H
#define GKV_KVSTORE_HASH_H

#include <stddef.h>
#include <stdint.h>

typedef uint64_t kv_hash_function(const void *key, size_t key_len, uint64_t seed);

uint64_t kv_hash(const void *key, size_t key_len, uint64_t seed);

/* Puts another function in its place, for every store of this process; NULL restores the real one. A store that was
 * written with one function can be read with that function alone. Not thread-safe: install before the first open. */
__attribute__((unused)) void kv_set_hash_for_tests(kv_hash_function *function);

#endif
