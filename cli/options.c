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
#include <string.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/sink.h"
#include "cli/wait.h"

/* Every verb has these two beside its own. */
enum { OPTION_HELP = 'h', OPTION_WAIT = 'w', OPTIONS_COMMON = 2 };

enum { OPTION_NONE = 1 }; /* what getopt returns for a word that is no option */

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

/* A letter behind one dash, which is no option here, is most often the first of a key or a value. */
static enum status option_refuse(const struct verb *verb, char **argv)
{
	const bool letter = optopt > ' ' && optopt < OPTION_FIRST;
	const char *word = argv[optind - 1];

	/* getopt has left a word of several letters at its first one. */
	if (letter && (word[0] != '-' || word[1] != optopt || word[2] != '\0'))
		word = argv[optind];
	if (!strstr(verb->synopsis, "KEY"))
		return options_wrong(verb, "bad option '%s'", word);
	return options_wrong(verb, "bad option '%s' (if it is a key or a value, put -- before it: -- %s)", word, word);
}

/* The nth word of the synopsis that is an operand and may not be left out. */
static void operand_name(const struct verb *verb, int nth, char out[16])
{
	const char *at = verb->synopsis;
	size_t size;

	for (;; at += size) {
		at += strspn(at, " ");
		size = *at == '[' ? strcspn(at, "]") + 1 : strcspn(at, " .");
		if (*at != '[' && nth-- == 0)
			break;
	}
	snprintf(out, 16, "%.*s", (int)size, at);
}

static bool operands_check(const struct verb *verb, const struct operands *operands, enum status *status)
{
	char name[16];

	if (operands->count < verb->min_operands) {
		operand_name(verb, operands->count, name);
		*status = options_wrong(verb, "%s is missing", name);
	} else if (operands->count > verb->max_operands) {
		*status = options_wrong(verb, "'%s' is one word too many (what holds spaces goes in quotes)",
					operands->items[verb->max_operands]);
	} else {
		return true;
	}
	return false;
}

/* Takes one option. False: the verb shall not go on, and *status is what it shall return. */
static bool option_take(const struct verb *verb, int found, char **argv, const struct option_spec *specs,
			enum status *status)
{
	switch (found) {
	case OPTION_HELP:
		*status = help_show(verb);
		return false;
	case OPTION_WAIT:
		if (wait_for(optarg))
			return true;
		*status = options_wrong(verb, "--wait needs a number of seconds, not '%s'", optarg);
		return false;
	case ':':
		*status = options_wrong(verb, "option '%s' needs an argument", argv[optind - 1]);
		return false;
	case '?':
		*status = option_refuse(verb, argv);
		return false;
	default:
		assert(found >= OPTION_FIRST);
		if (specs[found - OPTION_FIRST].arg)
			*specs[found - OPTION_FIRST].arg = optarg;
		else
			*specs[found - OPTION_FIRST].on = true;
		return true;
	}
}

/* The getopt of musl ends at a "-", and leaves it where it stands; that of glibc takes it for a word like any other. */
static int option_next(int argc, char **argv, const struct option *table)
{
	const int at = optind;
	const int found = getopt_long(argc, argv, "-:h", table, NULL);

	if (found != -1 || optind != at || at >= argc || strcmp(argv[at], "-") != 0)
		return found;
	optarg = argv[optind++];
	return OPTION_NONE;
}

/* The words are taken in their order (the '-' in the string of short options), so that it is known which of them stand
 * behind a "--". Operands are collected at the beginning of argv, which getopt has left behind. */
bool options_parse(const struct verb *verb, int argc, char **argv, const struct option_spec *specs,
		   struct operands *operands, enum status *status)
{
	struct option table[OPTIONS_MAX + OPTIONS_COMMON + 1];
	const bool posix = getenv("POSIXLY_CORRECT") != NULL;
	int found;

	options_prepare(specs, table);
	wait_none();
	*operands = (struct operands){.items = argv + 1};
	opterr = 0;
	while ((found = option_next(argc, argv, table)) != -1) {
		if (found == OPTION_NONE)
			operands->items[operands->count++] = optarg;
		else if (!option_take(verb, found, argv, specs, status))
			return false;
		if (found == OPTION_NONE && posix)
			break;
	}
	operands->plain = operands->count;
	while (optind < argc)
		operands->items[operands->count++] = argv[optind++];
	return operands_check(verb, operands, status);
}
