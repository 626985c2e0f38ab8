/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_golden.c: stores that an earlier build wrote are read, written and salvaged by this one.
 *
 * tests/golden/vN-NAME.gkv is a store in version N of the format, made by tests/golden_make.c, and vN-NAME.txt is what
 * it holds. Files of a version that was released are never made again: they stand for the stores that are out there. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena/core.h"
#include "arena/gravity.h"
#include "arena/log/recover.h"
#include "kvstore/hash.h"
#include "tests/testing.h"

/* The versions that are read; the format's own is the last. */
#define VERSION_NEWEST 2u
#define EXPECTED_MAX   1024u
#define KEY_MAX        16u
#define FILE_MOST      100000u

struct golden {
	const char *name;
	unsigned log_kinds;  /* what its log holds: a bit for each kind of blob         */
	unsigned unfinished; /* keys that a commit behind it, which is not whole, replaces */
};

#define KIND(kind) (1u << (kind))
static const struct golden goldens[] = {
	{"v1-clean", 0, 0},
	{"v1-log", KIND(BLOB_PUT) | KIND(BLOB_TOMB) | KIND(BLOB_JUMP), 1},
	{"v1-moved", KIND(BLOB_MOVE), 0},
	{"v1-pages", 0, 0},
	{"v1-chain", KIND(BLOB_PUT), 0},
	{"v2-clean", 0, 0},
	{"v2-log", KIND(BLOB_PUT) | KIND(BLOB_TOMB) | KIND(BLOB_JUMP), 1},
	{"v2-moved", KIND(BLOB_MOVE), 0},
	{"v2-pages", 0, 0},
	{"v2-chain", KIND(BLOB_PUT), 0},
};
#define GOLDENS (sizeof(goldens) / sizeof(goldens[0]))

struct expected {
	unsigned char key[KEY_MAX];
	size_t key_len;
	size_t size;
	uint64_t hash; /* of the value */
};
static struct expected expected[EXPECTED_MAX];
static unsigned expected_count;

/* --- files -------------------------------------------------------------------------------------------------------- */

static void source_path(char out[512], const char *name, const char *end)
{
	const char *top = getenv("abs_top_srcdir");

	(void)snprintf(out, 512, "%s/tests/golden/%s%s", top != NULL ? top : ".", name, end);
}

static size_t hex_read(const char *text, unsigned char out[KEY_MAX])
{
	size_t n = 0;

	while (text[2 * n] != 0) {
		unsigned byte = 0;

		must(n < KEY_MAX && sscanf(text + 2 * n, "%2x", &byte) == 1);
		out[n++] = (unsigned char)byte;
	}
	return n;
}

/* Reads what the store holds. */
static void expected_read(const char *name)
{
	char path[512], line[128], hex[2 * KEY_MAX + 1];
	FILE *file;

	source_path(path, name, ".txt");
	file = fopen(path, "r");
	must(file != NULL);
	expected_count = 0;
	while (fgets(line, sizeof(line), file) != NULL) {
		struct expected *e = &expected[expected_count++];
		int at = 0;

		must(expected_count <= EXPECTED_MAX && line[0] == '=');
		hex[0] = 0;
		if (line[1] != ' ')
			must(sscanf(line + 1, "%32[0-9a-f]", hex) == 1);
		must(sscanf(line + 1 + strlen(hex), " %zu %" SCNx64 "%n", &e->size, &e->hash, &at) == 2 && at > 0);
		e->key_len = hex_read(hex, e->key);
	}
	must(fclose(file) == 0);
	must(expected_count > 0);
}

/* The name of a file of that version. */
static const char *golden_name(unsigned version, const char *name)
{
	static char out[32];

	(void)snprintf(out, sizeof(out), "v%u-%s", version, name);
	return out;
}

/* The test's store is a copy of that file from now on. */
static void golden_take(const char *name)
{
	char path[512];
	size_t size;
	void *data;

	source_path(path, name, ".gkv");
	data = file_read(path, &size);
	must(size > DISK_DATA && size < FILE_MOST);
	file_write(testing_path, data, size);
	free(data);
	expected_read(name);
}

/* --- what a store holds ------------------------------------------------------------------------------------------- */

