/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* golden_make.c: makes the golden files of this version of the format.
 *
 *     golden_make DIR
 *
 * writes DIR/vN-NAME.gkv, a store, and DIR/vN-NAME.txt, what it holds: for each record its key in hexadecimal, the size
 * of its value and the XXH3 of it. It never writes over a file. Identity, seed and nonces come from a generator of
 * numbers in the place of the system's random bytes, so the same build makes the same bytes again.
 *
 * It is run by hand, once for each version of the format: files of a version that was released stay as they are, and
 * what is read is what a former build wrote. "make check" builds this and does not run it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "arena/file/disk.h"
#include "arena/gravity.h"
#include "arena/os/os.h"
#include "kvstore/gkv.h"
#include "kvstore/hash.h"
#include "kvstore/place.h"

#define ITEMS_MAX   1024u
#define KEY_MAX     16u
#define VALUE_MAX   20000u
#define FILE_MOST   98304u
#define MOVED_SYNCS 3u /* flushes of a compaction before the one that follows its moves */

static void need(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "golden_make: %s\n", what);
	exit(EXIT_FAILURE);
}

/* --- a system without chance -------------------------------------------------------------------------------------- */

static struct os golden_os;
static uint64_t random_state;
static const char *store_path;
static const char *copy_path; /* gets what a killed process would leave, see golden_sync; NULL: nothing */
static unsigned syncs_before; /* flushes of the whole file that are let pass before that             */

static uint64_t random_next(void)
{
	uint64_t x = random_state += UINT64_C(0x9E3779B97F4A7C15);

	x = (x ^ x >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
	x = (x ^ x >> 27) * UINT64_C(0x94D049BB133111EB);
	return x ^ x >> 31;
}

static int golden_random(const struct os *os, void *buf, size_t bytes)
{
	unsigned char *at = buf;

	(void)os;
	for (size_t i = 0; i < bytes; i++)
		at[i] = (unsigned char)random_next();
	return 0;
}

static void file_copy(const char *from, const char *to)
{
	static unsigned char bytes[FILE_MOST];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wbx");
	size_t size;

	need(in != NULL && out != NULL, "a file cannot be copied");
	size = fread(bytes, 1, sizeof(bytes), in);
	need(fgetc(in) == EOF && size > 0, "a store has become too large");
	need(fwrite(bytes, 1, size, out) == size && fclose(out) == 0 && fclose(in) == 0, "a file cannot be copied");
}

static int golden_sync(const struct os *os, os_file file)
{
	(void)os;
	if (copy_path != NULL && syncs_before-- == 0) {
		file_copy(store_path, copy_path);
		copy_path = NULL;
	}
	return os_posix()->sync(os_posix(), file);
}

/* --- a store and what it should hold ------------------------------------------------------------------------------ */

struct item {
	unsigned char key[KEY_MAX];
	size_t key_len;
	size_t size;
	uint64_t number; /* tells the value's bytes */
};

static struct item items[ITEMS_MAX];
static unsigned item_count;
static gkv *db;
static gkv_txn *txn;

static void value_make(unsigned char *out, size_t size, uint64_t number)
{
	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)((number * 251 + i * i * 7 + i / 256) & 0xff);
}

static struct item *item_find(const void *key, size_t key_len)
{
	for (unsigned i = 0; i < item_count; i++)
		if (items[i].key_len == key_len && memcmp(items[i].key, key, key_len) == 0)
			return &items[i];
	return NULL;
}

static void item_note(const void *key, size_t key_len, uint64_t number, size_t size)
{
	struct item *item = item_find(key, key_len);

	need(size <= VALUE_MAX && key_len <= KEY_MAX && item_count < ITEMS_MAX, "a record is too large");
	if (item == NULL)
		item = &items[item_count++];
	memcpy(item->key, key, key_len);
	item->key_len = key_len;
	item->size = size;
	item->number = number;
}

static void item_forget(const void *key, size_t key_len)
{
	struct item *item = item_find(key, key_len);

	need(item != NULL, "a record is not there");
	*item = items[--item_count];
}

static void begin(unsigned flags)
{
	need(gkv_begin(db, GKV_WRITE | flags, &txn) == GKV_OK, "a transaction does not begin");
}

static void commit(void)
{
	need(gkv_commit(txn) == GKV_OK, "a transaction does not commit");
}

static void put(const void *key, size_t key_len, uint64_t number, size_t size)
{
	unsigned char value[VALUE_MAX];

	item_note(key, key_len, number, size);
	value_make(value, size, number);
	need(gkv_txn_put(txn, key, key_len, value, size) == GKV_OK, "a record cannot be put");
}

static void del(const void *key, size_t key_len)
{
	item_forget(key, key_len);
	need(gkv_txn_del(txn, key, key_len) == GKV_OK, "a record cannot be deleted");
}

static const char *key_text(unsigned i)
{
	static char text[KEY_MAX];

	(void)snprintf(text, sizeof(text), "key-%04u", i);
	return text;
}

