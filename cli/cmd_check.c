/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv check: reads a whole store and says what does not verify. Findings and summary are messages and go to standard
 * error. */

#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/findings.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/wait.h"
#include "gkv.h"

static bool stats_read(const char *path, gkv_stats *stats)
{
	const gkv_options options = {.flags = GKV_RDONLY};
	gkv *db;
	int code;

	if (gkv_open(path, &options, &db) != GKV_OK)
		return false;
	code = gkv_stat(db, stats);
	(void)gkv_close(db);
	return code == GKV_OK;
}

/* What was read, as a sentence's end; nothing where the store cannot be opened. A check holds these counts against what
 * it has met, one by one. */
static void read_counts(const char *path, const char *before, char *out, size_t size)
{
	gkv_stats stats;

	out[0] = 0;
	if (stats_read(path, &stats))
		(void)snprintf(out, size, "%s%" PRIu64 " records, %" PRIu64 " pages of the table, %" PRIu64 " bytes",
			       before, stats.records, stats.table_pages, stats.file_bytes);
}

/* The same counts as JSON; they are not there where the store cannot be opened. */
static enum status check_report(struct findings *findings, enum status status)
{
	gkv_stats stats;

	findings_end(findings);
	sink_print(&findings->out, ",\"sound\":%s", status == STATUS_DONE ? "true" : "false");
	if (stats_read(findings->path, &stats))
		sink_print(&findings->out,
			   ",\"records\":%" PRIu64 ",\"table_pages\":%" PRIu64 ",\"file_bytes\":%" PRIu64,
			   stats.records, stats.table_pages, stats.file_bytes);
	return findings_close(findings, status);
}

static enum status check_run(const struct verb *verb, int argc, char **argv)
{
	bool quiet = false;
	struct findings findings = {0};
	const struct option_spec specs[] = {
		{"json", &findings.json, NULL}, {"quiet", &quiet, NULL}, {NULL, NULL, NULL}};
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
		code = gkv_check(findings.path, finding_take, &findings);
	while (wait_again(code));
	progress_stop(&progress);
	if (findings.json && (code == GKV_OK || code == GKV_CORRUPT))
		return check_report(&findings, status_of(code));
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
	.synopsis = "FILE [--json] [--quiet]",
	.summary = "read everything and say what does not verify",
	.help = "Reads the whole store and verifies it, without changing it. What does not verify is\n"
		"said on standard error, one sentence each, with its place in the file and its key, and\n"
		"gives exit status 3. At the end it says how much it has read.\n"
		"\n"
		"Options:\n"
		"  --json          one JSON object on standard output instead: findings, sound, and how much\n"
		"                  was read\n"
		"  --quiet         no progress and no summary; findings are still said\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = check_run,
};