static const struct expected *expected_find(const void *key, size_t key_len)
{
	for (unsigned i = 0; i < expected_count; i++)
		if (expected[i].key_len == key_len && memcmp(expected[i].key, key, key_len) == 0)
			return &expected[i];
	return NULL;
}

static bool value_fits(const struct expected *e, const void *value, size_t size)
{
	return e != NULL && e->size == size && XXH3_64bits(value, size) == e->hash;
}

/* Each key by itself, and all of them by an iteration. */
static void store_has_expected(gkv *db)
{
	gkv_txn *txn = store_begin(db, GKV_READ);
	unsigned count = 0;
	gkv_bytes key, value;
	gkv_iter *it;

	for (unsigned i = 0; i < expected_count; i++) {
		must_give(gkv_txn_get(txn, expected[i].key, expected[i].key_len, &value), GKV_OK);
		must(value_fits(&expected[i], value.data, value.size));
	}
	must_give(gkv_iter_open(txn, &it), GKV_OK);
	while (gkv_iter_next(it, &key, &value) == GKV_OK) {
		must(value_fits(expected_find(key.data, key.size), value.data, value.size));
		count++;
	}
	gkv_iter_close(it);
	must(count == expected_count && store_records(db) == expected_count);
	store_commit(txn);
}

static void file_has_expected(const char *path)
{
	gkv *db = store_open(path, GKV_RDONLY, GKV_LAZY);

	store_has_expected(db);
	store_close(db);
}

