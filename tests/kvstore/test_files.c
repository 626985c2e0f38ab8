/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_files.c: the file of a store as other programs see it: its time of change, its permissions, its name, and what it
 * was before it became a store. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/testing.h"

/* --- the time of change ------------------------------------------------------------------------------------------- */

static const struct timespec long_ago = {.tv_sec = 1000000000};

static void age(void)
{
	const struct timespec times[2] = {long_ago, long_ago};

	must(utimensat(AT_FDCWD, testing_path, times, 0) == 0);
}

static bool aged(void)
{
	struct stat st;

	must(stat(testing_path, &st) == 0);
	return st.st_mtim.tv_sec == long_ago.tv_sec;
}

/* Replaces a value by another of the same size, so that nothing of the file changes but its content. */
static void change(gkv *db, enum gkv_durability durability)
{
	gkv_txn *txn = store_begin(db, GKV_WRITE | (durability == GKV_LAZY ? GKV_LAZY_COMMIT : GKV_DURABLE_COMMIT));

	txn_put(txn, "key", "value");
	store_commit(txn);
}

/* Whoever looks at times sees each session that wrote: at a sync, a checkpoint or the close, on every file system; and
 * none that did not write. */
START_TEST(a_session_that_wrote_moves_the_time_of_change)
{
	gkv *db = store_open(testing_path, 0, GKV_DURABLE);

	change(db, GKV_LAZY);
	age();
	must_give(gkv_sync(db), GKV_OK);
	must(!aged());
	age();
	must_give(gkv_sync(db), GKV_OK);
	must(aged());
	change(db, GKV_DURABLE);
	must_give(gkv_sync(db), GKV_OK);
	must(!aged());
	change(db, GKV_LAZY);
	age();
	must_give(gkv_checkpoint(db), GKV_OK);
	must(!aged());
	change(db, GKV_DURABLE);
	age();
	store_close(db);
	must(!aged());

	db = store_open(testing_path, 0, GKV_DURABLE);
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	age();
	db = store_open(testing_path, 0, GKV_DURABLE);
	store_expect(db, "key", "value");
	store_close(db);
	db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	store_close(db);
	must(aged());
}
END_TEST

/* --- permissions -------------------------------------------------------------------------------------------------- */

static unsigned mode_of(const char *path)
{
	struct stat st;

	must(stat(path, &st) == 0);
	return st.st_mode & 07777u;
}

static void copies_make(const char *backup, const char *salvaged)
{
	gkv *db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);

	must_give(gkv_backup(db, backup, NULL, NULL), GKV_OK);
	store_close(db);
	must_give(gkv_salvage(testing_path, salvaged, NULL, NULL), GKV_OK);
	store_check(backup);
	store_check(salvaged);
}

/* A backup and what was salvaged have the permissions of the store, less those that the umask takes. */
START_TEST(a_copy_has_the_permissions_of_its_source)
{
	const unsigned modes[] = {0600, 0640, 0644, 0660, 0666, 0400};
	char backup[320], salvaged[320];
	gkv *db = store_open(testing_path, 0, GKV_DURABLE);

	store_put(db, "key", "value");
	store_close(db);
	testing_path_of("backup", backup);
	testing_path_of("salvaged", salvaged);
	(void)umask(022);
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		must(chmod(testing_path, modes[i]) == 0);
		copies_make(backup, salvaged);
		must(mode_of(backup) == (modes[i] & ~022u));
		must(mode_of(salvaged) == (modes[i] & ~022u));
		must(unlink(backup) == 0 && unlink(salvaged) == 0);
	}
}
END_TEST

/* Where the copy has another group than its source, that group gets no more than everybody has. Whoever is not root has
 * no file of another group here. */
START_TEST(another_group_is_let_read_nothing)
{
	char backup[320], salvaged[320];
	gkv *db = store_open(testing_path, 0, GKV_DURABLE);

	store_close(db);
	testing_path_of("backup", backup);
	testing_path_of("salvaged", salvaged);
	if (chown(testing_path, (uid_t)-1, TESTING_NOBODY) != 0)
		return;
	must(chmod(testing_path, 0640) == 0);
	copies_make(backup, salvaged);
	must(mode_of(backup) == 0600 && mode_of(salvaged) == 0600);
}
END_TEST

