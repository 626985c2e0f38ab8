/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

#include "tests/arena/gravity_fixture.h"

#include <stdlib.h>

#include "tests/testing.h"

gravity *gravity_must_open(const char *path, gravity_options o)
{
	gravity *g;

	must_give(gravity_open(path, &o, &g), 0);
	must(g != NULL);
	return g;
}

gravity *gravity_lazy(const char *path)
{
	return gravity_must_open(path, (gravity_options){.durability = GRAVITY_LAZY});
}

void gravity_must_close(gravity *g)
{
	must_give(gravity_close(g), 0);
}

gravity_stats gravity_stat_of(gravity *g)
{
	gravity_stats s;

	must_give(gravity_stat(g, &s), 0);
	return s;
}

int number_write(gravity *g, uint64_t number, size_t size, gravity_pos *pos)
{
	void *data = malloc(size + 1);
	int r;

	must(data != NULL);
	bytes_make(data, size, number);
	r = gravity_write(g, data, size, pos);
	must(r == 0 ? *pos != 0 : *pos == 0);
	free(data);
	return r;
}

gravity_pos number_must_write(gravity *g, uint64_t number, size_t size)
{
	gravity_pos pos;

	must_give(number_write(g, number, size, &pos), 0);
	return pos;
}

void number_expect(gravity *g, gravity_pos pos, uint64_t number, size_t size)
{
	void *buf = malloc(size + 1);
	size_t got;

	must(buf != NULL);
	must_give(gravity_read(g, pos, buf, size, &got), 0);
	must(got == size && bytes_fit(buf, size, number));
	free(buf);
}

void number_expect_none(gravity *g, gravity_pos pos)
{
	size_t got = 7;

	must_give(gravity_read(g, pos, NULL, 0, &got), GRAVITY_NOTFOUND);
	must(got == 0);
}
