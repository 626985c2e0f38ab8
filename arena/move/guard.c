/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* guard.c owns how much may be moved while somebody looks.
 *
 * What a snapshot sees and what is moved is not free before that snapshot has ended. Until then the store holds it twice: a
 * move gives nothing back, and takes as much as it moves, with the pages of the table that it copies.
 *
 * 1. What snapshots hold, with what a step may add to it, is at most a GUARD_SHARE of the live bytes. All that moves data asks
 *    before each step. So one snapshot that stays open ends it for what that snapshot sees; snapshots that are short hold
 *    little, and it goes on.
 * 2. What was born after the newest snapshot nobody sees. It is moved as if there were none: what it leaves is free after the
 *    next checkpoint, and the pages that lead to it were copied since that snapshot began. So the holes between new records
 *    are closed, however long the snapshot stays.
 * 3. Point reads are waited for: they end by themselves.
 * 4. The write transaction itself holds nothing: what it has shown is not moved (writer.h), so it stays where it is.
 *
 * Cost: one load without a snapshot; otherwise a look at the reader slots and at what died since the oldest began, up to a
 * bound, and at the heads in a stretch until more of them are seen than may be moved. */
#include "arena/move/guard.h"

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/log/checkpoint.h"
#include "arena/log/interval.h"

#define GUARD_SHARE 4 /* of the live bytes */

uint64_t guard_allowance(arena *a)
{
	const uint64_t table = a->b->table.bytes;
	const uint64_t most = (a->b->live_bytes + table) / GUARD_SHARE;
	const uint64_t record = record_mean(a);
	uint64_t held, rest, few;

	if (atomic_load(&a->readers.snapshots) == 0 || broken(BROKEN_GUARD))
		return UINT64_MAX;
	held = pending_held(&a->b->space.pending, &a->readers);
	rest = held < most ? most - held : 0;
	/* Each record may copy a page of its own, until all of the table was copied. */
	few = rest / (record + DISK_PAGE) * record;
	return rest > table && rest - table > few ? rest - table : few;
}

/* Bytes of the extent at `at`; *seen: whether its bytes are a record or a part of the table that was born at `newest` or before.
 * 0: damaged. */
static uint64_t extent_seen(const arena *a, uint64_t at, uint64_t newest, bool *seen)
{
	const uint64_t free = space_free_at(&a->b->space, at);
	const struct blob_disk *b;

	*seen = false;
	if (free > 0)
		return free;
	if (at == a->b->log.at.cursor)
		return a->b->log.at.window_end - at;
	if (!blob_fits(&a->map, at))
		return 0;
	b = blob_at(&a->map, at);
	*seen = blob_seq(b) <= newest && (blob_is_record(b) || blob_kind(b) == BLOB_PAGE || blob_kind(b) == BLOB_NODE);
	return blob_span(b->size);
}

bool guard_allows(arena *a, uint64_t start, uint64_t end)
{
	const uint64_t allowed = guard_allowance(a);
	uint64_t newest, bytes, sum = 0;
	bool seen;

	if (end <= start || end - start <= allowed)
		return true;
	newest = readers_newest(&a->readers);
	for (uint64_t at = start; at < end && sum <= allowed; at += bytes) {
		bytes = extent_seen(a, at, newest, &seen);
		/* What is damaged is for evacuate to report. */
		if (bytes == 0)
			return true;
		sum += seen ? bytes : 0;
	}
	return sum <= allowed;
}

/* What the checkpoint has made free is taken in. */
static int settled(arena *a, int r)
{
	readers_let_pins(&a->readers);
	(void)space_drain(&a->b->space, UINT64_MAX);
	return r;
}

int guard_settle(arena *a)
{
	return settled(a, checkpoint_run(a, true));
}

int guard_settle_once(arena *a)
{
	return settled(a, checkpoint_once(a, true));
}
