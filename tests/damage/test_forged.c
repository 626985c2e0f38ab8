/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_forged.c: files that somebody made to do harm: much is overwritten at once, or fields are forged and every check
 * is computed anew, which needs nothing that the file does not tell. Values may then be wrong; but whatever is asked
 * comes to an end, in bounded memory, without a signal. */
#include <stdio.h>
#include <string.h>

#include "arena/core.h"
#include "arena/move/evacuate.h"
#include "arena/table/table.h"
#include "kvstore/hash.h"
#include "kvstore/kv.h"
#include "tests/damage/anatomy.h"
#include "tests/damage/trial.h"

static struct forge {
	struct ram ram;
	struct specimen specimen;
	struct anatomy anatomy;
	struct rng rng;
	uint64_t sealed;
} forge;

static void forge_begin(struct forge *f, enum specimen_end end, bool deep, uint64_t stream)
{
	memset(f, 0, sizeof *f);
	trial_watch();
	trial_begin("making");
	f->rng = rng_make(stream);
	ram_init(&f->ram, rng_next(&f->rng));
	specimen_make(&f->specimen, &f->ram, end, deep, rng_next(&f->rng));
	anatomy_make(&f->anatomy, f->specimen.image, f->specimen.bytes);
	ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
}

static void forge_end(struct forge *f)
{
	anatomy_release(&f->anatomy);
	specimen_release(&f->specimen);
	ram_release(&f->ram);
	kv_set_hash_for_tests(NULL);
}

/* --- overwritten -------------------------------------------------------------------------------------------------- */

/* A run of bytes, or of one byte, somewhere. */
static void run_write(struct forge *f)
{
	const uint64_t size = 1 + rng_size(&f->rng, 3000);
	const uint64_t at = rng_below(&f->rng, f->specimen.bytes - size);

	if (rng_below(&f->rng, 2) == 0)
		rng_fill(&f->rng, f->ram.file + at, size);
	else
		memset(f->ram.file + at, (int)rng_below(&f->rng, 256), size);
}

/* Much at once, anywhere: values are right or not given all the same, though perhaps those of an earlier time, when both
 * headers, or both marks and the log, are hit together. */
START_TEST(much_is_overwritten)
{
	struct forge *f = &forge;

	for (unsigned end = 0; end < SPECIMEN_ENDS; end++) {
		uint64_t found = 0;
		forge_begin(f, (enum specimen_end)end, false, end);
		for (uint64_t n = testing_count(3000, 300); n > 0; n--) {
			const uint64_t runs = 1 + rng_below(&f->rng, 24);
			struct answers a;
			trial_begin("%s store: run %llu from the end, overwritten %llu times", f->specimen.name,
				    (unsigned long long)n, (unsigned long long)runs);
			for (uint64_t i = 0; i < runs; i++)
				run_write(f);
			trial_read(&f->ram, &f->specimen, 0, true, &a);
			found += a.check != GKV_OK;
			if (a.open == GKV_OK && rng_below(&f->rng, 8) == 0)
				(void)trial_write(&f->ram, &f->specimen, 0, &f->rng);
			ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
		}
		must(found > 0);
		forge_end(f);
	}
}
END_TEST

/* --- forged ------------------------------------------------------------------------------------------------------- */

static struct blob_disk *blob_of(struct forge *f, const struct part *p)
{
	return (struct blob_disk *)(void *)(f->ram.file + p->start);
}

static bool part_is_blob(const struct part *p)
{
	return p->kind >= PART_NODE && p->kind <= PART_TAIL;
}

/* Computes every check anew: of blobs, each link of the log, and both headers. */
static void seal_all(struct forge *f)
{
	struct header_disk *h;
	uint32_t link = 0;
	bool linked = false;

	for (unsigned i = 0; i < f->anatomy.parts; i++) {
		const struct part *p = &f->anatomy.part[i];
		struct blob_disk *b;
		if (!part_is_blob(p))
			continue;
		b = blob_of(f, p);
		if (p->seq > 0 && linked)
			b->link = link;
		if (p->start + blob_span(b->size) <= f->ram.bytes)
			b->check = image_blob_check(f->ram.file, f->anatomy.identity, p->start);
		linked = p->seq > 0;
		link = b->check;
		f->sealed++;
	}
	for (unsigned page = 0; page < 2; page++) {
		h = (struct header_disk *)(void *)(f->ram.file + page * DISK_PAGE);
		h->check = image_header_check(h, page);
	}
}

