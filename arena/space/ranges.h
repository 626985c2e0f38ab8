/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ranges.h: an array of stretches of the file, sorted by start a pass at a time.
 *
 * A checkpoint can sort it in bounded steps (radix.h). Not thread-safe: its owner's lock. */
#ifndef GKV_ARENA_SPACE_RANGES_H
#define GKV_ARENA_SPACE_RANGES_H

#include <stdbool.h>
#include <stdint.h>

#include <assert.h>

#include "arena/file/disk.h"
#include "arena/os/os.h"

/* Start, a mark and size in one word, in units: 40 bits, one, and 23. What is larger than RANGE_MOST is several that touch. */
typedef uint64_t range;
#define RANGE_SIZE_BITS 24u
#define RANGE_MARK      (UINT64_C(1) << (RANGE_SIZE_BITS - 1))
#define RANGE_MOST      ((RANGE_MARK - 1) * DISK_UNIT)

static inline uint64_t range_start(range r)
{
	return (r >> RANGE_SIZE_BITS) * DISK_UNIT;
}

static inline uint64_t range_size(range r)
{
	return (r & (RANGE_MARK - 1)) * DISK_UNIT;
}

static inline bool range_marked(range r)
{
	return (r & RANGE_MARK) != 0;
}

static inline uint64_t range_end(range r)
{
	return range_start(r) + range_size(r);
}

struct ranges {
	range *list, *spare;
	range *block[2]; /* the two as they were taken: a pass that was cut short leaves both names for one */
	uint64_t count, capacity;
	unsigned sorted_bits; /* of a start, from the lowest on */
};

/* How many words so many ranges of so many bytes together take at most. */
static inline uint64_t ranges_room(uint64_t count, uint64_t bytes)
{
	return count + bytes / RANGE_MOST;
}

/* Room for so many words, of which there are none yet. 0 or ENOMEM. */
int ranges_init(struct ranges *r, const struct os *os, uint64_t capacity);
void ranges_release(struct ranges *r, const struct os *os);
/* See slots_adopt. */
void ranges_adopt(struct ranges *r, uintptr_t by);

/* Room was made. mark: RANGE_MARK or 0; what it means is the owner's. */
static inline void ranges_add_marked(struct ranges *r, uint64_t start, uint64_t size, uint64_t mark)
{
	assert(r->sorted_bits == 0);
	assert(start % DISK_UNIT == 0 && start < DISK_FILE_MAX && size % DISK_UNIT == 0);
	while (size > 0) {
		const uint64_t part = size < RANGE_MOST ? size : RANGE_MOST;
		assert(r->count < r->capacity);
		r->list[r->count++] = start / DISK_UNIT << RANGE_SIZE_BITS | mark | part / DISK_UNIT;
		start += part;
		size -= part;
	}
}

static inline void ranges_add(struct ranges *r, uint64_t start, uint64_t size)
{
	ranges_add_marked(r, start, size, 0);
}

/* Takes from place *at on what touches, marked or not, as one; *at is then behind it. There is one. */
static inline void ranges_take_run(const struct ranges *r, uint64_t *at, uint64_t *start, uint64_t *size)
{
	uint64_t end = range_end(r->list[*at]);

	assert(*at < r->count);
	*start = range_start(r->list[*at]);
	for (++*at; *at < r->count && range_start(r->list[*at]) == end; ++*at)
		end = range_end(r->list[*at]);
	*size = end - *start;
}

/* Sorted, when none starts at `limit` or behind it. */
bool ranges_sorted(const struct ranges *r, uint64_t limit);
void ranges_sort_pass(struct ranges *r);

#endif
