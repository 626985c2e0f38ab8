/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_full_disk.c: a full disk can be cleaned up.
 *
 * A history draws the sizes of records and transactions, durability, a limit or none, and what comes before the disk fills:
 * churn, compaction, deletes, closes. Then the disk has no more than what the file has, or a little more; and in half of the
 * histories others take at once what the file gives back. From then on
 *
 *   puts succeed, or the disk's code says why not, and nothing of them is there
 *   deletes and checkpoints succeed, in whatever order, until the store is empty; so do closes and opens in between
 *   what was committed is there, and nothing else
 *   what the file does not need is given back
 *
 * In half of the histories the process is killed now and then, before a call that changes the file, and the next one goes on. A
 * change that it was at is there, or none of it is. In others snapshots are open, which see what they saw. They hold what the
 * table was when they began: a delete may be refused while one is open, and none is when all have ended.
 *
 * Every file of a megabyte and more that was written to before the disk filled is held to that. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/space/small_disk.h"
#include "tests/testing.h"

#define KEYS_MOST    40000u
#define VALUE_MOST   (128 * KIB)
#define FILE_LEAST   (2 * MIB)   /* a shorter file keeps less ready than most need */
#define LEFT_MOST    (512 * KIB) /* of an empty store: what is kept ready, and the table */
#define TXN_MOST     64u
#define VIEWS        2u
#define KILLS_MOST   12u
#define PUTS_MOST    200u   /* in a row, each after all the moving that a put may ask for */
#define FILL_MOST    30000u /* puts; most that are refused are before that */
#define REFUSED_MOST 30u    /* before the disk is full: by the limit */

struct contents {
	unsigned live;
	uint32_t size[KEYS_MOST];
	uint64_t number[KEYS_MOST]; /* 0: there is no such record */
};

/* What a call is about to change; the last of a key counts. */
struct flight {
	uint64_t count;
	unsigned key[TXN_MOST];
	uint32_t size[TXN_MOST];
	uint64_t number[TXN_MOST];
};

struct view {
	gkv_txn *txn; /* NULL: there is none */
	struct contents sees;
};

struct history {
	gkv *db;
	gkv_options options;
	struct rng rng;
	unsigned keys;
	uint64_t value_least, value_most, txn_records;
	uint64_t round;
	bool greedy, views, filled;
	unsigned kills;      /* that are left */
	uint64_t used;       /* pages, before the disk was full */
	unsigned next;       /* key, of deletes in a row */
	uint64_t turns;      /* of the cleaning */
	uint64_t refused;    /* changes */
	uint64_t puts_made;  /* while it is cleaned, ... */
	uint64_t puts_most;  /* ... and how many there may be */
	uint64_t puts, rare; /* one after so many deletes; 0: none */
	bool in_order;
	struct contents now;
	struct flight flight;
	struct view view[VIEWS];
	uint8_t value[VALUE_MOST];
};

static void history_open(struct history *h)
{
	must_give(gkv_open(testing_path, &h->options, &h->db), 0);
}

