/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

#define _GNU_SOURCE
#include "tests/os/os_fixture.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

const struct os *os;
char folder[256];
char path[320];

static void folder_make(void)
{
	const char *base = getenv("TMPDIR");

	os = os_posix();
	(void)snprintf(folder, sizeof(folder), "%s/gkv-os.XXXXXX", base != NULL && *base != 0 ? base : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	ck_assert_int_eq(chmod(folder, 0777), 0);
	(void)snprintf(path, sizeof(path), "%s/file", folder);
}

static void folder_remove(void)
{
	char command[320];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

os_file file_make(uint64_t bytes)
{
	os_file file;

	ck_assert_int_eq(os->open(os, path, OS_CREATE, 0644, &file), 0);
	ck_assert_int_eq(os->grow(os, file, 0, bytes), 0);
	return file;
}

uint64_t file_size(os_file file)
{
	uint64_t bytes;

	ck_assert_int_eq(os->size(os, file, &bytes), 0);
	return bytes;
}

uint64_t file_space(os_file file)
{
	struct stat st;

	ck_assert_int_eq(fstat(file.fd, &st), 0);
	return (uint64_t)st.st_blocks * 512;
}

bool file_in_memory(os_file file)
{
	struct statfs fs;

	ck_assert_int_eq(fstatfs(file.fd, &fs), 0);
	return fs.f_type == TMPFS_MAGIC;
}

bool zeroes(const void *data, size_t bytes)
{
	const char *at = data;

	return bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, bytes - 1) == 0);
}

int in_child(int (*body)(void))
{
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0)
		_exit(body());
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	return WEXITSTATUS(status);
}

int suite_run(const char *name, const TTest *const *tests, size_t count)
{
	Suite *suite = suite_create(name);
	TCase *tcase = tcase_create(name);
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, folder_make, folder_remove);
	tcase_set_timeout(tcase, 60);
	for (size_t i = 0; i < count; i++)
		tcase_add_test(tcase, tests[i]);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
