/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Messages: everything that the command says on standard error.
 *
 * Owns the form of a message and the way from a code to an exit status. It never ends the process: the status goes up
 * to main.
 *
 * 1. One message is one line, whatever bytes a key holds. */

#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "cli/escape.h"
#include "cli/message.h"
#include "cli/progress.h"

enum { KEY_SHOWN_BYTES = 64 };

void say(const char *about, const char *format, ...)
{
	va_list args;

	progress_hide();
	fprintf(stderr, "gkv: %s: ", about);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

enum status status_of(int code)
{
	switch (code) {
	case GKV_OK:
		return STATUS_DONE;
	case GKV_NOTFOUND:
		return STATUS_ABSENT;
	case GKV_CORRUPT:
		return STATUS_DAMAGED;
	default:
		return STATUS_FAILED;
	}
}

const char *code_text(int code)
{
	switch (code) {
	case GKV_CORRUPT:
		return "the store is damaged (gkv check says where, gkv salvage saves what is whole)";
	case GKV_BADVERSION:
		return "written by a format version that this gkv does not read (the gkv that wrote it can dump it)";
	case GKV_TOOBIG:
		return "key or value too long (at most 65,535 and 4,000,000,000 bytes)";
	case EFBIG:
		return "File too large for the file system, or for this process (ulimit -f)";
	default:
		return gkv_strerror(code);
	}
}

enum status say_code(const char *about, int code)
{
	say(about, "%s", code_text(code));
	return status_of(code);
}

enum status say_stream(const char *stream, int code, const char *instead)
{
	if (code != EBADF)
		return say_code(stream, code);
	say(stream, "is closed; %s", instead);
	return STATUS_FAILED;
}

void say_absent(const char *about, gkv_bytes key)
{
	say_key(about, "key not found", key);
}

void say_key(const char *about, const char *what, gkv_bytes key)
{
	char shown[4 * KEY_SHOWN_BYTES + 1];
	bool cut = key.size > KEY_SHOWN_BYTES;

	if (cut)
		key.size = KEY_SHOWN_BYTES;
	escape_string(shown, sizeof(shown), key);
	say(about, "%s: %s%s", what, shown, cut ? "..." : "");
}
