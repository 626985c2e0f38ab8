/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_names.c owns the names of the simulated machine's files, their descriptors and locks: which file a call means. What
 * is in a file is read and changed in sim_os.c.
 *
 * 1. A file has each name that a power cut may leave it with, up to SIM_NAMES of them; sync_dir alone makes the last one
 *    durable.
 * 2. A file that has no name, neither flushed nor seen, and no descriptor, is gone. */
#include "tests/crash/sim_calls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "arena/gravity.h"

bool sim_entry_held(const struct sim *s, unsigned entry)
{
	for (unsigned i = 0; i < SIM_FDS; i++)
		if (s->fd[i].open && s->fd[i].entry == entry)
			return true;
	return false;
}

struct sim_entry *sim_find(struct sim *s, const char *path)
{
	for (unsigned i = 0; i < SIM_FILES; i++)
		if (strcmp(sim_entry_name(&s->entry[i]), path) == 0)
			return &s->entry[i];
	return NULL;
}

static void entry_rename(struct sim_entry *e, const char *name)
{
	assert(strlen(name) < SIM_PATH);
	if (e->names == SIM_NAMES) {
		memmove(e->name[1], e->name[2], (SIM_NAMES - 2) * SIM_PATH);
		e->names--;
	}
	(void)snprintf(e->name[e->names++], SIM_PATH, "%s", name);
}

/* path "": it has no name yet. */
static struct sim_entry *entry_new(struct sim *s, const char *path)
{
	for (unsigned i = 0; i < SIM_FILES; i++) {
		struct sim_entry *e = &s->entry[i];
		/* One that has no name, neither flushed nor seen, and no descriptor, is gone. */
		if (e->names > 0 && (e->names > 1 || e->name[0][0] != '\0' || sim_entry_held(s, i)))
			continue;
		sim_file_clear(&e->file);
		e->names = 1;
		e->name[0][0] = '\0';
		if (path[0] != '\0')
			entry_rename(e, path);
		return e;
	}
	return NULL;
}

struct sim_file *sim_file_of(struct sim *s, os_file file)
{
	assert(file.fd >= 100 && file.fd < 100 + (int)SIM_FDS && s->fd[file.fd - 100].open);
	return &s->entry[s->fd[file.fd - 100].entry].file;
}

static int fd_new(struct sim *s, const struct sim_entry *e, os_file *out)
{
	for (unsigned i = 0; i < SIM_FDS; i++) {
		if (s->fd[i].open)
			continue;
		s->fd[i] = (struct sim_fd){.open = true,
					   .entry = (uint32_t)(e - s->entry),
					   .errors = e->file.errors - (e->file.errors > 0 && !e->file.error_told)};
		out->fd = 100 + (int)i;
		return 0;
	}
	return EMFILE;
}

static int sim_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out)
{
	struct sim *s = sim_of(os);
	struct sim_entry *e;
	int r = sim_enter(s, SIM_OPEN, 0, 0);

	(void)mode;
	*out = OS_NOFILE;
	if (r != 0)
		return r;
	e = sim_find(s, path);
	if ((flags & OS_CREATE) != 0) {
		if (e != NULL)
			return EEXIST;
		e = entry_new(s, path);
		if (e == NULL)
			return ENOSPC;
	}
	return e == NULL ? ENOENT : fd_new(s, e, out);
}

static int sim_close(const struct os *os, os_file file)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_CLOSE, 0, 0);

	(void)sim_file_of(s, file);
	s->fd[file.fd - 100].open = false;
	return r;
}

static int sim_lock(const struct os *os, os_file file, bool exclusive)
{
	struct sim *s = sim_of(os);
	const int mine = file.fd - 100;
	const int r = sim_enter(s, SIM_LOCK, 0, 0);

	(void)sim_file_of(s, file);
	if (r != 0)
		return r;
	for (int i = 0; i < (int)SIM_FDS; i++)
		if (i != mine && s->fd[i].open && s->fd[i].entry == s->fd[mine].entry && s->fd[i].lock != 0 &&
		    (exclusive || s->fd[i].lock == 2))
			return GRAVITY_BUSY;
	s->fd[mine].lock = exclusive ? 2 : 1;
	return 0;
}

static int sim_unlock(const struct os *os, os_file file)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_UNLOCK, 0, 0);

	(void)sim_file_of(s, file);
	s->fd[file.fd - 100].lock = 0;
	return r;
}

static int sim_create(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out)
{
	struct sim *s = sim_of(os);
	struct sim_entry *e;
	int r = sim_enter(s, SIM_CREATE, 0, 0);

	(void)mode;
	(void)like;
	*out = OS_NOFILE;
	*beside = NULL;
	if (r != 0)
		return r;
	if (s->named) {
		*beside = os->alloc(os, NULL, SIM_PATH);
		if (*beside == NULL)
			return ENOMEM;
		(void)snprintf(*beside, SIM_PATH, "%s.new-%08x", path, (unsigned)sim_random(&s->random));
	}
	e = entry_new(s, s->named ? *beside : "");
	r = e == NULL ? ENOSPC : fd_new(s, e, out);
	if (r != 0) {
		os->free(os, *beside);
		*beside = NULL;
	}
	return r;
}

static int sim_publish(const struct os *os, os_file file, const char *beside, const char *path)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_PUBLISH, 0, 0);
	struct sim_entry *e = &s->entry[s->fd[file.fd - 100].entry];

	if (r != 0)
		return r;
	if (sim_find(s, path) != NULL)
		return EEXIST;
	assert(strcmp(sim_entry_name(e), beside != NULL ? beside : "") == 0);
	entry_rename(e, path);
	return 0;
}

static int sim_unlink(const struct os *os, const char *path)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_UNLINK, 0, 0);

	if (r != 0)
		return r;
	if (sim_find(s, path) == NULL)
		return ENOENT;
	entry_rename(sim_find(s, path), "");
	return 0;
}

static int sim_named(const struct os *os, os_file file, const char *path)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_NAMED, 0, 0);

	if (r != 0)
		return r;
	return strcmp(sim_entry_name(&s->entry[s->fd[file.fd - 100].entry]), path) == 0 ? 0 : ENOENT;
}

static int sim_sync_dir(const struct os *os, os_file file, const char *path)
{
	struct sim *s = sim_of(os);
	const int r = sim_enter(s, SIM_SYNC_DIR, 0, 0);

	(void)file;
	(void)path;
	if (r != 0)
		return r;
	for (unsigned i = 0; i < SIM_FILES; i++) {
		struct sim_entry *e = &s->entry[i];
		if (e->names < 2)
			continue;
		memmove(e->name[0], e->name[e->names - 1], SIM_PATH);
		e->names = 1;
	}
	return 0;
}

void sim_names_init(struct os *os)
{
	os->open = sim_open;
	os->close = sim_close;
	os->lock = sim_lock;
	os->unlock = sim_unlock;
	os->create = sim_create;
	os->publish = sim_publish;
	os->unlink = sim_unlink;
	os->named = sim_named;
	os->sync_dir = sim_sync_dir;
}
