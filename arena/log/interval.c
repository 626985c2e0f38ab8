/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* interval.c owns what one checkpoint leaves for the time up to the next one, and how long the file should be meanwhile.
 *
 * Cost: a few numbers. */
#include "arena/log/interval.h"

#include "arena/core.h"
#include "arena/space/freemap.h"

#define TARGET_SHARE 5 /* the file may be live + live / 5 long, TARGET_SLACK more, and the table once more */

uint64_t file_live(const arena *a)
{
	return a->live_bytes + a->table.bytes;
}

/* What stands in the file once more between two checkpoints, what snapshots hold, and what is kept ready for a disk that fills,
 * is not what moving could make less. */
uint64_t file_target(const arena *a)
{
	const uint64_t live = file_live(a);

	return live + live / TARGET_SHARE + a->table.bytes + TARGET_SLACK + a->space.keep + a->space.pending.held_bytes;
}

bool file_above_target(const arena *a)
{
	return map_bytes(&a->map) > file_target(a);
}

bool file_space_wanted(const arena *a)
{
	return a->log.bytes >= a->space.dead_bytes / 2;
}

void interval_begin(arena *a)
{
	a->interval.need = a->log.bytes + a->space.copied_bytes;
	a->interval.prepared = a->interval.end = 0;
	a->interval.look_at = 0;
	a->interval.due = false;
}

void interval_renew(arena *a, struct freemap *freemap)
{
	if (freemap->next == NULL)
		return;
	freemap_release(&a->interval.freemap, a->os);
	a->interval.freemap = *freemap;
	a->interval.look_at = 0;
	*freemap = (struct freemap){0};
}
