/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload.c: the list of workloads. */

#include "tests/bench/workload.h"

static const struct workload *const groups[] = {
	workload_load,   workload_space,   workload_get,   workload_threads, workload_scan,
	workload_mixed,  workload_durable, workload_open,  workload_cold,    workload_delete,
	workload_memory, workload_replay,  workload_churn, workload_shrink,
};

const struct workload *workload_at(size_t index)
{
	for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
		for (const struct workload *w = groups[g]; w->name != NULL; w++) {
			if (index-- == 0)
				return w;
		}
	}
	return NULL;
}

bool workload_suits(const struct workload *workload, const struct contender *contender)
{
	if ((workload->flags & WORKLOAD_ON_DISK) != 0 && !contender->on_disk)
		return false;
	if ((workload->flags & WORKLOAD_HAS_LIMIT) != 0 && !contender->has_limit)
		return false;
	return (workload->flags & WORKLOAD_HAS_LOG) == 0 || contender->has_log;
}
