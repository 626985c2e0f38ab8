/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* space.h: where new blobs may go: free slots, what waits to become one, the growth of the file and its limit.
 *
 * All of it belongs to the writer: whoever calls holds the writer's lock.
 *
 * What a piece of the file can be, and the function that makes it that:
 *
 *     FREE --- space_window ----> WINDOW --- log_append ----> RECORD --- space_free_blob ---> PENDING, logged
 *      | ^                         |                                                           |
 *      | +--- space_return --------+  log_abort, log_shed_window                               |
 *      |                                                                                       |
 *      +---- space_take_page ---> CLUSTER -- cluster_take --> PAGE, NODE -- space_free_page -->+
 *        ^                         |                                                           |
 *        +--- space_end_cluster ---+                                 born since the checkpoint v
 *                                                                    that was begun last: PENDING, loose
 *
 *     PENDING, logged -- pending_drain, when a checkpoint has reached it and the pins of its time have ended --> asked
 *     PENDING, loose --- pending_drain, when the pins of its time have ended ----------------------------------> asked
 *     asked ------------ extent_settle: no snapshot sees it --------------------------------------------------> FREE
 *     asked ------------ extent_settle: one does; it hangs on the newest of them -----------------------------> PENDING, held
 *     PENDING, held ---- held_drain, when that snapshot has ended ---------------------------------------------> asked
 *
 * Without snapshots many at once go from `logged` to FREE through a batch, which is sorted (batch_take). On a full disk a FREE
 * piece without disk space is put aside (space_full.c). */
#ifndef GKV_ARENA_SPACE_SPACE_H
#define GKV_ARENA_SPACE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/map.h"
#include "arena/space/holes.h"
#include "arena/space/pending.h"
#include "arena/space/reader.h"
#include "arena/space/slots.h"

/* A window is cut from a free slot in pieces of at most so much; smaller slots than the least are left to compaction
 * while there is a choice, since each costs a JUMP. */
#define SPACE_WINDOW       (UINT64_C(64) << 10)
#define SPACE_WINDOW_LEAST (UINT64_C(1) << 10)
/* A record of so many bytes has a window of its own, however large the slot: smaller ones would cost a JUMP each. */
#define SPACE_WINDOW_OWN (UINT64_C(2) << 10)
/* A commit that is to be durable flushes each window that it wrote into: fewer and larger ones serve it better. */
#define SPACE_WINDOW_DURABLE (UINT64_C(16) << 10)

/* The file grows by such a part of its length at a time; by a quarter of that near its bound. */
#define SPACE_GROWTH 32u

/* A stretch that was taken for things to come. */
struct cluster {
	uint64_t start, end; /* equal: nothing is left of it */
};

struct space {
	const struct os *memory; /* from whose alloc it has its arrays */
	struct map *map;
	struct readers *readers;
	struct slots free;
	struct pending pending;
	uint64_t max_bytes;   /* the file never grows past this; UINT64_MAX: no limit                       */
	uint64_t asked;       /* the same as its user set it: the two differ while the disk is full          */
	uint64_t reserve;     /* bytes that puts leave alone, of what is free or the file may grow by        */
	uint64_t window;      /* bytes of a window that a put takes, where it has the choice                */
	uint64_t unit;        /* a free slot of so much and more is clean; the rest are pieces              */
	uint64_t spare;       /* clean bytes that puts leave alone, ...                                     */
	uint64_t floor;       /* ... and that moves do                                                      */
	uint64_t list;        /* bytes that the next free list may take                             */
	uint64_t copies;      /* bytes that puts and moves leave to the pages which commits copy            */
	int64_t slack;        /* bytes of slots that hold pages beyond what is kept: the copies, the list and the spare;
	                          as counted last, less what was taken since */
	bool near;            /* the length that it is to keep below is closer than it grows by at a time   */
	uint64_t durable_seq; /* commit of the last durable checkpoint                                      */
	uint64_t started_seq; /* commit of the last checkpoint that was begun: what it reaches waits for it */
	struct cluster pages, nodes; /* pages of the table, and its nodes, are taken from here, side by side */
	uint64_t cluster_bytes;      /* how much to take for pages at a time                               */
	uint64_t window_least;       /* bytes of a slot that is taken for a window while there is a choice          */
	struct holes holes;          /* where slots may have no disk space: what is taken there is allocated first   */
	/* newest commit when the end of the file was last lowered: who began by then may look beyond */
	uint64_t lowered_seq;
	bool no_punch; /* the file system cannot punch                                                       */
	/* A full disk, see space_full.c. */
	bool full; /* the disk refused space, with that code; and has granted so much since      */
	int full_code;
	bool grants; /* it has granted some, and has not refused any since                         */
	uint64_t granted;
	struct slots aside;    /* what is free then, and has no disk space                                   */
	uint64_t keep;         /* bytes of free slots that keep their disk space, the lowest ones            */
	uint64_t ready;        /* bytes that may be taken before it is looked at again                       */
	bool ready_known;      /* it need not be yet                                                         */
	uint64_t dead_bytes;   /* blobs that died since the last checkpoint was begun                        */
	uint64_t copied_bytes; /* pages and nodes that were replaced since then                              */
	/* nothing new goes here: compaction empties it, or see space_go_behind; 0, 0: none */
	uint64_t evict_start, evict_end;
};

