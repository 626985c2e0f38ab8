/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv dump: every record of one snapshot, in a form that gkv load (and, by default, mdb_load) reads.
 *
 * 1. An output file appears when it is complete; a failed dump leaves what stood under its name.
 * 2. One record at a time is in memory. */

#include "cli/cli.h"

#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "cli/format.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/store.h"

struct dump {
	const char *path;
	const char *output;
	const struct format *format;
	struct sink out;
	struct progress progress;
	gkv_stats stats;
	uint64_t records;
	uint64_t bytes;
	bool interrupted;
	bool force;
};

static bool dump_visit(void *arg, const gkv_bytes *key, const gkv_bytes *val)
{
	struct dump *dump = arg;

	if (!dump->format->write_record(&dump->out, key, val))
		return false;
	dump->records++;
	dump->bytes += key->size + val->size;
	dump->interrupted = progress_step(&dump->progress, dump->bytes, dump->stats.live_bytes) != 0;
	return !dump->interrupted;
}

static enum status records_dump(gkv *db, struct dump *dump)
{
	enum status status = store_stat(db, dump->path, &dump->stats);

	if (status != STATUS_DONE)
		return status;
	status = sink_open(&dump->out, dump->output, dump->path, dump->force);
	if (status != STATUS_DONE)
		return status;
	dump->format->write_head(&dump->out, &dump->stats);
	status = store_walk(db, dump->path, dump_visit, dump);
	if (dump->interrupted) {
		say(dump->output, "interrupted; nothing was written");
		status = STATUS_FAILED;
	}
	if (status == STATUS_DONE)
		dump->format->write_tail(&dump->out);
	/* A failed write is said by sink_close, which gives up the file for it. */
	if (dump->out.error)
		status = STATUS_DONE;
	return sink_close(&dump->out, status);
}

static enum status store_dump(struct dump *dump, bool quiet)
{
	/* Records and a bar on one terminal would write over each other. */
	bool on_terminal = (!dump->output || strcmp(dump->output, "-") == 0) && isatty(STDOUT_FILENO);
	enum status status;
	gkv *db;

	status = store_open(dump->path, STORE_READ, GKV_DURABLE, &db);
	if (status != STATUS_DONE)
		return status;
	progress_start(&dump->progress, "dump", quiet || on_terminal);
	status = store_close(db, dump->path, records_dump(db, dump));
	if (status == STATUS_DONE)
		progress_finish(&dump->progress, "gkv: %s: %" PRIu64 " records dumped", dump->path, dump->records);
	else
		progress_stop(&dump->progress);
	return status;
}

static enum status dump_run(const struct verb *verb, int argc, char **argv)
{
	bool tsv = false, json = false, quiet = false;
	struct dump dump = {0};
	const struct option_spec specs[] = {
		{"tsv", &tsv, NULL},     {"jsonl", &json, NULL}, {"force", &dump.force, NULL},
		{"quiet", &quiet, NULL}, {NULL, NULL, NULL},
	};
	struct operands operands;
	enum status status;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	dump.format = format_choose(tsv, json);
	if (!dump.format)
		return options_wrong(verb, "--tsv and --jsonl exclude each other");
	dump.path = operands.items[0];
	dump.output = operands.count > 1 ? operands.items[1] : NULL;
	return store_dump(&dump, quiet);
}

const struct verb verb_dump = {
	.name = "dump",
	.synopsis = "FILE [OUTPUT] [--tsv | --jsonl] [--force] [--quiet]",
	.summary = "write all records as text that load and mdb_load read",
	.help = "Writes every record of one snapshot to OUTPUT, or to standard output when OUTPUT is\n"
		"absent or -. A file OUTPUT appears only when it is complete; the interrupt key stops it.\n"
		"The text is that of db_dump and mdb_dump (format=bytevalue), unless another is asked for.\n"
		"\n"
		"Options:\n"
		"  --tsv           key, TAB, value, with escapes\n"
		"  --jsonl         a JSON object per line\n"
		"  --force         replace OUTPUT even if it is a store\n"
		"  --quiet         no progress bar\n",
	.min_operands = 1,
	.max_operands = 2,
	.run = dump_run,
};
