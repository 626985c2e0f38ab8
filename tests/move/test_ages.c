/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_ages.c: snapshots of different ages, while what they see is replaced, deleted and moved.
 *
 * A world draws the sizes of values and transactions. Up to three snapshots are open, begun one after the other, and end in any
 * order. Meanwhile
 *
 *   each snapshot sees its commit, record by record, and the store the newest one
 *   the file has the bound of gkv.h: what lives, with its share, what the snapshots see, and what the transactions ask for
 *   under a limit a put is refused only if what lives, what the snapshots see, and what was moved beside them leave less
 *   than a quarter of it: holes between what is seen, which stays where it is, and what puts leave alone. Deletes succeed
 *
 * and when the last of them has ended 64 commits of a kilobyte, or a close, make the file as short as it would be without
 * them. The files are real, and their flushes are not. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/testing.h"
#include "tests/unflushed.h"

#define KEYS_MOST   16000u
#define AGES        3u
#define VALUE_MOST  (64 * KIB)
#define CUT_COMMITS 64u
#define SMALL_MOST  512u /* bytes of a record that is a small one */
#define HISTORY     4096u
#define TURNS_MOST  40u /* with three snapshots, until a put is refused */
#define HEAD        48u /* bytes of a record beside its value */

/* What one commit has. */
struct contents {
	uint32_t size[KEYS_MOST];
	uint64_t number[KEYS_MOST]; /* 0: there is no such record */
	uint64_t records;
};

struct age {
	gkv_txn *txn;
	uint64_t sees; /* bytes */
	struct contents contents;
};

struct world {
	gkv *db;
	gkv_options options;
	struct rng rng;
	unsigned keys;
	uint64_t value_least, value_most, txn_records, factor, largest, puts;
	struct contents now;
	struct age ages[AGES]; /* the oldest first */
	unsigned open;
	/* Commits, and after each of them what lived, and what the snapshots saw. */
	uint64_t seq[HISTORY], live[HISTORY], sees[HISTORY], count;
	uint64_t checkpoint, checkpoint_before;
	uint8_t value[VALUE_MOST];
};

static struct world world;

/* --- contents ----------------------------------------------------------------------------------------------------- */

static void contents_hold(struct world *w, const struct contents *c, gkv_txn *txn, unsigned every)
{
	for (unsigned key = (unsigned)rng_below(&w->rng, every); key < w->keys; key += every) {
		gkv_bytes val;
		must_give(gkv_txn_get(txn, &key, sizeof(key), &val), c->number[key] != 0 ? GKV_OK : GKV_NOTFOUND);
		must(c->number[key] == 0 || val.size == c->size[key]);
		must(c->number[key] == 0 || bytes_fit(val.data, val.size, c->number[key]));
	}
}

/* An iteration shows as many records as it has, besides one of the commits that follow the snapshots. */
static void age_holds(struct world *w, const struct age *age)
{
	gkv_bytes val;
	const uint64_t small = gkv_txn_get(age->txn, "small", 5, &val) == GKV_OK;

	contents_hold(w, &age->contents, age->txn, 1);
	must(txn_records(age->txn) == age->contents.records + small);
}

static void world_holds(struct world *w)
{
	gkv_txn *txn = store_begin(w->db, GKV_READ);

	contents_hold(w, &w->now, txn, 1);
	gkv_abort(txn);
}

static void now_set(struct world *w, unsigned key, uint64_t number, uint64_t size)
{
	w->now.records -= w->now.number[key] != 0;
	w->now.records += number != 0;
	w->now.number[key] = number;
	w->now.size[key] = (uint32_t)size;
}

/* --- snapshots ---------------------------------------------------------------------------------------------------- */

static void age_begin(struct world *w)
{
	struct age *age = &w->ages[w->open++];

	age->txn = store_begin(w->db, GKV_READ);
	age->sees = store_stat(w->db).live_bytes;
	age->contents = w->now;
}

static void age_end(struct world *w, unsigned i)
{
	age_holds(w, &w->ages[i]);
	gkv_abort(w->ages[i].txn);
	w->open--;
	for (; i < w->open; i++)
		w->ages[i] = w->ages[i + 1];
}

static bool age_sees(const struct age *age, unsigned key, uint64_t number)
{
	return number != 0 && age->contents.number[key] == number;
}

/* Of records that a snapshot sees, and the newest commit does not: each once. */
static uint64_t seen_bytes(const struct world *w)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < w->open; i++)
		for (unsigned key = 0; key < w->keys; key++) {
			const uint64_t number = w->ages[i].contents.number[key];
			bool twice = number == 0 || w->now.number[key] == number;
			for (unsigned k = 0; !twice && k < i; k++)
				twice = age_sees(&w->ages[k], key, number);
			bytes += twice ? 0 : w->ages[i].contents.size[key] + HEAD;
		}
	return bytes;
}

