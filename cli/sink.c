/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Output: standard output, or a file that appears when it is complete.
 *
 * Owns the stream. It knows no format, and outfile.c how a file gets its name.
 *
 * 1. A write that failed is never lost: the error is kept until sink_close, which says it.
 * 2. An existing file keeps its old content until the new one is complete and on the disk. */

#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/sink.h"

enum { SINK_BUFFER_BYTES = 64 * 1024 };

#define STDOUT_INSTEAD "give a file or a pipe as standard output, or /dev/null"

void sink_stdout(struct sink *sink)
{
	static char buffer[SINK_BUFFER_BYTES];

	*sink = (struct sink){.file = stdout, .name = "standard output"};
	if (!isatty(STDOUT_FILENO))
		setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
}

static bool same_file(const char *path, const char *other)
{
	struct stat a, b;

	return stat(path, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

enum status sink_open(struct sink *sink, const char *path, const char *store_path, bool force)
{
	bool in_place;

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
	in_place = !outfile_replaces(path);
	/* What has no name yet is taken away again, and said to be. */
	if (!in_place)
		progress_catch_signals();
	if (in_place)
		sink->file = fopen(path, "we");
	else if (outfile_open(&sink->target, path, store_path))
		sink->file = fdopen(sink->target.fd, "w");
	if (!sink->file)
		return say_path(path, PATH_OUTPUT, errno);
	sink->pending = !in_place;
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

/* The file gets its name while it is open, and after a flush: what fclose could still say changes nothing of it. */
static void pending_publish(struct sink *sink)
{
	if (sink_note(sink, fsync(fileno(sink->file)) == 0))
		sink_note(sink, outfile_publish(&sink->target));
}

enum status sink_close(struct sink *sink, enum status status)
{
	if (!sink->file)
		return status;
	sink_flush(sink);
	if (sink->pending && status <= STATUS_ABSENT && sink->error == 0)
		pending_publish(sink);
	if (fclose(sink->file) != 0)
		sink_note(sink, false);
	if (sink->pending)
		outfile_release(&sink->target);
	if (sink->error && status <= STATUS_ABSENT)
		status = sink->error == EPIPE ? STATUS_UNREAD : say_stream(sink->name, sink->error, STDOUT_INSTEAD);
	*sink = (struct sink){0};
	return status;
}
