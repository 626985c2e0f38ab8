/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_os.h: a machine to run the library on, whose power can be cut and whose calls can fail: a `struct os` with its own
 * files, memory, clock and random numbers, all of them the same for the same seed.
 *
 * At each call a hook is told which one it is, before it has any effect; the hook may look at what a power cut would
 * leave, and it may leave by longjmp, which is the death of the process at that instant. */
#ifndef GKV_TESTS_CRASH_SIM_OS_H
#define GKV_TESTS_CRASH_SIM_OS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"
#include "tests/crash/sim_disk.h"

#define SIM_FILES 8u
#define SIM_FDS   8u
#define SIM_MAPS  16u
#define SIM_PATH  64u
#define SIM_NAMES 4u

enum sim_call {
	SIM_STEP, /* not a call: the test says that the map may have changed */
	SIM_OPEN,
	SIM_CLOSE,
	SIM_SIZE,
	SIM_LOCK,
	SIM_UNLOCK,
	SIM_MAP,
	SIM_UNMAP,
	SIM_USE,
	SIM_ADVISE,
	SIM_GROW,
	SIM_TRUNCATE,
	SIM_PUNCH,
	SIM_READY,
	SIM_SYNC_RANGE,
	SIM_SYNC,
	SIM_PUSH,
	SIM_READ,
	SIM_WRITE,
	SIM_TOUCH,
	SIM_CREATE,
	SIM_PUBLISH,
	SIM_UNLINK,
	SIM_NAMED,
	SIM_SYNC_DIR,
	SIM_CLOCK,
	SIM_RANDOM,
	SIM_ALLOC,
	SIM_FREE,
	SIM_CALLS
};

extern const char *const sim_call_names[SIM_CALLS];

typedef void sim_hook(void *arg, enum sim_call call, uint64_t offset, uint64_t bytes);

/* A file and the names that it has had since its directory entry was flushed; [0] is the flushed one, the last one is
 * what processes see; "" is none. */
struct sim_entry {
	struct sim_file file;
	char name[SIM_NAMES][SIM_PATH];
	uint32_t names; /* 0: there is no such file at all */
};

/* What processes see. */
static inline const char *sim_entry_name(const struct sim_entry *e)
{
	return e->names == 0 ? "" : e->name[e->names - 1];
}

struct sim_fd {
	bool open;
	uint32_t entry;
	int lock; /* 0: none, 1: shared, 2: exclusive */
	uint32_t flushes;
	uint32_t errors; /* of the file, of which this descriptor was told, or somebody was before it was opened */
	bool flush_failed;
};

struct sim_block; /* of allocated memory */

struct sim {
	struct os os;
	bool tracked;
	struct sim_entry entry[SIM_FILES];
	bool named;        /* it makes no file without a name: see create of the seam */
	uint64_t capacity; /* bytes of all files together; more is ENOSPC */
	uint32_t moment;
	sim_hook *hook;
	void *hook_arg;
	/* The n-th call that can fail, from now on, does so; 0: none. */
	uint64_t fail_at;
	int fail_code;
	bool fail_always;          /* and all that follow */
	bool fail_loses;           /* a flush that fails leaves pages that seem clean */
	uint64_t failed;           /* how many did        */
	enum sim_call failed_call; /* ... the last of them */
	/* A flush failed in this process; and how many were asked for through the same descriptor after that. The first flush
	 * of a descriptor does not count when it fails: what failed before the descriptor was opened is told there. */
	bool flush_failed;
	uint64_t flushes_after;
	uint64_t stale;   /* flushes that were told of an earlier failure */
	uint64_t punched; /* bytes */
	/* Of the process: gone with it. */
	struct sim_fd fd[SIM_FDS];
	struct {
		void *base;
		uint64_t bytes;
	} map[SIM_MAPS];
	struct sim_block *blocks;
	uint64_t block_count;
	uint64_t random, ticks;
};

/* tracked: cuts can be made of it. */
void sim_init(struct sim *s, bool tracked, uint64_t seed);
void sim_release(struct sim *s);

/* The process is gone, with its memory, descriptors and locks; the cache is as it left it. */
void sim_kill(struct sim *s);
/* The kernel's own write-back of every file fails, as sim_file_write_back says. How many files have lost something. */
unsigned sim_write_back(struct sim *s);
/* Runs the hook as at a call. */
void sim_step(struct sim *s);

/* Turns `to`, where no process is, into what a power cut of `from` may leave, after a start. */
void sim_cut(const struct sim *from, const struct sim_cut *cut, struct sim *to);
/* Turns `to`, where no process is, into a copy of what `from`'s processes see, all of it on its disk. */
void sim_copy(const struct sim *from, struct sim *to);

/* The file of that name as processes see it, or NULL. */
struct sim_entry *sim_find(struct sim *s, const char *path);
/* A number that tells contents, lengths and names of all files from others. */
uint64_t sim_hash(const struct sim *s);

#endif
