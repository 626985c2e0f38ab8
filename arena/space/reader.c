/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* reader.c owns the reader slots and the state that readers start from.
 *
 * 1. A slot belongs to the thread that moved it from FREE, until that thread moves it back; only the writer may move it
 *    from WAIT to SNAP meanwhile.
 * 2. `root` and `seq` change only while `apply` is odd.
 * 3. Every slot that is not FREE is below `high`.
 * 4. No pointer stands in a slot: what a transaction needs beside it is in `txns`, which only its handle looks at.
 *
 * Cost: a pin is one compare-and-swap and one store; a look is one load for each slot below `high`. */
#include "arena/space/reader.h"

#include <assert.h>
#include <stdlib.h>

#include "arena/broken.h"
#include "arena/gravity.h"
#include "arena/os/thread.h"

#define PIN_TURNS 200u /* of os_pause, some milliseconds each at the end: a point read is over long before */

/* Where this thread found a free slot last: threads settle on slots, and cache lines, of their own. */
static _Thread_local uint32_t reader_hint;

int readers_init(struct readers *r, const struct os *os)
{
	void *slots = NULL;
	int result;

	r->os = os;
	r->slots_reserve = READER_SLOTS * (sizeof *r->slots + sizeof *r->txns);
	/* A forked child is told by the transactions of its parent that they are not its own. */
	result = os->map(os, OS_NOFILE, OS_MAP_MEMORY, r->slots_reserve, &r->slots_reserve, &slots);
	if (result != 0)
		return result;
	r->slots = slots;
	r->txns = (arena_txn *)(void *)(r->slots + READER_SLOTS);
	return 0;
}

void readers_release(struct readers *r)
{
	if (r->slots != NULL)
		(void)r->os->unmap(r->os, r->slots, r->slots_reserve);
	r->slots = NULL;
}

static void high_raise(struct readers *r, uint32_t to)
{
	uint32_t high = atomic_load(&r->high);

	while (high < to && !atomic_compare_exchange_weak(&r->high, &high, to))
		;
}

static bool slot_claim(struct readers *r, uint32_t slot, uint64_t state)
{
	uint64_t expected = READER_FREE;

	if (atomic_load_explicit(&r->slots[slot].state, memory_order_relaxed) != READER_FREE)
		return false;
	if (slot >= atomic_load_explicit(&r->high, memory_order_relaxed))
		high_raise(r, slot + 1);
	return atomic_compare_exchange_strong(&r->slots[slot].state, &expected, state);
}

static uint32_t slot_find(struct readers *r, uint64_t state)
{
	const uint32_t hint = reader_hint;

	for (unsigned turn = 0;; turn++) {
		if (hint < READER_SLOTS && slot_claim(r, hint, state))
			return hint;
		for (uint32_t i = 0; i < READER_SLOTS; i++) {
			if (slot_claim(r, i, state)) {
				reader_hint = i;
				return i;
			}
		}
		os_pause(turn);
	}
}

uint32_t readers_pin(struct readers *r)
{
	const uint64_t seq = atomic_load_explicit(&r->seq, memory_order_acquire);

	return slot_find(r, READER_PIN | seq);
}

void readers_unpin(struct readers *r, uint32_t slot)
{
	assert((atomic_load_explicit(&r->slots[slot].state, memory_order_relaxed) & READER_WHAT) == READER_PIN);
	atomic_store_explicit(&r->slots[slot].state, READER_FREE, memory_order_release);
}

/* The state between two applies, read whole; false when there is none to be had without waiting. */
static bool state_read(const struct readers *r, uint64_t *seq, uint64_t *root)
{
	const uint64_t apply = atomic_load(&r->apply);

	if ((apply & 1) && !broken(BROKEN_SNAPSHOT_APPLY))
		return false;
	*seq = atomic_load(&r->seq);
	*root = atomic_load(&r->root);
	return broken(BROKEN_SNAPSHOT_LOOK) || atomic_load(&r->apply) == apply;
}

int readers_snapshot(struct readers *r, uint32_t *slot)
{
	struct reader_slot *s;
	arena_txn *t;
	uint64_t wait = READER_WAIT;

	if (atomic_fetch_add(&r->snapshots, 1) >= READER_SNAPSHOTS) {
		atomic_fetch_sub(&r->snapshots, 1);
		return GRAVITY_READERS;
	}
	*slot = slot_find(r, READER_WAIT);
	s = &r->slots[*slot];
	t = &r->txns[*slot];
	for (unsigned turn = 0; atomic_load(&s->state) == READER_WAIT; turn++) {
		uint64_t seq, root;
		if (state_read(r, &seq, &root)) {
			t->root = root;
			if (atomic_compare_exchange_strong(&s->state, &wait, READER_SNAP | seq)) {
				t->seq = seq;
				return 0;
			}
		} else {
			os_pause(turn);
		}
	}
	/* The writer handed it over. */
	t->seq = atomic_load(&s->state) & READER_SEQ;
	t->root = s->handed_root;
	return 0;
}

void readers_end(struct readers *r, uint32_t slot)
{
	assert((atomic_load_explicit(&r->slots[slot].state, memory_order_relaxed) & READER_WHAT) == READER_SNAP);
	atomic_store_explicit(&r->slots[slot].state, READER_FREE, memory_order_release);
	atomic_fetch_sub(&r->snapshots, 1);
}

