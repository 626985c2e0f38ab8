/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_holes.c: the bits that tell where the file may have holes, against a model; and how seldom the system is asked for
 * space because of them. */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "arena/file/disk.h"
#include "arena/space/holes.h"
#include "tests/arena/arena_fixture.h"

/* --- the bits ----------------------------------------------------------------------------------------------------- */

#define PAGES       4096u
#define BLOCK_PAGES ((unsigned)(HOLES_BLOCK / DISK_PAGE))

/* Random stretches are added and removed. A block that the model has a hole in meets; one whose pages were all removed since
 * they were added does not. */
START_TEST(bits_are_the_blocks)
{
	static bool marked[PAGES / BLOCK_PAGES];
	struct holes h = {0};
	struct rng r = rng_make(1);

	memset(marked, 0, sizeof marked);
	for (uint64_t turn = testing_count(20000, 1000); turn > 0; turn--) {
		const unsigned start = (unsigned)rng_below(&r, PAGES - 1);
		const unsigned end = start + 1 + (unsigned)rng_size(&r, PAGES - 1 - start);
		const bool add = rng_below(&r, 2) == 0;
		if (add)
			holes_add(&h, os_posix(), start * DISK_PAGE, end * DISK_PAGE);
		else
			holes_remove(&h, start * DISK_PAGE, end * DISK_PAGE);
		for (unsigned b = 0; b < PAGES / BLOCK_PAGES; b++) {
			const bool reached = b * BLOCK_PAGES < end && (b + 1) * BLOCK_PAGES > start;
			const bool begins = b * BLOCK_PAGES >= start && b * BLOCK_PAGES < end;
			if (add ? reached : begins)
				marked[b] = add;
		}
		for (unsigned i = 0; i < 8; i++) {
			const uint64_t at = rng_below(&r, PAGES * DISK_PAGE / DISK_UNIT) * DISK_UNIT;
			const uint64_t size = DISK_UNIT + rng_size(&r, PAGES * DISK_PAGE - DISK_UNIT - at);
			bool met = false;
			for (uint64_t b = at / HOLES_BLOCK; b <= (at + size - 1) / HOLES_BLOCK; b++)
				met |= marked[b];
			must(holes_meet(&h, at, at + size) == met);
		}
	}
	/* Nothing was ever added there. */
	must(!holes_meet(&h, PAGES * DISK_PAGE, DISK_FILE_MAX));
	holes_release(&h, os_posix());
}
END_TEST

START_TEST(without_memory_they_are_everywhere)
{
	struct faulty f;
	struct holes h = {0};

	faulty_init(&f);
	faulty_arm(&f, FAULTY_ALLOC, 1, ENOMEM, false);
	holes_add(&h, &f.os, 0, HOLES_BLOCK);
	must(holes_meet(&h, 0, DISK_UNIT) && holes_meet(&h, DISK_FILE_MAX - DISK_UNIT, DISK_FILE_MAX));
	holes_remove(&h, 0, DISK_FILE_MAX);
	must(holes_meet(&h, 0, DISK_UNIT));
	holes_release(&h, &f.os);
	faulty_clean(&f);
}
END_TEST

/* --- calls -------------------------------------------------------------------------------------------------------- */

#define BLOCKS 60u
#define END    (BLOCKS * HOLES_BLOCK)
#define PIECE  600u

/* Free slots of a file that is all one slot, of which it is not known where it has holes. */
struct sparse {
	struct faulty f;
	struct map map;
	struct readers readers;
	struct space space;
};

static void sparse_open(struct sparse *s)
{
	os_file file;

	memset(s, 0, sizeof *s);
	faulty_init(&s->f);
	must_give(s->f.os.open(&s->f.os, testing_path, OS_CREATE, 0600, &file), 0);
	must_give(s->f.os.truncate(&s->f.os, file, END), 0);
	must_give(map_open(&s->map, &s->f.os, file, OS_MAP_SHARED, END, UINT64_MAX), 0);
	must_give(readers_init(&s->readers, &s->f.os), 0);
	space_init(&s->space, s->map.os, &s->map, &s->readers, 0);
	must_give(slots_insert(&s->space.free, 0, END), 0);
	holes_add(&s->space.holes, &s->f.os, 0, END);
}

static void sparse_close(struct sparse *s)
{
	const os_file file = s->map.file;

	space_release(&s->space);
	readers_release(&s->readers);
	map_close(&s->map);
	must_give(s->f.os.close(&s->f.os, file), 0);
	faulty_clean(&s->f);
}

/* Takes pieces from the start of the file up to that place; how often the system was asked for space. */
static uint64_t asked(struct sparse *s, uint64_t end)
{
	faulty_arm(&s->f, FAULTY_GROW, 0, 0, false);
	for (uint64_t offset = 0; offset + 2 * PIECE <= end;) {
		must_give(space_take(&s->space, PIECE, &offset), 0);
		must(offset + PIECE <= end);
		memset(s->map.base + offset, 0x77, PIECE);
	}
	return atomic_load(&s->f.calls);
}

/* However small the pieces are that are taken, the system is asked for the space of each block once, and again only for
 * those that were handed back to it, and those so near to them that they may be of one piece with them in the cache. */
START_TEST(space_is_asked_for_once)
{
	struct sparse s;

	sparse_open(&s);
	must(asked(&s, END) == BLOCKS);
	must_give(slots_insert(&s.space.free, 0, END / PIECE * PIECE), 0);
	must(asked(&s, END) == 0);
	must_give(slots_insert(&s.space.free, 30 * HOLES_BLOCK + 8, 3 * HOLES_BLOCK), 0);
	must(space_punch(&s.space, 0, HOLES_BLOCK, 1) > 0);
	must_give(slots_insert(&s.space.free, 0, 30 * HOLES_BLOCK + 8), 0);
	must_give(slots_insert(&s.space.free, 33 * HOLES_BLOCK + 8, END / PIECE * PIECE - 33 * HOLES_BLOCK - 8), 0);
	must(asked(&s, END) == 2 + 2 * (HOLES_REACH / HOLES_BLOCK));
	sparse_close(&s);
}
END_TEST

/* Where there is no space for a whole block, the piece alone will do, and the next one asks again. */
START_TEST(less_than_a_block_will_do)
{
	struct sparse s;
	uint64_t offset;

	sparse_open(&s);
	for (unsigned i = 0; i < 3; i++) {
		faulty_arm(&s.f, FAULTY_GROW, 1, ENOSPC, false);
		must_give(space_take(&s.space, PIECE, &offset), 0);
		must(offset == i * PIECE && atomic_load(&s.f.calls) == 2);
	}
	faulty_arm(&s.f, FAULTY_GROW, 1, ENOSPC, true);
	must_give(space_take(&s.space, PIECE, &offset), ENOSPC);
	faulty_arm(&s.f, 0, 0, 0, false);
	must_give(space_take(&s.space, PIECE, &offset), 0);
	must(offset == 3 * PIECE);
	sparse_close(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("holes");

	testing_add(suite, "bits", TESTS(bits_are_the_blocks, without_memory_they_are_everywhere));
	testing_add(suite, "calls", TESTS(space_is_asked_for_once, less_than_a_block_will_do));
	return testing_main(suite);
}
