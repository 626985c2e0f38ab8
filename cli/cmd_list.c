/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv list: the records of one snapshot, as text or separated by NUL. It holds one record at a time. */

#include "cli/cli.h"

#include <string.h>

#include "cli/format.h"
#include "cli/options.h"
#include "cli/store.h"

typedef bool record_write(struct sink *sink, const gkv_bytes *key, const gkv_bytes *val);

struct listing {
	struct sink out;
	record_write *write;
	gkv_bytes prefix;
	bool keys;
};

/* Raw bytes, each string ended by a NUL: whole only where no string holds one. */
static bool null_write(struct sink *sink, const gkv_bytes *key, const gkv_bytes *val)
{
	if (!sink_write(sink, key->data, key->size) || !sink_byte(sink, '\0'))
		return false;
	return !val || (sink_write(sink, val->data, val->size) && sink_byte(sink, '\0'));
}

static bool listing_visit(void *arg, const gkv_bytes *key, const gkv_bytes *val)
{
	struct listing *listing = arg;
	size_t size = listing->prefix.size;

	if (key->size < size || (size > 0 && memcmp(key->data, listing->prefix.data, size) != 0))
		return true;
	return listing->write(&listing->out, key, listing->keys ? NULL : val);
}

static enum status store_list(gkv *db, const struct operands *operands, void *arg)
{
	struct listing *listing = arg;
	enum status status;

	sink_stdout(&listing->out);
	status = store_walk(db, operands->items[0], listing_visit, listing);
	/* A visit fails only where a write did, and closing says why: it is asked with a status that still stands. */
	if (listing->out.error)
		status = STATUS_DONE;
	return sink_close(&listing->out, status);
}

static enum status list_run(const struct verb *verb, int argc, char **argv)
{
	struct listing listing = {.write = format_tsv.write_record};
	const char *prefix = NULL;
	bool json = false, null = false;
	const struct option_spec specs[] = {
		{"prefix", NULL, &prefix}, {"keys", &listing.keys, NULL}, {"json", &json, NULL}, {"null", &null, NULL},
		{NULL, NULL, NULL},
	};
	struct operands operands;
	enum status status;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	if (json && null)
		return options_wrong(verb, "--json and --null exclude each other");
	if (json)
		listing.write = format_json.write_record;
	if (null)
		listing.write = null_write;
	if (prefix)
		listing.prefix = (gkv_bytes){prefix, strlen(prefix)};
	return store_do(&operands, STORE_READ, GKV_DURABLE, store_list, &listing);
}

const struct verb verb_list = {
	.name = "list",
	.synopsis = "FILE [--prefix P] [--keys] [--json | --null]",
	.summary = "write the records, in no particular order",
	.help = "Writes every record of one snapshot, in no particular order: key, TAB, value, newline,\n"
		"with \\t \\n \\r \\0 \\\\ and \\xHH for control bytes and the backslash.\n"
		"\n"
		"Options:\n"
		"  --prefix P      only keys that begin with P\n"
		"  --keys          the keys alone\n"
		"  --json          an object per line: {\"key\":\"...\",\"value\":\"...\"}; bytes that are not\n"
		"                  UTF-8 as key64 or value64, in base64\n"
		"  --null          raw bytes: key, NUL, value, NUL\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = list_run,
};
