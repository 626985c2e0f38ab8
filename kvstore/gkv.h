/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv.h: an embeddable key-value store in one file.
 *
 * A store maps keys (0 to 65,535 bytes) to values (0 to 4,000,000,000 bytes), any bytes in both. One write transaction
 * goes on at a time; any number of readers see one commit each meanwhile. Sizes are bytes.
 *
 * Results. Functions return GKV_OK (0), a negative GKV_* code, or a positive errno value of the system (ENOSPC,
 * EACCES, ...); gkv_strerror names all of them. Out-parameters come last and are zero or NULL after a failure
 * (GKV_SHORTBUF excepted). A pointer to bytes may be NULL where their size is 0, any other NULL is GKV_INVALID unless
 * it is allowed by name. Every function may also return these, which are not repeated below:
 *
 *   GKV_INVALID   the call itself is wrong: a NULL, an unknown flag, a transaction that has ended, a handle from before
 *                 a fork
 *   GKV_CORRUPT   the file is damaged: a checksum, bound or link does not hold
 *   ENOMEM        no memory; or a file, or a store in memory, has outgrown the addresses that were reserved for it when it
 *                 was opened (twice its length, and much more where the process has few stores open)
 *
 * Every function that writes may also return:
 *
 *   GKV_READONLY  the handle was opened with GKV_RDONLY, or the transaction reads only
 *   GKV_FULL      the store's own limit, max_bytes, is reached
 *   GKV_FAILED    an earlier flush failed: nothing is written any more until the store is opened again
 *   ENOSPC, EIO   and whatever else the file system says
 *
 * Threads. A handle may be used by any number of threads at once. A write transaction is used and ended in the thread
 * that began it; in that thread, meanwhile, a second one (gkv_put and the like are one each) is GKV_INVALID instead of
 * waiting for itself. A read transaction may move from thread to thread, but is used by one at a time, and so is an
 * iterator.
 *
 * Cancellation. A thread that is cancelled (pthread_cancel) within a call of this library finishes the call first. What
 * it has open stays open: a thread that may be cancelled aborts its write transaction in a cleanup handler, or no other
 * writer comes in any more. Asynchronous cancellation must not be enabled in a call.
 *
 * Functions that a call calls back (gkv_progress, gkv_report, gkv_layout_visit) run in the thread of the call. They must
 * return to it: not leave by longjmp, by a C++ exception or by ending the thread, and not return in a forked child. They
 * must not call back into the store. The thread is not cancelled within them.
 *
 * Forks. A forked child has none of its parent's stores: it does not keep their locks, and must open a store itself, once
 * its parent has closed it or ended. Handles, transactions and iterators from before the fork are GKV_INVALID in the child;
 * gkv_close of such a handle gives its memory and addresses back, and harms nothing. Pointers to values from before the
 * fork must not be used there: their addresses are inaccessible. A child that comes without the handlers of pthread_atfork
 * (_Fork, clone, vfork) must call nothing here, and keeps the locks until it calls exec or ends. */
#ifndef GKV_H
#define GKV_H

#if !defined(__LP64__) || !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "gkv needs a 64-bit little-endian system: it maps a whole store, and works on the words of the file where they stand"
#endif

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#ifdef GKV_HIDDEN
#pragma GCC visibility push(hidden)
#else
#pragma GCC visibility push(default)
#endif
#endif

typedef struct gkv gkv;           /* an open store; one handle may be used by many threads            */
typedef struct gkv_txn gkv_txn;   /* a snapshot or a write transaction; one thread at a time          */
typedef struct gkv_iter gkv_iter; /* a walk over a transaction's view                                 */

/* Bytes that belong to someone else. `data` may be anything where size is 0. */
typedef struct gkv_bytes {
	const void *data;
	size_t size;
} gkv_bytes;

enum {
	GKV_OK = 0,
	GKV_NOTFOUND = -1,   /* no such key; end of an iteration                                           */
	GKV_EXISTS = -2,     /* gkv_add: the key is there already                                          */
	GKV_BUSY = -3,       /* open: the file is held by another opener; GKV_NOWAIT: a writer is at work;
	                        close: transactions are still open; gkv_compact: snapshots hold too much   */
	GKV_FULL = -4,       /* the store's own size limit (max_bytes) is reached, or the last of nearly 2^48
	                        commits was made; nothing was changed                                      */
	GKV_TOOBIG = -5,     /* key or value over its limit                                                */
	GKV_CORRUPT = -6,    /* damaged: a checksum, bound or link does not hold                           */
	GKV_NOTASTORE = -7,  /* not a gkv file                                                             */
	GKV_BADVERSION = -8, /* written by a format this build does not read                               */
	GKV_READONLY = -9,   /* write to a read-only handle or transaction                                 */
	GKV_INVALID = -10,   /* the call itself is wrong (NULL, unknown flag, use after commit)            */
	GKV_SHORTBUF = -11,  /* gkv_get: the buffer is too small; *size holds what is needed               */
	GKV_FAILED = -12,    /* an earlier flush failed; reopen the store                                  */
	GKV_READERS = -13    /* no free reader slot                                                        */
};

