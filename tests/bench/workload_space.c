/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_space.c: what a loaded store takes: blocks on disk after it was closed, and anonymous memory beyond the
 * mapping of its file while it is open. */

#define _GNU_SOURCE
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

static int run_disk_bytes(const struct workload *workload, struct subject *subject, struct sample *out)
{
	uint64_t bytes;

	(void)workload;
	if (subject_need_closed(subject) != 0 || subject_disk_bytes(subject, &bytes) != 0)
		return -1;
	*out = (struct sample){.present = true, .value = (double)bytes / (double)subject->bench->records};
	return 0;
}

/* In a child, whose memory no other contender's has been: a load, and what it added. */
static int child_load(struct subject *subject, int report)
{
	uint64_t before = 0, after = 0, added;
	int rc = probe_anonymous_bytes(&before);

	if (rc == 0 && (subject_open_empty(subject) != 0 || subject_load(subject, NULL) != 0))
		return -1;
	if (rc == 0)
		rc = probe_anonymous_bytes(&after);
	if (rc != 0)
		return fail_errno("/proc/self/smaps", rc);
	added = after > before ? after - before : 0;
	if (write(report, &added, sizeof added) != (ssize_t)sizeof added)
		return fail_errno("the pipe", errno);
	return subject_remove(subject);
}

static int run_anonymous(const struct workload *workload, struct subject *subject, struct sample *out)
{
	uint64_t added = 0;
	int ends[2], status = 0;
	ssize_t got;
	pid_t child;

	(void)workload;
	if (subject_remove(subject) != 0)
		return -1;
	if (pipe(ends) != 0)
		return fail_errno("a pipe", errno);
	child = fork();
	if (child == 0)
		_exit(child_load(subject, ends[1]) == 0 ? 0 : 1);
	close(ends[1]);
	got = child > 0 ? read(ends[0], &added, sizeof added) : -1;
	close(ends[0]);
	if (child < 0)
		return fail_errno("fork", errno);
	if (waitpid(child, &status, 0) != child)
		return fail_errno("waitpid", errno);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || got != (ssize_t)sizeof added)
		return fail_answer(subject, "the child that loads did not end well");
	*out = (struct sample){.present = true, .value = (double)added / 1024};
	return 0;
}

const struct workload workload_space[] = {
	{.name = "disk-bytes",
	 .title = "blocks on disk after close, per record",
	 .unit = "bytes",
	 .mark = "<= 0.85",
	 .limit = "",
	 .flags = WORKLOAD_ON_DISK | WORKLOAD_COST,
	 .run = run_disk_bytes},
	{.name = NULL},
};

/* Apart, since it removes the store that other workloads want. */
const struct workload workload_memory[] = {
	{.name = "anonymous",
	 .title = "anonymous memory that an open store holds after the load, beyond the mapping of its file",
	 .unit = "KiB",
	 .mark = "",
	 .limit = "",
	 .flags = WORKLOAD_COST | WORKLOAD_NO_RATIO,
	 .run = run_anonymous},
	{.name = NULL},
};
