/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* evacuate.h: moves what lives out of a stretch of the file. */
#ifndef GKV_ARENA_MOVE_EVACUATE_H
#define GKV_ARENA_MOVE_EVACUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/types.h"

/* Moves everything live out of [start, end), which begins where an extent or a slot does, by commits of its own. For
 * the writer, who has no blobs in the chain and keeps the lock. GRAVITY_FULL when there is nowhere to move it to. */
int evacuate(arena *a, uint64_t start, uint64_t end);
/* What stands at offset, a boundary of extents: how long it is, and whether the table or log needs it there. A free
 * slot is not an extent. GRAVITY_CORRUPT when nothing sound does. */
enum extent_use { EXTENT_SLOT, EXTENT_WINDOW, EXTENT_RECORD, EXTENT_TABLE, EXTENT_OTHER };
int extent_at(arena *a, uint64_t offset, uint64_t *span, enum extent_use *use);
/* From `at`, a boundary of extents, over `most` of them at most: the first boundary at or behind `least`. 0: none was
 * reached. What is left of a cluster is no extent: that has to be ended before. */
uint64_t extent_from(const arena *a, uint64_t at, uint64_t least, unsigned most);

#endif
