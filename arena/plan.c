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
 * Cost: gravity O(log n + slots taken), cheapest O(n). */
#include "arena/core.h"

#include <assert.h>

static uint64_t slot_end(const struct slots *s, slot_id id)
{
	return slots_start(s, id) + slots_size(s, id);
}

static void plan_fill(const struct slots *s, slot_id first, slot_id last, uint64_t sum, struct plan *out)
{
	out->start = slots_start(s, first);
	out->first_end = slot_end(s, first);
	out->end = slot_end(s, last);
	out->free = sum;
	out->moved = out->end - out->start - sum;
}

static int plan_gravity(const struct slots *s, uint64_t want, struct plan *out)
{
	slot_id first = slots_most_attracted(s);
	slot_id last;
	uint64_t sum;

	if (first == SLOT_NONE || s->bytes < want)
		return GRAVITY_FULL;
	last = slots_next(s, first);
	sum = slots_size(s, first) + slots_size(s, last);
	while (sum < want && slots_next(s, last) != SLOT_NONE) {
		last = slots_next(s, last);
		sum += slots_size(s, last);
	}
	while (sum < want) {
		first = slots_prev(s, first);
		assert(first != SLOT_NONE);
		sum += slots_size(s, first);
	}
	plan_fill(s, first, last, sum, out);
	return 0;
}

static int plan_cheapest(const struct slots *s, uint64_t want, struct plan *out)
{
	slot_id first = s->first;
	uint64_t sum = 0;
	bool found = false;

	for (slot_id last = s->first; last != SLOT_NONE; last = slots_next(s, last)) {
		struct plan run;
		sum += slots_size(s, last);
		while (sum - slots_size(s, first) >= want) {
			sum -= slots_size(s, first);
			first = slots_next(s, first);
		}
		if (sum < want)
			continue;
		plan_fill(s, first, last, sum, &run);
		if (!found || run.moved < out->moved)
			*out = run;
		found = true;
	}
	return found ? 0 : GRAVITY_FULL;
}

int plan_run(const struct slots *s, enum gravity_planner planner, uint64_t want, struct plan *out)
{
	return planner == GRAVITY_GRAVITY ? plan_gravity(s, want, out) : plan_cheapest(s, want, out);
}

int plan_tail(const struct slots *s, uint64_t file_end, uint64_t moved, struct plan *out)
{
	uint64_t occupied = 0;
	uint64_t sum = 0;
	uint64_t upper = file_end;
	slot_id first = SLOT_NONE;

	for (slot_id id = s->last; id != SLOT_NONE; id = slots_prev(s, id)) {
		const uint64_t gap = upper - slot_end(s, id);
		if (occupied + gap > moved)
			break;
		occupied += gap;
		sum += slots_size(s, id);
		upper = slots_start(s, id);
		first = id;
	}
	if (first == SLOT_NONE)
		return GRAVITY_FULL;
	out->start = slots_start(s, first);
	out->first_end = slot_end(s, first);
	out->end = file_end;
	out->free = sum;
	out->moved = occupied;
	return 0;
}
