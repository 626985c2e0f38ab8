/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* store.c: an open store as a whole: opening and closing, operations that are a transaction each, maintenance, statistics.
 *
 * It refuses to know what a file looks like: all of that is the arena's. Cost: gkv_get takes no lock and allocates
 * nothing; the other single operations are one write transaction. */
#include <string.h>

#include "arena/read/get.h"
#include "arena/types.h"
#include "kvstore/kv.h"
#include "kvstore/place.h"
#include "kvstore/record.h"
#include "kvstore/stray.h"

const char *gkv_version(void)
{
	return GKV_VERSION_STRING;
}

const char *gkv_strerror(int code)
{
	return gravity_strerror(code);
}

int kv_open(const char *path, const gkv_options *opt, enum gravity_planner planner, gkv **db)
{
	struct arena_options options = {.kind = ARENA_KEYED, .planner = planner};
	arena *a = NULL;
	int rc;

	if (db == NULL)
		return GKV_INVALID;
	*db = NULL;
	if (opt != NULL) {
		/* Flags, mode and durability are checked by the arena. */
		if (!words_are_zero(opt->reserved, sizeof(opt->reserved) / sizeof(opt->reserved[0])))
			return GKV_INVALID;
		options.flags = opt->flags;
		options.durability = (unsigned)opt->durability;
		options.mode = opt->mode;
		options.max_bytes = opt->max_bytes;
		options.checkpoint_bytes = opt->checkpoint_bytes;
	}
	rc = arena_open(path, &options, &a);
	if (rc == GKV_OK)
		*db = kv_handle(a);
	return rc;
}

int gkv_open(const char *path, const gkv_options *opt, gkv **db)
{
	return kv_open(path, opt, GRAVITY_DEFAULT, db);
}

int gkv_close(gkv *db)
{
	return db != NULL ? arena_close(kv_arena(db)) : GKV_OK;
}

static int record_store(gkv *db, const void *key, size_t klen, const void *val, size_t vlen, bool only_new)
{
	gkv_txn *txn;
	int rc;

	rc = kv_check_record(key, klen, val, vlen);
	if (rc == GKV_OK)
		rc = gkv_begin(db, GKV_WRITE, &txn);
	if (rc != GKV_OK)
		return rc;
	return arena_end(kv_arena_txn(txn), (only_new ? gkv_txn_add : gkv_txn_put)(txn, key, klen, val, vlen));
}

int gkv_put(gkv *db, const void *key, size_t klen, const void *val, size_t vlen)
{
	return record_store(db, key, klen, val, vlen, false);
}

int gkv_add(gkv *db, const void *key, size_t klen, const void *val, size_t vlen)
{
	return record_store(db, key, klen, val, vlen, true);
}

int gkv_del(gkv *db, const void *key, size_t klen)
{
	gkv_txn *txn;
	int rc;

	rc = kv_check_key(key, klen);
	if (rc == GKV_OK)
		rc = gkv_begin(db, GKV_WRITE, &txn);
	return rc == GKV_OK ? arena_end(kv_arena_txn(txn), gkv_txn_del(txn, key, klen)) : rc;
}

static int value_copy(gkv_bytes value, void *buf, size_t cap, size_t *size)
{
	*size = value.size;
	if (value.size > cap)
		return GKV_SHORTBUF;
	if (value.size != 0)
		memcpy(buf, value.data, value.size);
	return GKV_OK;
}

/* Looks the key up and copies its value out while the view lasts. */
static int view_copy(const struct view *view, const struct kv_key *key, void *buf, size_t cap, size_t *size,
		     bool *passed)
{
	const vpos home = place_home(view->arena, key->data, key->len);
	struct arena_blob blob;
	struct place place;
	gkv_bytes value;
	int rc;

	*passed = false;
	rc = view->txn == NULL ? get_by_pin(view->arena, home, &blob) : arena_find(view->txn, home, &blob);
	if (rc != GKV_OK)
		return rc;
	if (record_is_of(&blob, key, &value))
		return value_copy(value, buf, cap, size);
	rc = place_find_from(view, key, home, &place);
	*passed = place.passed;
	if (rc != GKV_OK)
		return rc;
	return value_copy((gkv_bytes){place.record.value, place.record.value_size}, buf, cap, size);
}

