/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_BUFFER_H
#define GKV_CLI_BUFFER_H

#include "cli/cli.h"

/* Bytes that grow. A zeroed buffer is an empty one. */
struct buffer {
	char *data;
	size_t size;
	size_t capacity;
};

/* Makes room for `more` bytes after the ones in use. False: no memory, nothing changed. */
bool buffer_reserve(struct buffer *buffer, size_t more);

/* Replaces what the buffer holds. False: no memory, nothing changed. */
bool buffer_set(struct buffer *buffer, const void *data, size_t size);

/* Reads once, behind what is there. 0 with *got the number of bytes, 0 at the end; or an errno value. */
int buffer_read(struct buffer *buffer, int fd, size_t *got);
void buffer_release(struct buffer *buffer);

#endif
