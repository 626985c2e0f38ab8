/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* scan.h: finds the blobs of a file without its headers and its table: at every multiple of 8, by their checks.
 *
 * A head that can be none is passed over cheaply; one that can be one is verified. A blob that verifies is stepped over
 * whole, so nothing that a value holds is taken for a blob. One thread at a time. */
#ifndef GKV_ARENA_REPAIR_SCAN_H
#define GKV_ARENA_REPAIR_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/file/map.h"
#include "arena/repair/pace.h"

struct scan {
	const struct map *map;
	struct pace *pace; /* is told what was looked at, and may end the search              */
	uint32_t aux_mask; /* bits of aux that a record may use                               */
	uint64_t at;       /* where the search goes on                                        */
	uint64_t budget;   /* bytes of long blobs that may still be hashed, see scan_verify   */
	uint64_t refused;  /* heads that were not verified because the budget was used up     */
};

void scan_begin(struct scan *s, const struct map *m, struct pace *pace, uint32_t aux_mask);

/* The next blob that verifies, of any kind; NULL at the end of the file, or where the pace is stopped. */
const struct blob_disk *scan_next(struct scan *s);

/* As blob_verify, but a file in which long blobs overlap, as only a hostile one does, is not hashed without end. */
bool scan_verify(struct scan *s, uint64_t offset);

/* What the blobs of the file mix into their checks, found from the blobs alone. False: too few of them are left, three
 * in a row or two and a page of the table; or the pace was stopped. Takes up to a minute, for each place that looks like a
 * part of a log, at most four. *seen: whether anything looked like one. */
bool scan_derive_identity(const struct map *m, struct pace *pace, uint32_t aux_mask, uint64_t *identity, bool *seen);

#endif
