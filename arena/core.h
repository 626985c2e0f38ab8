/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* core.h: struct arena and struct arena_txn, shared by the files of the arena that move it from state to state.
 *
 * Locks, in the order in which they are taken:
 *   writer      one write transaction, compaction step or checkpoint step at a time; may be held for long
 *   checkpoint  who drives the checkpoint that is under way
 *   flush       who flushes now; others wait and find that it was done for them
 *   stretch     what was committed and not flushed yet; held for a few instructions
 *
 * Everything without a note belongs to the writer. */
#ifndef GKV_ARENA_CORE_H
#define GKV_ARENA_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/broken.h"
#include "arena/file/blob.h"
#include "arena/file/disk.h"
#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/log/log.h"
#include "arena/log/ops.h"
#include "arena/os/fork.h"
#include "arena/os/os.h"
#include "arena/os/thread.h"
#include "arena/space/freemap.h"
#include "arena/space/ranges.h"
#include "arena/space/reader.h"
#include "arena/space/space.h"
#include "arena/table/table.h"

/* A transaction stands in a reader slot (a snapshot) or in the arena (the one write transaction). */
#define TXN_ENDED 0u
#define TXN_READ UINT32_C(0x72656164)
#define TXN_WRITE UINT32_C(0x77726974)

struct arena_txn {
	struct reader_slot slot;
};

/* What the write transaction has shown to its user, before it has changed anything: it is not moved until the end. */
#define SHOWN_MOST 256u
struct shown {
	const void *data[SHOWN_MOST]; /* in the records             */
	uint32_t count;
	bool all;                     /* more, or what a walk holds */
};

/* The write transaction. */
struct writer {
	arena_txn txn; /* first: an arena_txn that writes is one of these */
	struct ops ops;
	unsigned flags;
	bool internal;       /* compaction's own                */
	bool use_reserve;    /* puts may                        */
	uint64_t written;    /* bytes of records appended       */
	struct shown shown;
	/* The record that was looked up last, so that a put of the same name need not look again. */
	bool memo;
	uint64_t memo_name;
	uint64_t memo_before; /* its offset in the table; 0: none */
};

/* Committed and not yet flushed; more than fit are flushed by one fdatasync. */
#define FLUSH_STRETCHES 16u
struct flush {
	os_mutex mutex;         /* of `busy` alone                                             */
	os_cond cond;
	bool busy;              /* flush: somebody is between flush_enter and flush_leave      */
	os_mutex stretch_mutex; /* stretch                                                     */
	struct log_stretch stretch[FLUSH_STRETCHES];
	uint32_t count;
	bool whole;
	uint64_t seq;              /* newest commit that they cover                            */
	_Atomic uint64_t durable;  /* newest commit known to be on stable storage              */
	_Atomic uint64_t dated;    /* newest commit that the file's time of change tells of    */
	_Atomic bool failed;       /* a flush failed: nothing is written any more              */
	bool begun;                /* writer: the first flush of this descriptor has returned  */
};

enum checkpoint_state { CHECKPOINT_IDLE, CHECKPOINT_PUSHING, CHECKPOINT_WRITTEN };

/* The free list of a checkpoint in the making, see freelist_write.c. */
struct free_list {
	struct ranges ranges;
	uint64_t file_bytes;  /* where the file can end                                */
	uint64_t at;          /* extents that were written                             */
	uint32_t chunk;       /* that is being filled                                  */
	uint64_t end;         /* of the pair before, in units                          */
	uint64_t slots, bytes; /* of the pairs                                         */
	uint64_t large;       /* bytes of an extent that is clean: what the survey takes */
};

