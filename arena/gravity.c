/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gravity.c owns the public face of the arena: unnamed blobs behind virtual positions that the arena hands out.
 *
 * A position is a counter put through a bijective mixer, so that positions spread over the table like hashes; the
 * counter only grows, so a freed position is never handed out again. */
#include "arena/gravity.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "arena/arena.h"
#include "arena/types.h"

struct gravity {
	arena *a;
};

int gravity_open(const char *path, const gravity_options *opt, gravity **out)
{
	struct arena_options o = {.kind = ARENA_PLAIN};
	const struct os *os = os_default();
	gravity *g;
	int r;

	if (out == NULL)
		return GRAVITY_INVALID;
	*out = NULL;
	if (opt != NULL) {
		if (!words_are_zero(opt->reserved, sizeof opt->reserved / sizeof opt->reserved[0]))
			return GRAVITY_INVALID;
		o.flags = opt->flags;
		o.durability = opt->durability;
		o.mode = opt->mode;
		o.planner = opt->planner;
		o.max_bytes = opt->max_bytes;
		o.checkpoint_bytes = opt->checkpoint_bytes;
	}
	g = os->alloc(os, NULL, sizeof *g);
	if (g == NULL)
		return ENOMEM;
	r = arena_open(path, &o, &g->a);
	if (r != 0) {
		os->free(os, g);
		return r;
	}
	*out = g;
	return 0;
}

int gravity_close(gravity *g)
{
	const struct os *os;
	int r;

	if (g == NULL)
		return 0;
	os = arena_os(g->a);
	r = arena_close(g->a);
	if (r != GRAVITY_BUSY)
		os->free(os, g);
	return r;
}

int gravity_write(gravity *g, const void *data, size_t size, gravity_pos *pos)
{
	arena_txn *t;
	vpos name = {0};
	void *to;
	int r;

	if (pos != NULL)
		*pos = 0;
	if (g == NULL || pos == NULL || (data == NULL && size > 0))
		return GRAVITY_INVALID;
	if (size > ARENA_BLOB_MAX)
		return GRAVITY_TOOBIG;
	r = arena_begin(g->a, ARENA_WRITE, &t);
	if (r != 0)
		return r;
	r = arena_name_next(t, &name);
	if (r == 0)
		r = arena_put(t, name, 0, size, &to);
	if (r == 0 && size > 0)
		arena_copy_in(t, to, data, size);
	r = arena_end(t, r);
	if (r == 0)
		*pos = name.bits;
	return r;
}

int gravity_read(gravity *g, gravity_pos pos, void *buf, size_t cap, size_t *size)
{
	struct arena_blob blob;
	arena_pin pin;
	int r;

	if (size != NULL)
		*size = 0;
	if (g == NULL || size == NULL || (buf == NULL && cap > 0))
		return GRAVITY_INVALID;
	r = arena_pin_take(g->a, &pin);
	if (r != 0)
		return r;
	r = pos == 0 ? GRAVITY_NOTFOUND : arena_pin_find(g->a, (vpos){pos}, &blob);
	if (r == 0) {
		*size = blob.size;
		if (blob.size > cap)
			r = GRAVITY_SHORTBUF;
		else if (blob.size > 0)
			memcpy(buf, blob.data, blob.size);
	}
	arena_pin_drop(g->a, pin);
	return r;
}

int gravity_free(gravity *g, gravity_pos pos)
{
	arena_txn *t;
	int r;

	if (g == NULL)
		return GRAVITY_INVALID;
	r = arena_begin(g->a, ARENA_WRITE, &t);
	if (r != 0)
		return r;
	return arena_end(t, pos == 0 ? GRAVITY_NOTFOUND : arena_del(t, (vpos){pos}));
}

int gravity_sync(gravity *g)
{
	return g == NULL ? GRAVITY_INVALID : arena_sync(g->a);
}

int gravity_checkpoint(gravity *g)
{
	return g == NULL ? GRAVITY_INVALID : arena_checkpoint(g->a);
}

int gravity_compact(gravity *g, enum gravity_planner planner, uint64_t want)
{
	if (g == NULL || (unsigned)planner > GRAVITY_CHEAPEST || want == 0)
		return GRAVITY_INVALID;
	return arena_compact(g->a, planner, want, NULL, NULL);
}

int gravity_each_free_slot(gravity *g, gravity_slot_visit *visit, void *arg)
{
	return g == NULL || visit == NULL ? GRAVITY_INVALID : arena_each_free_slot(g->a, visit, arg);
}

int gravity_stat(gravity *g, gravity_stats *out)
{
	struct arena_stats s;
	int r;

	if (out == NULL)
		return GRAVITY_INVALID;
	memset(out, 0, sizeof *out);
	if (g == NULL)
		return GRAVITY_INVALID;
	r = arena_stat(g->a, &s);
	if (r != 0)
		return r;
	out->blobs = s.blobs;
	out->live_bytes = s.live_bytes;
	out->file_bytes = s.file_bytes;
	out->free_bytes = s.free_bytes;
	out->free_slots = s.free_slots;
	out->largest_free = s.largest_free;
	out->pending_bytes = s.pending_bytes;
	out->bytes_written = s.bytes_written;
	out->bytes_moved = s.bytes_moved;
	out->compaction_steps = s.compaction_steps;
	return 0;
}
