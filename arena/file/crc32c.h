/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* crc32c.h: CRC-32C, the sum over a blob: polynomial 0x1EDC6F41, reflected, begun with and finally xored with all ones
 * (Castagnoli, Braeuer and Herrmann, "Optimization of cyclic redundancy-check codes with 24 and 32 parity bits", 1993;
 * RFC 3720, appendix B.4).
 *
 * It finds every change of up to 32 bits in a row, every change of an odd number of bits, and any two flipped bits of a
 * record. Processors have an instruction for it, 8 bytes at a time: a small record is summed in some 50 instructions, where
 * any hash takes a few times as many. That counts in a get: see arena/table/lookup.h.
 *
 * The sum is made by words of 8 bytes, as blobs are. Threads: no state. */
#ifndef GKV_ARENA_FILE_CRC32C_H
#define GKV_ARENA_FILE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/os/cpu.h"

/* A word of a blob, whose fields are of other types. */
typedef uint64_t __attribute__((may_alias)) crc32c_word;

/* Of `word` (4 bytes), then of `count` words of 8 bytes. */
uint32_t crc32c_plain(uint32_t word, const crc32c_word *words, size_t count);

#if defined(__x86_64__)
#define CRC32C_INSTRUCTION
/* One word more; for processors that have SSE 4.2. */
static inline uint64_t crc32c_step(uint64_t crc, uint64_t word)
{
	__asm__("crc32q %1, %0" : "+r"(crc) : "rm"(word));
	return crc;
}

static inline uint64_t crc32c_first(uint32_t word)
{
	uint64_t crc = UINT32_MAX;

	__asm__("crc32l %1, %k0" : "+r"(crc) : "rm"(word));
	return crc;
}

static inline bool crc32c_supported(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#define CRC32C_INSTRUCTION
/* The same on arm64, for processors that have the extension crc. */
static inline uint64_t crc32c_step(uint64_t crc, uint64_t word)
{
	__asm__(".arch_extension crc\n\tcrc32cx %w0, %w0, %x1" : "+r"(crc) : "r"(word));
	return crc;
}

static inline uint64_t crc32c_first(uint32_t word)
{
	uint64_t crc = UINT32_MAX;

	__asm__(".arch_extension crc\n\tcrc32cw %w0, %w0, %w1" : "+r"(crc) : "r"(word));
	return crc;
}

static inline bool crc32c_supported(void)
{
	return os_cpu_crc32();
}
#endif

#if defined(CRC32C_INSTRUCTION)
static inline uint32_t crc32c_short(uint32_t word, const crc32c_word *words, size_t count)
{
	uint64_t crc = crc32c_first(word);
	size_t i = 0;

	for (; i + 4 <= count; i += 4) {
		crc = crc32c_step(crc, words[i]);
		crc = crc32c_step(crc, words[i + 1]);
		crc = crc32c_step(crc, words[i + 2]);
		crc = crc32c_step(crc, words[i + 3]);
	}
	for (; i < count; i++)
		crc = crc32c_step(crc, words[i]);
	return ~(uint32_t)crc;
}

/* The same for many words, three at a time. */
#define CRC32C_LONG 1536u
uint32_t crc32c_long(uint32_t word, const crc32c_word *words, size_t count);

static inline uint32_t crc32c(uint32_t word, const crc32c_word *words, size_t count)
{
	if (!crc32c_supported())
		return crc32c_plain(word, words, count);
	return __builtin_expect(count < CRC32C_LONG, 1) ? crc32c_short(word, words, count)
							: crc32c_long(word, words, count);
}
#else
static inline uint32_t crc32c(uint32_t word, const crc32c_word *words, size_t count)
{
	return crc32c_plain(word, words, count);
}
#endif

#endif
