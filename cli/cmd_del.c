/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv del: removes keys, all of them in one transaction. */

#include "cli/cli.h"

#include <string.h>

#include "cli/message.h"
#include "cli/options.h"
#include "cli/store.h"

/* Removes what is there and says what is not. Returns 0, or the code that ends the transaction; *removed tells whether
 * there is anything to commit. */
static int keys_remove(gkv_txn *txn, const char *path, int count, char **keys, int *removed)
{
	*removed = 0;
	for (int i = 0; i < count; i++) {
		gkv_bytes key = {keys[i], strlen(keys[i])};
		int code = gkv_txn_del(txn, key.data, key.size);

		if (code == GKV_OK)
			(*removed)++;
		else if (code == GKV_NOTFOUND)
			say_absent(path, key);
		else
			return code;
	}
	return GKV_OK;
}

static enum status store_del(gkv *db, const struct operands *operands, void *arg)
{
	const char *path = operands->items[0];
	const int count = operands->count - 1;
	gkv_txn *txn = NULL;
	int removed, code;

	(void)arg;
	code = gkv_begin(db, GKV_WRITE, &txn);
	if (code != GKV_OK)
		return say_code(path, code);
	code = keys_remove(txn, path, count, operands->items + 1, &removed);
	if (code == GKV_OK && removed > 0)
		code = gkv_commit(txn);
	else
		gkv_abort(txn);
	if (code != GKV_OK)
		return say_code(path, code);
	return removed == count ? STATUS_DONE : STATUS_ABSENT;
}

static enum status del_run(const struct verb *verb, int argc, char **argv)
{
	const struct option_spec specs[] = {{NULL, NULL, NULL}};

	return store_verb(verb, argc, argv, specs, STORE_CHANGE, store_del, NULL);
}

const struct verb verb_del = {
	.name = "del",
	.synopsis = "FILE KEY...",
	.summary = "remove keys, all in one transaction",
	.help = "Removes every KEY that is there, all of them in one transaction.\n"
		"Exit status 1: at least one KEY was not there; the others are removed.\n"
		"\n"
		"Options:\n",
	.min_operands = 2,
	.max_operands = 1 << 30,
	.run = del_run,
};
