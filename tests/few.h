/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* few.h: the hash that makes keys meet. A program that is linked with few.c runs the tests of testing_add_both under it,
 * too. It is for programs of the separate objects: the library has no name to set a hash by. */
#ifndef GKV_TESTS_FEW_H
#define GKV_TESTS_FEW_H

#include <stddef.h>
#include <stdint.h>

/* A hash of 8 values spread over 64 bits, some of them one step apart, so that chains cross each other and the stray
 * list. */
uint64_t testing_hash_few(const void *key, size_t key_len, uint64_t seed);

#endif
