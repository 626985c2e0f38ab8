/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* arena.h: the arena as kvstore/ and gravity.c use it: named blobs, transactions, snapshots. Private, not installed.
 *
 * The arena knows no keys. A blob has a virtual position (vpos: 64 bits that its owner chose, a hash or a mixed
 * counter; any value is allowed), `aux` (32 bits that are the owner's) and its bytes. At most one live blob has a
 * given vpos. Codes: 0, a negative GRAVITY_* code (the GKV_* codes are the same numbers), or a positive errno value.
 *
 * Threads: an arena may be used by any number of threads; a transaction by one thread at a time. One write transaction
 * is open at a time; arena_begin waits for it (or does not, see ARENA_NOWAIT). */
#ifndef GKV_ARENA_ARENA_H
#define GKV_ARENA_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/gravity.h"
#include "arena/os/os.h"
#include "arena/types.h"

typedef struct arena_walk arena_walk;

struct arena_options {
	const struct os *os;  /* NULL: os_posix()                                       */
	enum arena_kind kind; /* a file of the other kind is GRAVITY_NOTASTORE          */
	unsigned flags;       /* GRAVITY_RDONLY, GRAVITY_NOCREATE, GRAVITY_NOVERIFY     */
	unsigned durability;  /* GRAVITY_DURABLE, GRAVITY_LAZY                          */
	unsigned mode;        /* permission bits of a new file, 0: 0644                 */
	enum gravity_planner planner;
	uint64_t max_bytes;        /* 0: no limit                                            */
	uint64_t checkpoint_bytes; /* 0: chosen                                              */
	uint64_t seed;             /* of a new store; 0: random                              */
};

/* Blobs may hold up to this many bytes. */
#define ARENA_BLOB_MAX UINT64_C(4294901760)

/* path NULL: anonymous memory. */
int arena_open(const char *path, const struct arena_options *options, arena **out);
/* GRAVITY_BUSY with transactions open, nothing done; otherwise gone whatever it returns. NULL is allowed. */
int arena_close(arena *a);

/* Random, chosen when the store was made, the same for its whole life: the seed of its owner's hash. */
uint64_t arena_seed(const arena *a);
const struct os *arena_os(const arena *a);

/* A blob that was found. `data` is 8-byte aligned and points into the map; it stays as it is until the pin, or the
 * transaction, ends, or the transaction changes that vpos. Its checksum was verified (unless GRAVITY_NOVERIFY). */
struct arena_blob {
	const void *data;
	uint64_t size;
	uint64_t seq; /* number of the commit that wrote it */
	uint32_t aux;
};

/* Point reads: of the newest committed state, without a transaction, without waiting for anyone. */
typedef struct arena_pin {
	uint32_t slot;
} arena_pin;

int arena_pin_take(arena *a, arena_pin *pin);
int arena_pin_find(arena *a, vpos name, struct arena_blob *out); /* while one is held; GRAVITY_NOTFOUND */
void arena_pin_drop(arena *a, arena_pin pin);

/* Transactions. Flags are those of gkv_begin (GKV_READ 0, GKV_WRITE 1, ...). */
#define ARENA_READ           0x00u
#define ARENA_WRITE          0x01u
#define ARENA_NOWAIT         0x02u
#define ARENA_LAZY_COMMIT    0x04u
#define ARENA_DURABLE_COMMIT 0x08u

/* GRAVITY_INVALID: unknown flags, a second write transaction of this thread, a handle from before a fork.
 * GRAVITY_READONLY, GRAVITY_BUSY (NOWAIT), GRAVITY_FAILED, GRAVITY_READERS. */
int arena_begin(arena *a, unsigned flags, arena_txn **out);
/* Ends it, whatever it returns; but in another thread than the one that began a write transaction, or after it
 * ended: GRAVITY_INVALID and nothing is done. */
int arena_commit(arena_txn *t);
void arena_abort(arena_txn *t);
/* The end of a transaction of one operation, which gave that code: commits it if it went well, aborts it otherwise. */
int arena_end(arena_txn *t, int code);
arena *arena_txn_arena(const arena_txn *t);
bool arena_txn_writes(const arena_txn *t);
/* GRAVITY_OK, or GRAVITY_INVALID when it has ended or (a write transaction) belongs to another thread. */
int arena_txn_usable(const arena_txn *t);

/* A write transaction shows its user the record that `data` points into: from now until it ends that is not moved, and its
 * place not reused. NULL: all that it has found or will find, as an open walk needs it; so it is for everything, too, once some
 * hundred records were shown. Then a put or delete for which data would have to be moved is GRAVITY_FULL. Without this, what
 * was found lasts until the next arena_put or arena_del. Read transactions hold everything always. */
void arena_shown(arena_txn *t, const void *data);
/* Of the transaction's view: what it began with and, in a write transaction, its own changes. GRAVITY_NOTFOUND. */
int arena_find(arena_txn *t, vpos name, struct arena_blob *out);
/* n look-ups with their memory latency overlapped; codes[i] as arena_find would return. Returns 0, or what kept the
 * call as a whole from being made. */
int arena_find_many(arena_txn *t, size_t n, const vpos *names, struct arena_blob *out, int *codes);

/* Writes (or replaces) the blob `name`: size bytes that the caller fills through *data before its next call on this
 * transaction (they are not zeroed). Cheapest directly after arena_find of the same name. On failure the transaction is as it
 * was: GRAVITY_READONLY, GRAVITY_TOOBIG, GRAVITY_FULL, GRAVITY_FAILED, GRAVITY_CORRUPT, ENOSPC, ENOMEM. */
int arena_put(arena_txn *t, vpos name, uint32_t aux, uint64_t size, void **data);
/* Fills `bytes` of it at `to`, which lies in what arena_put gave: as memcpy would, but cheaper for many. */
void arena_copy_in(arena_txn *t, void *to, const void *from, size_t bytes);
/* While it is on, puts may use the reserve that a size limit keeps for deletes: for what a delete has to write, an empty blob among it. Off when
 * a transaction begins. */
void arena_use_reserve(arena_txn *t, bool on);
/* GRAVITY_NOTFOUND when there is none. */
int arena_del(arena_txn *t, vpos name);

/* Every blob of the view, once, in no particular order. In a write transaction: blobs changed since the walk was opened
 * are seen old or new, none twice; the current one may be deleted. `out` lasts until the next step at least. */
int arena_walk_open(arena_txn *t, arena_walk **out);
int arena_walk_next(arena_walk *w, vpos *name, struct arena_blob *out); /* GRAVITY_NOTFOUND at the end */
void arena_walk_close(arena_walk *w);

/* Maintenance. `progress` may be NULL. */
int arena_sync(arena *a);
int arena_checkpoint(arena *a);
/* want > 0: makes a free slot of `want` bytes. want == 0: moves data down and gives the end of the file back. */
int arena_compact(arena *a, enum gravity_planner planner, uint64_t want, arena_progress *progress, void *arg);
/* One snapshot, written compactly to a new file (EEXIST), which appears only when it is complete. */
int arena_backup(arena *a, const char *dest, arena_progress *progress, void *arg);

struct arena_stats {
	uint64_t blobs, live_bytes, file_bytes, free_bytes, free_slots, largest_free, pending_bytes;
	uint64_t table_pages, commit_seq, durable_seq, checkpoint_seq, log_bytes;
	uint64_t bytes_written, bytes_moved, compaction_steps, readers, oldest_reader_seq;
	uint64_t next_name; /* ARENA_PLAIN: see arena_name_next */
};
int arena_stat(arena *a, struct arena_stats *out);

/* ARENA_PLAIN: a name that was never handed out before, nor is 0. For the open write transaction. 0, or GRAVITY_FULL: all
 * of them were. */
int arena_name_next(arena_txn *t, vpos *name);

int arena_each_free_slot(arena *a, gravity_slot_visit *visit, void *arg);

/* Calls visit for each stretch of the file by rising start, from 0 to its end, without gaps; neighbours are of different
 * kinds. `gravity` is that of a free slot towards the next one, otherwise 0. The writer is held up meanwhile, so visit must
 * not call back; a non-zero answer ends the walk and is returned. GRAVITY_INVALID within this thread's own write
 * transaction; GRAVITY_CORRUPT where something does not verify, ENOMEM. */
enum arena_layout_kind {
	ARENA_LAYOUT_HEADER = 0,
	ARENA_LAYOUT_TABLE = 1,  /* pages and nodes                                              */
	ARENA_LAYOUT_RECORD = 2, /* that live                                                    */
	ARENA_LAYOUT_LIST = 3,   /* the free list of the last checkpoint                         */
	ARENA_LAYOUT_HELD = 4,   /* freed, and waiting for a checkpoint or a reader; the marks of the log among it */
	ARENA_LAYOUT_FREE = 5,
	ARENA_LAYOUT_WINDOW = 6
};
typedef int arena_layout_visit(void *arg, uint64_t start, uint64_t size, int what, double gravity);
int arena_layout(arena *a, arena_layout_visit *visit, void *arg);

/* Makes a new store that `fill` fills; it appears at dest only when it is complete and on stable storage. EEXIST where
 * something is there. What fill returns but 0 ends it, and nothing is there then. It is never easier to read than
 * `like`; OS_NOFILE: its mode is 0644. */
typedef int arena_fill(void *arg, arena *to);
int arena_make(const char *dest, const struct arena_options *options, os_file like, arena_fill *fill, void *arg);

/* Reads everything of a store that nobody writes: every finding is one sentence. `each` (may be NULL) is called once
 * for every live blob, so that the owner can check what the arena cannot know; it returns NULL or a finding. It is also
 * called, with `view` NULL, for a blob that does not verify but lies in the file: then it returns what that blob seems
 * to have been, or NULL. What it returns lasts until its next call. When `report` answers non-zero the check ends, and
 * nothing more is told or asked. OK, GRAVITY_CORRUPT (findings were reported), or
 * what kept it from being read. */
typedef int arena_report(void *arg, const char *finding);
typedef const char *arena_check_blob(void *arg, arena_txn *view, vpos name, const struct arena_blob *blob);
int arena_check(const char *path, const struct arena_options *options, arena_check_blob *each, void *each_arg,
		arena_report *report, void *arg);
/* The same of an open arena, whose writer it holds up meanwhile: structures in memory included. For tests. */
__attribute__((unused)) int arena_check_live(arena *a, arena_report *report, void *arg);

/* Reads what can still be read of a damaged file, which no one writes and which is never changed. `each` is called for
 * every blob that the store is believed to have held, from old to new, and for those of which it should be told; it
 * returns 0, or what the salvage ends with. 0 when it came to its end, whatever was damaged; GRAVITY_CORRUPT: nothing
 * can be verified; GRAVITY_NOTASTORE, GRAVITY_BADVERSION, GRAVITY_BUSY, ECANCELED (report or progress said so), ENOMEM, errno. */
enum arena_fate {
	ARENA_CONFIRMED, /* the table, or the log behind it, names it                                                */
	ARENA_DOUBTFUL,  /* nothing but the blob itself says that it was committed, and not deleted                  */
	ARENA_DELETED,   /* the table names it, and a newer tombstone that nothing confirms says that it is deleted  */
	ARENA_LOST       /* the table names it and it does not verify: data is what is there, NULL outside the file  */
};
typedef int arena_salvage_blob(void *arg, enum arena_fate fate, uint64_t offset, const struct arena_blob *blob);
struct arena_salvage_options {
	const struct os *os; /* NULL: os_default()                     */
	enum arena_kind kind;
	uint32_t aux_mask; /* bits of aux that the owner uses        */
	arena_salvage_blob *each;
	arena_report *report;
	arena_progress *progress; /* may be NULL                         */
	void *arg;                /* of all three                           */
};
int arena_salvage(const char *path, const struct arena_salvage_options *options);

#endif
