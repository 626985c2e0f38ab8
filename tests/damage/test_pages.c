/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_pages.c: two pages of the file that changed places, every pair of them, and header pages that were written in the
 * place of another page, in small stores of many histories. The answers are right ones or codes. What was on stable storage
 * is there, or the store is GKV_CORRUPT: no store opens at an earlier state without a word. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/damage/anatomy.h"
#include "tests/damage/trial.h"

#define SIZE_SMALL 120u
#define SIZE_LARGE (3 * (uint32_t)DISK_PAGE)

/* How a history ends. */
enum end { END_CLOSED, END_CLOSED_TWICE, END_KILLED, ENDS };

static const char *const end_names[ENDS] = {"closed", "closed twice", "killed"};

static struct pages {
	struct ram ram;
	struct specimen s;
	struct anatomy anatomy;
	struct rng rng;
	gkv *db;
	struct contents now;
	uint64_t number;
	uint8_t header[DISK_DATA]; /* the header pages at an earlier moment */
	uint64_t stores, with_log, swaps, strays, found, refused, earlier;
} pages;

/* --- histories ---------------------------------------------------------------------------------------------------- */

static void moment_note(struct pages *p)
{
	must(p->s.moments < MOMENTS);
	p->s.moment[p->s.moments++] = (struct moment){.seq = store_stat(p->db).commit_seq, .is = p->now};
}

/* Puts and deletes some keys. Every third value has a page of its own, so that a log has several. */
static void changes_make(struct pages *p, gkv_txn *txn, struct contents *c)
{
	for (uint64_t i = 1 + rng_below(&p->rng, 4); i > 0; i--) {
		const unsigned key = (unsigned)rng_below(&p->rng, KEYS);
		const bool large = rng_below(&p->rng, 3) == 0;
		char name[KEY_SIZE + 1];
		key_make(name, key);
		if (rng_below(&p->rng, 5) == 0 && c->number[key] != 0) {
			must_give(gkv_txn_del(txn, name, KEY_SIZE), GKV_OK);
			c->number[key] = 0;
		} else {
			contents_put(c, txn, key, ++p->number,
				     (uint32_t)rng_below(&p->rng, large ? SIZE_LARGE : SIZE_SMALL));
		}
	}
}

/* A session: commits, lazy and durable ones, perhaps with a checkpoint between them. */
static void session_make(struct pages *p)
{
	p->db = store_lazy();
	for (uint64_t i = 1 + rng_below(&p->rng, 6); i > 0; i--) {
		gkv_txn *txn = store_begin(p->db, GKV_WRITE);
		changes_make(p, txn, &p->now);
		store_commit(txn);
		moment_note(p);
		if (rng_below(&p->rng, 2) == 0)
			memcpy(p->header, p->ram.file, DISK_DATA);
		if (rng_below(&p->rng, 2) == 0)
			must_give(gkv_sync(p->db), GKV_OK);
		if (rng_below(&p->rng, 5) == 0)
			must_give(gkv_checkpoint(p->db), GKV_OK);
	}
}

static void image_take(struct pages *p)
{
	p->s.bytes = p->ram.bytes;
	memcpy(p->s.image, p->ram.file, p->s.bytes);
}

/* In the middle of a transaction, of which nothing may ever be seen. */
static void session_kill(struct pages *p)
{
	struct contents unseen = p->now;
	gkv_txn *txn = store_begin(p->db, GKV_WRITE);

	if (rng_below(&p->rng, 2) == 0)
		changes_make(p, txn, &unseen);
	image_take(p);
	gkv_abort(txn);
	store_close(p->db);
}

static void history_make(struct pages *p, enum end end, uint64_t n)
{
	memset(p, 0, offsetof(struct pages, stores)); /* the counts are of all stores of that end */
	trial_begin("making a store that is %s, %llu", end_names[end], (unsigned long long)n);
	p->rng = rng_make(n * ENDS + end);
	ram_init(&p->ram, rng_next(&p->rng));
	p->s.name = end_names[end];
	p->s.image = malloc(RAM_FILE_MOST);
	must(p->s.image != NULL);
	p->s.moment[p->s.moments++] = (struct moment){.seq = 1};
	if (end == END_CLOSED_TWICE) {
		session_make(p);
		store_close(p->db);
	}
	session_make(p);
	if (end == END_KILLED) {
		session_kill(p);
	} else {
		store_close(p->db);
		image_take(p);
	}
	anatomy_make(&p->anatomy, p->s.image, p->s.bytes);
	p->stores++;
	p->with_log += p->anatomy.log_blobs > 0;
}

