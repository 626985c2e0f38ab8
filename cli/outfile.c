/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Output files.
 *
 * Owns a file from its making until it has its name. It knows nothing of what is in it.
 *
 * 1. The file has no name before it is complete, so that nothing is left however the process ends. Where the system makes
 *    no such file, or something is to be replaced, it has a name beside the target, for as short a time as can be.
 * 2. Nobody but its owner can open it before it has the permissions that it will keep. */

#include "cli/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "arena/os/path.h"
#include "cli/outfile.h"

enum { PROC_MAGIC = 0x9fa0 }; /* as in the kernel's linux/magic.h, which need not stand beside the C library */

/* Paths ----------------------------------------------------------------------------------------------------------- */

/* Whether path is a name of /proc, such as /dev/fd/3 leads to. What a descriptor has open need not have another name. */
static bool path_in_proc(const char *path)
{
	char *folder = path_join(path, ".");
	struct statfs info;
	bool in_proc = folder && statfs(folder, &info) == 0 && info.f_type == PROC_MAGIC;

	free(folder);
	return in_proc;
}

/* Where path leads, which may be a symbolic link, also one to where nothing is. A name of /proc is not followed. */
static char *target_of(const char *path)
{
	char *target;

	errno = path_follow(path, path_in_proc, &target);
	return target;
}

/* A name beside target that nobody has. */
static char *name_beside(const char *target)
{
	char name[PATH_BESIDE_BYTES];
	uint64_t number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return NULL;
	path_beside(number, name);
	return path_join(target, name);
}

/* Permissions ----------------------------------------------------------------------------------------------------- */

static mode_t bits_allowed(const struct stat *own, const char *like)
{
	struct stat info;

	if (stat(like, &info) != 0)
		return 0700;
	/* Where an access control list is, the bits of the group are its mask. */
	if (info.st_gid != own->st_gid || getxattr(like, "system.posix_acl_access", NULL, 0) > 0)
		return path_bits_groupless(info.st_mode & 0777) | 0700;
	return (info.st_mode & 0777) | 0700;
}

/* The bits that a plain creation would give, or those of the file that stands there. */
static mode_t bits_wanted(int fd, const char *target)
{
	struct stat old, own;
	mode_t mask;

	if (stat(target, &old) != 0) {
		mask = umask(0);
		umask(mask);
		return 0666 & ~mask;
	}
	if (fchown(fd, old.st_uid, old.st_gid) == 0 || fchown(fd, (uid_t)-1, old.st_gid) == 0)
		return old.st_mode & 0777;
	return fstat(fd, &own) == 0 && own.st_gid == old.st_gid ? old.st_mode & 0777
								: path_bits_groupless(old.st_mode & 0777);
}

static bool permissions_set(int fd, const char *target, const char *like)
{
	mode_t bits = bits_wanted(fd, target);
	struct stat own;

	return fstat(fd, &own) == 0 && fchmod(fd, bits & bits_allowed(&own, like)) == 0;
}

/* The file -------------------------------------------------------------------------------------------------------- */

/* A file without a name; -1 where the system makes none, or could not name it. */
static int unnamed_open(const char *target)
{
	char *folder = path_join(target, ".");
	char self[PATH_SELF_BYTES];
	int fd;

	if (!folder)
		return -1;
	fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	free(folder);
	if (fd < 0)
		return -1;
	path_self(fd, self);
	if (access(self, F_OK) == 0)
		return fd;
	close(fd);
	return -1;
}

static int named_open(struct outfile *file)
{
	int fd;

	file->temporary = name_beside(file->target);
	if (!file->temporary)
		return -1;
	fd = open(file->temporary, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		free(file->temporary);
		file->temporary = NULL;
	}
	return fd;
}

bool outfile_replaces(const char *path)
{
	struct stat info;
	char *target = target_of(path);
	bool replaces = target && !path_in_proc(target) && (stat(target, &info) != 0 || S_ISREG(info.st_mode));

	free(target);
	return replaces;
}

bool outfile_open(struct outfile *file, const char *path, const char *like)
{
	int error;

	*file = (struct outfile){.fd = -1};
	file->target = target_of(path);
	if (!file->target)
		return false;
	file->fd = unnamed_open(file->target);
	if (file->fd < 0)
		file->fd = named_open(file);
	if (file->fd >= 0 && permissions_set(file->fd, file->target, like))
		return true;
	error = errno;
	if (file->fd >= 0)
		close(file->fd);
	outfile_release(file);
	errno = error;
	return false;
}

/* Links the file that has no name yet; a name beside the target where that is taken. */
static bool unnamed_link(struct outfile *file, const char *self)
{
	if (linkat(AT_FDCWD, self, AT_FDCWD, file->target, AT_SYMLINK_FOLLOW) == 0)
		return true;
	if (errno != EEXIST)
		return false;
	file->temporary = name_beside(file->target);
	if (!file->temporary)
		return false;
	if (linkat(AT_FDCWD, self, AT_FDCWD, file->temporary, AT_SYMLINK_FOLLOW) == 0)
		return true;
	free(file->temporary);
	file->temporary = NULL;
	return false;
}

bool outfile_publish(struct outfile *file)
{
	char self[PATH_SELF_BYTES];

	path_self(file->fd, self);
	if (!file->temporary && !unnamed_link(file, self))
		return false;
	if (!file->temporary)
		return true;
	if (rename(file->temporary, file->target) != 0)
		return false;
	free(file->temporary);
	file->temporary = NULL;
	return true;
}

void outfile_release(struct outfile *file)
{
	if (file->temporary)
		unlink(file->temporary);
	free(file->temporary);
	free(file->target);
	*file = (struct outfile){.fd = -1};
}
