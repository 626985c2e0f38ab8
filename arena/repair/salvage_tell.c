/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage_tell.c owns what the owner of a salvage hears of it: nothing any more once it has ended it. */
#include "arena/repair/salvage.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "arena/file/blob.h"

void salvage_tell(struct salvage *s, const char *format, ...)
{
	const struct arena_salvage_options *o = s->options;
	char text[256];
	va_list args;

	if (s->pace.stopped != 0)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (o->report(o->arg, text) != 0)
		s->pace.stopped = ECANCELED;
}

void salvage_give(struct salvage *s, enum arena_fate fate, uint64_t offset)
{
	const struct blob_disk *b = blob_at(&s->map, offset);
	struct arena_blob shown = {.data = NULL};

	if (s->pace.stopped != 0)
		return;
	if (blob_fits(&s->map, offset))
		shown = (struct arena_blob){.data = b + 1, .size = b->size, .seq = blob_seq(b), .aux = b->aux};
	s->pace.stopped = s->options->each(s->options->arg, fate, offset, &shown);
}
