/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_SINK_H
#define GKV_CLI_SINK_H

#include <stdio.h>

#include "cli/cli.h"
#include "cli/outfile.h"

/* Where values go: standard output, or a file. After a write that failed every further one returns false, so a caller
 * may look at the last one only. */
struct sink {
	FILE *file;
	const char *name; /* for messages */
	struct outfile target;
	bool pending;   /* the file gets its name, `target`, when it is complete; otherwise it is written in place */
	uint64_t bytes; /* written so far */
	int error;      /* errno of the first write that failed */
};

void sink_stdout(struct sink *sink);

/* Opens path (NULL or "-": standard output). A regular file, also at the end of a link, appears under its name only when
 * it is complete, and is no easier to read than the store; anything else (a device, a pipe) is written in place. A path
 * that is the store itself is refused, and without force one that is another store. Anything but STATUS_DONE was said
 * already. */
enum status sink_open(struct sink *sink, const char *path, const char *store_path, bool force);

bool sink_write(struct sink *sink, const void *data, size_t size);
bool sink_text(struct sink *sink, const char *text);
bool sink_byte(struct sink *sink, char byte);
bool sink_print(struct sink *sink, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool sink_flush(struct sink *sink);

/* Writes out what is buffered and closes. A failed write is said here, once, and gives STATUS_FAILED where status was
 * not a failure; if it failed because nobody reads the output any more, nothing is said, and it is STATUS_UNREAD. With a status above STATUS_ABSENT a file that was being written is given up. */
enum status sink_close(struct sink *sink, enum status status);

#endif
