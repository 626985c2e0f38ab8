/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fuzz.h: what a fuzzer is made of, under the names that libFuzzer calls. A target is linked either with libFuzzer, or
 * with replay.c, which runs it over the inputs that tests/corpus keeps and over some hundred mutations of them. */
#ifndef GKV_TESTS_FUZZ_FUZZ_H
#define GKV_TESTS_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What must hold whatever the input is. A failure is told and aborts, with asserts compiled in or not. */
#define fuzz_must(condition)       fuzz_must_hold((condition), #condition, __FILE__, __LINE__)
#define fuzz_must_give(call, code) fuzz_must_equal((call), (code), #call, __FILE__, __LINE__)

void fuzz_must_hold(bool holds, const char *what, const char *file, int line);
void fuzz_must_equal(int got, int want, const char *what, const char *file, int line);

/* Of the target: its name, which is that of its folder in tests/corpus, and how many inputs it has run that got past
 * every first check of the code under test. A corpus without any is worth nothing. */
extern const char fuzz_name[];
extern uint64_t fuzz_accepted;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Changes the input in place and returns its new size, at most max_size. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
/* libFuzzer's own mutations of plain bytes; in a replay those of replay.c. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);

/* Numbers from a seed: splitmix64. */
struct fuzz_rng {
	uint64_t state;
};
uint64_t fuzz_next(struct fuzz_rng *r);
uint64_t fuzz_below(struct fuzz_rng *r, uint64_t end); /* 0 <= x < end; 0 where end is 0 */

/* A hash of four values, next to each other, so that keys share names and chains cross. */
uint64_t fuzz_hash_few(const void *key, size_t key_len, uint64_t seed);

#endif
