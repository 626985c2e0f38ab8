/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_UTF8_H
#define GKV_CLI_UTF8_H

#include "cli/cli.h"

/* True when the bytes are UTF-8 by RFC 3629: shortest forms only, no surrogates, nothing above U+10FFFF. */
bool utf8_valid(const void *data, size_t size);

/* Writes one code point, 1 to 4 bytes, and returns their number. The code point is at most U+10FFFF. */
size_t utf8_encode(char out[4], uint32_t code_point);

#endif
