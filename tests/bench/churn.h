/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* churn.h: a store of records of different sizes that come, change and go, with a model of what it must hold, and the
 * time that each change takes. */
#ifndef GKV_BENCH_CHURN_H
#define GKV_BENCH_CHURN_H

#include "tests/bench/bench.h"
#include "tests/bench/histogram.h"

#define CHURN_LIVE_PER_RECORD 200 /* bytes for each of --records                            */
#define CHURN_DELETE_ONE_IN   4   /* of the changes that hit a record that is there          */
#define CHURN_LIVE_SHARE      0.8 /* of the keys that are there: what CHURN_DELETE_ONE_IN settles at */

/* Bytes of a value, log-uniform. */
struct churn_sizes {
	size_t least, most;
};

/* What changes took. Work is processor time of the thread; what is missing to the time by the clock was spent waiting:
 * for the disk, or for a processor. */
struct churn_times {
	struct histogram puts;         /* by the clock                       */
	uint64_t put_ns;               /* of all puts                        */
	uint64_t work_ns, operations;  /* of all changes, deletes among them */
	uint64_t work_most, wait_most; /* in one change                      */
};

struct churn {
	struct churn_sizes sizes;
	struct subject *subject;
	uint32_t keys;
	uint16_t *version; /* of each key's value; 0: it is absent */
	unsigned char *buffer;
	uint64_t random;
	uint64_t live;    /* bytes of keys and values           */
	uint64_t written; /* bytes put                          */
	struct churn_times times;
	uint32_t changes;      /* of a transaction                                  */
	struct writer *writer; /* the one that is open, where that is more than one */
	uint32_t open;         /* changes in it                                     */
	uint64_t open_took, open_work;
};

/* An empty open store beside a model of it, with keys for CHURN_LIVE_PER_RECORD bytes a record. So many changes are a
 * transaction; with more than one there must be no size limit. Release it whatever it returns. */
int churn_init(struct churn *churn, struct subject *subject, struct churn_sizes sizes, uint32_t changes);
void churn_release(struct churn *churn);

#define CHURN_FULL 1 /* what changes return when the size limit refuses them; nothing was changed */

/* Puts CHURN_LIVE_SHARE of the keys, a lazy commit each, and syncs. */
int churn_fill(struct churn *churn);
/* A put of the key's next version, in place of the one before if there is one, or a delete of a key that is there. The
 * last change of a transaction commits it, lazily; its time is that of all of its changes. */
int churn_put(struct churn *churn, uint32_t index);
int churn_delete(struct churn *churn, uint32_t index);
/* Commits what is open, if anything is. */
int churn_commit(struct churn *churn);
/* Every key has the version that was put last, all of it; an absent key is absent. */
int churn_check(struct churn *churn);

#endif
