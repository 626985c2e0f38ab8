/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* newstore.c owns the bytes of a store in which nothing was written yet: a header, an empty page of the table, a window.
 *
 * 1. The magic comes last, after a flush of everything else: a file that has it is a whole store. It is one word of 8
 *    bytes, which is never torn.
 * 2. What a power cut leaves before that are words of the new store, and zeroes. Such a file still counts as empty.
 *
 * What a cut leaves of a file that was empty:
 *
 *   grow         zeroes, up to the length of a new store
 *   write, sync  some words of the new store, but no magic; zeroes
 *   write, sync  all of it; the magic or zeroes in its place */
#include "arena/newstore.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/file/blob.h"
#include "arena/file/header.h"
#include "arena/table/page.h"
#include "arena/table/table.h"

#define MAGIC_BYTES  sizeof(((struct header_disk *)0)->magic)
#define RANDOM_WORDS 4u
#define WORDS        (NEWSTORE_BYTES / sizeof(uint64_t))

static struct page_disk *page_of(void *memory)
{
	return (struct page_disk *)(void *)((uint8_t *)memory + DISK_DATA);
}

static void image_write(void *memory, const struct arena_options *o, const uint64_t random[RANDOM_WORDS])
{
	struct header_disk *h = memory;
	struct page_disk *page = page_of(memory);
	struct map named = {.base = NULL};

	*h = (struct header_disk){
		.version = DISK_VERSION, .kind = (uint32_t)o->kind, .checkpoint = 1, .seq = 1, .table_pages = 1};
	h->identity[0] = random[0];
	h->identity[1] = random[1];
	h->hash_seed = o->seed != 0 ? o->seed : random[2];
	h->log_link = (uint32_t)random[3];
	h->root = ref_make(DISK_DATA, h->seq, false);
	h->log_start = DISK_DATA + sizeof *page;
	h->window_end = h->file_bytes = NEWSTORE_BYTES;
	h->table_bytes = sizeof *page;
	header_adopt(&named, h);
	page_init(page, 0, 0, h->seq);
	page->head.check = blob_check(&named, &page->head, DISK_DATA);
	header_seal(h, 0);
}

int newstore_fill(const struct os *os, const struct arena_options *o, void *memory)
{
	uint64_t random[RANDOM_WORDS];
	const int r = os->random(os, random, sizeof random);

	if (r == 0)
		image_write(memory, o, random);
	return r;
}

/* In the order of invariant 1. */
static int image_store(const struct os *os, os_file file, const uint8_t *image)
{
	const size_t from = broken(BROKEN_MAGIC) ? 0 : MAGIC_BYTES;
	int r = os->grow(os, file, 0, NEWSTORE_BYTES);

	if (r == 0)
		r = os->write(os, file, from, image + from, NEWSTORE_BYTES - from);
	if (r == 0 && !broken(BROKEN_NEW))
		r = os->sync(os, file);
	if (r == 0)
		r = os->write(os, file, 0, image, MAGIC_BYTES);
	if (r == 0 && !broken(BROKEN_NEW))
		r = os->sync(os, file);
	return r;
}

/* Zeroed memory for one. */
static uint8_t *image_new(const struct os *os)
{
	uint8_t *image = os->alloc(os, NULL, NEWSTORE_BYTES);

	return image == NULL ? NULL : memset(image, 0, NEWSTORE_BYTES);
}

int newstore_build(const struct os *os, os_file file, const struct arena_options *o)
{
	uint8_t *image = image_new(os);
	int r;

	if (image == NULL)
		return ENOMEM;
	r = newstore_fill(os, o, image);
	if (r == 0)
		r = image_store(os, file, image);
	/* A flush that failed may have left pages that seem to be on the disk. Nothing of them must stay. */
	if (r != 0)
		(void)os->truncate(os, file, 0);
	os->free(os, image);
	return r;
}

/* Each bit that a new store without its magic may have, whatever its random numbers are. */
static void mask_write(void *memory)
{
	const struct arena_options o = {.kind = (enum arena_kind)(ARENA_KEYED | ARENA_PLAIN)};
	const uint64_t random[RANDOM_WORDS] = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX};
	struct header_disk *h = memory;

	image_write(memory, &o, random);
	memset(h->magic, 0, sizeof h->magic);
	h->check = UINT64_MAX;
	page_of(memory)->head.check = UINT32_MAX;
}

static bool words_masked(const uint64_t *words, const uint64_t *mask)
{
	for (size_t i = 0; i < WORDS; i++)
		if ((words[i] & ~mask[i]) != 0)
			return false;
	return true;
}

int newstore_wanted(const struct os *os, os_file file, bool *wanted)
{
	uint8_t *image = image_new(os);
	uint8_t *mask = image_new(os);
	size_t got = 0;
	int r = image == NULL || mask == NULL ? ENOMEM : os->read(os, file, 0, image, NEWSTORE_BYTES, &got);

	*wanted = false;
	if (r == 0) {
		mask_write(mask);
		*wanted = words_masked((const uint64_t *)(const void *)image, (const uint64_t *)(const void *)mask);
	}
	os->free(os, mask);
	os->free(os, image);
	return r;
}
