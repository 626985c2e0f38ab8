/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* broken.h: the check of the check. Each of these faults can be built into the arena, one at a time, and each of them
 * must be caught by a suite: tests/test_broken.sh sees to it.
 *
 * Only a build with GRAVITY_BROKEN has them, and tests/broken.c, which belongs to no library, then says which one is
 * there. In every other build broken() is the constant false, and the compiler leaves nothing of it.
 *
 * In the arena a fault is one condition at the place that it would break. */
#ifndef GKV_ARENA_BROKEN_H
#define GKV_ARENA_BROKEN_H

#include <stdbool.h>

enum broken {
	BROKEN_NOTHING,
	/* What is promised to be on stable storage. */
	BROKEN_FLUSH,         /* a durable commit does not flush the log                              */
	BROKEN_FLUSH_WINDOWS, /* it flushes the window that it ended in, and no earlier one            */
	BROKEN_FLUSH_CLAIM,   /* it is acknowledged although its flush failed                         */
	BROKEN_FLUSH_AGAIN,   /* after a flush that failed, the next one is believed                  */
	BROKEN_FLUSH_TWICE,   /* any flush that failed is repeated, not only the first of a handle    */
	BROKEN_GENERATION,    /* what is to be flushed is copied while it is changed */
	BROKEN_DATE,          /* the file's time of change stays as it was                            */
	BROKEN_NEW,           /* a new store gets its name before it is flushed                       */
	BROKEN_MAGIC,         /* an empty file has the magic before what makes it a store             */
	BROKEN_NAME,          /* a new store's directory entry is not flushed                         */
	BROKEN_REMOVED,       /* a file that was removed before it was locked is opened all the same  */
	/* Checkpoints. */
	BROKEN_HEADER_FIRST,  /* the header is written and flushed before the pages that it names     */
	BROKEN_HEADER_OVER,   /* it is written over the header that is in force                       */
	BROKEN_HEADER_BYTES,  /* it says a size of the file that the end of the checkpoint cuts       */
	BROKEN_HEADER_STATE,  /* the state HEADER comes after its page was touched                    */
	BROKEN_HEADER_ORPHAN, /* in that state a checkpoint is dropped whose driver is gone           */
	BROKEN_PAGE_CHECK,    /* pages are pushed out without their checks                            */
	BROKEN_PAGE_IN_PLACE, /* a page that a checkpoint or a snapshot sees is changed where it stands */
	BROKEN_LIST_FORGETS,  /* the free list leaves out what the checkpoint itself frees            */
	BROKEN_LIST_CHUNKS,   /* ... and the chunks of the list before it                             */
	BROKEN_ORPHAN_CHUNKS, /* after a checkpoint was dropped, the chunks of the list before it die again */
	BROKEN_ORPHAN_SEQ,    /* ... what the durable one reaches is changed in place */
	BROKEN_ORPHAN_SORT,   /* ... a sort that was cut short is freed by the names of its arrays */
	/* Reuse. */
	BROKEN_REUSE,          /* what died is used again before the checkpoint is durable             */
	BROKEN_REUSE_LOG,      /* so is what was born and died in the log, which replay needs          */
	BROKEN_REUSE_SNAPSHOT, /* so is what a snapshot sees                                           */
	BROKEN_REUSE_PIN,      /* so is what a pin holds                                               */
	BROKEN_LOOK_AHEAD,     /* so is what dies with a commit that is not published yet              */
	BROKEN_PUBLISH_SEQ,    /* a commit's number is published before its root                       */
	BROKEN_RESERVE,        /* puts use up what deletes and checkpoints need                        */
	BROKEN_GUARD,          /* data is moved however much snapshots hold                            */
	BROKEN_REFUSED,        /* a put that was refused is refused untried when a snapshot has ended  */
	BROKEN_SHOWN,          /* a record that its write transaction has shown is moved all the same  */
	BROKEN_KEPT,           /* room for what a transaction gives back is not kept for it            */
	BROKEN_CUT,            /* the end of the file is cut off while readers may look there          */
	BROKEN_READY,          /* space near a hole is stored to without asking for room under its piece */
	BROKEN_CALLS,          /* headers, marks and what a session finds are stored through the map    */
	BROKEN_PUNCHED,        /* punched space is written to without allocating it first              */
	BROKEN_KEEP,           /* free slots keep no disk space for a disk that fills                  */
	BROKEN_ASIDE,          /* on a full disk free slots without disk space are offered all the same */
	/* Commits. */
	BROKEN_APPLY_FAILS,     /* storing the entries asks for memory, and stops half way without it   */
	BROKEN_SEAL_FIRST,      /* a commit is sealed before what may fail                              */
	BROKEN_SNAPSHOT_MISSED, /* a snapshot that begins while a commit is prepared is not looked for  */
	BROKEN_SNAPSHOT_APPLY,  /* a snapshot does not wait for the end of an apply                     */
	BROKEN_SNAPSHOT_LOOK,   /* it does not look again whether one has begun                         */
	BROKEN_SNAPSHOT_NEW,    /* one that has no state yet is not counted                             */
	BROKEN_SNAPSHOT_HANDED, /* its root is handed over after its number                             */
	BROKEN_APPLY_LATE,      /* snapshots are looked for before the apply is announced               */
	BROKEN_STEP_INSIDE,     /* a compaction step runs inside a transaction that has blobs in the chain:
	                          asserts forbid it, in builds that have them                          */
	BROKEN_NUMBER,          /* the number of an aborted commit is used again: no cut is known that the
	                          links would not tell all the same                                    */
	BROKEN_NONCE,           /* a session's first JUMP has no random bytes                           */
	BROKEN_BEHEAD,          /* what stands where a session goes on keeps its head                   */
	/* Recovery. */
	BROKEN_LINK,          /* a blob need not name the one before it                               */
	BROKEN_CHAIN_NUMBER,  /* nor carry its commit's number: only a made file tells the difference */
	BROKEN_CHAIN_CHECK,   /* nor verify                                                           */
	BROKEN_COMMIT_FLAG,   /* a commit need not be whole                                           */
	BROKEN_TAIL,          /* blobs without a commit are left in the chain for the next session    */
	BROKEN_LOG_SPACE,     /* the blobs of the log are not taken out of the free slots             */
	BROKEN_MOVE_BLIND,    /* a MOVE is replayed without looking at the entry that it replaces     */
	BROKEN_TOMB,          /* a tombstone is not replayed                                          */
	BROKEN_NAMES,         /* the counter of names is not taken along by the replay                */
	BROKEN_HEADER_REPLAY, /* the header is not made sure of before pages are written in the replay */
	BROKEN_HEADER_TRUST,  /* nor before a session builds on it                                    */
	BROKEN_LOG_TRUST,     /* nor are the pages of the log that was replayed                       */
	BROKEN_STALE,         /* the first flush of a handle is not repeated                          */
	BROKEN_STALE_TRUST,   /* it is, and what it covers is not made dirty again                    */
	BROKEN_WATERMARK,     /* a log that ends before the mark is taken for a torn tail             */
	BROKEN_STRAYED,       /* so is one that ends at a header page with a later mark               */
	BROKEN_HEADER_OLDER,  /* the older of two headers is taken                                    */
	/* Processes and threads. */
	BROKEN_CHILD_FILE,   /* a forked child keeps the descriptors                                 */
	BROKEN_CHILD_MAP,    /* ... and the maps                                                     */
	BROKEN_CANCEL,       /* a thread is cancelled in the middle of a call                        */
	BROKEN_LATCH_PASSED, /* who waits for a latch is passed for ever                             */
	BROKEN_LATCH_CALL,   /* who lets go of one looks before whether somebody waits               */
	BROKEN_LATCH_ASLEEP, /* who has the next turn sleeps without another look                    */
	BROKEN_LATCH_DROP,   /* who lets go of one calls nobody                                      */
	BROKEN_LATCH_LEFT,   /* who takes one that was left is not told                              */
	BROKEN_LATCH_HEIR,   /* an heir that has died is waited for                                  */
	BROKEN_ADOPT,        /* a pointer in the books stays that of who had them before             */
	/* Trust. */
	BROKEN_HEADER_CHECK,   /* a header need not verify                                             */
	BROKEN_CHECK_PLACE,    /* the check of a blob does not cover its place                         */
	BROKEN_CHECK_IDENTITY, /* nor the identity of its store                                        */
	BROKEN_READ_CHECK,     /* a record is read without looking at its check                        */
	BROKEN_PAGE_TRUST,     /* a damaged page is copied without being verified                      */
	BROKEN_MOVE_TRUST,     /* so is a damaged record                                               */
	BROKEN_SPLIT_TRUST,    /* a split believes a damaged record                                    */
	BROKEN_BIRTH,          /* the birth in a reference is not compared with the page's             */
	BROKEN_BIRTH_LATE,     /* nor the page's with the header's commit                              */
	BROKEN_FAULTS
};

#ifdef GRAVITY_BROKEN
extern enum broken broken_fault;
__attribute__((always_inline)) static inline bool broken(enum broken fault)
{
	return broken_fault == fault;
}
#else
__attribute__((always_inline)) static inline bool broken(enum broken fault)
{
	(void)fault;
	return false;
}
#endif

#endif
