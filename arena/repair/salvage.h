/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage.h: a salvage that is under way; what its files know of each other, and nobody else does. */
#ifndef GKV_ARENA_REPAIR_SALVAGE_H
#define GKV_ARENA_REPAIR_SALVAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/file/disk.h"
#include "arena/file/map.h"
#include "arena/os/os.h"
#include "arena/repair/pace.h"
#include "arena/repair/salvage_list.h"
#include "arena/repair/scan.h"
#include "arena/repair/tell.h"

struct salvage {
	const struct os *os;
	const struct arena_salvage_options *options;
	struct map map;
	struct scan verifier; /* for its budget                                                    */
	struct header_disk h;
	unsigned header_index; /* its page                                                          */
	bool header_known;     /* h is valid                                                        */
	bool tail_open;        /* commits may have happened after the log's end                     */
	bool damaged;          /* the table or the log: all blobs are looked at                     */
	uint64_t log_seq;      /* last whole commit of the log                                      */
	uint64_t strayed;      /* a header page that stands where it should go on; 0: none          */
	struct salvage_list found;
	unsigned passes;  /* how many of the passes that `pace` counts are over                */
	struct pace pace; /* stopped: what the owner, or the reader of the report, ended it with */
	struct teller tell;
};

/* salvage_header.c: finds the header, or at least the identity of the file, without which nothing of it can be verified. 0,
 * GRAVITY_CORRUPT, GRAVITY_NOTASTORE, GRAVITY_BADVERSION. */
int salvage_header(struct salvage *s);

#endif
