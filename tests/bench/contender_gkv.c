/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* contender_gkv.c: gkv through its public interface, as a program that links the library uses it. It adds nothing:
 * each operation is the call of that name.
 *
 * Beside `gkv`, which is what a program gets, stand `gkv-noverify` (GKV_NOVERIFY: no checksums on read) and one for each
 * planner. The choice of a planner is not public: kv_open is the one internal function that is called. */

#include <errno.h>
#include <stdlib.h>

#include "kvstore/kv.h"
#include "tests/bench/contender.h"

#define GKV_BATCH_MAX 64 /* keys of one get_many */

struct gkv_reader {
	gkv *db;
	gkv_txn *txn;
};

static int gkv_open_with(const struct store_config *config, bool verify, enum gravity_planner planner,
			 struct store **out)
{
	gkv_options options = {0};
	gkv *db = NULL;
	int rc;

	*out = NULL;
	options.durability = config->durable ? GKV_DURABLE : GKV_LAZY;
	options.flags = verify ? 0 : GKV_NOVERIFY;
	options.checkpoint_bytes = config->log_bytes;
	options.max_bytes = config->max_bytes;
	rc = kv_open(config->path, &options, planner, &db);
	if (rc == GKV_OK)
		*out = (struct store *)db;
	return rc;
}

static int gkv_store_open(const struct store_config *config, struct store **out)
{
	return gkv_open_with(config, config->verify, GRAVITY_DEFAULT, out);
}

static int gkv_store_open_noverify(const struct store_config *config, struct store **out)
{
	return gkv_open_with(config, false, GRAVITY_DEFAULT, out);
}

static int gkv_store_open_cheapest(const struct store_config *config, struct store **out)
{
	return gkv_open_with(config, config->verify, GRAVITY_CHEAPEST, out);
}

static int gkv_store_open_gravity(const struct store_config *config, struct store **out)
{
	return gkv_open_with(config, config->verify, GRAVITY_GRAVITY, out);
}

static int gkv_store_close(struct store *store)
{
	return gkv_close((gkv *)store);
}

static int gkv_store_sync(struct store *store)
{
	return gkv_sync((gkv *)store);
}

static int gkv_store_put_one(struct store *store, gkv_bytes key, gkv_bytes value)
{
	return gkv_put((gkv *)store, key.data, key.size, value.data, value.size);
}

static int gkv_writer_begin(struct store *store, struct writer **out)
{
	gkv_txn *txn = NULL;
	int rc = gkv_begin((gkv *)store, GKV_WRITE, &txn);

	*out = (struct writer *)txn;
	return rc;
}

static int gkv_writer_put(struct writer *writer, gkv_bytes key, gkv_bytes value)
{
	return gkv_txn_put((gkv_txn *)writer, key.data, key.size, value.data, value.size);
}

static int gkv_writer_del(struct writer *writer, gkv_bytes key)
{
	return gkv_txn_del((gkv_txn *)writer, key.data, key.size);
}

static int gkv_writer_commit(struct writer *writer)
{
	return gkv_commit((gkv_txn *)writer);
}

static void gkv_writer_abort(struct writer *writer)
{
	gkv_abort((gkv_txn *)writer);
}

static int gkv_reader_open(struct store *store, struct reader **out)
{
	struct gkv_reader *reader = calloc(1, sizeof *reader);

	*out = (struct reader *)reader;
	if (reader == NULL)
		return ENOMEM;
	reader->db = (gkv *)store;
	return 0;
}

static void gkv_reader_close(struct reader *reader)
{
	free(reader);
}

static int gkv_snapshot_begin(struct reader *reader)
{
	struct gkv_reader *r = (struct gkv_reader *)reader;

	return gkv_begin(r->db, GKV_READ, &r->txn);
}

static void gkv_snapshot_end(struct reader *reader)
{
	struct gkv_reader *r = (struct gkv_reader *)reader;

	gkv_abort(r->txn);
	r->txn = NULL;
}

static int gkv_reader_get(struct reader *reader, gkv_bytes key, gkv_bytes *value)
{
	struct gkv_reader *r = (struct gkv_reader *)reader;
	int rc = gkv_txn_get(r->txn, key.data, key.size, value);

	if (rc == GKV_NOTFOUND) {
		*value = (gkv_bytes){NULL, 0};
		rc = 0;
	}
	return rc;
}

