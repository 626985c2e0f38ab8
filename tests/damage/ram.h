/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* ram.h: a system that has one file, in memory, and is quick: thousands of handles are opened on it each second.
 *
 * A handle that only reads gets a copy of the file, one that writes gets the file itself; touching what lies behind the
 * end of either is a signal, as with a real map. Memory that the library asks for is counted, so that a test can bound
 * it. Names are not kept: there is a file, under whatever name, or there is none. One thread at a time. */
#ifndef GKV_TESTS_DAMAGE_RAM_H
#define GKV_TESTS_DAMAGE_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/os/os.h"

#define RAM_FILE_MOST (UINT64_C(1) << 20)

struct ram {
	struct os os;
	uint8_t *file;   /* RAM_FILE_MOST bytes, then a page that cannot be touched */
	uint8_t *copy;   /* as long: of the one handle that reads                   */
	uint8_t *copied; /* where in it that handle's map begins; NULL: there is none */
	uint64_t bytes;  /* of the file                                             */
	bool there, named, shared;
	void *spare; /* a map that was given back, and how long it is; 0: there is none */
	uint64_t spare_bytes;
	uint64_t random, ticks;
	uint64_t held, peak; /* bytes of memory that the library has, and the most that it had since ram_load */
	uint64_t taken;      /* blocks, maps and files that were not given back                               */
};

/* Installs itself as the system of every open. The seed is of its random numbers. */
void ram_init(struct ram *r, uint64_t seed);
void ram_release(struct ram *r);
/* There is no file. */
void ram_clear(struct ram *r);
/* The file holds this. No handle is open. */
void ram_load(struct ram *r, const void *image, size_t bytes);

#endif