static int open_new(void *arg)
{
	const gkv_options options = {.mode = *(const unsigned *)arg};
	gkv *db;
	int rc;

	testing_drop_privileges();
	rc = gkv_open(testing_path, &options, &db);
	if (rc != GKV_OK)
		return rc;
	rc = gkv_put(db, "key", 3, "value", 5);
	return rc != GKV_OK ? rc : gkv_close(db);
}

/* Its maker may write to a file that it made, whatever mode it has, as with open(2); and need not be able to read the
 * folder. Nothing else is left. */
START_TEST(a_maker_keeps_what_it_made)
{
	const unsigned folders[] = {0777, 0733, 0333};
	unsigned modes[] = {0444, 0400, 0640, 0200};

	for (unsigned i = 0; i < 12; i++) {
		unsigned mode = modes[i % 4];

		must(chmod(testing_folder, folders[i / 4]) == 0);
		must_give(testing_in_child(open_new, &mode), GKV_OK);
		must(chmod(testing_folder, 0777) == 0);
		must(mode_of(testing_path) == (mode & ~022u));
		must(chmod(testing_path, 0644) == 0);
		store_check(testing_path);
		must(unlink(testing_path) == 0);
		must(rmdir(testing_folder) == 0); /* nothing else is left in it */
		must(mkdir(testing_folder, 0777) == 0);
	}
}
END_TEST

/* --- names -------------------------------------------------------------------------------------------------------- */

/* A name may be as long as the file system takes, of a store and of its copies. */
START_TEST(a_name_may_be_as_long_as_a_name_can_be)
{
	static char paths[3][600];
	char name[256];
	gkv *db;

	for (int i = 0; i < 3; i++) {
		memset(name, 'a' + i, 255);
		name[255] = '\0';
		(void)snprintf(paths[i], sizeof(paths[i]), "%s/%s", testing_folder, name);
	}
	db = store_open(paths[0], 0, GKV_DURABLE);
	store_put(db, "key", "value");
	must_give(gkv_backup(db, paths[1], NULL, NULL), GKV_OK);
	store_close(db);
	must_give(gkv_salvage(paths[0], paths[2], NULL, NULL), GKV_OK);
	for (int i = 0; i < 3; i++) {
		db = store_open(paths[i], GKV_NOCREATE, GKV_DURABLE);
		store_expect(db, "key", "value");
		store_close(db);
	}
}
END_TEST

