/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* txn.c owns transactions as their users see them: begin, put, delete, commit, abort. Looking up is read/get.c.
 *
 * 1. A read transaction is a reader slot; it looks at one root until it ends.
 * 2. The one write transaction is a->writer; it holds the writer's lock from begin to commit or abort.
 * 3. An ended transaction is known by `live`: using it is refused, not undefined, while the handle is open and its slot
 *    was not given to another one. */
#include "arena/arena.h"

#include <assert.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/log/checkpoint.h"
#include "arena/log/commit.h"
#include "arena/log/flush.h"
#include "arena/log/log.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/move/shrink.h"
#include "arena/move/slot_make.h"
#include "arena/move/steps.h"

static bool flags_valid(unsigned flags)
{
	const unsigned durability = ARENA_LAZY_COMMIT | ARENA_DURABLE_COMMIT;

	if ((flags & ~(ARENA_WRITE | ARENA_NOWAIT | durability)) != 0 || (flags & durability) == durability)
		return false;
	return (flags & ARENA_WRITE) != 0 || flags == ARENA_READ;
}

static int begin_read(arena *a, arena_txn **out)
{
	uint32_t slot;
	const int r = readers_snapshot(&a->readers, &slot);

	if (r != 0)
		return r;
	*out = &a->readers.txns[slot];
	(*out)->arena = a;
	(*out)->live = TXN_READ;
	return 0;
}

static bool flags_durable(const arena *a, unsigned flags)
{
	return (flags & ARENA_DURABLE_COMMIT) != 0 || (!a->lazy && (flags & ARENA_LAZY_COMMIT) == 0);
}

static int begin_write(arena *a, unsigned flags, arena_txn **out)
{
	int r;

	if (a->read_only)
		return GRAVITY_READONLY;
	if (arena_failed(a))
		return GRAVITY_FAILED;
	r = session_lock(a, (flags & ARENA_NOWAIT) != 0);
	if (r != 0)
		return r;
	space_cluster_size(&a->b->space, a->b->table.bytes);
	a->b->space.window_least = flags_durable(a, flags) ? SPACE_WINDOW_DURABLE : SPACE_WINDOW_LEAST;
	space_ready(&a->b->space);
	if (a->b->space.max_bytes != UINT64_MAX)
		slot_make_begin(a);
	writer_begin(a, flags, false);
	a->writer.txn.live = TXN_WRITE;
	*out = &a->writer.txn;
	return 0;
}

int arena_begin(arena *a, unsigned flags, arena_txn **out)
{
	int r;

	*out = NULL;
	if (!flags_valid(flags) || !arena_ours(a))
		return GRAVITY_INVALID;
	r = (flags & ARENA_WRITE) != 0 ? begin_write(a, flags, out) : begin_read(a, out);
	if (r == 0)
		atomic_fetch_add(&a->open_txns, 1);
	return r;
}

arena *arena_txn_arena(const arena_txn *t)
{
	return t->arena;
}

bool arena_txn_writes(const arena_txn *t)
{
	return txn_is_writer(t);
}

int arena_txn_usable(const arena_txn *t)
{
	if (t == NULL)
		return GRAVITY_INVALID;
	if (t->live == TXN_READ)
		return arena_ours(t->arena) ? 0 : GRAVITY_INVALID;
	if (t->arena == NULL || atomic_load_explicit(&t->arena->writer_owner, memory_order_relaxed) != os_thread_id())
		return GRAVITY_INVALID;
	return t->live == TXN_WRITE && arena_ours(t->arena) ? 0 : GRAVITY_INVALID;
}

static void end_read(arena_txn *t)
{
	arena *a = txn_arena(t);

	t->live = TXN_ENDED;
	readers_end(&a->readers, (uint32_t)(t - a->readers.txns));
	atomic_fetch_sub(&a->open_txns, 1);
}

/* What was shown may be moved again. */
static void shown_end(arena *a)
{
	a->writer.shown.count = 0;
	a->writer.shown.all = false;
}

/* The transaction is over; lets the next writer in. */
static void end_write(arena *a)
{
	a->writer.txn.live = TXN_ENDED;
	writer_unlock(a);
}

#define DRAIN_STEP 256u

