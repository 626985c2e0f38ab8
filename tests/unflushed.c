/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* unflushed.c: see unflushed.h. */
#include "tests/unflushed.h"

#include "tests/testing.h"

#define RANDOM_STREAM 1000003u /* which no test draws from */

static int no_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os, (void)file, (void)base, (void)offset, (void)bytes;
	return 0;
}

static int no_sync(const struct os *os, os_file file)
{
	(void)os, (void)file;
	return 0;
}

static int no_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os, (void)file, (void)offset, (void)bytes;
	return 0;
}

static int no_sync_dir(const struct os *os, os_file file, const char *path)
{
	(void)os, (void)file, (void)path;
	return 0;
}

/* The seed is known when the first store is made. Each test begins at the same number, whether it is a process of its own or
 * not. */
static int seeded_random(const struct os *os, void *buf, size_t bytes)
{
	static struct rng rng;
	static unsigned test;

	(void)os;
	if (test != testing_begun())
		rng = rng_make(RANDOM_STREAM);
	test = testing_begun();
	rng_fill(&rng, buf, bytes);
	return 0;
}

struct os *unflushed_set(void)
{
	static struct os unflushed;

	unflushed = *os_posix();
	unflushed.sync_range = no_sync_range;
	unflushed.sync = no_sync;
	unflushed.push = no_push;
	unflushed.sync_dir = no_sync_dir;
	unflushed.random = seeded_random;
	os_set_default(&unflushed);
	return &unflushed;
}
