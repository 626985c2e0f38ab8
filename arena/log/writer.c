/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* writer.c owns what the one write transaction has done so far: blobs in the log, ops in its
 * private map. It changes nothing that others see: that is commit.c.
 *
 * 1. While the transaction has blobs in the chain nobody else appends, allocates, frees or begins a checkpoint.
 * 2. Every op's `now` is a blob of this transaction; every `before` is what the table has.
 * 3. An operation that fails leaves ops and log as they were. */
#include "arena/log/writer.h"

#include <assert.h>

#include "arena/broken.h"
#include "arena/core.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/adopt.h"
#include "arena/log/log.h"
#include "arena/moving.h"

int writer_lock(arena *a, bool nowait)
{
	const uint64_t self = os_thread_id();

	if (atomic_load_explicit(&a->writer_owner, memory_order_relaxed) == self)
		return GRAVITY_INVALID;
	if (latch_take(&a->writer_latch, a->os, nowait ? LATCH_TRY : LATCH_WAIT) == LATCH_BUSY)
		return GRAVITY_BUSY;
	books_adopt(a);
	atomic_store_explicit(&a->writer_owner, self, memory_order_relaxed);
	return 0;
}

void writer_unlock(arena *a)
{
	moving_turn(a);
	atomic_store_explicit(&a->writer_owner, 0, memory_order_relaxed);
	latch_drop(&a->writer_latch, a->os);
}

void writer_begin(arena *a, unsigned flags, bool internal)
{
	struct writer *w = &a->writer;

	assert(w->ops.count == 0 && !log_has_blobs(&a->b->log));
	w->flags = flags;
	w->internal = internal;
	w->use_reserve = internal;
	w->memo = false;
	w->written = 0;
	a->b->log.seq = atomic_load_explicit(&a->readers.seq, memory_order_relaxed) + 1;
}

void writer_abort(arena *a)
{
	struct writer *w = &a->writer;
	const bool used = log_has_blobs(&a->b->log);

	log_abort(&a->b->log);
	ops_clear(&w->ops);
	w->memo = false;
	if (!used || broken(BROKEN_NUMBER))
		return;
	/* The commit number is used up: no later commit's blobs can be taken for these. */
	(void)readers_apply_begin(&a->readers);
	readers_apply_end(&a->readers, a->b->log.seq, a->b->table.root);
}

/* What the table has of that name; 0: nothing. */
static int table_before(arena *a, uint64_t name, uint64_t *before)
{
	struct writer *w = &a->writer;
	const struct blob_disk *b;
	int r;

	if (!w->memo || w->memo_name != name) {
		r = table_find(&a->map, a->b->table.root, name, &b);
		if (r == GRAVITY_CORRUPT)
			return r;
		w->memo = true;
		w->memo_name = name;
		w->memo_before = r == 0 ? blob_offset(&a->map, b) : 0;
	}
	*before = w->memo_before;
	return 0;
}

int writer_find(arena *a, uint64_t name, const struct blob_disk **blob)
{
	const struct op *op = ops_find(&a->writer.ops, name);
	uint64_t at;
	int r;

	if (op != NULL) {
		at = op->now;
	} else {
		r = table_before(a, name, &at);
		if (r != 0)
			return r;
	}
	if (at == 0)
		return GRAVITY_NOTFOUND;
	*blob = blob_at(&a->map, at);
	return 0;
}

/* The op of that name, to be changed, made if there is none yet; nothing can fail once it is there. */
static int op_obtain(arena *a, uint64_t name, struct op **out, bool *is_new)
{
	struct ops *ops = &a->writer.ops;
	struct op *op;
	uint64_t before;
	int r = ops_reserve(ops, 2);

	if (r != 0)
		return r;
	op = ops_find(ops, name);
	*is_new = op == NULL;
	if (op == NULL) {
		r = table_before(a, name, &before);
		if (r != 0)
			return r;
		op = ops_add(ops, name);
		op->before = before;
		op->now = before;
	}
	*out = op;
	return 0;
}

/* The transaction's own record that this change overwrites is dead at its commit. */
static void op_overwrite(arena *a, struct op *op, uint64_t now)
{
	if (op->now != 0 && op->now != op->before)
		ops_add_dead(&a->writer.ops, op->now, blob_span(blob_at(&a->map, op->now)->size));
	op->now = now;
}

enum space_claim writer_claim(const struct writer *w)
{
	return w->use_reserve || broken(BROKEN_RESERVE) ? SPACE_RESERVED : SPACE_PUT;
}

/* Appends the blob of a change to the op, which goes again if there is no room for it and it was made for that. */
static int op_append(arena *a, const struct op *op, bool is_new, unsigned kind, uint64_t size, uint32_t aux,
		     enum space_claim claim, struct blob_disk **b)
{
	const unsigned flags = op->now != 0 ? BLOB_REPLACES : 0;
	const int r = log_append(&a->b->log, kind, flags, op->name, size, aux, claim, b);

	if (r != 0 && is_new)
		ops_drop_last(&a->writer.ops);
	return r;
}

int writer_put(arena *a, unsigned kind, vpos name, uint32_t aux, uint64_t size, void **data)
{
	struct writer *w = &a->writer;
	struct blob_disk *b;
	struct op *op;
	bool is_new;
	int r;

	r = op_obtain(a, name.bits, &op, &is_new);
	if (r == 0)
		r = op_append(a, op, is_new, kind, size, aux, writer_claim(w), &b);
	if (r != 0)
		return r;
	op_overwrite(a, op, blob_offset(&a->map, b));
	w->written += blob_span(size);
	*data = b + 1;
	return 0;
}

int writer_del(arena *a, uint64_t name)
{
	struct writer *w = &a->writer;
	const struct blob_disk *found;
	struct blob_disk *b;
	struct op *op;
	bool is_new;
	int r = writer_find(a, name, &found);

	if (r == 0)
		r = op_obtain(a, name, &op, &is_new);
	if (r == 0)
		r = op_append(a, op, is_new, BLOB_TOMB, 0, 0, SPACE_RESERVED, &b);
	if (r != 0)
		return r;
	op_overwrite(a, op, 0);
	ops_add_dead(&w->ops, blob_offset(&a->map, b), blob_span(0));
	return 0;
}
