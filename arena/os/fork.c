/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fork.c: what a forked child must not keep, over POSIX threads and Linux.
 *
 * Owns the fork generation and the list of what is noted; refuses to know what that is for.
 *
 * Invariants
 * 1. The generation changes in a forked child, before any other code of the library runs there, and never elsewhere.
 * 2. A fork leaves a child no descriptor that was noted, and inaccessible anonymous memory in each range that was.
 * 3. Between os_fork_hold and os_fork_release no fork begins: the list is whole in every child.
 *
 * Cost: a search through what is noted to forget it; three or so entries a handle. */
#define _GNU_SOURCE
#include "arena/os/fork.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/broken.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/* A range, or, with base NULL, a descriptor. */
struct held {
	void *base;
	uint64_t bytes; /* 0: of a range that a fork has lost to something else */
	int fd;
};

#define HELD_LEAST ((size_t)16)

_Atomic uint64_t os_forks;
static pthread_once_t watch_once = PTHREAD_ONCE_INIT;
static int watch_result;

static pthread_mutex_t held_mutex = PTHREAD_MUTEX_INITIALIZER; /* of the list */
static struct held *held_list;
static size_t held_count, held_capacity;

void os_fork_hold(void)
{
	const int rc = pthread_mutex_lock(&held_mutex);

	assert(rc == 0);
	(void)rc;
}

void os_fork_release(void)
{
	const int rc = pthread_mutex_unlock(&held_mutex);

	assert(rc == 0);
	(void)rc;
}

/* The parent's mapping is not there any more (MADV_DONTFORK, which holds for what is laid here, too). A handler that ran
 * before this one may have mapped something else in its place: that stays, and the range is not the child's to give up. */
static bool range_cover(const struct held *h)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE;
	void *at = mmap(h->base, h->bytes, PROT_NONE, flags, -1, 0);

	if (at == MAP_FAILED)
		return false;
	if (at == h->base && madvise(at, h->bytes, MADV_DONTFORK) == 0)
		return true;
	(void)munmap(at, h->bytes); /* a kernel that does not know the flag takes the address for a wish */
	return false;
}

static void child_begin(void)
{
	size_t kept = 0;

	(void)atomic_fetch_add_explicit(&os_forks, 1, memory_order_relaxed);
	for (size_t i = 0; i < held_count; i++) {
		struct held h = held_list[i];

		if (h.base == NULL) {
			if (!broken(BROKEN_CHILD_FILE))
				(void)close(h.fd);
			continue;
		}
		if (h.bytes > 0 && !range_cover(&h))
			h.bytes = 0;
		held_list[kept++] = h;
	}
	held_count = kept;
	os_fork_release();
}

static void watch_begin(void)
{
	watch_result = pthread_atfork(os_fork_hold, os_fork_release, child_begin);
}

int os_fork_watch(void)
{
	const int rc = pthread_once(&watch_once, watch_begin);

	return rc != 0 ? rc : watch_result;
}

static int note(struct held what)
{
	const int rc = os_fork_watch();

	if (rc != 0)
		return rc;
	if (held_count == held_capacity) {
		const size_t capacity = held_capacity == 0 ? HELD_LEAST : 2 * held_capacity;
		struct held *list = realloc(held_list, capacity * sizeof *list);

		if (list == NULL)
			return ENOMEM;
		held_list = list;
		held_capacity = capacity;
	}
	held_list[held_count++] = what;
	return 0;
}

/* From the newest on: most are let go of soon. NULL: it is not noted. */
static struct held *find(const void *base, int fd)
{
	for (size_t i = held_count; i-- > 0;)
		if (held_list[i].base == base && held_list[i].fd == fd)
			return &held_list[i];
	return NULL;
}

int os_fork_note_fd(int fd)
{
	assert(fd >= 0);
	return note((struct held){.fd = fd});
}

int os_fork_note_range(void *base, uint64_t bytes)
{
	assert(base != NULL && bytes > 0);
	return note((struct held){.base = base, .bytes = bytes, .fd = -1});
}

bool os_fork_forget_fd(int fd)
{
	struct held *h = find(NULL, fd);

	if (h == NULL)
		return false;
	*h = held_list[--held_count];
	return true;
}

bool os_fork_forget_range(void *base)
{
	struct held *h = find(base, -1);
	bool lost;

	assert(base != NULL);
	if (h == NULL)
		return true;
	lost = h->bytes == 0;
	*h = held_list[--held_count];
	return !lost;
}
