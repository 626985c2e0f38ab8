/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Output: standard output, or a file that appears when it is complete.
 *
 * Owns the stream and the temporary file. It knows no format.
 *
 * 1. A write that failed is never lost: the error is kept until sink_close, which says it.
 * 2. An existing file keeps its old content until the new one is complete and on the disk. */

#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/path.h"
#include "cli/sink.h"

enum { SINK_BUFFER_BYTES = 64 * 1024 };

void sink_stdout(struct sink *sink)
{
	static char buffer[SINK_BUFFER_BYTES];

	*sink = (struct sink){.file = stdout, .name = "standard output"};
	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
}

/* A name beside path that nobody else has; the file gets the permissions that a plain creation would give. */
static int temporary_open(struct sink *sink, const char *path)
{
	size_t size = strlen(path) + sizeof(".XXXXXX");
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	sink->temporary = malloc(size);
	if (!sink->temporary)
		return -1;
	snprintf(sink->temporary, size, "%s.XXXXXX", path);
	fd = mkstemp(sink->temporary);
	if (fd >= 0 && fchmod(fd, 0666 & ~mask) == 0)
		return fd;
	if (fd >= 0) {
		int error = errno;

		close(fd);
		unlink(sink->temporary);
		errno = error;
	}
	free(sink->temporary);
	sink->temporary = NULL;
	return -1;
}

static bool same_file(const char *path, const char *other)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

enum status sink_open(struct sink *sink, const char *path, const char *store_path, bool force)
{
	struct stat info;

	sink_stdout(sink);
	if (!path || strcmp(path, "-") == 0)
		return STATUS_DONE;
	sink->name = path;
	sink->file = NULL;
	if (same_file(path, store_path)) {
		say(path, "is the store itself");
		return STATUS_FAILED;
	}
	if (!force && path_is_store(path)) {
		say(path, "is a store itself (--force replaces it)");
		return STATUS_FAILED;
	}
	if (lstat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
		sink->file = fopen(path, "we");
	} else {
		int fd = temporary_open(sink, path);

		if (fd >= 0)
			sink->file = fdopen(fd, "w");
	}
	if (!sink->file)
		return say_path(path, PATH_OUTPUT, errno);
	setvbuf(sink->file, NULL, _IOFBF, SINK_BUFFER_BYTES);
	return STATUS_DONE;
}

static bool sink_note(struct sink *sink, bool written)
{
	if (!written && sink->error == 0)
		sink->error = errno ? errno : EIO;
	return written;
}

bool sink_write(struct sink *sink, const void *data, size_t size)
{
	assert(sink->file);
	if (sink->error)
		return false;
	sink->bytes += size;
	return size == 0 || sink_note(sink, fwrite(data, 1, size, sink->file) == size);
}

bool sink_text(struct sink *sink, const char *text)
{
	return sink_write(sink, text, strlen(text));
}

bool sink_byte(struct sink *sink, char byte)
{
	return sink_write(sink, &byte, 1);
}

bool sink_print(struct sink *sink, const char *format, ...)
{
	va_list args;
	int size;

	if (sink->error)
		return false;
	va_start(args, format);
	size = vfprintf(sink->file, format, args);
	va_end(args);
	if (size > 0)
		sink->bytes += (uint64_t)size;
	return sink_note(sink, size >= 0);
}

bool sink_flush(struct sink *sink)
{
	return sink->error == 0 && sink_note(sink, fflush(sink->file) == 0);
}

enum status sink_close(struct sink *sink, enum status status)
{
	bool keep;

	if (!sink->file)
		return status;
	sink_flush(sink);
	if (sink->temporary && status <= STATUS_ABSENT && sink->error == 0)
		sink_note(sink, fsync(fileno(sink->file)) == 0);
	if (fclose(sink->file) != 0)
		sink_note(sink, false);
	keep = status <= STATUS_ABSENT && sink->error == 0;
	if (sink->temporary && keep)
		keep = sink_note(sink, rename(sink->temporary, sink->name) == 0);
	if (sink->temporary && !keep)
		unlink(sink->temporary);
	free(sink->temporary);
	if (sink->error && status <= STATUS_ABSENT)
		status = sink->error == EPIPE ? STATUS_UNREAD : say_code(sink->name, sink->error);
	*sink = (struct sink){0};
	return status;
}
