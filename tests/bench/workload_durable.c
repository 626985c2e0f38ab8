/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_durable.c: commits that return when they are on stable storage, of 1 and of 100 puts, by 1 to 16
 * threads, and the bytes that the device writes for each. The puts replace random records of the loaded store.
 * Beside them stands the least that such a commit can cost: 4 KiB appended to a file and fdatasync. */

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

#define DEVICE_RUNS    5
#define DEVICE_COMMITS 100
#define THREADS_PUTS   256 /* parameter: puts * THREADS_PUTS + threads */

struct commit_run {
	struct subject *subject;
	void *buffer;
	uint64_t random;
	uint32_t puts, commits;
	uint64_t *times_ns; /* of each commit */
	int rc;
};

static gkv_bytes next_value(struct commit_run *run, struct key *key)
{
	const struct bench *bench = run->subject->bench;

	*key = key_at(random_below(&run->random, bench->records), bench->seed);
	return subject_value(run->subject, run->buffer, key, (uint32_t)random_below(&run->random, VALUE_VERSIONS));
}

static int commit_one(struct commit_run *run)
{
	struct key key;
	gkv_bytes value = next_value(run, &key);
	int rc = run->subject->contender->put_one(run->subject->store, key_bytes(&key), value);

	return rc != 0 ? fail_code(run->subject, "put", rc) : 0;
}

static int commit_many(struct commit_run *run)
{
	const struct contender *c = run->subject->contender;
	struct writer *writer = NULL;
	int rc = c->write_begin(run->subject->store, &writer);

	if (rc != 0)
		return fail_code(run->subject, "begin", rc);
	for (uint32_t i = 0; i < run->puts; i++) {
		struct key key;
		gkv_bytes value = next_value(run, &key);

		rc = c->put(writer, key_bytes(&key), value);
		if (rc != 0) {
			c->abort(writer);
			return fail_code(run->subject, "put", rc);
		}
	}
	rc = c->commit(writer);
	return rc != 0 ? fail_code(run->subject, "commit", rc) : 0;
}

static int commit_all(struct commit_run *run)
{
	int rc = 0;

	for (uint32_t i = 0; i < run->commits && rc == 0; i++) {
		uint64_t start = clock_wall_ns();

		rc = run->puts == 1 ? commit_one(run) : commit_many(run);
		run->times_ns[i] = clock_wall_ns() - start;
	}
	return rc;
}

static void *commit_thread_main(void *arg)
{
	struct commit_run *run = arg;

	run->rc = commit_all(run);
	return NULL;
}

/* The first run stays in this thread, the others get one each. */
static int commit_in_threads(struct commit_run *runs, uint32_t count)
{
	pthread_t ids[THREADS_MAX];
	uint32_t started = 1;
	int rc = 0;

	for (; started < count; started++) {
		if (pthread_create(&ids[started], NULL, commit_thread_main, &runs[started]) != 0) {
			rc = fail_errno("a thread", EAGAIN);
			break;
		}
	}
	if (rc == 0)
		rc = commit_all(&runs[0]);
	while (started-- > 1) {
		pthread_join(ids[started], NULL);
		rc = runs[started].rc != 0 ? -1 : rc;
	}
	return rc;
}

/* `commits` of `puts` each, spread over the threads, into the loaded store. */
static int commit_measure(struct subject *subject, uint32_t threads, uint32_t commits, uint32_t puts,
			  struct sample *out)
{
	const uint32_t each = (commits + threads - 1) / threads;
	struct commit_run runs[THREADS_MAX] = {{0}};
	uint64_t *times_ns = malloc((size_t)each * threads * sizeof *times_ns);
	struct stopwatch watch;
	int rc = times_ns == NULL ? fail_errno("the times of the commits", ENOMEM) : 0;

	for (uint32_t i = 0; i < threads && rc == 0; i++) {
		runs[i] = (struct commit_run){.subject = subject, .puts = puts, .commits = each};
		runs[i].times_ns = times_ns + (size_t)i * each;
		runs[i].random = mix64(subject->bench->seed + subject->bench->round * THREADS_MAX + i + 1);
		runs[i].buffer = malloc(subject->bench->value_bytes);
		if (runs[i].buffer == NULL)
			rc = fail_errno("a value", ENOMEM);
	}
	if (rc == 0)
		rc = subject_need_loaded(subject, true);
	/* The first commit after an open may pay for what the open left undone. */
	if (rc == 0)
		rc = commit_one(&runs[0]);
	if (rc == 0) {
		watch = stopwatch_start();
		rc = commit_in_threads(runs, threads);
		*out = stopwatch_sample(watch, (uint64_t)each * threads, 1000);
		out->latency = percentiles_of(times_ns, (size_t)each * threads);
	}
	for (uint32_t i = 0; i < threads; i++)
		free(runs[i].buffer);
	free(times_ns);
	return rc;
}

