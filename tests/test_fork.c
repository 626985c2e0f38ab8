/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_fork.c: what a forked process may do with a handle that it inherited, and with stores of its own. (What a killed
 * one leaves: test_kill.c.) */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/testing.h"

struct inherited {
	gkv *db;
	gkv_txn *reader, *writer;
	gkv_iter *it;
};

static int failures;

static void is_invalid(int code)
{
	if (code != GKV_INVALID)
		failures++;
}

static int use_inherited(void *arg)
{
	const struct inherited *from = arg;
	gkv_bytes val = {NULL, 0};
	gkv_stats stats;
	gkv_iter *it;
	gkv_txn *txn;
	char buf[16];
	size_t size;

	is_invalid(gkv_put(from->db, "key", 3, "child", 5));
	is_invalid(gkv_add(from->db, "new", 3, "child", 5));
	is_invalid(gkv_del(from->db, "key", 3));
	is_invalid(gkv_get(from->db, "key", 3, buf, sizeof(buf), &size));
	is_invalid(gkv_sync(from->db));
	is_invalid(gkv_checkpoint(from->db));
	is_invalid(gkv_compact(from->db, NULL, NULL));
	is_invalid(gkv_backup(from->db, "nowhere", NULL, NULL));
	is_invalid(gkv_stat(from->db, &stats));
	is_invalid(gkv_begin(from->db, GKV_READ, &txn));
	is_invalid(gkv_begin(from->db, GKV_WRITE, &txn));
	is_invalid(gkv_txn_get(from->reader, "key", 3, &val));
	is_invalid(gkv_iter_open(from->reader, &it));
	is_invalid(gkv_iter_next(from->it, &val, &val));
	is_invalid(gkv_txn_put(from->writer, "key", 3, "child", 5));
	is_invalid(gkv_txn_get(from->writer, "key", 3, &val));
	is_invalid(gkv_commit(from->writer));
	gkv_abort(from->writer);
	is_invalid(gkv_commit(from->reader));
	gkv_abort(from->reader);
	return failures;
}

static int close_inherited(void *arg)
{
	const struct inherited *from = arg;

	failures = use_inherited(arg);
	(void)gkv_close(from->db);
	return failures;
}

/* A child cannot use its parent's handle and transactions; trying, and closing, harms neither the parent nor the
 * file. */
START_TEST(a_child_cannot_use_what_it_inherited)
{
	struct inherited mine = {.db = store_lazy()};
	unsigned round;

	store_put(mine.db, "key", "old");
	for (round = 0; round < 3; round++) {
		mine.reader = store_begin(mine.db, GKV_READ);
		must_give(gkv_iter_open(mine.reader, &mine.it), GKV_OK);
		mine.writer = store_begin(mine.db, GKV_WRITE);
		txn_put(mine.writer, "key", round == 0 ? "first" : "more");
		must(testing_in_child(round == 1 ? use_inherited : close_inherited, &mine) == 0);
		txn_expect(mine.reader, "key", round == 0 ? "old" : round == 1 ? "first" : "more");
		must_give(gkv_iter_next(mine.it, NULL, NULL), GKV_OK);
		gkv_iter_close(mine.it);
		store_commit(mine.reader);
		store_commit(mine.writer);
		store_expect(mine.db, "key", round == 0 ? "first" : "more");
		must_give(gkv_sync(mine.db), GKV_OK);
	}
	store_close(mine.db);
	store_check(testing_path);
	mine.db = store_lazy();
	store_expect(mine.db, "key", "more");
	store_close(mine.db);
}
END_TEST

static int open_own(void *arg)
{
	const char *path = arg;
	const gkv_options options = {.flags = GKV_NOCREATE};
	size_t size;
	char buf[8];
	gkv *db;
	int rc;

	rc = gkv_open(path, &options, &db);
	if (rc != GKV_OK)
		return -rc;
	rc = gkv_get(db, "key", 3, buf, sizeof(buf), &size);
	if (rc == GKV_OK)
		rc = gkv_put(db, "key", 3, "child", 5);
	return rc == GKV_OK ? -gkv_close(db) : -rc;
}

/* A child may open a store itself: another one at once, its parent's as soon as the parent has closed it. */
START_TEST(a_child_may_open_its_own)
{
	char other[320];
	gkv *db;

	testing_path_of("other", other);
	db = store_open(other, 0, GKV_DURABLE);
	store_put(db, "key", "value");
	store_close(db);
	db = store_lazy();
	store_put(db, "key", "value");
	must_give(-testing_in_child(open_own, testing_path), GKV_BUSY);
	must_give(-testing_in_child(open_own, other), GKV_OK);
	store_expect(db, "key", "value");
	store_close(db);
	must_give(-testing_in_child(open_own, testing_path), GKV_OK);
	db = store_lazy();
	store_expect(db, "key", "child");
	store_close(db);
	store_check(testing_path);
	store_check(other);
}
END_TEST

/* A child that lives on with an inherited handle does not keep the file once its parent has closed it. */
START_TEST(a_child_does_not_keep_the_file)
{
	gkv *db = store_lazy();
	int ends[2], status;
	pid_t child;
	char byte;

	store_put(db, "key", "value");
	must(pipe(ends) == 0);
	(void)fflush(stdout);
	child = fork();
	must(child >= 0);
	if (child == 0) {
		(void)close(ends[1]);
		(void)!read(ends[0], &byte, 1); /* until the parent closes its end */
		_exit(gkv_close(db) == GKV_BUSY);
	}
	(void)close(ends[0]);
	store_close(db);
	db = store_lazy();
	store_expect(db, "key", "value");
	store_put(db, "key", "new");
	(void)close(ends[1]);
	must(waitpid(child, &status, 0) == child && status == 0);
	store_expect(db, "key", "new");
	must_give(-testing_in_child(open_own, testing_path), GKV_BUSY);
	store_close(db);
	store_check(testing_path);
}
END_TEST

int main(void)
{
	const TTest *const forks[] = {a_child_cannot_use_what_it_inherited, a_child_may_open_its_own,
				      a_child_does_not_keep_the_file};
	Suite *suite = suite_create("forks");

	testing_add(suite, "forks", forks, sizeof(forks) / sizeof(forks[0]));
	return testing_main(suite);
}
