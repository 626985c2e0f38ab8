/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* pending.c owns the extents that were freed and are not free yet.
 *
 * 1. `logged` and `loose` are in order of died.
 * 2. `bytes` is the sum of all sizes, `logged_bytes` of those in `logged`, `held_bytes` of those in the held lists.
 * 3. What is in the batch waits for nothing: nobody who could see it is there, or can come any more.
 * 4. An extent in a held list is out of every other condition but its snapshot's.
 *
 * Large numbers of extents are sorted by place, in batches, before they are inserted: those that touch are one insert,
 * and the others come to neighbours in the tree one after the other.
 *
 * Cost: an extent is looked at once for each condition that it waits for, and once more for each snapshot that holds
 * it in turn. */
#include "arena/space/pending.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Fewer are inserted as they come; more are sorted in turns, each some milliseconds. */
#define BATCH_LEAST 256u
#define BATCH_MOST  65536u
#define HELD_LOOKS  4096u /* some ten microseconds, before a step that takes a hundred */

void pending_init(struct pending *p, const struct os *os)
{
	memset(p, 0, sizeof *p);
	p->os = os;
}

static void queue_release(const struct os *os, struct extent_queue *q)
{
	os->free(os, q->ring);
	memset(q, 0, sizeof *q);
}

void pending_release(struct pending *p)
{
	if (p->os == NULL)
		return;
	queue_release(p->os, &p->logged);
	queue_release(p->os, &p->loose);
	ranges_release(&p->batch, p->os);
	p->batch_at = 0;
	for (uint32_t i = 0; i < p->held_count; i++)
		queue_release(p->os, &p->held[i].extents);
	p->os->free(p->os, p->held);
	p->held = NULL;
	p->held_count = p->held_capacity = 0;
}

void pending_adopt(struct pending *p, uintptr_t by, const struct os *os)
{
	p->os = os;
	p->logged.ring = os_moved(p->logged.ring, by);
	p->loose.ring = os_moved(p->loose.ring, by);
	ranges_adopt(&p->batch, by);
	p->held = os_moved(p->held, by);
	for (uint32_t i = 0; i < p->held_count; i++)
		p->held[i].extents.ring = os_moved(p->held[i].extents.ring, by);
}

static uint64_t queue_count(const struct extent_queue *q)
{
	return q->tail - q->head;
}

static struct extent *queue_at(const struct extent_queue *q, uint64_t index)
{
	assert(index >= q->head && index < q->tail);
	return &q->ring[index & (q->capacity - 1)];
}

/* Moves the ring to one of `capacity`, a power of two that holds all of it. */
static int queue_resize(const struct os *os, struct extent_queue *q, uint64_t capacity)
{
	const uint64_t count = queue_count(q);
	struct extent *ring = os->alloc(os, NULL, capacity * sizeof *ring);

	assert(count <= capacity);
	if (ring == NULL)
		return ENOMEM;
	for (uint64_t i = 0; i < count; i++)
		ring[i] = *queue_at(q, q->head + i);
	os->free(os, q->ring);
	q->ring = ring;
	q->capacity = capacity;
	q->head = 0;
	q->tail = count;
	return 0;
}

static int queue_reserve(const struct os *os, struct extent_queue *q, uint64_t extra)
{
	uint64_t capacity = q->capacity == 0 ? 64 : q->capacity;

	while (capacity - queue_count(q) < extra)
		capacity *= 2;
	return capacity == q->capacity ? 0 : queue_resize(os, q, capacity);
}

static void queue_push(struct extent_queue *q, struct extent e)
{
	assert(queue_count(q) < q->capacity);
	q->tail++;
	*queue_at(q, q->tail - 1) = e;
}

/* Gives back a ring that has become much too large. */
static void queue_shrink(const struct os *os, struct extent_queue *q)
{
	if (q->capacity > 1024 && queue_count(q) < q->capacity / 8)
		(void)queue_resize(os, q, q->capacity / 4);
}

int pending_reserve(struct pending *p, uint64_t extra)
{
	const int r = queue_reserve(p->os, &p->logged, extra);

	return r != 0 ? r : queue_reserve(p->os, &p->loose, extra);
}

void pending_add(struct pending *p, struct extent e, bool logged)
{
	struct extent_queue *q = logged ? &p->logged : &p->loose;

	assert(e.size > 0 && e.born <= e.died);
	assert(queue_count(q) == 0 || queue_at(q, q->tail - 1)->died <= e.died);
	queue_push(q, e);
	p->bytes += e.size;
	if (logged)
		p->logged_bytes += e.size;
}

