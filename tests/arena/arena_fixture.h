/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* arena_fixture.h: what the suites of the arena share: a system whose n-th call fails and which notices leaks, the
 * lower parts of an arena without the upper ones, and arenas whose content a model knows. */
#ifndef GKV_TESTS_ARENA_ARENA_FIXTURE_H
#define GKV_TESTS_ARENA_ARENA_FIXTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/arena.h"
#include "arena/file/map.h"
#include "arena/log/log.h"
#include "arena/os/os.h"
#include "arena/space/reader.h"
#include "arena/space/space.h"
#include "arena/table/table.h"
#include "tests/testing.h"

/* --- a system that fails ------------------------------------------------------------------------------------------ */

enum faulty_call {
	FAULTY_ALLOC = 0x001u,
	FAULTY_OPEN = 0x002u,
	FAULTY_CLOSE = 0x004u,
	FAULTY_SIZE = 0x008u,
	FAULTY_LOCK = 0x010u,
	FAULTY_MAP = 0x020u,
	FAULTY_GROW = 0x040u,
	FAULTY_TRUNCATE = 0x080u,
	FAULTY_PUNCH = 0x100u,
	FAULTY_SYNC_RANGE = 0x200u,
	FAULTY_SYNC = 0x400u,
	FAULTY_READ = 0x800u,
	FAULTY_PUBLISH = 0x1000u,
	FAULTY_SYNC_DIR = 0x2000u,
	FAULTY_RANDOM = 0x4000u,
	FAULTY_WRITE = 0x8000u,
	FAULTY_READY = 0x10000u
};
#define FAULTY_FLUSHES (FAULTY_SYNC_RANGE | FAULTY_SYNC)
#define FAULTY_EVERY   0x1ffffu

/* The real system, all but for the calls that it was told to fail. */
struct faulty {
	struct os os;
	unsigned counted; /* calls of these kinds are counted                    */
	int code;         /* what a failing one gives; allocations give NULL     */
	bool for_ever;    /* every call from the n-th on                         */
	bool unflushed;   /* what succeeds in flushing waits for no disk: for a  */
			  /* process that is killed it makes no difference       */
	uint64_t fail_at; /* n, from 1; 0: none                                  */
	_Atomic uint64_t calls;
	_Atomic uint64_t failed;             /* how many of them were failed                        */
	_Atomic int64_t blocks, files, maps; /* that were taken and not given back        */
	void (*before_flush)(void *arg);     /* called before each flush, of either kind; NULL: none */
	void *arg;
};

/* Nothing fails until faulty_arm says so. */
void faulty_init(struct faulty *f);
/* The nth call from now of these kinds fails; 0: none, they are only counted. */
void faulty_arm(struct faulty *f, unsigned counted, uint64_t nth, int code, bool for_ever);
/* No memory, file or mapping is left. */
void faulty_clean(const struct faulty *f);

/* --- the lower parts ---------------------------------------------------------------------------------------------- */

/* Anonymous memory with one free slot behind the header pages. */
struct bare {
	struct map map;
	struct readers readers;
	struct space space;
	struct log log;
	struct table table;
};

void bare_open(struct bare *b, const struct os *os, uint64_t bytes, uint64_t max_bytes);
void bare_close(struct bare *b);
/* Readers see commit `seq` from now on; the table's next changes belong to the one after it. */
void bare_commit(struct bare *b, uint64_t seq);
/* A sealed record outside the log. */
struct blob_disk *bare_record(struct bare *b, uint64_t name, uint64_t seq, const void *data, uint32_t size);
/* Free slots, pending extents and the cluster do not overlap. */
void bare_sound(const struct bare *b);

/* --- arenas and their model --------------------------------------------------------------------------------------- */

#define MODEL_NAMES 512u

/* What an arena should hold: for each name a number, which tells its bytes; 0: none. */
struct model {
	uint64_t number[MODEL_NAMES];
	uint32_t size[MODEL_NAMES];
};

struct arena_options plain_options(unsigned flags, unsigned durability);
arena *arena_must_open(const char *path, const struct arena_options *o);
arena *arena_lazy(const char *path);
void arena_must_close(arena *a);
/* The name of a model's record. */
vpos model_name(unsigned i);
/* In an open transaction; what it returns is arena_put's or arena_del's, and the model follows if that is 0. */
int model_put(struct model *m, arena_txn *t, unsigned i, uint64_t number, uint32_t size);
int model_del(struct model *m, arena_txn *t, unsigned i);
/* One transaction with `count` random changes of blobs up to max_size; 0, or the first failure, after which the
 * transaction was aborted and the model is as it was. model_tried: what the last one that reached its commit would have
 * made of the model. */
extern struct model model_tried;
int model_commit(struct model *m, arena *a, struct rng *r, unsigned count, uint32_t max_size, unsigned flags);
/* Whether the arena holds exactly what the model does. */
bool model_fits(const struct model *m, arena *a);
/* The same of a snapshot. */
bool model_fits_txn(const struct model *m, arena_txn *t);

/* arena_check_live and arena_check find nothing; what they find is printed. */
void arena_must_be_sound(arena *a);
void file_must_be_sound(const char *path);
/* Opens the file and gives 0 with what it holds compared, and sound where it fits, or the code of the opening. */
int file_opens_as(const char *path, const struct model *m, bool *fits);
/* It opens, is sound and holds exactly this. */
void file_must_hold(const char *path, const struct model *m);

/* What another process would find if this one were killed now. */
void file_copy(const char *from, const char *to);
/* Changes one bit of a file. */
void file_flip(const char *path, uint64_t offset, unsigned bit);
/* The file's bytes are overwritten. */
void file_poke(const char *path, uint64_t offset, const void *data, size_t bytes);
void file_peek(const char *path, uint64_t offset, void *data, size_t bytes);

#endif