static uint64_t value_size(struct history *h)
{
	return h->value_least + rng_size(&h->rng, h->value_most - h->value_least);
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static void flight_add(struct history *h, unsigned key, uint64_t number, uint64_t size)
{
	struct flight *f = &h->flight;

	f->key[f->count] = key;
	f->size[f->count] = (uint32_t)size;
	f->number[f->count] = number;
	f->count++;
}

static void flight_land(struct history *h, bool happened)
{
	struct flight *f = &h->flight;
	struct contents *c = &h->now;

	for (uint64_t i = 0; happened && i < f->count; i++) {
		c->live += (f->number[i] != 0) - (unsigned)(c->number[f->key[i]] != 0);
		c->number[f->key[i]] = f->number[i];
		c->size[f->key[i]] = f->size[i];
	}
	f->count = 0;
}

/* Whether a change happened that a killed process was at: the last record tells. */
static bool flight_happened(struct history *h)
{
	const struct flight *f = &h->flight;
	const uint64_t last = f->count - 1;
	size_t size;
	const int r = gkv_get(h->db, &f->key[last], sizeof f->key[last], h->value, sizeof h->value, &size);

	must(r == 0 || r == GKV_NOTFOUND);
	if (f->number[last] == 0)
		return r == GKV_NOTFOUND;
	return r == 0 && size == f->size[last] && bytes_fit(h->value, size, f->number[last]);
}

static bool refused_well(const struct history *h, int r)
{
	return r == ENOSPC || (r == GKV_FULL && h->options.max_bytes != 0);
}

/* Puts a new value; false: there is no room. */
static bool record_put(struct history *h, unsigned key, bool may_fail)
{
	const uint64_t size = value_size(h);
	int r;

	flight_add(h, key, ++h->round, size);
	bytes_make(h->value, size, h->round);
	r = gkv_put(h->db, &key, sizeof key, h->value, size);
	must(r == 0 || (may_fail && refused_well(h, r)));
	h->refused += r != 0;
	flight_land(h, r == 0);
	return r == 0;
}

static bool view_open(const struct history *h);
static void views_end(struct history *h);

static void record_del(struct history *h, unsigned key)
{
	int r;

	if (h->now.number[key] == 0)
		return;
	flight_add(h, key, 0, 0);
	r = gkv_del(h->db, &key, sizeof key);
	if (r != 0 && view_open(h)) {
		must(refused_well(h, r));
		views_end(h);
		r = gkv_del(h->db, &key, sizeof key);
	}
	must_give(r, 0);
	flight_land(h, true);
}

/* A transaction of several changes, which fails whole or not at all. */
static void records_change(struct history *h, bool may_fail)
{
	const uint64_t count = 1 + rng_size(&h->rng, h->txn_records - 1);
	gkv_txn *t;
	int r = 0;

	must_give(gkv_begin(h->db, GKV_WRITE, &t), 0);
	for (uint64_t i = 0; r == 0 && i < count && i < TXN_MOST; i++) {
		const unsigned key = (unsigned)rng_below(&h->rng, h->keys);
		const uint64_t size = value_size(h);
		flight_add(h, key, ++h->round, size);
		bytes_make(h->value, size, h->round);
		r = gkv_txn_put(t, &key, sizeof key, h->value, size);
	}
	if (r == 0)
		r = gkv_commit(t);
	else
		gkv_abort(t);
	must(r == 0 || (may_fail && refused_well(h, r)));
	h->refused += r != 0;
	flight_land(h, r == 0);
}

/* --- what is there ------------------------------------------------------------------------------------------------ */

/* All of the model is there, and nothing else. */
static void txn_holds(struct history *h, gkv_txn *t, const struct contents *c)
{
	must(txn_records(t) == c->live);
	for (unsigned key = 0; key < h->keys; key++) {
		gkv_bytes val;
		must_give(gkv_txn_get(t, &key, sizeof key, &val), c->number[key] != 0 ? 0 : GKV_NOTFOUND);
		must(c->number[key] == 0 ||
		     (val.size == c->size[key] && bytes_fit(val.data, val.size, c->number[key])));
	}
}

static void history_holds(struct history *h)
{
	gkv_txn *t = store_begin(h->db, GKV_READ);

	txn_holds(h, t, &h->now);
	gkv_abort(t);
}

static void view_end(struct history *h, struct view *v)
{
	if (v->txn == NULL)
		return;
	txn_holds(h, v->txn, &v->sees);
	gkv_abort(v->txn);
	v->txn = NULL;
}

static bool view_open(const struct history *h)
{
	bool open = false;

	for (unsigned i = 0; i < VIEWS; i++)
		open = open || h->view[i].txn != NULL;
	return open;
}

static void views_end(struct history *h)
{
	for (unsigned i = 0; i < VIEWS; i++)
		view_end(h, &h->view[i]);
}

/* One begins, or one ends. */
static void view_turn(struct history *h)
{
	struct view *v = &h->view[rng_below(&h->rng, VIEWS)];

	if (v->txn != NULL) {
		view_end(h, v);
		return;
	}
	v->txn = store_begin(h->db, GKV_READ);
	v->sees = h->now;
}

static void history_close(struct history *h)
{
	views_end(h);
	must_give(gkv_close(h->db), 0);
	h->db = NULL;
}

/* Closes and opens, after which everything is there. */
static void history_again(struct history *h)
{
	history_close(h);
	history_open(h);
	history_holds(h);
}

/* --- histories ---------------------------------------------------------------------------------------------------- */

static void draw(struct history *h, unsigned n)
{
	uint64_t file;

	memset(h, 0, sizeof *h);
	h->rng = rng_make(n);
	file = 3 * MIB + rng_size(&h->rng, 9 * MIB);
	h->value_least = rng_size(&h->rng, 4 * KIB);
	h->value_most = h->value_least + rng_size(&h->rng, VALUE_MOST - h->value_least);
	/* The mean of a log-uniform size is its most by the logarithm of that. */
	h->keys = 16;
	while (h->keys < KEYS_MOST && h->keys * (h->value_least + (h->value_most - h->value_least) / 8 + 60) < file)
		h->keys += 1 + h->keys / 8;
	h->keys = h->keys < KEYS_MOST ? h->keys : KEYS_MOST;
	h->txn_records = 1 + rng_size(&h->rng, TXN_MOST - 1);
	h->options.durability = rng_below(&h->rng, 2) == 0 ? GKV_DURABLE : GKV_LAZY;
	if (rng_below(&h->rng, 4) == 0)
		h->options.max_bytes = 2 * file + rng_size(&h->rng, 8 * MIB);
	h->greedy = rng_below(&h->rng, 2) == 0;
	h->kills = rng_below(&h->rng, 2) == 0 ? KILLS_MOST : 0;
	h->views = rng_below(&h->rng, 2) == 0;
	h->puts = rng_below(&h->rng, 3) == 0 ? 2 + rng_below(&h->rng, 10) : 0;
	h->puts_most = PUTS_MOST;
	/* All the way. */
	if (h->puts != 0 && rng_below(&h->rng, 2) == 0) {
		h->puts += h->keys / PUTS_MOST;
		h->puts_most = UINT64_MAX;
	}
	h->rare = 1 + h->keys / 4;
	h->in_order = rng_below(&h->rng, 2) == 0;
}

/* What comes before the disk is full. */
static void prepare(struct history *h)
{
	const uint64_t churn = rng_size(&h->rng, 3 * h->keys);
	const unsigned deletes = (unsigned)rng_size(&h->rng, h->keys / 2);
	const unsigned first = (unsigned)rng_below(&h->rng, h->keys);
	const bool in_order = rng_below(&h->rng, 2) == 0;
	const bool limited = h->options.max_bytes != 0;

	for (unsigned key = 0; key < h->keys && h->refused < REFUSED_MOST; key++)
		(void)record_put(h, key, limited);
	for (uint64_t i = 0; i < churn && h->refused < REFUSED_MOST; i += 1 + h->txn_records / 2)
		records_change(h, limited);
	for (unsigned i = 0; i < deletes; i++)
		record_del(h, in_order ? (first + i) % h->keys : (unsigned)rng_below(&h->rng, h->keys));
	if (rng_below(&h->rng, 3) == 0)
		must_give(gkv_compact(h->db, NULL, NULL), 0);
	if (rng_below(&h->rng, 3) == 0)
		history_again(h);
	if (rng_below(&h->rng, 3) == 0)
		must_give(gkv_checkpoint(h->db), 0);
	/* At least one change of this session, or of the last. */
	if (rng_below(&h->rng, 2) == 0)
		(void)record_put(h, 0, limited);
}

/* Until the disk is full, or almost. */
static void fill_up(struct history *h)
{
	h->used = small_disk_used();
	small_disk_leave(rng_below(&h->rng, 3) == 0 ? rng_size(&h->rng, 256) : 0);
	small_disk_greedy(h->greedy);
	if (rng_below(&h->rng, 2) == 0)
		for (unsigned i = 0; i < 4 * h->keys && i < FILL_MOST; i++)
			if (!record_put(h, (unsigned)rng_below(&h->rng, h->keys), true))
				break;
	history_holds(h);
	h->filled = true;
}

/* The disk is full: changes that may fail, and others that may not, in between. */
static void clean_up(struct history *h)
{
	for (; h->now.live > 0; h->turns++) {
		const bool puts = h->puts != 0 && h->puts_made < h->puts_most && h->turns < 4 * (uint64_t)h->keys;
		const unsigned key = h->in_order || h->turns > 8 * (uint64_t)h->keys
					     ? h->next++ % h->keys
					     : (unsigned)rng_below(&h->rng, h->keys);
		if (h->kills > 0 && rng_below(&h->rng, h->rare) == 0) {
			h->kills--;
			small_disk_kill(1 + rng_size(&h->rng, 100));
		}
		if (h->views && rng_below(&h->rng, h->rare) == 0)
			view_turn(h);
		record_del(h, key);
		if (puts && rng_below(&h->rng, h->puts) == 0) {
			h->puts_made++;
			(void)record_put(h, (unsigned)rng_below(&h->rng, h->keys), true);
		}
		if (puts && rng_below(&h->rng, 4 * h->puts) == 0)
			records_change(h, true);
		if (rng_below(&h->rng, h->rare) == 0)
			must_give(gkv_checkpoint(h->db), 0);
		if (rng_below(&h->rng, 2 * h->rare) == 0)
			history_again(h);
		if (rng_below(&h->rng, 4 * h->rare) == 0) {
			const int r = gkv_compact(h->db, NULL, NULL);
			must(r == 0 || r == ENOSPC || r == GKV_FULL || (r == GKV_BUSY && view_open(h)));
		}
	}
	small_disk_kill(0);
}

/* What a process does: all of it, or what one that was killed has left. */
static void history_live(struct history *h)
{
	history_open(h);
	if (h->filled) {
		if (h->flight.count > 0)
			flight_land(h, flight_happened(h));
		history_holds(h);
	} else {
		prepare(h);
		fill_up(h);
	}
	if (store_stat(h->db).file_bytes < FILE_LEAST && h->turns == 0) {
		small_disk_set(UINT64_MAX);
		history_close(h);
		return;
	}
	clean_up(h);
	views_end(h);
	must_give(gkv_checkpoint(h->db), 0);
	must_give(gkv_compact(h->db, NULL, NULL), 0);
	history_again(h);
	history_close(h);
	must(small_disk_used() <= h->used && small_disk_used() * SMALL_DISK_PAGE <= LEFT_MOST);
}

/* True: a process has come to the end of it. */
static bool history_go_on(struct history *h)
{
	const pid_t child = fork();
	int status;

	must(child >= 0);
	if (child == 0) {
		history_live(h);
		_exit(0);
	}
	must(waitpid(child, &status, 0) == child);
	small_disk_gone();
	memset(h->view, 0, sizeof h->view);
	must((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	     (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && h->filled));
	return WIFEXITED(status);
}

static void history_run(struct history *h, unsigned n)
{
	os_set_default(small_disk(1000 + n));
	draw(h, n);
	while (!history_go_on(h))
		;
	os_set_default(NULL);
	store_check(testing_path);
	must(remove(testing_path) == 0);
}

START_TEST(deletes_succeed)
{
	struct history *h = small_disk_memory(sizeof *h);

	for (uint64_t n = testing_count(10, 4); n > 0; n--)
		history_run(h, (unsigned)n);
}
END_TEST

/* --- one thing at a time ------------------------------------------------------------------------------------------ */

#define RECORDS 3000u
#define SIZE    (2 * KIB)

/* A store of 6 MiB, and a disk that refuses more with that code. */
static void fill(struct history *h, int code)
{
	memset(h, 0, sizeof *h);
	h->rng = rng_make(1);
	h->keys = RECORDS;
	h->value_least = h->value_most = SIZE;
	h->options.durability = GKV_LAZY;
	os_set_default(small_disk(1));
	small_disk_code(code);
	history_open(h);
	for (unsigned key = 0; key < h->keys; key++)
		must(record_put(h, key, false));
	small_disk_leave(0);
}

static void empty(struct history *h)
{
	history_close(h);
	os_set_default(NULL);
	store_check(testing_path);
}

/* Puts of new keys until one is refused; its code. */
static int refused(struct history *h)
{
	unsigned key = RECORDS;
	int r = 0;

	bytes_make(h->value, SIZE, key);
	for (; r == 0 && key < 2 * RECORDS; key++)
		r = gkv_put(h->db, &key, sizeof key, h->value, SIZE);
	return r;
}

/* What the system says is what the user is told, whichever way it says that there is no more. */
START_TEST(the_code_is_the_disks)
{
	static const int codes[] = {ENOSPC, EDQUOT, EFBIG};
	static struct history h;

	for (unsigned i = 0; i < sizeof codes / sizeof codes[0]; i++) {
		fill(&h, codes[i]);
		must_give(refused(&h), codes[i]);
		must_give(refused(&h), codes[i]);
		for (unsigned key = 0; key < 100; key++)
			record_del(&h, key);
		empty(&h);
		must(remove(testing_path) == 0);
	}
}
END_TEST

/* As soon as there is room puts find it, and the store has no limit any more: the file grows beyond twice its length. */
START_TEST(room_that_comes_back_is_found)
{
	static struct history h;
	uint64_t full;

	fill(&h, ENOSPC);
	must_give(refused(&h), ENOSPC);
	full = store_stat(h.db).file_bytes;
	small_disk_set(UINT64_MAX);
	for (unsigned i = 0; i < 3; i++)
		must_give(refused(&h), 0);
	for (unsigned key = 2 * RECORDS; key < 4 * RECORDS; key++)
		must_give(gkv_put(h.db, &key, sizeof key, h.value, SIZE), 0);
	must(store_stat(h.db).file_bytes > 2 * full);
	empty(&h);
}
END_TEST

/* What a compaction has given back, and the end of the file, are not what the next delete needs. */
START_TEST(a_compacted_store_is_cleaned_up)
{
	static struct history h;

	for (unsigned deleted = 25; deleted <= 1000; deleted += 25) {
		fill(&h, ENOSPC);
		for (unsigned key = 0; key < deleted; key++)
			record_del(&h, key);
		must_give(gkv_compact(h.db, NULL, NULL), 0);
		history_close(&h);
		small_disk_leave(0);
		history_open(&h);
		for (unsigned key = 0; key < RECORDS; key++)
			record_del(&h, key);
		empty(&h);
		must(remove(testing_path) == 0);
	}
}
END_TEST

/* Half of the file are holes, which are lower than what deletes free, and others have taken their space. */
START_TEST(slots_without_space_fail_nothing)
{
	static struct history h;

	fill(&h, ENOSPC);
	small_disk_greedy(true);
	for (unsigned key = 0; key < RECORDS / 2; key++)
		record_del(&h, key);
	must_give(gkv_checkpoint(h.db), 0);
	history_close(&h);
	history_open(&h);
	must_give(refused(&h), ENOSPC);
	for (unsigned key = RECORDS / 2; key < RECORDS; key++)
		record_del(&h, key);
	empty(&h);
}
END_TEST

/* Deletes in a row hand disk space back, and what is handed to others is not counted on. Where puts were refused before, and
 * much was moved for them, more of what is free is in pieces too small to be handed back. */
START_TEST(what_is_deleted_is_handed_back)
{
	static struct history h;
	uint64_t before;

	fill(&h, ENOSPC);
	before = small_disk_used();
	small_disk_greedy(true);
	for (unsigned key = 0; key < RECORDS / 2; key++)
		record_del(&h, key);
	must_give(gkv_checkpoint(h.db), 0);
	must(small_disk_used() <= before * 2 / 3);
	for (unsigned key = RECORDS / 2; key < RECORDS; key++)
		record_del(&h, key);
	empty(&h);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("full disk");

	testing_add(suite, "full disk", TESTS(deletes_succeed));
	testing_add(suite, "cases",
		    TESTS(the_code_is_the_disks, room_that_comes_back_is_found, a_compacted_store_is_cleaned_up,
			  slots_without_space_fail_nothing, what_is_deleted_is_handed_back));
	return testing_main(suite);
}