/* A symbolic link to a name that is free makes the store there, and stays a link; so with a link in another folder. */
START_TEST(a_dangling_link_makes_its_target)
{
	char folder[320], link[320], again[320], target[320];
	struct stat st;
	gkv *db;

	testing_path_of("folder", folder);
	testing_path_of("folder/target", target);
	testing_path_of("link", link);
	testing_path_of("again", again);
	must(mkdir(folder, 0777) == 0);
	must(symlink("folder/target", link) == 0);
	must(symlink(link, again) == 0);
	db = store_open(again, 0, GKV_DURABLE);
	store_put(db, "key", "value");
	store_close(db);
	must(lstat(again, &st) == 0 && S_ISLNK(st.st_mode));
	must(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
	must(lstat(target, &st) == 0 && S_ISREG(st.st_mode));
	store_check(target);
	must(unlink(link) == 0 && symlink("link", link) == 0);
	must_give(gkv_open(link, NULL, &db), ELOOP);
	must(unlink(link) == 0 && symlink("none/target", link) == 0);
	must_give(gkv_open(link, NULL, &db), ENOENT);
	must(unlink(target) == 0 && rmdir(folder) == 0);
}
END_TEST

/* --- what is left ------------------------------------------------------------------------------------------------- */

static int kill_now(void *arg, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	if (++*(unsigned *)arg == 3)
		(void)raise(SIGKILL);
	return 0;
}

static int backup_killed(void *arg)
{
	char backup[320];
	unsigned steps = 0;
	gkv *db;

	testing_path_of("backup", backup);
	if (gkv_open(testing_path, NULL, &db) != GKV_OK)
		return 1;
	return gkv_backup(db, backup, kill_now, &steps) + *(int *)arg;
}

/* A backup whose process is killed in the middle leaves nothing, where the file system makes files without a name. */
START_TEST(a_killed_backup_leaves_nothing)
{
	static char value[MIB];
	gkv *db = store_lazy();
	const int fd = open(testing_folder, O_TMPFILE | O_RDWR, 0600);
	int zero = 0;

	for (uint64_t i = 0; i < 6; i++)
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	store_close(db);
	must(testing_in_child(backup_killed, &zero) == 128 + SIGKILL);
	must(fd < 0 || testing_folder_count() == 1);
	(void)close(fd);
}
END_TEST

/* --- what was there ----------------------------------------------------------------------------------------------- */

/* An empty file becomes a store in place: it is the same file, of the same owner and mode, under both of its names. */
START_TEST(an_empty_file_becomes_a_store_in_place)
{
	static const char zeroes[16384];
	const size_t sizes[] = {0, 1, 8192, sizeof(zeroes)};
	char other[320];
	struct stat before, after;
	gkv *db, *second;

	testing_path_of("other", other);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		file_write(testing_path, zeroes, sizes[i]);
		must(chmod(testing_path, 0606) == 0 && link(testing_path, other) == 0);
		must(chown(testing_path, (uid_t)-1, getegid()) == 0 && stat(testing_path, &before) == 0);
		must_give(gkv_open(testing_path, &(gkv_options){.flags = GKV_RDONLY}, &db), GKV_NOTASTORE);
		must_give(gkv_open(testing_path, &(gkv_options){.flags = GKV_NOCREATE}, &db), GKV_NOTASTORE);
		must(file_bytes(testing_path) == sizes[i]);
		db = store_open(testing_path, 0, GKV_DURABLE);
		must_give(gkv_open(other, NULL, &second), GKV_BUSY);
		must(stat(other, &after) == 0 && after.st_ino == before.st_ino && after.st_mode == before.st_mode);
		must(after.st_uid == before.st_uid && after.st_gid == before.st_gid && after.st_nlink == 2);
		store_close(db);
		store_check(other);
		must(unlink(testing_path) == 0 && unlink(other) == 0);
	}
}
END_TEST

static int open_and_put(void *arg)
{
	char key[2] = {*(const char *)arg, '\0'};
	gkv *db;
	int rc;

	/* Whoever finds it locked waits: nobody is ever told that it is no store. */
	while ((rc = gkv_open(testing_path, NULL, &db)) == GKV_BUSY)
		(void)usleep(100);
	if (rc != GKV_OK)
		return 1;
	rc = gkv_put(db, key, 1, "value", 5);
	return rc != GKV_OK || gkv_close(db) != GKV_OK;
}

/* Of many that open one empty file, or a name that is free, at the same time, each gets the same store, or is told that
 * it is busy. */
START_TEST(many_openers_of_an_empty_file_get_one_store)
{
	enum { OPENERS = 6 };

	for (uint64_t round = 0; round < testing_count(40, 10); round++) {
		pid_t child[OPENERS];
		int status;
		gkv *db;

		if (round % 2 == 0)
			file_write(testing_path, "", 0);
		for (int i = 0; i < OPENERS; i++) {
			char name = (char)('a' + i);

			child[i] = fork();
			must(child[i] >= 0);
			if (child[i] == 0)
				_exit(open_and_put(&name));
		}
		for (int i = 0; i < OPENERS; i++)
			must(waitpid(child[i], &status, 0) == child[i] && status == 0);
		store_check(testing_path);
		db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
		must(store_records(db) == OPENERS);
		store_close(db);
		must(testing_folder_count() == 1);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

SUITE("files", "files", a_session_that_wrote_moves_the_time_of_change, a_copy_has_the_permissions_of_its_source,
      another_group_is_let_read_nothing, a_maker_keeps_what_it_made, a_name_may_be_as_long_as_a_name_can_be,
      a_dangling_link_makes_its_target, a_killed_backup_leaves_nothing, an_empty_file_becomes_a_store_in_place,
      many_openers_of_an_empty_file_get_one_store)
