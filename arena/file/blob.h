/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* blob.h: a blob's head: made, sealed, verified. */
#ifndef GKV_ARENA_FILE_BLOB_H
#define GKV_ARENA_FILE_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/broken.h"
#include "arena/file/crc32c.h"
#include "arena/file/disk.h"
#include "arena/file/map.h"

/* What a blob of so many bytes takes in the file. */
static inline uint64_t blob_span(uint64_t size)
{
	return (sizeof(struct blob_disk) + size + (DISK_UNIT - 1)) & ~(DISK_UNIT - 1);
}

static inline uint64_t blob_seq(const struct blob_disk *b)
{
	return b->stamp & DISK_SEQ_MASK;
}

static inline unsigned blob_kind(const struct blob_disk *b)
{
	return (unsigned)(b->stamp >> 48) & 0xff;
}

static inline unsigned blob_flags(const struct blob_disk *b)
{
	return (unsigned)(b->stamp >> 56);
}

static inline uint64_t blob_stamp(uint64_t seq, unsigned kind, unsigned flags)
{
	return seq | (uint64_t)kind << 48 | (uint64_t)flags << 56;
}

static inline bool blob_is_record(const struct blob_disk *b)
{
	return blob_kind(b) == BLOB_PUT || blob_kind(b) == BLOB_MOVE;
}

static inline struct blob_disk *blob_at(const struct map *m, uint64_t offset)
{
	return (struct blob_disk *)(void *)(m->base + offset);
}

static inline uint64_t blob_offset(const struct map *m, const void *blob)
{
	return (uint64_t)((const uint8_t *)blob - m->base);
}

/* Whether a whole blob can stand at offset: aligned, inside the file with all the bytes that its head claims. */
static inline bool blob_fits(const struct map *m, uint64_t offset)
{
	return offset % DISK_UNIT == 0 && map_holds(m, offset, sizeof(struct blob_disk)) &&
	       map_holds(m, offset, blob_span(blob_at(m, offset)->size));
}

/* The sum of a blob of a file of version 1: the low half of XXH3 (Yann Collet, BSD-2) of its head behind the check and of
 * its bytes. */
uint32_t blob_sum_xxh3(const struct blob_disk *b);

/* A bijective mixer (the finaliser of splitmix64, Steele, Lea and Flood 2014) and its inverse. */
static inline uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static inline uint64_t unmix64(uint64_t x)
{
	x = (x ^ (x >> 31) ^ (x >> 62)) * UINT64_C(0x319642b2d24d8ec3);
	x = (x ^ (x >> 27) ^ (x >> 54)) * UINT64_C(0x96de1b173f119089);
	return x ^ (x >> 30) ^ (x >> 60);
}

/* The check that the blob at offset should carry, inlined. */
static inline uint32_t blob_check_inline(const struct map *m, const struct blob_disk *b, uint64_t offset)
{
	const crc32c_word *words = (const crc32c_word *)(const void *)b;
	const size_t count = (size_t)(blob_span(b->size) / sizeof *words);
	const uint32_t sum = __builtin_expect(m->sum == MAP_SUM_CRC32C, 1) ? crc32c(b->size, words + 1, count - 1)
									   : blob_sum_xxh3(b);

	return sum ^ (uint32_t)mix64((broken(BROKEN_CHECK_IDENTITY) ? 0 : m->identity) ^
				     (broken(BROKEN_CHECK_PLACE) ? 0 : offset));
}

/* The same in a call. The blob must fit. */
uint32_t blob_check(const struct map *m, const struct blob_disk *b, uint64_t offset);

static inline void blob_seal(const struct map *m, struct blob_disk *b)
{
	b->check = blob_check(m, b, blob_offset(m, b));
}

/* Fits, and carries its check. */
bool blob_verify(const struct map *m, uint64_t offset);

/* Writes a head and zeroes the bytes that pad the blob to a multiple of 8. */
void blob_init(struct blob_disk *b, uint64_t stamp, uint64_t name, uint32_t size, uint32_t link, uint32_t aux);

#endif