struct checkpoint {
	os_mutex mutex; /* checkpoint */
	_Atomic uint64_t driver; /* os_thread_id of who has it, 0: nobody                     */
	enum checkpoint_state state;
	struct header_disk header; /* of the checkpoint under way                           */
	struct table_iter iter;    /* where the pushing stands                               */
	uint64_t born_after;       /* pages born at or before this are on disk already       */
	struct free_list list;     /* while it is being made                                 */
	struct survey survey;      /* taken from it                                          */
	struct ranges dirty;       /* what was not pushed yet of the log, and what was given its checks */
	bool sealed;               /* all of them                                            */
	uint64_t pushed;           /* how many of the ranges are on their way to the disk    */
	uint64_t *chunks;          /* offsets of the chunks of its free list                 */
	uint32_t chunk_count;
	uint64_t count;            /* checkpoints finished by this handle                    */
	uint64_t punch_at;         /* where punching goes on, with the writer's lock; 0: it is done */
	_Atomic bool pushing;      /* state != IDLE, for a look without the lock             */
	_Atomic uint64_t live;     /* bytes that lived when the one under way began          */
	_Atomic uint64_t owed;     /* bytes of work that commits have asked for, and nobody has done yet */
};

/* Compaction in the write path. An interval is the time from the begin of one checkpoint to the next one's. */
struct tidy {
	uint64_t credit;      /* bytes that may be moved                                      */
	struct survey survey; /* of the last checkpoint                                       */
	uint64_t prepared;    /* bytes of the segments that this interval emptied             */
	uint64_t need;        /* bytes that the interval before took                          */
	uint64_t end;         /* start of what this interval emptied at the end of the file; 0: nothing, DISK_DATA: it cannot */
	uint64_t rest, rest_end; /* what is left of the segment that is being emptied, also by the next interval */
	/* Under a size limit. */
	uint64_t limit;       /* space.max_bytes when it was measured                         */
	uint64_t look_at;     /* bytes taken from which on to look again whether enough is clean, see limit.c */
	bool due;             /* what was emptied, or freed, is wanted: a checkpoint is due            */
	uint64_t refused, refused_room; /* bytes of the last put that was refused, and of all that was free then */
	uint64_t refused_beside; /* the oldest commit that a snapshot saw then, if it was in the way; 0: none was */
	uint64_t sweep_at, sweep_written; /* where a sweep for a put goes on that stopped, 0: none; and log.written then */
	uint64_t vain_written, vain_room; /* log.written, and all that was free, when room_begin was in vain; room 0: it was not */
	uint64_t swept, swept_room; /* log.written when the last sweep for a put was in vain, and all that was free then */
};

/* The bound on the length of the file, see shrink.c. */
struct shrink_turn {
	uint64_t put, died; /* bytes, by RECENT_COMMITS commits                                   */
	uint64_t largest;   /* put by one of them                                                 */
};

struct shrink {
	struct shrink_turn turn[2]; /* this one, and the one before                               */
	unsigned commits;
	uint64_t at;      /* where the sweep goes on; 0: none is under way                        */
	uint64_t step;    /* bytes that it moves at a time                                        */
	uint64_t rest;    /* bytes to be put, or to die, before the next one: the last was in vain */
	bool all;         /* it began at the beginning of the file                                */
	bool waits;       /* snapshots were in its way                                            */
};

struct arena {
	/* Set at open, then constant. */
	const struct os *os;
	struct map map;
	enum arena_kind kind;
	bool read_only, lazy;
	enum gravity_planner planner;
	uint64_t checkpoint_bytes;
	uint64_t fork_generation;
	uint64_t hash_seed;
	uint64_t identity[2];

	/* The writer's lock: not a plain mutex, since it is held from begin to commit. */
	os_mutex writer_mutex;
	os_cond writer_cond;
	bool writer_busy;              /* under writer_mutex      */
	uint32_t writer_waiting;       /* under writer_mutex      */
	uint32_t writer_passed;        /* under writer_mutex: how often it was taken while others waited */
	bool writer_handed;            /* under writer_mutex: it is one of theirs, and nobody else's     */
	_Atomic uint64_t writer_owner; /* os_thread_id, 0: nobody */

	struct readers readers;
	struct space space;
	struct log log;
	struct table table;
	struct writer writer;
	struct flush flush;
	struct checkpoint checkpoint;

	struct header_disk header; /* of the last durable checkpoint                         */
	unsigned header_index;     /* its page; changed by the checkpoint's last step        */
	struct log_stretch *replayed; /* what recovery took from the log: flushed again before the first write */
	uint32_t replayed_count;
	bool space_loaded;         /* free list read                                         */
	bool session;              /* the first write of this handle was prepared            */
	bool closing;

