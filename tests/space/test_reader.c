/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_reader.c: pins and snapshots: who holds what, and what they see while commits are applied beside them. */
#define _GNU_SOURCE

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "arena/core.h"
#include "tests/arena/arena_fixture.h"

static struct readers readers;

static void state_set(uint64_t seq, uint64_t root)
{
	(void)readers_apply_begin(&readers);
	readers_apply_end(&readers, seq, root);
}

static void setup(void)
{
	memset(&readers, 0, sizeof(readers));
	must_give(readers_init(&readers, os_posix()), 0);
	state_set(1, 100);
}

static void teardown(void)
{
	readers_release(&readers);
}

/* A snapshot sees the commit and the table that were the newest when it began. */
START_TEST(snapshot_sees_the_newest_commit)
{
	uint32_t a, b;

	must_give(readers_snapshot(&readers, &a), 0);
	state_set(2, 200);
	must_give(readers_snapshot(&readers, &b), 0);
	must(readers.txns[a].seq == 1 && readers.txns[a].root == 100);
	must(readers.txns[b].seq == 2 && readers.txns[b].root == 200);
	readers_end(&readers, a);
	readers_end(&readers, b);
	must(atomic_load(&readers.snapshots) == 0);
}
END_TEST

/* Before a change the writer learns of the newest snapshot, and of none once all have ended; pins do not count. */
START_TEST(writer_learns_of_snapshots)
{
	const uint32_t pin = readers_pin(&readers);
	uint32_t slot[3];

	must(readers_apply_begin(&readers) == 0);
	readers_apply_end(&readers, 2, 200);
	for (uint64_t i = 0; i < 3; i++) {
		must_give(readers_snapshot(&readers, &slot[i]), 0);
		must(readers_apply_begin(&readers) == i + 2);
		readers_apply_end(&readers, i + 3, 300);
	}
	readers_end(&readers, slot[2]);
	must(readers_apply_begin(&readers) == 3);
	readers_apply_end(&readers, 6, 300);
	readers_end(&readers, slot[0]);
	readers_end(&readers, slot[1]);
	must(readers_apply_begin(&readers) == 0);
	readers_apply_end(&readers, 7, 300);
	readers_unpin(&readers, pin);
}
END_TEST

/* An extent is held by the newest snapshot that sees it, and by none that began before it lived or after it died. */
START_TEST(holder_is_precise)
{
	static struct readers_view view;
	struct rng r = rng_make(1);

	for (unsigned turn = 0; turn < 2000; turn++) {
		uint64_t born, died;
		uint64_t want = 0;
		view.count = (uint32_t)rng_below(&r, 12);
		for (uint32_t i = 0; i < view.count; i++)
			view.seq[i] = (i == 0 ? 1 : view.seq[i - 1] + 1) + rng_below(&r, 5);
		born = 1 + rng_below(&r, 60);
		died = born + rng_below(&r, 30);
		for (uint32_t i = 0; i < view.count; i++)
			if (view.seq[i] >= born && view.seq[i] < died)
				want = view.seq[i];
		must(readers_holder(&view, born, died) == want);
	}
}
END_TEST

/* A look gives the oldest pin, or the newest commit where there is none, and the snapshots in rising order, each commit once. */
START_TEST(look_gives_every_holder)
{
	static struct readers_view view;
	uint32_t snapshot[30];
	uint32_t pin[2];

	readers_look(&readers, &view);
	must(view.count == 0 && view.pin == 1);
	for (uint32_t i = 0; i < 30; i++) {
		state_set(10 + i / 3, 100);
		if (i == 10 || i == 20)
			pin[i / 20] = readers_pin(&readers);
		must_give(readers_snapshot(&readers, &snapshot[i]), 0);
	}
	readers_look(&readers, &view);
	must(view.count == 10 && view.pin == 13);
	for (uint32_t i = 0; i < 10; i++)
		must(view.seq[i] == 10 + i);
	readers_unpin(&readers, pin[0]);
	for (uint32_t i = 0; i < 30; i += i % 3 == 1 ? 2u : 1u)
		readers_end(&readers, snapshot[i]);
	readers_look(&readers, &view);
	must(view.pin == 16);
	must(view.count == 10);
	for (uint32_t i = 2; i < 30; i += 3)
		readers_end(&readers, snapshot[i]);
	readers_unpin(&readers, pin[1]);
	readers_look(&readers, &view);
	must(view.count == 0 && view.pin == 19);
	/* What a commit replaces is held until the commit is published. */
	(void)readers_apply_begin(&readers);
	readers_look(&readers, &view);
	must(view.pin == 19);
	readers_apply_end(&readers, 20, 200);
	readers_look(&readers, &view);
	must(view.pin == 20);
}
END_TEST

