/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv count: the number of records, from the counters of the store. */

#include "cli/cli.h"

#include <inttypes.h>

#include "cli/options.h"
#include "cli/sink.h"
#include "cli/store.h"

static enum status count_write(gkv *db, const struct operands *operands, void *arg)
{
	const bool *json = arg;
	enum status status;
	gkv_stats stats;
	struct sink out;

	status = store_stat(db, operands->items[0], &stats);
	if (status != STATUS_DONE)
		return status;
	sink_stdout(&out);
	sink_print(&out, *json ? "{\"records\":%" PRIu64 "}\n" : "%" PRIu64 "\n", stats.records);
	return sink_close(&out, STATUS_DONE);
}

static enum status count_run(const struct verb *verb, int argc, char **argv)
{
	return store_verb_json(verb, argc, argv, count_write);
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
