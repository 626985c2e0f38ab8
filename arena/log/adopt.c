/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* adopt.c owns the pointers in what processes hand to each other: the books, and the checkpoint.
 *
 * 1. All memory of theirs stands together with the books, at one place in each process: so the distance of two places is that of
 *    every pointer into it.
 * 2. What leads to a process's own (the system, the map, the readers) is set to the one who has them now.
 * 3. They change hands between transactions and steps alone: no pointer into the map of the file is left in them.
 *
 * Cost: a comparison where they stand as they stood; a few dozen stores otherwise. */
#include "arena/log/adopt.h"

#include "arena/broken.h"
#include "arena/log/log.h"
#include "arena/space/freemap.h"
#include "arena/space/ranges.h"
#include "arena/space/space.h"

void books_move(arena *a)
{
	struct books *b = a->b;
	const uintptr_t by = (uintptr_t)b - (uintptr_t)b->home;

	space_adopt(&b->space, by, a->memory, &a->map, &a->readers);
	log_adopt(&b->log, by, &a->map, &b->space);
	b->table.map = &a->map;
	b->table.space = &b->space;
	b->replayed = os_moved(b->replayed, by);
	if (!broken(BROKEN_ADOPT))
		freemap_adopt(&b->interval.freemap, by);
	b->home = b;
}

void checkpoint_move(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;
	const uintptr_t by = (uintptr_t)a->b - (uintptr_t)cp->home;

	cp->iter.map = &a->map;
	ranges_adopt(&cp->list.ranges, by);
	freemap_adopt(&cp->freemap, by);
	ranges_adopt(&cp->dirty, by);
	cp->chunks = os_moved(cp->chunks, by);
	cp->home = a->b;
}
