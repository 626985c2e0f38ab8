/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* crash.h: a store that lives and dies on a simulated machine, and what is asked of everything it leaves behind.
 *
 * A run is one store, from its creation through rounds of work, each ended by a close, a kill or a power cut at some
 * call. At each call many disk images are made from the run's seed; each is opened, checked and compared with the model.
 * The work never depends on the images, so that one of them can be had again alone. */
#ifndef GKV_TESTS_CRASH_CRASH_H
#define GKV_TESTS_CRASH_CRASH_H

#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/core.h"
#include "tests/crash/model.h"
#include "tests/crash/sim_os.h"

/* What the store was doing when it was cut. */
enum stage {
	STAGE_CREATE,
	STAGE_OPEN,
	STAGE_SESSION, /* the first write after an open */
	STAGE_WRITE,
	STAGE_COMMIT,
	STAGE_ABORT,
	STAGE_SYNC,
	STAGE_CHECKPOINT,
	STAGE_COMPACT,
	STAGE_MAKE,
	STAGE_CLOSE,
	/* On top of these: */
	STAGE_REPLAY,         /* an open that has a log to replay                     */
	STAGE_BEGUN,          /* checkpoint: the first call after its beginning       */
	STAGE_SLICE,          /* checkpoint: pages are being pushed                   */
	STAGE_FLUSH,          /* checkpoint: pages and free list, before their flush  */
	STAGE_HEADER_WRITTEN, /* checkpoint: header in the map, before its flush      */
	STAGE_HEADER_FLUSHED, /* checkpoint: the first call after that                */
	STAGE_FREED,          /* checkpoint: the first call after its end             */
	STAGE_CHEAPEST,       /* compaction: what the exact planner chose is moved    */
	STAGE_GRAVITY,        /* compaction: what gravity chose is moved              */
	STAGE_ROOM,           /* compaction: slots are cleaned near a limit           */
	STAGE_SWEEP,          /* compaction: a stretch of the whole file is moved     */
	STAGE_SWEEP_END,      /* compaction: the file gets shorter after that         */
	STAGE_TIDY,           /* compaction: a step in the write path                 */
	STAGE_TRUNCATE,       /* the end of the file is cut off                       */
	STAGE_PUNCH,          /* free slots are handed back                           */
	STAGE_GROW,
	STAGES
};

extern const char *const stage_names[STAGES];

/* What an image may have, lack, or have a part of. */
enum piece {
	PIECE_PUT,
	PIECE_LARGE, /* a record in a window of its own */
	PIECE_TOMB,
	PIECE_MOVE,
	PIECE_JUMP,
	PIECE_HOP,    /* a JUMP that is a commit: the log moves down before a checkpoint */
	PIECE_COMMIT, /* the last blob of a commit                                      */
	PIECE_PAGE,
	PIECE_NODE,
	PIECE_CHUNK, /* of the free list */
	PIECE_HEADER,
	PIECE_MARK,
	PIECES
};

extern const char *const piece_names[PIECES];

struct tally {
	uint64_t cuts, images, distinct, kills, absent;
	uint64_t replayed; /* images whose recovery had a log to replay       */
	uint64_t replayed_blobs;
	uint64_t older;                      /* images that opened at an earlier commit          */
	uint64_t older_header, newer_header; /* of a checkpoint under way: images without and with it */
	uint64_t rounds, crashes, nested;
	uint64_t stale;          /* flushes that were told of an earlier process's failure */
	uint64_t beside;         /* transactions while a checkpoint was being written  */
	uint64_t faults, errors; /* runs with a failing call; errors that it gave      */
	uint64_t wanted;         /* operations that found no room                    */
	uint64_t stage[STAGES];
	uint64_t style[SIM_STYLES];
	uint64_t there[PIECES]; /* a blob of the log: the last one that was there; others: written, and whole       */
	uint64_t lost[PIECES];  /* ... the first one that was not there; others: written, and nothing of it          */
	uint64_t torn[PIECES]; /* ... of which a part was there                                                       */
};

