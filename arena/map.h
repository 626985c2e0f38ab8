/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* map.h: the mapped file: where it stands in memory, how long it is, which of its table pages were verified.
 *
 * The file is mapped once over a large reservation of address space; growing it needs no new mapping. `bytes` is what
 * may be touched. Threads: `bytes` and the trust bits are atomic; the rest does not change while it is open. */
#ifndef GKV_ARENA_MAP_H
#define GKV_ARENA_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/disk.h"
#include "arena/os.h"

/* How the blobs of a file are summed: the version of its format says so. */
enum map_sum { MAP_SUM_CRC32C, MAP_SUM_XXH3 };

struct map {
	const struct os *os;
	os_file file; /* OS_NOFILE: anonymous */
	enum os_map_mode mode;
	uint8_t *base;
	uint64_t reserve;
	_Atomic uint64_t bytes;
	uint64_t identity;      /* mixed into every check                                                     */
	enum map_sum sum;       /* of blobs                                                                   */
	bool verify;            /* check record blobs on every read                                           */
	_Atomic uint64_t *trust; /* one bit per 512 bytes: the page or node that starts there was verified, or
	                            made by this handle. They are longer than 512 bytes, so no two share a bit */
	uint64_t trust_reserve;
};

/* Maps `bytes` of the file (or of nothing, OS_MAP_ANONYMOUS), which stays its caller's. 0, GRAVITY_CORRUPT (longer than a
 * store can be), ENOMEM or errno. */
int map_open(struct map *m, const struct os *os, os_file file, enum os_map_mode mode, uint64_t bytes);
void map_close(struct map *m);

/* Lengthens the file to `bytes` with its space allocated. 0, GRAVITY_FULL past the reservation, ENOSPC, errno. */
int map_grow(struct map *m, uint64_t bytes);
/* Cuts it. Nothing may look beyond any more. 0 or errno, and then it is as long as before. */
int map_truncate(struct map *m, uint64_t bytes);

/* Copies into the map. Many bytes go through the file, which the map is one with: see map.c. */
void map_copy(const struct map *m, void *to, const void *from, uint64_t bytes);

/* Marks the memory pages of a range as changed, without changing them. */
void map_touch(const struct map *m, uint64_t start, uint64_t end);

static inline uint64_t map_bytes(const struct map *m)
{
	return atomic_load_explicit(&m->bytes, memory_order_relaxed);
}

static inline bool map_holds(const struct map *m, uint64_t offset, uint64_t bytes)
{
	const uint64_t end = map_bytes(m);

	return offset >= DISK_DATA && offset <= end && bytes <= end - offset;
}

/* Bytes from offset to the end of the file: 0 where no blob can stand. */
static inline uint64_t map_room(const struct map *m, uint64_t offset)
{
	const uint64_t end = map_bytes(m);

	return offset >= DISK_DATA && offset <= end ? end - offset : 0;
}

static inline bool map_trusts(const struct map *m, uint64_t offset)
{
	const uint64_t bit = offset >> 9;

	return (atomic_load_explicit(&m->trust[bit >> 6], memory_order_acquire) >> (bit & 63)) & 1;
}

static inline void map_trust(const struct map *m, uint64_t offset)
{
	const uint64_t bit = offset >> 9;

	atomic_fetch_or_explicit(&m->trust[bit >> 6], UINT64_C(1) << (bit & 63), memory_order_release);
}

#endif
