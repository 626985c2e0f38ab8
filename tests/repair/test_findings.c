/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_findings.c: what gkv_check and gkv_salvage say: each finding by its place in the file and, where there is one, its
 * key; no more findings than there is damage; and each record that nothing but itself confirms. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/table/table.h"
#include "tests/repair/salvage_fixture.h"

#define HURT 5u

/* A finding with that number in it. */
static bool found_place(const char *format, uint64_t place) __attribute__((format(printf, 1, 0)));

static bool found_place(const char *format, uint64_t place)
{
	char text[160];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(text, sizeof(text), format, place);
#pragma GCC diagnostic pop
	return found(text);
}

/* The offset of the one record that holds that number's value. */
static uint64_t record_of(const struct image *image, uint64_t number)
{
	const size_t size = number_size(number);
	unsigned char value[512];
	uint64_t place = 0;

	must(size >= 16);
	bytes_make(value, sizeof(value), number);
	for (size_t at = DISK_DATA; at + size <= image->size; at += DISK_UNIT) {
		if (memcmp(image->data + at, value, size) != 0)
			continue;
		must(place == 0);
		place = at - sizeof(struct blob_disk);
	}
	must(place != 0);
	return place;
}

/* A record that was written once, behind that key. */
static unsigned key_after(unsigned key)
{
	while (++key < world.keys - world.keys / 10)
		if (world.number[key] == number_of(key, 0) && number_size(number_of(key, 0)) >= 16)
			return key;
	must(world.keys == 0); /* there must be one */
	return 0;
}

static int check(void)
{
	findings_clear();
	return gkv_check(testing_path, finding_note, &world);
}

/* The world, with everything in the table. */
static struct image world_checkpointed(unsigned keys)
{
	gkv *db;

	world_make(keys);
	db = store_lazy();
	must_give(gkv_checkpoint(db), GKV_OK);
	store_close(db);
	store_check(testing_path);
	return image_read();
}

/* Of each damaged record the check tells place and key, once, and of no other; salvage tells the same. */
START_TEST(each_damaged_record_is_named)
{
	struct image image = world_checkpointed(few_or(KEYS_MAX));
	uint64_t place[HURT];
	unsigned key[HURT];

	for (unsigned i = 0, last = 0; i < HURT; i++) {
		key[i] = last = key_after(last);
		place[i] = record_of(&image, number_of(key[i], 0));
		image.data[place[i] + sizeof(struct blob_disk) + i] ^= 0x10;
	}
	image_write(&image);
	must_give(check(), GKV_CORRUPT);
	/* others may stand behind it in a chain */
	must(testing_few() ? findings_count >= HURT : findings_count == HURT);
	for (unsigned i = 0; i < HURT; i++)
		must(found_place("record at %" PRIu64 ",", place[i]) && found_key(key[i]));
	must_give(salvage(), GKV_OK);
	must(findings_count >= HURT);
	for (unsigned i = 0; i < HURT; i++) {
		must(found_place("record at %" PRIu64 ", key ", place[i]) && found_key(key[i]));
		world.number[key[i]] = 0;
	}
	must(rescued_wrong(false) == 0);
}
END_TEST

/* Changes one bit, checks, and changes it back. */
static void check_hurt(struct image *image, uint64_t place)
{
	struct image hurt = {malloc(image->size), image->size};

	must(hurt.data != NULL && place < hurt.size);
	memcpy(hurt.data, image->data, hurt.size);
	hurt.data[place] ^= 1;
	image_write(&hurt);
	must_give(check(), GKV_CORRUPT);
}

/* Of what is no record the check tells the place: also where the store cannot be opened for it. */
START_TEST(each_damaged_part_is_named_by_its_place)
{
	struct image image;
	struct header_disk h;
	unsigned newest;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	newest = newest_page(&image);
	h = *image_header(&image, newest);
	check_hurt(&image, newest * DISK_PAGE + 100);
	must(found_place("the header at %" PRIu64 " is damaged", newest * DISK_PAGE));
	check_hurt(&image, h.log_start + 20);
	must(found_place("the log is damaged at %" PRIu64 ":", h.log_start));
	check_hurt(&image, h.free_first + 50);
	must(found_place("the free list of checkpoint 2 is damaged at %" PRIu64, h.free_first));
	check_hurt(&image, ref_offset(h.root) + 100);
	must(found_place("the table is damaged at %" PRIu64 ":", ref_offset(h.root)));
	free(image.data);
}
END_TEST