/* Under a pin, a walk past another key's record may miss a key that a commit takes from ahead of it to behind it. A
 * snapshot sees one commit. Where all snapshots are taken, what the pin saw stands: it can be wrong only if two keys
 * have one hash, and one of them is deleted and put again just now. */
static int get_again(arena *a, const struct kv_key *key, void *buf, size_t cap, size_t *size)
{
	struct view view = {.arena = a};
	bool passed;
	int rc;

	rc = arena_begin(a, ARENA_READ, &view.txn);
	if (rc != GKV_OK)
		return rc == GKV_READERS ? GKV_NOTFOUND : rc;
	rc = view_copy(&view, key, buf, cap, size, &passed);
	arena_abort(view.txn);
	return rc;
}

int gkv_get(gkv *db, const void *key, size_t klen, void *buf, size_t cap, size_t *size)
{
	const struct kv_key k = {key, klen};
	struct view view = {.txn = NULL};
	bool passed;
	int rc;

	if (size == NULL)
		return GKV_INVALID;
	*size = 0;
	rc = kv_check_key(key, klen);
	if (rc != GKV_OK)
		return rc;
	if (db == NULL || (buf == NULL && cap != 0))
		return GKV_INVALID;
	view.arena = kv_arena(db);
	rc = arena_pin_take(view.arena, &view.pin);
	if (rc != GKV_OK)
		return rc;
	rc = view_copy(&view, &k, buf, cap, size, &passed);
	arena_pin_drop(view.arena, view.pin);
	if (rc == GKV_NOTFOUND && passed)
		rc = get_again(view.arena, &k, buf, cap, size);
	return rc;
}

int gkv_sync(gkv *db)
{
	return db != NULL ? arena_sync(kv_arena(db)) : GKV_INVALID;
}

int gkv_checkpoint(gkv *db)
{
	return db != NULL ? arena_checkpoint(kv_arena(db)) : GKV_INVALID;
}

int gkv_compact(gkv *db, gkv_progress *progress, void *arg)
{
	return db != NULL ? arena_compact(kv_arena(db), GRAVITY_DEFAULT, 0, progress, arg) : GKV_INVALID;
}

int gkv_backup(gkv *db, const char *dest, gkv_progress *progress, void *arg)
{
	if (db == NULL || dest == NULL)
		return GKV_INVALID;
	return arena_backup(kv_arena(db), dest, progress, arg);
}

static void stats_copy(const struct arena_stats *from, gkv_stats *to)
{
	to->live_bytes = from->live_bytes;
	to->file_bytes = from->file_bytes;
	to->free_bytes = from->free_bytes;
	to->free_slots = from->free_slots;
	to->largest_free = from->largest_free;
	to->pending_bytes = from->pending_bytes;
	to->table_pages = from->table_pages;
	to->commit_seq = from->commit_seq;
	to->durable_seq = from->durable_seq;
	to->checkpoint_seq = from->checkpoint_seq;
	to->log_bytes = from->log_bytes;
	to->bytes_written = from->bytes_written;
	to->bytes_moved = from->bytes_moved;
	to->compaction_steps = from->compaction_steps;
	to->readers = from->readers;
	to->oldest_reader_seq = from->oldest_reader_seq;
}

int gkv_stat(gkv *db, gkv_stats *out)
{
	struct view view = {.txn = NULL};
	struct arena_stats stats;
	uint64_t others = 0;
	int rc;

	if (out == NULL)
		return GKV_INVALID;
	*out = (gkv_stats){0};
	if (db == NULL)
		return GKV_INVALID;
	view.arena = kv_arena(db);
	rc = arena_pin_take(view.arena, &view.pin);
	if (rc != GKV_OK)
		return rc;
	rc = stray_count_blobs(&view, &others);
	arena_pin_drop(view.arena, view.pin);
	if (rc == GKV_OK)
		rc = arena_stat(view.arena, &stats);
	if (rc != GKV_OK)
		return rc;
	stats_copy(&stats, out);
	/* Commits between the two looks may leave fewer blobs than the others that were counted. */
	out->records = stats.blobs > others ? stats.blobs - others : 0;
	return GKV_OK;
}

int gkv_layout(gkv *db, gkv_layout_visit *visit, void *arg)
{
	return db != NULL && visit != NULL ? arena_layout(kv_arena(db), visit, arg) : GKV_INVALID;
}
