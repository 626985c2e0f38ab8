/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv get: writes one value, raw and without a newline, straight from the mapped file. */

#include "cli/cli.h"

#include <string.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/sink.h"
#include "cli/store.h"

static enum status value_write(gkv *db, const struct operands *operands, void *arg)
{
	const gkv_bytes key = {operands->items[1], strlen(operands->items[1])};
	const char *path = operands->items[0];
	gkv_txn *txn = NULL;
	struct sink out;
	enum status status;
	gkv_bytes val;
	int code;

	(void)arg;
	code = gkv_begin(db, GKV_READ, &txn);
	if (code != GKV_OK)
		return say_code(path, code);
	code = gkv_txn_get(txn, key.data, key.size, &val);
	if (code == GKV_OK) {
		sink_stdout(&out);
		sink_write(&out, val.data, val.size);
		status = sink_close(&out, STATUS_DONE);
	} else if (code == GKV_NOTFOUND) {
		say_absent(path, key);
		status = STATUS_ABSENT;
	} else {
		status = say_code(path, code);
	}
	gkv_abort(txn);
	return status;
}

static enum status get_run(const struct verb *verb, int argc, char **argv)
{
	const struct option_spec specs[] = {{NULL, NULL, NULL}};

	return store_verb(verb, argc, argv, specs, STORE_READ, value_write, NULL);
}

const struct verb verb_get = {
	.name = "get",
	.synopsis = "FILE KEY",
	.summary = "write the value of a key, raw, to standard output",
	.help = "Writes the value of KEY to standard output, byte for byte, with no newline behind it.\n"
		"Exit status 1: KEY is not there.\n"
		"\n"
		"Options:\n",
	.min_operands = 2,
	.max_operands = 2,
	.run = get_run,
};
