/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots_fixture.h: what the suites of the free slots share: slots over an allocator that can fail, and random numbers. */
#ifndef GKV_TESTS_SPACE_SLOTS_FIXTURE_H
#define GKV_TESTS_SPACE_SLOTS_FIXTURE_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"
#include "arena/space/slots.h"

struct memory {
	uint64_t calls, fail_at; /* fail_at: the number of the call that fails, counted from 1; 0: none */
	bool fail_for_ever;      /* every call from fail_at on                                          */
	uint64_t blocks;         /* allocated and not freed                                             */
	size_t newest_bytes[2];  /* of the last two calls that succeeded: the two arrays                */
};

extern struct memory memory;
extern struct slots slots;
extern uint64_t seed, random_state;

/* Verifies every invariant. */
void check_slots(void);
uint64_t random_below(uint64_t limit);
/* amount x GKV_TEST_SCALE, at least 1,000. */
uint64_t scaled(uint64_t amount);
/* The whole list, as "start+size start+size", with everything verified. */
const char *picture(void);
/* Height of the treap, 0 when it is empty. */
uint32_t slots_height(void);
/* Inserts what must go in. */
void insert(uint64_t start, uint64_t size);

/* A case of the suite, each test of which begins with no slots and ends with a check. */
TCase *slots_tcase(Suite *suite, const char *name);
/* main of a suite: prints the seed (GKV_TEST_SEED, or the time), runs it. */
int slots_main(Suite *suite);

#endif
