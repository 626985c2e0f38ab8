/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv salvage: takes what can still be read of a damaged store into a new one. Findings and summary are messages and go
 * to standard error. */

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "cli/findings.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/wait.h"
#include "gkv.h"

/* The codes of the library are about the damaged store; what the system refuses is about the new one, unless it does not
 * let us read the damaged one. */
static const char *failure_about(int code, const char *path, const char *dest)
{
	if (code < 0 || (code != EEXIST && access(path, R_OK) != 0))
		return path;
	return code == EISDIR || code == EIO ? path : dest;
}

struct salvage {
	struct findings findings;
	struct progress progress;
};

static int salvage_finding(void *arg, const char *finding)
{
	struct salvage *salvage = arg;

	return finding_take(&salvage->findings, finding);
}

static int salvage_step(void *arg, uint64_t done, uint64_t total)
{
	struct salvage *salvage = arg;

	return progress_step(&salvage->progress, done, total);
}

/* dest NULL: there is none, since nothing could be verified. */
static enum status salvage_report(struct findings *findings, const char *dest)
{
	const bool sound = dest && findings->count == 0;

	findings_end(findings);
	sink_print(&findings->out, ",\"sound\":%s,\"dest\":", sound ? "true" : "false");
	if (dest)
		json_text_write(&findings->out, dest);
	else
		sink_text(&findings->out, "null");
	return findings_close(findings, sound ? STATUS_DONE : STATUS_DAMAGED);
}

static enum status salvage_failed(struct findings *findings, const char *dest, int code)
{
	const char *about = failure_about(code, findings->path, dest);
	enum status status = STATUS_FAILED;

	if (code == ECANCELED)
		say(dest, "interrupted; no store was made");
	else
		status = say_path(about, about == dest ? PATH_OUTPUT : PATH_STORE, code);
	if (findings->opened)
		findings_end(findings);
	return findings_close(findings, status);
}

/* A store that is in use is not waited for any more once a signal asked to stop. */
static int salvage_do(struct salvage *salvage, const char *dest)
{
	int code;

	progress_catch_signals();
	do
		code = gkv_salvage_progress(salvage->findings.path, dest, salvage_finding, salvage_step, salvage);
	while (!progress_interrupted() && wait_again(code));
	return code == GKV_BUSY && progress_interrupted() ? ECANCELED : code;
}

static enum status salvage_run(const struct verb *verb, int argc, char **argv)
{
	bool quiet = false;
	struct salvage salvage = {0};
	struct findings *findings = &salvage.findings;
	const struct option_spec specs[] = {
		{"json", &findings->json, NULL}, {"quiet", &quiet, NULL}, {NULL, NULL, NULL}};
	struct operands operands;
	enum status status;
	const char *dest;
	int code;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	findings->path = operands.items[0];
	dest = operands.items[1];
	progress_start(&salvage.progress, "salvage", quiet);
	code = salvage_do(&salvage, dest);
	progress_stop(&salvage.progress);
	if (findings->json && (code == GKV_OK || code == GKV_CORRUPT))
		return salvage_report(findings, code == GKV_OK ? dest : NULL);
	if (code == GKV_CORRUPT) {
		say(findings->path, "the store is damaged, and nothing in it can be verified; there is no %s", dest);
		return STATUS_DAMAGED;
	}
	if (code != GKV_OK)
		return salvage_failed(findings, dest, code);
	if (findings->count == 0) {
		if (!quiet)
			say(findings->path, "sound; every record is in %s", dest);
		return STATUS_DONE;
	}
	if (!quiet)
		say(findings->path, "%" PRIu64 " findings; what could be read is in %s", findings->count, dest);
	return STATUS_DAMAGED;
}

const struct verb verb_salvage = {
	.name = "salvage",
	.synopsis = "FILE DEST [--json] [--quiet]",
	.summary = "take what can still be read of a damaged store into a new one",
	.help = "Copies the newest whole record of every key that can still be read in FILE into a new\n"
		"store DEST. DEST must not exist, and appears only when it is complete; FILE is never\n"
		"changed. The interrupt key stops it. What is lost, and each record that nothing but\n"
		"itself confirms, is said on standard error, one sentence each, and gives exit status 3;\n"
		"DEST is there all the same.\n"
		"Where both headers are lost this may take a minute longer.\n"
		"\n"
		"Options:\n"
		"  --json          one JSON object on standard output instead: findings, sound, dest\n"
		"  --quiet         no progress and no summary; findings are still said\n",
	.min_operands = 2,
	.max_operands = 2,
	.run = salvage_run,
};
