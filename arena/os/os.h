/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* os.h: the seam between the library and the operating system.
 *
 * Everything that the library asks of a system goes through one `struct os`: files, the mapping, flushes, memory, the
 * clock and random bytes. os_posix() is the real one. A test hands in its own, fails the n-th call, or keeps a "disk"
 * beside the memory that it gives out as the map.
 *
 * Every operation returns 0, a positive errno value, or the one code named at it. Operations are thread-safe, and none is
 * a cancellation point (see thread.h). EINTR and short transfers are retried inside, a bounded number of times; a failed flush never is. Offsets and sizes are
 * bytes.
 *
 * Stores through the map do not pass through a call: what was stored is durable only after sync_range or sync. */
#ifndef GKV_ARENA_OS_OS_H
#define GKV_ARENA_OS_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct os_file {
	int fd; /* -1: none */
} os_file;

#define OS_NOFILE ((os_file){-1})

enum os_open_flags {
	OS_RDONLY = 0x1u, /* open for reading alone                                    */
	OS_CREATE = 0x2u  /* make a new file; EEXIST where the name is taken           */
};

enum os_map_mode {
	OS_MAP_SHARED = 1,  /* stores reach the file                                                          */
	OS_MAP_PRIVATE = 2, /* the file, to be read; behind its end stands memory of the next kind             */
	/* no file: zeroed memory, which is inaccessible, and costs addresses alone, until `use` */
	OS_MAP_ANONYMOUS = 3,
	/* no file: zeroed memory, all of it in use from the start, and still there in a forked child */
	OS_MAP_MEMORY = 4
};

enum os_advice {
	OS_ADVISE_RANDOM = 1,   /* no read-ahead, small folios   */
	OS_ADVISE_WILLNEED = 2, /* read ahead now                */
	/* anonymous memory: give back the whole pages in it; they are as before `use`, zeroed */
	OS_ADVISE_DONTNEED = 3,
	OS_ADVISE_HUGE = 4 /* anonymous memory: in large pages, where there are any */
};

struct os {
	/* A regular file, close-on-exec. EISDIR for a directory, GRAVITY_NOTASTORE (-7) for what is neither. */
	int (*open)(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out);
	int (*close)(const struct os *os, os_file file);
	int (*size)(const struct os *os, os_file file, uint64_t *bytes);

	/* An open-file-description lock over the whole file, never waiting: GRAVITY_BUSY (-3) when another holds it. */
	int (*lock)(const struct os *os, os_file file, bool exclusive);
	/* Of the lock itself: a forked child, which shares it, must not call this. */
	int (*unlock)(const struct os *os, os_file file);

	/* Maps the file from offset 0 over *reserve bytes of address space, halving *reserve (not below `least`) until
	 * the system grants it, and a third of that to whoever else wants some; *reserve tells what was granted. The mapping
	 * may reach past the end of the file. A forked child does not get it (but OS_MAP_MEMORY): the addresses stay taken and
	 * inaccessible there until it calls unmap, and the file is not kept by it. */
	int (*map)(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		   void **base);
	int (*unmap)(const struct os *os, void *base, uint64_t reserve);
	/* Of OS_MAP_ANONYMOUS, and of OS_MAP_PRIVATE from the last page of the file on: makes the pages that the range touches
	 * readable and writable. What they hold stays. ENOMEM. */
	int (*use)(const struct os *os, void *base, uint64_t offset, uint64_t bytes);
	/* Best effort; its result may be ignored. */
	int (*advise)(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice);

	/* Allocates disk space for the range, growing the file to cover it; holes in it are filled, and what it shares with
	 * another file (a reflink copy) is made its own, where the file system can. ENOSPC, never SIGBUS; EFBIG where the
	 * process may not write that far. After a failure the file may have grown by a part of it. */
	int (*grow)(const struct os *os, os_file file, uint64_t offset, uint64_t bytes);
	int (*truncate)(const struct os *os, os_file file, uint64_t bytes);
	/* Hands the range's disk space back; it reads as zeroes. EOPNOTSUPP where the file system cannot. */
	int (*punch)(const struct os *os, os_file file, uint64_t offset, uint64_t bytes);

