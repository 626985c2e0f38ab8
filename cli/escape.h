/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_ESCAPE_H
#define GKV_CLI_ESCAPE_H

#include "cli/cli.h"
#include "cli/sink.h"
#include "gkv.h"

/* The escapes of the text formats: \t \n \r \0 \\ for the bytes they name, \s for a space, \xHH for any byte. Written
 * are those that are needed: control bytes (0x00 to 0x1f, 0x7f) and the backslash. All other bytes stand for
 * themselves, those from 0x80 on too. */

bool escape_write(struct sink *sink, gkv_bytes bytes);

/* The same into a string that ends with NUL; it is cut where it does not fit. */
void escape_string(char *out, size_t capacity, gkv_bytes bytes);

/* Takes the escapes out of text, in place. False: *why says what is wrong. */
bool escape_read(char *text, size_t size, size_t *new_size, const char **why);

/* The value of a hexadecimal digit, or -1. */
int hex_digit(char c);

#endif
