/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gravity.h: an allocator over one file, or over memory alone: unnamed blobs behind positions that last.
 *
 *     gravity *g;
 *     gravity_pos pos;
 *
 *     gravity_open("blobs.gkv", NULL, &g);
 *     gravity_write(g, "hello", 5, &pos);
 *     gravity_read(g, pos, buf, sizeof buf, &size);
 *     gravity_close(g);
 *
 * A position is a name, not an offset: a table leads from it to where the blob stands, so that blobs can be moved
 * together, and free space become whole again, while their owners hold on to the same number, over restarts too. With
 * the path NULL the same serves as a large cache outside the heap.
 *
 * Free slots attract each other. Two neighbours of the sizes s1 and s2 with d bytes of data between them do so with
 *
 *     gravity = s1 * s2 / d^2
 *
 * as masses do (after Newton), and where no slot is large enough, data between slots is moved away, so that they merge.
 * The slots stand in a treap (Seidel and Aragon, 1996), the table is one of extendible hashing (Fagin, Nievergelt,
 * Pippenger and Strong, 1979).
 *
 * Functions return 0 (GRAVITY_OK), a negative GRAVITY_* code, or a positive errno value of the system (ENOSPC, EIO,
 * ENOMEM, ...). What they give through pointers is 0 or NULL on failure, except where it is said otherwise. Sizes are
 * bytes. Each call is atomic: it happened, or on failure it did not, be it that the process is killed in its middle.
 *
 * Threads: a handle may be used by any number of threads. Readers wait for no one; writers take turns. A thread that is
 * cancelled (pthread_cancel) within a call finishes it first; asynchronous cancellation must not be enabled. A function
 * that is called back returns: not by longjmp, not by a C++ exception, not in a forked child; nor does it end the thread.
 *
 * Forks: a forked child has none of its parent's files, and does not keep their locks; its use of a handle is
 * GRAVITY_INVALID, and gravity_close of it gives memory and addresses back and harms nothing. */
#ifndef GRAVITY_H
#define GRAVITY_H

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

/* The GKV_* codes of the same names and numbers. */
enum {
	GRAVITY_OK = 0,
	GRAVITY_NOTFOUND = -1,   /* no blob has that position                                             */
	GRAVITY_EXISTS = -2,     /* not given by this interface                                           */
	GRAVITY_BUSY = -3,       /* open: another opener holds the file; compaction: snapshots hold much  */
	GRAVITY_FULL = -4,       /* max_bytes is reached, or no slot can be made; nothing was changed     */
	GRAVITY_TOOBIG = -5,     /* a blob holds at most 4,294,901,760 bytes                              */
	GRAVITY_CORRUPT = -6,    /* damaged: a checksum, bound or link does not hold                      */
	GRAVITY_NOTASTORE = -7,  /* not such a file; also a file of gkv.h                                 */
	GRAVITY_BADVERSION = -8, /* written by a format that this build does not read                     */
	GRAVITY_READONLY = -9,   /* a change through a handle that was opened for reading                 */
	GRAVITY_INVALID = -10,   /* the call itself is wrong: NULL, an unknown flag, a handle of a parent */
	GRAVITY_SHORTBUF = -11,  /* read: the buffer is too small, *size holds what is needed             */
	GRAVITY_FAILED = -12,    /* an earlier flush failed: reading goes on, for writing open it again   */
	GRAVITY_READERS = -13    /* not given by this interface                                           */
};

/* Open flags. */
#define GRAVITY_RDONLY   0x1u /* never write to the file                */
#define GRAVITY_NOCREATE 0x2u /* ENOENT rather than a new file          */
#define GRAVITY_NOVERIFY 0x4u /* do not verify checksums on each read   */

/* When a change is acknowledged: once it is on stable storage, or at once. A lazy one survives a killed process, and a
 * power cut after the next gravity_sync, gravity_close or checkpoint. */
#define GRAVITY_DURABLE 0u
#define GRAVITY_LAZY    1u

/* An open file; freed by gravity_close. */
typedef struct gravity gravity;

/* A virtual position: stays the same as long as its blob lives, and is never handed out again after. 0 is never one. */
typedef uint64_t gravity_pos;

/* Which free slots are made one when a large one is wanted. */
enum gravity_planner {
	GRAVITY_DEFAULT = 0, /* as the handle was opened; at the opening: GRAVITY_CHEAPEST where a slot must be
	                        made, and what is cheapest by the byte for the steps that follow commits        */
	GRAVITY_GRAVITY = 1, /* the pair with the highest gravity, and its neighbours until they are enough;
	                         found in O(log n) of n slots                                                   */
	GRAVITY_CHEAPEST = 2 /* of all runs of neighbours that are enough, the one with the fewest bytes to move;
	                         exact, O(n)                                                                    */
};

/* NULL, or all zero, is the default of each. */
typedef struct gravity_options {
	unsigned flags;               /* GRAVITY_RDONLY, GRAVITY_NOCREATE, GRAVITY_NOVERIFY              */
	unsigned durability;          /* GRAVITY_DURABLE or GRAVITY_LAZY                                 */
	unsigned mode;                /* permission bits of a new file, 0: 0644                          */
	enum gravity_planner planner; /* of the compactions that happen by themselves                    */
	uint64_t max_bytes;           /* the file never grows past this, 0: no limit; writes leave a spare
	                                 alone: 1/128 of it, at least 64 KiB (but no more than 1/5 of it)
	                                 and at most 1 MiB; a copy of the table (some 17 bytes a blob, at
	                                 most 1/16 of the limit); the free list, 8 bytes a free slot */
	uint64_t checkpoint_bytes;    /* log bytes between two checkpoints, 0: chosen                    */
	uint64_t reserved[8];         /* must be 0                                                       */
} gravity_options;

