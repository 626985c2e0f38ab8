/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ranges.h: an array of stretches of the file, sorted by start a pass at a time.
 *
 * A least-significant-first radix sort: each pass is two sequential reads and a scattered write, and takes the same time
 * whatever the order is, so a checkpoint can do it in bounded steps. Not thread-safe: its owner's lock. */
#ifndef GKV_ARENA_RANGES_H
#define GKV_ARENA_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os.h"
#include "arena/slots.h"

struct ranges {
	struct slot_range *list, *spare;
	uint64_t count, capacity;
	unsigned sorted_bits; /* of a start, from the lowest on */
};

/* Room for so many, of which there are none yet. 0 or ENOMEM. */
int ranges_init(struct ranges *r, const struct os *os, uint64_t capacity);
void ranges_release(struct ranges *r, const struct os *os);

/* Room was made. */
void ranges_add(struct ranges *r, uint64_t start, uint64_t size);

/* Sorted, when none starts at `limit` or behind it. */
bool ranges_sorted(const struct ranges *r, uint64_t limit);
void ranges_sort_pass(struct ranges *r);

#endif