static void put_text(unsigned i, uint64_t number, size_t size)
{
	put(key_text(i), strlen(key_text(i)), number, size);
}

static void del_text(unsigned i)
{
	del(key_text(i), strlen(key_text(i)));
}

static void checkpoint(void)
{
	need(gkv_checkpoint(db) == GKV_OK, "a checkpoint fails");
}

/* --- equal hashes ------------------------------------------------------------------------------------------------- */

/* Who knows a store's seed can make keys of one hash. Of 16 bytes XXH3 with a seed is
 *
 *     avalanche(16 + swap(lo) + hi + fold(lo * hi)),    lo, hi = the halves of the key, each xored with a constant
 *
 * so where one half is zero after the xor, the other one decides alone, and avalanche can be undone. The constants are
 * words of XXH3's secret, xored: those at 24 and 32, and those at 40 and 48. */
#define SECRET_LO UINT64_C(0x6782737BEA4239B9)
#define SECRET_HI UINT64_C(0xAF56BC3B0996523A)

static uint64_t avalanche_undo(uint64_t hash)
{
	uint64_t inverse = 1; /* of the factor, by Newton's way: each step doubles the bits that are right */

	for (unsigned i = 0; i < 6; i++)
		inverse *= 2 - UINT64_C(0x165667919E3779F9) * inverse;
	hash = (hash ^ hash >> 32) * inverse;
	return hash ^ hash >> 37;
}

/* A key of 16 bytes with that hash: where `first`, its first half is the one that is zero. */
static void key_with_hash(unsigned char out[KEY_MAX], uint64_t hash, uint64_t seed, bool first)
{
	const uint64_t sum = avalanche_undo(hash) - 16;
	uint64_t half[2];

	half[0] = (SECRET_LO + seed) ^ (first ? 0 : __builtin_bswap64(sum));
	half[1] = (SECRET_HI - seed) ^ (first ? sum : 0);
	memcpy(out, half, KEY_MAX);
	need(kv_hash(out, KEY_MAX, seed) == hash, "a key has not the hash that it was made for");
}

/* --- the stores --------------------------------------------------------------------------------------------------- */

/* Closed after a checkpoint: nothing to replay. A key without bytes, a value without, and a large one. */
static void make_clean(void)
{
	begin(0);
	for (unsigned i = 0; i < 40; i++)
		put_text(i, i, i * 11 % 200);
	put("", 0, 100, 30);
	put("large", 5, 101, VALUE_MAX);
	put("empty", 5, 102, 0);
	commit();
	begin(0);
	for (unsigned i = 0; i < 40; i += 5)
		del_text(i);
	for (unsigned i = 1; i < 40; i += 5)
		put_text(i, 200 + i, 50);
	commit();
	checkpoint();
}

/* Killed: behind the checkpoint a log with new records, replaced and deleted ones, a large value, a JUMP, and the tail
 * of a transaction that did not commit. */
static void make_log(const char *path)
{
	begin(0);
	for (unsigned i = 0; i < 30; i++)
		put_text(i, i, 40);
	commit();
	checkpoint();
	begin(GKV_LAZY_COMMIT);
	for (unsigned i = 20; i < 40; i++)
		put_text(i, 300 + i, 60);
	commit();
	begin(0);
	for (unsigned i = 0; i < 40; i += 6)
		del_text(i);
	put("large", 5, 400, VALUE_MAX);
	put("large", 5, 401, VALUE_MAX - 1);
	put("large", 5, 402, VALUE_MAX - 2);
	commit();
	begin(0);
	need(gkv_txn_put(txn, "key-0001", 8, "never", 5) == GKV_OK && gkv_txn_put(txn, "new", 3, "never", 5) == GKV_OK,
	     "a record cannot be put");
	file_copy(store_path, path);
	gkv_abort(txn);
}

/* Killed in a compaction, before its checkpoint: the log holds records that were moved. The limit keeps the file
 * short. */
static void make_moved(const char *path)
{
	const gkv_options limited = {.max_bytes = FILE_MOST};

	begin(0);
	for (unsigned i = 0; i < 60; i++)
		put_text(i, i, 600);
	commit();
	checkpoint();
	begin(0);
	for (unsigned i = 0; i < 60; i++)
		if (i % 4 != 1)
			del_text(i);
	commit();
	need(gkv_close(db) == GKV_OK && gkv_open(store_path, &limited, &db) == GKV_OK,
	     "a store cannot be opened again");
	copy_path = path;
	syncs_before = MOVED_SYNCS;
	need(gkv_compact(db, NULL, NULL) == GKV_OK, "a compaction fails");
	need(copy_path == NULL, "the compaction has not come to the flush that was waited for");
}

/* A table of a node and several pages. */
static void make_pages(void)
{
	begin(0);
	for (unsigned i = 0; i < 560; i++)
		put_text(i, i, i % 3);
	commit();
	begin(0);
	for (unsigned i = 0; i < 560; i += 8)
		del_text(i);
	commit();
	checkpoint();
}

