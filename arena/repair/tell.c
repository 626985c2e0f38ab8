/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* tell.c owns the sentences that more than one of check, diagnose and salvage say, and how many are said. */
#include "arena/repair/tell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/log/freelist.h"
#include "arena/read/get.h"

void tell(struct teller *t, const char *format, ...)
{
	char text[640];
	va_list args;

	t->findings++;
	if (t->report == NULL || *t->stopped != 0 || t->findings > t->most)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (t->report(t->arg, text) != 0)
		*t->stopped = ECANCELED;
}

bool tell_record(struct teller *t, const struct map *m, const struct page_disk *page, uint64_t offset)
{
	const struct blob_disk *b = blob_at(m, offset);
	const char *seems = NULL;
	struct arena_blob shown;

	if (blob_verify(m, offset) && blob_is_record(b))
		return true;
	if (t->each != NULL && blob_fits(m, offset) && blob_is_record(b)) {
		blob_show(b, &shown);
		seems = t->each(t->each_arg, NULL, (vpos){b->name}, &shown);
	}
	tell(t, "record at %llu, in the table's page at %llu, is damaged%s%s", ULL(offset), ULL(blob_offset(m, page)),
	     seems != NULL ? "; it seems to be " : "", seems != NULL ? seems : "");
	return false;
}

bool tell_next(struct teller *t, struct table_iter *it, struct blob_disk **b)
{
	int r;

	while (*t->stopped == 0 && (r = table_iter_next(it, b)) != GRAVITY_NOTFOUND) {
		if (r == 0)
			return true;
		tell(t, "the table is damaged at %llu: names from %016llx on, %u bits deep", ULL(table_iter_offset(it)),
		     ULL(it->name), NODE_BITS * it->level);
		table_iter_skip(it);
	}
	return false;
}

static int chunk_next(void *arg, struct free_disk *chunk)
{
	uint64_t *next = arg;

	*next = chunk->next;
	return 0;
}

bool tell_list(struct teller *t, const struct map *m, const struct header_disk *h)
{
	uint64_t at = h->free_first;

	if (freelist_each(m, h, chunk_next, &at) == 0)
		return true;
	tell(t, "the free list of checkpoint %llu is damaged at %llu", ULL(h->checkpoint), ULL(at));
	return false;
}
