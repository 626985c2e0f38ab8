/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv count: the number of records, from the counters of the store. */

#include "cli/cli.h"

#include <inttypes.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/sink.h"
#include "cli/store.h"

static enum status count_run(const struct verb *verb, int argc, char **argv)
{
	bool json = false;
	const struct option_spec specs[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};
	struct operands operands;
	enum status status;
	gkv_stats stats;
	struct sink out;
	gkv *db;
	int code;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	status = store_open(operands.items[0], STORE_READ, GKV_DURABLE, &db);
	if (status != STATUS_DONE)
		return status;
	code = gkv_stat(db, &stats);
	if (code == GKV_OK) {
		sink_stdout(&out);
		sink_print(&out, json ? "{\"records\":%" PRIu64 "}\n" : "%" PRIu64 "\n", stats.records);
		status = sink_close(&out, STATUS_DONE);
	} else {
		status = say_code(operands.items[0], code);
	}
	return store_close(db, operands.items[0], status);
}

const struct verb verb_count = {
	.name = "count",
	.synopsis = "FILE [--json]",
	.summary = "write the number of records",
	.help = "Writes the number of records to standard output.\n"
		"\n"
		"Options:\n"
		"  --json          one JSON object: {\"records\":N}\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = count_run,
};