/* Open flags. */
#define GKV_RDONLY   0x1u /* never write to the file                                                   */
#define GKV_NOCREATE 0x2u /* ENOENT rather than a new store                                            */
#define GKV_NOVERIFY 0x4u /* do not verify blob checksums on read                                      */

#define GKV_VERSION_STRING "0.1.0"

/* Of the library that is linked, which may differ from GKV_VERSION_STRING. Static text, thread-safe. */
const char *gkv_version(void);

/* When a commit returns. Either way a commit happens whole or not at all, in the order of the commits, and other
 * transactions see it as soon as it was applied, which may be shortly before it is acknowledged as durable. */
enum gkv_durability {
	GKV_DURABLE = 0, /* when it is on stable storage                                               */
	GKV_LAZY = 1     /* at once. It survives a killed process; a later gkv_sync, checkpoint or durable
	                    commit, or the kernel's own write-back, makes it survive a power cut       */
};

/* All zeroes are the defaults. */
typedef struct gkv_options {
	unsigned flags;                 /* GKV_RDONLY | GKV_NOCREATE | GKV_NOVERIFY                     */
	enum gkv_durability durability; /* of commits that do not say themselves                        */
	unsigned mode;                  /* permission bits of a new file, at most 0777, 0: 0644; less those
	                                   of the umask, and as with open(2) they are not the maker's own limits */
	uint64_t max_bytes;             /* the file never grows past this, 0: no limit; a file that is larger
	                                   already opens, and writes that would grow it get GKV_FULL.
	                                   Of the limit puts leave a spare alone, so that deletes, moves
	                                   and checkpoints succeed when puts do not: 1/128 of it, at least
	                                   64 KiB (but no more than 1/5 of it) and at most 1 MiB, to move
	                                   things through; a copy of the table (some 17 bytes a record, at
	                                   most 1/16 of the limit); and the free list, 8 bytes a free slot.
	                                   From 2 MiB on, values of up to 16 KiB of mixed sizes are replaced
	                                   for ever where 90% live. Equal records of some 100 bytes get slow
	                                   beyond 85%; a store that is fuller, or one with values larger than
	                                   the spare, may be told GKV_FULL while free space is in pieces.
	                                   What is moved for one put is bounded: by three times the file, and
	                                   256 checkpoints of two flushes (beyond 768 MiB one for each 3 MiB).
	                                   What was moved stays so: the put may succeed when tried again.
	                                   Below 128 KiB a delete may be told so, too, and in a full store the
	                                   commit of a transaction that deletes hundreds of records       */
	uint64_t checkpoint_bytes;      /* log bytes between checkpoints, 0: chosen from the store's size */
	uint64_t reserved[8];           /* zero                                                         */
} gkv_options;

/* Opens the store in the file `path`, making it where there is none. A new file appears under its name only when it is
 * a whole store, which is locked already. A file that is empty, or holds 16 KiB of zeroes at most, becomes a store in
 * place, with the names, owner and mode that it has; with GKV_NOCREATE or GKV_RDONLY it is GKV_NOTASTORE. A symbolic link
 * to where nothing is makes the store there. With path NULL the store is in anonymous memory and gone at gkv_close. opt NULL: the defaults.
 *
 * The file is locked, shared with GKV_RDONLY and exclusively otherwise: an open that conflicts, from this process too,
 * is GKV_BUSY at once. Recovery after a crash is a part of opening, and its time is bounded by the log since the last
 * checkpoint.
 *
 * ENOENT: there is none, and GKV_NOCREATE or GKV_RDONLY says that none is made; or the folder is missing. ENOSPC: the disk has no
 * room for a new file, or for the pages of the table that recovery changes (GKV_RDONLY opens it all the same). EISDIR,
 * EACCES, ... of the system. GKV_NOTASTORE, GKV_BADVERSION, GKV_BUSY, GKV_CORRUPT. */
int gkv_open(const char *path, const gkv_options *opt, gkv **db);

