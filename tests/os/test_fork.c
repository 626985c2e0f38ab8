/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_fork.c: what a forked process may do with a handle that it inherited, and with stores of its own. (What a killed
 * one leaves: test_kill.c.) */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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

/* What runs on after the process that opened the store, which has it from its parent. */
typedef char survivor(gkv *db);

struct ended {
	survivor *body;
	bool killed;
	int word[2], answer[2]; /* pipes: the opener has ended; what the survivor says */
};

static void survive(struct ended *e, gkv *db)
{
	char byte, says;

	(void)close(e->word[1]);
	(void)!read(e->word[0], &byte, 1);
	says = e->body(db);
	(void)!write(e->answer[1], &says, 1);
	_exit(0);
}

static void open_and_end(struct ended *e)
{
	gkv *db = store_lazy();
	gkv_txn *txn = NULL;
	pid_t child;

	store_put(db, "key", "value");
	must_give(gkv_sync(db), GKV_OK);
	must_give(gkv_begin(db, GKV_READ, &txn), GKV_OK);
	child = fork();
	must(child >= 0);
	if (child == 0)
		survive(e, db);
	if (e->killed)
		(void)raise(SIGKILL);
	_exit(0);
}

/* What `body` says in a child of a process that opened the test's store, and was killed, or ended without closing it. */
static char after_the_opener(survivor *body, bool killed)
{
	struct ended e = {.body = body, .killed = killed};
	pid_t opener;
	char says = '?';

	must(pipe(e.word) == 0 && pipe(e.answer) == 0);
	(void)fflush(stdout);
	opener = fork();
	must(opener >= 0);
	if (opener == 0)
		open_and_end(&e);
	must(waitpid(opener, NULL, 0) == opener);
	(void)close(e.word[0]);
	(void)close(e.answer[1]);
	must(close(e.word[1]) == 0);
	(void)!read(e.answer[0], &says, 1);
	(void)close(e.answer[0]);
	return says;
}

static char live_on(gkv *db)
{
	(void)db;
	must(testing_in_child(open_own, testing_path) == 0);
	return 'y';
}

static char open_for_reading(gkv *db)
{
	gkv *own;

	(void)db;
	own = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	store_expect(own, "key", "value");
	store_close(own);
	return 'y';
}

/* The store is free when the process that opened it has ended, whatever children of it live on, and however it ended. */
START_TEST(a_child_does_not_keep_the_lock_of_a_dead_parent)
{
	must(after_the_opener(open_for_reading, true) == 'y');
	must(after_the_opener(live_on, true) == 'y');
	must(after_the_opener(live_on, false) == 'y');
	store_check(testing_path);
}
END_TEST

static char use_both(gkv *db)
{
	const size_t gib = MIB * KIB;
	unsigned char *own;
	size_t i;
	gkv *again;

	own = mmap(NULL, gib, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	must(own != MAP_FAILED);
	again = store_lazy();
	store_put(again, "own", "child");
	for (i = 0; i < gib; i += 64 * MIB)
		own[i] = 7;
	(void)gkv_close(db);
	for (i = 0; i < gib; i += 64 * MIB)
		must(own[i] == 7 && own[i + 64 * MIB - 1] == 0);
	store_expect(again, "key", "value");
	store_expect(again, "own", "child");
	for (i = 0; i < 1000; i++)
		must_give(gkv_put(again, &i, sizeof(i), own + i, 10000), GKV_OK);
	must_give(gkv_checkpoint(again), GKV_OK);
	store_close(again);
	store_check(testing_path);
	return 'y';
}

/* What a child maps, and a store that it opens, stay as they are when it closes the handle that it inherited. */
START_TEST(closing_an_inherited_handle_takes_nothing_else)
{
	must(after_the_opener(use_both, true) == 'y');
	must(after_the_opener(use_both, false) == 'y');
}
END_TEST

static char serve(gkv *db)
{
	gkv *own;
	char buf[8];
	size_t size;

	must_give(gkv_get(db, "key", 3, buf, sizeof(buf), &size), GKV_INVALID);
	must_give(gkv_put(db, "key", 3, "x", 1), GKV_INVALID);
	own = store_lazy();
	must_give(gkv_put(db, "key", 3, "x", 1), GKV_INVALID);
	store_put(own, "key", "daemon");
	must_give(-testing_in_child(open_own, testing_path), GKV_BUSY);
	store_expect(own, "key", "daemon");
	store_close(own);
	return 'y';
}

/* A daemon that opened the store before it went into the background is told so, and may open it again there. */
START_TEST(a_daemon_opens_again_after_its_fork)
{
	must(after_the_opener(serve, false) == 'y');
	store_check(testing_path);
}
END_TEST

/* How many files of the test's folder this process has open, whatever their names, or none. */
static int files_count(void *arg)
{
	char link[64], target[600];
	int count = 0;

	(void)arg;
	for (int fd = 0; fd < 1000; fd++) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		memset(target, 0, sizeof(target));
		if (readlink(link, target, sizeof(target) - 1) > 0)
			count += strncmp(target, testing_folder, strlen(testing_folder)) == 0;
	}
	return count;
}

