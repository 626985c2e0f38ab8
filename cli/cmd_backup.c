/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv backup: one snapshot of a store, written compactly as a new store. The store itself is opened read-only. */

#include "cli/cli.h"

#include <errno.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/store.h"

static enum status store_backup(gkv *db, const struct operands *operands, void *arg)
{
	const char *path = operands->items[0], *dest = operands->items[1];
	const bool *quiet = arg;
	struct progress progress;
	int code;

	progress_start(&progress, "backup", *quiet);
	progress_catch_signals();
	code = gkv_backup(db, dest, progress_step, &progress);
	if (code == GKV_OK) {
		progress_finish(&progress, "gkv: %s: backed up to %s", path, dest);
		return STATUS_DONE;
	}
	progress_stop(&progress);
	if (code == ECANCELED) {
		say(dest, "interrupted; no backup was made");
		return STATUS_FAILED;
	}
	/* Damage is in the store; what the system refuses is most often about the new file. */
	return code < 0 ? say_code(path, code) : say_path(dest, PATH_OUTPUT, code);
}

static enum status backup_run(const struct verb *verb, int argc, char **argv)
{
	bool quiet = false;
	const struct option_spec specs[] = {{"quiet", &quiet, NULL}, {NULL, NULL, NULL}};

	return store_verb(verb, argc, argv, specs, STORE_READ, store_backup, &quiet);
}

const struct verb verb_backup = {
	.name = "backup",
	.synopsis = "FILE DEST [--quiet]",
	.summary = "write one snapshot as a new, compact store",
	.help = "Writes one snapshot of FILE as a new store DEST, without the free space. DEST must not\n"
		"exist, and appears only when it is complete. The interrupt key stops it.\n"
		"\n"
		"Options:\n"
		"  --quiet         no progress bar\n",
	.min_operands = 2,
	.max_operands = 2,
	.run = backup_run,
};
