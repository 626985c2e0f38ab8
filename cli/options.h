/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_OPTIONS_H
#define GKV_CLI_OPTIONS_H

#include "cli/cli.h"

/* One long option: a switch sets *on, one with an argument sets *arg. A table of them ends with a NULL name. */
struct option_spec {
	const char *name;
	bool *on;
	const char **arg;
};

struct operands {
	int count;
	char **items;
	int plain; /* how many stood before a "--" */
};

/* Reads the options of a verb (options may follow operands; "--" ends them) and checks the number of operands. --help
 * and --wait, which every verb has, are not in its table; --wait is what wait.h then goes by.
 * Returns true when the verb shall go on. Otherwise *status is what it shall return: --help was shown, or the command
 * line is wrong and that was said. */
bool options_parse(const struct verb *verb, int argc, char **argv, const struct option_spec *specs,
		   struct operands *operands, enum status *status);

/* Says that the command line is wrong, and how, and returns STATUS_USAGE. */
enum status options_wrong(const struct verb *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A whole number of at least 1. False: not one. */
bool options_count(const char *text, uint64_t *count);

#endif
