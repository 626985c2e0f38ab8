/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* freelist.h: the list of what is free that a checkpoint writes, and recovery reads. */
#ifndef GKV_ARENA_LOG_FREELIST_H
#define GKV_ARENA_LOG_FREELIST_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/file/header.h"
#include "arena/file/map.h"
#include "arena/space/ranges.h"
#include "arena/types.h"

/* The free list of a checkpoint in the making, see freelist_write.c. */
struct free_list {
	struct ranges ranges;
	uint64_t file_bytes;   /* where the file can end                                */
	uint64_t at;           /* extents that were written                             */
	uint32_t chunk;        /* that is being filled                                  */
	uint64_t end;          /* of the pair before, in units                          */
	uint64_t slots, bytes; /* of the pairs                                         */
	bool complete;         /* the chunks are, and the header names them            */
};

static inline struct free_disk *chunk_at(const struct map *m, uint64_t offset)
{
	return (struct free_disk *)(void *)blob_at(m, offset);
}

/* Bytes in it for what it lists. */
static inline uint64_t chunk_room(const struct free_disk *chunk)
{
	return chunk->head.size - (sizeof *chunk - sizeof chunk->head);
}

/* freelist.c ----------------------------------------------------------------------------------------------------- */

/* Reads the list that the header names into the free slots; the chunks' own space is not free. */
int freelist_read(arena *a, const struct header_disk *h);
/* Calls visit for each chunk. */
typedef int freelist_visit(void *arg, struct free_disk *chunk);
int freelist_each(const struct map *m, const struct header_disk *h, freelist_visit *visit, void *arg);

/* freelist_write.c ----------------------------------------------------------------------------------------------- */

/* Begins the list of what is free as of now: takes its chunks, copies what it will name. The chunks of the list before it
 * die with h->seq. For the writer. On failure what it took is given back. */
int freelist_begin(arena *a, struct header_disk *h);
/* A bounded step of making it, without the writer's lock, in memory that freelist_begin has taken; what it cost, in bytes, is
 * taken off *budget. *done when the chunks are complete and the header of the checkpoint names them. */
int freelist_step(arena *a, uint64_t *budget, bool *done);
/* Gives the chunks back of one that was begun. For the writer. 0 or ENOMEM. */
int freelist_abandon(arena *a);
/* Gives back the memory of one, which may be that of no other by then. For the writer. */
void freelist_release(arena *a);
/* Whether the chunks of the durable list are pending, though no checkpoint is under way. */
bool freelist_died(const arena *a);
/* The free map alone, at once: where there is no file there is no list. For the writer, who then releases it. */
void freelist_freemap(arena *a);

#endif
