/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fuzz_gravity.c: any bytes as calls of gravity.h, compared with a plain table.
 *
 *     byte 0   bits 0..1 planner, bit 2 durable, bit 3 with a size limit, bit 4 verification off
 *     byte 1   checkpoint_bytes in KiB
 *     then     two bytes a call: what, and with what
 *
 *  1. A blob reads as it was written until it is freed, and as GRAVITY_NOTFOUND for ever after.
 *  2. Frees always succeed; writes and compactions do, or are GRAVITY_FULL where there is a limit.
 *  3. A kill, a close and a reopen change nothing of that; every byte of the file belongs to someone. */
#include <stdlib.h>
#include <string.h>

#include "arena/arena.h"
#include "arena/gravity.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mem_os.h"

#define STORE     "/fuzz/gravity"
#define KILLED    "/fuzz/killed"
#define BLOBS     256u
#define CALLS     512u
#define SIZE_MAX_ 65536u
#define LIMIT     (UINT64_C(512) << 10)

const char fuzz_name[] = "gravity";
uint64_t fuzz_accepted;

struct blob {
	gravity_pos pos; /* 0: the place was never used */
	size_t size;
	bool live;
};

struct run {
	gravity_options options;
	gravity *g;
	struct blob blob[BLOBS];
	uint8_t *room; /* SIZE_MAX_ bytes */
	uint64_t refused;
};

static int finding_show(void *arg, const char *finding)
{
	(void)arg;
	fuzz_must_hold(false, finding, __FILE__, __LINE__);
	return 0;
}

static void bytes_make(uint8_t *room, size_t size, uint64_t number)
{
	struct fuzz_rng rng = {number * 31 + size};

	for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
		const uint64_t word = fuzz_next(&rng);

		memcpy(room + i, &word, size - i < sizeof(word) ? size - i : sizeof(word));
	}
}

static void blob_expect(struct run *run, gravity *g, const struct blob *blob, uint64_t number)
{
	uint8_t *read = malloc(blob->size + 1);
	size_t size;
	int rc;

	fuzz_must(read != NULL);
	rc = gravity_read(g, blob->pos, read, blob->size, &size);
	fuzz_must_give(rc, blob->live ? GRAVITY_OK : GRAVITY_NOTFOUND);
	if (blob->live) {
		bytes_make(run->room, blob->size, number);
		fuzz_must(size == blob->size && memcmp(read, run->room, size) == 0);
	}
	free(read);
}

static void all_expect(struct run *run, gravity *g)
{
	gravity_stats stats;
	uint64_t live = 0;

	for (uint64_t i = 0; i < BLOBS; i++)
		if (run->blob[i].pos != 0) {
			blob_expect(run, g, &run->blob[i], i);
			live += run->blob[i].live;
		}
	fuzz_must_give(gravity_stat(g, &stats), GRAVITY_OK);
	fuzz_must(stats.blobs == live);
	fuzz_must((run->options.max_bytes == 0 || stats.file_bytes <= run->options.max_bytes) &&
		  stats.free_bytes <= stats.file_bytes);
}

static bool done(struct run *run, int rc)
{
	if (rc == GRAVITY_FULL && run->options.max_bytes != 0) {
		run->refused++;
		return false;
	}
	fuzz_must_give(rc, GRAVITY_OK);
	return true;
}

static void blob_write(struct run *run, size_t size, uint8_t number)
{
	struct blob *blob = &run->blob[number];
	gravity_pos pos;

	if (blob->live)
		return;
	bytes_make(run->room, size, number);
	if (!done(run, gravity_write(run->g, run->room, size, &pos)))
		return;
	for (unsigned i = 0; i < BLOBS; i++)
		fuzz_must(run->blob[i].pos != pos);
	*blob = (struct blob){pos, size, true};
}

