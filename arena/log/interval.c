/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* interval.c owns what one checkpoint leaves for the time up to the next one, and how long the file should be meanwhile.
 *
 * Cost: a few numbers. */
#include "arena/log/interval.h"

#include "arena/core.h"
#include "arena/space/freemap.h"

#define TARGET_SHARE   5  /* the file may be live + live / 5 long, TARGET_SLACK more, and the table once more */
#define MOST_SHARE     28 /* hundredths of what lives */
#define MOST_SMALL     42 /* where records are small  */
#define SMALL_RECORD   512u
#define MOST_SLACK     (UINT64_C(3) << 20)
#define TABLE_MOST     (UINT64_C(1) << 20)
#define TINY_RECORD    96u /* of these the table is a sixth of what lives, and more */
#define TINY_TABLE     (UINT64_C(4) << 20)
#define PRESSURE_SHARE 64 /* of what lives: from no pressure to the highest it is that much at least */

uint64_t file_live(const arena *a)
{
	return a->b->live_bytes + a->b->table.bytes;
}

uint64_t record_mean(const arena *a)
{
	return a->b->blobs == 0 ? 0 : a->b->live_bytes / a->b->blobs;
}

/* What stands in the file once more between two checkpoints, what snapshots hold, and what is kept ready for a disk that fills,
 * is not what moving could make less. */
uint64_t file_target(const arena *a)
{
	const uint64_t live = file_live(a);

	return live + live / TARGET_SHARE + a->b->table.bytes + TARGET_SLACK + a->b->space.keep +
	       a->b->space.pending.held_bytes;
}

bool file_above_target(const arena *a)
{
	return map_bytes(&a->map) > file_target(a);
}

/* Small records take a larger share: most of it is the second copy of the table between two checkpoints. */
static uint64_t with_share(const arena *a)
{
	const uint64_t live = file_live(a);
	const bool small = a->b->live_bytes < a->b->blobs * SMALL_RECORD;

	return live + live / 100 * (small ? MOST_SMALL : MOST_SHARE);
}

/* A sweep begins with a copy of the table. What snapshots hold it does not make less. */
uint64_t file_most(const arena *a)
{
	const uint64_t table = a->b->table.bytes;
	const uint64_t most = a->b->live_bytes < a->b->blobs * TINY_RECORD ? TINY_TABLE : TABLE_MOST;

	return with_share(a) + MOST_SLACK - (table < most ? table : most) + a->b->space.pending.held_bytes;
}

/* The square of how far it is: near the target little is asked for, since that lasts. */
unsigned file_pressure(const arena *a)
{
	const uint64_t bytes = map_bytes(&a->map), target = file_target(a);
	uint64_t most, least, part;

	if (bytes <= target)
		return 0;
	least = target + file_live(a) / PRESSURE_SHARE + 1;
	most = most_of(file_most(a), least);
	if (bytes >= most)
		return PRESSURE_MOST;
	part = (bytes - target) * PRESSURE_MOST / (most - target);
	return (unsigned)(part * part / PRESSURE_MOST);
}

bool file_space_wanted(const arena *a)
{
	return a->b->log.bytes >= a->b->space.dead_bytes / 2;
}

void interval_begin(arena *a)
{
	a->b->interval.need = a->b->log.bytes + a->b->space.copied_bytes;
	a->b->interval.prepared = a->b->interval.end = 0;
	a->b->interval.look_at = 0;
	a->b->interval.due = false;
}

void interval_renew(arena *a, struct freemap *freemap)
{
	if (freemap->count == 0)
		return;
	freemap_release(&a->b->interval.freemap, a->memory);
	a->memory->free(a->memory, freemap->room);
	freemap->room = NULL;
	a->b->interval.freemap = *freemap;
	a->b->interval.look_at = 0;
	*freemap = (struct freemap){0};
}
