/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_MESSAGE_H
#define GKV_CLI_MESSAGE_H

#include "cli/cli.h"
#include "gkv.h"

/* Prints "gkv: ABOUT: TEXT" and a newline to standard error, after a progress bar was taken away. ABOUT is the file,
 * the stream or the verb that the message is about. */
void say(const char *about, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a GKV_* code or errno value means, with what helps where that is known. Static text. */
const char *code_text(int code);

/* Says that, and returns the exit status for it. */
enum status say_code(const char *about, int code);

/* Of a standard stream, too; a closed one is said to be closed, with what to do instead. */
enum status say_stream(const char *stream, int code, const char *instead);

/* The exit status for a GKV_* code or errno value, without a word. */
enum status status_of(int code);

/* Says something of a key: control bytes escaped, a long key shortened. */
void say_key(const char *about, const char *what, gkv_bytes key);

/* Says that a key was not found. */
void say_absent(const char *about, gkv_bytes key);

#endif
