/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* error.c: one table of codes and texts. */
#define _GNU_SOURCE /* strerrordesc_np */
#include "arena/gravity.h"

#include <string.h>

/* Thread-safe, static and in English. glibc has it under a name of its own, and translates in strerror; what musl gives in
 * strerror is that. */
#if defined(__GLIBC__)
#define system_text(code) strerrordesc_np(code)
#else
#define system_text(code) strerror(code)
#endif

static const char *const error_text[] = {
	[0] = "done",
	[-GRAVITY_NOTFOUND] = "not found",
	[-GRAVITY_EXISTS] = "exists already",
	[-GRAVITY_BUSY] = "in use by another opener or transaction",
	[-GRAVITY_FULL] = "the size limit of the store is reached",
	[-GRAVITY_TOOBIG] = "key or value too long",
	[-GRAVITY_CORRUPT] = "the store is damaged",
	[-GRAVITY_NOTASTORE] = "not a store of this kind",
	[-GRAVITY_BADVERSION] = "written by a format version that this build does not read",
	[-GRAVITY_READONLY] = "opened for reading only",
	[-GRAVITY_INVALID] = "invalid call",
	[-GRAVITY_SHORTBUF] = "the buffer is too small",
	[-GRAVITY_FAILED] = "an earlier flush failed; reopen the store",
	[-GRAVITY_READERS] = "too many open snapshots",
};

const char *gravity_strerror(int code)
{
	const char *text;

	if (code <= 0) {
		const unsigned count = sizeof error_text / sizeof error_text[0];
		const unsigned index = 0u - (unsigned)code;
		return index < count ? error_text[index] : "unknown error";
	}
	text = system_text(code);
	return text != NULL ? text : "unknown system error";
}
