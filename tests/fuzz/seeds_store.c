/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* seeds_store.c: writes the first inputs of fuzz_store into a folder: stores of every kind that a handle can leave
 * behind, each as image.h says. See tests/corpus/README. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvstore/gkv.h"
#include "kvstore/hash.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/mem_os.h"

#define STORE         "/seed/store"
#define LATER         "/seed/later"
#define SPLIT_RECORDS 460u /* more than a page of the table holds */

static const char *folder;
static gkv *db;
static uint32_t number;
static uint8_t flags;

static void input_write(const char *name, const char *path)
{
	static uint8_t out[IMAGE_MAX];
	struct image image;
	char to[512];
	FILE *file;
	size_t size;
	uint8_t *bytes = mem_file_read(path, &size);

	image_decode(&image, NULL, 0);
	fuzz_must(size <= IMAGE_MAX);
	memcpy(image.bytes, bytes, size);
	image.size = size;
	image.control.flags = flags;
	for (unsigned i = 0; i < IMAGE_OPS; i++)
		image.control.op[i] = (uint8_t)(i * 37 + number++);
	size = image_encode(&image, out, sizeof(out));
	fuzz_must(size > 0);
	(void)snprintf(to, sizeof(to), "%s/%s", folder, name);
	file = fopen(to, "wb");
	fuzz_must(file != NULL && fwrite(out, 1, size, file) == size && fclose(file) == 0);
	free(bytes);
}

static void begin(uint64_t checkpoint_bytes)
{
	const gkv_options options = {.durability = GKV_LAZY, .checkpoint_bytes = checkpoint_bytes};

	mem_file_remove(STORE);
	mem_file_remove(LATER);
	fuzz_must_give(gkv_open(STORE, &options, &db), GKV_OK);
}

static void put(unsigned key, size_t size)
{
	static uint8_t value[65536];
	char name[16];

	memset(value, (int)('a' + key % 26), size);
	(void)snprintf(name, sizeof(name), "key%u", key);
	fuzz_must_give(gkv_put(db, name, strlen(name), value, size), GKV_OK);
}

static void del(unsigned key)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "key%u", key);
	fuzz_must_give(gkv_del(db, name, strlen(name)), GKV_OK);
}

static void checkpoint(void)
{
	fuzz_must_give(gkv_checkpoint(db), GKV_OK);
}

/* As a kill would leave it. */
static void killed(const char *name)
{
	mem_file_copy(STORE, LATER);
	input_write(name, LATER);
}

static void end(const char *name)
{
	fuzz_must_give(gkv_close(db), GKV_OK);
	if (name != NULL)
		input_write(name, STORE);
}

static void small_ones(void)
{
	begin(0);
	killed("new");
	put(1, 3);
	killed("one-killed");
	checkpoint();
	put(2, 5);
	killed("checkpoint-and-log");
	end("two-closed");
	fuzz_must_give(gkv_open(STORE, NULL, &db), GKV_OK);
	put(3, 7);
	killed("second-session");
	del(1);
	del(2);
	del(3);
	checkpoint();
	checkpoint();
	killed("emptied");
	end(NULL);
	begin(0);
	fuzz_must_give(gkv_put(db, "", 0, "", 0), GKV_OK);
	fuzz_must_give(gkv_put(db, "\0\xff", 2, "empty key beside it", 19), GKV_OK);
	end("empty-key");
}

static void churned_ones(void)
{
	gkv_txn *reader = NULL, *txn = NULL;

	begin(4096);
	for (unsigned i = 0; i < 120; i++)
		put(i % 40, i * 3 % 50);
	killed("churn-killed");
	for (unsigned i = 0; i < 40; i += 2)
		del(i);
	fuzz_must_give(gkv_compact(db, NULL, NULL), GKV_OK);
	killed("compacted");
	fuzz_must_give(gkv_begin(db, GKV_READ, &reader), GKV_OK);
	for (unsigned i = 0; i < 60; i++)
		put(i % 10, 20);
	checkpoint();
	killed("with-snapshot");
	gkv_abort(reader);
	fuzz_must_give(gkv_begin(db, GKV_WRITE, &txn), GKV_OK);
	fuzz_must_give(gkv_txn_put(txn, "unfinished", 10, "business", 8), GKV_OK);
	killed("in-transaction");
	gkv_abort(txn);
	end("churn-closed");
}

static void large_ones(void)
{
	begin(0);
	put(1, 4200);
	put(2, 200);
	killed("large-killed");
	put(1, 5200);
	checkpoint();
	end("large-replaced");
	begin(0);
	for (unsigned i = 0; i < SPLIT_RECORDS; i++)
		put(i, 0);
	killed("split-killed");
	checkpoint();
	killed("split-checkpoint");
	for (unsigned i = 20; i < SPLIT_RECORDS; i++)
		del(i);
	checkpoint();
	fuzz_must_give(gkv_compact(db, NULL, NULL), GKV_OK);
	end("split-emptied");
}

static void equal_hashes(void)
{
	kv_set_hash_for_tests(fuzz_hash_few);
	flags = CONTROL_FEW;
	begin(0);
	for (unsigned i = 0; i < 6; i++)
		put(i, 4);
	del(2);
	killed("strays");
	checkpoint();
	put(2, 9);
	end("strays-closed");
	kv_set_hash_for_tests(NULL);
	flags = 0;
}

int main(int argc, char **argv)
{
	fuzz_must(argc == 2);
	folder = argv[1];
	mem_os_reset(7);
	small_ones();
	churned_ones();
	large_ones();
	equal_hashes();
	mem_os_reset(7);
	return 0;
}