void space_init(struct space *s, const struct os *memory, struct map *map, struct readers *readers, uint64_t max_bytes);
void space_release(struct space *s);
/* See slots_adopt; `memory`, map and readers are the process's that has it now. */
void space_adopt(struct space *s, uintptr_t by, const struct os *memory, struct map *map, struct readers *readers);

/* Nothing new goes before the end that the file has now. */
void space_go_behind(struct space *s);

/* Whether a code says that there is no room: a limit of ours, of the disk, of a quota, of a process on its files. */
bool space_short(int r);
/* The same, or that there are no memory or addresses behind it. */
bool space_none(int r);
/* GRAVITY_FULL is the disk's code where the disk is what has no more. */
int space_code(const struct space *s, int r);

/* Who asks: a put leaves the reserve alone, everything else may use it. */
enum space_claim { SPACE_PUT, SPACE_RESERVED };

/* Takes `bytes` from the first slot that holds them. 0, GRAVITY_FULL, ENOSPC, ENOMEM, errno. */
int space_take(struct space *s, uint64_t bytes, uint64_t *offset);

/* Takes a place for a page or node beside the ones taken before it: what is copied together dies together, and leaves
 * one large slot. A page stands at a multiple of its 4 KiB, so that reading it is reading one page of the file, and nodes
 * share such pages; where no slot has room for that, and the file may not grow, at any multiple of 64. Codes as above. */
int space_take_page(struct space *s, uint64_t bytes, uint64_t *offset);
/* Says how large the table is: clusters are a share of it, so that a tiny store stays tiny. */
static inline void space_cluster_size(struct space *s, uint64_t table_bytes)
{
	const uint64_t share = table_bytes / 16 & ~(DISK_PAGE - 1);

	s->cluster_bytes = share < (UINT64_C(256) << 10) ? share : UINT64_C(256) << 10;
}

/* Gives back what is left of the clusters, so that free slots are all that is free. 0 or ENOMEM. */
int space_end_cluster(struct space *s);

/* Bytes that the file may grow by, under a limit. */
uint64_t space_growth(const struct space *s);
/* Under a limit: the bytes of clean slots, with what the file may still grow by; no more than `enough` need be counted. */
uint64_t space_clean(const struct space *s, uint64_t enough);
/* Of the spare, what puts and what is moved for them leave beside snapshots, since a checkpoint gives back nothing that these see: a
 * share of it, and two pages for each of them, the one that it keeps and the next copy of it. Without a snapshot 0. */
#define SPACE_FLOOR_SHARE 4u
uint64_t space_floor_beside(const struct space *s);

/* Bytes that are free, or that the file may grow by; UINT64_MAX without a limit. */
uint64_t space_left(const struct space *s);

/* Whether a put may take so many bytes of what is free, or the file may still grow by, and leave the reserve. */
bool space_allows(const struct space *s, uint64_t bytes);

