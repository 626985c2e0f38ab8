/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* reader.h: who is looking at what: pins of point reads, and snapshots, in one array of slots.
 *
 * A pin at commit s holds everything that died after s. A snapshot at s holds what was born at or before s and died
 * after it, and nothing else. Neither takes a lock.
 *
 * Snapshot begin and apply meet in a handshake of two flags. The reader announces itself in its slot, then looks for a
 * running apply; the writer announces the apply, then looks for readers. So one sees the other at least:
 *   - the writer sees the announced reader: it counts it as a snapshot of the state before this apply;
 *   - the reader sees the apply: it waits until that one ends, and then reads the new state, or is handed it.
 *
 *                 readers_pin                readers_unpin
 *      FREE --------------------> PIN s ---------------------> FREE
 *       |
 *       |  readers_snapshot           state_read, by the reader          readers_end
 *       +-------------------> WAIT -----------------------------> SNAP s ------------> FREE
 *                              |                                    ^
 *                              +--- readers_apply_end, the writer --+
 *                                   hands it its new state
 *
 * (All of these are sequentially consistent; it is Dekker's algorithm.) A pin works the same way, but never waits: it
 * follows the live root, and what it may meet there is not freed because its slot was seen, or it meets what came
 * after: nothing that dies with a commit is freed before that commit is published. */
#ifndef GKV_ARENA_SPACE_READER_H
#define GKV_ARENA_SPACE_READER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/file/disk.h"
#include "arena/os/os.h"
#include "arena/types.h"

#define READER_SLOTS     4096u
#define READER_SNAPSHOTS (READER_SLOTS - 256u) /* the rest is kept for pins, which never fail */

/* State of a slot: what in the top 4 bits, commit number in the lowest 48. */
#define READER_FREE UINT64_C(0)
#define READER_PIN  (UINT64_C(1) << 60)
#define READER_WAIT (UINT64_C(2) << 60) /* announced, has no state yet */
#define READER_SNAP (UINT64_C(3) << 60)
#define READER_WHAT (UINT64_C(15) << 60)
#define READER_SEQ  DISK_SEQ_MASK

/* What readers and writer tell each other. One cache line. */
struct reader_slot {
	_Alignas(64) _Atomic uint64_t state;
	uint64_t handed_root; /* written by the writer before it moves state from WAIT to SNAP */
};

/* What a handle keeps to itself of a slot that it has taken for a snapshot, which is a transaction. The write transaction is
 * one, too, without a slot. One cache line, since other threads begin and end theirs beside it. */
struct arena_txn {
	_Alignas(64) arena *arena;
	uint64_t root, seq; /* of the snapshot                                                           */
	uint32_t live;      /* what kind of transaction stands here, 0: none; see arena/log/writer.h     */
};

/* What the readers hold at some moment. The snapshots are in rising order without repeats. */
struct readers_view {
	uint64_t pin; /* what died after this is held by a pin, or by one that begins meanwhile */
	uint32_t count;
	uint64_t seq[READER_SLOTS];
};

struct readers {
	const struct os *os;
	struct reader_slot *slots;
	arena_txn *txns; /* txns[i] is slots[i]'s; behind the slots, in one mapping */
	uint64_t slots_reserve;
	_Atomic uint32_t high;      /* slots ever used                        */
	_Atomic uint32_t snapshots; /* open                                   */
	_Atomic uint64_t apply;     /* odd while a commit is being applied    */
	_Atomic uint64_t seq;       /* the newest commit that everyone sees   */
	_Atomic uint64_t root;      /* and its table                          */
	struct readers_view view;   /* of when the writer has looked last     */
};

int readers_init(struct readers *r, const struct os *os);
void readers_release(struct readers *r);

/* A pin on the newest state. Never fails; waits only while all slots are in use. */
uint32_t readers_pin(struct readers *r);
void readers_unpin(struct readers *r, uint32_t slot);

/* A snapshot: *slot, with root and seq set in its txns[*slot]. 0 or GRAVITY_READERS. */
int readers_snapshot(struct readers *r, uint32_t *slot);
void readers_end(struct readers *r, uint32_t slot);

/* The writer, around each change of the state. What must stay as it is for readers: everything born at or before the
 * returned number (0: there is no snapshot). */
uint64_t readers_apply_begin(struct readers *r);
/* The same without announcing a change: a snapshot of the newest commit may begin at any moment after it. */
uint64_t readers_newest(const struct readers *r);
/* Nothing was changed: who began meanwhile is handed the state before. */
void readers_apply_cancel(struct readers *r);
void readers_apply_end(struct readers *r, uint64_t seq, uint64_t root);

/* Waits until the point reads that run now are over; not for ever, since a thread may be stopped in the middle of one. */
void readers_let_pins(const struct readers *r);

/* What they hold now. */
void readers_look(const struct readers *r, struct readers_view *view);
/* The newest snapshot that sees what lived from born to died; 0 when none does. */
uint64_t readers_holder(const struct readers_view *view, uint64_t born, uint64_t died);

/* Whether nobody is left who began while `seq` was the newest commit, or before. What the caller stored before it asks is
 * seen by whoever begins later. */
bool readers_gone(const struct readers *r, uint64_t seq);

#endif
