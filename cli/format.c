/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* What the formats have in common. Each of them has its own file. */

#include "cli/cli.h"

#include "cli/format.h"

enum read_result reader_refuse(struct reader *reader, const char *why)
{
	reader->why = why;
	return READ_BAD;
}

bool format_no_head(struct sink *sink, const gkv_stats *stats)
{
	(void)stats;
	return sink->error == 0;
}

bool format_no_tail(struct sink *sink)
{
	return sink->error == 0;
}
