/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* holes.c owns one bit for each block of the file.
 *
 * 1. A block whose bit is not set has disk space under all of its pages that the file covers.
 *
 * Cost: a look at one or two words; memory of a bit for 64 KiB, once something was added. */
#include "arena/space/holes.h"

#include <assert.h>
#include <string.h>

#define WORD_BITS 64u

void holes_release(struct holes *h, const struct os *os)
{
	os->free(os, h->words);
	*h = (struct holes){0};
}

void holes_adopt(struct holes *h, uintptr_t by)
{
	h->words = os_moved(h->words, by);
}

static bool holes_cover(struct holes *h, const struct os *os, uint64_t words)
{
	uint64_t *grown;

	if (words <= h->count)
		return true;
	words = words < 2 * h->count ? 2 * h->count : words;
	grown = os->alloc(os, h->words, (size_t)words * sizeof *grown);
	if (grown == NULL)
		return false;
	memset(grown + h->count, 0, (size_t)(words - h->count) * sizeof *grown);
	h->words = grown;
	h->count = words;
	return true;
}

static uint64_t block_bit(uint64_t block)
{
	return UINT64_C(1) << block % WORD_BITS;
}

void holes_add(struct holes *h, const struct os *os, uint64_t start, uint64_t end)
{
	assert(start <= end);
	if (start == end || h->everywhere)
		return;
	if (!holes_cover(h, os, (end - 1) / HOLES_BLOCK / WORD_BITS + 1)) {
		h->everywhere = true;
		return;
	}
	for (uint64_t block = start / HOLES_BLOCK; block <= (end - 1) / HOLES_BLOCK; block++)
		h->words[block / WORD_BITS] |= block_bit(block);
}

void holes_remove(struct holes *h, uint64_t start, uint64_t end)
{
	assert(start <= end);
	for (uint64_t block = (start + HOLES_BLOCK - 1) / HOLES_BLOCK;
	     block * HOLES_BLOCK < end && block / WORD_BITS < h->count; block++)
		h->words[block / WORD_BITS] &= ~block_bit(block);
}

bool holes_meet(const struct holes *h, uint64_t start, uint64_t end)
{
	assert(start < end);
	if (h->everywhere)
		return true;
	for (uint64_t block = start / HOLES_BLOCK; block <= (end - 1) / HOLES_BLOCK && block / WORD_BITS < h->count;
	     block++)
		if ((h->words[block / WORD_BITS] & block_bit(block)) != 0)
			return true;
	return false;
}
