/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* freemap.h: where a checkpoint finds the free space of the file: how much of each segment, and which have the most.
 *
 * It is taken from the sorted list of everything that is free or about to be, which every checkpoint makes anyway, and
 * serves compaction until the next one: so choosing what to empty costs nothing, however many free slots there are.
 *
 * A picture grows old: what it says is looked at again before it is relied on. Not thread-safe: its owner's lock. */
#ifndef GKV_ARENA_SPACE_FREEMAP_H
#define GKV_ARENA_SPACE_FREEMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"
#include "arena/space/ranges.h"
#include "arena/space/space.h"

#define FREEMAP_SEGMENT (UINT64_C(256) << 10) /* bytes of a segment, more in a very long file      */
#define FREEMAP_LARGE   (UINT64_C(64) << 10)  /* without a limit: free extents of so much are large  */
#define FREEMAP_GRADES  32u                   /* of emptiness                                      */
#define FREEMAP_NONE    UINT32_MAX

struct freemap {
	uint64_t segment;               /* bytes */
	uint64_t least;                 /* bytes of a large extent */
	uint32_t count;                 /* 0: it was not taken yet */
	uint64_t large;                 /* bytes of the free extents that are large */
	uint32_t *next;                 /* next[i]: another segment of the same grade */
	struct segment_room *room;      /* until it was taken */
	uint32_t first[FREEMAP_GRADES]; /* grade g: beside its large extents, free from g/32 of it on */
};

/* Memory for the map of a file that is no longer than file_bytes; extents of `least` bytes and more are large. 0 or ENOMEM. */
int freemap_init(struct freemap *s, const struct os *os, uint64_t file_bytes, uint64_t segment, uint64_t least);
/* From extents in order of start, which may touch, of a file that ends at file_bytes. Those that are marked are not free yet:
 * a snapshot sees them. Those of a hostile file may overlap; what they say of a place past the end is left out. Without
 * memory there is no map. */
void freemap_take(struct freemap *s, const struct ranges *list, uint64_t file_bytes);
void freemap_release(struct freemap *s, const struct os *os);
/* See slots_adopt. */
void freemap_adopt(struct freemap *s, uintptr_t by);

/* Bytes of a segment, and of a free extent that counts as none of it: large ones, under a limit clean ones. */
uint64_t freemap_segment(const struct space *s);
uint64_t freemap_large(const struct space *s);

/* Takes the emptiest segment out of the picture, if at least least/32 of it are free, its large extents aside. */
bool freemap_next(struct freemap *s, unsigned least, uint64_t *start, uint64_t *end);

#endif