/* The same of a store with nothing to replay, which opens all the same: a page of the table, the free list. */
START_TEST(each_damaged_part_of_a_clean_store_is_named)
{
	struct image image = world_checkpointed(few_or(KEYS_MAX));
	const struct header_disk h = *image_header(&image, newest_page(&image));
	uint64_t page = h.root;

	while (ref_is_node(page))
		page = ((struct node_disk *)(void *)(image.data + ref_offset(page)))->ref[0];
	check_hurt(&image, ref_offset(page) + 200);
	must(found_place("the table is damaged at %" PRIu64 ":", ref_offset(page)));
	check_hurt(&image, h.free_first + 50);
	must(found_place("the free list of checkpoint 3 is damaged at %" PRIu64, h.free_first));
	free(image.data);
}
END_TEST

/* From the blobs alone: every record is taken, each is named with its place, and what tombstones say stays deleted. */
START_TEST(each_record_that_no_table_confirms_is_named)
{
	unsigned alive = 0, deleted = 0;
	struct image image;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	image_zero_table(&image, -1);
	for (unsigned page = 0; page < 2; page++) {
		/* Beside the identity nothing is left of a header: to find that from the blobs takes long. */
		memset(image.data + page * DISK_PAGE, 0, offsetof(struct header_disk, identity));
		memset(image.data + page * DISK_PAGE + offsetof(struct header_disk, hash_seed), 0,
		       DISK_PAGE - offsetof(struct header_disk, hash_seed));
	}
	image_write(&image);
	must_give(salvage(), GKV_OK);
	for (unsigned i = 0; i < world.keys; i++) {
		must(found_key(i) == (world.number[i] != 0));
		alive += world.number[i] != 0;
		deleted += world.number[i] == 0;
	}
	must(alive > 0 && deleted > 0);
	must(findings_count == alive + 1);
	must(found("taken, though no table confirms it"));
	rescued_is_world();
}
END_TEST

/* Where the log is damaged at its begin, the table confirms what it has; newer records are taken and named, and so are
 * those that a tombstone of the lost log deletes. */
START_TEST(tombstones_of_a_lost_log_are_honoured)
{
	unsigned deleted = 0, added = 0;
	struct image image;

	world_make(few_or(KEYS_MAX));
	image = image_read();
	image.data[image_header(&image, newest_page(&image))->log_start + 20] ^= 1;
	image_write(&image);
	world.number[world.keys - world.keys / 10] = 0; /* what stood there, the first record of the log, is lost */
	must_give(salvage(), GKV_OK);
	must(found("the log is damaged after commit"));
	must(found("left out, for a deletion that no table confirms"));
	for (unsigned i = 0; i < world.keys; i++) {
		const bool logged = i >= world.keys - world.keys / 10;

		/* A key that came and went in the log was never in the table. */
		must(found_key(i) == (world.number[i] == 0 ? !logged : logged));
		deleted += world.number[i] == 0 && !logged;
		added += world.number[i] != 0 && logged;
	}
	must(deleted > 0 && added > 0);
	must(findings_count == deleted + added + 1);
	rescued_is_world();
}
END_TEST

int main(void)
{
	/* Where keys meet a marker takes the place of a tombstone. */
	Suite *suite = suite_create("findings");

	testing_add_both(suite, "findings",
			 TESTS(each_damaged_record_is_named, each_damaged_part_is_named_by_its_place,
			       each_damaged_part_of_a_clean_store_is_named,
			       each_record_that_no_table_confirms_is_named));
	testing_add(suite, "tombstones", TESTS(tombstones_of_a_lost_log_are_honoured));
	return testing_main(suite);
}
