/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* guard.c owns how much may be moved while somebody looks.
 *
 * What is moved is not free before every snapshot that sees its old place has ended. Until then the store holds it twice: a
 * move gives nothing back, and takes as much as it moves, with the pages of the table that it copies.
 *
 * 1. What snapshots hold, with what a step may add to it, is at most a GUARD_SHARE of the live bytes. All that moves data asks
 *    before each step. So one snapshot that stays open ends it there; snapshots that are short hold little, and it goes on.
 * 2. Point reads are waited for: they end by themselves.
 * 3. The write transaction itself holds nothing: what it has shown is not moved (writer.h), so it stays where it is.
 *
 * Cost: one load without a snapshot; otherwise a look at the reader slots and at what died since the oldest began, up to a
 * bound. */
#include "arena/move/guard.h"

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/log/checkpoint.h"

#define GUARD_SHARE 4 /* of the live bytes */

uint64_t guard_allowance(arena *a)
{
	const uint64_t table = a->table.bytes;
	const uint64_t most = (a->live_bytes + table) / GUARD_SHARE;
	const uint64_t record = a->blobs == 0 ? 0 : a->live_bytes / a->blobs;
	uint64_t held, rest, few;

	if (atomic_load(&a->readers.snapshots) == 0 || broken(BROKEN_GUARD))
		return UINT64_MAX;
	held = pending_held(&a->space.pending, &a->readers);
	rest = held < most ? most - held : 0;
	/* Each record may copy a page of its own, until all of the table was copied. */
	few = rest / (record + DISK_PAGE) * record;
	return rest > table && rest - table > few ? rest - table : few;
}

int guard_settle(arena *a)
{
	const int r = checkpoint_run(a, true);

	readers_let_pins(&a->readers);
	(void)space_drain(&a->space, UINT64_MAX);
	return r;
}
