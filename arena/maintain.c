/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* maintain.c owns what a handle is asked beside reading and writing: sync, checkpoint, statistics, the free slots. */
#include "arena/arena.h"

#include <string.h>

#include "arena/core.h"
#include "arena/log/flush.h"
#include "arena/log/interval.h"
#include "arena/log/log.h"
#include "arena/log/recover.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/move/shrink.h"
#include "arena/move/slot_make.h"
#include "arena/move/sweep.h"

static int maintain_allowed(const arena *a)
{
	if (!arena_ours(a))
		return GRAVITY_INVALID;
	if (a->read_only)
		return GRAVITY_READONLY;
	return arena_failed(a) ? GRAVITY_FAILED : 0;
}

/* For a handle that only reads: what it sees may be the lazy commits of a process that was killed. */
static int sync_file(arena *a)
{
	const int r = a->os->sync(a->os, a->map.file);

	if (r == 0)
		atomic_store(&a->flush.durable, atomic_load(&a->readers.seq));
	return r;
}

int arena_sync(arena *a)
{
	int r = maintain_allowed(a);
	bool mine;

	if (r == GRAVITY_READONLY)
		return sync_file(a);
	if (r != 0)
		return r;
	/* What a killed process left in the log is flushed by the session's beginning. */
	r = writer_lock(a, false);
	mine = r == GRAVITY_INVALID;
	if (r != 0 && !mine)
		return r;
	r = writer_session(a);
	if (!mine)
		writer_unlock(a);
	if (r == 0)
		r = flush_to(a, atomic_load(&a->readers.seq));
	flush_date(a);
	return r;
}

int arena_checkpoint(arena *a)
{
	int r = maintain_allowed(a);

	if (r == 0)
		r = session_lock(a, false);
	if (r != 0)
		return r;
	writer_unlock(a);
	return shrink_asked(a);
}

int arena_compact(arena *a, enum gravity_planner planner, uint64_t want, arena_progress *progress, void *arg)
{
	OS_UNCANCELLED;
	int r = maintain_allowed(a);

	if (r == 0)
		r = session_lock(a, false);
	if (r != 0)
		return r;
	if (want > DISK_FILE_MAX)
		r = GRAVITY_FULL;
	else if (want > 0)
		r = slot_make(a, planner == GRAVITY_DEFAULT ? a->planner : planner,
			      (want + DISK_UNIT - 1) & ~(DISK_UNIT - 1), SPACE_RESERVED);
	writer_unlock(a);
	if (r == 0 && want == 0)
		r = sweep_all(a, progress, arg);
	return space_code(&a->b->space, r);
}

/* Slots and pending extents belong to the writer: its lock is taken unless this thread has it. */
static int writer_visit(arena *a, bool *taken)
{
	const int r = writer_lock(a, false);

	*taken = r == 0;
	return r == GRAVITY_INVALID ? 0 : r;
}

static void stat_space(arena *a, struct arena_stats *out)
{
	const slot_id largest = slots_largest(&a->b->space.free);

	out->free_bytes = space_free_bytes(&a->b->space);
	out->free_slots = a->b->space.free.count + a->b->space.aside.count;
	out->largest_free = largest == SLOT_NONE ? 0 : slots_size(&a->b->space.free, largest);
	out->pending_bytes = a->b->space.pending.bytes;
	readers_look(&a->readers, &a->readers.view);
	out->readers = atomic_load(&a->readers.snapshots);
	out->oldest_reader_seq = a->readers.view.count == 0 ? 0 : a->readers.view.seq[0];
}

/* A handle that only reads replays the log into memory behind the end of the file, which is none of the file's. */
static int stat_private(const arena *a, struct arena_stats *out)
{
	const struct slots *s = &a->b->space.free;
	const int r = a->os->size(a->os, a->map.file, &out->file_bytes);

	out->free_bytes = out->free_slots = out->largest_free = 0;
	for (slot_id id = s->first; r == 0 && id != SLOT_NONE && slots_start(s, id) < out->file_bytes;
	     id = slots_next(s, id)) {
		const uint64_t left = out->file_bytes - slots_start(s, id);
		const uint64_t bytes = slots_size(s, id) < left ? slots_size(s, id) : left;
		out->free_bytes += bytes;
		out->free_slots++;
		out->largest_free = out->largest_free > bytes ? out->largest_free : bytes;
	}
	return r;
}

int arena_stat(arena *a, struct arena_stats *out)
{
	bool taken;
	int r;

	memset(out, 0, sizeof *out);
	if (!arena_ours(a))
		return GRAVITY_INVALID;
	r = writer_visit(a, &taken);
	if (r != 0)
		return r;
	r = recover_space(a);
	if (r == 0)
		r = space_end_cluster(&a->b->space);
	stat_space(a, out);
	out->blobs = a->b->blobs;
	out->live_bytes = file_live(a);
	out->file_bytes = map_bytes(&a->map);
	out->table_pages = a->b->table.pages;
	out->commit_seq = atomic_load(&a->readers.seq);
	out->durable_seq = flush_durable(a);
	out->checkpoint_seq = a->b->space.durable_seq;
	out->log_bytes = log_replay(&a->b->log);
	out->bytes_written = a->b->log.written;
	out->bytes_moved = a->b->bytes_moved;
	out->compaction_steps = a->b->compaction_steps;
	out->next_name = a->b->next_name;
	if (r == 0 && a->map.mode == OS_MAP_PRIVATE)
		r = stat_private(a, out);
	if (taken)
		writer_unlock(a);
	return r;
}

int arena_each_free_slot(arena *a, gravity_slot_visit *visit, void *arg)
{
	OS_UNCANCELLED;
	const struct slots *s = &a->b->space.free;
	bool taken;
	int r;

	if (!arena_ours(a))
		return GRAVITY_INVALID;
	r = writer_visit(a, &taken);
	if (r == 0)
		r = recover_space(a);
	if (r == 0)
		r = space_gather(&a->b->space);
	for (slot_id id = s->first; r == 0 && id != SLOT_NONE; id = slots_next(s, id))
		r = visit(arg, slots_start(s, id), slots_size(s, id), slots_gravity(s, id));
	if (taken)
		writer_unlock(a);
	return r;
}
