/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* plan.h: which run of free slots costs least to make one. */
#ifndef GKV_ARENA_SPACE_PLAN_H
#define GKV_ARENA_SPACE_PLAN_H

#include <stdint.h>

#include "arena/gravity.h"
#include "arena/space/slots.h"

/* A run of neighbouring free slots and what lies between them. */
struct plan {
	uint64_t start, end;  /* from the start of its first slot to the end of its last     */
	uint64_t first_end;   /* end of its first slot, which may take what is moved         */
	uint64_t free, moved; /* bytes of its slots; bytes between them                      */
	uint64_t next;        /* plan_stretch alone                                          */
};

/* The run that yields `want` bytes before `limit`: by gravity, or with the fewest bytes between its slots. Slots count as
 * far as they lie before it. GRAVITY_FULL: none does. */
int plan_run(const struct slots *s, enum gravity_planner planner, uint64_t limit, uint64_t want, struct plan *out);
/* The stretch from the slot that reaches up to `from`, or the next one, over `moved` bytes that are not free or fewer;
 * the slot at the end of the file is left out. GRAVITY_NOTFOUND: no slot is left. out->next: where the data ends that
 * the stretch ends in. */
int plan_stretch(const struct slots *s, uint64_t from, uint64_t file_end, uint64_t moved, struct plan *out);

#endif
