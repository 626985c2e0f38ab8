/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_open.c: what may not be opened, and when a handle may not be closed. */
#include <errno.h>

#include "tests/arena/arena_fixture.h"

/* What may not be opened is refused with its code: options that are wrong, a store of the other kind, a file that is
 * held, one that is not there, one that is none. */
START_TEST(openings_are_refused_with_a_code)
{
	struct arena_options o = plain_options(0, GRAVITY_LAZY);
	arena *a, *other;
	char none[320];

	testing_path_of("none", none);
	o.flags = 0x80;
	must_give(arena_open(testing_path, &o, &a), GRAVITY_INVALID);
	o = plain_options(GRAVITY_RDONLY, 0);
	must_give(arena_open(NULL, &o, &a), GRAVITY_INVALID);
	must_give(arena_open(testing_path, &o, &a), ENOENT);
	o = plain_options(GRAVITY_NOCREATE, 0);
	must_give(arena_open(testing_path, &o, &a), ENOENT);
	o = plain_options(0, 7);
	must_give(arena_open(testing_path, &o, &a), GRAVITY_INVALID);
	o = plain_options(0, 0);
	o.planner = (enum gravity_planner)9;
	must_give(arena_open(testing_path, &o, &a), GRAVITY_INVALID);
	a = arena_lazy(testing_path);
	o = plain_options(0, 0);
	must_give(arena_open(testing_path, &o, &other), GRAVITY_BUSY);
	o = plain_options(GRAVITY_RDONLY, 0);
	must_give(arena_open(testing_path, &o, &other), GRAVITY_BUSY);
	arena_must_close(a);
	o.kind = ARENA_PLAIN;
	must_give(arena_open(testing_path, &o, &other), GRAVITY_NOTASTORE);
	o.kind = ARENA_KEYED;
	a = arena_must_open(testing_path, &o);
	other = arena_must_open(testing_path, &o);
	arena_must_close(a);
	arena_must_close(other);
	arena_must_close(NULL);
	file_write(none, "some text that is not a store at all, and not a short one either", 64);
	must_give(arena_open(none, &o, &a), GRAVITY_NOTASTORE);
	must(a == NULL);
}
END_TEST

/* A handle is not closed under its transactions. */
START_TEST(close_waits_for_no_transaction)
{
	arena *a = arena_lazy(testing_path);
	arena_txn *t;

	must_give(arena_begin(a, ARENA_READ, &t), 0);
	must_give(arena_close(a), GRAVITY_BUSY);
	arena_abort(t);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	must_give(arena_close(a), GRAVITY_BUSY);
	must_give(arena_commit(t), 0);
	must_give(arena_commit(t), GRAVITY_INVALID);
	arena_must_close(a);
}
END_TEST

SUITE("open", "openings", openings_are_refused_with_a_code, close_waits_for_no_transaction)
