/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage_fixture.h: what the suites of salvage share: a store in which everything that was ever written can still be
 * found, ways to damage it, and what is to be expected of the one that was salvaged. */
#ifndef GKV_TESTS_REPAIR_SALVAGE_FIXTURE_H
#define GKV_TESTS_REPAIR_SALVAGE_FIXTURE_H

#include "arena/file/disk.h"
#include "tests/testing.h"

#define KEYS_MAX 2000u
#define VERSIONS 4u

/* What the test's store should hold: each key's value is the bytes of a number, whose size the number tells too. */
struct world {
	unsigned keys;
	uint64_t number[KEYS_MAX]; /* 0: the key is absent */
};
extern struct world world;
extern char rescued[320]; /* path of the salvaged store */

uint64_t number_of(unsigned key, unsigned version);
size_t number_size(uint64_t number);
void world_put(gkv_txn *txn, unsigned key, unsigned version);
void world_del(gkv_txn *txn, unsigned key);
/* All keys but a tenth, two new versions of each third, a checkpoint; in the log behind it the last tenth, and deletes of
 * each seventh. Snapshots keep everything that was ever written, and the file is as a killed process leaves it. */
void world_make(unsigned keys);
/* So many keys, or few where all of them meet. */
unsigned few_or(unsigned keys);
/* A key with a value of some bytes, of which the newest version is that one. */
unsigned key_with_version(unsigned version);

/* Salvages the test's store, which does not change. Where it fails nothing is left behind, otherwise a sound store. */
int salvage(void);
/* How many keys have not what they should; nothing else is there. With `deleted` those that are there again count too. */
unsigned rescued_wrong(bool deleted);
/* None. */
void rescued_is_world(void);

/* Findings of the last salvage, or since they were cleared. */
extern unsigned findings_count;
void findings_clear(void);
int finding_note(void *arg, const char *finding); /* a gkv_report whose arg is &world */
bool found(const char *text);
/* One of them names that key. */
bool found_key(unsigned key);

/* The file of the test's store. image_write frees it. */
struct image {
	unsigned char *data;
	size_t size;
};
struct image image_read(void);
void image_write(struct image *image);
struct header_disk *image_header(const struct image *image, unsigned page);
/* The page of the newest header. */
unsigned newest_page(const struct image *image);
/* Zeroes the n-th page of the newest checkpoint's table, or (-1) all of its pages and nodes. */
void image_zero_table(struct image *image, int nth);
/* Damages the value of that number wherever it stands: it may have been moved. */
void image_damage_value(struct image *image, uint64_t number);

#endif
