/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_PATH_H
#define GKV_CLI_PATH_H

#include "cli/cli.h"

/* What a path was to be opened for. */
enum path_use {
	PATH_STORE,     /* a store that has to be there */
	PATH_NEW_STORE, /* a store, which is made where there is none */
	PATH_INPUT,     /* text to be read */
	PATH_OUTPUT     /* a file to be made or replaced */
};

/* Says why a path could not be opened or made: where the system refused a folder on the way, its name, and what helps
 * where that is known. Returns the exit status for the code, a GKV_* code or an errno value. */
enum status say_path(const char *path, enum path_use use, int code);

/* Whether a file stands at the path, or where a symbolic link there leads, that is a store: sound, damaged or in use. */
bool path_is_store(const char *path);

#endif
