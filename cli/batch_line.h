/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_BATCH_LINE_H
#define GKV_CLI_BATCH_LINE_H

#include "cli/cli.h"
#include "gkv.h"

enum batch_verb { BATCH_NOTHING /* an empty line or a comment */, BATCH_PUT, BATCH_GET, BATCH_DEL };

struct batch_line {
	enum batch_verb verb;
	gkv_bytes key;
	gkv_bytes val; /* of BATCH_PUT */
};

/* Reads one line of gkv batch; its text is changed in place and is what key and val point into. Where the line holds a
 * TAB, TABs part the fields behind the verb, each exactly one, so that fields may be empty and hold spaces. Otherwise
 * spaces do, and the value is the rest of the line. Both know the escapes of escape.h. False: *why says what is
 * wrong. */
bool batch_line_read(char *text, size_t size, struct batch_line *line, const char **why);

#endif