/* Every commit is on stable storage when it returns GKV_OK. With transactions open: GKV_BUSY, and nothing is done;
 * otherwise the handle is gone whatever it returns, and no other thread may be using it. NULL is allowed. */
int gkv_close(gkv *db);

/* One sentence for a code of this library or an errno value, without a full stop. Static text, thread-safe. */
const char *gkv_strerror(int code);

/* Single operations: each but gkv_get is a write transaction of its own, committed as the handle's durability says.
 * They wait while another write transaction is open. What fails changes nothing. */

/* Stores the value under the key, in place of the one that is there. GKV_TOOBIG. */
int gkv_put(gkv *db, const void *key, size_t klen, const void *val, size_t vlen);

/* The same, only if the key is absent: GKV_EXISTS otherwise. */
int gkv_add(gkv *db, const void *key, size_t klen, const void *val, size_t vlen);

/* Copies the value of the newest commit into buf (cap bytes) and its size into *size. It takes no lock, is not held
 * up by a writer or a compaction, and never fails for want of a reader slot. In a thread with an open write
 * transaction it still gives what is committed.
 *
 * GKV_NOTFOUND, with *size 0. GKV_SHORTBUF: the value is longer than cap; *size is its size, and nothing was copied. So
 * buf NULL with cap 0 asks for the size (and gets GKV_OK if the value is empty). GKV_TOOBIG: no key is that long. */
int gkv_get(gkv *db, const void *key, size_t klen, void *buf, size_t cap, size_t *size);

/* GKV_NOTFOUND if the key is absent; GKV_TOOBIG. In a store with max_bytes it succeeds when a put no longer does for
 * want of space, unless open snapshots keep it: what they see stays where it is, and in a store of some hundred pages what is
 * free may be pieces between that, too small for a page. So it does on a full disk, if the file is 2 MiB long or more: the
 * store keeps 256 KiB of disk space for that. A delete in a shorter file, or a transaction that deletes hundreds of records,
 * may be told ENOSPC there. */
int gkv_del(gkv *db, const void *key, size_t klen);

/* Every commit so far is on stable storage when it returns GKV_OK. Waits while another thread's write transaction is
 * open. This, a checkpoint and gkv_close move the file's time of change where something was committed since. So does an
 * opening for writing that has a log to replay; one with GKV_RDONLY never does. */
int gkv_sync(gkv *db);

/* Transaction flags: GKV_READ, or GKV_WRITE with any of the others (one of the last two, against the handle's
 * durability). */
#define GKV_READ           0x00u
#define GKV_WRITE          0x01u
#define GKV_NOWAIT         0x02u
#define GKV_LAZY_COMMIT    0x04u
#define GKV_DURABLE_COMMIT 0x08u

/* Begins a snapshot, which sees the newest commit and no later one, or a write transaction, which sees that and its
 * own changes. At least 1,000 snapshots may be open at once, several in a thread; each keeps the space that it can
 * see from being used again, and nothing else. A snapshot waits for no writer but while a commit stores its entries. A
 * write transaction waits for the one that is open, and of threads that begin theirs later 16 may come before it, and one
 * for each that waits as well; with GKV_NOWAIT it is GKV_BUSY instead. GKV_READONLY, GKV_READERS (too many snapshots), GKV_FAILED. */
int gkv_begin(gkv *db, unsigned flags, gkv_txn **txn);

/* Ends the transaction, whatever it returns; but GKV_INVALID in another thread than the one that began a write
 * transaction, or after the end, and then nothing is done. On failure nothing of a write transaction happened, unless
 * the flush of a durable one failed (GKV_FAILED or an errno value such as EIO, and every later write is GKV_FAILED):
 * then it is unknown until the store is opened again. Of a snapshot it is the same as gkv_abort. */
int gkv_commit(gkv_txn *txn);

/* Ends the transaction and undoes what it changed. NULL is allowed. */
void gkv_abort(gkv_txn *txn);

/* Points *val at the value in the view, without a copy: 8-byte aligned, valid until the transaction ends or changes
 * that key. Never write through it. GKV_NOTFOUND; GKV_TOOBIG: no key is that long. */
int gkv_txn_get(gkv_txn *txn, const void *key, size_t klen, gkv_bytes *val);

/* Looks n keys up together, with their memory latency overlapped: several times as fast as one by one in a large
 * store. vals[i] and codes[i] are what gkv_txn_get would give for keys[i]; a key may occur twice. keys, vals and
 * codes must not be NULL unless n is 0. Returns GKV_OK when the keys were looked up, found or not; otherwise every
 * code is what it returns. */
