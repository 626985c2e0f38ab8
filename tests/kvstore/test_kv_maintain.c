/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kv_maintain.c: maintenance of a whole store: compaction, checkpoints, backups. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kvstore/numbered.h"
#include "tests/testing.h"

struct steps {
	uint64_t calls, done, total, stop_at;
};

static int step_count(void *arg, uint64_t done, uint64_t total)
{
	struct steps *steps = arg;

	must(done <= total);
	steps->calls++;
	steps->done = done;
	steps->total = total;
	return steps->stop_at != 0 && steps->calls >= steps->stop_at;
}

/* Compaction gives the space of deleted records back to the file system, tells how far it is, stops when it is told to,
 * and changes no record. */
START_TEST(compaction_gives_space_back)
{
	const uint64_t count = testing_few() ? 200 : testing_count(4000, 1000);
	struct steps steps = {.stop_at = 1};
	uint64_t i, bytes;
	gkv *db;
	int rc;

	numbered_make(count);
	db = store_lazy();
	bytes = file_bytes(testing_path);
	for (i = 0; i < count * 3 / 4; i++)
		must_give(gkv_del(db, &i, sizeof(i)), GKV_OK);
	rc = gkv_compact(db, step_count, &steps);
	must(rc == ECANCELED || (rc == GKV_OK && steps.calls <= 1));
	numbered_hold(db, count * 3 / 4, count);
	steps = (struct steps){.stop_at = 0};
	must_give(gkv_compact(db, step_count, &steps), GKV_OK);
	numbered_hold(db, count * 3 / 4, count);
	must(testing_few() || file_bytes(testing_path) < bytes / 2);
	store_close(db);
	store_check(testing_path);
}
END_TEST

/* However many checkpoints or compactions follow a commit, the store opens again with it. */
START_TEST(idle_checkpoints_do_no_harm)
{
	unsigned count, i;
	gkv *db;

	for (count = 0; count < 40; count++) {
		db = store_lazy();
		store_put(db, "key", count % 2 == 0 ? "even" : "odd");
		for (i = 0; i < count; i++)
			must_give(count % 4 < 2 ? gkv_checkpoint(db) : gkv_compact(db, NULL, NULL), GKV_OK);
		store_close(db);
		db = store_lazy();
		store_expect(db, "key", count % 2 == 0 ? "even" : "odd");
		store_close(db);
	}
	store_check(testing_path);
}
END_TEST

/* A backup holds one commit, whole, in a store of its own that is no larger than it must be. */
START_TEST(a_backup_is_a_store)
{
	const uint64_t count = testing_few() ? 200 : testing_count(4000, 1000);
	struct steps steps = {.stop_at = 0};
	char backup[320];
	uint64_t i;
	gkv *db;

	numbered_make(count);
	testing_path_of("backup", backup);
	db = store_lazy();
	for (i = 0; i < count / 2; i++)
		must_give(gkv_del(db, &i, sizeof(i)), GKV_OK);
	must_give(gkv_backup(db, backup, step_count, &steps), GKV_OK);
	must(steps.calls > 0 && steps.done == steps.total);
	store_close(db);
	store_check(backup);
	must(testing_few() || file_bytes(backup) < count * 3 / 4 * 1000);
	db = store_open(backup, 0, GKV_LAZY);
	numbered_hold(db, count / 2, count);
	store_put(db, "key", "value");
	store_close(db);
	store_check(backup);
}
END_TEST

/* A backup never replaces a file, and one that is stopped or impossible leaves none. */
START_TEST(a_backup_appears_whole_or_not_at_all)
{
	struct steps steps = {.stop_at = 1};
	char backup[320], nowhere[320];
	gkv *db;

	numbered_make(testing_few() ? 100 : 500);
	testing_path_of("backup", backup);
	testing_path_of("none/backup", nowhere);
	db = store_lazy();
	must_give(gkv_backup(db, backup, step_count, &steps), ECANCELED);
	must(!file_exists(backup));
	must_give(gkv_backup(db, nowhere, NULL, NULL), ENOENT);
	must_give(gkv_backup(db, NULL, NULL, NULL), GKV_INVALID);
	must_give(gkv_backup(db, testing_path, NULL, NULL), EEXIST);
	file_write(backup, "mine", 4);
	must_give(gkv_backup(db, backup, NULL, NULL), EEXIST);
	must(file_bytes(backup) == 4);
	must(unlink(backup) == 0);
	numbered_hold(db, 0, testing_few() ? 100 : 500);
	store_close(db);
	must(unlink(testing_path) == 0);
	must(rmdir(testing_folder) == 0); /* nothing else is left in it */
	must(mkdir(testing_folder, 0777) == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("maintenance");

	testing_add_both(suite, "maintenance",
			 TESTS(compaction_gives_space_back, idle_checkpoints_do_no_harm, a_backup_is_a_store,
			       a_backup_appears_whole_or_not_at_all));
	return testing_main(suite);
}
