/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* testing.c: see testing.h. */
#define _GNU_SOURCE
#include "tests/testing.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

char testing_folder[256];
char testing_path[320];

static uint64_t seed;
static double scale;
static bool few_values;
static unsigned begun;

void (*testing_few_set)(bool few);
bool testing_few_alone;

/* --- the run ------------------------------------------------------------------------------------------------------ */

void testing_must(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	(void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	_exit(EXIT_FAILURE);
}

void testing_must_give(int got, int want, const char *what, const char *file, int line)
{
	if (got == want)
		return;
	(void)fprintf(stderr, "%s:%d: gives %d (%s), not %d: %s\n", file, line, got, gkv_strerror(got), want, what);
	_exit(EXIT_FAILURE);
}

static void folder_empty(void)
{
	struct dirent *entry;
	DIR *dir = opendir(testing_folder);
	char path[600];

	must(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", testing_folder, entry->d_name);
		if (unlink(path) != 0)
			must(rmdir(path) == 0);
	}
	must(closedir(dir) == 0);
}

static void environment_read(void)
{
	const char *text = getenv("GKV_TEST_SEED");
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	seed = (uint64_t)now.tv_nsec ^ (uint64_t)now.tv_sec << 30 ^ (uint64_t)getpid();
	if (text != NULL && *text != 0)
		seed = strtoull(text, NULL, 0);
	text = getenv("GKV_TEST_SCALE");
	scale = text != NULL && *text != 0 ? strtod(text, NULL) : 1;
}

int testing_main(Suite *suite)
{
	const char *base = getenv("TMPDIR");
	SRunner *runner;
	int failed;

	environment_read();
	printf("GKV_TEST_SEED=%" PRIu64 "\n", seed);
	(void)fflush(stdout);
	(void)snprintf(testing_folder, sizeof(testing_folder), "%s/gkv-test.XXXXXX",
		       base != NULL && *base != 0 ? base : "/tmp");
	if (mkdtemp(testing_folder) == NULL || chmod(testing_folder, 0777) != 0) {
		perror(testing_folder);
		return EXIT_FAILURE;
	}
	testing_path_of("store", testing_path);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	folder_empty();
	(void)rmdir(testing_folder);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void begin(bool few)
{
	folder_empty();
	begun++;
	few_values = few;
	if (testing_few_set != NULL)
		testing_few_set(few);
}

static void begin_plain(void)
{
	begin(false);
}

static void begin_few(void)
{
	begin(true);
}

bool testing_few(void)
{
	return few_values;
}

TCase *testing_case(Suite *suite, const char *name, bool few)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, TESTING_TIMEOUT);
	tcase_add_checked_fixture(tc, few ? begin_few : begin_plain, NULL);
	suite_add_tcase(suite, tc);
	return tc;
}

static void tests_add(TCase *tc, const TTest *const *tests, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		tcase_add_test(tc, tests[i]);
}

void testing_add(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	if (!testing_few_alone)
		tests_add(testing_case(suite, name, false), tests, count);
}

void testing_add_both(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
	static char names[16][64]; /* a case keeps the pointer */
	static unsigned used;

	testing_add(suite, name, tests, count);
	if (testing_few_set == NULL)
		return;
	must(used < 16);
	(void)snprintf(names[used], sizeof(names[used]), "%s, equal hashes", name);
	tests_add(testing_case(suite, names[used++], true), tests, count);
}

unsigned testing_begun(void)
{
	return begun;
}

unsigned testing_folder_count(void)
{
	DIR *folder = opendir(testing_folder);
	unsigned count = 0;

	must(folder != NULL);
	while (readdir(folder) != NULL)
		count++;
	(void)closedir(folder);
	return count - 2;
}

void testing_path_of(const char *name, char out[320])
{
	(void)snprintf(out, 320, "%s/%s", testing_folder, name);
}

