/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* What was wrong with a path.
 *
 * The system gives one code for a path and for every folder on the way; this looks again and names the one that it
 * meant. It looks after the fact, so it may see another state than the call that failed did: what it says is then less
 * exact, and nothing else depends on it. */

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/message.h"
#include "cli/path.h"
#include "cli/wait.h"

/* The folder of a path: "." where it names none. */
static void folder_of(const char *path, char out[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(out, PATH_MAX, ".");
	else
		snprintf(out, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
}

static bool allowed(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 || errno != EACCES;
}

/* The first folder on the way that gives this error, into out. False: none does. */
static bool folder_find(const char *path, int error, char out[PATH_MAX])
{
	for (const char *at = path + 1; at[-1] != '\0' && (at = strchr(at, '/')) != NULL; at++) {
		struct stat info;
		int failed = 0;

		snprintf(out, PATH_MAX, "%.*s", (int)(at - path), path);
		if (stat(out, &info) != 0)
			failed = errno;
		else if (!S_ISDIR(info.st_mode))
			failed = ENOTDIR;
		else if (!allowed(out, X_OK))
			failed = EACCES;
		if (failed == error)
			return true;
	}
	return false;
}

static void say_denied(const char *path, enum path_use use)
{
	char folder[PATH_MAX];
	const bool there = access(path, F_OK) == 0;

	if (folder_find(path, EACCES, folder)) {
		say(path, "Permission denied: the folder '%s' may not be entered", folder);
		return;
	}
	folder_of(path, folder);
	if ((use == PATH_OUTPUT || (use == PATH_NEW_STORE && !there)) && !allowed(folder, W_OK))
		say(path, "Permission denied: the folder '%s' may not be written to", folder);
	else if (!allowed(path, R_OK))
		say(path, "Permission denied: the file may not be read");
	else if (!allowed(path, W_OK))
		say(path, "Permission denied: the file may not be written to");
	else
		say(path, "Permission denied");
}

static void say_missing(const char *path, enum path_use use)
{
	char found[PATH_MAX];
	ssize_t size;

	if (folder_find(path, ENOENT, found)) {
		say(path, "No such file or directory: there is no folder '%s'", found);
		return;
	}
	size = readlink(path, found, sizeof(found) - 1);
	if (size > 0)
		say(path, "No such file or directory: it is a symbolic link to '%.*s', which is missing", (int)size,
		    found);
	else if (use == PATH_STORE)
		say(path, "No such file or directory (gkv put, load and batch make a store)");
	else
		say(path, "No such file or directory");
}

static void say_no_folder(const char *path)
{
	char folder[PATH_MAX];

	if (folder_find(path, ENOTDIR, folder))
		say(path, "Not a directory: '%s' is no folder", folder);
	else
		say(path, "Not a directory");
}

static void say_no_store(const char *path)
{
	struct stat info;

	if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0)
		say(path, "not a store: the file is empty");
	else
		say(path, "not a store (gkv load makes one from text)");
}

enum status say_path(const char *path, enum path_use use, int code)
{
	switch (code) {
	case EACCES:
		say_denied(path, use);
		break;
	case ENOENT:
		say_missing(path, use);
		break;
	case EISDIR:
		say(path, "Is a directory%s", use == PATH_STORE || use == PATH_NEW_STORE ? "; a store is a file" : "");
		break;
	case ENOTDIR:
		say_no_folder(path);
		break;
	case EEXIST:
		say(path, "File exists; what is made here has to be new: give another name, or remove the file");
		break;
	case GKV_NOTASTORE:
		say_no_store(path);
		break;
	case GKV_BUSY:
		return wait_give_up(path);
	default:
		return say_code(path, code);
	}
	return status_of(code);
}

bool path_is_store(const char *path)
{
	const gkv_options options = {.flags = GKV_RDONLY};
	struct stat info;
	gkv *db;
	int code;

	if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
		return false;
	code = gkv_open(path, &options, &db);
	if (code == GKV_OK)
		(void)gkv_close(db);
	return code == GKV_OK || code == GKV_BUSY || code == GKV_CORRUPT || code == GKV_BADVERSION;
}
