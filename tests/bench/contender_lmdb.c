/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* contender_lmdb.c: LMDB, set up the way its documentation recommends for each mode.
 *
 * - Durable: LMDB's default, a data flush and a synchronous meta page for each commit.
 * - Lazy: MDB_NOSYNC, no flush until mdb_env_sync. LMDB then promises less than gkv after a power cut (the file may be
 *   corrupt), so this leans in its favour.
 * - MDB_NORDAHEAD, since the workloads read at random; the cold scan opens with read-ahead.
 * - MDB_NOTLS and one reader transaction per reader, which mdb_txn_reset and mdb_txn_renew reuse: the cheapest way to a
 *   fresh snapshot.
 * - The map size is chosen far above what is needed.
 *
 * `lmdb-writemap` is the same with MDB_WRITEMAP: stores go through the map, without write calls. Small lazy commits are
 * then several times cheaper, at the price of what a stray pointer of the program may overwrite (gkv, which writes
 * through its map, pays that price too). `lmdb` without it is the default of LMDB and of the ratios. */

#include <errno.h>
#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/contender.h"

struct lmdb_store {
	MDB_env *env;
	MDB_dbi dbi;
};

struct lmdb_writer {
	MDB_txn *txn;
	MDB_dbi dbi;
};

struct lmdb_reader {
	MDB_txn *txn; /* in the reset state between snapshots */
	MDB_dbi dbi;
};

static MDB_val val_of(gkv_bytes bytes)
{
	MDB_val val = {bytes.size, (void *)(uintptr_t)bytes.data};

	return val;
}

static size_t map_size(const struct store_config *config)
{
	size_t record = config->value_bytes + 128;

	if (config->value_bytes > 1500)
		record = config->value_bytes + 8192; /* overflow pages are whole pages */
	return ((size_t)config->records * record * 4 + ((size_t)4 << 30)) & ~(size_t)4095;
}

