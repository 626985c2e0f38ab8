/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The layout of a file, summed up for drawing.
 *
 * 1. The bytes of all cells together are the file, as are those of all kinds.
 * 2. Memory depends on the number of cells, not on the file. */

#include "cli/cli.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/map.h"
#include "cli/message.h"
#include "cli/progress.h"

/* Each class begins at four times the size of the one before. */
enum { CLASS_FIRST = 256, CLASS_FACTOR = 4 };

uint64_t map_cell_start(const struct map *map, uint64_t index)
{
	assert(index <= map->columns * map->rows);
	/* A file has up to 2^43 bytes, a map far fewer than 2^20 cells. */
	return index * map->file_bytes / (map->columns * map->rows);
}

/* Shares a stretch out among the cells that it lies in. */
static void cells_add(struct map *map, uint64_t start, uint64_t size, int what)
{
	const uint64_t end = start + size;
	uint64_t index = start * (map->columns * map->rows) / map->file_bytes;

	while (start < end) {
		const uint64_t cell_end = map_cell_start(map, index + 1);

		if (cell_end > start) {
			const uint64_t part = (end < cell_end ? end : cell_end) - start;

			map->cells[index].bytes[what] += part;
			start += part;
		}
		index++;
	}
}

/* Puts a pair among those with the highest gravity, if it is one of them. */
static void pairs_add(struct map *map, struct map_pair pair)
{
	int at = map->pair_count;

	if (at == MAP_PAIRS && pair.gravity <= map->pairs[at - 1].gravity)
		return;
	if (at == MAP_PAIRS)
		at--;
	else
		map->pair_count++;
	for (; at > 0 && map->pairs[at - 1].gravity < pair.gravity; at--)
		map->pairs[at] = map->pairs[at - 1];
	map->pairs[at] = pair;
}

static void slot_add(struct map *map, uint64_t start, uint64_t size, double gravity)
{
	struct map_pair pair = map->open;
	struct map_class *fit = &map->classes[MAP_CLASSES - 1];

	while (size < fit->least)
		fit--;
	fit->count++;
	fit->bytes += size;
	if (pair.left_size > 0) {
		pair.between = start - (pair.left + pair.left_size);
		pair.right_size = size;
		pairs_add(map, pair);
	}
	map->open = (struct map_pair){.left = start, .left_size = size, .gravity = gravity};
}

static int stretch_add(void *arg, uint64_t start, uint64_t size, int what, double gravity)
{
	struct map *map = arg;

	assert(what >= 0 && what < MAP_KINDS);
	/* A writer of this process could have made the file longer since its size was asked for. */
	if (start + size > map->file_bytes)
		return EAGAIN;
	map->bytes[what] += size;
	map->stretches[what]++;
	cells_add(map, start, size, what);
	if (what == GKV_LAYOUT_FREE)
		slot_add(map, start, size, gravity);
	return 0;
}

enum status map_read(struct map *map, gkv *db, const char *path, uint64_t columns, uint64_t rows)
{
	gkv_stats stats;
	int code = gkv_stat(db, &stats);

	*map = (struct map){.path = path, .columns = columns, .rows = rows};
	if (code != GKV_OK)
		return say_code(path, code);
	map->file_bytes = stats.file_bytes;
	map->records = stats.records;
	for (int i = 1; i < MAP_CLASSES; i++)
		map->classes[i].least = i == 1 ? CLASS_FIRST : map->classes[i - 1].least * CLASS_FACTOR;
	map->cells = calloc(columns * rows, sizeof(*map->cells));
	if (!map->cells)
		return say_code(path, ENOMEM);
	code = gkv_layout(db, stretch_add, map);
	return code == GKV_OK ? STATUS_DONE : say_code(path, code);
}

void map_release(struct map *map)
{
	free(map->cells);
	map->cells = NULL;
}

const char *map_kind_name(int kind)
{
	static const char *const names[MAP_KINDS] = {
		[GKV_LAYOUT_HEADER] = "headers",         [GKV_LAYOUT_TABLE] = "table",
		[GKV_LAYOUT_RECORD] = "live records",    [GKV_LAYOUT_LIST] = "free list",
		[GKV_LAYOUT_HELD] = "freed, still held", [GKV_LAYOUT_FREE] = "free",
		[GKV_LAYOUT_WINDOW] = "window",
	};

	assert(kind >= 0 && kind < MAP_KINDS);
	return names[kind];
}

void map_class_name(const struct map *map, int index, char out[40])
{
	const bool last = index + 1 == MAP_CLASSES;
	char size[16];

	progress_size(size, (double)map->classes[last ? index : index + 1].least);
	snprintf(out, 40, last ? "%s and more" : "under %s", size);
}
