/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv load: records from a text into a store.
 *
 * The store is opened when the first record has been read, so input that is malformed from its first line on neither
 * makes a store nor keeps anybody out of one.
 *
 * A load that stores nothing leaves no new store. But the text of db_dump is more than its records: where it ends with
 * DATA=END it says that there are no others, so a whole dump without a record makes an empty store.
 *
 * 1. Records go in by batches; each batch is one transaction, and what fails leaves whole batches only.
 * 2. A batch ends early after BATCH_BYTES, so that its size does not follow the size of the values. --atomic has one
 *    batch, whatever its size. */

#include "cli/cli.h"

#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/format.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/path.h"
#include "cli/progress.h"
#include "cli/store.h"

enum { BATCH_RECORDS = 1000 };

#define BATCH_BYTES ((uint64_t)64 * 1024 * 1024)

struct load {
	const char *path;
	const struct format *format;
	enum gkv_durability durability;
	uint64_t batch_records;
	bool atomic;
	bool keep; /* --no-replace */
	bool quiet;

	struct reader reader;
	struct progress progress;
	gkv *db;
	gkv_txn *txn;
	uint64_t pending_records, pending_bytes; /* in the open transaction */
	uint64_t stored, kept, committed;        /* committed: stored by whole transactions */
};

static enum status batch_commit(struct load *load)
{
	gkv_txn *txn = load->txn;
	int code;

	if (!txn)
		return STATUS_DONE;
	load->txn = NULL;
	load->pending_records = load->pending_bytes = 0;
	code = gkv_commit(txn);
	if (code != GKV_OK)
		return say_code(load->path, code);
	load->committed = load->stored;
	store_keep();
	return STATUS_DONE;
}

static enum status load_open(struct load *load)
{
	return store_open(load->path, STORE_CREATE, load->durability, &load->db);
}

static enum status batch_begin(struct load *load)
{
	enum status status = STATUS_DONE;
	int code;

	if (!load->db)
		status = load_open(load);
	if (status != STATUS_DONE || load->txn)
		return status;
	code = gkv_begin(load->db, GKV_WRITE, &load->txn);
	return code == GKV_OK ? STATUS_DONE : say_code(load->path, code);
}

static enum status record_refuse(struct load *load, int code)
{
	struct lines *lines = &load->reader.lines;

	if (code != GKV_TOOBIG)
		return say_code(load->path, code);
	say(lines->name, "line %" PRIu64 ": %s", lines->number, code_text(code));
	return STATUS_FAILED;
}

static enum status record_load(struct load *load, gkv_bytes key, gkv_bytes val)
{
	enum status status = batch_begin(load);
	int code;

	if (status != STATUS_DONE)
		return status;
	code = (load->keep ? gkv_txn_add : gkv_txn_put)(load->txn, key.data, key.size, val.data, val.size);
	if (load->keep && code == GKV_EXISTS)
		load->kept++;
	else if (code == GKV_OK)
		load->stored++;
	else
		return record_refuse(load, code);
	load->pending_records++;
	load->pending_bytes += key.size + val.size;
	if (load->atomic || (load->pending_records < load->batch_records && load->pending_bytes < BATCH_BYTES))
		return STATUS_DONE;
	return batch_commit(load);
}

/* The input is over, and there was no record in it. */
static enum status nothing_load(struct load *load)
{
	struct stat info;
	enum status status;

	if (load->reader.ended || lstat(load->path, &info) == 0) {
		status = load_open(load);
		store_keep();
		return status;
	}
	if (!load->quiet)
		say(load->reader.lines.name, "holds no record; %s was not made", load->path);
	return STATUS_DONE;
}

static enum status records_load(struct load *load)
{
	struct lines *lines = &load->reader.lines;
	enum status status = STATUS_DONE;
	enum read_result result;
	gkv_bytes key, val;

