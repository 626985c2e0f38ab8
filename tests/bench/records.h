/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* records.h: the keys and values of every workload, and the order in which they are asked for.
 *
 * A key is 16 bytes from a counter put through a bijective mixer: all keys differ, and ascending counters give keys in
 * random order. A value proves itself: its first word lies less than 65,536 above the key's first word (the distance
 * is the version), and every later word is the one before plus VALUE_STEP, cut off where the value ends. A reader reads
 * the value whole to check it. Values are little-endian, as are the machines that gkv runs on. */
#ifndef GKV_BENCH_RECORDS_H
#define GKV_BENCH_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kvstore/gkv.h"

#define VALUE_BYTES_MIN   8
#define VALUE_VERSIONS    65536u
#define VALUE_STEP        UINT64_C(0x9e3779b97f4a7c15)
#define MISS_INDEX_OFFSET (UINT64_C(1) << 40) /* the index of a key that is never stored */

struct key {
	uint64_t word[2];
};

/* A bijection of 64-bit words (the finaliser of splitmix64). */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline struct key key_at(uint64_t index, uint64_t seed)
{
	uint64_t low = mix64(index + (seed + 1) * VALUE_STEP);

	return (struct key){{low, low * VALUE_STEP ^ low >> 32}};
}

static inline gkv_bytes key_bytes(const struct key *key)
{
	return (gkv_bytes){key, sizeof *key};
}

/* The next of a stream of random words (splitmix64). */
static inline uint64_t random_next(uint64_t *state)
{
	*state += VALUE_STEP;
	return mix64(*state);
}

/* A random number below `bound`, which is below 2^32. */
static inline uint64_t random_below(uint64_t *state, uint64_t bound)
{
	return (random_next(state) >> 32) * bound >> 32;
}

/* Writes the value of that key and version: `size` bytes, at least VALUE_BYTES_MIN. */
void value_fill(void *value, size_t size, const struct key *key, uint32_t version);

/* Two words of a value, and two such pairs at once, so that checking costs little beside the misses that are measured. */
typedef uint64_t value_pair __attribute__((vector_size(16)));

static inline uint64_t value_word(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

static inline value_pair value_pair_differ(const unsigned char *at, value_pair want)
{
	value_pair have;

	memcpy(&have, at, sizeof have);
	return have ^ want;
}

/* What differs in the whole words from the value that begins with `first`: 0 when all follow from it. */
static inline uint64_t value_words_differ(const unsigned char *at, size_t words, uint64_t first)
{
	const value_pair step = {4 * VALUE_STEP, 4 * VALUE_STEP};
	value_pair even = {first, first + VALUE_STEP}, odd = {first + 2 * VALUE_STEP, first + 3 * VALUE_STEP};
	value_pair difference = {0, 0};
	uint64_t rest = 0;
	size_t i = 0;

	for (; i + 4 <= words; i += 4, even += step, odd += step)
		difference |= value_pair_differ(at + i * 8, even) | value_pair_differ(at + i * 8 + 16, odd);
	for (; i < words; i++)
		rest |= value_word(at + i * 8) ^ (first + i * VALUE_STEP);
	return rest | difference[0] | difference[1];
}

/* True if these are the bytes of some version of that key's value; every byte is read. */
static inline bool value_check(gkv_bytes value, size_t size, const struct key *key)
{
	const unsigned char *at = value.data;
	uint64_t first, difference;
	size_t tail_bits = size % 8 * 8;

	if (at == NULL || value.size != size)
		return false;
	first = value_word(at);
	difference = value_words_differ(at, size / 8, first);
	if (tail_bits > 0) {
		uint64_t tail = value_word(at + size - 8) >> (64 - tail_bits);

		difference |= (tail ^ (first + size / 8 * VALUE_STEP)) << (64 - tail_bits);
	}
	return first - key->word[0] < VALUE_VERSIONS && difference == 0;
}

/* A permutation of 0 .. count-1, to be freed by the caller; NULL when memory is short. */
uint32_t *order_shuffled(uint32_t count, uint64_t seed);

/* `draws` indices below `count`, of which few come often (Gray and others, "Quickly generating billion-record synthetic
 * databases", the generator of YCSB), scattered over the key space. NULL when memory is short. */
uint32_t *order_zipfian(uint32_t count, uint32_t draws, double skew, uint64_t seed);

#endif