	uint64_t blobs;      /* live records                       */
	uint64_t live_bytes; /* theirs, with heads                 */
	_Atomic uint64_t next_name; /* ARENA_PLAIN: names handed out; the writer changes it */
	uint64_t bytes_moved, compaction_steps;
	struct tidy tidy;
	struct shrink shrink;
	_Atomic uint32_t open_txns;
	void *memory; /* that this stands in, see arena_new */
};

static inline arena *txn_arena(const arena_txn *t)
{
	return t->slot.arena;
}

static inline bool txn_is_writer(const arena_txn *t)
{
	return t->slot.live == TXN_WRITE;
}

/* This process opened it. */
static inline bool arena_ours(const arena *a)
{
	return a->fork_generation == os_fork_generation();
}

static inline bool arena_failed(const arena *a)
{
	return atomic_load_explicit(&a->flush.failed, memory_order_acquire);
}

/* Since the last checkpoint began about as much was written as has died. Where records are deleted and little else happens,
 * nobody asks for their space yet: what frees it, or makes large slots of it, may wait until it is cheaper. */
static inline bool arena_space_wanted(const arena *a)
{
	return a->log.bytes >= a->space.dead_bytes / 2;
}

/* open.c --------------------------------------------------------------------------------------------------------- */

/* Opens the store in `file`, which the caller has locked, or makes one of an empty file. The file stays the caller's. */
int arena_open_in(os_file file, const struct arena_options *options, arena **out);
/* As arena_close, but the file stays open, and locked. */
int arena_leave(arena *a);

/* writer.c ------------------------------------------------------------------------------------------------------- */

/* 0, GRAVITY_BUSY (nowait), GRAVITY_INVALID: this thread has it. Who waits is passed by WRITER_PASSED_MOST others who came
 * later, and then it is the turn of one of those who wait. */
#define WRITER_PASSED_MOST 16u
int writer_lock(arena *a, bool nowait);
void writer_unlock(arena *a);
/* Prepares the first write of this handle: free list, flush of what recovery relied on. Holds the writer's lock. */
int writer_session(arena *a);
/* Begins the write transaction; holds the writer's lock. `internal`: compaction's own. */
void writer_begin(arena *a, unsigned flags, bool internal);
/* Drops what it did. Keeps the lock. */
void writer_abort(arena *a);
/* Appends a blob under `name` and notes it; as arena_put, for any kind of record. */
int writer_put(arena *a, unsigned kind, vpos name, uint32_t aux, uint64_t size, void **data);
/* The transaction's own record, or the table's: 0, GRAVITY_NOTFOUND, GRAVITY_CORRUPT. */
int writer_find(arena *a, uint64_t name, const struct blob_disk **blob);

/* commit.c ------------------------------------------------------------------------------------------------------- */

/* Commits the write transaction up to where others see it; *seq its number, 0 when it had changed nothing. On failure
 * it is aborted. Keeps the lock. */
int commit_apply(arena *a, uint64_t *seq);
/* Copies the page or node that the name's path has inside the evicted range to another place. */
int commit_move(arena *a, uint64_t name);
/* A commit that is a JUMP alone: the log goes on in the lowest window that there is. */
int commit_hop(arena *a);
/* For recovery: what one blob of the log says happens to the table. */
int commit_replay(arena *a, const struct blob_disk *b);

/* flush.c -------------------------------------------------------------------------------------------------------- */

int flush_init(struct flush *f);
void flush_release(struct flush *f);
/* One thread at a time flushes, and changes which header is the newest. */
void flush_enter(struct flush *f);
void flush_leave(struct flush *f);
/* After a commit was applied: its stretches wait for a flush. */
void flush_add(arena *a, uint64_t seq);
/* Waits until commit `seq` is on stable storage. 0 or GRAVITY_FAILED, or the errno of the flush that failed. */
int flush_to(arena *a, uint64_t seq);
/* The newest commit that is known to be on stable storage. The numbers after it that were used up without a commit count
 * with it. For the writer. */
uint64_t flush_durable(arena *a);
/* Flushes everything of the file. */
int flush_all(arena *a);
/* Moves the file's time of change where something was committed since it was moved. */
void flush_date(arena *a);
/* Flushes a range; any failure makes the handle GRAVITY_FAILED. */
int flush_range(arena *a, uint64_t start, uint64_t end);
/* Flushes what an earlier session has left, before anything is promised on top of it: a range, or with FLUSH_ALL for its
 * end everything. `touch` makes all of it dirty, whatever the kernel takes for clean; 0 or errno. The first flush of a
 * handle is repeated once when it fails, see flush.c. */