static const struct part *part_any(struct forge *f)
{
	return &f->anatomy.part[rng_below(&f->rng, f->anatomy.parts)];
}

/* What a field may be that is not what it should be. */
static uint64_t value_forged(struct forge *f, uint64_t was)
{
	const uint64_t place = part_any(f)->start;

	switch (rng_below(&f->rng, 14)) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return was + 1;
	case 3:
		return was - 8;
	case 4:
		return place;
	case 5:
		return place / 8;
	case 6:
		return (was & ~PAGE_POSITION_MASK) | place / 8;
	case 7:
		return (was ^ UINT64_C(1) << 63) & (rng_next(&f->rng) | UINT64_C(1) << 63);
	case 8:
		return f->specimen.bytes;
	case 9:
		return DISK_FILE_MAX;
	case 10:
		return UINT32_MAX;
	case 11:
		return was ^ UINT64_C(1) << rng_below(&f->rng, 64);
	case 12:
		return place / 8 | REF_NODE | (was & ~PAGE_POSITION_MASK);
	default:
		return rng_next(&f->rng);
	}
}

/* One word of a blob or of the newer header. */
static void word_forge(struct forge *f)
{
	const struct part *p = part_any(f);
	uint64_t from = 0, size = p->size, at;
	uint64_t word;

	if (p->kind == PART_HEADER || p->kind == PART_OLDER_OWN || rng_below(&f->rng, 4) == 0) {
		at = f->anatomy.index * DISK_PAGE + 40 + 8 * rng_below(&f->rng, 16);
	} else {
		/* Heads, and the words behind them that are structures too, more than values. */
		if (part_is_blob(p) && rng_below(&f->rng, 2) == 0)
			size = size < 56 ? size : 56;
		at = p->start + from + 8 * rng_below(&f->rng, (size + 7) / 8);
	}
	if (at + 8 > f->ram.bytes)
		return;
	memcpy(&word, f->ram.file + at, sizeof word);
	word = value_forged(f, word);
	if (rng_below(&f->rng, 4) == 0)
		memcpy(f->ram.file + at + 4 * rng_below(&f->rng, 2), &word, 4);
	else
		memcpy(f->ram.file + at, &word, sizeof word);
}

/* Fields at random, a few at a time, under right checks. */
static void forged(enum specimen_end end, bool deep, uint64_t count)
{
	struct forge *f = &forge;

	forge_begin(f, end, deep, 16 + (uint64_t)end * 2 + deep);
	for (uint64_t n = 0; n < count; n++) {
		const uint64_t words = 1 + rng_size(&f->rng, 20);
		trial_begin("%s store: forgery %llu, %llu words", f->specimen.name, (unsigned long long)n,
			    (unsigned long long)words);
		for (uint64_t i = 0; i < words; i++)
			word_forge(f);
		seal_all(f);
		trial_hostile(&f->ram, &f->rng);
		ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
	}
	must(f->sealed > 0);
	forge_end(f);
}

START_TEST(fields_are_forged)
{
	for (unsigned end = 0; end < SPECIMEN_ENDS; end++)
		forged((enum specimen_end)end, false, testing_count(6000, 600));
	forged(SPECIMEN_KILLED, true, testing_count(1500, 150));
}
END_TEST

/* --- harm that has a plan ----------------------------------------------------------------------------------------- */

static struct part *part_of(struct forge *f, enum part_kind kind)
{
	for (unsigned i = 0; i < f->anatomy.parts; i++)
		if (f->anatomy.part[i].kind == kind)
			return &f->anatomy.part[i];
	trial_fail("there is no %s", part_names[kind]);
}

static struct header_disk *header_of(struct forge *f)
{
	return (struct header_disk *)(void *)(f->ram.file + f->anatomy.index * DISK_PAGE);
}

