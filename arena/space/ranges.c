/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ranges.c owns two arrays, of which one holds the ranges and the other one takes them in the next pass.
 *
 * 1. After a pass the ranges are in order of the sorted_bits lowest bits of their starts, in units.
 *
 * Cost: 16 bytes a range; three passes for a file of up to 64 GiB. */
#include "arena/space/ranges.h"

#include <errno.h>

#include "arena/broken.h"
#include "arena/space/radix.h"

int ranges_init(struct ranges *r, const struct os *os, uint64_t capacity)
{
	*r = (struct ranges){.capacity = capacity};
	r->list = r->block[0] = os->alloc(os, NULL, (capacity + 1) * sizeof *r->list);
	r->spare = r->block[1] = os->alloc(os, NULL, (capacity + 1) * sizeof *r->spare);
	if (r->list != NULL && r->spare != NULL)
		return 0;
	ranges_release(r, os);
	return ENOMEM;
}

void ranges_release(struct ranges *r, const struct os *os)
{
	os->free(os, broken(BROKEN_ORPHAN_SORT) ? r->list : r->block[0]);
	os->free(os, broken(BROKEN_ORPHAN_SORT) ? r->spare : r->block[1]);
	*r = (struct ranges){0};
}

void ranges_adopt(struct ranges *r, uintptr_t by)
{
	r->list = os_moved(r->list, by);
	r->spare = os_moved(r->spare, by);
	r->block[0] = os_moved(r->block[0], by);
	r->block[1] = os_moved(r->block[1], by);
}

bool ranges_sorted(const struct ranges *r, uint64_t limit)
{
	return r->count == 0 || limit / DISK_UNIT >> r->sorted_bits == 0;
}

void ranges_sort_pass(struct ranges *r)
{
	radix_pass(&r->list, &r->spare, r->count, 0, RANGE_SIZE_BITS + r->sorted_bits, RADIX_MOST);
	r->sorted_bits += RADIX_MOST;
}
