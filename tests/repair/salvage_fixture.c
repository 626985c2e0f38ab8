/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage_fixture.c: see salvage_fixture.h. */
#include "tests/repair/salvage_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/table/table.h"

/* --- a store and what it should hold ------------------------------------------------------------------------------ */

struct world world;
char rescued[320];

struct image image_read(void)
{
	struct image image;

	image.data = file_read(testing_path, &image.size);
	return image;
}

void image_write(struct image *image)
{
	file_write(testing_path, image->data, image->size);
	free(image->data);
	image->data = NULL;
}

uint64_t number_of(unsigned key, unsigned version)
{
	return (uint64_t)key * VERSIONS + version + 1;
}

size_t number_size(uint64_t number)
{
	return (size_t)(number * 37 % 301);
}

static void key_make(char out[16], unsigned key)
{
	(void)snprintf(out, 16, "key-%05u", key);
}

void world_put(gkv_txn *txn, unsigned key, unsigned version)
{
	const uint64_t number = number_of(key, version);
	unsigned char value[512];
	char name[16];

	key_make(name, key);
	bytes_make(value, sizeof(value), number);
	must_give(gkv_txn_put(txn, name, strlen(name), value, number_size(number)), GKV_OK);
	world.number[key] = number;
}

void world_del(gkv_txn *txn, unsigned key)
{
	char name[16];

	key_make(name, key);
	must_give(gkv_txn_del(txn, name, strlen(name)), GKV_OK);
	world.number[key] = 0;
}

/* Puts one version of each stride-th of the first `end` keys, and keeps a snapshot of it. */
static gkv_txn *world_round(gkv *db, unsigned end, unsigned stride, unsigned version)
{
	gkv_txn *txn = store_begin(db, GKV_WRITE);

	for (unsigned i = 0; i < end; i += stride)
		world_put(txn, i, version);
	store_commit(txn);
	return store_begin(db, GKV_READ);
}

/* All keys but a tenth, two new versions of each third, a checkpoint; in the log behind it the last tenth, and deletes of
 * each seventh. Snapshots keep everything that was ever written, and the file is as a killed process leaves it: what can
 * be found again is all there. */
void world_make(unsigned keys)
{
	const unsigned checked = keys - keys / 10;
	gkv *db = store_lazy();
	gkv_txn *kept[3], *txn;
	struct image image;

	must(keys <= KEYS_MAX);
	memset(&world, 0, sizeof(world));
	world.keys = keys;
	kept[0] = world_round(db, checked, 1, 0);
	kept[1] = world_round(db, checked, 3, 1);
	kept[2] = world_round(db, checked, 3, 2);
	must_give(gkv_checkpoint(db), GKV_OK);
	txn = store_begin(db, GKV_WRITE);
	for (unsigned i = checked; i < keys; i++)
		world_put(txn, i, 0);
	store_commit(txn);
	for (unsigned i = 0; i < keys; i += 7) {
		txn = store_begin(db, GKV_WRITE);
		world_del(txn, i);
		store_commit(txn);
	}
	must_give(gkv_sync(db), GKV_OK);
	image = image_read();
	for (unsigned i = 0; i < 3; i++)
		gkv_abort(kept[i]);
	store_close(db);
	image_write(&image);
	store_check(testing_path);
}

unsigned few_or(unsigned keys)
{
	return testing_few() ? 120 : keys;
}

/* --- salvage and its findings ------------------------------------------------------------------------------------- */

#define FINDINGS_BYTES ((size_t)1 << 20)

static char findings[FINDINGS_BYTES]; /* each with a newline behind it */
static size_t findings_used;
unsigned findings_count;

int finding_note(void *arg, const char *finding)
{
	const size_t size = strlen(finding);

	must(arg == &world);
	must(size > 0 && strchr(finding, '\n') == NULL);
	findings_count++;
	if (findings_used + size + 2 <= FINDINGS_BYTES) {
		memcpy(findings + findings_used, finding, size);
		findings_used += size;
		findings[findings_used++] = '\n';
		findings[findings_used] = 0;
	}
	return 0;
}

void findings_clear(void)
{
	findings_count = 0;
	findings_used = 0;
	findings[0] = 0;
}

bool found(const char *text)
{
	return strstr(findings, text) != NULL;
}

/* Whether a finding names that key. */
bool found_key(unsigned key)
{
	char name[16], quoted[20];

	key_make(name, key);
	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return found(quoted);
}

