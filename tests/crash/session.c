/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

#include "tests/crash/session.h"

#include <errno.h>
#include <string.h>

#include "arena/arena.h"
#include "arena/os/os.h"
#include "tests/testing.h"

#define FILL 0x5a

struct sim sim;

void machine_init(uint64_t seed, sim_hook *hook)
{
	sim_init(&sim, true, seed);
	sim.hook = hook;
	sim.fail_code = EIO;
	sim.fail_loses = true;
}

struct arena_options options(void)
{
	return (struct arena_options){.os = &sim.os, .kind = ARENA_KEYED, .durability = GRAVITY_LAZY, .seed = 7};
}

arena *session(void)
{
	const struct arena_options o = options();
	arena *a;

	must_give(arena_open(PATH, &o, &a), 0);
	return a;
}

vpos name_of(uint64_t record)
{
	return (vpos){mix64(record)};
}

void put(arena_txn *t, uint64_t record, size_t size)
{
	void *data;

	must_give(arena_put(t, name_of(record), 0, size, &data), 0);
	memset(data, FILL, size);
}

void put_alone(arena *a, uint64_t record, size_t size)
{
	arena_txn *t;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	put(t, record, size);
	must_give(arena_commit(t), 0);
}

void expect(arena *a, uint64_t record, int code)
{
	struct arena_blob blob;
	arena_pin pin;

	must_give(arena_pin_take(a, &pin), 0);
	must_give(arena_pin_find(a, name_of(record), &blob), code);
	arena_pin_drop(a, pin);
}

void base_make(void)
{
	arena *a = session();

	put_alone(a, RECORD_LARGE, LARGE);
	put_alone(a, RECORD_BASE, 100); /* a window whose rest the next session begins in */
	must_give(arena_checkpoint(a), 0);
	must_give(arena_close(a), 0);
}
