/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_STORE_H
#define GKV_CLI_STORE_H

#include "cli/cli.h"
#include "cli/options.h"
#include "gkv.h"

/* How a verb opens its store. */
enum store_use {
	STORE_READ,   /* read-only; a missing file is an error */
	STORE_CHANGE, /* a missing file is an error */
	STORE_CREATE  /* a missing file becomes an empty store */
};

/* Opens the store at path, and waits for it as --wait says. Anything but STATUS_DONE was said already, and *db is NULL. */
enum status store_open(const char *path, enum store_use use, enum gkv_durability durability, gkv **db);

/* Something was stored, or the store is wanted as it is. A store that store_open has made is removed again by store_close,
 * and when a signal ends the command before that, unless this was called. */
void store_keep(void);

/* Closes the store (NULL is allowed). Returns status where that is a failure already, else what closing gave. */
enum status store_close(gkv *db, const char *path, enum status status);

/* What is done with an open store, and the operands of the verb, of which the first one names it. */
typedef enum status store_work(gkv *db, const struct operands *operands, void *arg);
/* Opens the store, works and closes it. */
enum status store_do(const struct operands *operands, enum store_use use, enum gkv_durability durability,
		     store_work *work, void *arg);
/* All that most verbs are: reads the options into what `specs` names, and does the work if the command line is right. */
enum status store_verb(const struct verb *verb, int argc, char **argv, const struct option_spec *specs,
		       enum store_use use, store_work *work, void *arg);

/* The same for a verb that reads, and whose one option is --json; arg is a bool that says whether that is there. */
enum status store_verb_json(const struct verb *verb, int argc, char **argv, store_work *work);

/* The counters of an open store. Anything but STATUS_DONE was said already. */
enum status store_stat(gkv *db, const char *path, gkv_stats *stats);

/* Shows every record of one snapshot to visit, which returns false to stop the walk; it says itself why. */
typedef bool store_visit(void *arg, const gkv_bytes *key, const gkv_bytes *val);
enum status store_walk(gkv *db, const char *path, store_visit *visit, void *arg);

#endif
