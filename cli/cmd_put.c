/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv put: stores one record.
 *
 * A value from standard input is read whole before the store is opened, so a slow producer keeps nobody out, and one
 * that fails leaves the store as it was. A terminal is told that it is being read, and a value of no bytes from there is
 * taken for a slip: whoever means one gives '' as VALUE. */

#include "cli/cli.h"

#include <string.h>
#include <unistd.h>

#include "cli/buffer.h"
#include "cli/message.h"
#include "cli/options.h"
#include "cli/store.h"

#define VALUE_MAX_BYTES ((size_t)4000000000u)

/* Reads standard input to its end, but little further than the limit. Returns 0, a GKV_* code or an errno
 * value. */
static int value_read(struct buffer *value)
{
	for (;;) {
		size_t got;
		const int error = buffer_read(value, STDIN_FILENO, &got);

		if (error || got == 0)
			return error;
		if (value->size > VALUE_MAX_BYTES)
			return GKV_TOOBIG;
	}
}

/* Reads the value, with a word to who sits at the terminal and may not know that it is waited for. */
static enum status input_read(struct buffer *value)
{
	const bool terminal = isatty(STDIN_FILENO);
	int code;

	if (terminal)
		say("standard input", "the value is read from the terminal, up to Ctrl-D at the beginning of a line");
	code = value_read(value);
	if (code == GKV_OK && (!terminal || value->size > 0))
		return STATUS_DONE;
	if (code == GKV_OK)
		say("standard input", "no value came from the terminal; nothing was stored ('' is an empty VALUE)");
	else
		return say_stream("standard input", code,
				  "give VALUE as an operand, or a file or a pipe as standard input");
	return STATUS_FAILED;
}

struct put {
	bool add;
	gkv_bytes val;
};

static enum status record_put(gkv *db, const struct operands *operands, void *arg)
{
	const gkv_bytes key = {operands->items[1], strlen(operands->items[1])};
	const struct put *put = arg;
	const int code = (put->add ? gkv_add : gkv_put)(db, key.data, key.size, put->val.data, put->val.size);

	if (code == GKV_OK) {
		store_keep();
	} else if (code == GKV_EXISTS) {
		say_key(operands->items[0], "the key is there already, and keeps its value", key);
		return STATUS_FAILED;
	}
	return code == GKV_OK ? STATUS_DONE : say_code(operands->items[0], code);
}

static enum status put_run(const struct verb *verb, int argc, char **argv)
{
	struct put put = {0};
	const struct option_spec specs[] = {{"add", &put.add, NULL}, {NULL, NULL, NULL}};
	struct operands operands;
	struct buffer value = {0};
	enum status status = STATUS_DONE;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	if (operands.count == 3 && (operands.plain < 3 || strcmp(operands.items[2], "-") != 0)) {
		put.val = (gkv_bytes){operands.items[2], strlen(operands.items[2])};
	} else {
		status = input_read(&value);
		put.val = (gkv_bytes){value.data, value.size};
	}
	if (status == STATUS_DONE)
		status = store_do(&operands, STORE_CREATE, GKV_DURABLE, record_put, &put);
	buffer_release(&value);
	return status;
}

const struct verb verb_put = {
	.name = "put",
	.synopsis = "[--add] FILE KEY [VALUE]",
	.summary = "store a value, from standard input when VALUE is absent or -",
	.help = "Stores VALUE under KEY, in place of the value that KEY had. Where VALUE is absent or\n"
		"-, it is standard input, to its end, any bytes. A missing FILE is created. A KEY or\n"
		"VALUE that begins with - must follow a --, as in: gkv put FILE KEY -- -5\n"
		"\n"
		"Options:\n"
		"  --add           store only where KEY is absent, otherwise fail (exit status 4)\n",
	.min_operands = 2,
	.max_operands = 3,
	.run = put_run,
};
