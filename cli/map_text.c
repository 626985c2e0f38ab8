/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The map as text: a picture of the file row by row, then its numbers.
 *
 * With colour, a cell shows the kind that most of it is in front and the second kind behind it, through a block that is
 * the more solid the larger the first one's share. Without, a letter tells the first kind. The window is small and
 * worth knowing: a cell that it touches is shown as window. */

#include "cli/cli.h"

#include <inttypes.h>
#include <stdio.h>

#include "cli/map.h"
#include "cli/progress.h"

enum { LABEL_COLUMNS = 12, COLUMNS_LEAST = 20, COLUMNS_MOST = 400, BAR_MOST = 30 };

static const char letters[MAP_KINDS] = {'H', 't', '#', 'l', ':', '.', 'W'};
static const char letter_mixed = '+'; /* records with something else between them */

/* The last digit of the escape sequence for the colour: 3x in front, 4x behind. */
static const char colours[MAP_KINDS] = {'5', '4', '2', '6', '3', '0', '1'};

uint64_t map_text_columns(uint64_t width)
{
	const uint64_t columns = width > LABEL_COLUMNS ? width - LABEL_COLUMNS : 0;

	return columns < COLUMNS_LEAST ? COLUMNS_LEAST : columns > COLUMNS_MOST ? COLUMNS_MOST : columns;
}

static uint64_t cell_sum(const struct map_cell *cell)
{
	uint64_t sum = 0;

	for (int i = 0; i < MAP_KINDS; i++)
		sum += cell->bytes[i];
	return sum;
}

/* The kind that most of the cell is, `but` one: -1 for none. */
static int cell_kind(const struct map_cell *cell, int but)
{
	int most = -1;

	for (int i = 0; i < MAP_KINDS; i++)
		if (i != but && cell->bytes[i] > (most < 0 ? 0 : cell->bytes[most]))
			most = i;
	return most;
}

static int cell_first(const struct map_cell *cell)
{
	return cell->bytes[GKV_LAYOUT_WINDOW] > 0 ? GKV_LAYOUT_WINDOW : cell_kind(cell, -1);
}

static char cell_letter(const struct map_cell *cell)
{
	const int first = cell_first(cell);

	if (first < 0)
		return ' ';
	if (first == GKV_LAYOUT_RECORD && cell->bytes[first] < cell_sum(cell) / 8 * 7)
		return letter_mixed;
	return letters[first];
}

static const char *cell_block(const struct map_cell *cell, int first)
{
	const double share = (double)cell->bytes[first] / (double)cell_sum(cell);

	if (first == GKV_LAYOUT_WINDOW || share > 0.9)
		return "\xe2\x96\x88";                        /* full   */
	return share > 0.7 ? "\xe2\x96\x93" : "\xe2\x96\x92"; /* dark, medium shade */
}

static void cell_write(const struct map_cell *cell, struct map_style style, struct sink *out)
{
	const int first = cell_first(cell);
	const int second = first < 0 ? -1 : cell_kind(cell, first);

	if (!style.colour || first < 0) {
		sink_byte(out, cell_letter(cell));
		return;
	}
	sink_print(out, "\033[3%c;4%cm", colours[first], style.blocks && second >= 0 ? colours[second] : '0');
	if (style.blocks)
		sink_text(out, cell_block(cell, first));
	else
		sink_byte(out, cell_letter(cell));
}

static void picture_write(const struct map *map, struct map_style style, struct sink *out)
{
	char offset[16];

	for (uint64_t row = 0; row < map->rows; row++) {
		progress_size(offset, (double)map_cell_start(map, row * map->columns));
		sink_print(out, "%*s ", LABEL_COLUMNS - 2, offset);
		for (uint64_t column = 0; column < map->columns; column++)
			cell_write(&map->cells[row * map->columns + column], style, out);
		sink_text(out, style.colour ? "\033[0m\n" : "\n");
	}
}

static void kinds_write(const struct map *map, struct map_style style, struct sink *out)
{
	char size[16];

	for (int i = 0; i < MAP_KINDS; i++) {
		progress_size(size, (double)map->bytes[i]);
		if (style.blocks && style.colour)
			sink_print(out, "\033[3%c;40m\xe2\x96\x88\xe2\x96\x88\033[0m ", colours[i]);
		else
			sink_print(out, "%c%c ", letters[i], i == GKV_LAYOUT_RECORD ? letter_mixed : ' ');
		sink_print(out, "%-18s %12s  %5.1f%%  %" PRIu64 " %s\n", map_kind_name(i), size,
			   100 * (double)map->bytes[i] / (double)map->file_bytes, map->stretches[i],
			   map->stretches[i] == 1 ? "stretch" : "stretches");
	}
}

static void classes_write(const struct map *map, struct sink *out)
{
	const uint64_t all = map->bytes[GKV_LAYOUT_FREE];

	sink_text(out, "\nfree slots by size         number        bytes\n");
	for (int i = 0; i < MAP_CLASSES; i++) {
		const struct map_class *class = &map->classes[i];
		char name[40], size[16];
		uint64_t bar = all == 0 ? 0 : (class->bytes * BAR_MOST + all / 2) / all;

		map_class_name(map, i, name);
		progress_size(size, (double)class->bytes);
		sink_print(out, "   %-18s %11" PRIu64 " %12s%s", name, class->count, size, bar > 0 ? "  " : "");
		for (; bar > 0; bar--)
			sink_byte(out, '=');
		sink_byte(out, '\n');
	}
}

static void pairs_write(const struct map *map, struct sink *out)
{
	if (map->pair_count == 0)
		return;
	sink_text(out, "\nfree slots that attract each other most\n"
		       "       gravity     at byte         slot + data between +         slot\n");
	for (int i = 0; i < map->pair_count; i++) {
		const struct map_pair *pair = &map->pairs[i];
		char left[16], between[16], right[16];

		progress_size(left, (double)pair->left_size);
		progress_size(between, (double)pair->between);
		progress_size(right, (double)pair->right_size);
		sink_print(out, "   %11.4g %11" PRIu64 " %12s + %12s + %12s\n", pair->gravity, pair->left, left,
			   between, right);
	}
}

void map_text_write(const struct map *map, struct map_style style, struct sink *out)
{
	char file[16], cell[16];

	progress_size(file, (double)map->file_bytes);
	progress_size(cell, (double)map->file_bytes / (double)(map->columns * map->rows));
	sink_print(out, "%s: %s, %" PRIu64 " record%s; %s to a cell\n\n", map->path, file, map->records,
		   map->records == 1 ? "" : "s", cell);
	picture_write(map, style, out);
	sink_byte(out, '\n');
	kinds_write(map, style, out);
	classes_write(map, out);
	pairs_write(map, out);
}
