/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage_header.c owns where a salvage begins: the header that is in force, or the identity of the file alone. */
#include "arena/repair/salvage.h"

#include <string.h>

#include "arena/file/header.h"
#include "arena/gravity.h"

/* Whether any blob of the file verifies with the identity that the map has. */
static bool identity_fits(struct salvage *s)
{
	struct scan scan;

	scan_begin(&scan, &s->map, &s->pace, s->options->aux_mask);
	return scan_next(&scan) != NULL;
}

/* The identity as it stands in one of the header pages, if blobs verify with it. */
static bool identity_stands(struct salvage *s)
{
	struct header_disk raw;

	for (unsigned i = 0; i < 2; i++) {
		memcpy(&raw, s->map.base + i * DISK_PAGE, sizeof raw);
		s->map.identity = header_identity(&raw);
		if ((raw.identity[0] | raw.identity[1]) != 0 && identity_fits(s))
			return true;
	}
	return false;
}

/* By which sum blobs are checked is lost with the header: what fits counts, and the newest format comes first. */
static const enum map_sum sums[] = {MAP_SUM_CRC32C, MAP_SUM_XXH3};
#define SUMS (sizeof sums / sizeof sums[0])

/* No header verifies; r says how. Its identity may still be right where it stands. */
static int identity_find(struct salvage *s, int r)
{
	bool seen = false;

	for (size_t i = 0; i < SUMS; i++) {
		s->map.sum = sums[i];
		if (!identity_stands(s))
			continue;
		tell(&s->tell, "no header verifies: the table is lost, and only the blobs themselves tell what the "
			       "store held");
		return 0;
	}
	if (r == GRAVITY_BADVERSION)
		return r;
	for (size_t i = 0; i < SUMS; i++) {
		s->map.sum = sums[i];
		if (!scan_derive_identity(&s->map, &s->pace, s->options->aux_mask, &s->map.identity, &seen))
			continue;
		tell(&s->tell, "both header pages are lost: the table is lost with them, and the identity of the file "
			       "was found "
			       "from its blobs");
		return 0;
	}
	if (!seen && r == GRAVITY_NOTASTORE)
		return r;
	tell(&s->tell, "both header pages are lost, and too few blobs are left to find the identity of the file, "
		       "without which "
		       "nothing in it can be verified");
	return GRAVITY_CORRUPT;
}

int salvage_header(struct salvage *s)
{
	const int r = header_choose(&s->map, &s->h, &s->header_index);

	if (r != 0)
		return identity_find(s, r);
	if (s->h.kind != (uint32_t)s->options->kind)
		return GRAVITY_NOTASTORE;
	s->header_known = true;
	header_adopt(&s->map, &s->h);
	if (map_bytes(&s->map) < s->h.file_bytes)
		tell(&s->tell, "the file was cut: it has %llu bytes of %llu", ULL(map_bytes(&s->map)),
		     ULL(s->h.file_bytes));
	return 0;
}