static int finding_print(void *arg, const char *finding)
{
	unsigned *count = arg;

	(void)fprintf(stderr, "finding: %s\n", finding);
	(*count)++;
	return 0;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

/* There are files of this version of the format, and each file is of the version that its name tells. */
START_TEST(each_version_has_its_files)
{
	char newest[16];
	unsigned of_newest = 0;

	if (DISK_VERSION != VERSION_NEWEST)
		(void)fprintf(
			stderr,
			"The format has version %u now. Leave the files of older versions in tests/golden as they are. "
			"Make those of this one beside them with tests/golden_make, name them in tests/kvstore/test_golden.c, and "
			"say there and in docs/format.md what becomes of the older ones.\n",
			DISK_VERSION);
	must(DISK_VERSION == VERSION_NEWEST);
	(void)snprintf(newest, sizeof(newest), "v%u-", VERSION_NEWEST);
	for (size_t i = 0; i < GOLDENS; i++) {
		char path[512];
		struct header_disk *header;
		size_t size;

		source_path(path, goldens[i].name, ".gkv");
		header = file_read(path, &size);
		must(size > sizeof(*header) && memcmp(header->magic, HEADER_MAGIC, sizeof(header->magic)) == 0);
		must(header->version == (unsigned)(goldens[i].name[1] - '0'));
		of_newest += strncmp(goldens[i].name, newest, strlen(newest)) == 0;
		free(header);
	}
	must(of_newest >= 5);
}
END_TEST

/* The kinds of blobs that the log of the test's store holds. */
static unsigned log_kinds(void)
{
	size_t size;
	unsigned char *data = file_read(testing_path, &size);
	struct map map = {.base = data, .os = os_posix(), .verify = true};
	const struct blob_disk *blob;
	struct header_disk header;
	unsigned index, kinds = 0;
	struct chain chain;

	map.length = &map.bytes;
	atomic_store(map.length, size);
	must_give(header_choose(&map, &header, &index), 0);
	header_adopt(&map, &header);
	chain_begin(&chain, &map, &header);
	while ((blob = chain_next(&chain)) != NULL)
		kinds |= KIND(blob_kind(blob));
	free(data);
	return kinds;
}

/* Each file is sound and holds what was put into it; looking at it changes nothing. */
START_TEST(each_file_is_read)
{
	for (size_t i = 0; i < GOLDENS; i++) {
		size_t before_size, after_size;
		void *before, *after;

		golden_take(goldens[i].name);
		must((log_kinds() & goldens[i].log_kinds) == goldens[i].log_kinds);
		before = file_read(testing_path, &before_size);
		store_check(testing_path);
		file_has_expected(testing_path);
		after = file_read(testing_path, &after_size);
		must(before_size == after_size && memcmp(before, after, before_size) == 0);
		free(before);
		free(after);
	}
}
END_TEST

/* The store of equal hashes has keys away from home, a list of them and a marker. */
static void chain_must_meet(unsigned version)
{
	struct header_disk *header;
	unsigned meet = 0;
	size_t size;

	golden_take(golden_name(version, "chain"));
	header = file_read(testing_path, &size);
	for (unsigned i = 0; i < expected_count; i++)
		for (unsigned k = 0; k < i; k++)
			meet += kv_hash(expected[i].key, expected[i].key_len, header->hash_seed) ==
				kv_hash(expected[k].key, expected[k].key_len, header->hash_seed);
	must(meet == 2); /* two of one hash, and two of the next position's */
	must(header[DISK_PAGE / sizeof(*header)].blobs == expected_count + 2);
	free(header);
}

/* Keys meet in the store of equal hashes; the large table has several pages. */
START_TEST(the_files_hold_what_they_are_for)
{
	for (unsigned version = 1; version <= VERSION_NEWEST; version++) {
		gkv *db;

		chain_must_meet(version);
		golden_take(golden_name(version, "pages"));
		db = store_open(testing_path, GKV_RDONLY, GKV_LAZY);
		must(store_stat(db).table_pages > 1);
		store_close(db);
	}
}
END_TEST

/* Deletes each third key, replaces each third, adds as many. */
static void store_change(gkv *db)
{
	const unsigned old = expected_count;
	unsigned kept = 0;

	for (unsigned i = 0; i < old; i++) {
		struct expected e = expected[i];
		unsigned char value[3000];
		char key[32];

		if (i % 3 == 0) {
			must_give(gkv_del(db, e.key, e.key_len), GKV_OK);
			(void)snprintf(key, sizeof(key), "added-%u", i);
			e.key_len = strlen(key);
			memcpy(e.key, key, e.key_len);
		}
		if (i % 3 != 2) {
			e.size = i * 7 % sizeof(value);
			bytes_make(value, e.size, i);
			e.hash = XXH3_64bits(value, e.size);
			must_give(gkv_put(db, e.key, e.key_len, value, e.size), GKV_OK);
		}
		expected[kept++] = e;
	}
	must(kept == old);
}

/* Each file goes on as a store of this build: changed, closed, opened, checkpointed, compacted, backed up. */
START_TEST(each_file_is_written)
{
	char copy[320];

	testing_path_of("copy", copy);
	for (size_t i = 0; i < GOLDENS; i++) {
		gkv *db;

		golden_take(goldens[i].name);
		db = store_lazy();
		store_has_expected(db);
		store_change(db);
		store_has_expected(db);
		store_close(db);
		store_check(testing_path);
		db = store_lazy();
		store_has_expected(db);
		must_give(gkv_checkpoint(db), GKV_OK);
		must_give(gkv_compact(db, NULL, NULL), GKV_OK);
		store_has_expected(db);
		must_give(gkv_backup(db, copy, NULL, NULL), GKV_OK);
		store_close(db);
		store_check(testing_path);
		file_has_expected(testing_path);
		file_has_expected(copy);
		must(unlink(copy) == 0);
	}
}
END_TEST

/* Every key is there, and deleted ones may be, too. Of how many the value is the expected one. */
static unsigned rescued_right(const char *path)
{
	gkv *db = store_open(path, GKV_RDONLY, GKV_LAZY);
	gkv_txn *txn = store_begin(db, GKV_READ);
	unsigned right = 0;
	gkv_bytes value;

	for (unsigned i = 0; i < expected_count; i++) {
		must_give(gkv_txn_get(txn, expected[i].key, expected[i].key_len, &value), GKV_OK);
		right += value_fits(&expected[i], value.data, value.size);
	}
	store_commit(txn);
	store_close(db);
	return right;
}

/* Of a sound file salvage takes everything and nothing else, and has nothing to say. */
START_TEST(each_file_is_salvaged)
{
	char rescued[320];

	testing_path_of("rescued", rescued);
	for (size_t i = 0; i < GOLDENS; i++) {
		unsigned findings = 0;

		golden_take(goldens[i].name);
		must_give(gkv_salvage(testing_path, rescued, finding_print, &findings), GKV_OK);
		must(findings == 0);
		store_check(rescued);
		file_has_expected(rescued);
		must(unlink(rescued) == 0);
	}
}
END_TEST

/* Where no header verifies, blobs are checked by the sum that they have. */
START_TEST(each_file_is_salvaged_without_headers)
{
	char rescued[320];

	testing_path_of("rescued", rescued);
	for (size_t i = 0; i < GOLDENS; i++) {
		unsigned findings = 0;
		unsigned char *data;
		size_t size;

		golden_take(goldens[i].name);
		data = file_read(testing_path, &size);
		for (unsigned page = 0; page < 2; page++)
			data[page * DISK_PAGE + offsetof(struct header_disk, check)] ^= 1;
		file_write(testing_path, data, size);
		free(data);
		must_give(gkv_salvage(testing_path, rescued, finding_print, &findings), GKV_OK);
		must(findings > 0);
		store_check(rescued);
		must(rescued_right(rescued) == expected_count - goldens[i].unfinished);
		must(unlink(rescued) == 0);
	}
}
END_TEST

/* Both headers of the test's store get that version. */
static void version_write(uint32_t version)
{
	size_t size;
	unsigned char *data = file_read(testing_path, &size);

	for (unsigned page = 0; page < 2; page++)
		memcpy(data + page * DISK_PAGE + offsetof(struct header_disk, version), &version, sizeof(version));
	file_write(testing_path, data, size);
	free(data);
}

/* A file of another version, or of a machine of another byte order, is told apart from damage and from what is no
 * store, and stays as it is. */
START_TEST(another_version_is_refused)
{
	const uint32_t versions[] = {0, DISK_VERSION + 1, UINT32_MAX, __builtin_bswap32(DISK_VERSION)};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		const gkv_options reads = {.flags = GKV_RDONLY};
		size_t before_size, after_size;
		void *before, *after;
		gkv *db;

		golden_take(golden_name(VERSION_NEWEST, "log"));
		version_write(versions[i]);
		before = file_read(testing_path, &before_size);
		must_give(gkv_open(testing_path, NULL, &db), GKV_BADVERSION);
		must_give(gkv_open(testing_path, &reads, &db), GKV_BADVERSION);
		must_give(gkv_check(testing_path, NULL, NULL), GKV_BADVERSION);
		after = file_read(testing_path, &after_size);
		must(before_size == after_size && memcmp(before, after, before_size) == 0);
		free(before);
		free(after);
		version_write(DISK_VERSION);
		store_check(testing_path);
		file_has_expected(testing_path);
	}
}
END_TEST

