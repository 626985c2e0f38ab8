/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_salvage.c: what gkv_salvage makes of damage in a store: nothing that is whole is lost, nothing comes back wrong,
 * and whatever is doubtful is said. Also that gkv_check names the keys that are damaged. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/repair/salvage_fixture.h"

/* Of a sound store everything comes, nothing else does, and nothing is said. */
START_TEST(a_sound_store_is_copied)
{
	world_make(few_or(KEYS_MAX));
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

/* Of a key whose newest value is damaged the version before it comes, and both are reported. */
START_TEST(a_damaged_value_gives_way_to_the_one_before_it)
{
	struct image image;
	unsigned key;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	key = key_with_version(2);
	image_damage_value(&image, world.number[key]);
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
	image_damage_value(&image, world.number[key]);
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
	gkv *db;

	world_make(few_or(KEYS_MAX));
	db = store_lazy();
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	image = image_read();
	key = key_with_version(0);
	image_damage_value(&image, world.number[key]);
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
	image_damage_value(&image, world.number[key]);
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

/* A page of the log changed places with the page that has the mark: the log is known to have gone on, and what follows that
 * page comes from the blobs. */
START_TEST(a_header_page_in_the_log_ends_it)
{
	static const char pad[2 * DISK_PAGE];
	struct image image;
	uint64_t log, older;
	gkv *db;

	world_make(few_or(600));
	db = store_open(testing_path, 0, GKV_DURABLE);
	must_give(gkv_checkpoint(db), GKV_OK);
	must_give(gkv_put(db, "pad", 3, pad, sizeof(pad)), GKV_OK);
	store_put(db, "later", "than that page");
	image = image_read();
	store_close(db);
	older = (1 - newest_page(&image)) * DISK_PAGE;
	log = image_header(&image, newest_page(&image))->log_start / DISK_PAGE * DISK_PAGE;
	for (uint64_t i = 0; i < DISK_PAGE; i++) {
		const unsigned char byte = image.data[log + i];

		image.data[log + i] = image.data[older + i];
		image.data[older + i] = byte;
	}
	image_write(&image);
	findings_clear();
	must_give(gkv_check(testing_path, finding_note, &world), GKV_CORRUPT);
	must(found("and a header page stands where it should go on"));
	must_give(salvage(), GKV_OK);
	must(found("a header page stands at"));
	must(found("\"later\""));
	db = store_open(rescued, 0, GKV_LAZY);
	store_expect(db, "later", "than that page");
	store_close(db);
}
END_TEST

/* Without the newest header the older one counts, and with the blobs after it nothing is lost. (What was deleted may come
 * back: the space of its tombstone was free.) */
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
	must(rescued_wrong(false) == 0);
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

/* Of a file that was cut, whatever is before the cut. */
START_TEST(a_cut_file_keeps_what_is_before_the_cut)
{
	unsigned last = world.keys;

	for (unsigned sixteenth = 15; sixteenth < 16; sixteenth -= 2) {
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
		wrong = rescued_wrong(true);
		must(wrong == 0 || findings_count > 0);
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
		must(rescued_wrong(true) == 0 || findings_count > 0);
	}
	free(whole.data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("salvage");

	testing_add_both(suite, "damage",
			 TESTS(a_sound_store_is_copied, a_lost_page_loses_no_record, a_lost_table_loses_no_record,
			       lost_headers_lose_no_record, a_damaged_value_gives_way_to_the_one_before_it,
			       a_key_without_a_whole_value_is_lost, the_check_names_the_key,
			       a_damaged_log_loses_the_damaged_record_alone, a_header_page_in_the_log_ends_it,
			       the_older_header_serves, what_was_not_committed_stays_away,
			       a_store_in_a_value_is_a_value, a_cut_file_keeps_what_is_before_the_cut,
			       no_damage_is_passed_over_in_silence));
	return testing_main(suite);
}
