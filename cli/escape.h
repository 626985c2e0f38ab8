/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_ESCAPE_H
#define GKV_CLI_ESCAPE_H

#include "cli/cli.h"
#include "gkv.h"

/* The escapes of the text formats: \t \n \r \0 \\ for the bytes they name, \s for a space, \xHH for any byte. Written
 * are those that are needed: control bytes (0x00 to 0x1f, 0x7f) and the backslash. All other bytes stand for
 * themselves, those from 0x80 on too. */

/* Whether a byte stands for itself; and the escape of one that does not: two or four characters into out, their number
 * returned. */
bool escape_plain(unsigned char c);
size_t escape_byte(char out[4], unsigned char c);

/* Into a string that ends with NUL; it is cut where it does not fit. */
void escape_string(char *out, size_t capacity, gkv_bytes bytes);

/* Takes the escapes out of text, in place. False: *why says what is wrong. */
bool escape_read(char *text, size_t size, size_t *new_size, const char **why);

/* The value of a hexadecimal digit, or -1. */
int hex_digit(char c);

#endif
