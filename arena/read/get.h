/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* get.h: arena_find and arena_pin_find, inlined, for the callers that every get runs through.
 *
 * A get waits for memory twice, and the wait of one get hides in that of the one before it if the processor gets that far
 * ahead. What bounds it are the instructions that wait for the record: each call, and each value that passes through
 * memory on the way out, counts among them. */
#ifndef GKV_ARENA_READ_GET_H
#define GKV_ARENA_READ_GET_H

#include "arena/arena.h"
#include "arena/core.h"
#include "arena/log/session.h"
#include "arena/table/lookup.h"

static inline void blob_show(const struct blob_disk *b, struct arena_blob *out)
{
	out->data = b + 1;
	out->size = b->size;
	out->seq = blob_seq(b);
	out->aux = b->aux;
}

static inline int get_by_txn(arena_txn *t, vpos name, struct arena_blob *out)
{
	const struct blob_disk *b;
	int r;

	if (__builtin_expect(t->live != TXN_READ || !arena_ours(t->arena), 0))
		return arena_find(t, name, out);
	r = lookup(&txn_arena(t)->map, t->root, name.bits, &b);
	if (r == 0)
		blob_show(b, out);
	return r;
}

static inline int get_by_pin(arena *a, vpos name, struct arena_blob *out)
{
	const struct blob_disk *b;
	const int r = lookup(&a->map, atomic_load(&a->readers.root), name.bits, &b);

	if (r == 0)
		blob_show(b, out);
	return r;
}

#endif
