/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* interval.c owns what one checkpoint leaves for the time up to the next one, when that time is over, and how long the file should
 * be meanwhile.
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
#define WORTH_LEAST    (UINT64_C(1) << 20)
#define WORTH_SHARE    2  /* of the bytes of the pages that were copied, of a file that is too long */
#define PRESSURE_SHARE 64 /* of what lives: from no pressure to the highest it is that much at least */
#define WAITING_LEAST  (UINT64_C(1) << 20)
#define WAITING_MOST   (UINT64_C(64) << 20)
#define WAITING_SHARE  16 /* of what lives, where it is wanted back */
#define DEAD_SHARE     2  /* of what lives, also where nothing is written */
#define RESERVE_SHARE  4
#define LOG_MOST       (UINT64_C(64) << 20)

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
unsigned file_pressure(const arena *a, uint64_t bytes)
{
	const uint64_t target = file_target(a);
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

bool interval_worth(const arena *a, uint64_t bytes)
{
	return bytes >= WORTH_LEAST + a->b->space.copied_bytes / WORTH_SHARE;
}

/* Deletions and copies of pages live on the reserve, and only a checkpoint gives back what they take. Slots that are too
 * small for pages are no reserve. */
static bool reserve_eaten(const struct space *s)
{
	if (s->max_bytes == UINT64_MAX || s->pending.logged_bytes < s->reserve / RESERVE_SHARE)
		return false;
	return !space_allows(s, 0) || (map_bytes(s->map) + SPACE_WINDOW > s->max_bytes &&
				       slots_first_fit(&s->free, SPACE_WINDOW) == SLOT_NONE);
}

static uint64_t waiting_most(uint64_t live, uint64_t share)
{
	const uint64_t waiting = live / share;

	return waiting < WAITING_LEAST ? WAITING_LEAST : waiting > WAITING_MOST ? WAITING_MOST : waiting;
}

uint64_t interval_waiting(uint64_t live)
{
	return waiting_most(live, WAITING_SHARE);
}

bool interval_reserve_low(const arena *a)
{
	const struct space *s = &a->b->space;

	return s->max_bytes != UINT64_MAX && space_left(s) < s->reserve - s->reserve / RESERVE_SHARE;
}

bool interval_ended(const arena *a)
{
	const struct space *s = &a->b->space;
	const uint64_t live = file_live(a);
	const uint64_t waiting = interval_waiting(live);
	const bool limited = s->max_bytes != UINT64_MAX;

	if (a->b->log.bytes >= (a->checkpoint_bytes != 0 ? a->checkpoint_bytes : LOG_MOST) || reserve_eaten(s) ||
	    a->b->interval.due)
		return true;
	if (s->dead_bytes < waiting ||
	    s->dead_bytes < s->copied_bytes / (!limited && file_above_target(a) ? WORTH_SHARE : 1))
		return false;
	/* Under a limit what is only deleted now is wanted back before long. */
	return limited || (a->b->log.bytes >= waiting && file_space_wanted(a)) ||
	       s->dead_bytes >= waiting_most(live, DEAD_SHARE);
}

void interval_begin(arena *a)
{
	const bool whole = !a->b->interval.due && interval_ended(a);
	const uint64_t now = a->b->log.bytes + a->b->space.copied_bytes;

	a->b->interval.need = whole ? now : most_of(now, a->b->interval.need);
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
