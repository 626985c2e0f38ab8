/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* contender.c: the list of contenders. */

#include "tests/bench/contender.h"

#include <string.h>

const struct contender *const contender_all[] = {
	&contender_gkv,  &contender_gkv_noverify,  &contender_gkv_cheapest, &contender_gkv_gravity,
	&contender_lmdb, &contender_lmdb_writemap, &contender_memory,       NULL};

bool list_names(const char *list, const char *name)
{
	for (const char *at = list; *at != '\0';) {
		size_t length = strcspn(at, ",");
		bool whole = strlen(name) == length;
		bool prefix = length > 0 && at[length - 1] == '-';
		bool stem = prefix && strlen(name) == length - 1;

		if ((whole || prefix) && strncmp(at, name, length - stem) == 0)
			return true;
		at += length + (at[length] == ',');
	}
	return false;
}
