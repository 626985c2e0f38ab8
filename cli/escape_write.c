/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Escaped bytes into a sink: what escape_string does, of any length. */

#include "cli/cli.h"

#include "cli/escape.h"
#include "cli/escape_write.h"

bool escape_write(struct sink *sink, gkv_bytes bytes)
{
	const unsigned char *from = bytes.data;
	size_t run = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		char out[4];
		size_t size;

		if (escape_plain(from[i]))
			continue;
		size = escape_byte(out, from[i]);
		if (!sink_write(sink, from + run, i - run) || !sink_write(sink, out, size))
			return false;
		run = i + 1;
	}
	return run == bytes.size || sink_write(sink, from + run, bytes.size - run);
}
