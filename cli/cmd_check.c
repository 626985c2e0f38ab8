/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv check: reads a whole store and says what does not verify. Findings and summary are messages and go to standard
 * error. */

#include "cli/cli.h"

#include <inttypes.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/progress.h"
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

static enum status check_run(const struct verb *verb, int argc, char **argv)
{
	bool quiet = false;
	const struct option_spec specs[] = {{"quiet", &quiet, NULL}, {NULL, NULL, NULL}};
	struct findings findings = {0};
	struct operands operands;
	struct progress progress;
	enum status status;
	int code;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	findings.path = operands.items[0];
	progress_start(&progress, "check", quiet);
	code = gkv_check(findings.path, finding_say, &findings);
	progress_stop(&progress);
	if (code == GKV_OK) {
		if (!quiet)
			say(findings.path, "sound");
		return STATUS_DONE;
	}
	status = say_code(findings.path, code);
	if (findings.count > 0 && !quiet)
		say(findings.path, "%" PRIu64 " findings", findings.count);
	return status;
}

const struct verb verb_check = {
	.name = "check",
	.synopsis = "FILE [--quiet]",
	.summary = "read everything and say what does not verify",
	.help = "Reads the whole store and verifies it, without changing it. What does not verify is\n"
		"said on standard error, one sentence each, and gives exit status 3.\n"
		"\n"
		"Options:\n"
		"  --quiet         no progress and no summary; findings are still said\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = check_run,
};