static int lmdb_dbi_open(struct lmdb_store *store)
{
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_dbi_open(txn, NULL, 0, &store->dbi);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

static int lmdb_open_with(const struct store_config *config, unsigned flags, struct store **out)
{
	struct lmdb_store *store = calloc(1, sizeof *store);
	int rc = ENOMEM;

	*out = NULL;
	if (store == NULL)
		goto out;
	rc = mdb_env_create(&store->env);
	if (rc != 0)
		goto out;
	rc = mdb_env_set_mapsize(store->env, map_size(config));
	if (rc != 0)
		goto out;
	flags |= MDB_NOSUBDIR | MDB_NOTLS;
	if (!config->read_ahead)
		flags |= MDB_NORDAHEAD;
	if (!config->durable)
		flags |= MDB_NOSYNC;
	rc = mdb_env_open(store->env, config->path, flags, 0644);
	if (rc != 0)
		goto out;
	rc = lmdb_dbi_open(store);
	if (rc != 0)
		goto out;
	*out = (struct store *)store;
	store = NULL;
out:
	if (store != NULL && store->env != NULL)
		mdb_env_close(store->env);
	free(store);
	return rc;
}

static int lmdb_store_open(const struct store_config *config, struct store **out)
{
	return lmdb_open_with(config, 0, out);
}

static int lmdb_store_open_writemap(const struct store_config *config, struct store **out)
{
	return lmdb_open_with(config, MDB_WRITEMAP, out);
}

static int lmdb_store_sync(struct store *store)
{
	return mdb_env_sync(((struct lmdb_store *)store)->env, 1);
}

static int lmdb_store_close(struct store *store)
{
	struct lmdb_store *s = (struct lmdb_store *)store;
	int rc = mdb_env_sync(s->env, 1);

	mdb_env_close(s->env);
	free(s);
	return rc;
}

static int lmdb_store_put_one(struct store *store, gkv_bytes key, gkv_bytes value)
{
	struct lmdb_store *s = (struct lmdb_store *)store;
	MDB_val k = val_of(key), v = val_of(value);
	MDB_txn *txn = NULL;
	int rc = mdb_txn_begin(s->env, NULL, 0, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_put(txn, s->dbi, &k, &v, 0);
	if (rc != 0) {
		mdb_txn_abort(txn);
		return rc;
	}
	return mdb_txn_commit(txn);
}

static int lmdb_writer_begin(struct store *store, struct writer **out)
{
	struct lmdb_store *s = (struct lmdb_store *)store;
	struct lmdb_writer *writer = calloc(1, sizeof *writer);
	int rc;

	*out = NULL;
	if (writer == NULL)
		return ENOMEM;
	writer->dbi = s->dbi;
	rc = mdb_txn_begin(s->env, NULL, 0, &writer->txn);
	if (rc != 0)
		free(writer);
	else
		*out = (struct writer *)writer;
	return rc;
}

static int lmdb_writer_put(struct writer *writer, gkv_bytes key, gkv_bytes value)
{
	struct lmdb_writer *w = (struct lmdb_writer *)writer;
	MDB_val k = val_of(key), v = val_of(value);

	return mdb_put(w->txn, w->dbi, &k, &v, 0);
}

static int lmdb_writer_del(struct writer *writer, gkv_bytes key)
{
	struct lmdb_writer *w = (struct lmdb_writer *)writer;
	MDB_val k = val_of(key);

	return mdb_del(w->txn, w->dbi, &k, NULL);
}

static int lmdb_writer_commit(struct writer *writer)
{
	struct lmdb_writer *w = (struct lmdb_writer *)writer;
	int rc = mdb_txn_commit(w->txn);

	free(w);
	return rc;
}

static void lmdb_writer_abort(struct writer *writer)
{
	struct lmdb_writer *w = (struct lmdb_writer *)writer;

	if (w != NULL)
		mdb_txn_abort(w->txn);
	free(w);
}

static int lmdb_reader_open(struct store *store, struct reader **out)
{
	struct lmdb_store *s = (struct lmdb_store *)store;
	struct lmdb_reader *reader = calloc(1, sizeof *reader);
	int rc;

	*out = NULL;
	if (reader == NULL)
		return ENOMEM;
	reader->dbi = s->dbi;
	rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &reader->txn);
	if (rc != 0) {
		free(reader);
		return rc;
	}
	mdb_txn_reset(reader->txn);
	*out = (struct reader *)reader;
	return 0;
}

static void lmdb_reader_close(struct reader *reader)
{
	struct lmdb_reader *r = (struct lmdb_reader *)reader;

	if (r != NULL)
		mdb_txn_abort(r->txn);
	free(r);
}

static int lmdb_snapshot_begin(struct reader *reader)
{
	return mdb_txn_renew(((struct lmdb_reader *)reader)->txn);
}

static void lmdb_snapshot_end(struct reader *reader)
{
	mdb_txn_reset(((struct lmdb_reader *)reader)->txn);
}

static int lmdb_reader_get(struct reader *reader, gkv_bytes key, gkv_bytes *value)
{
	struct lmdb_reader *r = (struct lmdb_reader *)reader;
	MDB_val k = val_of(key), v = {0, NULL};
	int rc = mdb_get(r->txn, r->dbi, &k, &v);

	*value = (gkv_bytes){v.mv_data, v.mv_size};
	if (rc == MDB_NOTFOUND) {
		*value = (gkv_bytes){NULL, 0};
		rc = 0;
	}
	return rc;
}

static int lmdb_reader_get_many(struct reader *reader, size_t count, const gkv_bytes *keys, gkv_bytes *values)
{
	int rc = 0;

	for (size_t i = 0; i < count && rc == 0; i++)
		rc = lmdb_reader_get(reader, keys[i], &values[i]);
	return rc;
}

static int lmdb_reader_scan(struct reader *reader, scan_visit *visit, void *arg)
{
	struct lmdb_reader *r = (struct lmdb_reader *)reader;
	MDB_cursor *cursor = NULL;
	MDB_val k, v;
	int rc = mdb_cursor_open(r->txn, r->dbi, &cursor);

	if (rc != 0)
		return rc;
	while ((rc = mdb_cursor_get(cursor, &k, &v, MDB_NEXT)) == 0) {
		if (!visit(arg, (gkv_bytes){k.mv_data, k.mv_size}, (gkv_bytes){v.mv_data, v.mv_size}))
			break;
	}
	mdb_cursor_close(cursor);
	return rc == MDB_NOTFOUND ? 0 : rc;
}

static int lmdb_reader_get_copy(struct reader *reader, gkv_bytes key, void *buffer, size_t capacity, size_t *size)
{
	gkv_bytes value;
	int rc = lmdb_snapshot_begin(reader);

	*size = SIZE_MAX;
	if (rc != 0)
		return rc;
	rc = lmdb_reader_get(reader, key, &value);
	if (rc == 0 && value.data != NULL) {
		if (value.size > capacity)
			rc = ENOBUFS;
		else
			memcpy(buffer, value.data, value.size);
		*size = value.size;
	}
	lmdb_snapshot_end(reader);
	return rc;
}

/* The pages of its tree; what is free in them is LMDB's overhead, as heads and table are gkv's. */
static int lmdb_store_space(struct store *store, struct store_space *out)
{
	struct lmdb_store *s = (struct lmdb_store *)store;
	MDB_txn *txn = NULL;
	MDB_stat stat;
	int rc = mdb_txn_begin(s->env, NULL, MDB_RDONLY, &txn);

	if (rc != 0)
		return rc;
	rc = mdb_stat(txn, s->dbi, &stat);
	mdb_txn_abort(txn);
	if (rc == 0)
		out->live_bytes =
			(uint64_t)stat.ms_psize * (stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages);
	return rc;
}

static const char *lmdb_message(int code)
{
	return mdb_strerror(code);
}

#define LMDB_OPERATIONS                                                                                                \
	.on_disk = true, .has_log = false, .has_limit = false, .extra = "-lock", .close = lmdb_store_close,            \
	.sync = lmdb_store_sync, .checkpoint = lmdb_store_sync, .compact = NULL, .put_one = lmdb_store_put_one,        \
	.write_begin = lmdb_writer_begin, .put = lmdb_writer_put, .del = lmdb_writer_del,                              \
	.commit = lmdb_writer_commit, .abort = lmdb_writer_abort, .reader_open = lmdb_reader_open,                     \
	.reader_close = lmdb_reader_close, .snapshot_begin = lmdb_snapshot_begin, .snapshot_end = lmdb_snapshot_end,   \
	.get = lmdb_reader_get, .get_many = lmdb_reader_get_many, .scan = lmdb_reader_scan,                            \
	.get_copy = lmdb_reader_get_copy, .space = lmdb_store_space, .message = lmdb_message

const struct contender contender_lmdb = {
	.name = CONTENDER_REFERENCE,
	.promise = "lazy: MDB_NOSYNC, survives a killed process, may be corrupt after a power cut; "
		   "durable: its default, two flushes; no checksums; keeps keys in order",
	.open = lmdb_store_open,
	LMDB_OPERATIONS,
};

const struct contender contender_lmdb_writemap = {
	.name = "lmdb-writemap",
	.promise = "as lmdb, with MDB_WRITEMAP: stores go through the map",
	.open = lmdb_store_open_writemap,
	LMDB_OPERATIONS,
};
