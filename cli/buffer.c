/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* A growing run of bytes. Growth doubles, so n bytes cost O(n) copies in all. */

#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/buffer.h"

enum { BUFFER_FIRST_BYTES = 64 * 1024, READ_BYTES = 256 * 1024 };

bool buffer_reserve(struct buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_FIRST_BYTES;
	char *data;

	assert(buffer->size <= buffer->capacity);
	if (more <= buffer->capacity - buffer->size)
		return true;
	if (more > SIZE_MAX / 4 || buffer->size > SIZE_MAX / 4)
		return false;
	while (capacity - buffer->size < more || capacity < buffer->size)
		capacity *= 2;
	data = realloc(buffer->data, capacity);
	if (!data)
		return false;
	buffer->data = data;
	buffer->capacity = capacity;
	return true;
}

bool buffer_set(struct buffer *buffer, const void *data, size_t size)
{
	size_t before = buffer->size;

	buffer->size = 0;
	if (!buffer_reserve(buffer, size)) {
		buffer->size = before;
		return false;
	}
	if (size > 0)
		memcpy(buffer->data, data, size);
	buffer->size = size;
	return true;
}

int buffer_read(struct buffer *buffer, int fd, size_t *got)
{
	ssize_t size;

	if (!buffer_reserve(buffer, READ_BYTES))
		return ENOMEM;
	do {
		size = read(fd, buffer->data + buffer->size, READ_BYTES);
	} while (size < 0 && errno == EINTR);
	if (size < 0)
		return errno;
	*got = (size_t)size;
	buffer->size += *got;
	return 0;
}

void buffer_release(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){0};
}