struct workload {
	const char *name;
	uint32_t names, size_most;
	uint32_t ops_most; /* of a transaction                          */
	uint32_t rounds;   /* of a run                                  */
	uint32_t work;     /* operations of a round                     */
	uint32_t images;   /* at each call that may leave something     */
	/* Of 16: */
	uint32_t lazy, aborted, deleted;
	/* Of 256 operations; the rest are transactions. */
	uint32_t syncs, checkpoints, compactions, makes, readers;
	uint64_t checkpoint_bytes, max_bytes, capacity;
	enum gravity_planner planner;
	uint32_t share; /* of the images of other workloads: 1 of so many; 0: all */
	bool hasty;     /* every round ends early, by a power cut, and what was lost is tried again */
};

struct set {
	uint64_t *slot;
	uint64_t count, capacity; /* a power of two */
};

/* What all lives of a test share. */
struct crash {
	const struct workload *workload;
	uint64_t seed;
	uint32_t run;
	struct sim leaf; /* where images are opened             */
	struct sim twig; /* where some of them live on          */
	struct set seen; /* images                              */
	struct set done; /* images with what was asked of them  */
	struct tally tally;
	struct tally *total; /* of all workloads */
	bool trace;          /* prints each call      */
	bool only;           /* repeats one image     */
	uint32_t only_run, only_cut, only_image;
	uint32_t cut, image;           /* at work */
	uint64_t chain_end, chain_seq; /* of the image at work */
	uint64_t headers[2];           /* its header's number and commit */
};

struct life {
	struct crash *crash;
	struct sim *sim;
	struct model model;
	arena *a;
	arena_txn *reader;
	struct state reader_state;
	struct state pending; /* of the transaction at work */
	uint64_t random;      /* decides the work                     */
	uint64_t fate;        /* decides what becomes of it           */
	bool beside;          /* a transaction beside a checkpoint is at work */
	bool again;           /* the work of a lost time is being done again */
	uint32_t cut;         /* calls so far                         */
	uint32_t crash_in;    /* calls until the end; 0: none         */
	uint32_t images;      /* at each call; 0: it only lives       */
	bool lenient;         /* calls may fail: an error is an answer */
	uint64_t errors;      /* ... that was given                    */
	enum stage stage;
	bool session;
	uint64_t header_seen; /* at the call before: checkpoint number, state, checkpoints that were finished */
	uint32_t state_seen;
	uint64_t count_seen;
	uint64_t steps_seen; /* of compaction, at the call before */
	enum gravity_planner planner;
	jmp_buf end;
};

/* life.c */
void life_begin(struct life *l, struct crash *c, struct sim *sim, uint64_t seed);
void life_end(struct life *l);
/* One round: opens, works, and closes or dies; what is left is checked, and what the next round begins with. */
void life_round(struct life *l);

/* Its steps, for other ends. life_open: `a` is NULL when it failed; life_close: whatever close returns. */
void life_open(struct life *l);
void life_work(struct life *l);
void life_close(struct life *l);
/* Commits one transaction. */
void life_txn(struct life *l, bool durable);

/* image.c */
void images_make(struct life *l, enum sim_call call, uint64_t offset);
/* Opens what is in c->leaf, which must be at one of the states from `first` to the newest: its index. */
uint32_t image_check(struct life *l, uint32_t first);
/* The state that a handle shows. */
void state_read(struct life *l, arena *a, arena_txn *txn, struct state *out);
/* What is wrong, all that is needed to have it again, and the end of the test. */
void crash_fail(struct life *l, const char *format, ...) __attribute__((format(printf, 2, 3), noreturn));

void crash_begin(struct crash *c, const struct workload *w, uint64_t seed);
void crash_end(struct crash *c);
/* The run c->run. */
void crash_run(struct crash *c);
/* fault.c */
/* A run in which the n-th call fails with that code, and all after it too if `always`. False: there were fewer calls. */
bool fault_run(struct crash *c, uint64_t n, int code, bool always);

/* tally.c */
/* At a call: what is being done there. */
void tally_stage(struct life *l, enum sim_call call, uint64_t offset);
/* Of an image that was opened: what is there of what its parent had written. */
void tally_image(struct life *l, const arena *a);
void tally_add(struct tally *to, const struct tally *t);
void tally_print(const struct tally *t, const char *name);
/* Whether it was there, lost, and torn where it can be. */
bool tally_met(const struct tally *t, enum piece piece);
/* What was never met of everything that there is; NULL: nothing is missing. */
const char *tally_never(const struct tally *t);

#endif
