/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* types.h: the words that all floors of the arena share. */
#ifndef GKV_ARENA_TYPES_H
#define GKV_ARENA_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct arena arena;
typedef struct arena_txn arena_txn;

/* A virtual position: the name of a blob. */
typedef struct vpos {
	uint64_t bits;
} vpos;

enum arena_kind { ARENA_KEYED = 1, ARENA_PLAIN = 2 };

static inline uint64_t least_of(uint64_t x, uint64_t y)
{
	return x < y ? x : y;
}

static inline uint64_t most_of(uint64_t x, uint64_t y)
{
	return x > y ? x : y;
}

static inline bool words_are_zero(const uint64_t *words, size_t count)
{
	uint64_t any = 0;

	for (size_t i = 0; i < count; i++)
		any |= words[i];
	return any == 0;
}

/* How far a long work is; a non-zero answer stops it with ECANCELED. */
typedef int arena_progress(void *arg, uint64_t done, uint64_t total);

#endif