static void arena_has_expected(gravity *g)
{
	gravity_stats stats;

	for (unsigned i = 0; i < expected_count; i++) {
		unsigned char value[2000];
		gravity_pos pos;
		size_t size;

		memcpy(&pos, expected[i].key, sizeof(pos));
		must_give(gravity_read(g, pos, value, sizeof(value), &size), GRAVITY_OK);
		must(value_fits(&expected[i], value, size));
	}
	must_give(gravity_stat(g, &stats), GRAVITY_OK);
	must(stats.blobs == expected_count);
}

static void plain_must_go_on(void)
{
	gravity_pos pos;
	gravity *g;
	gkv *db;

	must_give(gkv_open(testing_path, NULL, &db), GKV_NOTASTORE);
	must_give(gravity_open(testing_path, NULL, &g), GRAVITY_OK);
	arena_has_expected(g);
	must_give(gravity_write(g, "new", 3, &pos), GRAVITY_OK);
	must(expected_find(&pos, sizeof(pos)) == NULL);
	expected[expected_count] = (struct expected){.key_len = sizeof(pos), .size = 3, .hash = XXH3_64bits("new", 3)};
	memcpy(expected[expected_count++].key, &pos, sizeof(pos));
	must_give(gravity_close(g), GRAVITY_OK);
	must_give(gravity_open(testing_path, NULL, &g), GRAVITY_OK);
	arena_has_expected(g);
	must_give(gravity_close(g), GRAVITY_OK);
}

/* An arena without keys: each position leads to its blob, a new one is none of those that were handed out before. */
START_TEST(an_arena_is_read_and_written)
{
	for (unsigned version = 1; version <= VERSION_NEWEST; version++) {
		golden_take(golden_name(version, "plain"));
		plain_must_go_on();
	}
}
END_TEST

SUITE("golden files", "golden files", each_version_has_its_files, each_file_is_read, the_files_hold_what_they_are_for,
      each_file_is_written, each_file_is_salvaged, each_file_is_salvaged_without_headers, another_version_is_refused,
      an_arena_is_read_and_written)
