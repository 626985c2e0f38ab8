/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* lookup.h: the way from a root to a verified record, in one piece for the compiler: what every get runs through.
 *
 * A get waits for memory twice, for a line of entries and for the record. The fewer instructions stand between the
 * second wait and the next get's first one, the more of them the processor overlaps: so this is inlined whole. */
#ifndef GKV_ARENA_TABLE_LOOKUP_H
#define GKV_ARENA_TABLE_LOOKUP_H

#include <stdint.h>

#include "arena/broken.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/table/page.h"
#include "arena/table/table.h"

/* The record of that name among the entries that may be its own: as table_find. */
static inline int lookup_match(const struct map *m, struct page_match match, uint64_t name,
			       const struct blob_disk **blob)
{
	while (match.ways != 0) {
		const uint64_t entry = page_match_next(&match, page_tag(name));
		const uint64_t offset = page_entry_offset(entry);
		const uint64_t room = map_room(m, offset);
		const struct blob_disk *b = blob_at(m, offset);
		if (entry == 0)
			continue;
		if (room < sizeof *b)
			return GRAVITY_CORRUPT;
		if (blob_span(b->size) > room)
			return GRAVITY_CORRUPT;
		if ((m->verify || b->name != name) && !broken(BROKEN_READ_CHECK) &&
		    b->check != blob_check_inline(m, b, offset))
			return GRAVITY_CORRUPT;
		if (!blob_is_record(b))
			return GRAVITY_CORRUPT;
		if (b->name == name) {
			*blob = b;
			return 0;
		}
		/* A whole record, but not the one that this entry was made for: a write to its place was lost. */
		if (page_tag(b->name) != page_tag(name))
			return GRAVITY_CORRUPT;
	}
	return GRAVITY_NOTFOUND;
}

/* The same, in a page that is known to hold the name. */
static inline int lookup_in(const struct map *m, const struct page_disk *page, uint64_t name,
			    const struct blob_disk **blob)
{
	return lookup_match(m, page_match(page, name), name, blob);
}

/* table_find, inlined. */
static inline int lookup(const struct map *m, uint64_t root, uint64_t name, const struct blob_disk **blob)
{
	const struct page_disk *page = table_page(m, root, name);

	return page == NULL ? GRAVITY_CORRUPT : lookup_in(m, page, name, blob);
}

#endif