#define FLUSH_ALL UINT64_MAX
typedef int flush_touch(arena *a);
int flush_earlier(arena *a, flush_touch *touch, uint64_t start, uint64_t end);

/* checkpoint.c --------------------------------------------------------------------------------------------------- */

/* After a commit, with the writer's lock: finishes one that was written, begins one that is due. */
void checkpoint_poll(arena *a);
/* After a commit that wrote and freed so many bytes, without the writer's lock: a bounded step of the one under way. */
int checkpoint_work(arena *a, uint64_t bytes);
/* A whole checkpoint. Without the writer's lock, or (locked) with it. */
int checkpoint_run(arena *a, bool locked);
bool checkpoint_due(const arena *a);

/* freelist_write.c ----------------------------------------------------------------------------------------------- */

/* Begins the list of what is free as of now: takes its chunks, copies what it will name. The chunks of the list before it
 * die with h->seq. For the writer. On failure what it took is given back. */
int freelist_begin(arena *a, struct header_disk *h);
/* A bounded step of making it, without the writer's lock; what it cost, in bytes, is taken off *budget. *done when the chunks are complete and the header of the
 * checkpoint names them. */
int freelist_step(arena *a, uint64_t *budget, bool *done);
/* Lets go of one in the making. */
void freelist_drop(arena *a);
/* The survey alone, at once: where there is no file there is no list. For the writer. */
void freelist_survey(arena *a);

/* freelist.c ----------------------------------------------------------------------------------------------------- */

/* Reads the list that the header names into the free slots; the chunks' own space is not free. */
int freelist_read(arena *a, const struct header_disk *h);
/* Calls visit for each chunk. */
typedef int freelist_visit(void *arg, struct free_disk *chunk);
int freelist_each(const struct map *m, const struct header_disk *h, freelist_visit *visit, void *arg);

/* plan.c --------------------------------------------------------------------------------------------------------- */

/* A run of neighbouring free slots and what lies between them. */
struct plan {
	uint64_t start, end;   /* from the start of its first slot to the end of its last     */
	uint64_t first_end;    /* end of its first slot, which may take what is moved         */
	uint64_t free, moved;  /* bytes of its slots; bytes between them                      */
	uint64_t next;         /* plan_stretch alone                                          */
};

/* The run that yields `want` bytes before `limit`: by gravity, or with the fewest bytes between its slots. Slots count as
 * far as they lie before it. GRAVITY_FULL: none does. */
int plan_run(const struct slots *s, enum gravity_planner planner, uint64_t limit, uint64_t want, struct plan *out);
/* The stretch from the slot that reaches up to `from`, or the next one, over `moved` bytes that are not free or fewer;
 * the slot at the end of the file is left out. GRAVITY_NOTFOUND: no slot is left. out->next: where the data ends that
 * the stretch ends in. */
int plan_stretch(const struct slots *s, uint64_t from, uint64_t file_end, uint64_t moved, struct plan *out);

/* evacuate.c ----------------------------------------------------------------------------------------------------- */

/* Moves everything live out of [start, end), which begins where an extent or a slot does, by commits of its own. For
 * the writer, who has no blobs in the chain and keeps the lock. GRAVITY_FULL when there is nowhere to move it to. */
int evacuate(arena *a, uint64_t start, uint64_t end);
/* What stands at offset, a boundary of extents: how long it is, and whether the table or log needs it there. A free
 * slot is not an extent. GRAVITY_CORRUPT when nothing sound does. */
enum extent_use { EXTENT_SLOT, EXTENT_WINDOW, EXTENT_RECORD, EXTENT_TABLE, EXTENT_OTHER };
int extent_at(arena *a, uint64_t offset, uint64_t *span, enum extent_use *use);
/* From `at`, a boundary of extents, over `most` of them at most: the first boundary at or behind `least`. 0: none was
 * reached. What is left of a cluster is no extent: that has to be ended before. */
