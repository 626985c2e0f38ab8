/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* testing.h: what the suites of the store share: a folder for each test, counts that scale, random numbers that can be
 * had again, and values that can be told from others. It needs the interface of the library alone.
 *
 * The environment: GKV_TEST_SEED sets the seed, which each run prints; GKV_TEST_SCALE multiplies counts (1 where it is
 * not set); TMPDIR is where folders are made. */
#ifndef GKV_TESTS_TESTING_H
#define GKV_TESTS_TESTING_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvstore/gkv.h"

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

/* Seconds that a test may take: only against hanging, since sanitizers and slow disks take their time. */
#define TESTING_TIMEOUT 900.0

/* An unprivileged user, whom root becomes in tests of permissions. */
#define TESTING_NOBODY 65534

/* Assertions that any thread may make, as often as it likes; Check's own are for the thread of the test, and each of
 * them writes a line to a file. A failure is printed, with the code's name in the second, and ends the process of the
 * test. */
#define must(condition)       testing_must((condition), #condition, __FILE__, __LINE__)
#define must_give(call, code) testing_must_give((call), (code), #call, __FILE__, __LINE__)

void testing_must(bool holds, const char *what, const char *file, int line);
void testing_must_give(int got, int want, const char *what, const char *file, int line);

/* Runs the suite: prints its seed, makes the folder and removes it afterwards, whatever happened. What main returns. */
int testing_main(Suite *suite);

/* A case whose tests begin with an empty folder; with `few`, under a hash of few values as well. */
TCase *testing_case(Suite *suite, const char *name, bool few);
/* Adds the tests to two cases: one with the real hash, one with few. Each of them is there if the program has it, see few.c
 * and few_alone.c. */
void testing_add_both(Suite *suite, const char *name, const TTest *const *tests, size_t count);
void testing_add(Suite *suite, const char *name, const TTest *const *tests, size_t count);
/* What the last two above end with: the tests, and how many they are. */
#define TESTS(...)                                                                                                     \
	(const TTest *const[]){__VA_ARGS__}, sizeof((const TTest *const[]){__VA_ARGS__}) / sizeof(const TTest *)
/* main of a suite of one case. */
#define SUITE(suite_name, case_name, ...)                                                                              \
	int main(void)                                                                                                 \
	{                                                                                                              \
		Suite *suite = suite_create(suite_name);                                                               \
                                                                                                                       \
		testing_add(suite, case_name, TESTS(__VA_ARGS__));                                                     \
		return testing_main(suite);                                                                            \
	}

/* Whether keys meet in this test. */
bool testing_few(void);
/* Sets the hash; NULL in a program without few.c. */
extern void (*testing_few_set)(bool few);
/* Whether the cases with the real hash are another program's. */
extern bool testing_few_alone;
/* How many tests have begun in this process. */
unsigned testing_begun(void);

/* A sanitizer has terabytes of memory of its own, and dumps none of the process. A forked child of several threads may wait
 * for ever in its allocator. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TESTING_SANITIZED true
#else
#define TESTING_SANITIZED false
#endif

extern char testing_folder[256]; /* of this run, emptied before each test      */
extern char testing_path[320];   /* in it: of the store that most tests are about */

/* The path of another file in the folder. */
void testing_path_of(const char *name, char out[320]);
/* How many names that folder has. */
unsigned testing_folder_count(void);

/* `full` scaled, at least `least`. */
uint64_t testing_count(uint64_t full, uint64_t least);

/* Random numbers: splitmix64. The same seed, the same numbers. */
struct rng {
	uint64_t state;
};
struct rng rng_make(uint64_t stream); /* of the run's seed; different for each stream */
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t end); /* 0 <= x < end      */
uint64_t rng_size(struct rng *r, uint64_t most); /* 0 <= x <= most, log-uniform */
void rng_fill(struct rng *r, void *buf, size_t bytes);
uint64_t rng_mix(uint64_t x); /* of its numbers: each bit of x changes about half of those that come out */

/* Stores. Every function asserts GKV_OK. */
gkv *store_open(const char *path, unsigned flags, enum gkv_durability durability);
gkv *store_lazy(void); /* the test's store, lazy */
void store_close(gkv *db);
void store_put(gkv *db, const char *key, const char *value);
void store_del(gkv *db, const char *key);
gkv_txn *store_begin(gkv *db, unsigned flags);
void store_commit(gkv_txn *txn);
void txn_put(gkv_txn *txn, const char *key, const char *value);
void txn_del(gkv_txn *txn, const char *key);
/* value NULL: the key is absent. */
void store_expect(gkv *db, const char *key, const char *value);
void txn_expect(gkv_txn *txn, const char *key, const char *value);
uint64_t store_records(gkv *db);
uint64_t txn_records(gkv_txn *txn); /* counted by an iteration */
gkv_stats store_stat(gkv *db);
/* gkv_check finds nothing; what it finds is printed. */
void store_check(const char *path);

/* Bytes that only this number and size have; bytes_fit says whether they still are. */
void bytes_make(void *buf, size_t size, uint64_t number);
bool bytes_fit(const void *buf, size_t size, uint64_t number);

/* Files. */
void file_write(const char *path, const void *data, size_t size);
void *file_read(const char *path, size_t *size); /* to be freed */
uint64_t file_bytes(const char *path);
bool file_exists(const char *path);

/* Runs `body` in a child, and gives its exit status (128 and the signal, where one ended it). It asserts nothing:
 * what it returns tells what happened. */
int testing_in_child(int (*body)(void *), void *arg);
/* In a child: becomes an unprivileged user, where it is root. */
void testing_drop_privileges(void);

#endif
