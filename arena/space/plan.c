/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* plan.c owns the choice of what to compact. It moves nothing.
 *
 * A run is a row of neighbouring free slots; moving what lies between them away makes them one.
 *
 *   gravity   starts at the pair with the highest size(i) * size(i+1) / distance(i, i+1)^2, takes further slots on the
 *             right, then on the left, until their sum is enough.
 *   cheapest  slides a window over the list of slots: of all runs whose sum is enough, the one with the fewest bytes
 *             between its slots. Exact.
 *
 *   stretch   for compacting everything: the next so many bytes with their gaps.
 *
 * Cost: gravity O(log n + slots taken), cheapest O(n). */
#include "arena/space/plan.h"

#include <assert.h>

#include "arena/file/disk.h"
#include "arena/gravity.h"

/* What a run may use of a slot that begins before the limit. */
static uint64_t part_end(const struct slots *s, slot_id id, uint64_t limit)
{
	const uint64_t end = slots_end(s, id);

	assert(slots_start(s, id) < limit);
	return end < limit ? end : limit;
}

static uint64_t part_size(const struct slots *s, slot_id id, uint64_t limit)
{
	return part_end(s, id, limit) - slots_start(s, id);
}

static bool is_before(const struct slots *s, slot_id id, uint64_t limit)
{
	return id != SLOT_NONE && slots_start(s, id) < limit;
}

static void plan_fill(const struct slots *s, slot_id first, slot_id last, uint64_t limit, uint64_t sum,
		      struct plan *out)
{
	out->start = slots_start(s, first);
	out->first_end = part_end(s, first, limit);
	out->end = part_end(s, last, limit);
	out->free = sum;
	out->moved = out->end - out->start - sum;
}

/* Where the pair that attracts most is not before the limit, it starts at the last slot that is. */
static int plan_gravity(const struct slots *s, uint64_t limit, uint64_t want, struct plan *out)
{
	slot_id first = slots_most_attracted(s);
	slot_id last;
	uint64_t sum;

	if (first == SLOT_NONE)
		return GRAVITY_FULL;
	if (!is_before(s, first, limit))
		first = slots_at_or_before(s, limit - 1);
	if (first == SLOT_NONE)
		return GRAVITY_FULL;
	last = first;
	sum = part_size(s, first, limit);
	while ((last == first || sum < want) && is_before(s, slots_next(s, last), limit)) {
		last = slots_next(s, last);
		sum += part_size(s, last, limit);
	}
	while (sum < want) {
		first = slots_prev(s, first);
		if (first == SLOT_NONE)
			return GRAVITY_FULL;
		sum += part_size(s, first, limit);
	}
	plan_fill(s, first, last, limit, sum, out);
	return 0;
}

static int plan_cheapest(const struct slots *s, uint64_t limit, uint64_t want, struct plan *out)
{
	slot_id first = s->first;
	uint64_t sum = 0;
	bool found = false;

	for (slot_id last = s->first; is_before(s, last, limit); last = slots_next(s, last)) {
		struct plan run;
		sum += part_size(s, last, limit);
		while (sum - part_size(s, first, limit) >= want) {
			sum -= part_size(s, first, limit);
			first = slots_next(s, first);
		}
		if (sum < want)
			continue;
		plan_fill(s, first, last, limit, sum, &run);
		if (!found || run.moved < out->moved)
			*out = run;
		found = true;
	}
	return found ? 0 : GRAVITY_FULL;
}

int plan_run(const struct slots *s, enum gravity_planner planner, uint64_t limit, uint64_t want, struct plan *out)
{
	assert(want > 0);
	if (limit == 0)
		return GRAVITY_FULL;
	return planner == GRAVITY_GRAVITY ? plan_gravity(s, limit, want, out) : plan_cheapest(s, limit, want, out);
}

/* The slot that reaches up to `from`, which the step before emptied, or else the first one after it. */
static slot_id stretch_first(const struct slots *s, uint64_t from)
{
	const slot_id before = slots_at_or_before(s, from);

	return before != SLOT_NONE && slots_end(s, before) >= from ? before : slots_at_or_after(s, from);
}

int plan_stretch(const struct slots *s, uint64_t from, uint64_t file_end, uint64_t moved, struct plan *out)
{
	slot_id id = stretch_first(s, from);

	/* It ends where a blob may begin: a share of a file, or a mean, may be any number. */
	moved -= moved % DISK_UNIT;
	if (id == SLOT_NONE || slots_end(s, id) == file_end)
		return GRAVITY_NOTFOUND;
	*out = (struct plan){.start = slots_start(s, id), .first_end = slots_end(s, id), .free = slots_size(s, id)};
	out->end = out->first_end;
	for (;;) {
		const slot_id next = slots_next(s, id);
		const uint64_t gap_end = next == SLOT_NONE ? file_end : slots_start(s, next);
		const uint64_t gap = gap_end - out->end;
		out->next = gap_end;
		if (out->moved + gap > moved) {
			out->end += moved - out->moved;
			out->moved = moved;
			return 0;
		}
		out->moved += gap;
		out->end = gap_end;
		if (next == SLOT_NONE || slots_end(s, next) == file_end)
			return 0;
		out->free += slots_size(s, next);
		out->end = slots_end(s, next);
		id = next;
	}
}