static void blob_free(struct run *run, uint8_t number)
{
	struct blob *blob = &run->blob[number];

	if (blob->pos == 0)
		return;
	fuzz_must_give(gravity_free(run->g, blob->pos), blob->live ? GRAVITY_OK : GRAVITY_NOTFOUND);
	blob->live = false;
}

static void slot_make(struct run *run, uint8_t with)
{
	const uint64_t want = 8 + (uint64_t)with * 64;
	const enum gravity_planner planner = (enum gravity_planner)(with % 3);
	gravity_stats stats;
	int rc = gravity_compact(run->g, planner, want);

	/* Without a limit too: it asks for a slot out of what is free. */
	fuzz_must(rc == GRAVITY_OK || rc == GRAVITY_FULL);
	fuzz_must_give(gravity_stat(run->g, &stats), GRAVITY_OK);
	fuzz_must(rc != GRAVITY_OK || stats.largest_free >= want);
}

static void file_expect(struct run *run, const char *path)
{
	const struct arena_options options = {.kind = ARENA_PLAIN, .flags = GRAVITY_RDONLY};
	gravity *g;

	fuzz_must_give(arena_check(path, &options, NULL, NULL, finding_show, NULL), GRAVITY_OK);
	fuzz_must_give(gravity_open(path, &run->options, &g), GRAVITY_OK);
	all_expect(run, g);
	fuzz_must_give(gravity_close(g), GRAVITY_OK);
}

static void call_run(struct run *run, uint8_t what, uint8_t with)
{
	switch (what % 10) {
	case 0:
	case 1:
	case 2:
		blob_write(run, (size_t)(what / 10) * 40, with);
		break;
	case 3:
		blob_write(run, (size_t)(what / 10) * 2600, with);
		break;
	case 4:
	case 5:
		blob_free(run, with);
		break;
	case 6:
		slot_make(run, with);
		break;
	case 7:
		(void)done(run, (with & 1) != 0 ? gravity_checkpoint(run->g) : gravity_sync(run->g));
		break;
	case 8:
		if (run->blob[with].pos != 0)
			blob_expect(run, run->g, &run->blob[with], with);
		break;
	default:
		/* Seldom: it costs as much as a hundred of the others. */
		if (with < 16)
			mem_file_copy(STORE, KILLED);
		if (with < 8)
			file_expect(run, KILLED);
		if (with < 4) {
			fuzz_must_give(gravity_close(run->g), GRAVITY_OK);
			fuzz_must_give(gravity_open(STORE, &run->options, &run->g), GRAVITY_OK);
			all_expect(run, run->g);
		}
		break;
	}
}

static void options_read(struct run *run, const uint8_t *data)
{
	static const enum gravity_planner planner[] = {GRAVITY_DEFAULT, GRAVITY_GRAVITY, GRAVITY_CHEAPEST,
						       GRAVITY_DEFAULT};

	run->options.planner = planner[data[0] & 3];
	run->options.durability = (data[0] & 4) != 0 ? GRAVITY_DURABLE : GRAVITY_LAZY;
	run->options.max_bytes = (data[0] & 8) != 0 ? LIMIT : 0;
	run->options.flags = (data[0] & 16) != 0 ? GRAVITY_NOVERIFY : 0;
	run->options.checkpoint_bytes = (uint64_t)data[1] * 1024;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t room[SIZE_MAX_ + 8];
	struct run run = {.room = room};

	if (size < 2)
		return 0;
	mem_os_reset(1);
	options_read(&run, data);
	fuzz_must_give(gravity_open(STORE, &run.options, &run.g), GRAVITY_OK);
	for (size_t i = 2; i + 1 < size && i < 2 * CALLS; i += 2)
		call_run(&run, data[i], data[i + 1]);
	all_expect(&run, run.g);
	mem_file_copy(STORE, KILLED);
	file_expect(&run, KILLED);
	fuzz_must_give(gravity_close(run.g), GRAVITY_OK);
	file_expect(&run, STORE);
	fuzz_accepted += run.refused == 0;
	return 0;
}
