/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_threads.c: several threads of random gets, each with a reader of its own. The time is that of the whole run
 * divided by all gets, so that twice the throughput is half the time. */

#define _GNU_SOURCE
#include <pthread.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

struct get_thread {
	struct subject *subject;
	struct reader *reader;
	pthread_barrier_t *barrier;
	uint64_t random;
	uint32_t gets;
	int rc;
};

static int get_batch(struct get_thread *t, uint32_t count)
{
	const struct contender *c = t->subject->contender;
	const struct bench *bench = t->subject->bench;
	int rc = c->snapshot_begin(t->reader);

	if (rc != 0)
		return fail_code(t->subject, "snapshot", rc);
	for (uint32_t i = 0; i < count && rc == 0; i++) {
		struct key key = key_at(random_below(&t->random, bench->records), bench->seed);
		gkv_bytes value;
		int code = c->get(t->reader, key_bytes(&key), &value);

		if (code != 0)
			rc = fail_code(t->subject, "get", code);
		else if (!value_check(value, bench->value_bytes, &key))
			rc = fail_answer(t->subject, "the value is not the one that was put");
	}
	c->snapshot_end(t->reader);
	return rc;
}

static void *get_thread_main(void *arg)
{
	struct get_thread *t = arg;

	pthread_barrier_wait(t->barrier);
	for (uint32_t done = 0; done < t->gets && t->rc == 0; done += LOAD_BATCH)
		t->rc = get_batch(t, LOAD_BATCH);
	return NULL;
}

static int run_threads(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const uint32_t count = workload->parameter;
	struct get_thread threads[THREADS_MAX] = {{0}};
	pthread_t ids[THREADS_MAX];
	pthread_barrier_t barrier;
	struct stopwatch watch;
	uint32_t gets = (subject->bench->operations + LOAD_BATCH - 1) / LOAD_BATCH * LOAD_BATCH;
	uint32_t opened = 0, started = 0;
	int rc = subject_need_warm(subject);

	for (; opened < count && rc == 0; opened++) {
		struct get_thread *t = &threads[opened];

		*t = (struct get_thread){.subject = subject, .barrier = &barrier, .gets = gets};
		t->random = mix64(subject->bench->seed + opened + 1);
		rc = subject->contender->reader_open(subject->store, &t->reader);
		if (rc != 0) {
			rc = fail_code(subject, "reader", rc);
			break;
		}
	}
	if (rc == 0 && pthread_barrier_init(&barrier, NULL, count + 1) != 0)
		rc = fail_answer(subject, "no barrier for the threads");
	if (rc != 0)
		goto out;
	for (; started < count; started++) {
		/* A thread that is missing would leave the others at the barrier for ever. */
		if (pthread_create(&ids[started], NULL, get_thread_main, &threads[started]) != 0)
			return fail_answer(subject, "no thread");
	}
	pthread_barrier_wait(&barrier);
	watch = stopwatch_start();
	for (uint32_t i = 0; i < count; i++) {
		pthread_join(ids[i], NULL);
		rc = threads[i].rc != 0 ? -1 : rc;
	}
	*out = stopwatch_sample(watch, (uint64_t)gets * count, 1);
	pthread_barrier_destroy(&barrier);
out:
	while (opened-- > 0)
		subject->contender->reader_close(threads[opened].reader);
	return rc;
}

const struct workload workload_threads[] = {
	{.name = "get-threads-2",
	 .title = "two threads of random gets, 1,000 in a snapshot, time per get of both together",
	 .unit = "ns",
	 .mark = "",
	 .limit = "",
	 .parameter = 2,
	 .one_thread = "get-hit",
	 .scale_mark = ">= 1.8",
	 .run = run_threads},
	{.name = NULL},
};
