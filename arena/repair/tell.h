/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* tell.h: who is told what is damaged: sentences, each with a place in the file, until the one who is told has heard enough. */
#ifndef GKV_ARENA_REPAIR_TELL_H
#define GKV_ARENA_REPAIR_TELL_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/table/page.h"
#include "arena/table/table.h"

#define TELL_MOST 1000u /* findings; more are not told one by one */
#define ULL(x)    ((unsigned long long)(x))

struct teller {
	arena_report *report; /* may be NULL                                                    */
	void *arg;
	arena_check_blob *each; /* is asked what a damaged record seems to be; may be NULL */
	void *each_arg;
	uint64_t findings; /* how many there were, told or not             */
	uint64_t most;     /* to be told                                   */
	int *stopped;      /* of the work: it is set once enough was heard */
};

void tell(struct teller *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether a record that verifies stands where an entry of the page says. It is told if none does. */
bool tell_record(struct teller *t, const struct map *m, const struct page_disk *page, uint64_t offset);

/* The next page or node of a walk. What is damaged on the way is told and passed over. False at the end, or when the work is
 * stopped. */
bool tell_next(struct teller *t, struct table_iter *it, struct blob_disk **b);

/* Whether each chunk of the header's free list verifies. The first is told that does not. */
bool tell_list(struct teller *t, const struct map *m, const struct header_disk *h);

#endif
