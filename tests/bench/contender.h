/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* contender.h: what the benchmark asks of a store.
 *
 * A contender is one struct of operations over opaque handles, in a file of its own. Workloads know nothing else, so
 * that each store is driven by the same loop, the same keys and the same checks. Adding a store is one file and one
 * line in contender_all.
 *
 * Operations return 0 or a code of the store's own, which `message` turns into text. A key that is absent is not an
 * error: the value's data is NULL. A value stays valid until its snapshot ends. */
#ifndef GKV_BENCH_CONTENDER_H
#define GKV_BENCH_CONTENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvstore/gkv.h"

struct store;
struct writer;
struct reader;

/* What a store counts of itself. */
struct store_space {
	uint64_t live_bytes;                 /* with what the store needs beside keys and values        */
	bool counts;                         /* it knows the rest                                       */
	uint64_t bytes_written, bytes_moved; /* since it was opened; those moved are among those written */
	uint64_t free_slots;
};

struct store_config {
	const char *path;
	uint64_t records;   /* how many are expected: only for stores that must be told a size  */
	size_t value_bytes; /* likewise                                                         */
	uint64_t log_bytes; /* log to be written before a checkpoint, 0: the store's own choice */
	uint64_t max_bytes; /* the file must not grow past this, 0: no limit                    */
	bool durable;       /* a commit returns when it is on stable storage                    */
	bool verify;        /* check checksums on read, where the store has them                */
	bool read_ahead;    /* the file will be read from one end to the other                  */
};

/* Returns false to stop the scan. */
typedef bool scan_visit(void *arg, gkv_bytes key, gkv_bytes value);

struct contender {
	const char *name;
	const char *promise; /* what a lazy and a durable commit mean here, one sentence     */
	bool on_disk;        /* it has a file: durability, disk bytes and opening mean something */
	bool has_log;        /* it honours log_bytes and replays a log when it opens         */
	bool has_limit;      /* it honours max_bytes, and has compact and space              */
	int full;            /* the code that says so                                        */
	const char *extra;   /* suffix of a second file beside the store's own, or NULL      */

	int (*open)(const struct store_config *config, struct store **out);
	int (*close)(struct store *store); /* everything committed is on stable storage   */
	int (*sync)(struct store *store);
	int (*put_one)(struct store *store, gkv_bytes key, gkv_bytes value); /* a transaction of one put */

	int (*write_begin)(struct store *store, struct writer **out);
	int (*put)(struct writer *writer, gkv_bytes key, gkv_bytes value);
	int (*del)(struct writer *writer, gkv_bytes key); /* the key must be there */
	int (*commit)(struct writer *writer);
	void (*abort)(struct writer *writer);

	/* A reader belongs to one thread and holds what the store lets one keep from snapshot to snapshot. */
	int (*reader_open)(struct store *store, struct reader **out);
	void (*reader_close)(struct reader *reader);
	int (*snapshot_begin)(struct reader *reader);
	void (*snapshot_end)(struct reader *reader);
	int (*get)(struct reader *reader, gkv_bytes key, gkv_bytes *value);
	int (*get_many)(struct reader *reader, size_t count, const gkv_bytes *keys, gkv_bytes *values);
	int (*scan)(struct reader *reader, scan_visit *visit, void *arg);
	/* The store's one-call get outside any snapshot: copies the value out; *size is SIZE_MAX when absent. */
	int (*get_copy)(struct reader *reader, gkv_bytes key, void *buffer, size_t capacity, size_t *size);

	/* NULL where a store does not count. */
	int (*space)(struct store *store, struct store_space *out);
	/* What was freed may be used again and given back to the file system; a store without checkpoints syncs. */
	int (*checkpoint)(struct store *store);
	/* Makes the file as short as it can be, in place; NULL where a store cannot. */
	int (*compact)(struct store *store);

	const char *(*message)(int code);
};

extern const struct contender contender_gkv;
extern const struct contender contender_gkv_noverify;
extern const struct contender contender_gkv_cheapest;
extern const struct contender contender_gkv_gravity;
extern const struct contender contender_lmdb;
extern const struct contender contender_lmdb_writemap;
extern const struct contender contender_memory;

/* All of them, NULL last, in the order of the table's columns. */
extern const struct contender *const contender_all[];

/* True if the list of names, with commas between them, names it: whole, or by a prefix that ends in '-'; "a-" takes a, too. */
bool list_names(const char *list, const char *name);

/* The one that ratios are taken against, unless another is asked for. */
#define CONTENDER_REFERENCE "lmdb"
/* The one that is measured. */
#define CONTENDER_SUBJECT "gkv"

#endif
