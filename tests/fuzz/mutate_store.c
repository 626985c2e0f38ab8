/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* mutate_store.c: changes a store where it hurts. Half of what it makes carries right checks again, so that the code
 * behind them is reached; the other half is what it is. */
#include <string.h>

#include "arena/file/header.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"

#define EDITS_MAX  4u
#define WINDOW_MAX 64u

struct edit {
	struct image *image;
	struct seals seals;
	struct fuzz_rng rng;
};

/* Where a blob that verifies stands, or some unit of the file. */
static size_t place_pick(struct edit *e)
{
	if (e->seals.count > 0 && fuzz_below(&e->rng, 8) != 0)
		return (size_t)e->seals.blob[fuzz_below(&e->rng, e->seals.count)].offset;
	return (size_t)fuzz_below(&e->rng, e->image->size / DISK_UNIT) * DISK_UNIT;
}

/* A number that a field may not have been made for. */
static uint64_t number_pick(struct edit *e, uint64_t old)
{
	switch (fuzz_below(&e->rng, 12)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX >> fuzz_below(&e->rng, 64);
	case 2:
		return UINT64_C(1) << fuzz_below(&e->rng, 64);
	case 3:
		return e->image->size;
	case 4:
		return place_pick(e);
	case 5:
		return place_pick(e) / DISK_UNIT;
	case 6:
		return old + DISK_UNIT * (1 + fuzz_below(&e->rng, 8));
	case 7:
		return old - DISK_UNIT * (1 + fuzz_below(&e->rng, 8));
	case 8:
		return old + 1;
	case 9:
		return old - 1;
	case 10:
		return fuzz_next(&e->rng);
	default:
		return old ^ UINT64_C(1) << fuzz_below(&e->rng, 64);
	}
}

static void number_set(struct edit *e, size_t at, size_t bytes)
{
	uint64_t number = 0;

	if (at + bytes > e->image->size)
		return;
	memcpy(&number, e->image->bytes + at, bytes);
	number = number_pick(e, number);
	memcpy(e->image->bytes + at, &number, bytes);
}

static void header_edit(struct edit *e)
{
	const size_t page = (size_t)fuzz_below(&e->rng, 2) * DISK_PAGE;

	if (fuzz_below(&e->rng, 8) == 0)
		number_set(e, page + HEADER_MARK_OFFSET, 8);
	else
		number_set(e, page + 8 * (size_t)(1 + fuzz_below(&e->rng, 20)), 8);
}

/* A field of a blob's head: its width and where it stands. The check is left to the other edits. */
static void head_edit(struct edit *e)
{
	static const struct {
		uint8_t at, bytes;
	} field[] = {{4, 4}, {8, 8}, {16, 4}, {16, 8}, {22, 1}, {23, 1}, {24, 4}, {28, 4}};
	const size_t which = (size_t)fuzz_below(&e->rng, sizeof(field) / sizeof(field[0]));

	number_set(e, place_pick(e) + field[which].at, field[which].bytes);
}

/* A word of a blob's bytes; of a page most are empty, so one that is not is looked for. */
static void body_edit(struct edit *e)
{
	size_t at = place_pick(e) + sizeof(struct blob_disk);
	const size_t end = at + 512 * DISK_UNIT < e->image->size ? at + 512 * DISK_UNIT : e->image->size;
	uint64_t left = fuzz_below(&e->rng, 16);
	uint64_t word;

	for (; at + DISK_UNIT <= end; at += DISK_UNIT) {
		memcpy(&word, e->image->bytes + at, sizeof(word));
		if (word != 0 && left-- == 0)
			break;
	}
	number_set(e, at, fuzz_below(&e->rng, 4) == 0 ? 1 : 8);
}

/* Bytes here and there, by libFuzzer's own means, which knows what the code compares with. */
static void window_edit(struct edit *e)
{
	const size_t at = place_pick(e);
	const size_t left = e->image->size - at;

	if (left > 0)
		(void)LLVMFuzzerMutate(e->image->bytes + at, left < WINDOW_MAX ? left : WINDOW_MAX,
				       left < WINDOW_MAX ? left : WINDOW_MAX);
}

/* A blob, a page or a header also stands somewhere else. */
static void copy_edit(struct edit *e)
{
	const size_t from = fuzz_below(&e->rng, 8) == 0 ? 0 : place_pick(e);
	const size_t to = fuzz_below(&e->rng, 8) == 0 ? DISK_PAGE : place_pick(e);
	const size_t longest = e->image->size - (from > to ? from : to);
	size_t bytes = (size_t)8 << fuzz_below(&e->rng, 10);

	if (bytes > longest)
		bytes = longest;
	memmove(e->image->bytes + to, e->image->bytes + from, bytes);
}

static void length_edit(struct edit *e)
{
	struct image *image = e->image;
	const size_t step = (size_t)fuzz_below(&e->rng, 16) * (size_t)(1u << fuzz_below(&e->rng, 10));
	const size_t before = image->size;

	if (fuzz_below(&e->rng, 2) == 0)
		image->size = before + step < IMAGE_MAX ? before + step : IMAGE_MAX;
	else
		image->size = before > step ? before - step : before;
	if (image->size < before)
		memset(image->bytes + image->size, 0, before - image->size);
}

static void control_edit(struct edit *e)
{
	uint8_t *control = (uint8_t *)&e->image->control;

	control[fuzz_below(&e->rng, sizeof(e->image->control))] = (uint8_t)fuzz_next(&e->rng);
}

static void image_edit(struct edit *e)
{
	static void (*const edits[])(struct edit *) = {header_edit, head_edit, head_edit,   body_edit,   body_edit,
						       window_edit, copy_edit, length_edit, control_edit};

	edits[fuzz_below(&e->rng, sizeof(edits) / sizeof(edits[0]))](e);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	static struct edit e;
	struct image image;
	size_t made = 0;

	e.rng.state = seed;
	if (size == 0 || fuzz_below(&e.rng, 16) == 0)
		return LLVMFuzzerMutate(data, size, max_size);
	image_decode(&image, data, size);
	e.image = &image;
	if (image.size >= DISK_DATA) {
		uint64_t edits = 1 + fuzz_below(&e.rng, EDITS_MAX);

		seals_find(&e.seals, &image);
		while (edits-- > 0)
			image_edit(&e);
		if (fuzz_below(&e.rng, 2) == 0)
			seals_renew(&e.seals, &image);
		made = image_encode(&image, data, max_size);
	}
	return made > 0 ? made : LLVMFuzzerMutate(data, size < max_size ? size : max_size, max_size);
}
