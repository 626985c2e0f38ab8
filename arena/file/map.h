/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* map.h: the mapped file: where it stands in memory, how long it is, which of its table pages were verified.
 *
 * The file is mapped once over a reservation of address space, which never grows; growing the file needs no new mapping.
 * What may be touched is `*length` bytes, a word that need not stand in the handle. Threads: that word and the trust bits are
 * atomic; the rest does not change while it is open. */
#ifndef GKV_ARENA_FILE_MAP_H
#define GKV_ARENA_FILE_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/file/disk.h"
#include "arena/os/os.h"

/* How the blobs of a file are summed: the version of its format says so. */
enum map_sum { MAP_SUM_CRC32C, MAP_SUM_XXH3 };

struct map {
	const struct os *os;
	os_file file; /* OS_NOFILE: anonymous */
	enum os_map_mode mode;
	uint8_t *base;
	_Atomic uint64_t *length; /* how much may be touched                                                  */
	uint64_t reserve;
	_Atomic uint64_t bytes; /* the word of one who shares it with nobody                                  */
	uint64_t file_bytes;    /* more than *length while readers may still look there                       */
	uint64_t identity;      /* mixed into every check                                                     */
	uint64_t newest;  /* the commit of the header: no page that was not made by this handle is of a later one */
	enum map_sum sum; /* of blobs                                                                   */
	bool verify;      /* check record blobs on every read                                           */
	_Atomic uint64_t *trust; /* one bit per 512 bytes: the page or node that starts there was verified, or
	                            made by this handle. They are longer than 512 bytes, so no two share a bit */
	uint64_t trust_reserve;
	uint64_t trust_used; /* bytes of it that may be touched: for the file up to *length, by the page */
	bool wide;           /* one of the few whose reservation is large                               */
};

/* Maps `bytes` of the file (or of nothing, OS_MAP_ANONYMOUS), which stays its caller's; it will never be longer than `most`.
 * 0, GRAVITY_CORRUPT (longer than a store can be), ENOMEM or errno. */
int map_open(struct map *m, const struct os *os, os_file file, enum os_map_mode mode, uint64_t bytes, uint64_t most);
void map_close(struct map *m);

/* Lengthens the file to `bytes` with its space allocated. 0, ENOMEM past the reservation, GRAVITY_FULL past what a store
 * can be, ENOSPC, errno. */
int map_grow(struct map *m, uint64_t bytes);
/* Nothing that begins to look from now on looks beyond `bytes`. What others may be looking at stays: zeroes, or what was
 * there. */
void map_lower(struct map *m, uint64_t bytes);
/* Hands back what lies beyond, which readers may see become zeroes. Best effort. */
void map_empty(const struct map *m);
/* Cuts the file, or the memory in place of one, to `bytes`; nobody looks beyond any more. 0 or errno, and then it is as long
 * as before. */
int map_cut(struct map *m);

/* Copies into the map; the two may overlap. Many bytes go through the file, which the map is one with: see map.c. */
void map_copy(const struct map *m, void *to, const void *from, uint64_t bytes);

/* Writes bytes by a call that returns a code where a store might be a signal, since their page may have no disk space of
 * its own: a file that was copied has holes where the original had zeroes. 0 or errno. */
int map_write(const struct map *m, uint64_t offset, const void *from, uint64_t bytes);

/* Writes a range of the file over itself, so that the next flush writes it whatever the kernel takes for clean. Nobody else
 * stores to it meanwhile. 0 or errno; EIO where it cannot be read. */
int map_touch(const struct map *m, uint64_t start, uint64_t end);

static inline uint64_t map_bytes(const struct map *m)
{
	return atomic_load_explicit(m->length, memory_order_relaxed);
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
