/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The command `gkv`: finds the verb and runs it.
 *
 * Owns the table of verbs and the state of the process (standard descriptors, signals). It opens no store itself.
 *
 * 1. Descriptors 0, 1 and 2 are taken before any file is opened, so output never lands in a store.
 * 2. A reader that goes away, and a file that reaches the size limit of the process, are failed writes (EPIPE, EFBIG)
 *    and not signals, so that the store is closed in order whatever happens to the output. */

#include "cli/cli.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/sink.h"
#include "gkv.h"

static const struct verb *const verbs[] = {
	&verb_put,   &verb_get,  &verb_del, &verb_list,  &verb_count,   &verb_load,    &verb_dump,
	&verb_batch, &verb_stat, &verb_map, &verb_check, &verb_salvage, &verb_compact, &verb_backup,
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

/* A closed descriptor is replaced by one that refuses the use it is meant for: reading from a closed standard input
 * and writing to a closed standard output then fail as they should, and no store can get the number. */
static bool descriptors_take(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) != -1)
			continue;
		if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	}
	return true;
}

static void usage_write(struct sink *out)
{
	sink_text(out, "Usage: gkv VERB [OPTION]... FILE [OPERAND]...\n"
		       "\n"
		       "Works on FILE, an embeddable key-value store.\n"
		       "\n");
	for (size_t i = 0; i < VERB_COUNT; i++) {
		sink_print(out, "  gkv %-8s%s\n", verbs[i]->name, verbs[i]->synopsis);
		sink_print(out, "              %s\n", verbs[i]->summary);
	}
	sink_text(out, "\n"
		       "  gkv VERB --help    the options of one verb\n"
		       "  gkv --version      the version of the library\n"
		       "\n"
		       "With --wait[=SECONDS] every verb waits for a FILE that another process has open.\n"
		       "\n"
		       "Exit status: 0 done; 1 a key was not found; 2 wrong usage; 3 a damaged store;\n"
		       "4 any other failure; 141 nobody reads the output any more.\n"
		       "Values go to standard output, messages to standard error.\n");
}

static void version_write(struct sink *out)
{
	sink_print(out, "gkv %s\n", gkv_version());
}

static int text_show(void (*write)(struct sink *out))
{
	struct sink out;

	sink_stdout(&out);
	write(&out);
	return (int)sink_close(&out, STATUS_DONE);
}

static const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < VERB_COUNT; i++)
		if (strcmp(verbs[i]->name, name) == 0)
			return verbs[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	if (!descriptors_take())
		return STATUS_FAILED;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	if (argc < 2) {
		say("usage", "gkv put FILE KEY VALUE    stores a value, and makes FILE where there is none\n"
			     "            gkv get FILE KEY          writes it to standard output\n"
			     "            gkv --help                names everything else");
		return STATUS_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return text_show(usage_write);
	if (strcmp(argv[1], "--version") == 0)
		return text_show(version_write);
	verb = verb_find(argv[1]);
	if (!verb) {
		if (argc > 2 && verb_find(argv[2]))
			say(argv[1], "no such verb (the verb goes first: gkv %s %s)", argv[2], argv[1]);
		else
			say(argv[1], "no such verb (gkv --help names them)");
		return STATUS_USAGE;
	}
	return (int)verb->run(verb, argc - 1, argv + 1);
}
