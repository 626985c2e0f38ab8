/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_salvage.c: what gkv_salvage makes of every kind of damage: nothing that is whole is lost, nothing comes back
 * wrong, and whatever is doubtful is said. Also that gkv_check names the keys that are damaged. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena/disk.h"
#include "arena/table.h"
#include "tests/testing.h"

/* --- a store and what it should hold ------------------------------------------------------------------------------ */

#define KEYS_MAX 2000u
#define VERSIONS 4u

/* Each key's value is the bytes of a number, whose size the number tells too. */
struct world {
	unsigned keys;
	uint64_t number[KEYS_MAX]; /* 0: the key is absent */
};

static struct world world;
static char rescued[320];

static uint64_t number_of(unsigned key, unsigned version)
{
	return (uint64_t)key * VERSIONS + version + 1;
}

static size_t number_size(uint64_t number)
{
	return (size_t)(number * 37 % 301);
}

static void key_make(char out[16], unsigned key)
{
	(void)snprintf(out, 16, "key-%05u", key);
}

static void world_put(gkv_txn *txn, unsigned key, unsigned version)
{
	const uint64_t number = number_of(key, version);
	unsigned char value[512];
	char name[16];

	key_make(name, key);
	bytes_make(value, sizeof(value), number);
	must_give(gkv_txn_put(txn, name, strlen(name), value, number_size(number)), GKV_OK);
	world.number[key] = number;
}

static void world_del(gkv_txn *txn, unsigned key)
{
	char name[16];

	key_make(name, key);
	must_give(gkv_txn_del(txn, name, strlen(name)), GKV_OK);
	world.number[key] = 0;
}

/* Three rounds of transactions: all keys, a new version of each third, each seventh deleted. The last tenth stays in the
 * log behind the checkpoint. Nothing is freed that is reused, so that everything that was ever written is still there. */
static void world_make(unsigned keys)
{
	const unsigned logged = keys - keys / 10;
	gkv *db = store_lazy();
	gkv_txn *txn = store_begin(db, GKV_WRITE);

	must(keys <= KEYS_MAX);
	memset(&world, 0, sizeof(world));
	world.keys = keys;
	for (unsigned i = 0; i < logged; i++)
		world_put(txn, i, 0);
	store_commit(txn);
	txn = store_begin(db, GKV_WRITE);
	for (unsigned i = 0; i < logged; i += 3) {
		world_put(txn, i, 1);
		world_put(txn, i, 2);
	}
	store_commit(txn);
	for (unsigned i = 0; i < logged; i += 7) {
		txn = store_begin(db, GKV_WRITE);
		world_del(txn, i);
		store_commit(txn);
	}
	must_give(gkv_checkpoint(db), GKV_OK);
	txn = store_begin(db, GKV_WRITE);
	for (unsigned i = logged; i < keys; i++)
		world_put(txn, i, 0);
	store_commit(txn);
	store_close(db);
	store_check(testing_path);
}

static unsigned few_or(unsigned keys)
{
	return testing_few() ? 120 : keys;
}

/* --- salvage and its findings ------------------------------------------------------------------------------------- */

#define FINDINGS_BYTES ((size_t)1 << 20)

static char findings[FINDINGS_BYTES]; /* each with a newline behind it */
static size_t findings_used;
static unsigned findings_count;

static int finding_note(void *arg, const char *finding)
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

static void findings_clear(void)
{
	findings_count = 0;
	findings_used = 0;
	findings[0] = 0;
}

static bool found(const char *text)
{
	return strstr(findings, text) != NULL;
}

/* Whether a finding names that key. */
static bool found_key(unsigned key)
{
	char name[16], quoted[20];

	key_make(name, key);
	(void)snprintf(quoted, sizeof(quoted), "\"%s\"", name);
	return found(quoted);
}

/* Salvages the test's store, which does not change, and leaves nothing behind where it fails. */
static int salvage(void)
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

		if (size == number_size(number) && bytes_fit(value, size, number) && (size > 0 || number == world.number[key]))
			return number;
	}
	must(size == 0); /* versions without bytes cannot be told apart */
	return number_of(key, 0);
}

