/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* interval.h: what one checkpoint leaves for the time up to the next one, when that time is over, and how long the file should be
 * meanwhile. */
#ifndef GKV_ARENA_LOG_INTERVAL_H
#define GKV_ARENA_LOG_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/space/freemap.h"
#include "arena/types.h"

/* Bytes by which a file may be longer than its shares, however little lives in it. */
#define TARGET_SLACK (UINT64_C(1) << 20)

/* What lives, with the table. */
uint64_t file_live(const arena *a);
/* Bytes of a record, its head among them; 0 if there is none. */
uint64_t record_mean(const arena *a);
/* How long the file should be for what lives in it; whether it is longer. */
uint64_t file_target(const arena *a);
bool file_above_target(const arena *a);
/* How long it may be when nothing is written for a while. Longer than that it is swept, see arena/move/shrink.c. */
uint64_t file_most(const arena *a);
/* Where between the two a file of so many bytes is: from 0, at the target, to PRESSURE_MOST. The higher, the more bytes are
 * moved for one that is gained: so the file finds a length at which that is enough, however much is written, and by commits of
 * whatever size. */
#define PRESSURE_MOST 16u
unsigned file_pressure(const arena *a, uint64_t bytes);
/* Since the last checkpoint began about as much was written as has died. Where records are deleted and little else happens,
 * nobody asks for their space yet: what frees it, or makes large slots of it, may wait until it is cheaper. */
bool file_space_wanted(const arena *a);

/* Whether a checkpoint before its time gives back more than it costs, for so many bytes that it makes free: it writes the pages
 * that were copied, and the next interval copies them again. */
bool interval_worth(const arena *a, uint64_t bytes);

/* From the begin of one checkpoint to the next one's. Compaction reads and writes it; the checkpoint begins it. */
struct interval {
	struct freemap freemap; /* of the last checkpoint                                       */
	uint64_t need;          /* bytes that an interval takes: as the last whole one, or more */
	uint64_t prepared;      /* bytes of the segments that this one emptied                  */
	uint64_t end;           /* start of what it emptied at the end of the file; 0: nothing, DISK_DATA: it cannot */
	uint64_t look_at;       /* bytes taken from which on to look again whether enough is clean, see limit.c */
	bool due;               /* what was emptied, or freed, is wanted: a checkpoint is due   */
};

/* Whether it is over, so that a checkpoint is due: one frees enough then, a share of the live bytes that is being written again,
 * or a larger one where records are only deleted; and as much as it writes, since every page that was replaced since the last
 * one is written by the next, or half of that where the file is longer than it should be. Or the log has become long to replay. */
bool interval_ended(const arena *a);
/* That share of the live bytes. */
uint64_t interval_waiting(uint64_t live);
/* A good part of what a limit keeps for deletes and copies of pages is gone. */
bool interval_reserve_low(const arena *a);

/* A checkpoint begins. If the interval was over, what it took the next one takes as well; one that was cut short says no more
 * than how much is taken at least. */
void interval_begin(arena *a);
/* Where the checkpoint was taken from: its free map serves from now on. */
void interval_renew(arena *a, struct freemap *freemap);

#endif