/* Keys with one hash, and one that is the next position's: strays, a stray list, a marker where one of them was. */
static void make_chain(void)
{
	struct header_disk header;
	FILE *file = fopen(store_path, "rb");
	unsigned char key[4][KEY_MAX];
	uint64_t hash;

	need(file != NULL && fread(&header, sizeof(header), 1, file) == 1 && fclose(file) == 0,
	     "a header cannot be read");
	hash = kv_hash("the first one", 13, header.hash_seed);
	key_with_hash(key[0], hash, header.hash_seed, true);
	key_with_hash(key[1], hash, header.hash_seed, false);
	key_with_hash(key[2], hash + PLACE_STEP, header.hash_seed, true);
	key_with_hash(key[3], hash + PLACE_STEP, header.hash_seed, false);
	begin(0);
	put("the first one", 13, 500, 100);
	for (unsigned i = 0; i < 4; i++)
		put(key[i], KEY_MAX, 501 + i, 100 + i);
	commit();
	begin(0);
	del(key[0], KEY_MAX);
	put_text(1, 1, 10);
	commit();
	checkpoint();
	begin(0);
	put(key[1], KEY_MAX, 510, 77);
	commit();
}

/* Without keys: the positions that were handed out, some of them freed, and a log. */
static void make_plain(void)
{
	unsigned char value[VALUE_MAX];
	gravity_pos pos[20];
	gravity *g;

	need(gravity_open(store_path, NULL, &g) == GRAVITY_OK, "an arena cannot be made");
	for (unsigned i = 0; i < 20; i++) {
		value_make(value, i * 90, i);
		need(gravity_write(g, value, i * 90, &pos[i]) == GRAVITY_OK, "a blob cannot be written");
		if (i == 12)
			need(gravity_checkpoint(g) == GRAVITY_OK, "a checkpoint fails");
		item_note(&pos[i], sizeof(pos[i]), i, i * 90);
	}
	for (unsigned i = 3; i < 20; i += 5) {
		need(gravity_free(g, pos[i]) == GRAVITY_OK, "a blob cannot be freed");
		item_forget(&pos[i], sizeof(pos[i]));
	}
	need(gravity_close(g) == GRAVITY_OK, "an arena cannot be closed");
}

/* --- the files ---------------------------------------------------------------------------------------------------- */

static void expected_write(const char *path)
{
	static unsigned char value[VALUE_MAX];
	FILE *file = fopen(path, "wx");

	need(file != NULL, "a file cannot be made");
	for (unsigned i = 0; i < item_count; i++) {
		(void)fputc('=', file);
		for (size_t at = 0; at < items[i].key_len; at++)
			(void)fprintf(file, "%02x", items[i].key[at]);
		value_make(value, items[i].size, items[i].number);
		(void)fprintf(file, " %zu %016" PRIx64 "\n", items[i].size,
			      (uint64_t)XXH3_64bits(value, items[i].size));
	}
	need(fclose(file) == 0, "a file cannot be written");
}

/* Only what is killed writes its file itself: the others are copied when they were closed. */
static void golden_write(const char *folder, const char *name, void (*make)(void),
			 void (*make_killed)(const char *path))
{
	char path[512], text[512];

	(void)snprintf(path, sizeof(path), "%s/v%u-%s.gkv", folder, DISK_VERSION, name);
	(void)snprintf(text, sizeof(text), "%s/v%u-%s.txt", folder, DISK_VERSION, name);
	item_count = 0;
	need(gkv_open(store_path, NULL, &db) == GKV_OK, "a store cannot be made");
	if (make_killed != NULL)
		make_killed(path);
	else
		make();
	need(gkv_close(db) == GKV_OK, "a store cannot be closed");
	if (make_killed == NULL)
		file_copy(store_path, path);
	expected_write(text);
	need(remove(store_path) == 0, "the working file cannot be removed");
}

/* The same of an arena without keys. */
static void golden_write_plain(const char *folder)
{
	char path[512], text[512];

	(void)snprintf(path, sizeof(path), "%s/v%u-plain.gkv", folder, DISK_VERSION);
	(void)snprintf(text, sizeof(text), "%s/v%u-plain.txt", folder, DISK_VERSION);
	item_count = 0;
	make_plain();
	file_copy(store_path, path);
	expected_write(text);
	need(remove(store_path) == 0, "the working file cannot be removed");
}

int main(int argc, char **argv)
{
	char path[512];

	need(argc == 2, "usage: golden_make DIR");
	(void)snprintf(path, sizeof(path), "%s/golden_make.tmp", argv[1]);
	store_path = path;
	golden_os = *os_posix();
	golden_os.random = golden_random;
	golden_os.sync = golden_sync;
	os_set_default(&golden_os);
	golden_write(argv[1], "clean", make_clean, NULL);
	golden_write(argv[1], "log", NULL, make_log);
	golden_write(argv[1], "moved", NULL, make_moved);
	golden_write(argv[1], "pages", make_pages, NULL);
	golden_write(argv[1], "chain", make_chain, NULL);
	golden_write_plain(argv[1]);
	return EXIT_SUCCESS;
}
