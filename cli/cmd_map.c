/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gkv map: a picture of the file, on the terminal or as SVG. */

#include "cli/cli.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/map.h"
#include "cli/options.h"
#include "cli/store.h"

enum { WIDTH_DEFAULT = 80, TEXT_ROWS = 16 };

/* Of the terminal; of COLUMNS, or 80, where standard output is none. */
static uint64_t text_width(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	uint64_t width;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return columns && options_count(columns, &width) ? width : WIDTH_DEFAULT;
}

/* Colour is for a terminal that has it, unless the user wants none anywhere (NO_COLOR). */
static struct map_style text_style(void)
{
	const char *none = getenv("NO_COLOR");
	const char *terminal = getenv("TERM");
	struct map_style style = {false, false};

	style.colour = isatty(STDOUT_FILENO) && (!none || none[0] == '\0') && terminal && strcmp(terminal, "dumb") != 0;
	if (style.colour && setlocale(LC_CTYPE, ""))
		style.blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	return style;
}

static enum status text_show(gkv *db, const struct operands *operands, void *arg)
{
	const bool *json = arg;
	struct map map;
	enum status status = map_read(&map, db, operands->items[0], map_text_columns(text_width()), TEXT_ROWS);
	struct sink out;

	if (status == STATUS_DONE) {
		sink_stdout(&out);
		if (*json)
			map_json_write(&map, &out);
		else
			map_text_write(&map, text_style(), &out);
		status = sink_close(&out, status);
	}
	map_release(&map);
	return status;
}

struct svg {
	const char *path;
	bool force;
};

static enum status svg_write(gkv *db, const struct operands *operands, void *arg)
{
	const struct svg *svg = arg;
	struct map map;
	enum status status = map_read(&map, db, operands->items[0], MAP_SVG_COLUMNS, MAP_SVG_ROWS);
	struct sink out;

	if (status == STATUS_DONE)
		status = sink_open(&out, svg->path, operands->items[0], svg->force);
	if (status == STATUS_DONE) {
		map_svg_write(&map, &out);
		status = sink_close(&out, status);
	}
	map_release(&map);
	return status;
}

static enum status map_run(const struct verb *verb, int argc, char **argv)
{
	struct svg svg = {0};
	bool json = false;
	const struct option_spec specs[] = {
		{"svg", NULL, &svg.path}, {"force", &svg.force, NULL}, {"json", &json, NULL}, {NULL, NULL, NULL}};
	struct operands operands;
	enum status status;

	if (!options_parse(verb, argc, argv, specs, &operands, &status))
		return status;
	if (svg.path && json)
		return options_wrong(verb, "--svg and --json exclude each other");
	return svg.path ? store_do(&operands, STORE_READ, GKV_DURABLE, svg_write, &svg)
			: store_do(&operands, STORE_READ, GKV_DURABLE, text_show, &json);
}

const struct verb verb_map = {
	.name = "map",
	.synopsis = "FILE [--svg OUT [--force] | --json]",
	.summary = "show what stands where in the file",
	.help = "Draws the file from its first byte to its last: headers, table, live records,\n"
		"what is freed and still held, free slots, and the window that is written next.\n"
		"Below stand the shares of each, the free slots by size, and those that attract\n"
		"each other most. In colour where standard output is a terminal.\n"
		"\n"
		"Options:\n"
		"  --svg OUT       write the picture as SVG to OUT (-: standard output) instead\n"
		"  --force         replace OUT even if it is a store\n"
		"  --json          write the numbers as one JSON object instead\n",
	.min_operands = 1,
	.max_operands = 1,
	.run = map_run,
};
