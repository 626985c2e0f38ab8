/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* image.c: inputs to files and back, and the checks of a file that was changed on purpose.
 *
 * 1. image_decode(image_encode(x)) is x.
 * 2. seals_renew changes nothing in a file that was not changed since seals_find. */
#include "tests/fuzz/image.h"

#include <string.h>

#include "arena/file/header.h"
#include "arena/repair/scan.h"
#include "kvstore/record.h"

#define RUN_MAX 65535u
/* A log is followed in the order of the file but for its JUMPs: so often at most the renewal begins anew. */
#define RENEW_PASSES 16u

_Static_assert(sizeof(struct control) == 16, "control");

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

void image_decode(struct image *image, const uint8_t *data, size_t size)
{
	static _Alignas(DISK_LINE) uint8_t room[IMAGE_MAX];
	const size_t head = least(size, sizeof(image->control));
	size_t at = head;

	memset(image, 0, sizeof(*image));
	memset(room, 0, sizeof(room));
	image->bytes = room;
	if (head > 0)
		memcpy(&image->control, data, head);
	while (size - at >= 4 && image->size < IMAGE_MAX) {
		const size_t zero = (size_t)(data[at] | data[at + 1] << 8) * DISK_UNIT;
		const size_t here = (size_t)(data[at + 2] | data[at + 3] << 8) * DISK_UNIT;
		size_t part;

		at += 4;
		image->size += least(zero, IMAGE_MAX - image->size);
		part = least(least(here, size - at), IMAGE_MAX - image->size);
		if (part > 0)
			memcpy(image->bytes + image->size, data + at, part);
		image->size += part;
		at += part;
	}
}

static bool unit_is_zero(const struct image *image, size_t at)
{
	static const uint8_t zero[DISK_UNIT];

	return image->size - at >= DISK_UNIT && memcmp(image->bytes + at, zero, sizeof(zero)) == 0;
}

/* Whole zero units, or others, from `at` on. What is left of a last unit counts as one that is not zero. */
static size_t run_units(const struct image *image, size_t at, bool zero)
{
	size_t n = 0;

	while (n < RUN_MAX && at < image->size && unit_is_zero(image, at) == zero) {
		at += DISK_UNIT;
		n++;
	}
	return n;
}

size_t image_encode(const struct image *image, uint8_t *out, size_t most)
{
	size_t used = sizeof(image->control);

	if (most < used)
		return 0;
	memcpy(out, &image->control, used);
	for (size_t at = 0; at < image->size;) {
		const size_t zero = run_units(image, at, true);
		const size_t here = run_units(image, at + zero * DISK_UNIT, false);
		const size_t from = at + zero * DISK_UNIT;
		const size_t bytes = least(here * DISK_UNIT, image->size - from);

		if (bytes + 4 > most - used)
			return 0;
		out[used++] = (uint8_t)zero;
		out[used++] = (uint8_t)(zero >> 8);
		out[used++] = (uint8_t)here;
		out[used++] = (uint8_t)(here >> 8);
		memcpy(out + used, image->bytes + from, bytes);
		used += bytes;
		at = from + bytes;
	}
	return used;
}

bool image_map(const struct image *image, struct map *map)
{
	struct header_disk h;
	unsigned index;
	bool valid;

	memset(map, 0, sizeof(*map));
	map->base = image->bytes;
	map->length = &map->bytes;
	atomic_store(map->length, image->size);
	valid = image->size >= DISK_DATA && header_choose(map, &h, &index) == 0;
	if (!valid)
		memcpy(&h, image->bytes, sizeof(h));
	header_adopt(map, &h);
	return valid;
}

bool image_identity_known(const struct image *image)
{
	struct pace pace = {0};
	struct header_disk h;
	struct map map;
	struct scan scan;

	if (image->size < DISK_DATA || image_map(image, &map))
		return true;
	for (unsigned page = 0; page < 2; page++) {
		memcpy(&h, image->bytes + page * DISK_PAGE, sizeof(h));
		header_adopt(&map, &h);
		scan_begin(&scan, &map, &pace, RECORD_AUX_MASK);
		if ((h.identity[0] | h.identity[1]) != 0 && scan_next(&scan) != NULL)
			return true;
	}
	return false;
}

static uint64_t *mark_word(const struct image *image, unsigned page)
{
	return (uint64_t *)(void *)(image->bytes + page * DISK_PAGE + HEADER_MARK_OFFSET);
}

static struct header_disk *header_at(const struct image *image, unsigned page)
{
	return (struct header_disk *)(void *)(image->bytes + page * DISK_PAGE);
}