uint64_t extent_from(const arena *a, uint64_t at, uint64_t least, unsigned most);

/* guard.c -------------------------------------------------------------------------------------------------------- */

/* How many bytes of records may be moved now for all that snapshots hold; UINT64_MAX: nobody holds anything. For the writer. */
uint64_t guard_allowance(arena *a);
/* A checkpoint; and what no reader holds any more is free. For the writer, who has no blobs in the chain and keeps the lock. */
int guard_settle(arena *a);

/* sweep.c -------------------------------------------------------------------------------------------------------- */

/* A step of the sweep from *at on that moves about `most` bytes, with a checkpoint before it; *at: where the next one begins,
 * UINT64_MAX: it is over, and the end of the file was cut. GRAVITY_BUSY: snapshots hold too much for it (guard.c). For the
 * writer, as above. */
int sweep_on(arena *a, uint64_t *at, uint64_t most);

/* shrink.c ------------------------------------------------------------------------------------------------------- */

/* After a commit that put so many bytes, and let so many die: perhaps a step of a sweep. True: there was one. For the
 * writer, who has no blobs in the chain and keeps the lock, as below. */
bool shrink_poll(arena *a, uint64_t put, uint64_t died);
/* Whether a close has something to give back. */
bool shrink_wanted(arena *a);
/* A checkpoint, and whatever else it takes for the file to be as long as it may be. */
int shrink_close(arena *a);
/* Without the writer's lock: a checkpoint that a user asks for. Moves what stands in segments that are nearly half empty.
 * Writers come in between, and it ends whatever they write. */
int shrink_asked(arena *a);

/* steps.c -------------------------------------------------------------------------------------------------------- */

/* After a commit that wrote and freed so many bytes, with the writer's lock: perhaps a step of compaction. */
void tidy_poll(arena *a, uint64_t bytes);
/* Empties segments that are nearly half empty until it has moved `most` bytes; returns how many it moved. For the writer, as
 * below. */
uint64_t tidy_halves(arena *a, uint64_t most);
/* A checkpoint begins; and, where it was taken from, its survey serves from now on. */
void tidy_begin(arena *a);
void tidy_renew(arena *a, struct survey *survey);
/* Empties the end of a file that is too long where little stands behind a large slot; the next checkpoint cuts it. For
 * the writer, who has no blobs in the chain and keeps the lock. */
void tidy_end(arena *a);
/* What to empty next, at most `most` bytes of data: of the segment that the call before this one began, or of the emptiest
 * of the survey. *room: what is free in it, its large slots aside. */
bool tidy_segment(arena *a, uint64_t most, uint64_t *start, uint64_t *end, uint64_t *room);
/* Whether the file is longer than what lives in it asks for. */
bool tidy_above_target(const arena *a);

/* diagnose.c ------------------------------------------------------------------------------------------------------ */

struct diagnose_options {
	const struct os *os;
	arena_check_blob *each; /* called with view NULL alone: see arena_check; may be NULL */
	void *each_arg;
	arena_report *report;   /* may be NULL */
	void *arg;
};
/* Of a file whose opening was GRAVITY_CORRUPT: one sentence for each thing that is damaged, with its place. Returns how
 * many there were. */
unsigned diagnose(const char *path, const struct diagnose_options *options);

/* recover.c ------------------------------------------------------------------------------------------------------ */

/* From the chosen header and the log behind it to the state of the last commit. */
int recover(arena *a);
/* Fills the free slots. */
int recover_space(arena *a);

/* One blob of the chain after another. */
struct chain {
	const struct map *map;
	struct log_place at;
	uint64_t seq;      /* of the last whole commit                  */
	uint64_t open_seq; /* of the commit that is not whole yet; 0: none */
	uint64_t travelled;
	uint64_t limit;    /* bytes of the file: a longer chain is damage */
};
void chain_begin(struct chain *c, const struct map *m, const struct header_disk *h);
/* The next blob when it verifies and follows the one before it; NULL: the chain ends here. */
const struct blob_disk *chain_next(struct chain *c);
/* After the end of the chain: whether a header page stands where it should go on, and has a mark of a later commit. 0, or
 * where that page is. The log is damaged there. */
uint64_t chain_strayed(const struct chain *c);

#endif
