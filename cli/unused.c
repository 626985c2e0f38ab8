/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* A new store that nothing went into.
 *
 * A verb that fails before it has stored anything would otherwise leave a store where there was none before. It is taken
 * away while it is still locked: whoever opened it meanwhile is told that it is busy, or looks for it again.
 *
 * 1. Only a store that this command has made is removed, and only under a name that leads to it.
 * 2. A signal that comes while a store is made waits until it is watched.
 * 3. The handler of signals uses nothing but `watched` and calls that are allowed in one. */

#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/progress.h"
#include "cli/unused.h"

static struct {
	volatile sig_atomic_t there;
	char path[PATH_MAX]; /* without symbolic links */
	dev_t device;
	ino_t inode;
} watched;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

enum { SIGNALS = sizeof(signals) / sizeof(signals[0]) };

static bool expected;    /* a new store, and signals are held back */
static sigset_t allowed; /* before that                            */

void unused_remove(void)
{
	struct stat info;

	if (!watched.there)
		return;
	watched.there = 0;
	if (lstat(watched.path, &info) == 0 && info.st_dev == watched.device && info.st_ino == watched.inode)
		(void)unlink(watched.path);
}

/* The signal has its default action again. */
static void signal_end(int number)
{
	const int error = errno;

	unused_remove();
	(void)raise(number);
	errno = error;
}

/* Another process may have been faster, and its store may have records. */
static void new_watch(const char *path, gkv *db)
{
	struct stat info;
	gkv_stats stats;

	if (gkv_stat(db, &stats) != GKV_OK || stats.commit_seq > 1 || !realpath(path, watched.path) ||
	    stat(watched.path, &info) != 0)
		return;
	watched.device = info.st_dev;
	watched.inode = info.st_ino;
	watched.there = 1;
	signals_catch(signal_end, false);
}

void unused_before(const char *path)
{
	struct stat info;
	sigset_t held;

	expected = stat(path, &info) != 0 && errno == ENOENT;
	if (!expected)
		return;
	sigemptyset(&held);
	for (size_t i = 0; i < SIGNALS; i++)
		sigaddset(&held, signals[i]);
	sigprocmask(SIG_BLOCK, &held, &allowed);
}

void unused_after(const char *path, gkv *db)
{
	if (!expected)
		return;
	if (db)
		new_watch(path, db);
	expected = false;
	sigprocmask(SIG_SETMASK, &allowed, NULL);
}

void unused_keep(void)
{
	watched.there = 0;
}
