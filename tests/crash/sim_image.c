/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_image.c owns what a machine finds when it starts: after a power cut, or as a copy of another one. Nobody runs on it
 * meanwhile.
 *
 * 1. Whatever a machine starts with is all on its disk, and under one name. */
#include "tests/crash/sim_os.h"

#include <stdio.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The one name that the file has after a start. */
static void entry_settle(struct sim_entry *e, const char *name)
{
	(void)snprintf(e->name[0], SIM_PATH, "%s", name);
	e->names = name[0] != '\0';
	if (e->names == 0)
		sim_file_clear(&e->file);
	else
		sim_file_settle(&e->file);
}

void sim_cut(const struct sim *from, const struct sim_cut *cut, struct sim *to)
{
	uint64_t random = cut->random;

	for (unsigned i = 0; i < SIM_FILES; i++) {
		const struct sim_entry *e = &from->entry[i];
		struct sim_cut own = *cut;
		char name[SIM_PATH] = "";
		own.random = sim_random(&random);
		if (e->names > 0) {
			const uint64_t pick = cut->style == SIM_NONE  ? 0
					      : cut->style == SIM_ALL ? e->names - 1
								      : own.random % e->names;
			(void)snprintf(name, sizeof name, "%s", e->name[pick]);
		}
		if (name[0] != '\0')
			sim_file_cut(&e->file, &own, &to->entry[i].file);
		entry_settle(&to->entry[i], name);
	}
}

void sim_copy(const struct sim *from, struct sim *to)
{
	for (unsigned i = 0; i < SIM_FILES; i++) {
		const struct sim_entry *e = &from->entry[i];
		if (sim_entry_name(e)[0] != '\0')
			sim_file_copy(&e->file, &to->entry[i].file);
		entry_settle(&to->entry[i], sim_entry_name(e));
	}
}

uint64_t sim_hash(const struct sim *s)
{
	uint64_t hash = 0;

	for (unsigned i = 0; i < SIM_FILES; i++) {
		const struct sim_entry *e = &s->entry[i];
		if (e->names == 0)
			continue;
		hash = XXH3_64bits_withSeed(sim_entry_name(e), strlen(sim_entry_name(e)), hash ^ e->file.bytes);
		hash = XXH3_64bits_withSeed(e->file.cache, e->file.bytes, hash);
	}
	return hash;
}
