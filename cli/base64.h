/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_BASE64_H
#define GKV_CLI_BASE64_H

#include "cli/cli.h"
#include "cli/sink.h"
#include "gkv.h"

/* Base64 by RFC 4648, section 4: with padding, without line breaks. */

bool base64_write(struct sink *sink, gkv_bytes bytes);

/* Decodes in place. False: the text is not base64 (wrong length, a strange character, bits behind the last byte). */
bool base64_read(char *text, size_t size, size_t *new_size);

#endif