static void history_release(struct pages *p)
{
	anatomy_release(&p->anatomy);
	specimen_release(&p->s);
	ram_release(&p->ram);
}

/* --- swaps -------------------------------------------------------------------------------------------------------- */

/* What was promised: all that the mark names. */
static uint64_t promised(const struct pages *p)
{
	return p->anatomy.marked < p->anatomy.header.seq ? p->anatomy.header.seq : p->anatomy.marked;
}

static void answers_read(struct pages *p, bool strange)
{
	struct answers a;

	trial_read(&p->ram, &p->s, promised(p), strange, &a);
	p->found += a.check != GKV_OK;
	p->refused += a.open != GKV_OK;
	p->earlier += a.open == GKV_OK && a.counted == GKV_OK && a.seq != p->anatomy.seq;
}

static void page_put(struct pages *p, uint64_t page, const uint8_t *from)
{
	memcpy(p->ram.file + page * DISK_PAGE, from, DISK_PAGE);
}

static void swap_try(struct pages *p, uint64_t one, uint64_t other)
{
	trial_begin("%s store %llu: pages %llu and %llu swapped", p->s.name, (unsigned long long)p->stores,
		    (unsigned long long)one, (unsigned long long)other);
	ram_load(&p->ram, p->s.image, p->s.bytes);
	page_put(p, one, p->s.image + other * DISK_PAGE);
	page_put(p, other, p->s.image + one * DISK_PAGE);
	/* A store that has seen no checkpoint has one header. Without that it is none. */
	answers_read(p, one == 0 && p->anatomy.header.checkpoint == 1);
	p->swaps++;
}

static bool pages_same(const struct pages *p, uint64_t one, uint64_t other)
{
	return memcmp(p->s.image + one * DISK_PAGE, p->s.image + other * DISK_PAGE, DISK_PAGE) == 0;
}

static void swaps_try(struct pages *p)
{
	const uint64_t count = p->s.bytes / DISK_PAGE;

	for (uint64_t i = 0; i < count; i++)
		for (uint64_t j = i + 1; j < count; j++)
			if (!pages_same(p, i, j))
				swap_try(p, i, j);
}

/* The page of the older header was written in the place of another page, and holds what it held before. */
static void strays_try(struct pages *p)
{
	const unsigned older = 1 - p->anatomy.index;
	const uint8_t *image = p->s.image;
	struct header_disk before;

	/* It must have been the older one then, too. */
	memcpy(&before, p->header + p->anatomy.index * DISK_PAGE, sizeof before);
	if (memcmp(&before, &p->anatomy.header, sizeof before) != 0)
		return;
	for (uint64_t i = 2; i < p->s.bytes / DISK_PAGE; i++) {
		trial_begin("%s store %llu: page %u strayed to %llu", p->s.name, (unsigned long long)p->stores, older,
			    (unsigned long long)i);
		ram_load(&p->ram, image, p->s.bytes);
		page_put(p, i, image + older * DISK_PAGE);
		page_put(p, older, p->header + older * DISK_PAGE);
		answers_read(p, false);
		p->strays++;
	}
}

/* Two pages of a store changed places, or one was written in the place of another. */
START_TEST(pages_are_misplaced)
{
	struct pages *p = &pages;
	uint64_t strays = 0;

	trial_watch();
	for (unsigned end = 0; end < ENDS; end++) {
		p->stores = p->with_log = p->swaps = p->strays = p->found = p->refused = p->earlier = 0;
		const uint64_t count = testing_count(24, 24);
		for (uint64_t n = 0; n < count; n++) {
			history_make(p, (enum end)end, n);
			swaps_try(p);
			strays_try(p);
			history_release(p);
		}
		printf("%s: %llu stores, %llu with a log: %llu swaps, %llu strays: %llu found, %llu did not open, %llu "
		       "at an earlier "
		       "commit\n",
		       end_names[end], (unsigned long long)p->stores, (unsigned long long)p->with_log,
		       (unsigned long long)p->swaps, (unsigned long long)p->strays, (unsigned long long)p->found,
		       (unsigned long long)p->refused, (unsigned long long)p->earlier);
		must(p->with_log > 0 && p->refused > 0 && p->found > p->refused);
		/* What was promised was all of a closed store. */
		must(end == END_KILLED || p->earlier == 0);
		strays += p->strays;
	}
	must(strays > 0);
}
END_TEST

SUITE("pages", "pages", pages_are_misplaced)
