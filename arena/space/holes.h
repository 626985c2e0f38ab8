/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* holes.h: which blocks of the file may have pages without disk space: a bit for each.
 *
 * Where no bit is set, what is taken from a free slot needs no system call to be sure of its space. Of a file that was just
 * opened nothing is known, so every block of it has its bit. Not thread-safe: its owner's lock. */
#ifndef GKV_ARENA_SPACE_HOLES_H
#define GKV_ARENA_SPACE_HOLES_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"

#define HOLES_BLOCK (UINT64_C(64) << 10) /* bytes */
/* How far from a hole the kernel may keep pages as one piece (a folio) with pages of it: what is written or read at once
 * by other programs, mostly less than this. What is taken there is asked for again. */
#define HOLES_REACH (UINT64_C(1) << 20)

struct holes {
	uint64_t *words;
	uint64_t count;  /* of words; what lies beyond them has no holes */
	bool everywhere; /* there was no memory for a bit */
};

void holes_release(struct holes *h, const struct os *os);
/* See slots_adopt. */
void holes_adopt(struct holes *h, uintptr_t by);

/* Pages of [start, end) may be holes from now on. */
void holes_add(struct holes *h, const struct os *os, uint64_t start, uint64_t end);
/* The blocks that begin in [start, end) have none from now on. */
void holes_remove(struct holes *h, uint64_t start, uint64_t end);
/* Whether a block that [start, end) reaches into may have one. */
bool holes_meet(const struct holes *h, uint64_t start, uint64_t end);

#endif