int gkv_txn_get_many(gkv_txn *txn, size_t n, const gkv_bytes *keys, gkv_bytes *vals, int *codes);

/* As gkv_put and gkv_add, within the transaction. What fails leaves the transaction as it was, and usable. key and val
 * may point into values of the same transaction. GKV_READONLY, GKV_TOOBIG, GKV_EXISTS, GKV_FULL, GKV_FAILED. */
int gkv_txn_put(gkv_txn *txn, const void *key, size_t klen, const void *val, size_t vlen);
int gkv_txn_add(gkv_txn *txn, const void *key, size_t klen, const void *val, size_t vlen);

/* As gkv_txn_put with vlen zeroed bytes, which *val points to, 8-byte aligned: to be filled before the next call on
 * this transaction. */
int gkv_txn_reserve(gkv_txn *txn, const void *key, size_t klen, size_t vlen, void **val);

/* As gkv_del, within the transaction. */
int gkv_txn_del(gkv_txn *txn, const void *key, size_t klen);

/* An iteration shows every record of the transaction's view, once, in no particular order. In a write transaction:
 * records changed since the opening are seen old or new, none twice; deleting the current record is allowed. A
 * transaction may have several. Close each before the transaction ends. */
int gkv_iter_open(gkv_txn *txn, gkv_iter **it);

/* The next record. key and val (either may be NULL) last until the next step, as long as the transaction.
 * GKV_NOTFOUND at the end, and after it. */
int gkv_iter_next(gkv_iter *it, gkv_bytes *key, gkv_bytes *val);

/* NULL is allowed. */
void gkv_iter_close(gkv_iter *it);

/* Care. A progress function may be NULL; it is told how many bytes of how many are done, from the calling thread,
 * and stops the work when it returns non-zero: the call then returns ECANCELED. What it must not do is said above. */
typedef int gkv_progress(void *arg, uint64_t done, uint64_t total);

/* Makes the newest commit a state that a header names, on stable storage: opening is immediate afterwards, and space
 * that was freed becomes usable where no snapshot sees it. It happens by itself; call it where a moment is
 * convenient. Not within this thread's own write transaction (GKV_INVALID).
 *
 * What is committed after the call began need not be part of it. So it ends, however much others write meanwhile: it makes 24
 * checkpoints at most, with two flushes each. It moves what stands in stretches that are nearly half empty, up to five eighths
 * of the file (10 MiB in a small one) and 4 MiB. It moves a 16th of the file (1 MiB in a small one) between two checkpoints, and
 * stops when others have written as much meanwhile. */
int gkv_checkpoint(gkv *db);

/* How long the file is. After gkv_close, and after 64 further commits of a kilobyte, it has at most 1.3 times the bytes that live
 * (gkv_stats.live_bytes; 1.45 times where records are small and of equal size) and 4 MiB. In between it has at most as many
 * times the most that has lived since the last but one checkpoint began, what open snapshots see, twice the bytes of the
 * largest transaction, and 4 MiB; but while records are only deleted it may be longer. It is longer, too, where the disk or
 * max_bytes has no room to move things. A commit moves 16 MiB at most for this: where more than some 400 MiB live it may take
 * more than 64 commits. What a snapshot saw counts for 64 commits after its end.
 *
 * After a gkv_close that returned GKV_OK the next gkv_open has at most 64 KiB of log to replay, unless there was no room for a
 * checkpoint. */

/* Moves records together and gives the end of the file back, while readers and writers go on. Not within this
 * thread's own write transaction. What is moved stands in the file twice until the snapshots that see it have ended: once they
 * hold a quarter of the live bytes, the rest of what they see stays where it is, and the call returns GKV_BUSY at its end.
 * ECANCELED, GKV_BUSY: what was done so far stays done. */
int gkv_compact(gkv *db, gkv_progress *progress, void *arg);

/* Writes one snapshot, compactly, into a new store `dest`, while readers and writers go on. dest must not exist
 * (EEXIST), and appears only when it is complete: after a failure or ECANCELED there is none, nor is anything left of it
 * when the process is killed, where the file system makes files without a name (O_TMPFILE). It has the permissions of the
 * store, less those of the umask, and none that would let somebody read it who cannot read the store. */
int gkv_backup(gkv *db, const char *dest, gkv_progress *progress, void *arg);

/* Gets one sentence per finding, from the calling thread; the text lasts for the call. What it must not do is said at the
 * top. */
typedef int gkv_report(void *arg, const char *finding);

