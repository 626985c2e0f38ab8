/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* path.h: names of files, and the permissions of a new one. The seam makes stores with it, the command its output.
 *
 * What is returned is had from malloc. */
#ifndef GKV_ARENA_OS_PATH_H
#define GKV_ARENA_OS_PATH_H

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define PATH_LINKS_MOST   40u /* as many as the kernel follows */
#define PATH_SELF_BYTES   32u
#define PATH_BESIDE_BYTES 32u

/* How much of `path` stands before its last name: with the slash at its end, or nothing. */
static inline size_t path_folder_length(const char *path)
{
	size_t length = strlen(path);

	while (length > 0 && path[length - 1] != '/')
		length--;
	return length;
}

/* `name` as it is meant in the folder of `path`; NULL without memory. */
static inline char *path_join(const char *path, const char *name)
{
	const size_t length = name[0] == '/' ? 0 : path_folder_length(path);
	char *joined = malloc(length + strlen(name) + 1);

	if (joined == NULL)
		return NULL;
	memcpy(joined, path, length);
	memcpy(joined + length, name, strlen(name) + 1);
	return joined;
}

/* Where the symbolic links that the last name of `path` may be lead to, whether anything is there or not. One that `ends`
 * says so of is not followed. 0, ENOMEM or ELOOP. */
static inline int path_follow(const char *path, bool (*ends)(const char *link), char **out)
{
	char *at = strdup(path);
	char target[PATH_MAX];

	*out = NULL;
	for (unsigned n = 0; n <= PATH_LINKS_MOST && at != NULL; n++) {
		const ssize_t size = readlink(at, target, sizeof(target) - 1);
		char *next;

		if (size < 0 || (ends != NULL && ends(at))) {
			*out = at;
			return 0;
		}
		target[size] = '\0';
		next = path_join(at, target);
		free(at);
		at = next;
	}
	if (at == NULL)
		return ENOMEM;
	free(at);
	return ELOOP;
}

/* The name by which a file without one is linked. Nothing tells where it is but this. */
static inline void path_self(int fd, char out[PATH_SELF_BYTES])
{
	(void)snprintf(out, PATH_SELF_BYTES, "/proc/self/fd/%d", fd);
}

/* A name for the meantime: a short one, since that of the file may be as long as a name can be. */
static inline void path_beside(unsigned long long random, char out[PATH_BESIDE_BYTES])
{
	(void)snprintf(out, PATH_BESIDE_BYTES, "gkv.new-%016llx", random);
}

/* Permission bits that do not depend on the group of a file: its group and all others have what both have. */
static inline unsigned path_bits_groupless(unsigned bits)
{
	const unsigned shared = bits >> 3 & bits & 7u;

	return (bits & 0700u) | shared << 3 | shared;
}

#endif