uint64_t readers_newest(const struct readers *r)
{
	const uint64_t now = atomic_load_explicit(&r->seq, memory_order_relaxed);
	uint64_t newest = 0;
	uint32_t high;

	if (atomic_load(&r->snapshots) == 0)
		return 0;
	high = atomic_load(&r->high);
	for (uint32_t i = 0; i < high; i++) {
		const uint64_t state = atomic_load(&r->slots[i].state);
		const uint64_t what = state & READER_WHAT;
		const uint64_t seq = what == READER_WAIT ? now : state & READER_SEQ;
		if ((what == READER_SNAP || (what == READER_WAIT && !broken(BROKEN_SNAPSHOT_NEW))) && seq > newest)
			newest = seq;
	}
	return newest;
}

void readers_let_pins(const struct readers *r)
{
	const uint32_t high = atomic_load(&r->high);

	for (uint32_t i = 0; i < high; i++) {
		const uint64_t state = atomic_load(&r->slots[i].state);
		if ((state & READER_WHAT) != READER_PIN)
			continue;
		for (unsigned turn = 0; turn < PIN_TURNS && atomic_load(&r->slots[i].state) == state; turn++)
			os_pause(turn);
	}
}

uint64_t readers_apply_begin(struct readers *r)
{
	const uint64_t late = broken(BROKEN_APPLY_LATE) ? readers_newest(r) : 0;

	assert((atomic_load_explicit(&r->apply, memory_order_relaxed) & 1) == 0);
	atomic_fetch_add(&r->apply, 1);
	return broken(BROKEN_APPLY_LATE) ? late : readers_newest(r);
}

void readers_apply_end(struct readers *r, uint64_t seq, uint64_t root)
{
	assert(atomic_load_explicit(&r->apply, memory_order_relaxed) & 1);
	assert(seq >= atomic_load_explicit(&r->seq, memory_order_relaxed));
	if (broken(BROKEN_PUBLISH_SEQ))
		atomic_store(&r->seq, seq);
	atomic_store(&r->root, root);
	atomic_store(&r->seq, seq);
	if (atomic_load(&r->snapshots) != 0) {
		const uint32_t high = atomic_load(&r->high);
		for (uint32_t i = 0; i < high; i++) {
			uint64_t wait = READER_WAIT;
			if (atomic_load(&r->slots[i].state) != READER_WAIT)
				continue;
			if (!broken(BROKEN_SNAPSHOT_HANDED))
				r->slots[i].handed_root = root;
			atomic_compare_exchange_strong(&r->slots[i].state, &wait, READER_SNAP | seq);
			if (broken(BROKEN_SNAPSHOT_HANDED))
				r->slots[i].handed_root = root;
		}
	}
	atomic_fetch_add(&r->apply, 1);
}

void readers_apply_cancel(struct readers *r)
{
	readers_apply_end(r, atomic_load_explicit(&r->seq, memory_order_relaxed),
			  atomic_load_explicit(&r->root, memory_order_relaxed));
}

static int seq_compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a;
	const uint64_t y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void readers_look(const struct readers *r, struct readers_view *view)
{
	const uint64_t now = atomic_load(&r->seq);
	const uint32_t high = atomic_load(&r->high);
	uint32_t kept = 0;

	/* A pin that begins now is not seen, and follows what is published now. */
	view->pin = now + broken(BROKEN_LOOK_AHEAD);
	view->count = 0;
	for (uint32_t i = 0; i < high; i++) {
		const uint64_t state = atomic_load(&r->slots[i].state);
		const uint64_t what = state & READER_WHAT;
		const uint64_t seq = state & READER_SEQ;
		if (what == READER_PIN && seq < view->pin && !broken(BROKEN_REUSE_PIN))
			view->pin = seq;
		else if (what == READER_SNAP || what == READER_WAIT)
			view->seq[view->count++] = what == READER_WAIT ? now : seq;
	}
	if (view->count > 1)
		qsort(view->seq, view->count, sizeof view->seq[0], seq_compare);
	for (uint32_t i = 0; i < view->count; i++)
		if (kept == 0 || view->seq[kept - 1] != view->seq[i])
			view->seq[kept++] = view->seq[i];
	view->count = kept;
}

uint64_t readers_holder(const struct readers_view *view, uint64_t born, uint64_t died)
{
	uint32_t low = 0;
	uint32_t high = view->count;

	/* The last snapshot before died. */
	while (low < high) {
		const uint32_t middle = low + (high - low) / 2;
		if (view->seq[middle] < died)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || view->seq[low - 1] < born || broken(BROKEN_REUSE_SNAPSHOT))
		return 0;
	return view->seq[low - 1];
}

bool readers_gone(const struct readers *r, uint64_t seq)
{
	const uint32_t high = atomic_load(&r->high);

	for (uint32_t i = 0; i < high; i++) {
		const uint64_t state = atomic_load(&r->slots[i].state);
		const uint64_t what = state & READER_WHAT;
		if (state != READER_FREE && (what == READER_WAIT || (state & READER_SEQ) <= seq))
			return false;
	}
	return true;
}
