/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fork.h: the part of the seam that concerns forks: which generation this process is, and what it holds that a forked
 * child must not keep.
 *
 * A descriptor or a mapping that lives on in a child keeps the lock of its file after its owner has died. So the child
 * closes every descriptor that is noted here before fork returns, and lays inaccessible memory over every range: a use
 * of what was there ends the child, and nothing else is ever mapped there before the range is given up.
 *
 * A child that comes by _Fork or clone runs no handlers: none of this holds for it. */
#ifndef GKV_ARENA_OS_FORK_H
#define GKV_ARENA_OS_FORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Counts the forks on the way from the process that called os_fork_watch first to this one: a handle of a parent is
 * known by it. 0 or ENOMEM. */
int os_fork_watch(void);
extern _Atomic uint64_t os_forks;

static inline uint64_t os_fork_generation(void)
{
	return atomic_load_explicit(&os_forks, memory_order_relaxed);
}

/* No thread forks between these two. What a child must not keep is obtained, noted, and let go of, between them. */
void os_fork_hold(void);
void os_fork_release(void);

/* 0 or ENOMEM. */
int os_fork_note_fd(int fd);
int os_fork_note_range(void *base, uint64_t bytes);
/* Whether this process has it: false where it was not noted, or a fork has closed it. */
bool os_fork_forget_fd(int fd);
/* Whether what is mapped there may be unmapped: false where a fork found the addresses taken by something else. */
bool os_fork_forget_range(void *base);

#endif
