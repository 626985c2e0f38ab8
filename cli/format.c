/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* What the formats have in common. Each of them has its own file. */

#include "cli/cli.h"

#include <string.h>

#include "cli/format.h"

enum read_result reader_refuse(struct reader *reader, const char *why)
{
	reader->why = why;
	return READ_BAD;
}

enum read_result reader_line(struct reader *reader, char **text, size_t *size)
{
	const enum line_result result = lines_next(&reader->lines, text, size);

	return result == LINE_ONE ? READ_RECORD : result == LINE_END ? READ_END : READ_FAILED;
}

bool text_is(const char *text, size_t size, const char *expected)
{
	return size == strlen(expected) && memcmp(text, expected, size) == 0;
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
