/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The store that a verb works on: opening, closing and walking it, with the messages for what goes wrong.
 *
 * 1. Only STORE_CREATE can make a file. What was made is gone again when it is closed, unless store_keep was called.
 * 2. A walk holds one snapshot and one record at a time: memory does not grow with the store. */

#include "cli/cli.h"

#include <assert.h>

#include "cli/message.h"
#include "cli/path.h"
#include "cli/store.h"
#include "cli/unused.h"
#include "cli/wait.h"

enum status store_open(const char *path, enum store_use use, enum gkv_durability durability, gkv **db)
{
	gkv_options options = {.durability = durability};
	int code;

	if (use != STORE_CREATE)
		options.flags |= GKV_NOCREATE;
	if (use == STORE_READ)
		options.flags |= GKV_RDONLY;
	do {
		if (use == STORE_CREATE)
			unused_before(path);
		code = gkv_open(path, &options, db);
		unused_after(path, code == GKV_OK ? *db : NULL);
	} while (wait_again(code));
	if (code != GKV_OK) {
		*db = NULL;
		return say_path(path, use == STORE_CREATE ? PATH_NEW_STORE : PATH_STORE, code);
	}
	assert(*db);
	return STATUS_DONE;
}

void store_keep(void)
{
	unused_keep();
}

enum status store_close(gkv *db, const char *path, enum status status)
{
	int code;

	unused_remove();
	code = gkv_close(db);
	if (code == GKV_OK)
		return status;
	/* An absent key is the smaller news of the two. */
	if (status == STATUS_DONE || status == STATUS_ABSENT)
		return say_code(path, code);
	return status;
}

enum status store_do(const struct operands *operands, enum store_use use, enum gkv_durability durability,
		     store_work *work, void *arg)
{
	gkv *db;
	enum status status = store_open(operands->items[0], use, durability, &db);

	return status == STATUS_DONE ? store_close(db, operands->items[0], work(db, operands, arg)) : status;
}

enum status store_verb(const struct verb *verb, int argc, char **argv, const struct option_spec *specs,
		       enum store_use use, store_work *work, void *arg)
{
	struct operands operands;
	enum status status;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	return store_do(&operands, use, GKV_DURABLE, work, arg);
}

enum status store_verb_json(const struct verb *verb, int argc, char **argv, store_work *work)
{
	bool json = false;
	const struct option_spec specs[] = {{"json", &json, NULL}, {NULL, NULL, NULL}};

	return store_verb(verb, argc, argv, specs, STORE_READ, work, &json);
}

enum status store_stat(gkv *db, const char *path, gkv_stats *stats)
{
	const int code = gkv_stat(db, stats);

	return code == GKV_OK ? STATUS_DONE : say_code(path, code);
}

static enum status walk_records(gkv_iter *iter, const char *path, store_visit *visit, void *arg)
{
	for (;;) {
		gkv_bytes key, val;
		int code = gkv_iter_next(iter, &key, &val);

		if (code == GKV_NOTFOUND)
			return STATUS_DONE;
		if (code != GKV_OK)
			return say_code(path, code);
		if (!visit(arg, &key, &val))
			return STATUS_FAILED;
	}
}

enum status store_walk(gkv *db, const char *path, store_visit *visit, void *arg)
{
	gkv_txn *txn = NULL;
	gkv_iter *iter = NULL;
	enum status status;
	int code;

	code = gkv_begin(db, GKV_READ, &txn);
	if (code == GKV_OK)
		code = gkv_iter_open(txn, &iter);
	status = code == GKV_OK ? walk_records(iter, path, visit, arg) : say_code(path, code);
	gkv_iter_close(iter);
	gkv_abort(txn);
	return status;
}