static struct held_list *held_find(struct pending *p, uint64_t seq)
{
	for (uint32_t i = 0; i < p->held_count; i++)
		if (p->held[i].seq == seq)
			return &p->held[i];
	if (p->held_count == p->held_capacity) {
		struct held_list *held = os_grow(p->os, p->held, &p->held_capacity, 8, sizeof *held);
		if (held == NULL)
			return NULL;
		p->held = held;
	}
	memset(&p->held[p->held_count], 0, sizeof p->held[0]);
	p->held[p->held_count].seq = seq;
	return &p->held[p->held_count++];
}

/* Frees an extent that waits for nothing but snapshots, or hangs it on the newest that holds it. */
static int extent_settle(struct pending *p, struct slots *free_slots, const struct readers_view *view,
			 const struct extent *e)
{
	const uint64_t holder = readers_holder(view, e->born, e->died);
	struct held_list *held;
	int r;

	if (holder == 0) {
		r = slots_insert(free_slots, e->start, e->size);
		if (r == ENOMEM)
			return r;
		/* What is free already, since two entries of a hostile file led to it, is not free twice. */
		p->bytes -= e->size;
		return 0;
	}
	held = held_find(p, holder);
	if (held == NULL)
		return ENOMEM;
	r = queue_reserve(p->os, &held->extents, 1);
	if (r != 0)
		return r;
	queue_push(&held->extents, *e);
	p->held_bytes += e->size;
	return 0;
}

static uint64_t queue_drain(struct pending *p, struct slots *free_slots, const struct readers_view *view,
			    struct extent_queue *q, uint64_t died_max, uint64_t budget)
{
	uint64_t done = 0;

	for (; done < budget && queue_count(q) > 0; done++) {
		/* A copy: settling may move the rings of the held lists, never q's own. */
		const struct extent e = *queue_at(q, q->head);
		if (e.died > died_max || extent_settle(p, free_slots, view, &e) != 0)
			break;
		q->head++;
		if (q == &p->logged)
			p->logged_bytes -= e.size;
		else if (q != &p->loose)
			p->held_bytes -= e.size;
	}
	queue_shrink(p->os, q);
	return done;
}

/* Takes what waits for nothing off the queue, if that is much and no snapshot is open, and sorts it. Without memory the
 * queue is drained as it is. */
static void batch_take(struct pending *p, const struct readers_view *view, uint64_t died_max)
{
	struct extent_queue *q = &p->logged;
	uint64_t last = 0;
	uint64_t count = 0;

	if (view->count > 0 || queue_count(q) < BATCH_LEAST || queue_at(q, q->head + BATCH_LEAST - 1)->died > died_max)
		return;
	while (count < BATCH_MOST && q->head + count < q->tail && queue_at(q, q->head + count)->died <= died_max)
		count++;
	if (ranges_init(&p->batch, p->os, ranges_room(count, p->logged_bytes)) != 0)
		return;
	for (; count > 0; count--) {
		const struct extent *e = queue_at(q, q->head);
		ranges_add(&p->batch, e->start, e->size);
		last = e->start > last ? e->start : last;
		p->logged_bytes -= e->size;
		q->head++;
	}
	while (!ranges_sorted(&p->batch, last + 1))
		ranges_sort_pass(&p->batch);
	p->batch_at = 0;
	queue_shrink(p->os, q);
}

/* Of the next ranges. */
static void batch_ask(const struct pending *p, const struct slots *free_slots)
{
	uint64_t starts[SLOTS_ASK];
	unsigned count = 0;

	for (; count < SLOTS_ASK && p->batch_at + count < p->batch.count; count++)
		starts[count] = range_start(p->batch.list[p->batch_at + count]);
	slots_ask(free_slots, starts, count);
}

static uint64_t batch_drain(struct pending *p, struct slots *free_slots, uint64_t budget)
{
	const struct ranges *b = &p->batch;
	uint64_t asked = 0;
	uint64_t done = 0;

	while (done < budget && p->batch_at < b->count) {
		uint64_t next = p->batch_at;
		uint64_t start, size;
		if (p->batch_at >= asked) {
			batch_ask(p, free_slots);
			asked = p->batch_at + SLOTS_ASK;
		}
		ranges_take_run(b, &next, &start, &size);
		/* What is free already, since two entries of a hostile file led to it, is not free twice. */
		if (slots_insert(free_slots, start, size) == ENOMEM)
			return done;
		p->bytes -= size;
		done += next - p->batch_at;
		p->batch_at = next;
	}
	if (p->batch_at == b->count) {
		ranges_release(&p->batch, p->os);
		p->batch_at = 0;
	}
	return done;
}

