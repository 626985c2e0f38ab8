/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stretches.c owns the list of what is not flushed yet.
 *
 * 1. The writer alone changes it, while `generation` is odd. A copy counts if the generation was even and the same before and
 *    after it: then it is the list as it was after one commit.
 * 2. The stretches, or `whole`, cover all that was committed since the newest flush that has returned. What that flush covers is
 *    taken out by the first commit after it (`dropped`): other commits do not go over the list.
 *
 * The words of the list are read while they may be written, so each is atomic, without an order of its own: the order is the
 * generation's. It becomes odd by an exchange, behind which no store of a word moves back; the copy ends with an addition of
 * nothing, before which no load of a word is left behind.
 *
 * Cost: two stores more than the words; no instruction that locks but one exchange. */
#include "arena/log/stretches.h"

#include "arena/broken.h"
#include "arena/os/thread.h"

#define GAP (4 * DISK_PAGE)
#ifndef TRIES
#define TRIES 36u /* to copy it; between the last of them are naps, in which a writer that was stopped gets on */
#endif

static uint64_t word_get(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static void word_set(_Atomic uint64_t *p, uint64_t value)
{
	atomic_store_explicit(p, value, memory_order_relaxed);
}

/* So near to another stretch that what lies between is flushed with them, rather than by a flush more. */
static bool stretch_near(const struct stretches *s, uint64_t i, const struct log_stretch *one)
{
	return one->start <= word_get(&s->at[i].end) + GAP && word_get(&s->at[i].start) <= one->end + GAP;
}

static void stretch_put(struct stretches *s, uint64_t i, uint64_t start, uint64_t end, uint64_t seq)
{
	word_set(&s->at[i].start, start);
	word_set(&s->at[i].end, end);
	word_set(&s->at[i].seq, seq);
}

static void stretch_drop(struct stretches *s, uint64_t durable)
{
	const uint64_t count = word_get(&s->count);
	uint64_t kept = 0;

	if (s->dropped == durable)
		return;
	s->dropped = durable;
	for (uint64_t i = 0; i < count; i++) {
		if (word_get(&s->at[i].seq) <= durable)
			continue;
		if (kept < i)
			stretch_put(s, kept, word_get(&s->at[i].start), word_get(&s->at[i].end),
				    word_get(&s->at[i].seq));
		kept++;
	}
	word_set(&s->count, kept);
}

static void stretch_note(struct stretches *s, const struct log_stretch *one, uint64_t seq)
{
	const uint64_t count = word_get(&s->count);

	/* From the newest on: a commit goes on where the one before ended. */
	for (uint64_t i = count; i-- > 0;) {
		const uint64_t start = word_get(&s->at[i].start);
		const uint64_t end = word_get(&s->at[i].end);
		if (!stretch_near(s, i, one))
			continue;
		stretch_put(s, i, one->start < start ? one->start : start, one->end > end ? one->end : end, seq);
		return;
	}
	if (count == STRETCHES_MOST) {
		word_set(&s->whole, seq);
		return;
	}
	stretch_put(s, count, one->start, one->end, seq);
	word_set(&s->count, count + 1);
}

void stretches_note(struct stretches *s, const struct log_stretch *list, uint32_t count, uint64_t seq, uint64_t durable)
{
	const uint64_t generation = word_get(&s->generation);

	(void)atomic_exchange_explicit(&s->generation, generation + 1, memory_order_acq_rel);
	stretch_drop(s, durable);
	if (word_get(&s->whole) > durable)
		word_set(&s->whole, seq);
	for (uint32_t i = 0; i < count && word_get(&s->whole) <= durable; i++)
		stretch_note(s, &list[i], seq);
	atomic_store_explicit(&s->seq, seq, memory_order_release);
	atomic_store_explicit(&s->generation, generation + 2, memory_order_release);
}

static bool copy_try(struct stretches *s, uint64_t durable, struct stretches_copy *copy)
{
	const uint64_t generation = atomic_load_explicit(&s->generation, memory_order_acquire);
	const uint64_t count = word_get(&s->count);

	if ((generation & 1) != 0)
		return false;
	copy->seq = word_get(&s->seq);
	copy->whole = word_get(&s->whole) > durable;
	copy->count = 0;
	for (uint64_t i = 0; i < count && i < STRETCHES_MOST; i++)
		if (word_get(&s->at[i].seq) > durable)
			copy->at[copy->count++] =
				(struct log_stretch){word_get(&s->at[i].start), word_get(&s->at[i].end)};
	return atomic_fetch_add_explicit(&s->generation, 0, memory_order_acq_rel) == generation ||
	       broken(BROKEN_GENERATION);
}

void stretches_copy(struct stretches *s, uint64_t durable, struct stretches_copy *copy)
{
	for (unsigned n = 0; n < TRIES; n++) {
		if (copy_try(s, durable, copy))
			return;
		os_pause(n);
	}
	/* As it cannot be had whole, everything: that is right for whatever it holds. */
	copy->seq = atomic_load_explicit(&s->seq, memory_order_acquire);
	copy->whole = true;
	copy->count = 0;
}
