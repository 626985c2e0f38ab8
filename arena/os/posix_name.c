/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* posix_name.c: the part of the seam that works with names of files and with descriptors as such, over Linux.
 *
 * Owns nothing. Refuses to remember anything between two calls, and to replace a file.
 *
 * Invariants
 * 1. errno becomes a return value on the line of the call.
 * 2. A descriptor that it gives out is above 2, so that a program that closed its standard streams and then prints
 *    does not print into a store.
 * 3. A new file has no name before it is published. Where the system cannot make such a file, it has a name that no
 *    store has, in the same folder.
 * 4. A symbolic link is followed, also where nothing is at its end: the file is made there.
 * 5. Every operation stands behind OS_UNCANCELLED.
 * 6. Each descriptor is noted in fork.c from its opening to its closing: no forked child keeps it.
 *
 * Cost: two system calls to open; four to create; one more for each symbolic link. */
#define _GNU_SOURCE
#include "arena/os/posix_name.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "arena/gravity.h"
#include "arena/os/fork.h"
#include "arena/os/path.h"
#include "arena/os/thread.h"

/* A signal that interrupts the same call this often is not waited out: the caller hears EINTR. */
#define RETRY_MOST   1000u
#define FIRST_OWN_FD 3

/* The C library may not have a name for these, as musl has not. */
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1u << 0)
#endif

/* Moves a descriptor above the standard streams; closes the one it was given where that fails. */
static int fd_raise(int *fd)
{
	int raised, rc;

	if (*fd >= FIRST_OWN_FD)
		return 0;
	raised = fcntl(*fd, F_DUPFD_CLOEXEC, FIRST_OWN_FD);
	rc = raised < 0 ? errno : 0;
	(void)close(*fd);
	*fd = raised;
	return rc;
}

static int fd_try(const char *path, int how, unsigned mode, int *fd)
{
	int rc = EINTR;

	for (unsigned n = 0; n < RETRY_MOST && rc == EINTR; n++) {
		*fd = open(path, how | O_CLOEXEC, (mode_t)mode);
		rc = *fd < 0 ? errno : 0;
	}
	if (rc == 0)
		rc = fd_raise(fd);
	if (rc != 0)
		return rc;
	rc = os_fork_note_fd(*fd);
	if (rc != 0)
		(void)close(*fd);
	return rc;
}

static int fd_open(const char *path, int how, unsigned mode, int *fd)
{
	int rc;

	os_fork_hold();
	rc = fd_try(path, how, mode, fd);
	os_fork_release();
	return rc;
}

/* The descriptor is gone even after EINTR: closing it again could close another thread's. What is not noted was closed by
 * the fork that made this process. */
static int fd_close(int fd)
{
	int rc;

	os_fork_hold();
	if (!os_fork_forget_fd(fd))
		rc = EBADF;
	else
		rc = close(fd) == 0 || errno == EINTR ? 0 : errno;
	os_fork_release();
	return rc;
}

int os_posix_close(const struct os *os, os_file file)
{
	OS_UNCANCELLED;
	(void)os;
	assert(file.fd >= 0);
	return fd_close(file.fd);
}

/* What an open descriptor refers to: 0 for a regular file. */
static int fd_kind(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return S_ISREG(st.st_mode) ? 0 : GRAVITY_NOTASTORE;
}

/* O_NONBLOCK keeps a fifo without a partner from holding up the caller; on a regular file it means nothing. A socket
 * and a device without a driver cannot be opened at all, which is ENXIO. */
int os_posix_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out)
{
	OS_UNCANCELLED;
	int how = O_NOCTTY | O_NONBLOCK;
	int fd, rc;

	(void)os;
	assert(path != NULL);
	assert(out != NULL);
	*out = OS_NOFILE;
	how |= (flags & OS_RDONLY) ? O_RDONLY : O_RDWR;
	if (flags & OS_CREATE)
		how |= O_CREAT | O_EXCL;
	rc = fd_open(path, how, mode, &fd);
	if (rc != 0)
		return rc == ENXIO ? GRAVITY_NOTASTORE : rc;
	rc = fd_kind(fd);
	if (rc != 0) {
		(void)fd_close(fd);
		return rc;
	}
	out->fd = fd;
	return 0;
}

/* Paths ----------------------------------------------------------------------------------------------------------- */

/* The folder that holds the last name of `path`, to be freed; NULL without memory. */
static char *folder_of(const char *path)
{
	const size_t length = path_folder_length(path);

	return length == 0 ? strdup(".") : strndup(path, length);
}

/* Making a file --------------------------------------------------------------------------------------------------- */

/* A file without a name. EOPNOTSUPP where the system makes none, or could not name it. */
static int unnamed_make(const char *target, unsigned mode, int *fd)
{
	char *folder = folder_of(target);
	char self[PATH_SELF_BYTES];
	int rc;

	if (folder == NULL)
		return ENOMEM;
	rc = fd_open(folder, O_RDWR | O_TMPFILE, mode, fd);
	free(folder);
	if (rc != 0)
		return rc == EISDIR || rc == EINVAL || rc == ENOSYS ? EOPNOTSUPP : rc;
	path_self(*fd, self);
	if (access(self, F_OK) == 0)
		return 0;
	(void)fd_close(*fd);
	return EOPNOTSUPP;
}

