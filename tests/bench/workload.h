/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload.h: what a workload is. Adding one is a file with an array of them, and a line in workload.c.
 *
 * A workload takes the subject's store in whatever state the last one left it, asks for the state it needs, and
 * measures. It leaves either a store that subject.c's invariants describe, or none. */
#ifndef GKV_BENCH_WORKLOAD_H
#define GKV_BENCH_WORKLOAD_H

#include "tests/bench/bench.h"

enum workload_flags {
	WORKLOAD_ON_DISK = 0x1u, /* only for contenders with a file                                      */
	WORKLOAD_HAS_LOG = 0x2u, /* only for contenders that replay a log                                */
	WORKLOAD_COST = 0x4u,    /* a cost, not a speed: the ratio is gkv / lmdb, and less is better     */
	WORKLOAD_LEAST = 0x8u,   /* other programs add to it: the least of the rounds, not the median    */
	WORKLOAD_NO_RATIO = 0x10u,
	WORKLOAD_APART = 0x20u,    /* takes long: runs only where it is named                              */
	WORKLOAD_HAS_LIMIT = 0x40u /* only for contenders that hold to a size limit                        */
};

struct workload {
	const char *name;  /* as --workload takes it                                         */
	const char *title; /* one line for --list and the table's legend                     */
	const char *unit;  /* of a sample's value, per operation                             */
	const char *mark;  /* the ratio to reach, "" for none                                */
	const char *limit; /* what the bare work may be exceeded by, "" for none             */
	unsigned flags;
	uint32_t parameter;     /* what the variants of one run function differ in               */
	const char *one_thread; /* the workload that this one does with more threads, or NULL     */
	const char *scale_mark; /* how often the throughput of one thread it has to reach, or NULL */

	int (*run)(const struct workload *workload, struct subject *subject, struct sample *out);
	/* The same work without a store, or NULL. */
	int (*bare)(const struct workload *workload, const struct bench *bench, struct sample *out);
};

/* Each ends with a workload without a name. */
extern const struct workload workload_load[];
extern const struct workload workload_space[];
extern const struct workload workload_get[];
extern const struct workload workload_threads[];
extern const struct workload workload_scan[];
extern const struct workload workload_mixed[];
extern const struct workload workload_durable[];
extern const struct workload workload_open[];
extern const struct workload workload_cold[];
extern const struct workload workload_delete[];
extern const struct workload workload_memory[];
extern const struct workload workload_replay[];
extern const struct workload workload_churn[];
extern const struct workload workload_shrink[];

/* All of them in the order in which they run: those that want the store as it was loaded come first. */
const struct workload *workload_at(size_t index); /* NULL past the last */
bool workload_suits(const struct workload *workload, const struct contender *contender);

#endif