/* Salvages the test's store, which does not change, and leaves nothing behind where it fails. */
int salvage(void)
{
	size_t before_size, after_size;
	void *before = file_read(testing_path, &before_size);
	void *after;
	int rc;

	testing_path_of("rescued", rescued);
	(void)unlink(rescued);
	findings_clear();
	rc = gkv_salvage(testing_path, rescued, finding_note, &world);
	after = file_read(testing_path, &after_size);
	must(before_size == after_size && memcmp(before, after, before_size) == 0);
	free(before);
	free(after);
	must((rc == GKV_OK) == file_exists(rescued));
	if (rc == GKV_OK)
		store_check(rescued);
	return rc;
}

/* The number that a salvaged key has; 0: absent. It must be one that the key once had. */
static uint64_t rescued_number(gkv *db, unsigned key)
{
	unsigned char value[512];
	char name[16];
	size_t size;
	int rc;

	key_make(name, key);
	rc = gkv_get(db, name, strlen(name), value, sizeof(value), &size);
	if (rc == GKV_NOTFOUND)
		return 0;
	must_give(rc, GKV_OK);
	for (unsigned version = 0; version < VERSIONS; version++) {
		const uint64_t number = number_of(key, version);

		if (size == number_size(number) && bytes_fit(value, size, number) &&
		    (size > 0 || number == world.number[key]))
			return number;
	}
	must(size == 0); /* versions without bytes cannot be told apart */
	return number_of(key, 0);
}

/* How many keys have not what they should; nothing else is there. With `deleted` those that are there again count too. */
unsigned rescued_wrong(bool deleted)
{
	gkv *db = store_open(rescued, GKV_RDONLY, GKV_LAZY);
	unsigned wrong = 0;
	uint64_t records = 0;

	for (unsigned i = 0; i < world.keys; i++) {
		const uint64_t number = rescued_number(db, i);

		records += number != 0;
		wrong += number != world.number[i] && (deleted || world.number[i] != 0);
	}
	must(store_records(db) == records);
	store_close(db);
	return wrong;
}

void rescued_is_world(void)
{
	must(rescued_wrong(true) == 0);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

struct header_disk *image_header(const struct image *image, unsigned page)
{
	return (struct header_disk *)(void *)(image->data + page * DISK_PAGE);
}

/* The page of the newest header. */
unsigned newest_page(const struct image *image)
{
	return image_header(image, 1)->checkpoint > image_header(image, 0)->checkpoint;
}

/* Every page and node of the table of the newest checkpoint gets zeroed; or the n-th page alone. Returns their number. */
static unsigned table_zero(struct image *image, uint64_t ref, int nth, unsigned *seen)
{
	unsigned char *at = image->data + ref_offset(ref);
	const struct node_disk node = *(struct node_disk *)(void *)at;
	unsigned zeroed = 0;
	uint64_t last = 0;

	if (!ref_is_node(ref)) {
		if (nth < 0 || (*seen)++ == (unsigned)nth) {
			memset(at, 0, sizeof(struct page_disk));
			zeroed = 1;
		}
		return zeroed;
	}
	for (unsigned i = 0; i < NODE_ENTRIES; i++) {
		if (node.ref[i] != last)
			zeroed += table_zero(image, node.ref[i], nth, seen);
		last = node.ref[i];
	}
	if (nth < 0)
		memset(at, 0, sizeof(struct node_disk));
	return zeroed;
}

void image_zero_table(struct image *image, int nth)
{
	unsigned seen = 0;

	must(table_zero(image, image_header(image, newest_page(image))->root, nth, &seen) >= 1);
}

/* Damages the value of that number wherever it stands: it may have been moved. */
void image_damage_value(struct image *image, uint64_t number)
{
	const size_t size = number_size(number);
	unsigned char value[512];
	unsigned copies = 0;

	must(size >= 16);
	bytes_make(value, sizeof(value), number);
	for (size_t at = DISK_DATA; at + size <= image->size; at += 8) {
		if (memcmp(image->data + at, value, size) != 0)
			continue;
		image->data[at + 5] ^= 1;
		copies++;
	}
	must(copies > 0);
}

/* A key with a value of some bytes, of which the newest version is that one. */
unsigned key_with_version(unsigned version)
{
	for (unsigned i = 1; i < world.keys - world.keys / 10; i++)
		if (world.number[i] == number_of(i, version) && number_size(number_of(i, version)) >= 16 &&
		    number_size(number_of(i, 0)) > 0)
			return i;
	must(world.keys == 0); /* there must be one */
	return 0;
}
