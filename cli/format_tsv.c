/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Tab-separated values: key, TAB, value, newline, with the escapes of escape.h. Any bytes survive.
 *
 * A reader takes a byte order mark at the beginning of the text for no part of it, so a key that begins with those bytes
 * is written with an escape.
 *
 * 1. A written line holds exactly one TAB; a line that is read must, too. */

#include "cli/cli.h"

#include <string.h>

#include "cli/escape.h"
#include "cli/escape_write.h"
#include "cli/format.h"

static bool key_write(struct sink *sink, gkv_bytes key)
{
	static const char mark[] = "\xef\xbb\xbf";

	if (key.size < sizeof(mark) - 1 || memcmp(key.data, mark, sizeof(mark) - 1) != 0)
		return escape_write(sink, key);
	return sink_text(sink, "\\xef") && escape_write(sink, (gkv_bytes){(const char *)key.data + 1, key.size - 1});
}

static bool tsv_write(struct sink *sink, const gkv_bytes *key, const gkv_bytes *val)
{
	if (!key_write(sink, *key))
		return false;
	if (val && !(sink_byte(sink, '\t') && escape_write(sink, *val)))
		return false;
	return sink_byte(sink, '\n');
}

static enum read_result tsv_read(struct reader *reader, gkv_bytes *key, gkv_bytes *val)
{
	char *text, *tab;
	size_t size, key_size, val_size;
	const enum read_result result = reader_line(reader, &text, &size);

	if (result != READ_RECORD)
		return result;
	tab = memchr(text, '\t', size);
	if (!tab)
		return reader_refuse(reader, "no TAB between key and value");
	key_size = (size_t)(tab - text);
	val_size = size - key_size - 1;
	if (memchr(tab + 1, '\t', val_size))
		return reader_refuse(reader, "more than one TAB (one in a value is written \\t)");
	if (!escape_read(text, key_size, &key_size, &reader->why) ||
	    !escape_read(tab + 1, val_size, &val_size, &reader->why))
		return READ_BAD;
	*key = (gkv_bytes){text, key_size};
	*val = (gkv_bytes){tab + 1, val_size};
	return READ_RECORD;
}

const struct format format_tsv = {format_no_head, tsv_write, format_no_tail, tsv_read};