typedef struct gravity_stats {
	uint64_t blobs;            /* that live                                                           */
	uint64_t live_bytes;       /* of them, with their heads, and of the table                         */
	uint64_t file_bytes;       /* length of the file                                                  */
	uint64_t free_bytes;       /* in free slots                                                       */
	uint64_t free_slots;       /* how many                                                            */
	uint64_t largest_free;     /* bytes of the largest                                                */
	uint64_t pending_bytes;    /* freed, and waiting for a checkpoint or a reader before use          */
	uint64_t bytes_written;    /* by this handle, moves included                                      */
	uint64_t bytes_moved;      /* of them by compaction                                               */
	uint64_t compaction_steps; /* by this handle                                                      */
	uint64_t reserved[8];      /* 0                                                                   */
} gravity_stats;

/* Opens the file `path`, or makes it, also of an empty file; with path NULL, memory that is gone at the close. opt NULL: the defaults. A
 * file is held by one opener, or by any number that only read; GRAVITY_BUSY otherwise, at once. A process that was
 * killed leaves nothing to repair. Besides: GRAVITY_NOTASTORE, GRAVITY_BADVERSION, GRAVITY_CORRUPT, GRAVITY_INVALID
 * (unknown flags, a reserved field that is not 0), ENOENT and others of the system. */
int gravity_open(const char *path, const gravity_options *opt, gravity **g);

/* Ends the handle, whatever it returns; no other thread may be using it. With 0 everything is on stable storage.
 * NULL is allowed. */
int gravity_close(gravity *g);

/* Copies `size` bytes into a new blob and gives its position. data may be NULL where size is 0. In a file with
 * max_bytes, space that is free but too broken up is first made whole, so GRAVITY_FULL means that there is not
 * enough of it, less a reserve from which blobs can still be freed. (It also is the answer when all 2^64 - 1 positions
 * were handed out, which takes a made file.) GRAVITY_TOOBIG, GRAVITY_READONLY,
 * GRAVITY_FAILED, ENOSPC. If the flush of a durable write fails, the code is the system's, and whether the blob is
 * there is unknown until the file is opened again; *pos is 0. */
int gravity_write(gravity *g, const void *data, size_t size, gravity_pos *pos);

/* Copies the blob into buf (cap bytes) and its size into *size. GRAVITY_SHORTBUF, with *size what is needed and
 * nothing copied, where cap is less: buf NULL with cap 0 asks for the size. GRAVITY_NOTFOUND: there is no such blob,
 * or no more. GRAVITY_CORRUPT: it is damaged; never are wrong bytes given. It takes no lock and waits for no writer. */
int gravity_read(gravity *g, gravity_pos pos, void *buf, size_t cap, size_t *size);

/* Frees the blob; its position reads as GRAVITY_NOTFOUND for ever. Its space is used again after the next
 * checkpoint, and when no reader is left that may be looking at it. GRAVITY_NOTFOUND: it was not there.
 * GRAVITY_READONLY, GRAVITY_FAILED. It copies pages of the table: ENOSPC on a full disk where the file is shorter than
 * 2 MiB, GRAVITY_FULL below a max_bytes of 128 KiB. */
int gravity_free(gravity *g, gravity_pos pos);

/* Every change so far is on stable storage when it returns 0. */
int gravity_sync(gravity *g);

/* Makes the table of this moment durable: what was freed before becomes usable, and the next opening has nothing to
 * replay. It happens by itself; call it where a moment is convenient. It makes 24 checkpoints at most, with two flushes each,
 * however much others write meanwhile. It moves up to five eighths of the file (10 MiB in a small one) and 4 MiB. */
int gravity_checkpoint(gravity *g);

/* Makes one free slot of `want` bytes (more than 0, with the 32 bytes of a blob's head), by moving the data that
 * lies between slots, unless there is one already. Writers wait for it, readers do not. GRAVITY_FULL: there is not
 * that much free space, or nowhere to put what would have to be moved; or all was done that one call may do, and the
 * next one may succeed: it moves up to three times the file, with 256 checkpoints of two flushes (beyond 768 MiB one
 * for each 3 MiB). GRAVITY_BUSY: snapshots hold too much of what was moved before, or would be. */
int gravity_compact(gravity *g, enum gravity_planner planner, uint64_t want);

/* Calls visit for each free slot, by rising start: its offset and size in the file, and its gravity towards the next
 * slot (0 for the last one). visit must not call back into the handle, and ends the walk when it returns non-zero,
 * which is then returned. Writers wait for it. */
typedef int gravity_slot_visit(void *arg, uint64_t start, uint64_t size, double gravity);
int gravity_each_free_slot(gravity *g, gravity_slot_visit *visit, void *arg);

/* The numbers of this moment. */
int gravity_stat(gravity *g, gravity_stats *out);

/* A sentence for a code, of the system too: static text. */
const char *gravity_strerror(int code);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
