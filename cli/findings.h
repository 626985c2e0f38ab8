/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_FINDINGS_H
#define GKV_CLI_FINDINGS_H

#include "cli/cli.h"
#include "cli/sink.h"

/* What check and salvage find, a sentence each: said on standard error, or with json members of an object on standard
 * output, {"findings":["...",...], which findings_open begins with the first of them or before. */
struct findings {
	const char *path;
	uint64_t count;
	bool json;
	bool opened;
	struct sink out;
};

/* A gkv_report; arg is the struct findings. */
int finding_take(void *arg, const char *finding);

/* With json: the object up to the end of the findings. What the verb writes next begins with a comma. */
void findings_end(struct findings *findings);

/* With json: the end of the object. Returns the status, or that of an output which could not be written. */
enum status findings_close(struct findings *findings, enum status status);

/* Writes text as a string of JSON, with its quotes. Bytes that are not UTF-8 become question marks. */
bool json_text_write(struct sink *sink, const char *text);

#endif
