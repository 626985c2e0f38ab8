/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_LINE_H
#define GKV_CLI_LINE_H

#include "cli/buffer.h"
#include "cli/cli.h"

enum line_result { LINE_ONE, LINE_END, LINE_FAILED };

/* The lines of a file or pipe. */
struct lines {
	int fd;
	const char *name;     /* for messages */
	struct buffer buffer; /* bytes read, `start` of them used up */
	size_t start;
	size_t searched; /* bytes after start that hold no newline */
	uint64_t number; /* of the line that was returned last, from 1 */
	uint64_t bytes_read;
	uint64_t bytes_total; /* of a regular file, else 0 */
	bool ended;
	bool crlf; /* a carriage return at the end of a line is not part of it */
	int error; /* errno after LINE_FAILED */
};

/* Opens path (NULL or "-": standard input). Returns 0 or an errno value. */
int lines_open(struct lines *lines, const char *path);
void lines_close(struct lines *lines);

/* The next line without its newline; the last one may lack it. A byte order mark (of UTF-8) before the first one is
 * skipped. The text may be changed in place, holds any bytes, and
 * lasts until the next call. */
enum line_result lines_next(struct lines *lines, char **text, size_t *size);

/* True when a whole line is there without reading, so that the next call cannot block. */
bool lines_ready(struct lines *lines);

#endif
