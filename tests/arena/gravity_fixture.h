/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* gravity_fixture.h: what the suites share that use the allocator by its public header: calls that must succeed, and blobs
 * whose number tells their bytes. */
#ifndef GKV_TESTS_ARENA_GRAVITY_FIXTURE_H
#define GKV_TESTS_ARENA_GRAVITY_FIXTURE_H

#include <stddef.h>
#include <stdint.h>

#include "arena/gravity.h"

gravity *gravity_must_open(const char *path, gravity_options o);
gravity *gravity_lazy(const char *path);
void gravity_must_close(gravity *g);
gravity_stats gravity_stat_of(gravity *g);

/* Writes the blob of that number and size; what gravity_write returns. *pos is 0 after a failure. */
int number_write(gravity *g, uint64_t number, size_t size, gravity_pos *pos);
gravity_pos number_must_write(gravity *g, uint64_t number, size_t size);
/* It is there, whole. */
void number_expect(gravity *g, gravity_pos pos, uint64_t number, size_t size);
/* Nothing is there. */
void number_expect_none(gravity *g, gravity_pos pos);

#endif
