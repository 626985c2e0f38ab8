/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* readahead.h: asks the system for parts of the file before they are read.
 *
 * The map is read at random, so the system reads nothing ahead of its own accord. Who knows what it reads next says so
 * here: ranges by rising start, of which neighbours are asked for in one call. It is advice: nothing is checked, nothing
 * fails, and what was asked for may be gone again when it is read. */
#ifndef GKV_ARENA_READ_READAHEAD_H
#define GKV_ARENA_READ_READAHEAD_H

#include <stdint.h>

#include "arena/file/map.h"

/* Reading over so much costs no more than another read. */
#define READAHEAD_GAP (UINT64_C(16) << 10)

struct readahead {
	const struct map *map;
	uint64_t start, end; /* what comes next to be asked for */
	uint64_t bytes;      /* of all ranges until now         */
	uint32_t ranges;     /* that were begun                 */
};

static inline struct readahead readahead_begin(const struct map *m)
{
	return (struct readahead){.map = m};
}

/* Asks for the range until now, and begins another one. */
void readahead_begin_range(struct readahead *ahead, uint64_t start);

static inline void readahead_add(struct readahead *ahead, uint64_t offset, uint64_t bytes)
{
	const uint64_t start = offset & ~(DISK_PAGE - 1);
	const uint64_t end = (offset + bytes + DISK_PAGE - 1) & ~(DISK_PAGE - 1);

	/* They come in the order of the file, but for a hostile one. */
	if (ahead->end == 0 || start < ahead->start || start > ahead->end + READAHEAD_GAP)
		readahead_begin_range(ahead, start);
	if (end > ahead->end) {
		ahead->bytes += end - ahead->end;
		ahead->end = end;
	}
}

void readahead_end(struct readahead *ahead);

/* Asks for the pages of the table from the one that holds `name` on, as far as its node refers to pages. Returns the name
 * that follows them, 0 after the last one. */
uint64_t readahead_pages(const struct map *m, uint64_t root, uint64_t name);

#endif
