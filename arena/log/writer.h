/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* writer.h: transactions as the log knows them, the writer's lock, and what the one write transaction has done so far. */
#ifndef GKV_ARENA_LOG_WRITER_H
#define GKV_ARENA_LOG_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/disk.h"
#include "arena/log/ops.h"
#include "arena/space/reader.h"
#include "arena/space/space.h"
#include "arena/types.h"

/* A transaction belongs to a reader slot (a snapshot) or stands in the arena (the one write transaction). */
#define TXN_ENDED 0u
#define TXN_READ  UINT32_C(0x72656164)
#define TXN_WRITE UINT32_C(0x77726974)

static inline arena *txn_arena(const arena_txn *t)
{
	return t->arena;
}

static inline bool txn_is_writer(const arena_txn *t)
{
	return t->live == TXN_WRITE;
}

/* What the write transaction has shown to its user, before it has changed anything: it is not moved until the end. */
#define SHOWN_MOST 256u
struct shown {
	const void *data[SHOWN_MOST]; /* in the records             */
	uint32_t count;
	bool all; /* more, or what a walk holds */
};

/* The write transaction. */
struct writer {
	arena_txn txn; /* first: an arena_txn that writes is one of these */
	struct ops ops;
	unsigned flags;
	bool internal;    /* compaction's own                */
	bool use_reserve; /* puts may                        */
	uint64_t written; /* bytes of records appended       */
	struct shown shown;
	/* The record that was looked up last, so that a put of the same name need not look again. */
	bool memo;
	uint64_t memo_name;
	uint64_t memo_before; /* its offset in the table; 0: none */
};

/* 0, GRAVITY_BUSY (nowait), GRAVITY_INVALID: this thread has it. */
int writer_lock(arena *a, bool nowait);
void writer_unlock(arena *a);
/* Begins the write transaction; holds the writer's lock. `internal`: compaction's own. */
void writer_begin(arena *a, unsigned flags, bool internal);
/* Drops what it did. Keeps the lock. */
void writer_abort(arena *a);
/* Appends a blob under `name` and notes it; as arena_put, for any kind of record. */
int writer_put(arena *a, unsigned kind, vpos name, uint32_t aux, uint64_t size, void **data);
/* The transaction's own record, or the table's: 0, GRAVITY_NOTFOUND, GRAVITY_CORRUPT. */
int writer_find(arena *a, uint64_t name, const struct blob_disk **blob);
/* Appends a tombstone and notes it; GRAVITY_NOTFOUND when there is nothing of that name. */
int writer_del(arena *a, uint64_t name);
/* Who asks for space when the transaction puts. */
enum space_claim writer_claim(const struct writer *w);

#endif
