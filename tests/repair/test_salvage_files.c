/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_salvage_files.c: what gkv_salvage makes of files of which hardly anything is left, of files that are no stores, of
 * hostile ones, and of calls that cannot be done. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/arena/arena_fixture.h"
#include "tests/repair/salvage_fixture.h"

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

/* --- progress ----------------------------------------------------------------------------------------------------- */

struct steps {
	uint64_t asked, stop_at; /* 0: never */
	uint64_t done, total;    /* as told last */
};

#define IDENTITY_STOP 128u

static int step_take(void *arg, uint64_t done, uint64_t total)
{
	struct steps *steps = arg;

	must(done >= steps->done && done <= total);
	must(steps->stop_at == 0 || steps->asked < steps->stop_at); /* nobody asks after a stop */
	steps->done = done;
	steps->total = total;
	return ++steps->asked == steps->stop_at;
}

static int step_finding(void *arg, const char *finding)
{
	struct steps *steps = arg;

	must(finding[0] != 0);
	must(steps->stop_at == 0 || steps->asked < steps->stop_at);
	return 0;
}

/* Salvages until the n-th question is answered with a stop, which leaves nothing. */
static void steps_stop_at(uint64_t n)
{
	struct steps steps = {.stop_at = n};

	must_give(gkv_salvage_progress(testing_path, rescued, step_finding, step_take, &steps), ECANCELED);
	must(steps.asked == n);
	must(testing_folder_count() == 1);
}

/* A store of some megabytes. */
static void large_world_make(void)
{
	static unsigned char value[100000];
	gkv *db = store_lazy();

	for (unsigned i = 0; i < 40; i++) {
		bytes_make(value, sizeof(value), i);
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	}
	store_close(db);
}

/* Of a store without a finding, with many of them, and without headers: the work ends at whatever moment the progress
 * function says so, and there is no new store then. Otherwise the total is told to be done in the end. */
START_TEST(a_progress_function_ends_it_at_any_moment)
{
	struct steps steps;
	struct image image;
	size_t size;
	void *before, *after;

	testing_path_of("rescued", rescued);
	large_world_make();
	for (unsigned damage = 0; damage < 2; damage++) {
		if (damage > 0) {
			image = image_read();
			image_zero_table(&image, -1);
			image_write(&image);
		}
		before = file_read(testing_path, &size);
		steps = (struct steps){.stop_at = 0};
		must_give(gkv_salvage_progress(testing_path, rescued, step_finding, step_take, &steps), GKV_OK);
		must(steps.asked >= 3 * (size >> 20) && steps.done == steps.total);
		store_check(rescued);
		must(unlink(rescued) == 0);
		for (uint64_t n = 1; n <= steps.asked; n++)
			steps_stop_at(n);
		after = file_read(testing_path, &size);
		must(memcmp(before, after, size) == 0);
		free(before);
		free(after);
	}
	/* The search for the identity alone asks some thousand times; fewer where the identity is among the first that it tries. */
	image = image_read();
	memset(image.data, 0, DISK_DATA);
	image_write(&image);
	steps = (struct steps){.stop_at = IDENTITY_STOP};
	if (gkv_salvage_progress(testing_path, rescued, step_finding, step_take, &steps) != ECANCELED) {
		must(steps.asked < IDENTITY_STOP);
		must(unlink(rescued) == 0);
	}
	for (uint64_t n = 1; n <= steps.asked; n = n * 2 + 1)
		steps_stop_at(n);
	must_give(gkv_salvage_progress(NULL, rescued, step_finding, step_take, &steps), GKV_INVALID);
}
END_TEST

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
	must(mkdir(testing_folder, 0777) == 0);
}
END_TEST

/* Whichever call of the system fails, alone or with all after it: a code, no new store, nothing left open, and the next
 * salvage does it. Only giving back what it has no use for any more may fail without a word. */
START_TEST(a_failing_system_leaves_nothing_behind)
{
	const unsigned quiet = FAULTY_CLOSE | FAULTY_PUNCH | FAULTY_TRUNCATE;
	struct faulty faulty;
	struct image image;
	uint64_t n = 0, calls;

	world_make(120);
	image = image_read();
	image_zero_table(&image, -1);
	image_write(&image);
	testing_path_of("rescued", rescued);
	faulty_init(&faulty);
	os_set_default(&faulty.os);
	do {
		int rc;

		n++;
		faulty_arm(&faulty, FAULTY_EVERY & ~quiet, n, EIO, n % 2 == 0);
		rc = gkv_salvage(testing_path, rescued, NULL, NULL);
		calls = faulty.calls;
		must((rc == GKV_OK) == file_exists(rescued));
		must(rc != GKV_OK || faulty.failed == 0 || n % 2 == 1);
		if (file_exists(rescued)) {
			faulty_arm(&faulty, 0, 0, 0, false);
			store_check(rescued);
			rescued_is_world();
			must(unlink(rescued) == 0);
		}
		faulty_clean(&faulty);
	} while (calls >= n && n < 1000);
	os_set_default(NULL);
	must(n > 20 && n < 1000);
}
END_TEST

SUITE("salvage of files", "files", an_empty_store_is_copied, the_identity_is_found_from_the_blobs,
      a_lost_identity_is_said, what_is_no_store_is_refused, the_later_of_one_commit_counts,
      a_hostile_file_takes_bounded_time, a_progress_function_ends_it_at_any_moment,
      calls_that_cannot_be_done_are_refused, a_failing_system_leaves_nothing_behind)