	while ((result = load->format->read_record(&load->reader, &key, &val)) == READ_RECORD) {
		status = record_load(load, key, val);
		if (status != STATUS_DONE)
			return status;
		progress_update(&load->progress, lines->bytes_read, lines->bytes_total);
	}
	if (result == READ_FAILED)
		return lines->fd != STDIN_FILENO
			       ? say_path(lines->name, PATH_INPUT, lines->error)
			       : say_stream(lines->name, lines->error,
					    "name a file to load, or give a file or a pipe as standard input");
	if (result == READ_BAD) {
		say(lines->name, "line %" PRIu64 ": %s", lines->number, load->reader.why);
		return STATUS_FAILED;
	}
	return load->db ? batch_commit(load) : nothing_load(load);
}

static enum status input_load(struct load *load)
{
	enum status status;
	bool opened;

	progress_start(&load->progress, "load", load->quiet);
	status = records_load(load);
	opened = load->db != NULL;
	gkv_abort(load->txn);
	status = store_close(load->db, load->path, status);
	if (status == STATUS_DONE) {
		progress_finish(&load->progress, "gkv: %s: %" PRIu64 " records loaded, %" PRIu64 " were there already",
				load->path, load->stored, load->kept);
		return status;
	}
	progress_stop(&load->progress);
	if (opened)
		say(load->path, "stopped; %" PRIu64 " records before that were loaded", load->committed);
	return status;
}

static enum status input_run(struct load *load, const char *input)
{
	enum status status;
	int error = lines_open(&load->reader.lines, input);

	if (error)
		return say_path(input, PATH_INPUT, error);
	status = input_load(load);
	lines_close(&load->reader.lines);
	buffer_release(&load->reader.key);
	return status;
}

static enum status load_run(const struct verb *verb, int argc, char **argv)
{
	struct load load = {.batch_records = BATCH_RECORDS};
	bool tsv = false, json = false, lazy = false;
	const char *batch = NULL;
	const struct option_spec specs[] = {
		{"tsv", &tsv, NULL},          {"jsonl", &json, NULL},
		{"batch", NULL, &batch},      {"atomic", &load.atomic, NULL},
		{"lazy", &lazy, NULL},        {"no-replace", &load.keep, NULL},
		{"quiet", &load.quiet, NULL}, {NULL, NULL, NULL},
	};
	struct operands operands;
	enum status status;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	load.format = format_choose(tsv, json);
	if (!load.format)
		return options_wrong(verb, "--tsv and --jsonl exclude each other");
	if (batch && load.atomic)
		return options_wrong(verb, "--batch and --atomic exclude each other");
	if (batch && !options_count(batch, &load.batch_records))
		return options_wrong(verb, "--batch needs a number of at least 1, not '%s'", batch);
	load.path = operands.items[0];
	load.durability = lazy ? GKV_LAZY : GKV_DURABLE;
	return input_run(&load, operands.count > 1 ? operands.items[1] : NULL);
}

const struct verb verb_load = {
	.name = "load",
	.synopsis = "FILE [INPUT] [--tsv | --jsonl] [--batch N | --atomic] [--lazy] [--no-replace] [--quiet]",
	.summary = "store records from text: db_dump, mdb_dump, TSV, JSON lines",
	.help = "Stores the records of INPUT, or of standard input when INPUT is absent or -. A missing\n"
		"FILE is created with the first record. The text is that of db_dump and mdb_dump\n"
		"(bytevalue or print), unless another is said. A malformed line stops the load: of its\n"
		"batch nothing is stored, the batches before it stay.\n"
		"\n"
		"Options:\n"
		"  --tsv           key, TAB, value, with escapes\n"
		"  --jsonl         a JSON object per line\n"
		"  --batch N       one transaction per N records (1000), or per 64 MiB\n"
		"  --atomic        one transaction for all: everything is stored, or nothing\n"
		"  --lazy          do not wait for the disk after each transaction, only at the end\n"
		"  --no-replace    leave keys that are there already as they are\n"
		"  --quiet         no progress bar\n",
	.min_operands = 1,
	.max_operands = 2,
	.run = load_run,
};
