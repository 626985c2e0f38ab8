/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* recover.h: from a header and the log behind it to the state of the last commit. */
#ifndef GKV_ARENA_LOG_RECOVER_H
#define GKV_ARENA_LOG_RECOVER_H

#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/file/header.h"
#include "arena/log/log.h"
#include "arena/types.h"

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
	uint64_t limit; /* bytes of the file: a longer chain is damage */
};
void chain_begin(struct chain *c, const struct map *m, const struct header_disk *h);
/* The next blob when it verifies and follows the one before it; NULL: the chain ends here. */
const struct blob_disk *chain_next(struct chain *c);
/* After the end of the chain: whether a header page stands where it should go on, and has a mark of a later commit. 0, or
 * where that page is. The log is damaged there. */
uint64_t chain_strayed(const struct chain *c);

#endif