static void free_list_goes_round(struct forge *f)
{
	const struct part *p = part_of(f, PART_LIST);

	((struct free_disk *)(void *)blob_of(f, p))->next = p->start;
}

static void directory_goes_round(struct forge *f)
{
	const struct part *p = part_of(f, PART_NODE);
	struct node_disk *node = (struct node_disk *)(void *)blob_of(f, p);

	for (unsigned i = 0; i < NODE_ENTRIES; i++)
		node->ref[i] = f->anatomy.header.root;
}

static void log_goes_round(struct forge *f)
{
	const struct part *p = part_of(f, PART_LOG_JUMP);

	((struct jump_disk *)(void *)blob_of(f, p))->start = p->start;
}

static void log_goes_nowhere(struct forge *f)
{
	struct jump_disk *j = (struct jump_disk *)(void *)blob_of(f, part_of(f, PART_LOG_JUMP));

	j->start = DISK_FILE_MAX - 64;
	j->end = UINT64_MAX & ~UINT64_C(7);
}

/* Every entry of a page leads to the longest record: what is read is as much as the file could hold 504 times. */
static void entries_share_a_record(struct forge *f)
{
	struct page_disk *page = (struct page_disk *)(void *)blob_of(f, part_of(f, PART_PAGE));

	for (unsigned i = 0; i < PAGE_GROUPS * PAGE_WAYS; i++)
		page->group[i / PAGE_WAYS][i % PAGE_WAYS] = (uint64_t)i << 40 | part_of(f, PART_LARGE)->start / 8;
	page->head.aux = UINT32_MAX;
}

static void page_is_too_deep(struct forge *f)
{
	blob_of(f, part_of(f, PART_PAGE))->link = UINT32_MAX;
	blob_of(f, part_of(f, PART_NODE))->link = 64;
}

/* What was made after the checkpoint is changed where it stands, and its space is used again before the next one. A reference
 * tells the low bits of a birth only. */
static void page_is_to_come(struct forge *f)
{
	blob_of(f, part_of(f, PART_PAGE))->stamp += REF_BORN_MASK + 1;
}

static void record_is_to_come(struct forge *f)
{
	struct blob_disk *b = blob_of(f, part_of(f, PART_PUT));

	b->stamp += header_of(f)->seq + 1 - blob_seq(b);
}

static void counts_are_huge(struct forge *f)
{
	struct header_disk *h = header_of(f);

	h->free_slots = h->free_bytes = h->blobs = h->live_bytes = h->table_pages = h->table_bytes = UINT64_MAX;
	h->next_name = UINT64_MAX;
}

static void numbers_are_the_last(struct forge *f)
{
	header_of(f)->seq = DISK_SEQ_MASK;
	header_of(f)->checkpoint = UINT64_MAX;
}

static void list_has_no_end(struct forge *f)
{
	struct free_disk *chunk = (struct free_disk *)(void *)blob_of(f, part_of(f, PART_LIST));

	chunk->used = UINT64_MAX;
	memset(chunk + 1, 0xff, 16);
}

static void file_claims_to_be_long(struct forge *f)
{
	header_of(f)->file_bytes = DISK_FILE_MAX;
	header_of(f)->window_end = DISK_FILE_MAX;
}

static void everything_is_free(struct forge *f)
{
	struct free_disk *chunk = (struct free_disk *)(void *)blob_of(f, part_of(f, PART_LIST));
	const uint64_t units = (header_of(f)->file_bytes - DISK_DATA) / 8;
	uint8_t *pair = (uint8_t *)(chunk + 1);

	/* +0x400, and the rest of the file: two varints of three bytes. */
	memcpy(pair, (const uint8_t[]){0x80, 0x90, 0x00}, 3);
	for (unsigned i = 0; i < 3; i++)
		pair[3 + i] = (uint8_t)((units >> (7 * i) & 0x7f) | (i < 2 ? 0x80 : 0));
	chunk->used = 6;
	header_of(f)->free_slots = 1;
	header_of(f)->free_bytes = units * 8;
}