/* How many keys have not what they should; nothing else is there. */
static unsigned rescued_wrong(void)
{
	gkv *db = store_open(rescued, GKV_RDONLY, GKV_LAZY);
	unsigned wrong = 0;
	uint64_t records = 0;

	for (unsigned i = 0; i < world.keys; i++) {
		const uint64_t number = rescued_number(db, i);

		records += number != 0;
		wrong += number != world.number[i];
	}
	must(store_records(db) == records);
	store_close(db);
	return wrong;
}

static void rescued_is_world(void)
{
	must(rescued_wrong() == 0);
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

struct image {
	unsigned char *data;
	size_t size;
};

static struct image image_read(void)
{
	struct image image;

	image.data = file_read(testing_path, &image.size);
	return image;
}

static void image_write(struct image *image)
{
	file_write(testing_path, image->data, image->size);
	free(image->data);
	image->data = NULL;
}

static struct header_disk *image_header(const struct image *image, unsigned page)
{
	return (struct header_disk *)(void *)(image->data + page * DISK_PAGE);
}

/* The page of the newest header. */
static unsigned newest_page(const struct image *image)
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

static void image_zero_table(struct image *image, int nth)
{
	unsigned seen = 0;

	must(table_zero(image, image_header(image, newest_page(image))->root, nth, &seen) >= 1);
}

/* Where the value of that number stands, from the end of the file down, so that the newest copy is met first in a store
 * that only grew. */
static unsigned char *image_value(const struct image *image, uint64_t number)
{
	const size_t size = number_size(number);
	unsigned char value[512];

	must(size >= 16);
	bytes_make(value, sizeof(value), number);
	for (size_t at = (image->size - size) & ~(size_t)7; at >= DISK_DATA; at -= 8)
		if (memcmp(image->data + at, value, size) == 0)
			return image->data + at;
	must(!"the value is in the file");
	return NULL;
}

/* A key with a value of some bytes, of which the newest version is that one. */
static unsigned key_with_version(unsigned version)
{
	for (unsigned i = 1; i < world.keys - world.keys / 10; i++)
		if (world.number[i] == number_of(i, version) && number_size(number_of(i, version)) >= 16 &&
		    number_size(number_of(i, 0)) > 0)
			return i;
	must(!"there is one");
	return 0;
}

/* --- tests -------------------------------------------------------------------------------------------------------- */

/* Of a sound store everything comes, nothing else does, and nothing is said. */
START_TEST(a_sound_store_is_copied)
{
	world_make(few_or(KEYS_MAX));
	must_give(salvage(), GKV_OK);
	must(findings_count == 0);
	rescued_is_world();
}
END_TEST

/* So does an empty one. */
START_TEST(an_empty_store_is_copied)
{
	memset(&world, 0, sizeof(world));
	store_close(store_lazy());
	must_give(salvage(), GKV_OK);
	must(findings_count == 0);
	rescued_is_world();
}
END_TEST

/* Without one page of the table, the records that it named are found, and each of them is reported. */
START_TEST(a_lost_page_loses_no_record)
{
	for (int nth = 0; nth < 3; nth++) {
		struct image image;

		(void)unlink(testing_path);
		world_make(few_or(KEYS_MAX));
		image = image_read();
		image_zero_table(&image, testing_few() ? 0 : nth);
		image_write(&image);
		must_give(salvage(), GKV_OK);
		must(found("the table is damaged"));
		must(found("no table confirms"));
		if (!testing_few())
			must(findings_count < world.keys); /* what other pages name is confirmed */
		rescued_is_world();
	}
}
END_TEST

/* Without directory and table every record is found, and deleted ones stay deleted. */
START_TEST(a_lost_table_loses_no_record)
{
	struct image image;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	image_zero_table(&image, -1);
	image_write(&image);
	must_give(salvage(), GKV_OK);
	must(found("the table is damaged"));
	rescued_is_world();
}
END_TEST

/* Without headers, but with the identity where it stands in one of them, whatever is before it. */
START_TEST(lost_headers_lose_no_record)
{
	const size_t identity = offsetof(struct header_disk, identity);

	for (unsigned kept = 0; kept < 4; kept++) {
		struct image image;

		(void)unlink(testing_path);
		world_make(few_or(KEYS_MAX));
		image = image_read();
		image_zero_table(&image, -1);
		for (unsigned page = 0; page < 2; page++) {
			unsigned char *at = image.data + page * DISK_PAGE;

			memset(at + identity + 16, 0, DISK_PAGE - identity - 16);
			if ((kept & 1) == 0)
				memset(at, 0, identity);
			if (page != kept >> 1)
				memset(at + identity, 0, 16);
		}
		image_write(&image);
		must_give(salvage(), GKV_OK);
		must(found("no header verifies"));
		rescued_is_world();
	}
}
END_TEST

/* Without both header pages, directory and table the identity is found from the blobs, and every record with it. */
START_TEST(the_identity_is_found_from_the_blobs)
{
	struct image image;

	world_make(KEYS_MAX);
	image = image_read();
	image_zero_table(&image, -1);
	memset(image.data, 0, DISK_DATA);
	image_write(&image);
	must_give(salvage(), GKV_OK);
	must(found("the identity of the file was found"));
	rescued_is_world();
}
END_TEST

/* Where nothing is left to find it from, that is said, and there is no store. */
START_TEST(a_lost_identity_is_said)
{
	gkv *db = store_lazy();
	struct image image;

	memset(&world, 0, sizeof(world));
	store_put(db, "a", "1");
	store_close(db);
	image = image_read();
	memset(image.data, 0, DISK_DATA + sizeof(struct page_disk));
	image_write(&image);
	must_give(salvage(), GKV_CORRUPT);
	must(found("the identity of the file"));
}
END_TEST

/* Of a key whose newest value is damaged the version before it comes, and both are reported. */
START_TEST(a_damaged_value_gives_way_to_the_one_before_it)
{
	struct image image;
	unsigned key;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	key = key_with_version(2);
	image_value(&image, world.number[key])[5] ^= 1;
	image_write(&image);
	must_give(gkv_check(testing_path, NULL, NULL), GKV_CORRUPT);
	must_give(salvage(), GKV_OK);
	must(found_key(key));
	must(found("is damaged"));
	must(findings_count >= 2);
	world.number[key] = number_of(key, 1);
	rescued_is_world();
}
END_TEST

/* A key whose only value is damaged is lost, and named. */
START_TEST(a_key_without_a_whole_value_is_lost)
{
	struct image image;
	unsigned key;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	key = key_with_version(0);
	image_value(&image, world.number[key])[5] ^= 1;
	image_write(&image);
	must_give(salvage(), GKV_OK);
	must(found_key(key));
	must(findings_count == 1);
	world.number[key] = 0;
	rescued_is_world();
}
END_TEST

/* The check of a store names the damaged record's key too. */
START_TEST(the_check_names_the_key)
{
	struct image image;
	unsigned key;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	key = key_with_version(0);
	image_value(&image, world.number[key])[5] ^= 1;
	image_write(&image);
	findings_clear();
	must_give(gkv_check(testing_path, finding_note, &world), GKV_CORRUPT);
	must(found_key(key));
	must(found("record at "));
}
END_TEST

/* A damaged log that the mark says was whole: what follows the damage comes from the blobs and is reported. */
START_TEST(a_damaged_log_loses_the_damaged_record_alone)
{
	struct image image;
	unsigned key;
	gkv *db;

	world_make(few_or(600));
	db = store_open(testing_path, 0, GKV_DURABLE);
	store_put(db, "after", "the log");
	store_close(db);
	image = image_read();
	for (key = world.keys - world.keys / 10; number_size(number_of(key, 0)) < 16;)
		key++;
	image_value(&image, world.number[key])[3] ^= 16;
	image_write(&image);
	must_give(salvage(), GKV_OK);
	must(found("the log is damaged after commit"));
	must(found("\"after\""));
	db = store_open(rescued, 0, GKV_LAZY);
	store_expect(db, "after", "the log");
	store_del(db, "after");
	store_close(db);
	world.number[key] = 0;
	rescued_is_world();
}
END_TEST

/* Without the newest header the older one counts, and with the blobs after it nothing is lost. */
START_TEST(the_older_header_serves)
{
	struct image image;
	gkv *db;

	world_make(few_or(KEYS_MAX));
	db = store_open(testing_path, 0, GKV_DURABLE);
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	image = image_read();
	memset(image.data + newest_page(&image) * DISK_PAGE, 0, 512);
	image_write(&image);
	must_give(salvage(), GKV_OK);
	must(found("the header of the newest checkpoint is damaged"));
	rescued_is_world();
}
END_TEST

/* In a sound store nothing of an aborted or unfinished transaction comes back, also when its process was killed. */
START_TEST(what_was_not_committed_stays_away)
{
	struct image image;
	uint64_t kept[2];
	gkv_txn *txn;
	gkv *db;

	world_make(few_or(600));
	memcpy(kept, world.number, sizeof(kept));
	db = store_lazy();
	txn = store_begin(db, GKV_WRITE);
	world_put(txn, 0, 3);
	gkv_abort(txn);
	txn = store_begin(db, GKV_WRITE);
	world_put(txn, 1, 3);
	txn_put(txn, "new", "uncommitted");
	image = image_read();
	gkv_abort(txn);
	store_close(db);
	image_write(&image);
	memcpy(world.number, kept, sizeof(kept));
	must_give(salvage(), GKV_OK);
	must(findings_count == 0);
	rescued_is_world();
}
END_TEST

/* A store that a value holds is a value: its blobs are not taken for those of the store around it, also where the value
 * is damaged and so looked into. */
START_TEST(a_store_in_a_value_is_a_value)
{
	for (unsigned damaged = 0; damaged < 2; damaged++) {
		struct image inner, image;
		unsigned char *at;
		gkv *db;

		(void)unlink(testing_path);
		world_make(few_or(600));
		inner = image_read();
		must(unlink(testing_path) == 0);
		memset(&world, 0, sizeof(world));
		db = store_lazy();
		store_put(db, "one", "1");
		must_give(gkv_put(db, "inner", 5, inner.data, inner.size), GKV_OK);
		store_put(db, "two", "2");
		store_put(db, "three", "3");
		must_give(gkv_checkpoint(db), GKV_OK);
		store_close(db);
		image = image_read();
		if (damaged != 0) {
			for (at = image.data + DISK_DATA; memcmp(at, inner.data, DISK_PAGE) != 0;)
				at += 8;
			at[700] ^= 1; /* behind the header, which stays whole */
		}
		image_zero_table(&image, -1);
		for (unsigned page = 0; page < 2; page++)
			image_header(&image, page)->check = 0;
		image_write(&image);
		must_give(salvage(), GKV_OK);
		db = store_open(rescued, GKV_RDONLY, GKV_LAZY);
		must(store_records(db) == 4 - damaged);
		store_expect(db, "one", "1");
		store_expect(db, "two", "2");
		store_expect(db, "three", "3");
		store_close(db);
		free(inner.data);
	}
}
END_TEST

/* What is no store gives no store; a file that is cut within its headers neither. */
START_TEST(what_is_no_store_is_refused)
{
	struct rng rng = rng_make(1);
	unsigned char *noise = malloc(MIB);
	struct image image;

	must(noise != NULL);
	memset(&world, 0, sizeof(world));
	rng_fill(&rng, noise, MIB);
	for (size_t size = 0; size <= MIB; size = size * 4 + 100) {
		file_write(testing_path, noise, size);
		must_give(salvage(), GKV_NOTASTORE);
	}
	memset(noise, 0, MIB);
	file_write(testing_path, noise, MIB);
	must_give(salvage(), GKV_NOTASTORE);
	free(noise);
	must(unlink(testing_path) == 0);
	world_make(120);
	image = image_read();
	image.size = 5000;
	image_write(&image);
	must_give(salvage(), GKV_CORRUPT);
	must(found("cut within its headers"));
}
END_TEST

/* Of a file that was cut, whatever is before the cut. */
START_TEST(a_cut_file_keeps_what_is_before_the_cut)
{
	unsigned last = world.keys;

	for (unsigned sixteenth = 15; sixteenth > 0; sixteenth -= 2) {
		struct image image;
		unsigned wrong;

		(void)unlink(testing_path);
		world_make(few_or(KEYS_MAX));
		image = image_read();
		image.size = image.size * sixteenth / 16;
		if (image.size < DISK_DATA)
			image.size = DISK_DATA;
		image_write(&image);
		must_give(salvage(), GKV_OK);
		must(findings_count > 0);
		wrong = rescued_wrong();
		if (sixteenth == 15)
			last = wrong;
		must(wrong <= world.keys && wrong >= last / 2);
	}
}
END_TEST

/* Any damage: what comes was there once, and where anything is not as it was, that is said. */
START_TEST(no_damage_is_passed_over_in_silence)
{
	const uint64_t rounds = testing_count(60, 4);
	struct rng rng = rng_make(2);
	struct image whole, image;

	world_make(few_or(900));
	whole = image_read();
	for (uint64_t round = 0; round < rounds; round++) {
		const uint64_t hits = 1 + rng_below(&rng, 4);

		image.size = whole.size;
		image.data = malloc(image.size);
		must(image.data != NULL);
		memcpy(image.data, whole.data, image.size);
		for (uint64_t i = 0; i < hits; i++) {
			const uint64_t sector = rng_below(&rng, image.size / 512) * 512;
			unsigned char *at = image.data + sector;

			/* One header stays: to find the identity again takes too long for a round of this. */
			if (sector == 0 || rng_below(&rng, 3) == 0)
				image.data[DISK_PAGE + rng_below(&rng, image.size - DISK_PAGE)] ^=
					(unsigned char)(1u << rng_below(&rng, 8));
			else if (rng_below(&rng, 2) == 0)
				memset(at, 0, 512);
			else
				rng_fill(&rng, at, 512);
		}
		image_write(&image);
		must_give(salvage(), GKV_OK);
		must(rescued_wrong() == 0 || findings_count > 0);
	}
	free(whole.data);
}
END_TEST

/* Where one transaction puts a key twice, the chain tells which is the newer, wherever in the file it went on. */
START_TEST(the_later_of_one_commit_counts)
{
	unsigned char value[60000];
	struct image image;
	gkv_txn *txn;
	gkv *db;

	memset(&world, 0, sizeof(world));
	db = store_lazy();
	/* Free slots in front, so that windows are taken in an order that is not that of the file. */
	bytes_make(value, sizeof(value), 7);
	for (unsigned i = 0; i < 12; i++)
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	for (unsigned i = 0; i < 12; i += 2)
		must_give(gkv_del(db, &i, sizeof(i)), GKV_OK);
	must_give(gkv_checkpoint(db), GKV_OK);
	must_give(gkv_checkpoint(db), GKV_OK);
	txn = store_begin(db, GKV_WRITE);
	for (unsigned i = 0; i < 40; i++) {
		char text[16];

		(void)snprintf(text, sizeof(text), "%u", i);
		must_give(gkv_txn_put(txn, "pad", 3, value, 9000), GKV_OK);
		txn_put(txn, "key", text);
	}
	store_commit(txn);
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	image = image_read();
	image_zero_table(&image, -1);
	image_header(&image, 0)->check = image_header(&image, 1)->check = 0;
	image_write(&image);
	must_give(salvage(), GKV_OK);
	db = store_open(rescued, GKV_RDONLY, GKV_LAZY);
	store_expect(db, "key", "39");
	store_close(db);
}
END_TEST

/* A file that claims blobs of megabytes at each of its places is not hashed without end. */
START_TEST(a_hostile_file_takes_bounded_time)
{
	const size_t size = 4 * MIB;
	struct image image;

	world_make(120);
	image = image_read();
	image.data = realloc(image.data, image.size + size);
	must(image.data != NULL);
	for (size_t at = 0; at < size; at += sizeof(struct blob_disk)) {
		const struct blob_disk head = {.check = 1,
					       .size = (uint32_t)(size - at - sizeof(head)),
					       .name = at,
					       .stamp = UINT64_C(1) << 48 | 5,
					       .link = 1,
					       .aux = 3};

		memcpy(image.data + image.size + at, &head, sizeof(head));
	}
	image.size += size;
	image_header(&image, 0)->check = image_header(&image, 1)->check = 0;
	image_write(&image);
	must_give(salvage(), GKV_OK);
	must(found("were passed over"));
	rescued_is_world();
}
END_TEST

static int finding_stop(void *arg, const char *finding)
{
	(void)arg;
	(void)finding;
	return 1;
}

/* What cannot be done is refused with its code and leaves everything as it was. */
START_TEST(calls_that_cannot_be_done_are_refused)
{
	struct image image;
	gkv *db;

	memset(&world, 0, sizeof(world));
	must_give(gkv_salvage(NULL, rescued, NULL, NULL), GKV_INVALID);
	must_give(gkv_salvage(testing_path, NULL, NULL, NULL), GKV_INVALID);
	testing_path_of("rescued", rescued);
	must_give(gkv_salvage(testing_path, rescued, NULL, NULL), ENOENT);
	must(!file_exists(rescued));
	must_give(gkv_salvage(testing_folder, rescued, NULL, NULL), EISDIR);
	world_make(120);
	must_give(gkv_salvage(testing_path, testing_path, NULL, NULL), EEXIST);
	file_write(rescued, "mine", 4);
	must_give(gkv_salvage(testing_path, rescued, NULL, NULL), EEXIST);
	must(file_bytes(rescued) == 4);
	must(unlink(rescued) == 0);
	db = store_lazy();
	must_give(gkv_salvage(testing_path, rescued, NULL, NULL), GKV_BUSY);
	store_close(db);
	must(!file_exists(rescued));
	image = image_read();
	image_zero_table(&image, -1);
	image_write(&image);
	must_give(gkv_salvage(testing_path, rescued, finding_stop, NULL), ECANCELED);
	must(!file_exists(rescued));
	must_give(gkv_salvage(testing_path, rescued, NULL, NULL), GKV_OK);
	rescued_is_world();
	/* Nothing is left beside them. */
	must(unlink(rescued) == 0 && unlink(testing_path) == 0 && rmdir(testing_folder) == 0);
	must(mkdtemp(strcpy(testing_folder, "/tmp/gkv-test.XXXXXX")) != NULL);
}
END_TEST

int main(void)
{
	static const TTest *const both[] = {
		a_sound_store_is_copied,
		a_lost_page_loses_no_record,
		a_lost_table_loses_no_record,
		lost_headers_lose_no_record,
		a_damaged_value_gives_way_to_the_one_before_it,
		a_key_without_a_whole_value_is_lost,
		the_check_names_the_key,
		a_damaged_log_loses_the_damaged_record_alone,
		the_older_header_serves,
		what_was_not_committed_stays_away,
		a_store_in_a_value_is_a_value,
		a_cut_file_keeps_what_is_before_the_cut,
		no_damage_is_passed_over_in_silence,
	};
	static const TTest *const plain[] = {
		an_empty_store_is_copied,
		the_identity_is_found_from_the_blobs,
		a_lost_identity_is_said,
		what_is_no_store_is_refused,
		the_later_of_one_commit_counts,
		a_hostile_file_takes_bounded_time,
		calls_that_cannot_be_done_are_refused,
	};
	Suite *suite = suite_create("salvage");

	testing_add_both(suite, "damage", both, sizeof(both) / sizeof(both[0]));
	testing_add(suite, "files", plain, sizeof(plain) / sizeof(plain[0]));
	return testing_main(suite);
}