static struct blob_disk *seal_blob(const struct seals *seals, const struct image *image, uint32_t i)
{
	return (struct blob_disk *)(void *)(image->bytes + seals->blob[i].offset);
}

static bool kind_has_link(const struct blob_disk *b)
{
	return blob_kind(b) >= BLOB_PUT && blob_kind(b) <= BLOB_JUMP;
}

static uint32_t seal_of_check(const struct seals *seals, uint64_t check)
{
	uint32_t i = seals->bucket[check % SEALS_MAX];

	while (i != SEALS_MAX && seals->blob[i].check != check)
		i = seals->blob[i].next;
	return i;
}

static void seal_add(struct seals *seals, const struct blob_disk *b, uint64_t offset)
{
	uint32_t *bucket = &seals->bucket[b->check % SEALS_MAX];

	seals->blob[seals->count] = (struct seal){offset, b->check, b->link, SEALS_MAX, *bucket};
	*bucket = seals->count++;
}

void seals_find(struct seals *seals, const struct image *image)
{
	const struct blob_disk *b;
	struct pace pace = {0};
	struct header_disk h;
	struct scan scan;
	struct map map;

	seals->count = 0;
	for (uint32_t i = 0; i < SEALS_MAX; i++)
		seals->bucket[i] = SEALS_MAX;
	memset(seals->header, 0, sizeof(seals->header));
	if (image->size < DISK_DATA)
		return;
	(void)image_map(image, &map);
	scan_begin(&scan, &map, &pace, UINT32_MAX);
	while (seals->count < SEALS_MAX && (b = scan_next(&scan)) != NULL)
		seal_add(seals, b, blob_offset(&map, b));
	for (uint32_t i = 0; i < seals->count; i++)
		if (kind_has_link(seal_blob(seals, image, i)))
			seals->blob[i].before = seal_of_check(seals, seals->blob[i].link);
	for (unsigned page = 0; page < 2; page++) {
		seals->header[page] = header_read(&map, page, &h) == 0;
		seals->header_link[page] = header_at(image, page)->log_link;
		seals->mark[page] = header_mark_there(&map, page) ? *mark_word(image, page) : 0;
	}
}

/* A link that was changed on purpose stays as it is. */
static void changed_links_keep(struct seals *seals, const struct image *image)
{
	for (uint32_t i = 0; i < seals->count; i++)
		if (seal_blob(seals, image, i)->link != seals->blob[i].link)
			seals->blob[i].before = SEALS_MAX;
}

/* One pass over the blobs; true where a check has changed. */
static bool blobs_renew(const struct seals *seals, struct image *image, const struct map *map)
{
	bool changed = false;

	for (uint32_t i = 0; i < seals->count; i++) {
		const struct seal *s = &seals->blob[i];
		struct blob_disk *b = seal_blob(seals, image, i);
		uint32_t check;

		if (!blob_fits(map, s->offset))
			continue;
		if (s->before != SEALS_MAX)
			b->link = seal_blob(seals, image, s->before)->check;
		check = blob_check(map, b, s->offset);
		changed = changed || check != b->check;
		b->check = check;
	}
	return changed;
}

static void header_renew(const struct seals *seals, struct image *image, struct map *map, unsigned page)
{
	struct header_disk *h = header_at(image, page);
	const uint64_t word = *mark_word(image, page);
	const uint32_t before = seal_of_check(seals, seals->header_link[page]);

	if (seals->mark[page] != 0)
		header_mark_write(map, page, word >> 24, (word >> 20) & 15);
	if (!seals->header[page])
		return;
	if (before != SEALS_MAX && h->log_link == seals->header_link[page])
		h->log_link = seal_blob(seals, image, before)->check;
	if (h->version < DISK_VERSION_LEAST || h->version > DISK_VERSION)
		h->version = DISK_VERSION;
	header_seal(h, page);
}

void seals_renew(struct seals *seals, struct image *image)
{
	const unsigned page = seals->header[0] ? 0 : 1;
	struct map map;

	if (image->size < DISK_DATA)
		return;
	(void)image_map(image, &map);
	/* Its header may be waiting for its seal: the identity that it names is the one to seal with. */
	if (seals->header[page])
		header_adopt(&map, header_at(image, page));
	changed_links_keep(seals, image);
	for (unsigned pass = 0; pass < RENEW_PASSES && blobs_renew(seals, image, &map); pass++)
		;
	header_renew(seals, image, &map, 0);
	header_renew(seals, image, &map, 1);
}