/* At least 1,000 snapshots may be open; the one too many is GRAVITY_READERS, and pins are had all the same. */
START_TEST(many_snapshots_and_still_pins)
{
	static uint32_t slot[READER_SLOTS];
	uint32_t count = 0;
	uint32_t pins[100];
	uint32_t one;
	int r;

	while ((r = readers_snapshot(&readers, &slot[count])) == 0)
		count++;
	must_give(r, GRAVITY_READERS);
	must(count >= 1000 && count == READER_SNAPSHOTS);
	for (unsigned i = 0; i < 100; i++)
		pins[i] = readers_pin(&readers);
	for (unsigned i = 0; i < 100; i++)
		readers_unpin(&readers, pins[i]);
	readers_end(&readers, slot[500]);
	must_give(readers_snapshot(&readers, &one), 0);
	must_give(readers_snapshot(&readers, &slot[500]), GRAVITY_READERS);
	slot[500] = one;
	for (uint32_t i = 0; i < count; i++)
		readers_end(&readers, slot[i]);
	must_give(readers_snapshot(&readers, &one), 0);
	readers_end(&readers, one);
}
END_TEST

/* --- threads ------------------------------------------------------------------------------------------------------ */

#define THREADS 4u
#define WORDS   64u

/* Two copies of a state; the writer changes the one that no snapshot sees, as the table does, and each word of a state
 * is its number. */
struct world {
	_Atomic uint64_t word[1024][WORDS]; /* by root */
	_Atomic uint64_t taken;
	_Atomic bool stop;
};

static struct world *world;

static void *snapshots_take(void *arg)
{
	uint64_t last = 0;

	(void)arg;
	while (!atomic_load(&world->stop)) {
		uint32_t slot;
		uint64_t seq, root;
		must_give(readers_snapshot(&readers, &slot), 0);
		seq = readers.txns[slot].seq;
		root = readers.txns[slot].root;
		must(seq >= last);
		last = seq;
		for (unsigned w = 0; w < WORDS; w++)
			must(atomic_load_explicit(&world->word[root][w], memory_order_relaxed) == seq);
		readers_end(&readers, slot);
		atomic_fetch_add(&world->taken, 1);
	}
	return NULL;
}

static void *pins_take(void *arg)
{
	(void)arg;
	while (!atomic_load(&world->stop)) {
		const uint32_t slot = readers_pin(&readers);
		const uint64_t root = atomic_load(&readers.root);
		const uint64_t first = atomic_load_explicit(&world->word[root][0], memory_order_relaxed);
		for (unsigned w = 0; w < WORDS; w++)
			must(atomic_load_explicit(&world->word[root][w], memory_order_relaxed) == first);
		readers_unpin(&readers, slot);
	}
	return NULL;
}

/* A root that nobody looks at: it died with a commit that no pin is before, and no snapshot sees it. */
static uint64_t root_unused(const uint64_t *born, const uint64_t *died)
{
	static struct readers_view view;

	readers_look(&readers, &view);
	for (uint64_t root = 0; root < 1024; root++)
		if (died[root] != 0 && died[root] <= view.pin && readers_holder(&view, born[root], died[root]) == 0)
			return root;
	return UINT64_MAX;
}

/* Whatever snapshots and pins come and go meanwhile, nobody ever sees a state that is being written over, nor half of
 * one, nor one older than the last that it saw. */