static int run_commits(const struct workload *workload, struct subject *subject, struct sample *out)
{
	uint32_t puts = workload->parameter;

	return commit_measure(subject, 1, puts == 1 ? subject->bench->commits : subject->bench->commits / 2, puts, out);
}

static int run_commit_threads(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const uint32_t threads = workload->parameter % THREADS_PUTS, puts = workload->parameter / THREADS_PUTS;

	return commit_measure(subject, threads, puts == 1 ? subject->bench->commits : subject->bench->commits / 4, puts,
			      out);
}

static int run_bare(const struct workload *workload, const struct bench *bench, struct sample *out)
{
	uint64_t *times_ns = malloc(bench->commits * sizeof *times_ns);
	struct stopwatch watch;
	int rc;

	(void)workload;
	if (times_ns == NULL)
		return fail_errno("the times of the appends", ENOMEM);
	watch = stopwatch_start();
	rc = probe_bare_appends(bench->folder, bench->commits, times_ns);
	*out = stopwatch_sample(watch, bench->commits, 1000);
	out->latency = percentiles_of(times_ns, bench->commits);
	free(times_ns);
	return rc != 0 ? fail_errno("a bare append", rc) : 0;
}

/* The device counts what every program writes, so everything is written out before, and the least of several runs is
 * taken. */
static int run_device_bytes(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const size_t runs = subject->bench->quick ? 2 : DEVICE_RUNS;
	double least[DEVICE_RUNS];

	(void)workload;
	for (size_t run = 0; run < runs; run++) {
		uint64_t before, after;
		struct sample times;
		int rc = subject_need_loaded(subject, true) != 0 ? -1 : probe_sync_folder(subject->bench->folder);

		if (rc != 0)
			return rc < 0 ? -1 : fail_errno("sync", rc);
		rc = probe_device_bytes(subject->bench->folder, &before);
		if (rc == ENODEV)
			return 0;
		if (rc != 0 || commit_measure(subject, 1, DEVICE_COMMITS, 1, &times) != 0)
			return rc != 0 ? fail_errno("/proc/diskstats", rc) : -1;
		rc = probe_device_bytes(subject->bench->folder, &after);
		if (rc != 0)
			return fail_errno("/proc/diskstats", rc);
		/* commit_measure begins with one commit that it does not time. */
		least[run] = (double)(after - before) / (DEVICE_COMMITS + 1);
	}
	*out = (struct sample){.present = true, .value = least_of(least, runs)};
	return 0;
}

#define THREADED(threads_name, threads_puts, threads_plural, threads_count, threads_mark)                              \
	{                                                                                                              \
		.name = threads_name #threads_count,                                                                   \
		.title = "durable commits of " #threads_puts " put" threads_plural " by N threads, time per commit",   \
		.unit = "us", .mark = "", .limit = "", .flags = WORKLOAD_ON_DISK,                                      \
		.parameter = (threads_puts)*THREADS_PUTS + (threads_count), .run = run_commit_threads,                 \
		.one_thread = threads_name "1", .scale_mark = threads_mark                                             \
	}

const struct workload workload_durable[] = {
	{.name = "durable-1",
	 .title = "durable commits of one put, one thread",
	 .unit = "us",
	 .mark = ">= 3.5",
	 .limit = "<= 1.2",
	 .flags = WORKLOAD_ON_DISK,
	 .parameter = 1,
	 .run = run_commits,
	 .bare = run_bare},
	{.name = "durable-100",
	 .title = "durable commits of 100 puts, one thread, time per commit",
	 .unit = "us",
	 .mark = ">= 10",
	 .limit = "<= 1.5",
	 .flags = WORKLOAD_ON_DISK,
	 .parameter = 100,
	 .run = run_commits,
	 .bare = run_bare},
	THREADED("durable-threads-", 1, "", 1, NULL),
	THREADED("durable-threads-", 1, "", 2, NULL),
	THREADED("durable-threads-", 1, "", 4, NULL),
	THREADED("durable-threads-", 1, "", 8, ">= 3"),
	THREADED("durable-threads-", 1, "", 16, NULL),
	THREADED("durable-100-threads-", 100, "s", 1, NULL),
	THREADED("durable-100-threads-", 100, "s", 2, NULL),
	THREADED("durable-100-threads-", 100, "s", 4, NULL),
	THREADED("durable-100-threads-", 100, "s", 8, NULL),
	THREADED("durable-100-threads-", 100, "s", 16, NULL),
	{.name = "device-bytes",
	 .title = "bytes that the device writes for a durable commit of one put",
	 .unit = "bytes",
	 .mark = "<= 0.20",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK | WORKLOAD_COST | WORKLOAD_LEAST,
	 .run = run_device_bytes},
	{.name = NULL},
};
