/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The map as SVG: the file row by row, its numbers below, rings around the free slots that attract each other most.
 *
 * A cell's colour is the mean of the colours of its kinds, by their shares in steps of an eighth; all cells of a colour
 * are one path, and neighbours one stroke of it, so that a picture is some ten kilobytes, whatever the file's length. */

#include "cli/cli.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/map.h"
#include "cli/progress.h"
#include "cli/utf8.h"

enum { CELL_WIDTH = 4, ROW_HEIGHT = 10, LEFT = 80, TOP = 56, LINE = 18, STEPS = 8, BAR_WIDTH = 220 };
enum { WIDTH = LEFT + MAP_SVG_COLUMNS * CELL_WIDTH + 20, BELOW = TOP + MAP_SVG_ROWS * ROW_HEIGHT + 36 };
enum { HEIGHT = BELOW + (MAP_CLASSES + 2) * LINE + 12 };

#define DRAWN UINT32_MAX /* of a cell: no colour */

static const uint8_t colours[MAP_KINDS][3] = {
	{0x8e, 0x44, 0xad}, {0x2f, 0x6f, 0xbf}, {0x3a, 0x9d, 0x5d}, {0x2a, 0xa1, 0xa1},
	{0xe0, 0xa8, 0x2e}, {0xec, 0xec, 0xe6}, {0xd6, 0x3c, 0x2f},
};

/* The path as text of XML: what would be markup is escaped, what XML does not allow is a question mark. */
static void text_write(const char *text, struct sink *out)
{
	const bool utf8 = utf8_valid(text, strlen(text));

	for (const char *at = text; *at; at++) {
		const unsigned char c = (unsigned char)*at;

		/* U+FFFE and U+FFFF. */
		if (utf8 && (strncmp(at, "\xef\xbf\xbe", 3) == 0 || strncmp(at, "\xef\xbf\xbf", 3) == 0)) {
			sink_byte(out, '?');
			at += 2;
		} else if (c == '&')
			sink_text(out, "&amp;");
		else if (c == '<')
			sink_text(out, "&lt;");
		else if (c == '>')
			sink_text(out, "&gt;");
		else
			sink_byte(out, c < ' ' || (c >= 0x7f && !utf8) ? '?' : *at);
	}
}

static uint32_t cell_colour(const struct map_cell *cell)
{
	uint64_t sum = 0, weights = 0;
	uint64_t mixed[3] = {0, 0, 0};
	uint32_t colour = 0;

	for (int i = 0; i < MAP_KINDS; i++)
		sum += cell->bytes[i];
	for (int i = 0; i < MAP_KINDS && sum > 0; i++) {
		uint64_t weight = (cell->bytes[i] * STEPS + sum / 2) / sum;

		/* The window is small, and worth seeing. */
		if (i == GKV_LAYOUT_WINDOW && cell->bytes[i] > 0)
			weight = (uint64_t)STEPS * STEPS;
		weights += weight;
		for (int j = 0; j < 3; j++)
			mixed[j] += weight * colours[i][j];
	}
	for (int j = 0; j < 3; j++)
		colour = colour << 8 | (uint32_t)(weights == 0 ? 0xff : mixed[j] / weights);
	return colour;
}

/* Where each fourth row begins in the file. */
static void offsets_write(const struct map *map, struct sink *out)
{
	for (uint64_t row = 0; row < map->rows; row += 4) {
		char offset[16];

		progress_size(offset, (double)map_cell_start(map, row * map->columns));
		sink_print(out, "<text class=\"r\" x=\"%d\" y=\"%" PRIu64 "\">%s</text>\n", LEFT - 8,
			   TOP + row * ROW_HEIGHT + 9, offset);
	}
}

/* All cells from `from` on that have its colour: a stroke as high as a row for each run of them, each but the first from
 * where the one before ended. They are marked as drawn. */
static void colour_write(const struct map *map, uint32_t *colours_left, uint64_t from, struct sink *out)
{
	const uint32_t colour = colours_left[from];
	const uint64_t cells = map->columns * map->rows;
	uint64_t x = 0, y = 0;

	sink_print(out, "<path stroke=\"#%06x\" d=\"", (unsigned)colour);
	for (uint64_t i = from, next; i < cells; i = next) {
		const uint64_t row = i / map->columns;
		const uint64_t left = LEFT + i % map->columns * CELL_WIDTH;

		for (next = i; next < cells && next / map->columns == row && colours_left[next] == colour; next++)
			colours_left[next] = DRAWN;
		if (next == i) {
			next++;
			continue;
		}
		if (row != y || x == 0)
			sink_print(out, "M%" PRIu64 " %" PRIu64, left, TOP + row * ROW_HEIGHT + ROW_HEIGHT / 2);
		else
			sink_print(out, "m%" PRIu64 " 0", left - x);
		sink_print(out, "h%" PRIu64, (next - i) * CELL_WIDTH);
		x = left + (next - i) * CELL_WIDTH;
		y = row;
	}
	sink_text(out, "\"/>\n");
}

