/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GRAVITY_H
#define GRAVITY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

enum {
	GRAVITY_OK = 0,
	GRAVITY_NOTFOUND = -1,
	GRAVITY_EXISTS = -2,
	GRAVITY_BUSY = -3,
	GRAVITY_FULL = -4,
	GRAVITY_TOOBIG = -5,
	GRAVITY_CORRUPT = -6,
	GRAVITY_NOTASTORE = -7,
	GRAVITY_BADVERSION = -8,
	GRAVITY_READONLY = -9,
	GRAVITY_INVALID = -10,
	GRAVITY_SHORTBUF = -11,
	GRAVITY_FAILED = -12,
	GRAVITY_READERS = -13
};

/* open flags, as GKV_RDONLY and so on */
#define GRAVITY_RDONLY 0x1u
#define GRAVITY_NOCREATE 0x2u
#define GRAVITY_NOVERIFY 0x4u

/* durability, as enum gkv_durability */
#define GRAVITY_DURABLE 0u
#define GRAVITY_LAZY 1u

typedef struct gravity gravity;
typedef uint64_t gravity_pos;              /* a virtual position; 0 is never one                         */

/* GRAVITY_* codes are the GKV_* codes of the same names and numbers: GRAVITY_OK 0, GRAVITY_NOTFOUND -1, ... */

enum gravity_planner { GRAVITY_DEFAULT = 0, GRAVITY_GRAVITY = 1, GRAVITY_CHEAPEST = 2 };

typedef struct gravity_options {           /* as gkv_options, and:                                       */
    unsigned flags; unsigned durability; unsigned mode;
    enum gravity_planner planner;
    uint64_t max_bytes, checkpoint_bytes, reserved[8];
} gravity_options;

typedef struct gravity_stats {
    uint64_t blobs, live_bytes, file_bytes, free_bytes, free_slots, largest_free, pending_bytes;
    uint64_t bytes_written, bytes_moved, compaction_steps, reserved[8];
} gravity_stats;

int  gravity_open (const char *path, const gravity_options *opt, gravity **g);   /* path NULL: anonymous */
int  gravity_close(gravity *g);
int  gravity_write(gravity *g, const void *data, size_t size, gravity_pos *pos);
int  gravity_read (gravity *g, gravity_pos pos, void *buf, size_t cap, size_t *size);
int  gravity_free (gravity *g, gravity_pos pos);
int  gravity_sync (gravity *g);
int  gravity_checkpoint(gravity *g);
int  gravity_compact(gravity *g, enum gravity_planner planner, uint64_t want);   /* a slot of `want` bytes */
typedef int gravity_slot_visit(void *arg, uint64_t start, uint64_t size, double gravity);  /* must not call back */
int  gravity_each_free_slot(gravity *g, gravity_slot_visit *visit, void *arg);
int  gravity_stat(gravity *g, gravity_stats *out);
const char *gravity_strerror(int code);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif

#ifdef __cplusplus
}
#endif

#endif
