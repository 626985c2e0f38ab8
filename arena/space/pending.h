/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* pending.h: space that was freed and may not be used again yet.
 *
 * An extent lived from commit `born` to commit `died`. It may be used again when
 *   - the last durable checkpoint c does not reach it: died <= c, or it is a page or node with born > c;
 *   - replay does not need it: a blob of the log waits for died <= c even when born > c;
 *   - no reader holds it: no pin before died, no snapshot in [born, died);
 *   - no reader can come to it any more: commit `died` is published, since a reader that begins follows the root that is.
 *
 * What waits for a checkpoint stands in one queue, in order of died; what waits for readers alone in a second; what
 * was found to be held by a snapshot hangs on that snapshot until it ends. */
#ifndef GKV_ARENA_SPACE_PENDING_H
#define GKV_ARENA_SPACE_PENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"
#include "arena/space/ranges.h"
#include "arena/space/reader.h"
#include "arena/space/slots.h"

struct extent {
	uint64_t start, size;
	uint64_t born, died;
};

/* A ring of extents. */
struct extent_queue {
	struct extent *ring;
	uint64_t capacity;   /* 0 or a power of two */
	uint64_t head, tail; /* count == tail - head */
};

struct held_list {
	uint64_t seq; /* of the snapshot */
	struct extent_queue extents;
};

struct pending {
	const struct os *os;
	struct extent_queue logged; /* waits for a checkpoint  */
	struct extent_queue loose;  /* waits for readers alone */
	struct ranges batch;        /* taken off `logged`: free as soon as it is inserted, in the order of the file */
	uint64_t batch_at;          /* how much of it is              */
	struct held_list *held;     /* one for each snapshot that holds something */
	uint32_t held_count, held_capacity;
	uint64_t bytes;        /* in all of them                */
	uint64_t logged_bytes; /* in `logged`                   */
	uint64_t held_bytes;   /* in the held lists             */
};

void pending_init(struct pending *p, const struct os *os);
void pending_release(struct pending *p);
/* See slots_adopt. */
void pending_adopt(struct pending *p, uintptr_t by, const struct os *os);

/* Makes room for `extra` more in either queue. 0 or ENOMEM. */
int pending_reserve(struct pending *p, uint64_t extra);
/* Adds one; room was reserved. `logged`: it waits for a checkpoint. died never falls from call to call. */
void pending_add(struct pending *p, struct extent e, bool logged);

/* The three below look at what readers hold, into readers->view. */

/* Hands what may be used again to the free slots, at most `budget` extents; checkpoint: the last durable one's commit.
 * Stops early without memory. Returns how many it handed over. */
uint64_t pending_drain(struct pending *p, struct slots *free_slots, struct readers *readers, uint64_t checkpoint,
		       uint64_t budget);

/* Bytes that snapshots see, and that are not free for that reason, or will not be when a checkpoint has freed the rest. At most:
 * where many died since the oldest snapshot began, all bytes that wait count. */
uint64_t pending_held(struct pending *p, struct readers *readers);
/* Bytes that no snapshot sees: a checkpoint, and the end of the pins, make all of them free. After a drain, which takes what hung
 * on a snapshot that has ended. At most: where many died since the oldest snapshot began, all that wait for a checkpoint or a
 * pin count. */
uint64_t pending_coming(struct pending *p, struct readers *readers);

/* Extents in all of them. */
uint64_t pending_count(const struct pending *p);
/* Calls visit for every extent; stops at a non-zero answer and returns it. */
typedef int pending_visit(void *arg, const struct extent *e);
int pending_each(const struct pending *p, pending_visit *visit, void *arg);

#endif