/* The bytes of a free list with `count` pairs, at most, its chunks aside; of the next free list, with its chunks. */
uint64_t space_pairs_bytes(const struct space *s, uint64_t count);
uint64_t space_list_bytes(const struct space *s);

/* Counts slack again, of all slots that hold a page of the table. */
void space_count_slack(struct space *s);

/* Whether so many copies of pages, and the next free list, find a place whatever else is free. */
bool space_holds_pages(const struct space *s, uint64_t pages);

/* Takes a window for a blob of `bytes` (and a JUMP after it): [*start, *end). Codes as above. */
int space_window(struct space *s, uint64_t bytes, enum space_claim claim, uint64_t *start, uint64_t *end);

/* Whether a slot is there for that many bytes in one piece. */
bool space_fits(struct space *s, uint64_t bytes, enum space_claim claim);

/* Disk space under a range that may have been punched out: 0, or an errno value. */
int space_allocate(struct space *s, uint64_t start, uint64_t bytes);

/* Disk space under the lowest free slots, for what comes next. Where the disk has no more of it, it is full from here on.
 * `ask`: it is asked for some also where the file is too short to keep much. */
void space_ready_look(struct space *s, bool ask);
static inline void space_ready(struct space *s)
{
	if (!s->ready_known)
		space_ready_look(s, false);
}
/* Drops all that is known of what is free, to be filled anew; and, after that, the disk is full as it was. */
void space_restart(struct space *s);
int space_full_again(struct space *s);
/* Whether the invariants of space_full.c hold that a look at two numbers tells. */
bool space_full_sound(const struct space *s);
/* All that is free is in the free slots again: the disk may be found full anew. 0 or ENOMEM. */
int space_gather(struct space *s);
/* Bytes of the free slot that the offset lies in, from there on, whether it has disk space or not; 0: it lies in none. */
uint64_t space_free_at(const struct space *s, uint64_t offset);
/* Where the first of these begins that does so at the offset or behind it; UINT64_MAX: none does. */
uint64_t space_free_next(const struct space *s, uint64_t offset);
/* All that is free. */
static inline uint64_t space_free_bytes(const struct space *s)
{
	return s->free.bytes + s->aside.bytes;
}

/* Gives back at once what nothing has seen, or nothing. Room was set aside by slots_keep, for each call one. */
void space_return(struct space *s, uint64_t start, uint64_t end);

/* A page or node, born at `born`, that died with commit `died`. Room was made by pending_reserve. */
void space_free_page(struct space *s, uint64_t offset, uint64_t bytes, uint64_t born, uint64_t died);
/* A blob of the log that died. */
void space_free_blob(struct space *s, uint64_t offset, uint64_t bytes, uint64_t born, uint64_t died);

/* Hands over what has become free: at most `budget` extents. */
uint64_t space_drain(struct space *s, uint64_t budget);

/* Hands the disk space of slots of `least` bytes and more, a page of the file at least, back to the file system: the
 * `most` lowest of them that begin at `at` or behind it. Returns where to go on, 0 when there are no more. Best effort.
 *
 * The kernel may keep pages of the file as one piece, and a store to one of them then needs space under all of it. So
 * nothing is punched in the block of the headers; and while the store is open (SPACE_PUNCH_LEAST) whole blocks alone, so
 * that what goes on being stored to has none but holes in larger pieces beside it. */
#define SPACE_PUNCH_LEAST HOLES_BLOCK     /* worth allocating them again, while the store is open */
#define SPACE_PUNCH_MOST  UINT64_C(16384) /* of the small ones, at once: some ten microseconds each */
uint64_t space_punch(struct space *s, uint64_t at, uint64_t least, uint64_t most);

/* Gives back the free end of the file, but nothing below `least`, and cuts it off when nobody can be looking there any
 * more: now or by space_cut. Best effort. */
void space_trim(struct space *s, uint64_t least);
/* Cuts off what was given back, when the readers of that time are gone. The next session does it at the latest. */
void space_cut(struct space *s);

#endif
