/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* push.c owns what is on its way to the disk before the flush that waits for it: of a checkpoint the log and the pages that it
 * writes, in the order of the file; under a limit the log while it grows.
 *
 * Nothing relies on it: what was not pushed is written by the flush. */
#include "arena/log/push.h"

#include "arena/core.h"
#include "arena/log/checkpoint.h"
#include "arena/log/log.h"

#define PUSH_MOST (UINT64_C(1) << 20) /* of the log, after a commit */
#define PUSH_PART (UINT64_C(256) << 10)

void push_add(struct ranges *dirty, uint64_t start, uint64_t end)
{
	while (start < end && dirty->count < dirty->capacity) {
		const uint64_t part = end - start < PUSH_PART ? end - start : PUSH_PART;
		ranges_add(dirty, start, part);
		start += part;
	}
}

/* Pages and nodes, of which there are few beside the pages. The count comes from the file: it need not be true. */
static uint64_t pages_most(const arena *a)
{
	const uint64_t file = map_bytes(&a->map) / DISK_PAGE;

	return (a->b->table.pages < file ? a->b->table.pages : file) * 5 / 4 + 64;
}

/* What will be pushed: what was not yet of the log, in parts, and room for what is sealed. Without memory the flush writes
 * it all. */
void push_begin(arena *a)
{
	struct checkpoint *cp = &a->checkpoint;
	struct log *l = &a->b->log;

	if (ranges_init(&cp->dirty, a->memory, pages_most(a) + l->since_count + l->bytes / PUSH_PART) == 0) {
		for (uint32_t i = l->since_at; i < l->since_count; i++)
			push_add(&cp->dirty, l->since[i].start, l->since[i].end);
	}
	l->since_count = l->since_at = 0;
	l->pushed = l->written;
}

/* Under a limit the log is on its way to the disk while it grows: what died is wanted back before as many changes as would
 * push it in slices of a checkpoint. That is dearer, above all where windows are small. After a very large commit some at a
 * time, since the writer's lock is held. Pages of the system, not ours, are what is written: a gap within one is no gap. */
void push_log(arena *a)
{
	struct log *l = &a->b->log;
	uint64_t bytes = 0;

	if (a->b->space.max_bytes == UINT64_MAX || l->written - l->pushed < PUSH_PART)
		return;
	while (l->since_at < l->since_count && bytes < PUSH_MOST) {
		const uint64_t start = l->since[l->since_at].start;
		uint64_t end = start;
		while (l->since_at < l->since_count && end - start < PUSH_MOST) {
			struct log_stretch *next = &l->since[l->since_at];
			if (next->start < end || next->start - end >= DISK_PAGE)
				break;
			end = next->end - start < PUSH_MOST ? next->end : start + PUSH_MOST;
			if (end < next->end)
				next->start = end;
			else
				l->since_at++;
		}
		(void)a->os->push(a->os, a->map.file, start, end - start);
		bytes += end - start;
	}
	if (l->since_at == l->since_count) {
		l->since_count = l->since_at = 0;
		l->pushed = l->written;
	}
}

/* Starts writing them, in the order of the file, neighbours in one call; true when nothing is left. */
bool push_slice(arena *a, uint64_t *budget)
{
	struct checkpoint *cp = &a->checkpoint;
	const struct ranges *p = &cp->dirty;

	if (!ranges_sorted(p, map_bytes(&a->map))) {
		ranges_sort_pass(&cp->dirty);
		budget_take(budget, p->count * sizeof *p->list);
		return false;
	}
	/* Many pages in one call: what lies between them is clean, but for the little that was changed since. */
	while (cp->pushed<p->count && * budget> 0) {
		const uint64_t start = range_start(p->list[cp->pushed]);
		const uint64_t most = *budget < PUSH_PART ? *budget : PUSH_PART;
		uint64_t end = start;
		uint64_t bytes = 0;
		for (; cp->pushed < p->count && bytes < most; cp->pushed++) {
			end = range_end(p->list[cp->pushed]);
			bytes += end - range_start(p->list[cp->pushed]);
		}
		(void)a->os->push(a->os, a->map.file, start, end - start);
		budget_take(budget, bytes);
	}
	return cp->pushed == p->count;
}