static void cells_write(const struct map *map, struct sink *out)
{
	uint32_t colours_left[MAP_SVG_COLUMNS * MAP_SVG_ROWS];
	const uint64_t cells = map->columns * map->rows;

	assert(cells <= sizeof colours_left / sizeof colours_left[0]);
	for (uint64_t i = 0; i < cells; i++)
		colours_left[i] = cell_colour(&map->cells[i]);
	sink_print(out, "<g fill=\"none\" stroke-width=\"%d\">\n", ROW_HEIGHT - 1);
	for (uint64_t i = 0; i < cells; i++)
		if (colours_left[i] != DRAWN)
			colour_write(map, colours_left, i, out);
	sink_text(out, "</g>\n");
}

/* A ring around the place between the two slots, with the pair's number. */
static void rings_write(const struct map *map, struct sink *out)
{
	const uint64_t cells = map->columns * map->rows;

	for (int i = 0; i < map->pair_count; i++) {
		const struct map_pair *pair = &map->pairs[i];
		const uint64_t middle = pair->left + pair->left_size + pair->between / 2;
		const uint64_t index = middle * cells / map->file_bytes;
		const uint64_t x = LEFT + index % map->columns * CELL_WIDTH + CELL_WIDTH / 2;
		const uint64_t y = TOP + index / map->columns * ROW_HEIGHT + ROW_HEIGHT / 2;

		sink_print(out,
			   "<circle fill=\"none\" stroke=\"#111\" stroke-width=\"1.5\" cx=\"%" PRIu64 "\" cy=\"%" PRIu64
			   "\" r=\"8\"/><text class=\"n\" x=\"%" PRIu64 "\" y=\"%" PRIu64 "\">%d</text>\n",
			   x, y, x + 9, y - 5, i + 1);
	}
}

static void kinds_write(const struct map *map, struct sink *out)
{
	for (int i = 0; i < MAP_KINDS; i++) {
		const int y = BELOW + (i + 1) * LINE;
		char size[16];

		progress_size(size, (double)map->bytes[i]);
		sink_print(
			out,
			"<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"#%02x%02x%02x\" stroke=\"#999\"/>\n",
			LEFT, y - 11, colours[i][0], colours[i][1], colours[i][2]);
		sink_print(out,
			   "<text x=\"%d\" y=\"%d\">%s</text><text class=\"r\" x=\"%d\" y=\"%d\">%s, %.1f%%</text>\n",
			   LEFT + 20, y, map_kind_name(i), LEFT + 270, y, size,
			   100 * (double)map->bytes[i] / (double)map->file_bytes);
	}
}

static void classes_write(const struct map *map, struct sink *out)
{
	const int x = LEFT + 320;
	const double all = (double)map->bytes[GKV_LAYOUT_FREE];

	sink_print(out, "<text class=\"h\" x=\"%d\" y=\"%d\">free slots by size</text>\n", x, BELOW);
	for (int i = 0; i < MAP_CLASSES; i++) {
		const int y = BELOW + (i + 1) * LINE;
		char name[40];

		map_class_name(map, i, name);
		sink_print(out, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"12\" fill=\"#c9c9bd\"/>\n", x, y - 11,
			   all > 0 ? BAR_WIDTH * (double)map->classes[i].bytes / all : 0);
		sink_print(out, "<text x=\"%d\" y=\"%d\">%s: %" PRIu64 "</text>\n", x + 4, y, name,
			   map->classes[i].count);
	}
}

static void pairs_write(const struct map *map, struct sink *out)
{
	const int x = LEFT + 580;

	sink_print(out, "<text class=\"h\" x=\"%d\" y=\"%d\">slots that attract each other most</text>\n", x, BELOW);
	for (int i = 0; i < map->pair_count; i++) {
		const struct map_pair *pair = &map->pairs[i];
		char left[16], between[16], right[16];

		progress_size(left, (double)pair->left_size);
		progress_size(between, (double)pair->between);
		progress_size(right, (double)pair->right_size);
		sink_print(out, "<text x=\"%d\" y=\"%d\">%d: gravity %.4g: %s + %s of data + %s</text>\n", x,
			   BELOW + (i + 1) * LINE, i + 1, pair->gravity, left, between, right);
	}
}

void map_svg_write(const struct map *map, struct sink *out)
{
	char file[16], cell[16];

	progress_size(file, (double)map->file_bytes);
	progress_size(cell, (double)map->file_bytes / (double)(map->columns * map->rows));
	sink_print(
		out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n"
		"<style>text{font:12px sans-serif;fill:#222}.t{font-size:16px}.h{font-weight:bold}.r{text-anchor:end}"
		".n{font-weight:bold;font-size:13px}</style>\n"
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text class=\"t\" x=\"%d\" y=\"34\">",
		WIDTH, HEIGHT, WIDTH, HEIGHT, LEFT);
	text_write(map->path, out);
	sink_print(out, ": %s, %" PRIu64 " record%s; %s to a cell</text>\n", file, map->records,
		   map->records == 1 ? "" : "s", cell);
	offsets_write(map, out);
	cells_write(map, out);
	rings_write(map, out);
	kinds_write(map, out);
	classes_write(map, out);
	pairs_write(map, out);
	sink_text(out, "</svg>\n");
}