uint64_t testing_count(uint64_t full, uint64_t least)
{
	const uint64_t scaled = (uint64_t)((double)full * scale);

	return scaled > least ? scaled : least;
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */

uint64_t rng_mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

struct rng rng_make(uint64_t stream)
{
	return (struct rng){rng_mix(seed) ^ rng_mix(stream + 1)};
}

uint64_t rng_next(struct rng *r)
{
	r->state += UINT64_C(0x9E3779B97F4A7C15);
	return rng_mix(r->state);
}

uint64_t rng_below(struct rng *r, uint64_t end)
{
	return rng_next(r) % end;
}

uint64_t rng_size(struct rng *r, uint64_t most)
{
	uint64_t bits = 0;

	while (most >> bits != 0)
		bits++;
	return rng_below(r, (UINT64_C(1) << rng_below(r, bits + 1))) % (most + 1);
}

void rng_fill(struct rng *r, void *buf, size_t bytes)
{
	unsigned char *at = buf;
	size_t i;

	for (i = 0; i < bytes; i++)
		at[i] = (unsigned char)rng_next(r);
}

/* Eight bytes for each word of the buffer: the number and the word's place in it, mixed. */
static uint64_t bytes_word(uint64_t number, size_t word)
{
	return (number + 1) * UINT64_C(0xD6E8FEB86659FD93) + word * UINT64_C(0x9E3779B97F4A7C15);
}

void bytes_make(void *buf, size_t size, uint64_t number)
{
	size_t at;

	for (at = 0; at < size; at += sizeof(uint64_t)) {
		const uint64_t word = bytes_word(number, at);

		memcpy((unsigned char *)buf + at, &word, size - at < sizeof(word) ? size - at : sizeof(word));
	}
}

bool bytes_fit(const void *buf, size_t size, uint64_t number)
{
	size_t at;

	for (at = 0; at < size; at += sizeof(uint64_t)) {
		const uint64_t word = bytes_word(number, at);

		if (memcmp((const unsigned char *)buf + at, &word,
			   size - at < sizeof(word) ? size - at : sizeof(word)) != 0)
			return false;
	}
	return true;
}

/* --- stores ------------------------------------------------------------------------------------------------------- */

gkv *store_open(const char *path, unsigned flags, enum gkv_durability durability)
{
	const gkv_options options = {.flags = flags, .durability = durability};
	gkv *db;

	must_give(gkv_open(path, &options, &db), GKV_OK);
	must(db != NULL);
	return db;
}

gkv *store_lazy(void)
{
	return store_open(testing_path, 0, GKV_LAZY);
}

void store_close(gkv *db)
{
	must_give(gkv_close(db), GKV_OK);
}

void store_put(gkv *db, const char *key, const char *value)
{
	must_give(gkv_put(db, key, strlen(key), value, strlen(value)), GKV_OK);
}

void store_del(gkv *db, const char *key)
{
	must_give(gkv_del(db, key, strlen(key)), GKV_OK);
}

gkv_txn *store_begin(gkv *db, unsigned flags)
{
	gkv_txn *txn;

	must_give(gkv_begin(db, flags, &txn), GKV_OK);
	must(txn != NULL);
	return txn;
}

void store_commit(gkv_txn *txn)
{
	must_give(gkv_commit(txn), GKV_OK);
}

void txn_put(gkv_txn *txn, const char *key, const char *value)
{
	must_give(gkv_txn_put(txn, key, strlen(key), value, strlen(value)), GKV_OK);
}

void txn_del(gkv_txn *txn, const char *key)
{
	must_give(gkv_txn_del(txn, key, strlen(key)), GKV_OK);
}

void store_expect(gkv *db, const char *key, const char *value)
{
	char buf[4096];
	size_t size;

	if (value == NULL) {
		must_give(gkv_get(db, key, strlen(key), buf, sizeof(buf), &size), GKV_NOTFOUND);
		must(size == 0);
		return;
	}
	must_give(gkv_get(db, key, strlen(key), buf, sizeof(buf), &size), GKV_OK);
	must(size == strlen(value));
	must(memcmp(buf, value, size) == 0);
}

void txn_expect(gkv_txn *txn, const char *key, const char *value)
{
	gkv_bytes got;

	if (value == NULL) {
		must_give(gkv_txn_get(txn, key, strlen(key), &got), GKV_NOTFOUND);
		must(got.data == NULL);
		must(got.size == 0);
		return;
	}
	must_give(gkv_txn_get(txn, key, strlen(key), &got), GKV_OK);
	must(got.size == strlen(value));
	must(memcmp(got.data, value, got.size) == 0);
}

gkv_stats store_stat(gkv *db)
{
	gkv_stats stats;

	must_give(gkv_stat(db, &stats), GKV_OK);
	return stats;
}

uint64_t store_records(gkv *db)
{
	return store_stat(db).records;
}

uint64_t txn_records(gkv_txn *txn)
{
	uint64_t count = 0;
	gkv_iter *it;
	int rc;

	must_give(gkv_iter_open(txn, &it), GKV_OK);
	while ((rc = gkv_iter_next(it, NULL, NULL)) == GKV_OK)
		count++;
	must_give(rc, GKV_NOTFOUND);
	gkv_iter_close(it);
	return count;
}

static int finding_print(void *arg, const char *finding)
{
	(void)arg;
	printf("gkv_check: %s\n", finding);
	return 0;
}

void store_check(const char *path)
{
	must_give(gkv_check(path, finding_print, NULL), GKV_OK);
}

/* --- files and processes ------------------------------------------------------------------------------------------ */

void file_write(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	must(file != NULL);
	must(fwrite(data, 1, size, file) == size);
	must(fclose(file) == 0);
}

void *file_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	void *data;

	must(file != NULL);
	*size = (size_t)file_bytes(path);
	data = malloc(*size + 1);
	must(data != NULL);
	must(fread(data, 1, *size, file) == *size);
	must(fclose(file) == 0);
	return data;
}

uint64_t file_bytes(const char *path)
{
	struct stat st;

	must(stat(path, &st) == 0);
	return (uint64_t)st.st_size;
}

bool file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

int testing_in_child(int (*body)(void *), void *arg)
{
	int status;
	pid_t child;

	(void)fflush(stdout);
	child = fork();
	must(child >= 0);
	if (child == 0)
		_exit(body(arg));
	must(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void testing_drop_privileges(void)
{
	if (geteuid() != 0)
		return;
	if (setgroups(0, NULL) != 0 || setgid(TESTING_NOBODY) != 0 || setuid(TESTING_NOBODY) != 0)
		_exit(99);
}