/* A file with a name for the meantime. */
static int named_make(const struct os *os, const char *target, unsigned mode, char **beside, int *fd)
{
	const size_t length = path_folder_length(target);
	uint64_t random;
	int rc = os->random(os, &random, sizeof(random));

	if (rc != 0)
		return rc;
	*beside = os->alloc(os, NULL, length + PATH_BESIDE_BYTES);
	if (*beside == NULL)
		return ENOMEM;
	memcpy(*beside, target, length);
	path_beside(random, *beside + length);
	rc = fd_open(*beside, O_RDWR | O_CREAT | O_EXCL, mode, fd);
	if (rc == 0)
		return 0;
	if (rc != EEXIST)
		(void)unlink(*beside); /* made, and then there was no room to note it */
	os->free(os, *beside);
	*beside = NULL;
	return rc;
}

/* Takes from a new file what the bits give to a group that is not the one they were meant for. Where an access control
 * list is, the bits of the group are its mask, and tell of no group. */
static int fd_narrow(int fd, int like, unsigned bits)
{
	struct stat own, other;

	if (fstat(fd, &own) != 0 || fstat(like, &other) != 0)
		return errno;
	if (own.st_gid == other.st_gid && fgetxattr(like, "system.posix_acl_access", NULL, 0) <= 0)
		return 0;
	return fchmod(fd, own.st_mode & path_bits_groupless(bits)) == 0 ? 0 : errno;
}

static int target_make(const struct os *os, const char *target, unsigned mode, os_file like, char **beside, int *fd)
{
	struct stat st;
	int rc;

	if (like.fd >= 0) {
		if (fstat(like.fd, &st) != 0)
			return errno;
		mode = st.st_mode & 0777u;
	}
	rc = unnamed_make(target, mode, fd);
	/* What has a name can be opened at once, before its bits could be changed. */
	if (rc == EOPNOTSUPP)
		return named_make(os, target, like.fd >= 0 ? path_bits_groupless(mode) : mode, beside, fd);
	if (rc != 0 || like.fd < 0)
		return rc;
	rc = fd_narrow(*fd, like.fd, mode);
	if (rc != 0)
		(void)fd_close(*fd);
	return rc;
}

int os_posix_create(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out)
{
	OS_UNCANCELLED;
	char *target;
	int fd = -1;
	int rc;

	assert(path != NULL && beside != NULL && out != NULL);
	*out = OS_NOFILE;
	*beside = NULL;
	rc = path_follow(path, NULL, &target);
	if (rc != 0)
		return rc;
	rc = target_make(os, target, mode, like, beside, &fd);
	free(target);
	if (rc == 0)
		out->fd = fd;
	return rc;
}

/* For file systems without RENAME_NOREPLACE. Between the two steps the file has both names. */
static int rename_by_link(const char *from, const char *to)
{
	int rc;

	if (link(from, to) != 0)
		return errno;
	if (unlink(from) == 0)
		return 0;
	rc = errno;
	(void)unlink(to);
	return rc;
}

static int named_publish(const char *from, const char *to)
{
	const int rc = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0 ? 0 : errno;

	return rc == EINVAL || rc == ENOSYS ? rename_by_link(from, to) : rc;
}

int os_posix_publish(const struct os *os, os_file file, const char *beside, const char *path)
{
	OS_UNCANCELLED;
	char self[PATH_SELF_BYTES];
	char *target;
	int rc;

	(void)os;
	assert(file.fd >= 0);
	assert(path != NULL);
	rc = path_follow(path, NULL, &target);
	if (rc != 0)
		return rc;
	path_self(file.fd, self);
	if (beside != NULL)
		rc = named_publish(beside, target);
	else
		rc = linkat(AT_FDCWD, self, AT_FDCWD, target, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
	free(target);
	return rc;
}

int os_posix_unlink(const struct os *os, const char *path)
{
	OS_UNCANCELLED;
	char *target;
	int rc;

	(void)os;
	assert(path != NULL);
	rc = path_follow(path, NULL, &target);
	if (rc != 0)
		return rc;
	rc = unlink(target) == 0 ? 0 : errno;
	free(target);
	return rc;
}

int os_posix_named(const struct os *os, os_file file, const char *path)
{
	struct stat own, there;

	(void)os;
	assert(path != NULL);
	if (fstat(file.fd, &own) != 0 || stat(path, &there) != 0)
		return errno;
	return own.st_dev == there.st_dev && own.st_ino == there.st_ino ? 0 : ENOENT;
}

/* Some file systems keep their directories in order by themselves and say EINVAL. A folder that may be written to, and
 * not read, cannot be opened: there the whole file system is flushed. */
int os_posix_sync_dir(const struct os *os, os_file file, const char *path)
{
	OS_UNCANCELLED;
	char *target, *folder;
	int fd, rc;

	(void)os;
	rc = path_follow(path, NULL, &target);
	if (rc != 0)
		return rc;
	folder = folder_of(target);
	free(target);
	if (folder == NULL)
		return ENOMEM;
	rc = fd_open(folder, O_RDONLY | O_DIRECTORY, 0, &fd);
	free(folder);
	if (rc == EACCES && file.fd >= 0)
		return syncfs(file.fd) == 0 ? 0 : errno;
	if (rc != 0)
		return rc;
	rc = fsync(fd) == 0 ? 0 : errno;
	(void)fd_close(fd);
	return rc == EINVAL ? 0 : rc;
}