	/* Makes the page of a shared map that the offset stands in ready to be stored to, and marks it as changed. The kernel
	 * may keep it as one piece with its neighbours (a folio), and a store then needs disk space under all of them: where
	 * that cannot be had this is ENOSPC, and the store would be SIGBUS. It stays so until something of
	 * the piece is punched, or comes to be shared. EIO: it cannot be read. A kernel that cannot tell says 0. */
	int (*ready)(const struct os *os, os_file file, void *base, uint64_t offset);

	/* On stable storage when they return 0: a range of the map (msync), or everything of the file (fdatasync). After a
	 * failure the system may take for clean what the disk never got. So a caller never asks again, with one exception. The
	 * first flush through a descriptor also reports what failed before that was opened, if nobody was told then. A caller
	 * that has promised nothing yet may store to all that it relies on, and ask for that flush once more. A second failure
	 * is final. */
	int (*sync_range)(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes);
	int (*sync)(const struct os *os, os_file file);
	/* Starts writing the range out, without waiting; best effort. */
	int (*push)(const struct os *os, os_file file, uint64_t offset, uint64_t bytes);

	/* Whole transfers; a read past the end gives *got < bytes. What is written is seen through a shared map at once. */
	int (*read)(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got);
	int (*write)(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes);

	/* Says that the file has changed now, which stores through the map do not: best effort. */
	int (*touch)(const struct os *os, os_file file);

	/* A new, empty file for `path` that does not have that name yet. *beside is NULL where it has no name at all: it is gone
	 * with its last descriptor. Otherwise it is the name that it has, beside `path`, from alloc: the caller frees it, and
	 * unlinks the file if it is not published. `like`: OS_NOFILE, or a file whose permissions count in place of `mode`; the
	 * new one is never easier to read than it. Symbolic links at the end of a path are followed by all of these, also where
	 * nothing is at their end. */
	int (*create)(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out);
	/* Gives it the name `path`, atomically, never replacing what is there: EEXIST. */
	int (*publish)(const struct os *os, os_file file, const char *beside, const char *path);
	int (*unlink)(const struct os *os, const char *path);
	/* 0 where `path` leads to the file. ENOENT where it leads nowhere, or to another one. */
	int (*named)(const struct os *os, os_file file, const char *path);
	/* Makes the directory entry of `path`, which `file` has, durable. */
	int (*sync_dir)(const struct os *os, os_file file, const char *path);

	/* Sleeps on `word`, which holds `value`, so many nanoseconds at most: 0 when it was woken, ETIMEDOUT, EAGAIN when it
	 * holds something else and there was no sleep, EINTR. The word may stand in memory that several processes map. */
	int (*wait)(const struct os *os, const _Atomic uint32_t *word, uint32_t value, uint64_t nanoseconds);
	/* Wakes the one who sleeps longest on the word, or all of them; how many there were. */
	unsigned (*wake)(const struct os *os, const _Atomic uint32_t *word, bool all);

	uint64_t (*clock)(const struct os *os); /* nanoseconds, monotonic */
	int (*random)(const struct os *os, void *buf, size_t bytes);

	/* As realloc and free; NULL on failure, `bytes` is never 0. */
	void *(*alloc)(const struct os *os, void *old, size_t bytes);
	void (*free)(const struct os *os, void *ptr);

	void *context; /* the implementation's own */
};

/* The real system. Static: never freed. */
const struct os *os_posix(void);

/* What arena_open uses where its options name no os: os_posix(), or what a test installed for code that it reaches only
 * through the public headers. Not thread-safe: install before the first open. NULL restores the real one. */
/* A longer array in place of `old`, which may be NULL: of `first` items, or twice as many as *capacity. NULL without memory, and
 * then all is as it was. */
static inline void *os_grow(const struct os *os, void *old, uint32_t *capacity, uint32_t first, size_t item)
{
	const uint32_t more = *capacity == 0 ? first : 2 * *capacity;
	void *grown = os->alloc(os, old, more * item);

	if (grown != NULL)
		*capacity = more;
	return grown;
}

/* Where a block from alloc stands, or what points into one, when all the memory that it is of has been moved by so many bytes. */
static inline void *os_moved(void *old, uintptr_t by)
{
	return old == NULL ? NULL : (void *)((uintptr_t)old + by);
}

const struct os *os_default(void);
__attribute__((unused)) void os_set_default(const struct os *os);

#endif
