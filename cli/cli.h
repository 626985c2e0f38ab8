/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_H
#define GKV_CLI_H

/* What every file of the command shares: the exit statuses and the table of verbs. It is the first include of each .c
 * file here, because the line below has to stand before any system header (getopt_long, fdopen and the like). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum status {
	STATUS_DONE = 0,
	STATUS_ABSENT = 1,  /* a key was not found */
	STATUS_USAGE = 2,   /* the command line is wrong */
	STATUS_DAMAGED = 3, /* the store does not verify */
	STATUS_FAILED = 4,  /* everything else */
	STATUS_UNREAD = 141 /* nobody reads the output any more: what a shell shows of a program that SIGPIPE ended */
};

struct verb {
	const char *name;
	const char *synopsis; /* what follows "gkv NAME" */
	const char *summary;  /* one line, for `gkv --help` */
	const char *help;     /* the rest of `gkv NAME --help` */
	int min_operands;
	int max_operands;
	enum status (*run)(const struct verb *verb, int argc, char **argv);
};

extern const struct verb verb_put;
extern const struct verb verb_get;
extern const struct verb verb_del;
extern const struct verb verb_list;
extern const struct verb verb_count;
extern const struct verb verb_load;
extern const struct verb verb_dump;
extern const struct verb verb_batch;
extern const struct verb verb_stat;
extern const struct verb verb_map;
extern const struct verb verb_check;
extern const struct verb verb_salvage;
extern const struct verb verb_compact;
extern const struct verb verb_backup;

#endif
