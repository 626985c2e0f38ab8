/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv compact: gives the free space of a store back to the file system. */

#include "cli/cli.h"

#include <errno.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/store.h"

/* The size of the file, 0 where it cannot be told: it is for the summary alone. */
static uint64_t file_bytes(gkv *db)
{
	gkv_stats stats;

	return gkv_stat(db, &stats) == GKV_OK ? stats.file_bytes : 0;
}

static enum status store_compact(gkv *db, const struct operands *operands, void *arg)
{
	const char *path = operands->items[0];
	const bool *quiet = arg;
	char before[16], after[16];
	struct progress progress;
	int code;

	progress_size(before, (double)file_bytes(db));
	progress_start(&progress, "compact", *quiet);
	progress_catch_signals();
	code = gkv_compact(db, progress_step, &progress);
	progress_size(after, (double)file_bytes(db));
	if (code == GKV_OK) {
		progress_finish(&progress, "gkv: %s: compacted from %s to %s", path, before, after);
		return STATUS_DONE;
	}
	progress_stop(&progress);
	if (code == ECANCELED) {
		say(path, "interrupted; what was moved so far stays moved");
		return STATUS_FAILED;
	}
	return say_code(path, code);
}

static enum status compact_run(const struct verb *verb, int argc, char **argv)
{
	bool quiet = false;
	const struct option_spec specs[] = {{"quiet", &quiet, NULL}, {NULL, NULL, NULL}};

	return store_verb(verb, argc, argv, specs, STORE_CHANGE, store_compact, &quiet);
}

const struct verb verb_compact = {
	.name = "compact",
	.synopsis = "FILE [--quiet]",
	.summary = "give free space back to the file system",
	.help = "Moves records together and gives the free space back to the file system. The\n"
		"interrupt key stops it; the store is whole at every moment.\n"
		"\n"
		"Options:\n"
		"  --quiet         no progress bar\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = compact_run,
};
