/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The options of a verb, through getopt_long.
 *
 * Owns the reading of the command line and the text of --help. It knows no verb: each brings its own table. */

#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/sink.h"
#include "cli/wait.h"

/* Every verb has these two beside its own. */
enum { OPTION_HELP = 'h', OPTION_WAIT = 'w', OPTIONS_COMMON = 2 };

enum { OPTIONS_MAX = 12, OPTION_FIRST = 256 };

enum status options_wrong(const struct verb *verb, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	say(verb->name, "%s", text);
	fprintf(stderr, "Usage: gkv %s %s\n", verb->name, verb->synopsis);
	return STATUS_USAGE;
}

bool options_count(const char *text, uint64_t *count)
{
	char *end;
	unsigned long long number;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || number == 0)
		return false;
	*count = number;
	return true;
}

static enum status help_show(const struct verb *verb)
{
	struct sink out;

	sink_stdout(&out);
	sink_print(&out, "Usage: gkv %s %s\n\n", verb->name, verb->synopsis);
	sink_text(&out, verb->help);
	sink_text(&out, "  --wait[=SECONDS]\n"
			"                  wait while another process has FILE open; without a number, for ever\n"
			"  --help          show this text\n");
	return sink_close(&out, STATUS_DONE);
}

/* Turns the verb's table into the one that getopt_long takes; option i gets the value OPTION_FIRST + i. */
static void options_prepare(const struct option_spec *specs, struct option *table)
{
	int count = 0;

	for (; specs[count].name; count++) {
		assert(count < OPTIONS_MAX);
		table[count] = (struct option){
			.name = specs[count].name,
			.has_arg = specs[count].arg ? required_argument : no_argument,
			.val = OPTION_FIRST + count,
		};
	}
	table[count] = (struct option){.name = "help", .has_arg = no_argument, .val = OPTION_HELP};
	table[count + 1] = (struct option){.name = "wait", .has_arg = optional_argument, .val = OPTION_WAIT};
	table[count + OPTIONS_COMMON] = (struct option){.name = NULL};
}

/* A short option is known by its letter alone: it may stand in the middle of a word. */
static enum status option_refuse(const struct verb *verb, char **argv)
{
	if (optopt > ' ' && optopt < OPTION_FIRST)
		return options_wrong(verb, "bad option '-%c'", optopt);
	return options_wrong(verb, "bad option '%s'", argv[optind - 1]);
}

static bool operands_check(const struct verb *verb, const struct operands *operands, enum status *status)
{
	if (operands->count < verb->min_operands)
		*status = options_wrong(verb, "an operand is missing");
	else if (operands->count > verb->max_operands)
		*status = options_wrong(verb, "too many operands");
	else
		return true;
	return false;
}

bool options_parse(const struct verb *verb, int argc, char **argv, const struct option_spec *specs,
		   struct operands *operands, enum status *status)
{
	struct option table[OPTIONS_MAX + OPTIONS_COMMON + 1];
	int found;

	options_prepare(specs, table);
	wait_none();
	opterr = 0;
	while ((found = getopt_long(argc, argv, ":h", table, NULL)) != -1) {
		if (found == OPTION_HELP) {
			*status = help_show(verb);
			return false;
		}
		if (found == OPTION_WAIT) {
			if (wait_for(optarg))
				continue;
			*status = options_wrong(verb, "--wait needs a number of seconds, not '%s'", optarg);
			return false;
		}
		if (found == ':') {
			*status = options_wrong(verb, "option '%s' needs an argument", argv[optind - 1]);
			return false;
		}
		if (found < OPTION_FIRST) {
			*status = option_refuse(verb, argv);
			return false;
		}
		if (specs[found - OPTION_FIRST].arg)
			*specs[found - OPTION_FIRST].arg = optarg;
		else
			*specs[found - OPTION_FIRST].on = true;
	}
	operands->count = argc - optind;
	operands->items = argv + optind;
	return operands_check(verb, operands, status);
}
