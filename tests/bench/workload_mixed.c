/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_mixed.c: gets and puts of one thread over keys of which few are popular (zipfian, 0.99). A get has a
 * snapshot of its own, so that it sees the puts before it; a put replaces a value in a lazy transaction of its own. */

#include <errno.h>
#include <stdlib.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

struct mixed_run {
	struct subject *subject;
	struct reader *reader;
	void *buffer;
	uint64_t random;
	uint32_t put_percent;
};

static int mixed_get(struct mixed_run *run, const struct key *key)
{
	const struct contender *c = run->subject->contender;
	gkv_bytes value;
	bool right = false;
	int rc = c->snapshot_begin(run->reader);

	if (rc != 0)
		return fail_code(run->subject, "snapshot", rc);
	rc = c->get(run->reader, key_bytes(key), &value);
	if (rc == 0)
		right = value_check(value, run->subject->bench->value_bytes, key);
	c->snapshot_end(run->reader);
	if (rc != 0)
		return fail_code(run->subject, "get", rc);
	return right ? 0 : fail_answer(run->subject, "the value is not one that was put");
}

static int mixed_put(struct mixed_run *run, const struct key *key, uint32_t version)
{
	const struct subject *subject = run->subject;
	int rc = subject->contender->put_one(subject->store, key_bytes(key),
					     subject_value(subject, run->buffer, key, version));

	return rc != 0 ? fail_code(subject, "put", rc) : 0;
}

static int mixed_all(struct mixed_run *run)
{
	const struct bench *bench = run->subject->bench;
	int rc = 0;

	for (uint32_t i = 0; i < bench->operations && rc == 0; i++) {
		struct key key = key_at(bench->zipfian[i], bench->seed);

		if (random_below(&run->random, 100) < run->put_percent)
			rc = mixed_put(run, &key, i % VALUE_VERSIONS);
		else
			rc = mixed_get(run, &key);
	}
	return rc;
}

static int run_mixed(const struct workload *workload, struct subject *subject, struct sample *out)
{
	struct mixed_run run = {.subject = subject, .put_percent = workload->parameter};
	struct stopwatch watch;
	int rc = -1;

	if (subject_need_warm(subject) != 0)
		return -1;
	run.random = mix64(subject->bench->seed);
	run.buffer = malloc(subject->bench->value_bytes);
	if (run.buffer == NULL)
		return fail_errno("a value", ENOMEM);
	rc = subject->contender->reader_open(subject->store, &run.reader);
	if (rc != 0) {
		rc = fail_code(subject, "reader", rc);
		goto out;
	}
	watch = stopwatch_start();
	rc = mixed_all(&run);
	*out = stopwatch_sample(watch, subject->bench->operations, 1);
	subject->contender->reader_close(run.reader);
out:
	free(run.buffer);
	return rc;
}

const struct workload workload_mixed[] = {
	{.name = "mixed-95-5",
	 .title = "zipfian(0.99), 95% gets and 5% puts, a lazy commit per put",
	 .unit = "ns",
	 .mark = ">= 5.5",
	 .limit = "",
	 .parameter = 5,
	 .run = run_mixed},
	{.name = "mixed-50-50",
	 .title = "zipfian(0.99), half gets and half puts, a lazy commit per put",
	 .unit = "ns",
	 .mark = ">= 9",
	 .limit = "",
	 .parameter = 50,
	 .run = run_mixed},
	{.name = NULL},
};
