/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space_disk.c owns the asking for disk space under free slots: what is taken of one has disk space before it is stored to.
 * space_back.c hands it back.
 *
 * Cost: a look at the bits of arena/space/holes.h, and a system call for each block that may have a hole. */
#include "arena/broken.h"
#include "arena/space/space_fit.h"

/* Touches the first page of the range in each stretch of `step` bytes. What the kernel keeps as one piece (a folio) needs
 * space under all of it as soon as one of its pages is stored to: a folio that holes reach into is larger than a block
 * all of which has space, so one page of such a block tells for the others. */
static int pages_touch(const struct map *m, uint64_t start, uint64_t end, uint64_t step)
{
	int r = 0;

	for (uint64_t at = start; r == 0 && at < end && !broken(BROKEN_READY); at = (at & ~(step - 1)) + step)
		r = m->os->ready(m->os, m->file, m->base, at);
	return r;
}

int space_allocate(struct space *s, uint64_t start, uint64_t bytes)
{
	const struct map *m = s->map;
	const uint64_t block = start & ~(HOLES_BLOCK - 1);
	uint64_t end = (start + bytes + HOLES_BLOCK - 1) & ~(HOLES_BLOCK - 1);
	int r;

	if (m->mode != OS_MAP_SHARED || !holes_meet(&s->holes, start, start + bytes) || broken(BROKEN_PUNCHED))
		return 0;
	/* Whole blocks, so that the next piece of one asks for nothing; but less will do. */
	if (end > map_bytes(m))
		end = map_bytes(m);
	if (m->os->grow(m->os, m->file, block, end - block) == 0) {
		r = pages_touch(m, start, start + bytes, HOLES_BLOCK);
		if (r == 0)
			holes_remove(&s->holes, block, end);
		return r;
	}
	r = m->os->grow(m->os, m->file, start, bytes);
	return r != 0 ? r : pages_touch(m, start, start + bytes, DISK_PAGE);
}