static int commit_write(arena *a)
{
	const bool durable = flags_durable(a, a->writer.flags);
	const uint64_t written = a->b->log.written;
	const uint64_t dead = a->b->space.dead_bytes;
	const uint64_t put = a->writer.written;
	const uint64_t drained = DRAIN_STEP + 2 * (uint64_t)a->writer.ops.count;
	uint64_t bytes;
	uint64_t seq = 0;
	int r, worked;

	shown_end(a);
	if (arena_failed(a)) {
		writer_abort(a);
		r = GRAVITY_FAILED;
	} else {
		r = commit_apply(a, &seq);
	}
	/* A durable transaction that changed nothing promises what it was shown all the same. */
	if (seq == 0)
		seq = atomic_load(&a->readers.seq);
	bytes = a->b->log.written - written + a->b->space.dead_bytes - dead;
	if (r == 0) {
		shrink_poll(a, put, a->b->space.dead_bytes - dead);
		steps_poll(a, bytes);
	}
	checkpoint_poll(a);
	/* More than the commits add, whatever their size. */
	(void)space_drain(&a->b->space, drained);
	end_write(a);
	if (r == 0 && durable)
		r = flush_to(a, seq);
	/* A lazy commit happened, whatever becomes of the checkpoint: its failure is told to the next one. */
	worked = checkpoint_work(a, bytes);
	(void)worked;
	atomic_fetch_sub(&a->open_txns, 1);
	return r;
}

int arena_commit(arena_txn *t)
{
	const int r = arena_txn_usable(t);

	if (r != 0)
		return r;
	if (txn_is_writer(t))
		return commit_write(txn_arena(t));
	end_read(t);
	return 0;
}

void arena_abort(arena_txn *t)
{
	arena *a;

	if (t == NULL || arena_txn_usable(t) != 0)
		return;
	if (!txn_is_writer(t)) {
		end_read(t);
		return;
	}
	a = txn_arena(t);
	writer_abort(a);
	shown_end(a);
	end_write(a);
	atomic_fetch_sub(&a->open_txns, 1);
}

int arena_end(arena_txn *t, int code)
{
	if (code == 0)
		return arena_commit(t);
	arena_abort(t);
	return code;
}

/* Once the transaction has changed something nothing is moved any more before its end: see worth_compacting. */
void arena_shown(arena_txn *t, const void *data)
{
	struct shown *s = &txn_arena(t)->writer.shown;

	if (!txn_is_writer(t) || s->all || txn_arena(t)->writer.ops.count != 0)
		return;
	s->all = data == NULL || s->count == SHOWN_MOST;
	if (!s->all)
		s->data[s->count++] = data;
}

/* Once more after compaction has made room, where the transaction has nothing in the chain that would be in its way. */
static bool worth_compacting(const arena *a, int r)
{
	const bool begun = log_has_blobs(&a->b->log) || a->writer.ops.count != 0;

	return space_none(r) && (!begun || broken(BROKEN_STEP_INSIDE)) && !a->writer.internal;
}

/* Whether the transaction may put a record of that size, or delete one. */
static int txn_may_change(const arena_txn *t, uint64_t size)
{
	const int r = arena_txn_usable(t);

	if (r != 0)
		return r;
	if (!txn_is_writer(t))
		return GRAVITY_READONLY;
	if (size > ARENA_BLOB_MAX)
		return GRAVITY_TOOBIG;
	return arena_failed(txn_arena(t)) ? GRAVITY_FAILED : 0;
}

int arena_put(arena_txn *t, vpos name, uint32_t aux, uint64_t size, void **data)
{
	arena *a = txn_arena(t);
	int r = txn_may_change(t, size);

	if (r != 0)
		return r;
	r = writer_put(a, BLOB_PUT, name, aux, size, data);
	if (worth_compacting(a, r) &&
	    slot_make(a, a->planner, blob_span(size) + sizeof(struct jump_disk), writer_claim(&a->writer)) == 0)
		r = writer_put(a, BLOB_PUT, name, aux, size, data);
	return space_code(&a->b->space, r);
}

void arena_copy_in(arena_txn *t, void *to, const void *from, size_t bytes)
{
	map_copy(&txn_arena(t)->map, to, from, bytes);
}

int arena_del(arena_txn *t, vpos name)
{
	arena *a = txn_arena(t);
	int r = txn_may_change(t, 0);

	if (r != 0)
		return r;
	r = writer_del(a, name.bits);
	if (worth_compacting(a, r) && slot_make(a, a->planner, SPACE_WINDOW_LEAST, SPACE_RESERVED) == 0)
		r = writer_del(a, name.bits);
	return space_code(&a->b->space, r);
}

void arena_use_reserve(arena_txn *t, bool on)
{
	txn_arena(t)->writer.use_reserve = on;
}

int arena_name_next(arena_txn *t, vpos *name)
{
	arena *a = txn_arena(t);

	assert(txn_is_writer(t));
	/* The one after it is that of 0. */
	if (a->b->next_name == UINT64_MAX)
		return GRAVITY_FULL;
	a->b->next_name++;
	*name = (vpos){mix64(a->b->next_name)};
	return 0;
}
