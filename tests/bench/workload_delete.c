/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_delete.c: every record is deleted, in another random order than it was put, 1,000 a lazy transaction,
 * with one sync at the end. It leaves no store. */

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

static int delete_batch(struct subject *subject, uint32_t first, uint32_t count)
{
	const struct contender *c = subject->contender;
	const struct bench *bench = subject->bench;
	struct writer *writer = NULL;
	int rc = c->write_begin(subject->store, &writer);

	if (rc != 0)
		return fail_code(subject, "begin", rc);
	for (uint32_t i = first; i < first + count; i++) {
		struct key key = key_at(bench->shuffled[i], bench->seed);

		rc = c->del(writer, key_bytes(&key));
		if (rc != 0) {
			c->abort(writer);
			return fail_code(subject, "delete", rc);
		}
	}
	rc = c->commit(writer);
	return rc != 0 ? fail_code(subject, "commit", rc) : 0;
}

static int run_delete(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const uint32_t records = subject->bench->records;
	struct stopwatch watch;
	int rc = 0;

	(void)workload;
	if (subject_need_loaded(subject, false) != 0)
		return -1;
	watch = stopwatch_start();
	for (uint32_t first = 0; first < records && rc == 0; first += LOAD_BATCH)
		rc = delete_batch(subject, first, records - first < LOAD_BATCH ? records - first : LOAD_BATCH);
	if (rc == 0) {
		rc = subject->contender->sync(subject->store);
		rc = rc != 0 ? fail_code(subject, "sync", rc) : 0;
	}
	*out = stopwatch_sample(watch, records, 1);
	return subject_remove(subject) != 0 ? -1 : rc;
}

const struct workload workload_delete[] = {
	{.name = "delete",
	 .title = "delete every record, another random order, 1,000 a lazy transaction, one sync at the end",
	 .unit = "ns",
	 .mark = ">= 4.5",
	 .limit = "",
	 .run = run_delete},
	{.name = NULL},
};
