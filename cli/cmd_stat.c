/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv stat: the counters of a store, as a table or as one JSON object. */

#include "cli/cli.h"

#include <inttypes.h>

#include "cli/options.h"
#include "cli/progress.h"
#include "cli/sink.h"
#include "cli/store.h"

/* One counter: its name in JSON (that of the field), its label, and whether it counts bytes. */
struct counter {
	const char *name;
	const char *label;
	uint64_t value;
	bool bytes;
};

enum { COUNTER_COUNT = 17 };

static void counters_fill(struct counter counters[COUNTER_COUNT], const gkv_stats *s)
{
	const struct counter filled[COUNTER_COUNT] = {
		{"records", "records", s->records, false},
		{"live_bytes", "live", s->live_bytes, true},
		{"file_bytes", "file", s->file_bytes, true},
		{"free_bytes", "free", s->free_bytes, true},
		{"free_slots", "free slots", s->free_slots, false},
		{"largest_free", "largest free slot", s->largest_free, true},
		{"pending_bytes", "freed, not yet reusable", s->pending_bytes, true},
		{"table_pages", "table pages", s->table_pages, false},
		{"commit_seq", "last commit", s->commit_seq, false},
		{"durable_seq", "last commit on the disk", s->durable_seq, false},
		{"checkpoint_seq", "last checkpoint", s->checkpoint_seq, false},
		{"log_bytes", "log since then", s->log_bytes, true},
		{"bytes_written", "written since opening", s->bytes_written, true},
		{"bytes_moved", "moved since opening", s->bytes_moved, true},
		{"compaction_steps", "compaction steps", s->compaction_steps, false},
		{"readers", "readers", s->readers, false},
		{"oldest_reader_seq", "oldest snapshot", s->oldest_reader_seq, false},
	};

	for (int i = 0; i < COUNTER_COUNT; i++)
		counters[i] = filled[i];
}

static enum status stats_write(gkv *db, const struct operands *operands, void *arg)
{
	const bool json = *(const bool *)arg;
	struct counter counters[COUNTER_COUNT];
	enum status status;
	gkv_stats stats;
	struct sink out;

	status = store_stat(db, operands->items[0], &stats);
	if (status != STATUS_DONE)
		return status;
	sink_stdout(&out);
	counters_fill(counters, &stats);
	for (int i = 0; i < COUNTER_COUNT; i++) {
		const struct counter *counter = &counters[i];
		char size[16];

		if (json) {
			sink_print(&out, "%s\"%s\":%" PRIu64, i == 0 ? "{" : ",", counter->name, counter->value);
			continue;
		}
		sink_print(&out, "%-24s %16" PRIu64, counter->label, counter->value);
		progress_size(size, (double)counter->value);
		if (counter->bytes)
			sink_print(&out, " bytes%s%s%s", counter->value < 1024 ? "" : " (",
				   counter->value < 1024 ? "" : size, counter->value < 1024 ? "" : ")");
		sink_byte(&out, '\n');
	}
	if (json)
		sink_text(&out, "}\n");
	return sink_close(&out, STATUS_DONE);
}

static enum status stat_run(const struct verb *verb, int argc, char **argv)
{
	return store_verb_json(verb, argc, argv, stats_write);
}

const struct verb verb_stat = {
	.name = "stat",
	.synopsis = "FILE [--json]",
	.summary = "write the counters of the store",
	.help = "Writes how many records there are and where the bytes of the file are.\n"
		"\n"
		"Options:\n"
		"  --json          one JSON object, with the names of gkv_stats in gkv.h\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = stat_run,
};
