/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* specimen.h: the stores that the suites of damage work on: small, of every kind of blob, the same in every run, and with
 * all that they ever held known. */
#ifndef GKV_TESTS_DAMAGE_SPECIMEN_H
#define GKV_TESTS_DAMAGE_SPECIMEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/damage/ram.h"
#include "tests/testing.h"

#define KEYS       40u
#define KEY_SIZE   3u /* "k" and two digits */
#define VALUE_MOST 70000u
#define MOMENTS    64u
#define OLDER      8u

/* What a store holds: for each key the number that its value is made of. */
struct contents {
	uint64_t number[KEYS]; /* 0: the key is absent */
	uint32_t size[KEYS];
};

/* After one commit. */
struct moment {
	uint64_t seq;
	struct contents is;
};

enum specimen_end {
	SPECIMEN_CLEAN,  /* closed after a checkpoint: there is no log                               */
	SPECIMEN_CLOSED, /* closed with a log, all of which is known to be on stable storage         */
	SPECIMEN_KILLED, /* killed with a log, of which a part is, and with a transaction under way  */
	SPECIMEN_ENDS
};

struct specimen {
	const char *name;
	enum specimen_end end;
	bool deep; /* a directory of two levels and a value of 70,000 bytes */
	uint8_t *image;
	size_t bytes;
	/* The same file at earlier times. */
	struct {
		uint8_t *image;
		size_t bytes;
	} older[OLDER];
	unsigned older_count;
	struct moment moment[MOMENTS]; /* by rising commit number */
	unsigned moments;
};

/* Puts the hash of specimens in the place of the real one: many keys share their two groups of a page, which is full and
 * split therefore, and three keys have one hash. */
void specimen_hash(bool deep);
void specimen_make(struct specimen *s, struct ram *ram, enum specimen_end end, bool deep, uint64_t seed);
void specimen_release(struct specimen *s);

void key_make(char out[KEY_SIZE + 1], unsigned key);
/* The key's number; KEYS: it is none of a specimen's. */
unsigned key_number(const void *data, size_t size);
/* What the newest of the moments up to that commit is. */
const struct contents *specimen_at(const struct specimen *s, uint64_t seq);
const struct contents *specimen_newest(const struct specimen *s);
/* How many keys are there. */
unsigned contents_count(const struct contents *c);
bool contents_same(const struct contents *a, const struct contents *b);
/* Whether these bytes are the key's value. */
bool contents_fit(const struct contents *c, unsigned key, const void *value, size_t size);

/* Changes a key within a transaction, and the contents with it. */
void contents_put(struct contents *c, gkv_txn *txn, unsigned key, uint64_t number, uint32_t size);

#endif