static int gkv_reader_get_many(struct reader *reader, size_t count, const gkv_bytes *keys, gkv_bytes *values)
{
	struct gkv_reader *r = (struct gkv_reader *)reader;
	int codes[GKV_BATCH_MAX];
	int rc;

	if (count > GKV_BATCH_MAX)
		return GKV_INVALID;
	rc = gkv_txn_get_many(r->txn, count, keys, values, codes);
	for (size_t i = 0; rc == GKV_OK && i < count; i++) {
		if (codes[i] == GKV_NOTFOUND)
			values[i] = (gkv_bytes){NULL, 0};
		else
			rc = codes[i];
	}
	return rc;
}

static int gkv_reader_scan(struct reader *reader, scan_visit *visit, void *arg)
{
	struct gkv_reader *r = (struct gkv_reader *)reader;
	gkv_iter *iter = NULL;
	gkv_bytes key, value;
	int rc = gkv_iter_open(r->txn, &iter);

	if (rc != GKV_OK)
		return rc;
	while ((rc = gkv_iter_next(iter, &key, &value)) == GKV_OK) {
		if (!visit(arg, key, value))
			break;
	}
	gkv_iter_close(iter);
	return rc == GKV_NOTFOUND ? 0 : rc;
}

static int gkv_reader_get_copy(struct reader *reader, gkv_bytes key, void *buffer, size_t capacity, size_t *size)
{
	struct gkv_reader *r = (struct gkv_reader *)reader;
	int rc = gkv_get(r->db, key.data, key.size, buffer, capacity, size);

	if (rc == GKV_NOTFOUND) {
		*size = SIZE_MAX;
		rc = 0;
	}
	return rc;
}

static int gkv_store_space(struct store *store, struct store_space *out)
{
	gkv_stats stats;
	int rc = gkv_stat((gkv *)store, &stats);

	if (rc == GKV_OK)
		*out = (struct store_space){.live_bytes = stats.live_bytes,
					    .counts = true,
					    .bytes_written = stats.bytes_written,
					    .bytes_moved = stats.bytes_moved,
					    .free_slots = stats.free_slots};
	return rc;
}

static int gkv_store_checkpoint(struct store *store)
{
	return gkv_checkpoint((gkv *)store);
}

static int gkv_store_compact(struct store *store)
{
	return gkv_compact((gkv *)store, NULL, NULL);
}

#define GKV_OPERATIONS                                                                                                 \
	.on_disk = true, .has_log = true, .has_limit = true, .full = GKV_FULL, .extra = NULL,                          \
	.close = gkv_store_close, .sync = gkv_store_sync, .put_one = gkv_store_put_one,                                \
	.write_begin = gkv_writer_begin, .put = gkv_writer_put, .del = gkv_writer_del, .commit = gkv_writer_commit,    \
	.abort = gkv_writer_abort, .reader_open = gkv_reader_open, .reader_close = gkv_reader_close,                   \
	.snapshot_begin = gkv_snapshot_begin, .snapshot_end = gkv_snapshot_end, .get = gkv_reader_get,                 \
	.get_many = gkv_reader_get_many, .scan = gkv_reader_scan, .get_copy = gkv_reader_get_copy,                     \
	.space = gkv_store_space, .checkpoint = gkv_store_checkpoint, .compact = gkv_store_compact,                    \
	.message = gkv_strerror

const struct contender contender_gkv = {
	.name = CONTENDER_SUBJECT,
	.promise = "lazy: survives a killed process, opens at a commit after a power cut; "
		   "durable: one flush; checksums verified on read unless --no-verify",
	.open = gkv_store_open,
	GKV_OPERATIONS,
};

const struct contender contender_gkv_noverify = {
	.name = "gkv-noverify",
	.promise = "as gkv, checksums not verified on read",
	.open = gkv_store_open_noverify,
	GKV_OPERATIONS,
};

const struct contender contender_gkv_cheapest = {
	.name = "gkv-cheapest",
	.promise = "as gkv, compacts the run of slots with the fewest bytes between them",
	.open = gkv_store_open_cheapest,
	GKV_OPERATIONS,
};

const struct contender contender_gkv_gravity = {
	.name = "gkv-gravity",
	.promise = "as gkv, compacts from the pair of slots that attract each other most",
	.open = gkv_store_open_gravity,
	GKV_OPERATIONS,
};
