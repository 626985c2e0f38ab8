/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_open.c: how long it takes until an opened store has answered its first get: after a clean close, after the
 * process was killed with SIGKILL, and when 64 MiB of log wait to be replayed. The page cache is warm. The process that
 * is killed is a child, so that what it left behind is what a crash leaves. */

#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

#define OPEN_REPEATS   9
#define KILLED_PUTS    10000
#define REPLAY_LOG_MIB 64

static int open_and_get(struct subject *subject, const struct store_config *config, uint64_t index, uint64_t *ns)
{
	uint64_t start = clock_wall_ns();
	int rc = subject->contender->open(config, &subject->store);

	if (rc != 0)
		return fail_code(subject, "open", rc);
	rc = subject_check_one(subject, index);
	*ns = clock_wall_ns() - start;
	return rc;
}

static int run_open_clean(const struct workload *workload, struct subject *subject, struct sample *out)
{
	struct store_config config;
	double us[OPEN_REPEATS];

	(void)workload;
	if (subject_need_loaded(subject, false) != 0)
		return -1;
	config = subject_config(subject);
	for (size_t i = 0; i < OPEN_REPEATS; i++) {
		uint64_t ns;

		if (subject_close(subject) != 0 || open_and_get(subject, &config, i, &ns) != 0)
			return -1;
		us[i] = (double)ns / 1000;
	}
	*out = (struct sample){.present = true, .value = median_of(us, OPEN_REPEATS)};
	return 0;
}

/* What the child does before it is killed. */
struct child_work {
	struct store_config config;
	uint32_t first, puts; /* records first .. first+puts-1 are put, each in a lazy transaction */
};

static int child_puts(struct subject *subject, const struct child_work *work)
{
	const struct bench *bench = subject->bench;
	void *buffer = malloc(bench->value_bytes);
	int rc = subject->contender->open(&work->config, &subject->store);

	if (buffer == NULL || rc != 0)
		return rc != 0 ? fail_code(subject, "open", rc) : fail_errno("a value", ENOMEM);
	for (uint32_t i = 0; i < work->puts && rc == 0; i++) {
		struct key key = key_at(work->first + i, bench->seed);

		rc = subject->contender->put_one(subject->store, key_bytes(&key),
						 subject_value(subject, buffer, &key, i % VALUE_VERSIONS));
	}
	free(buffer);
	return rc != 0 ? fail_code(subject, "put", rc) : 0;
}

/* Puts in a child that is then killed. The subject's store must be closed. */
static int killed_puts(struct subject *subject, const struct child_work *work)
{
	char done = 0;
	int ends[2], status = 0;
	pid_t child;

	if (pipe(ends) != 0)
		return fail_errno("a pipe", errno);
	child = fork();
	if (child == 0) {
		done = child_puts(subject, work) == 0;
		if (write(ends[1], &done, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	if (child < 0) {
		close(ends[0]);
		return fail_errno("fork", errno);
	}
	if (read(ends[0], &done, 1) != 1)
		done = 0;
	close(ends[0]);
	if (kill(child, SIGKILL) != 0 || waitpid(child, &status, 0) != child)
		return fail_errno("kill", errno);
	return done ? 0 : fail_answer(subject, "the child that was to be killed did not get so far");
}

static int run_open_killed(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const uint32_t records = subject->bench->records;
	struct child_work work = {.puts = records < KILLED_PUTS ? records : KILLED_PUTS};
	uint64_t ns;

	(void)workload;
	if (subject_need_loaded(subject, false) != 0)
		return -1;
	work.config = subject_config(subject);
	if (subject_close(subject) != 0 || killed_puts(subject, &work) != 0)
		return -1;
	if (open_and_get(subject, &work.config, work.puts - 1, &ns) != 0)
		return -1;
	*out = (struct sample){.present = true, .value = (double)ns / 1000};
	return 0;
}

/* The log takes key, value and at most some tens of bytes a record. */
static int run_replay(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const uint64_t log_bytes = (uint64_t)REPLAY_LOG_MIB << 20;
	struct child_work work = {.first = 0};
	uint64_t ns;

	(void)workload;
	if (subject_remove(subject) != 0)
		return -1;
	work.puts = (uint32_t)(log_bytes / (subject->bench->value_bytes + sizeof(struct key) + 32)) + 1;
	work.config = subject_config(subject);
	work.config.log_bytes = log_bytes * 8;
	if (killed_puts(subject, &work) != 0)
		return -1;
	if (open_and_get(subject, &work.config, work.puts - 1, &ns) != 0)
		return -1;
	*out = (struct sample){.present = true, .value = (double)ns / 1e6};
	return subject_remove(subject);
}

const struct workload workload_open[] = {
	{.name = "open-clean",
	 .title = "open and first get, after a clean close",
	 .unit = "us",
	 .mark = "<= 3",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK | WORKLOAD_COST,
	 .run = run_open_clean},
	{.name = "open-killed",
	 .title = "open and first get, after 10,000 lazy puts and SIGKILL",
	 .unit = "us",
	 .mark = "",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK | WORKLOAD_COST,
	 .run = run_open_killed},
	{.name = NULL},
};

/* Apart, since it removes the store that other workloads want. */
const struct workload workload_replay[] = {
	{.name = "replay",
	 .title = "open and first get, with 64 MiB of log to replay",
	 .unit = "ms",
	 .mark = "",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK | WORKLOAD_HAS_LOG | WORKLOAD_NO_RATIO,
	 .run = run_replay},
	{.name = NULL},
};