/* --- the bound ---------------------------------------------------------------------------------------------------- */

static uint64_t rest_most(const struct world *w, uint64_t live)
{
	return live / 100 * w->factor + w->factor + 4 * MIB;
}

/* The largest since the last but one checkpoint began, and of the last `least` commits at least. */
static uint64_t recent_most(const struct world *w, const uint64_t *list, uint64_t least)
{
	uint64_t most = 0;

	for (uint64_t i = w->count; i-- > 0 && w->count - i < HISTORY;) {
		most = list[i % HISTORY] > most ? list[i % HISTORY] : most;
		if (w->seq[i % HISTORY] <= w->checkpoint_before && w->count - i > least)
			break;
	}
	return most;
}

static void length_holds(const struct world *w, const gkv_stats *s, uint64_t most)
{
	if (s->file_bytes > most)
		(void)fprintf(stderr,
			      "values %" PRIu64 " to %" PRIu64 ", %u keys, %" PRIu64
			      " records a transaction, %u open: file %" PRIu64 ", live %" PRIu64 ", at most %" PRIu64
			      "\n",
			      w->value_least, w->value_most, w->keys, w->txn_records, w->open, s->file_bytes,
			      s->live_bytes, most);
	must(s->file_bytes <= most);
}

static gkv_stats world_look(struct world *w)
{
	const gkv_stats s = store_stat(w->db);
	uint64_t sees = 0;

	if (s.checkpoint_seq != w->checkpoint) {
		w->checkpoint_before = w->checkpoint;
		w->checkpoint = s.checkpoint_seq;
	}
	for (unsigned i = 0; i < w->open; i++)
		sees += w->ages[i].sees;
	w->seq[w->count % HISTORY] = s.commit_seq;
	w->live[w->count % HISTORY] = s.live_bytes;
	w->sees[w->count++ % HISTORY] = sees;
	length_holds(w, &s,
		     rest_most(w, recent_most(w, w->live, 0)) + recent_most(w, w->sees, CUT_COMMITS) + 2 * w->largest);
	return s;
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

static uint64_t value_size(struct world *w)
{
	return w->value_least + rng_size(&w->rng, w->value_most - w->value_least);
}

/* A put of that key; what it returns. */
static int value_put(struct world *w, unsigned key)
{
	const uint64_t size = value_size(w), number = ++w->puts;
	int r;

	bytes_make(w->value, size, number);
	r = gkv_put(w->db, &key, sizeof(key), w->value, size);
	if (r == GKV_OK)
		now_set(w, key, number, size);
	return r;
}

static void value_del(struct world *w, unsigned key)
{
	must_give(gkv_del(w->db, &key, sizeof(key)), w->now.number[key] != 0 ? GKV_OK : GKV_NOTFOUND);
	now_set(w, key, 0, 0);
}

static void transaction(struct world *w)
{
	const uint64_t count = 1 + rng_below(&w->rng, w->txn_records);
	gkv_txn *txn = store_begin(w->db, GKV_WRITE);
	uint64_t bytes = 0;

	for (uint64_t i = 0; i < count; i++) {
		const unsigned key = (unsigned)rng_below(&w->rng, w->keys);
		const uint64_t size = value_size(w), number = ++w->puts;
		if (rng_below(&w->rng, 8) == 0) {
			must_give(gkv_txn_del(txn, &key, sizeof(key)), w->now.number[key] != 0 ? GKV_OK : GKV_NOTFOUND);
			now_set(w, key, 0, 0);
			continue;
		}
		bytes_make(w->value, size, number);
		must_give(gkv_txn_put(txn, &key, sizeof(key), w->value, size), GKV_OK);
		now_set(w, key, number, size);
		bytes += size + HEAD;
	}
	store_commit(txn);
	w->largest = bytes > w->largest ? bytes : w->largest;
	(void)world_look(w);
}

static void compact(struct world *w)
{
	const int r = gkv_compact(w->db, NULL, NULL);

	must(r == GKV_OK || (r == GKV_BUSY && w->open > 0));
	(void)world_look(w);
}

static void step(struct world *w)
{
	const uint64_t what = rng_below(&w->rng, 100);

	if (what < 92)
		transaction(w);
	else if (what < 94)
		compact(w);
	else if (what < 95)
		must_give(gkv_checkpoint(w->db), GKV_OK);
	else if (what < 98 && w->open < AGES)
		age_begin(w);
	else if (what >= 98 && w->open > 0)
		age_end(w, (unsigned)rng_below(&w->rng, w->open));
}

/* In which order the snapshots end. */
enum order { YOUNG_FIRST, OLD_FIRST, ANY_ORDER, ORDERS };

static void ages_end(struct world *w, enum order order)
{
	while (w->open > 0)
		age_end(w, order == OLD_FIRST     ? 0
			   : order == YOUNG_FIRST ? w->open - 1
						  : (unsigned)rng_below(&w->rng, w->open));
}

/* The file is as short as it would be without the snapshots that have ended. */
static void length_comes_back(struct world *w, bool by_close)
{
	static const char value[KIB];
	gkv_stats s = {0};

	if (by_close) {
		store_close(w->db);
		must_give(gkv_open(testing_path, &w->options, &w->db), GKV_OK);
		s = store_stat(w->db);
	} else {
		for (unsigned i = 0; i < CUT_COMMITS; i++) {
			must_give(gkv_put(w->db, "small", 5, value, sizeof(value)), GKV_OK);
			s = world_look(w);
		}
	}
	length_holds(w, &s, rest_most(w, s.live_bytes));
}

/* Records of so many bytes in all. */
static void world_draw(struct world *w, uint64_t stream, uint64_t bytes)
{
	uint64_t mean;

	memset(w, 0, sizeof(*w));
	w->rng = rng_make(stream);
	w->options.durability = GKV_LAZY;
	w->value_least = rng_size(&w->rng, 8 * KIB);
	w->value_most = w->value_least + rng_size(&w->rng, VALUE_MOST - w->value_least);
	mean = w->value_least + (w->value_most - w->value_least) / 8 + HEAD;
	w->keys = bytes / mean > KEYS_MOST ? KEYS_MOST : (unsigned)(bytes / mean);
	w->txn_records = 1 + w->keys / 128 + rng_size(&w->rng, w->keys / 16);
	w->factor = mean < SMALL_MOST ? 145 : 130;
}

static void world_end(struct world *w)
{
	world_holds(w);
	store_close(w->db);
	store_check(testing_path);
	must(unlink(testing_path) == 0);
}

static void world_run(struct world *w, uint64_t stream)
{
	const enum order order = (enum order)(stream % ORDERS);

	world_draw(w, stream, 3 * MIB + rng_below(&w->rng, 3 * MIB));
	must_give(gkv_open(testing_path, &w->options, &w->db), GKV_OK);
	for (unsigned key = 0; key < w->keys; key++)
		must_give(value_put(w, key), GKV_OK);
	for (unsigned round = 0; round < 2; round++) {
		const uint64_t turns = w->puts + 3 * w->keys;
		while (w->puts < turns)
			step(w);
		while (w->open < AGES) {
			age_begin(w);
			transaction(w);
		}
		compact(w);
		ages_end(w, order);
		length_comes_back(w, round == 1);
	}
	world_end(w);
}

/* Whatever is drawn, each snapshot sees its commit, and the file keeps its bound. */
START_TEST(snapshots_of_all_ages)
{
	const uint64_t worlds = testing_count(3, 3);

	for (uint64_t i = 0; i < worlds; i++)
		world_run(&world, 100 + i);
}
END_TEST

/* A close right after the end of a snapshot gives back what that saw, though nothing was committed since the checkpoint. */
START_TEST(a_close_follows_a_snapshot)
{
	static const char value[2000];
	const unsigned records = 6000;
	gkv *db = store_lazy();
	gkv_txn *snapshot = NULL;
	gkv_stats s;

	for (unsigned i = 0; i < 2 * records; i++) {
		const unsigned key = i % records;
		if (i == records)
			snapshot = store_begin(db, GKV_READ);
		must_give(gkv_put(db, &key, sizeof(key), value, sizeof(value)), GKV_OK);
	}
	must_give(gkv_checkpoint(db), GKV_OK);
	gkv_abort(snapshot);
	s = store_stat(db);
	must(s.file_bytes >= 2 * s.live_bytes - MIB);
	store_close(db);
	must(file_bytes(testing_path) <= s.live_bytes / 10 * 13 + 4 * MIB);
}
END_TEST

/* --- a limit ------------------------------------------------------------------------------------------------------ */

/* What lives, what the snapshots see besides, and what was moved since the oldest began: they may see it at both places. */
static uint64_t taken(const struct world *w, const gkv_stats *before)
{
	const gkv_stats s = store_stat(w->db);

	return s.live_bytes + seen_bytes(w) + s.bytes_moved - before->bytes_moved;
}

/* Replaces records of those keys until one is refused, or all of them so many times. */
static bool turn_over(struct world *w, unsigned first, unsigned times, const gkv_stats *before)
{
	const unsigned keys = w->keys - first;
	const uint64_t least = w->options.max_bytes / 4 * 3;

	for (unsigned i = 0; i < times * keys; i++) {
		const int r = value_put(w, first + (unsigned)rng_below(&w->rng, keys));
		if (r == GKV_OK)
			continue;
		must_give(r, GKV_FULL);
		if (taken(w, before) < least)
			(void)fprintf(stderr, "%u open, %" PRIu64 " taken of %" PRIu64 "\n", w->open, taken(w, before),
				      w->options.max_bytes);
		must(taken(w, before) >= least);
		return false;
	}
	return true;
}

static void limited_draw(struct world *w, uint64_t stream)
{
	memset(w, 0, sizeof(*w));
	w->rng = rng_make(stream);
	w->options.durability = rng_below(&w->rng, 4) == 0 ? GKV_DURABLE : GKV_LAZY;
	w->options.max_bytes = 4 * MIB + rng_below(&w->rng, 4 * MIB);
	w->value_least = 400 + rng_size(&w->rng, 4 * KIB);
	w->value_most = w->value_least + rng_size(&w->rng, 12 * KIB);
}

/* So many hundredths of the limit live, under the keys from `keys` on. */
static void limited_fill(struct world *w, unsigned share)
{
	while (store_stat(w->db).live_bytes < w->options.max_bytes / 100 * share && w->keys < KEYS_MOST)
		must_give(value_put(w, w->keys++), GKV_OK);
}

/* Half of the limit is filled. What is put and dies with no snapshot to see it is found again, however often: for the records
 * that were put after the first snapshot began. Then more snapshots see more and more of them, until a put is refused; deletes
 * go on beside them. */
static void limited_run(struct world *w, uint64_t stream)
{
	const enum order order = (enum order)(stream % ORDERS);
	gkv_stats before;
	unsigned first;

	limited_draw(w, stream);
	must_give(gkv_open(testing_path, &w->options, &w->db), GKV_OK);
	limited_fill(w, 25);
	first = w->keys;
	before = store_stat(w->db);
	age_begin(w);
	limited_fill(w, 50);
	must(turn_over(w, first, 8, &before));
	for (unsigned turns = 0; turn_over(w, rng_below(&w->rng, 2) == 0 ? 0 : first, 1, &before); turns++) {
		must(turns < TURNS_MOST);
		if (w->open < AGES)
			age_begin(w);
	}
	for (unsigned key = 0; key < w->keys; key++)
		value_del(w, (unsigned)(key * UINT64_C(7919) % w->keys));
	for (unsigned key = 0; key < w->keys; key++)
		value_del(w, key);
	ages_end(w, order);
	/* All of it is there again. */
	w->keys = 0;
	limited_fill(w, 75);
	before = store_stat(w->db);
	must(turn_over(w, 0, 2, &before));
	world_end(w);
}

START_TEST(what_died_unseen_is_found)
{
	const uint64_t worlds = testing_count(3, 3);

	for (uint64_t i = 0; i < worlds; i++)
		limited_run(&world, 200 + i);
}
END_TEST

#define SHORT_LIMIT   (384 * KIB)
#define SHORT_KEYS    150u
#define SHORT_VALUE   (16 * KIB)
#define SHORT_AGES    4u
#define SHORT_CHANGES 3000u
#define SHORT_RUNS    200u

/* Puts, which are refused much of the time, and deletes, while snapshots of the same life begin and end. */
static void short_run(uint64_t run)
{
	static const uint8_t value[SHORT_VALUE];
	const gkv_options options = {.durability = GKV_LAZY, .max_bytes = SHORT_LIMIT};
	struct rng rng = {run << 32}; /* the same histories each time: few of those that could be drawn are hard */
	gkv_txn *ages[SHORT_AGES] = {NULL};
	gkv *db;

	must_give(gkv_open(testing_path, &options, &db), GKV_OK);
	for (unsigned i = 0; i < SHORT_CHANGES; i++) {
		const unsigned key = (unsigned)rng_below(&rng, SHORT_KEYS);
		const bool put = rng_below(&rng, 4) > 0;
		gkv_txn **age = &ages[rng_below(&rng, SHORT_AGES)];
		const int rc = put ? gkv_put(db, &key, sizeof key, value, rng_size(&rng, SHORT_VALUE))
				   : gkv_del(db, &key, sizeof key);

		must(rc == GKV_OK || rc == (put ? GKV_FULL : GKV_NOTFOUND));
		if (rng_below(&rng, 100) > 0)
			continue;
		gkv_abort(*age);
		*age = *age == NULL ? store_begin(db, GKV_READ) : NULL;
	}
	for (unsigned i = 0; i < SHORT_AGES; i++)
		gkv_abort(ages[i]);
	store_close(db);
	must(unlink(testing_path) == 0);
}

/* In a limit of some hundred pages each snapshot keeps a good part of them. */
START_TEST(deletes_go_on)
{
	for (uint64_t run = 0; run < SHORT_RUNS; run++)
		short_run(run);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ages");

	(void)unflushed_set();
	testing_add(suite, "ages",
		    TESTS(snapshots_of_all_ages, a_close_follows_a_snapshot, what_died_unseen_is_found, deletes_go_on));
	return testing_main(suite);
}