static int look_at_files(int *most)
{
	const int mine = files_count(NULL);

	must(mine > 0 && testing_in_child(files_count, NULL) == 0 && files_count(NULL) == mine);
	*most = *most < mine ? mine : *most;
	return 0;
}

static int on_progress(void *arg, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	return look_at_files(arg);
}

static int on_finding(void *arg, const char *finding)
{
	(void)finding;
	return look_at_files(arg);
}

/* A child has no descriptor of a store, of whatever kind of handle, nor of one that is being made; and the parent has all
 * of its own. */
START_TEST(a_child_has_no_descriptor)
{
	static const char value[100000];
	int most = 0;
	gkv *db = store_lazy(), *other;
	char name[320], dest[320];
	unsigned char *bytes;
	size_t size;

	must_give(gkv_put(db, "key", 3, value, sizeof(value)), GKV_OK);
	testing_path_of("other", name);
	testing_path_of("dest", dest);
	other = store_open(name, 0, GKV_DURABLE);
	store_put(other, "key", "value");
	store_close(other);
	other = store_open(name, GKV_RDONLY, GKV_DURABLE);
	(void)look_at_files(&most);
	must(most == 2);
	must_give(gkv_backup(db, dest, on_progress, &most), GKV_OK);
	must(most == 3);
	store_close(other);
	store_close(db);
	bytes = file_read(dest, &size);
	bytes[size / 2] ^= 1;
	file_write(dest, bytes, size);
	free(bytes);
	testing_path_of("salvaged", name);
	most = 0;
	must_give(gkv_salvage(dest, name, on_finding, &most), GKV_OK);
	must(most > 0);
}
END_TEST

static atomic_bool stop;

static void *open_and_close(void *arg)
{
	const char *path = arg;
	char copy[340];

	(void)snprintf(copy, sizeof(copy), "%s.copy", path);
	while (!atomic_load(&stop)) {
		gkv *db = store_open(path, 0, GKV_LAZY);
		store_put(db, "key", "value");
		must_give(gkv_backup(db, copy, NULL, NULL), GKV_OK);
		must(unlink(copy) == 0);
		store_close(db);
	}
	return NULL;
}

static int look_and_open(void *arg)
{
	gkv *db;

	if (files_count(NULL) != 0 || TESTING_SANITIZED)
		return files_count(NULL);
	db = store_open(arg, 0, GKV_LAZY);
	store_put(db, "key", "child");
	store_close(db);
	return 0;
}

/* At whatever moment of other threads' calls a child is forked, it has none of their files, and may open its own. */
START_TEST(a_child_of_busy_threads_has_no_descriptor)
{
	pthread_t thread[2];
	char path[2][320], own[320];
	uint64_t forks = testing_count(100, 20);

	atomic_store(&stop, false);
	testing_path_of("own", own);
	store_close(store_open(own, 0, GKV_LAZY));
	for (int i = 0; i < 2; i++) {
		testing_path_of(i == 0 ? "first" : "second", path[i]);
		must(pthread_create(&thread[i], NULL, open_and_close, path[i]) == 0);
	}
	while (forks-- > 0)
		must(testing_in_child(look_and_open, own) == 0);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		must(pthread_join(thread[i], NULL) == 0);
		store_check(path[i]);
	}
	store_check(own);
}
END_TEST

SUITE("forks", "forks", a_child_cannot_use_what_it_inherited, a_child_may_open_its_own, a_child_does_not_keep_the_file,
      a_child_does_not_keep_the_lock_of_a_dead_parent, closing_an_inherited_handle_takes_nothing_else,
      a_daemon_opens_again_after_its_fork, a_child_has_no_descriptor, a_child_of_busy_threads_has_no_descriptor)