START_TEST(harm_has_a_plan)
{
	static const struct {
		const char *name;
		void (*harm)(struct forge *f);
		bool sound; /* a store may look like that */
	} plans[] = {
		{"free list goes round", free_list_goes_round, false},
		{"directory goes round", directory_goes_round, false},
		{"log goes round", log_goes_round, false},
		{"log goes nowhere", log_goes_nowhere, false},
		{"entries share a record", entries_share_a_record, false},
		{"page is too deep", page_is_too_deep, false},
		{"page is to come", page_is_to_come, false},
		{"record is to come", record_is_to_come, false},
		{"counts are huge", counts_are_huge, false},
		{"numbers are the last", numbers_are_the_last, true},
		{"list has no end", list_has_no_end, false},
		{"file claims to be long", file_claims_to_be_long, false},
		{"everything is free", everything_is_free, false},
	};
	struct forge *f = &forge;

	for (unsigned end = SPECIMEN_CLOSED; end < SPECIMEN_ENDS; end++) {
		forge_begin(f, (enum specimen_end)end, end == SPECIMEN_KILLED, 64 + end);
		for (unsigned i = 0; i < sizeof plans / sizeof plans[0]; i++) {
			trial_begin("%s store: %s", f->specimen.name, plans[i].name);
			plans[i].harm(f);
			seal_all(f);
			if (!plans[i].sound && gkv_check("store", NULL, NULL) != GKV_CORRUPT)
				trial_fail("the check finds nothing");
			trial_hostile(&f->ram, &f->rng);
			ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
		}
		/* Checks that are computed anew are right ones: without harm the store is sound. */
		trial_begin("%s store: sealed", f->specimen.name);
		seal_all(f);
		must_give(gkv_check("store", NULL, NULL), GKV_OK);
		forge_end(f);
	}
}
END_TEST

/* --- a place that somebody has ------------------------------------------------------------------------------------ */

/* The one free slot of a store is there. */
static void slot_alone(struct slots *s, uint64_t start, uint64_t size)
{
	for (slot_id id = slots_at_or_after(s, 0); id != SLOT_NONE; id = slots_at_or_after(s, 0))
		must_give(slots_remove(s, slots_start(s, id), slots_size(s, id)), 0);
	must_give(slots_insert(s, start, size), 0);
}

/* The free list of a forged file may name a part of the record that is moved. Wherever in it the place of its copy begins,
 * no memory outside of the file is touched, and the operation comes to an end. */
START_TEST(a_record_moves_over_itself)
{
	const gkv_options options = {.flags = GKV_NOCREATE, .durability = GKV_LAZY};
	struct forge *f = &forge;
	uint64_t at, span, moved = 0;

	forge_begin(f, SPECIMEN_CLOSED, false, 128);
	at = part_of(f, PART_LARGE)->start;
	span = blob_span(blob_of(f, part_of(f, PART_LARGE))->size);
	for (uint64_t start = at + 8; start < at + span; start += 8) {
		gkv *db;
		arena *a;
		int r;
		if (start + 2 * span > f->specimen.bytes)
			continue;
		trial_begin("the place is at %lld", (long long)(start - at));
		must_give(gkv_open("store", &options, &db), GKV_OK);
		must_give(gkv_put(db, "key", 3, "value", 5), GKV_OK);
		a = kv_arena(db);
		must_give(writer_lock(a, false), 0);
		log_shed_window(&a->b->log);
		must_give(space_end_cluster(&a->b->space), 0);
		slot_alone(&a->b->space.free, start, f->specimen.bytes - start);
		r = evacuate(a, at, at + 8);
		moved += a->b->bytes_moved > 0;
		writer_unlock(a);
		must(r == 0 || r == GRAVITY_CORRUPT || r == GRAVITY_FULL);
		(void)gkv_close(db);
		ram_load(&f->ram, f->specimen.image, f->specimen.bytes);
	}
	must(moved > 0);
	forge_end(f);
}
END_TEST

SUITE("forged", "harm", much_is_overwritten, fields_are_forged, harm_has_a_plan, a_record_moves_over_itself)
