/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Lines of input, of any length and with any bytes in them.
 *
 * Owns the descriptor and one buffer, as large as the longest line. It knows nothing of what a line means.
 *
 * A file from another system may begin with a byte order mark, and end its lines with a carriage return, too. The mark is
 * never text, since no format writes one there; whether the carriage return is, depends on the format.
 *
 * 1. start + searched <= buffer.size, and no newline stands in the searched bytes.
 * 2. Every byte is searched once, every byte of a line is moved at most once per refill: O(n) in all, because a refill
 *    follows only when less than half of the buffer is in use or the buffer doubles. */

#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/line.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

int lines_open(struct lines *lines, const char *path)
{
	struct stat info;

	*lines = (struct lines){.fd = STDIN_FILENO, .name = "standard input"};
	if (path && strcmp(path, "-") != 0) {
		lines->name = path;
		lines->fd = open(path, O_RDONLY | O_CLOEXEC);
		if (lines->fd < 0)
			return errno;
	}
	if (fstat(lines->fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > 0)
		lines->bytes_total = (uint64_t)info.st_size;
	return 0;
}

void lines_close(struct lines *lines)
{
	if (lines->fd > STDERR_FILENO)
		close(lines->fd);
	lines->fd = -1;
	buffer_release(&lines->buffer);
}

/* Reads once more, behind what is there. The used bytes leave first when that gives room enough for a read without
 * growing. */
static bool lines_fill(struct lines *lines)
{
	struct buffer *buffer = &lines->buffer;
	size_t got;

	if (lines->start > 0 && lines->start >= buffer->size / 2) {
		memmove(buffer->data, buffer->data + lines->start, buffer->size - lines->start);
		buffer->size -= lines->start;
		lines->start = 0;
	}
	lines->error = buffer_read(buffer, lines->fd, &got);
	if (lines->error)
		return false;
	lines->ended = got == 0;
	lines->bytes_read += got;
	return true;
}

/* Finds the newline of the next line, or NULL; remembers how far it looked. */
static char *lines_search(struct lines *lines)
{
	size_t left = lines->buffer.size - lines->start - lines->searched;
	char *found = NULL;

	assert(lines->start + lines->searched <= lines->buffer.size);
	if (left > 0)
		found = memchr(lines->buffer.data + lines->start + lines->searched, '\n', left);
	if (!found)
		lines->searched += left;
	return found;
}

bool lines_ready(struct lines *lines)
{
	return lines_search(lines) != NULL || lines->ended;
}

static void mark_skip(char **text, size_t *size)
{
	const size_t mark = sizeof(BYTE_ORDER_MARK) - 1;

	if (*size >= mark && memcmp(*text, BYTE_ORDER_MARK, mark) == 0) {
		*text += mark;
		*size -= mark;
	}
}

enum line_result lines_next(struct lines *lines, char **text, size_t *size)
{
	char *newline;

	while (!(newline = lines_search(lines)) && !lines->ended)
		if (!lines_fill(lines))
			return LINE_FAILED;
	if (!newline && lines->searched == 0)
		return LINE_END;
	*text = lines->buffer.data + lines->start;
	*size = newline ? (size_t)(newline - *text) : lines->searched;
	lines->start += *size + (newline ? 1 : 0);
	lines->searched = 0;
	lines->number++;
	if (lines->number == 1)
		mark_skip(text, size);
	if (!newline && *size == 0) {
		lines->number = 0; /* a mark alone: nothing */
		return LINE_END;
	}
	if (lines->crlf && *size > 0 && (*text)[*size - 1] == '\r')
		(*size)--;
	return LINE_ONE;
}
