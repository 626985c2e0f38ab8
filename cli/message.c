/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Messages: everything that the command says on standard error.
 *
 * Owns the form of a message and the way from a code to an exit status. It never ends the process: the status goes up
 * to main.
 *
 * 1. One message is one line, whatever bytes a key holds. */

#include "cli/cli.h"

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

enum status say_code(const char *about, int code)
{
	say(about, "%s", gkv_strerror(code));
	return status_of(code);
}

void say_absent(const char *about, gkv_bytes key)
{
	char shown[4 * KEY_SHOWN_BYTES + 1];
	bool cut = key.size > KEY_SHOWN_BYTES;

	if (cut)
		key.size = KEY_SHOWN_BYTES;
	escape_string(shown, sizeof(shown), key);
	say(about, "key not found: %s%s", shown, cut ? "..." : "");
}
