/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* trial.h: what a damaged store answers: everything is read, checked and perhaps written to, and each answer must be
 * right or a code. */
#ifndef GKV_TESTS_DAMAGE_TRIAL_H
#define GKV_TESTS_DAMAGE_TRIAL_H

#include "tests/damage/ram.h"
#include "tests/damage/specimen.h"

/* What was answered. */
struct answers {
	int open;       /* of a handle that reads; where it fails the rest is not there   */
	int get[KEYS];  /* GKV_OK: with the value of `right`                              */
	int iterated;   /* GKV_NOTFOUND: to its end                                       */
	unsigned shown; /* records of the iteration                                       */
	int counted;    /* of gkv_stat                                                    */
	uint64_t seq;   /* ... the commit that the store ends at                          */
	int check;
	unsigned findings;
	char told[1024];              /* the findings, or their beginning, a line each                  */
	const struct contents *right; /* the moment whose contents these are                        */
};

/* Where a trial begins: tells what is damaged, should it end in a signal or not at all, and bounds its time. */
void trial_begin(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the test, with what trial_begin was told. */
void trial_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* For once in a test, before its first trial. */
void trial_watch(void);

/* Reads all of the file in `ram`, and checks it. Whatever answer is neither right nor GKV_CORRUPT ends the test. What is
 * right is what the specimen was at one of its moments, at commit `least` or later. `strange`: GKV_NOTASTORE and
 * GKV_BADVERSION are answers too. */
void trial_read(struct ram *ram, const struct specimen *s, uint64_t least, bool strange, struct answers *out);
/* Writes to it as long as it lets itself be written to, closes, opens it again and reads all. GKV_CORRUPT and right
 * values alone. Returns whether it took any write. */
bool trial_write(struct ram *ram, const struct specimen *s, uint64_t least, struct rng *rng);
/* The same of a file that was made to do harm: any value will do, but it comes to an end, in bounded memory. */
void trial_hostile(struct ram *ram, struct rng *rng);

#endif
