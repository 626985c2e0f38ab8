/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv batch: operations from standard input, one a line.
 *
 * 1. Without --atomic each operation is a transaction of its own, and the first that fails is the last; those before it
 *    stay. With --atomic all are one transaction, which a failure undoes.
 * 2. A batch that has changed nothing leaves no new store.
 * 3. Values are written out before the next wait for input, so a program can talk with gkv batch through two pipes. */

#include "cli/cli.h"

#include <inttypes.h>

#include "cli/batch_line.h"
#include "cli/escape_write.h"
#include "cli/line.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/sink.h"
#include "cli/store.h"

struct batch {
	const char *path;
	gkv *db;
	gkv_txn *txn; /* of --atomic, else NULL */
	bool atomic;
	struct lines lines;
	struct sink out;
	bool absent;  /* a key was not found */
	bool changed; /* by the transaction of --atomic */
};

static int batch_put(struct batch *batch, const struct batch_line *line)
{
	const gkv_bytes *key = &line->key, *val = &line->val;

	int code;

	if (batch->txn) {
		code = gkv_txn_put(batch->txn, key->data, key->size, val->data, val->size);
		batch->changed = batch->changed || code == GKV_OK;
		return code;
	}
	code = gkv_put(batch->db, key->data, key->size, val->data, val->size);
	if (code == GKV_OK)
		store_keep();
	return code;
}

static int batch_del(struct batch *batch, const struct batch_line *line)
{
	if (batch->txn)
		return gkv_txn_del(batch->txn, line->key.data, line->key.size);
	return gkv_del(batch->db, line->key.data, line->key.size);
}

/* The value is escaped, so that every value is one line. */
static int batch_get(struct batch *batch, const struct batch_line *line)
{
	gkv_txn *txn = batch->txn;
	gkv_bytes val;
	int code;

	if (!txn) {
		code = gkv_begin(batch->db, GKV_READ, &txn);
		if (code != GKV_OK)
			return code;
	}
	code = gkv_txn_get(txn, line->key.data, line->key.size, &val);
	if (code == GKV_OK) {
		escape_write(&batch->out, val);
		sink_byte(&batch->out, '\n');
	}
	if (!batch->txn)
		gkv_abort(txn);
	return code;
}

static enum status line_refuse(struct batch *batch, const char *why, enum status status)
{
	say(batch->lines.name, "line %" PRIu64 ": %s", batch->lines.number, why);
	return status;
}

/* What a batch that ended early has done and has not. */
static void stop_say(const struct batch *batch, enum status status)
{
	if (status <= STATUS_ABSENT || batch->lines.number == 0)
		return;
	if (batch->atomic)
		say(batch->path, "stopped; nothing was changed");
	else if (status == STATUS_UNREAD)
		say(batch->path, "stopped after line %" PRIu64 ": nobody reads the output any more",
		    batch->lines.number);
	else
		say(batch->path, "stopped; the operations before that were done");
}

static enum status line_run(struct batch *batch, char *text, size_t size)
{
	struct batch_line line;
	const char *why = NULL;
	int code = GKV_OK;

	if (!batch_line_read(text, size, &line, &why))
		return line_refuse(batch, why, STATUS_FAILED);
	switch (line.verb) {
	case BATCH_NOTHING:
		break;
	case BATCH_PUT:
		code = batch_put(batch, &line);
		break;
	case BATCH_GET:
		code = batch_get(batch, &line);
		break;
	case BATCH_DEL:
		code = batch_del(batch, &line);
		break;
	}
	if (code == GKV_NOTFOUND) {
		say_absent(batch->path, line.key);
		batch->absent = true;
		return STATUS_DONE;
	}
	return code == GKV_OK ? STATUS_DONE : line_refuse(batch, code_text(code), status_of(code));
}

/* Runs every line. An output that cannot be written stops it: sink_close says why. */
static enum status lines_run(struct batch *batch)
{
	for (;;) {
		enum status status;
		char *text;
		size_t size;

		if (!lines_ready(&batch->lines) && !sink_flush(&batch->out))
			return STATUS_DONE;
		switch (lines_next(&batch->lines, &text, &size)) {
		case LINE_END:
			return batch->absent ? STATUS_ABSENT : STATUS_DONE;
		case LINE_FAILED:
			return say_stream(batch->lines.name, batch->lines.error,
					  "give a file or a pipe as standard input");
		case LINE_ONE:
			break;
		}
		status = line_run(batch, text, size);
		if (status != STATUS_DONE || batch->out.error)
			return status;
	}
}

static enum status operations_run(struct batch *batch)
{
	enum status status;
	int code = GKV_OK;

	if (batch->atomic)
		code = gkv_begin(batch->db, GKV_WRITE, &batch->txn);
	if (code != GKV_OK)
		return say_code(batch->path, code);
	status = lines_run(batch);
	if (!batch->txn)
		return status;
	/* What was asked for has to be out before the changes are in. */
	if (status > STATUS_ABSENT || !sink_flush(&batch->out)) {
		gkv_abort(batch->txn);
		return status;
	}
	code = gkv_commit(batch->txn);
	if (code == GKV_OK && batch->changed)
		store_keep();
	return code == GKV_OK ? status : say_code(batch->path, code);
}

static enum status store_batch(gkv *db, const struct operands *operands, void *arg)
{
	struct batch *batch = arg;
	enum status status;

	batch->db = db;
	batch->path = operands->items[0];
	lines_open(&batch->lines, NULL);
	batch->lines.crlf = true;
	sink_stdout(&batch->out);
	status = sink_close(&batch->out, operations_run(batch));
	stop_say(batch, status);
	lines_close(&batch->lines);
	return status;
}

static enum status batch_run(const struct verb *verb, int argc, char **argv)
{
	struct batch batch = {0};
	bool lazy = false;
	const struct option_spec specs[] = {{"atomic", &batch.atomic, NULL}, {"lazy", &lazy, NULL}, {NULL, NULL, NULL}};
	struct operands operands;
	enum status status;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	return store_do(&operands, STORE_CREATE, lazy ? GKV_LAZY : GKV_DURABLE, store_batch, &batch);
}

const struct verb verb_batch = {
	.name = "batch",
	.synopsis = "FILE [--atomic] [--lazy]",
	.summary = "run put, get and del lines from standard input",
	.help = "Runs the operations on standard input, one a line: put KEY VALUE, get KEY, del KEY. A\n"
		"missing FILE is created. Spaces part the fields, and the value is the rest of the line;\n"
		"in a line that holds a TAB, single TABs do, and fields may be empty and hold spaces.\n"
		"Known escapes: \\t \\n \\r \\0 \\\\ \\s (a space) \\xHH. Empty lines and lines\n"
		"that begin with # are skipped; a line may end with CR LF. get writes the value, escaped,\n"
		"and a newline.\n"
		"Exit status 1: a get or del did not find its key; everything else was done. A line that\n"
		"is malformed or fails stops the work; the operations before it stay.\n"
		"\n"
		"Options:\n"
		"  --atomic        one transaction for all: a failure undoes everything\n"
		"  --lazy          do not wait for the disk after each operation, only at the end\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = batch_run,
};
