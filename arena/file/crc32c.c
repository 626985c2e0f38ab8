/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* crc32c.c owns the sum itself: by the processor's instruction where there is one, by a table of 16 words elsewhere. It
 * refuses to know what is summed.
 *
 * 1. All ways give the same sum.
 *
 * Cost: 8 bytes in three cycles by the instruction, which waits for the one before it; of 12 KiB and more three parts are
 * summed side by side, which is 8 bytes a cycle. By the table, twenty times as much: processors without the instruction are
 * from before 2009 (x86-64), or the first of their kind (arm64 without +crc). */
#include "arena/file/crc32c.h"

#include <assert.h>

static uint32_t nibbles_sum(uint32_t crc, uint64_t bits, unsigned count)
{
	static const uint32_t table[16] = {
		0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
		0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
	};

	for (; count > 0; count--, bits >>= 4)
		crc = crc >> 4 ^ table[(crc ^ (uint32_t)bits) & 15];
	return crc;
}

uint32_t crc32c_plain(uint32_t word, const crc32c_word *words, size_t count)
{
	uint32_t crc = nibbles_sum(UINT32_MAX, word, 8);

	assert(words != NULL || count == 0);
	for (size_t i = 0; i < count; i++)
		crc = nibbles_sum(crc, words[i], 16);
	return ~crc;
}

#if defined(CRC32C_INSTRUCTION)
#define POLYNOMIAL 0x82f63b78u /* the lowest power is the highest bit */
#define PART       (CRC32C_LONG / 3)
#define PART_SHIFT 0x35d73a62u /* x^(64 * PART), modulo the polynomial */

/* The product of two polynomials, modulo POLYNOMIAL. */
static uint32_t product(uint32_t a, uint32_t b)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i < 32; i++, a <<= 1) {
		sum ^= b & -(a >> 31);
		b = b >> 1 ^ (POLYNOMIAL & -(b & 1));
	}
	return sum;
}

/* The sum of a part that follows on another is the sum of that one, multiplied by what stands for the length of this, plus
 * its own. */
static uint64_t part_join(uint64_t before, uint64_t part)
{
	return product((uint32_t)before, PART_SHIFT) ^ part;
}

uint32_t crc32c_long(uint32_t word, const crc32c_word *words, size_t count)
{
	uint64_t crc = crc32c_first(word);

	for (; count >= CRC32C_LONG; count -= CRC32C_LONG, words += CRC32C_LONG) {
		uint64_t second = 0, third = 0;
		for (size_t i = 0; i < PART; i++) {
			crc = crc32c_step(crc, words[i]);
			second = crc32c_step(second, words[PART + i]);
			third = crc32c_step(third, words[2 * PART + i]);
		}
		crc = part_join(part_join(crc, second), third);
	}
	for (size_t i = 0; i < count; i++)
		crc = crc32c_step(crc, words[i]);
	return ~(uint32_t)crc;
}
#endif
