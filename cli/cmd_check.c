/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv check: reads a whole store and says what does not verify. Findings and summary are messages and go to standard
 * error. */

#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/wait.h"
#include "gkv.h"

struct findings {
	const char *path;
	uint64_t count;
};

static int finding_say(void *arg, const char *finding)
{
	struct findings *findings = arg;

	say(findings->path, "%s", finding);
	findings->count++;
	return 0;
}

/* What was read, as a sentence's end; nothing where the store cannot be opened. A check holds these counts against what
 * it has met, one by one. */
static void read_counts(const char *path, const char *before, char *out, size_t size)
{
	const gkv_options options = {.flags = GKV_RDONLY};
	gkv_stats stats;
	gkv *db;

	out[0] = 0;
	if (gkv_open(path, &options, &db) != GKV_OK)
		return;
	if (gkv_stat(db, &stats) == GKV_OK)
		(void)snprintf(out, size, "%s%" PRIu64 " records, %" PRIu64 " pages of the table, %" PRIu64 " bytes", before,
			       stats.records, stats.table_pages, stats.file_bytes);
	(void)gkv_close(db);
}

static enum status check_run(const struct verb *verb, int argc, char **argv)
{
	bool quiet = false;
	const struct option_spec specs[] = {{"quiet", &quiet, NULL}, {NULL, NULL, NULL}};
	struct findings findings = {0};
	struct operands operands;
	struct progress progress;
	enum status status;
	char counts[160];
	int code;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	findings.path = operands.items[0];
	progress_start(&progress, "check", quiet);
	do
		code = gkv_check(findings.path, finding_say, &findings);
	while (wait_again(code));
	progress_stop(&progress);
	if (!quiet)
		read_counts(findings.path, code == GKV_OK ? ": " : " in ", counts, sizeof(counts));
	if (code == GKV_OK) {
		if (!quiet)
			say(findings.path, "sound%s", counts);
		return STATUS_DONE;
	}
	status = code == GKV_CORRUPT ? STATUS_DAMAGED : say_path(findings.path, PATH_STORE, code);
	if (status == STATUS_DAMAGED)
		say(findings.path, "the store is damaged (gkv salvage saves what is whole)");
	if (findings.count > 0 && !quiet)
		say(findings.path, "%" PRIu64 " findings%s", findings.count, counts);
	return status;
}

const struct verb verb_check = {
	.name = "check",
	.synopsis = "FILE [--quiet]",
	.summary = "read everything and say what does not verify",
	.help = "Reads the whole store and verifies it, without changing it. What does not verify is\n"
		"said on standard error, one sentence each, with its place in the file and its key, and\n"
		"gives exit status 3. At the end it says how much it has read.\n"
		"\n"
		"Options:\n"
		"  --quiet         no progress and no summary; findings are still said\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = check_run,
};
