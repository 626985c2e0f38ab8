/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_MAP_H
#define GKV_CLI_MAP_H

#include "cli/cli.h"
#include "cli/sink.h"
#include "gkv.h"

/* What stands where in a store's file, summed up so that it can be drawn: the file is cut into rows * columns cells of
 * equal size, row by row, and each cell knows how many of its bytes are of which kind. */
enum { MAP_KINDS = 7, MAP_CLASSES = 8, MAP_PAIRS = 8 };

struct map_cell {
	uint64_t bytes[MAP_KINDS]; /* by enum gkv_layout_kind */
};

/* Free slots from `least` bytes on, up to the next class. */
struct map_class {
	uint64_t least, count, bytes;
};

/* Two free slots with `between` bytes of data between them. */
struct map_pair {
	uint64_t left, left_size, between, right_size;
	double gravity;
};

struct map {
	const char *path;
	uint64_t file_bytes, records;
	uint64_t columns, rows;
	struct map_cell *cells;
	uint64_t bytes[MAP_KINDS], stretches[MAP_KINDS];
	struct map_class classes[MAP_CLASSES];
	struct map_pair pairs[MAP_PAIRS]; /* those with the highest gravity, in falling order */
	int pair_count;
	struct map_pair open; /* a slot whose neighbour was not seen yet; left_size 0: none */
};

/* Reads the layout of an open store. The path is kept for the title. Anything but STATUS_DONE was said already; release
 * the map in either case. */
enum status map_read(struct map *map, gkv *db, const char *path, uint64_t columns, uint64_t rows);
void map_release(struct map *map);

/* Where cell `index` begins in the file. */
uint64_t map_cell_start(const struct map *map, uint64_t index);

/* One or two words for a kind of stretch. */
const char *map_kind_name(int kind);
/* "under 256 bytes", "64.0 KiB and more" and the like for a class of slots. */
void map_class_name(const struct map *map, int index, char out[40]);

/* How the text is drawn. */
struct map_style {
	bool colour; /* escape sequences of ECMA-48 */
	bool blocks; /* UTF-8, and with colour: shaded blocks instead of letters */
};

/* Columns of cells that fit into a terminal of that width. */
uint64_t map_text_columns(uint64_t width);
void map_text_write(const struct map *map, struct map_style style, struct sink *out);

/* The numbers as one JSON object, without the picture. */
void map_json_write(const struct map *map, struct sink *out);

/* Cells of the SVG. */
enum { MAP_SVG_COLUMNS = 240, MAP_SVG_ROWS = 40 };
void map_svg_write(const struct map *map, struct sink *out);

#endif
