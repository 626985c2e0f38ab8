/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* session.c owns the first write of a handle: before it, what was found in the file is made sure of.
 *
 * Cost: one flush, once. */
#include "arena/log/session.h"

#include <assert.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/flush.h"
#include "arena/log/recover.h"
#include "arena/log/writer.h"

/* Takes the head off whatever stands where this session will write. What a power cut left of a commit that was lost could
 * otherwise be made whole by the same bytes, written by one who tries again, and come back after the next power cut. */
static int tail_behead(arena *a)
{
	const uint64_t nothing = 0;

	assert(a->b->log.at.window_end - a->b->log.at.cursor >= sizeof(struct jump_disk));
	return map_write(&a->map, a->b->log.at.cursor, &nothing, sizeof nothing);
}

/* What the session relies on, and where it will write. The page of the other header, too: it may be a hole, and without
 * room for it there would be no checkpoint. */
static int session_touch(arena *a)
{
	const uint64_t in_force = a->flush.header_index * DISK_PAGE;
	const uint64_t other = DISK_PAGE - in_force;
	int r = map_touch(&a->map, other, other + DISK_PAGE);

	if (r == 0 && !broken(BROKEN_HEADER_TRUST))
		r = map_touch(&a->map, in_force, in_force + DISK_PAGE);
	for (uint32_t i = 0; r == 0 && i < a->b->replayed_count && !broken(BROKEN_LOG_TRUST); i++)
		r = map_touch(&a->map, a->b->replayed[i].start, a->b->replayed[i].end);
	if (r == 0 && !broken(BROKEN_BEHEAD))
		r = tail_behead(a);
	return r;
}

/* After a flush that failed in an earlier session the kernel may call pages clean that the disk never got. The header
 * that this session starts from (recovery has seen to it where it had to replay) and the log that it replayed are made
 * sure of before anything is reused or promised on top of them. Where there was a log to replay, this is not the first
 * flush of the handle: pages that the replay has made are dirty by then, and a failure is final. */
static int session_flush(arena *a)
{
	return flush_earlier(a, session_touch, 0, FLUSH_ALL);
}

int session_lock(arena *a, bool nowait)
{
	int r = writer_lock(a, nowait);

	if (r != 0)
		return r;
	r = writer_session(a);
	if (r != 0)
		writer_unlock(a);
	return r;
}

int writer_session(arena *a)
{
	int r;

	if (!commits_left(a))
		return GRAVITY_FULL;
	if (a->flush.settled)
		return 0;
	r = recover_space(a);
	if (r == 0)
		r = session_flush(a);
	if (r != 0)
		return r;
	a->memory->free(a->memory, a->b->replayed);
	a->b->replayed = NULL;
	a->b->replayed_count = 0;
	a->flush.settled = true;
	return 0;
}
