/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_get.c: random gets of one thread, of keys that are there and of keys that are not; many or one in a
 * snapshot; the one-call get that copies the value out; and 16 keys asked for together. Every value is read whole and
 * checked. */

#include <errno.h>
#include <stdlib.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

#define BATCH 16 /* keys of one get_many */

/* What the variants of run_get differ in. */
enum get_variant {
	GET_MISS = 0x1u, /* ask for keys that are not there     */
	GET_EACH = 0x2u  /* a snapshot per get, not LOAD_BATCH  */
};

struct get_run {
	struct subject *subject;
	struct reader *reader;
	uint64_t random;
	bool miss;
};

static struct key next_key(struct get_run *run)
{
	const struct bench *bench = run->subject->bench;
	uint64_t index = random_below(&run->random, bench->records);

	return key_at(run->miss ? index + MISS_INDEX_OFFSET : index, bench->seed);
}

static int check_value(const struct get_run *run, const struct key *key, gkv_bytes value)
{
	if (run->miss)
		return value.data == NULL ? 0 : fail_answer(run->subject, "a key that was never put is there");
	if (!value_check(value, run->subject->bench->value_bytes, key))
		return fail_answer(run->subject, "the value is not the one that was put");
	return 0;
}

static int get_in_snapshot(struct get_run *run, uint32_t count)
{
	const struct contender *c = run->subject->contender;
	int rc = c->snapshot_begin(run->reader);

	if (rc != 0)
		return fail_code(run->subject, "snapshot", rc);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct key key = next_key(run);
		gkv_bytes value;
		int code = c->get(run->reader, key_bytes(&key), &value);

		rc = code != 0 ? fail_code(run->subject, "get", code) : check_value(run, &key, value);
	}
	c->snapshot_end(run->reader);
	return rc;
}

static int get_many_in_snapshot(struct get_run *run, uint32_t count)
{
	const struct contender *c = run->subject->contender;
	struct key keys[BATCH];
	gkv_bytes asked[BATCH], values[BATCH];
	int rc = c->snapshot_begin(run->reader);

	if (rc != 0)
		return fail_code(run->subject, "snapshot", rc);
	for (uint32_t done = 0; done < count && rc == 0; done += BATCH) {
		int code;

		for (size_t i = 0; i < BATCH; i++) {
			keys[i] = next_key(run);
			asked[i] = key_bytes(&keys[i]);
		}
		code = c->get_many(run->reader, BATCH, asked, values);
		if (code != 0)
			rc = fail_code(run->subject, "get_many", code);
		for (size_t i = 0; i < BATCH && rc == 0; i++)
			rc = check_value(run, &keys[i], values[i]);
	}
	c->snapshot_end(run->reader);
	return rc;
}

static int get_run_open(struct get_run *run, struct subject *subject, bool miss)
{
	int rc;

	*run = (struct get_run){.subject = subject, .miss = miss};
	run->random = mix64(subject->bench->seed + subject->bench->round);
	if (subject_need_warm(subject) != 0)
		return -1;
	rc = subject->contender->reader_open(subject->store, &run->reader);
	return rc != 0 ? fail_code(subject, "reader", rc) : 0;
}

/* `step` gets in each snapshot, through `in_snapshot`. */
static int run_in_snapshots(struct subject *subject, bool miss, uint32_t step,
			    int (*in_snapshot)(struct get_run *run, uint32_t count), struct sample *out)
{
	uint32_t operations = (subject->bench->operations + step - 1) / step * step;
	struct get_run run;
	struct stopwatch watch;
	int rc = 0;

	if (get_run_open(&run, subject, miss) != 0)
		return -1;
	watch = stopwatch_start();
	for (uint32_t done = 0; done < operations && rc == 0; done += step)
		rc = in_snapshot(&run, step);
	*out = stopwatch_sample(watch, operations, 1);
	subject->contender->reader_close(run.reader);
	return rc;
}

static int run_get(const struct workload *workload, struct subject *subject, struct sample *out)
{
	bool miss = (workload->parameter & GET_MISS) != 0;
	uint32_t step = (workload->parameter & GET_EACH) != 0 ? 1 : LOAD_BATCH;

	return run_in_snapshots(subject, miss, step, get_in_snapshot, out);
}

static int run_get_many(const struct workload *workload, struct subject *subject, struct sample *out)
{
	(void)workload;
	return run_in_snapshots(subject, false, LOAD_BATCH / BATCH * BATCH, get_many_in_snapshot, out);
}

static int get_copies(struct get_run *run, void *buffer)
{
	const struct bench *bench = run->subject->bench;
	int rc = 0;

	for (uint32_t i = 0; i < bench->operations && rc == 0; i++) {
		struct key key = next_key(run);
		size_t size;
		int code = run->subject->contender->get_copy(run->reader, key_bytes(&key), buffer, bench->value_bytes,
							     &size);

		if (code != 0)
			rc = fail_code(run->subject, "get", code);
		else if (size == SIZE_MAX)
			rc = check_value(run, &key, (gkv_bytes){NULL, 0});
		else
			rc = check_value(run, &key, (gkv_bytes){buffer, size});
	}
	return rc;
}

static int run_get_call(const struct workload *workload, struct subject *subject, struct sample *out)
{
	void *buffer = malloc(subject->bench->value_bytes);
	struct get_run run;
	struct stopwatch watch;
	int rc;

	if (buffer == NULL)
		return fail_errno("a value", ENOMEM);
	rc = get_run_open(&run, subject, (workload->parameter & GET_MISS) != 0);
	if (rc == 0) {
		watch = stopwatch_start();
		rc = get_copies(&run, buffer);
		*out = stopwatch_sample(watch, subject->bench->operations, 1);
		subject->contender->reader_close(run.reader);
	}
	free(buffer);
	return rc;
}

#define GET(get_name, get_title, get_mark, get_run, get_parameter)                                                     \
	{                                                                                                              \
		.name = get_name, .title = get_title, .unit = "ns", .mark = get_mark, .limit = "", .run = get_run,     \
		.parameter = get_parameter                                                                             \
	}

const struct workload workload_get[] = {
	GET("get-hit", "random get of a key that is there, 1,000 in a snapshot", ">= 3.5", run_get, 0),
	GET("get-miss", "random get of a key that is not there, 1,000 in a snapshot", ">= 6", run_get, GET_MISS),
	GET("get-hit-each", "the same, a snapshot per get", ">= 3.5", run_get, GET_EACH),
	GET("get-miss-each", "the same for keys that are not there", "", run_get, GET_EACH | GET_MISS),
	GET("get-hit-call", "gkv_get: the one call that copies the value out", "", run_get_call, 0),
	GET("get-miss-call", "the same for keys that are not there", "", run_get_call, GET_MISS),
	GET("get-many", "get_many of 16 random keys, time per key", ">= 10", run_get_many, 0),
	{.name = NULL},
};
