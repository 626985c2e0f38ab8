/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_cut.c owns the choice of what a power cut leaves of a simulated file, among all that the disk may have of it.
 *
 * Cost: a cut copies the file once. */
#include "tests/crash/sim_disk.h"

#include <assert.h>
#include <string.h>

/* Words of 8 bytes of `to` that differ become, by chance, those of `other`. */
static void words_mix(uint8_t *to, const uint8_t *other, uint64_t *random)
{
	const uint64_t mask = sim_random(random);

	for (unsigned i = 0; i < SIM_SECTOR / 8; i++)
		if ((mask >> i & 1) != 0)
			memcpy(to + i * 8, other + i * 8, 8);
}

struct chooser {
	const struct sim_file *f;
	const struct sim_cut *cut;
	uint32_t resizes; /* changes of length that are durable           */
	uint32_t moment;  /* SIM_MOMENT                                    */
	uint64_t salt;    /* SIM_PAGES: which pages                        */
	uint64_t random;
	bool few_new; /* SIM_FEW: few are new; otherwise few are old   */
	uint32_t few[3];
};

/* Index + 1 of the version that the disk has of a sector; 0: what was flushed. */
static uint32_t version_choose(struct chooser *c, uint32_t sector)
{
	const struct sim_file *f = c->f;
	uint32_t v = f->newest[sector];
	uint64_t page = c->salt ^ (sector / (SIM_PAGE / SIM_SECTOR));

	switch (c->cut->style) {
	case SIM_ALL:
		return v;
	case SIM_MOMENT:
		while (v != 0 && f->version[v - 1].moment > c->moment)
			v = f->version[v - 1].older;
		return v;
	case SIM_PAGES:
		return (sim_random(&page) & 15) < c->cut->of_16 ? v : 0;
	case SIM_SECTORS_TORN:
		while (v != 0 && (sim_random(&c->random) & 15) >= c->cut->of_16)
			v = f->version[v - 1].older;
		return v;
	case SIM_FEW:
		for (unsigned i = 0; i < 3; i++)
			if (c->few[i] == sector)
				return c->few_new ? v : 0;
		return c->few_new ? 0 : v;
	default:
		return 0;
	}
}

static void sector_cut(struct chooser *c, uint32_t sector, uint8_t *to)
{
	const struct sim_file *f = c->f;
	uint32_t v = version_choose(c, sector);

	while (v != 0 && !sim_version_lasts(f, sector, f->version[v - 1].resizes, c->resizes))
		v = f->version[v - 1].older;
	if (v == 0)
		return;
	if (!c->cut->mixed || (sim_random(&c->random) & 3) != 0) {
		memcpy(to, f->version[v - 1].data, SIM_SECTOR);
		return;
	}
	/* The page was being written back while this version took the place of the one before. */
	if (f->version[v - 1].older != 0)
		memcpy(to, f->version[f->version[v - 1].older - 1].data, SIM_SECTOR);
	words_mix(to, f->version[v - 1].data, &c->random);
}

static void chooser_begin(struct chooser *c, const struct sim_file *f, const struct sim_cut *cut)
{
	*c = (struct chooser){.f = f, .cut = cut, .random = cut->random, .resizes = f->resize_count};
	if (cut->style == SIM_NONE)
		c->resizes = 0;
	else if (cut->style != SIM_ALL)
		c->resizes = (uint32_t)(sim_random(&c->random) % (f->resize_count + 1));
	c->salt = sim_random(&c->random);
	c->few_new = (sim_random(&c->random) & 1) != 0;
	if (f->dirty_count == 0)
		return;
	for (unsigned i = 0; i < 3; i++)
		c->few[i] = f->dirty[sim_random(&c->random) % f->dirty_count];
	if (f->version_count > 0)
		c->moment = f->version[sim_random(&c->random) % f->version_count].moment;
}

void sim_file_cut(const struct sim_file *f, const struct sim_cut *cut, struct sim_file *to)
{
	struct chooser c;
	uint64_t bytes = f->disk_bytes;
	uint64_t most = f->disk_bytes; /* of what is copied, what no truncation has cut */

	assert(f->tracked);
	chooser_begin(&c, f, cut);
	for (uint32_t i = 0; i < c.resizes; i++) {
		bytes = f->resize[i];
		most = bytes < most ? bytes : most;
	}
	sim_cache_resize(to, bytes);
	memcpy(to->cache, f->disk, most);
	memset(to->cache + most, 0, bytes - most);
	for (uint32_t i = 0; i < f->dirty_count; i++)
		if (f->dirty[i] * SIM_SECTOR < bytes)
			sector_cut(&c, f->dirty[i], to->cache + f->dirty[i] * SIM_SECTOR);
}
