/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The numbers of the map as one JSON object: kinds of stretches, free slots by size, and the pairs of free slots that
 * attract each other most. Sizes and places are bytes. */

#include "cli/cli.h"

#include <inttypes.h>

#include "cli/map.h"

void map_json_write(const struct map *map, struct sink *out)
{
	sink_print(out, "{\"file_bytes\":%" PRIu64 ",\"records\":%" PRIu64 ",\"kinds\":[", map->file_bytes,
		   map->records);
	for (int i = 0; i < MAP_KINDS; i++)
		sink_print(out, "%s{\"kind\":\"%s\",\"bytes\":%" PRIu64 ",\"stretches\":%" PRIu64 "}",
			   i == 0 ? "" : ",", map_kind_name(i), map->bytes[i], map->stretches[i]);
	sink_text(out, "],\"free_slots\":[");
	for (int i = 0; i < MAP_CLASSES; i++)
		sink_print(out, "%s{\"least\":%" PRIu64 ",\"count\":%" PRIu64 ",\"bytes\":%" PRIu64 "}",
			   i == 0 ? "" : ",", map->classes[i].least, map->classes[i].count, map->classes[i].bytes);
	sink_text(out, "],\"pairs\":[");
	for (int i = 0; i < map->pair_count; i++) {
		const struct map_pair *pair = &map->pairs[i];

		sink_print(out,
			   "%s{\"gravity\":%.17g,\"start\":%" PRIu64 ",\"left\":%" PRIu64 ",\"between\":%" PRIu64
			   ",\"right\":%" PRIu64 "}",
			   i == 0 ? "" : ",", pair->gravity, pair->left, pair->left_size, pair->between,
			   pair->right_size);
	}
	sink_text(out, "]}\n");
}