START_TEST(readers_see_whole_states)
{
	static uint64_t born[1024], died[1024];
	pthread_t thread[THREADS];
	const uint64_t rounds = testing_count(20000, 2000);
	uint64_t seq = 1;
	uint64_t now = 0;
	uint64_t reused = 0;

	world = calloc(1, sizeof(*world));
	must(world != NULL);
	for (unsigned i = 0; i < 1024; i++)
		died[i] = 1;
	died[0] = 0;
	born[0] = 2;
	seq = 2;
	for (unsigned w = 0; w < WORDS; w++)
		atomic_store(&world->word[0][w], 2);
	state_set(2, 0);
	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_create(&thread[t], NULL, t % 2 == 0 ? snapshots_take : pins_take, NULL) == 0);
	for (uint64_t i = 0; i < rounds || atomic_load(&world->taken) < 100 || reused == 0; i++) {
		const uint64_t to = root_unused(born, died);
		if (to == UINT64_MAX) {
			os_pause(3);
			continue;
		}
		seq++;
		reused += born[to] != 0;
		for (unsigned w = 0; w < WORDS; w++)
			atomic_store_explicit(&world->word[to][w], seq, memory_order_relaxed);
		(void)readers_apply_begin(&readers);
		if (i % 64 == 0)
			os_pause(5); /* so that readers meet it */
		born[to] = seq;
		died[to] = 0;
		died[now] = seq;
		now = to;
		readers_apply_end(&readers, seq, to);
	}
	atomic_store(&world->stop, true);
	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_join(thread[t], NULL) == 0);
	must(reused > 0);
	free(world);
}
END_TEST

/* --- arenas ------------------------------------------------------------------------------------------------------- */

struct pair {
	arena *a;
	_Atomic bool stop;
	uint64_t looked;
};

static uint64_t number_of(const struct arena_blob *b)
{
	uint64_t n;

	must(b->size == 3000);
	memcpy(&n, b->data, sizeof(n));
	must(bytes_fit((const uint8_t *)b->data + 8, b->size - 8, n));
	return n;
}

static void *pair_snapshots(void *arg)
{
	struct pair *p = arg;
	uint64_t last = 0;

	while (!atomic_load(&p->stop)) {
		struct arena_blob one, other;
		arena_txn *t;
		must_give(arena_begin(p->a, ARENA_READ, &t), 0);
		must_give(arena_find(t, model_name(1), &one), 0);
		must_give(arena_find(t, model_name(2), &other), 0);
		must(number_of(&one) == number_of(&other) && number_of(&one) >= last);
		last = number_of(&one);
		must_give(arena_commit(t), 0);
	}
	return NULL;
}

static void *pair_pins(void *arg)
{
	struct pair *p = arg;
	uint64_t last = 0;

	while (!atomic_load(&p->stop)) {
		struct arena_blob one;
		arena_pin pin;
		must_give(arena_pin_take(p->a, &pin), 0);
		must_give(arena_pin_find(p->a, model_name(1), &one), 0);
		must(number_of(&one) >= last);
		last = number_of(&one);
		arena_pin_drop(p->a, pin);
	}
	return NULL;
}

static void pair_write(arena *a, uint64_t n)
{
	arena_txn *t;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (unsigned i = 1; i <= 2; i++) {
		uint8_t *data;
		void *to;
		must_give(arena_put(t, model_name(i), 0, 3000, &to), 0);
		data = to;
		memcpy(data, &n, sizeof(n));
		bytes_make(data + 8, 3000 - 8, n);
	}
	must_give(arena_commit(t), 0);
}

/* Records that are written together are seen together, and space that is used again is never that of a reader, through
 * checkpoints and compactions, in a file and in memory. */
START_TEST(readers_beside_a_busy_writer)
{
	const uint64_t rounds = testing_count(6000, 600);

	for (unsigned kind = 0; kind < 2; kind++) {
		struct pair p = {.a = arena_lazy(kind == 0 ? NULL : testing_path)};
		pthread_t thread[THREADS];
		pair_write(p.a, 1);
		for (unsigned t = 0; t < THREADS; t++)
			must(pthread_create(&thread[t], NULL, t % 2 == 0 ? pair_snapshots : pair_pins, &p) == 0);
		for (uint64_t n = 2; n < rounds; n++) {
			pair_write(p.a, n);
			if (n % 500 == 0)
				must_give(arena_checkpoint(p.a), 0);
			if (n % 1100 == 0) {
				/* It ends where the snapshots of that time would hold too much. */
				const int r = arena_compact(p.a, GRAVITY_DEFAULT, 0, NULL, NULL);
				must(r == 0 || r == GRAVITY_BUSY);
			}
		}
		atomic_store(&p.stop, true);
		for (unsigned t = 0; t < THREADS; t++)
			must(pthread_join(thread[t], NULL) == 0);
		arena_must_be_sound(p.a);
		arena_must_close(p.a);
	}
}
END_TEST

