/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* bench.h: one run of the benchmark: its options, and the subjects, each a contender with its store.
 *
 * A subject's store is loaded when a workload first needs it and stays for the workloads that follow in that round.
 * Functions return 0, or -1 after they have said on standard error what failed. */
#ifndef GKV_BENCH_BENCH_H
#define GKV_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "tests/bench/contender.h"
#include "tests/bench/records.h"
#include "tests/bench/stats.h"

#define ROUNDS_MAX     99
#define CONTENDERS_MAX 8
#define WORKLOADS_MAX  256
#define THREADS_MAX    16
#define LOAD_BATCH     1000 /* puts of one lazy transaction, gets of one snapshot */
#define PATH_BYTES     4096

struct bench {
	uint32_t records;
	uint32_t operations; /* gets, and mixed operations, of one workload */
	uint32_t commits;    /* durable commits of one workload             */
	uint32_t value_bytes;
	uint32_t turnover; /* a churn writes the live bytes so many times */
	unsigned rounds;
	uint64_t seed;
	bool verify, json, quick;
	const char *folder;
	FILE *series;          /* takes the looks of a churn as lines, NULL: nobody wants them */
	const char *reference; /* the contenders, of which the fastest of a workload is what ratios are taken against */

	unsigned round;     /* the one that is running, from 0  */
	uint32_t *shuffled; /* every record once                */
	uint32_t *zipfian;  /* `operations` draws               */
};

struct subject {
	const struct bench *bench;
	const struct contender *contender;
	struct store *store;      /* NULL: closed                                            */
	bool loaded;              /* the store holds records 0 .. bench->records - 1          */
	bool durable, read_ahead; /* how it is open                                      */
	uint64_t max_bytes;       /* of the file, 0: no limit; as it is open                     */
	bool warm;                /* every record was read since it was opened or loaded      */
	char path[PATH_BYTES];
};

int subject_init(struct subject *subject, const struct bench *bench, const struct contender *contender);
/* Closes the store and removes its files; safe at any time. */
int subject_remove(struct subject *subject);

/* What contender.open is given for this subject's store. */
struct store_config subject_config(const struct subject *subject);

/* An empty open store in lazy mode. */
int subject_open_empty(struct subject *subject);
/* All records, in random order, LOAD_BATCH puts a lazy transaction, one sync at the end, into an empty open store.
 * commit_ns, when not NULL, takes the time of each commit with its puts, for subject_load_commits() of them. */
int subject_load(struct subject *subject, uint64_t *commit_ns);
uint32_t subject_load_commits(const struct bench *bench);
/* The loaded store, open in that mode: loads, closes and opens only where it must. */
int subject_need_loaded(struct subject *subject, bool durable);
/* The loaded store, open in lazy mode, after every record was read once: what follows measures the store and not the
 * first touch of its pages. */
int subject_need_warm(struct subject *subject);
/* The loaded store, closed. */
int subject_need_closed(struct subject *subject);
int subject_close(struct subject *subject);
/* Closes the store, if it is open, and opens it as the subject says. */
int subject_reopen(struct subject *subject);
/* Bytes on disk of the store and what stands beside it. */
int subject_disk_bytes(const struct subject *subject, uint64_t *bytes);

/* One value of this subject's size, of that key and version: `buffer` holds bench->value_bytes. */
static inline gkv_bytes subject_value(const struct subject *subject, void *buffer, const struct key *key,
				      uint32_t version)
{
	value_fill(buffer, subject->bench->value_bytes, key, version);
	return (gkv_bytes){buffer, subject->bench->value_bytes};
}

/* Opens a reader, gets record `index`, checks it. */
int subject_check_one(struct subject *subject, uint64_t index);
/* Scans the open, loaded store; every record must be there once, with its value. */
int subject_check_all(struct subject *subject);

/* Say what failed and return -1: a code of the contender's, an errno value, or an answer that is wrong. */
int fail_code(const struct subject *subject, const char *what, int code);
int fail_errno(const char *what, int error);
int fail_answer(const struct subject *subject, const char *what);

#endif