/* Reads everything of the store in the file `path`, which no one may have open for writing (GKV_BUSY): checksums,
 * table, free space, and that each key leads to its record. Changes nothing. GKV_OK: it is sound. GKV_CORRUPT:
 * findings were reported. report may be NULL; when it returns non-zero the check stops. Otherwise the codes of
 * gkv_open. */
int gkv_check(const char *path, gkv_report *report, void *arg);

/* Copies the newest whole record of every key that can still be read in the file `path`, however damaged it is, into
 * a new store `dest`, which must not exist (EEXIST) and appears only when it is complete. Changes nothing in the file,
 * which no one may have open for writing (GKV_BUSY). Without a table that verifies, deleted or uncommitted records may
 * reappear: each record that no table confirms is reported, and each that is lost. report may be NULL; when it returns
 * non-zero the work ends with ECANCELED. GKV_OK: dest is there, whatever was reported. GKV_CORRUPT: nothing in the file
 * can be verified. Otherwise the codes of gkv_open, and EIO where the disk cannot read the file. Where both headers are
 * lost it may take a minute longer. The permissions of dest are those of the file, as with gkv_backup. */
int gkv_salvage(const char *path, const char *dest, gkv_report *report, void *arg);

/* The same with a progress function, which may end the work at any time, whether or not there are findings: it is told how
 * far the file is read, verified and copied, so that the total is several times the length of the file, and becomes larger
 * where damage is found. arg is that of both functions, and either may be NULL. After ECANCELED there is no dest. */
int gkv_salvage_progress(const char *path, const char *dest, gkv_report *report, gkv_progress *progress, void *arg);

typedef struct gkv_stats {
	uint64_t records;           /* keys                                                                */
	uint64_t live_bytes;        /* live blobs with their headers, table and directory                  */
	uint64_t file_bytes;        /* of the file                                                         */
	uint64_t free_bytes;        /* in free slots                                                       */
	uint64_t free_slots;        /* how many                                                            */
	uint64_t largest_free;      /* bytes of the largest                                                */
	uint64_t pending_bytes;     /* freed, not yet reusable                                             */
	uint64_t table_pages;       /* pages of the table                                                  */
	uint64_t commit_seq;        /* of the newest commit, or one used up since by an abort              */
	uint64_t durable_seq;       /* of the newest that is known to be on stable storage                 */
	uint64_t checkpoint_seq;    /* of the one that the last checkpoint holds                           */
	uint64_t log_bytes;         /* written since then: what the next open would replay                 */
	uint64_t bytes_written;     /* by this handle                                                      */
	uint64_t bytes_moved;       /* of them by compaction                                               */
	uint64_t compaction_steps;  /* by this handle                                                      */
	uint64_t readers;           /* open snapshots                                                      */
	uint64_t oldest_reader_seq; /* commit that the oldest of them sees, 0: there is none               */
	uint64_t reserved[8];
} gkv_stats;

/* Numbers of this moment, taken between two write transactions: it waits while another thread's is open. Within this
 * thread's own they tell what it has done so far as well. */
int gkv_stat(gkv *db, gkv_stats *out);

/* What a stretch of the file is. */
enum gkv_layout_kind {
	GKV_LAYOUT_HEADER = 0, /* the two header pages                                                      */
	GKV_LAYOUT_TABLE = 1,  /* pages and directory of the table                                          */
	GKV_LAYOUT_RECORD = 2, /* records that live                                                         */
	GKV_LAYOUT_LIST = 3,   /* the free list of the last checkpoint                                      */
	GKV_LAYOUT_HELD = 4,   /* freed, and not reusable before a checkpoint or the end of a reader        */
	GKV_LAYOUT_FREE = 5,   /* a free slot                                                               */
	GKV_LAYOUT_WINDOW = 6  /* the slot that commits are being written into                              */
};

/* Gets one stretch. `what` is an enum gkv_layout_kind. Free slots attract each other the more the larger and the nearer
 * they are; `gravity` is how much a free slot attracts the next one: the product of their sizes by the square of the
 * distance between them, 0 for the last slot and for everything else. It must not call back into the store; a non-zero
 * answer ends the walk. */
typedef int gkv_layout_visit(void *arg, uint64_t start, uint64_t size, int what, double gravity);

/* Tells what stands where in the file, from its first byte to its last whole 8: stretches by rising start, without gaps,
 * and neighbours of one kind as one. What lives is read and verified for it. Writers wait until it is over. Returns what visit
 * returned when that ended it. Not within this thread's own write transaction (GKV_INVALID). GKV_CORRUPT: something does
 * not verify, and nothing is told of what follows it. */
int gkv_layout(gkv *db, gkv_layout_visit *visit, void *arg);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