/* Writers in several threads take turns, and each commit is there in the end. */
static void *numbers_put(void *arg)
{
	struct pair *p = arg;
	static _Atomic uint64_t next;
	const uint64_t from = atomic_fetch_add(&next, 1000000);

	for (uint64_t i = 0; i < p->looked; i++) {
		arena_txn *t;
		void *data;
		must_give(arena_begin(p->a, ARENA_WRITE, &t), 0);
		must_give(arena_begin(p->a, ARENA_WRITE, &(arena_txn *){NULL}), GRAVITY_INVALID);
		must_give(arena_put(t, (vpos){mix64(from + i)}, 0, 8, &data), 0);
		memcpy(data, &i, sizeof(i));
		must_give(arena_commit(t), 0);
	}
	return NULL;
}

START_TEST(writers_take_turns)
{
	struct arena_options o = plain_options(0, GRAVITY_DURABLE);
	struct pair p = {.a = arena_must_open(testing_path, &o), .looked = testing_count(200, 50)};
	pthread_t thread[THREADS];
	struct arena_stats stats;

	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_create(&thread[t], NULL, numbers_put, &p) == 0);
	for (unsigned t = 0; t < THREADS; t++)
		must(pthread_join(thread[t], NULL) == 0);
	must_give(arena_stat(p.a, &stats), 0);
	must(stats.blobs == THREADS * p.looked && stats.durable_seq == stats.commit_seq);
	arena_must_be_sound(p.a);
	arena_must_close(p.a);
	file_must_be_sound(testing_path);
}
END_TEST

/* Waits for the writer's lock, and says when it has it. */
static void *turn_take(void *arg)
{
	struct pair *p = arg;
	arena_txn *t;

	must_give(arena_begin(p->a, ARENA_WRITE, &t), 0);
	atomic_store(&p->stop, true);
	must_give(arena_commit(t), 0);
	return NULL;
}

/* A writer that waits is passed a few times by one that never pauses, and no more. */
START_TEST(a_waiting_writer_gets_its_turn)
{
	const uint64_t turns = testing_count(100, 20);

	for (uint64_t n = 0; n < turns; n++) {
		struct pair p = {.a = arena_lazy(NULL)};
		unsigned passed = 0;
		pthread_t thread;
		arena_txn *t;
		must_give(arena_begin(p.a, ARENA_WRITE, &t), 0);
		must(pthread_create(&thread, NULL, turn_take, &p) == 0);
		for (unsigned turn = 0; atomic_load(&p.a->writer_latch.waiting) == 0; turn++)
			os_pause(turn);
		for (;; passed++) {
			must_give(arena_commit(t), 0);
			must_give(arena_begin(p.a, ARENA_WRITE, &t), 0);
			if (atomic_load(&p.stop))
				break;
		}
		must(passed <= LATCH_PASSED_MOST);
		must_give(arena_commit(t), 0);
		must(pthread_join(thread, NULL) == 0);
		arena_must_close(p.a);
	}
}
END_TEST

int main(void)
{
	const TTest *const slots[] = {
		snapshot_sees_the_newest_commit, writer_learns_of_snapshots,    holder_is_precise,
		look_gives_every_holder,         many_snapshots_and_still_pins, readers_see_whole_states,
	};
	Suite *suite = suite_create("reader");
	TCase *tc = testing_case(suite, "slots", false);

	tcase_add_checked_fixture(tc, setup, teardown);
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		tcase_add_test(tc, slots[i]);
	testing_add(suite, "arenas",
		    TESTS(readers_beside_a_busy_writer, writers_take_turns, a_waiting_writer_gets_its_turn));
	return testing_main(suite);
}