static uint64_t logged_drain(struct pending *p, struct slots *free_slots, const struct readers_view *view,
			     uint64_t died_max, uint64_t budget)
{
	uint64_t done = 0;

	while (done < budget) {
		const uint64_t before = done;
		if (p->batch.count == 0)
			batch_take(p, view, died_max);
		if (p->batch.count > 0)
			done += batch_drain(p, free_slots, budget - done);
		else
			done += queue_drain(p, free_slots, view, &p->logged, died_max, budget - done);
		if (done == before)
			break;
	}
	return done;
}

static bool snapshot_open(const struct readers_view *view, uint64_t seq)
{
	for (uint32_t i = 0; i < view->count; i++)
		if (view->seq[i] == seq)
			return true;
	return false;
}

static uint64_t held_drain(struct pending *p, struct slots *free_slots, const struct readers_view *view,
			   uint64_t budget)
{
	uint64_t done = 0;

	for (uint32_t i = 0; i < p->held_count && done < budget;) {
		struct extent_queue q = p->held[i].extents;
		if (snapshot_open(view, p->held[i].seq)) {
			i++;
			continue;
		}
		/* Settling may add a list and so move `held`: work on a copy of the queue, put what is left back. */
		done += queue_drain(p, free_slots, view, &q, UINT64_MAX, budget - done);
		p->held[i].extents = q;
		if (queue_count(&q) > 0)
			break;
		queue_release(p->os, &p->held[i].extents);
		p->held[i] = p->held[--p->held_count];
	}
	return done;
}

uint64_t pending_drain(struct pending *p, struct slots *free_slots, struct readers *readers, uint64_t checkpoint,
		       uint64_t budget)
{
	struct readers_view *view = &readers->view;
	uint64_t done = 0;
	uint64_t died_max;

	if (p->bytes == 0)
		return 0;
	if (p->held_count == 0 && p->batch.count == 0 && queue_count(&p->loose) == 0 &&
	    (queue_count(&p->logged) == 0 || queue_at(&p->logged, p->logged.head)->died > checkpoint))
		return 0;
	readers_look(readers, view);
	died_max = view->pin;
	if (p->held_count > 0)
		done += held_drain(p, free_slots, view, budget);
	done += queue_drain(p, free_slots, view, &p->loose, died_max, budget - done);
	done += logged_drain(p, free_slots, view, died_max < checkpoint ? died_max : checkpoint, budget - done);
	return done;
}

/* Adds to *bytes what of the queue is seen; false: more have died since the oldest snapshot began than are looked at. */
static bool queue_held(const struct readers_view *view, const struct extent_queue *q, uint64_t *bytes)
{
	unsigned looks = 0;

	for (uint64_t i = q->tail; i > q->head; i--) {
		const struct extent *e = queue_at(q, i - 1);
		if (e->died <= view->seq[0])
			return true;
		if (++looks > HELD_LOOKS)
			return false;
		*bytes += readers_holder(view, e->born, e->died) != 0 ? e->size : 0;
	}
	return true;
}

uint64_t pending_held(struct pending *p, struct readers *readers)
{
	struct readers_view *view = &readers->view;
	uint64_t bytes = p->held_bytes;

	readers_look(readers, view);
	if (view->count == 0)
		return 0;
	return queue_held(view, &p->logged, &bytes) && queue_held(view, &p->loose, &bytes) ? bytes : p->bytes;
}

uint64_t pending_coming(struct pending *p, struct readers *readers)
{
	struct readers_view *view = &readers->view;
	uint64_t seen = 0;

	readers_look(readers, view);
	if (view->count > 0 && !(queue_held(view, &p->logged, &seen) && queue_held(view, &p->loose, &seen)))
		seen = 0;
	return p->bytes - p->held_bytes - seen;
}

uint64_t pending_count(const struct pending *p)
{
	uint64_t count = queue_count(&p->logged) + queue_count(&p->loose) + p->batch.count - p->batch_at;

	for (uint32_t i = 0; i < p->held_count; i++)
		count += queue_count(&p->held[i].extents);
	return count;
}

static int queue_each(const struct extent_queue *q, pending_visit *visit, void *arg)
{
	int r = 0;

	for (uint64_t i = q->head; r == 0 && i < q->tail; i++)
		r = visit(arg, queue_at(q, i));
	return r;
}

int pending_each(const struct pending *p, pending_visit *visit, void *arg)
{
	int r = queue_each(&p->logged, visit, arg);

	if (r == 0)
		r = queue_each(&p->loose, visit, arg);
	for (uint64_t i = p->batch_at; r == 0 && i < p->batch.count; i++) {
		const struct extent e = {.start = range_start(p->batch.list[i]), .size = range_size(p->batch.list[i])};
		r = visit(arg, &e);
	}
	for (uint32_t i = 0; r == 0 && i < p->held_count; i++)
		r = queue_each(&p->held[i].extents, visit, arg);
	return r;
}
