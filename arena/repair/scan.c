/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* scan.c owns finding blobs where no reference leads to them, and the identity that their checks are mixed with.
 *
 * The identity is lost with both header pages. It can be found again, because a check gives half of a mixed word away:
 *
 *     check ^ sum(blob) = low32(mix64(identity ^ offset))
 *
 * mix64 is a bijection: each of the 2^32 upper halves gives one identity for a blob, and a second and third blob of the
 * same file tell which of them it is. Which bytes are a blob is known without the identity where blobs of the log follow
 * one another, since each names the check of the one before it.
 *
 *     | check 7af1.. ... | link 7af1.., check 03c5.. ... | link 03c5.. ...        a run of three
 *
 * 1. Nothing is read outside the file, and the time depends on its length alone: a head that is no part of the file is
 *    passed over, long blobs are hashed for HASH_PASSES times the file at most.
 * 2. An identity is taken only if three blobs agree on it, and a quarter of all that were looked at.
 *
 * Cost: one pass over the file; and 2^32 mixings, some 20 seconds, for each of DERIVE_PARTS runs that is tried. */
#include "arena/repair/scan.h"

#include <assert.h>
#include <string.h>

#include "arena/arena.h"
#include "arena/table/page.h"

/* No store gets to this many commits. The bound keeps random bytes from looking like heads. */
#define SCAN_SEQ_MAX (UINT64_C(1) << 40)
#define HASH_PASSES  64u
#define HASH_FREE    4096u /* blobs up to this size are always verified */

void scan_begin(struct scan *s, const struct map *m, struct pace *pace, uint32_t aux_mask)
{
	*s = (struct scan){
		.map = m, .pace = pace, .aux_mask = aux_mask, .at = DISK_DATA, .budget = HASH_PASSES * map_bytes(m)};
}

/* Whether a head can be one of a blob of the log. */
static bool log_head(const struct blob_disk *b, uint32_t aux_mask)
{
	const unsigned kind = blob_kind(b);

	if (kind < BLOB_PUT || kind > BLOB_JUMP || (blob_flags(b) & ~(BLOB_COMMIT | BLOB_REPLACES)) != 0 ||
	    blob_seq(b) == 0 || blob_seq(b) >= SCAN_SEQ_MAX)
		return false;
	if (blob_is_record(b))
		return b->size <= ARENA_BLOB_MAX && (b->aux & ~aux_mask) == 0;
	if (b->aux != 0)
		return false;
	return kind == BLOB_TOMB ? b->size == 0 : b->size == sizeof(struct jump_disk) - sizeof *b && b->name == 0;
}

/* The same of a page or node of the table, or a chunk of a free list. */
static bool other_head(const struct blob_disk *b, uint64_t offset)
{
	if (blob_flags(b) != 0 || blob_seq(b) == 0 || blob_seq(b) >= SCAN_SEQ_MAX)
		return false;
	switch (blob_kind(b)) {
	case BLOB_PAGE:
		return b->size == sizeof(struct page_disk) - sizeof *b && offset % DISK_LINE == 0;
	case BLOB_NODE:
		return b->size == sizeof(struct node_disk) - sizeof *b && offset % DISK_LINE == 0;
	case BLOB_FREE:
		return b->size >= sizeof(struct free_disk) - sizeof *b && b->name == 0;
	default:
		return false;
	}
}

bool scan_verify(struct scan *s, uint64_t offset)
{
	const struct blob_disk *b = blob_at(s->map, offset);

	if (!blob_fits(s->map, offset))
		return false;
	if (b->size > HASH_FREE) {
		if (b->size > s->budget) {
			s->refused++;
			return false;
		}
		s->budget -= b->size;
	}
	return blob_verify(s->map, offset);
}

const struct blob_disk *scan_next(struct scan *s)
{
	while (s->pace->stopped == 0 && map_holds(s->map, s->at, sizeof(struct blob_disk))) {
		const uint64_t offset = s->at;
		const struct blob_disk *b = blob_at(s->map, offset);
		if ((log_head(b, s->aux_mask) || other_head(b, offset)) && scan_verify(s, offset)) {
			s->at += blob_span(b->size);
			(void)pace_look(s->pace, blob_span(b->size));
			return b;
		}
		s->at += DISK_UNIT;
		(void)pace_look(s->pace, DISK_UNIT);
	}
	return NULL;
}

/* What a blob says of the identity: if it is whole, the lower half of mix64(identity ^ offset). */
struct clue {
	uint64_t offset;
	uint32_t half;
};

/* The file is looked at in parts, so that damage, or another store that a value holds, spoils one of them at most. */
#define DERIVE_PARTS 4u
#define DERIVE_CLUES 64u
struct clues {
	struct clue clue[DERIVE_PARTS * DERIVE_CLUES];
	uint32_t count;
	uint32_t run[DERIVE_PARTS]; /* index of the first clue of a run of two or more */
	uint32_t run_count;
};

static void clue_add(struct clues *c, const struct map *m, uint64_t offset)
{
	const struct map nameless = {.base = m->base, .sum = m->sum};
	const struct blob_disk *b = blob_at(m, offset);
	/* blob_check mixes in a known word for identity 0; what is left is the unknown one. */
	const uint32_t sum = blob_check(&nameless, b, offset) ^ (uint32_t)mix64(offset);

	assert(c->count < DERIVE_PARTS * DERIVE_CLUES);
	c->clue[c->count++] = (struct clue){offset, b->check ^ sum};
}

/* A page of the table that was sealed, as far as can be seen. */
static bool page_clue(const struct map *m, uint64_t offset)
{
	static const uint8_t zero[sizeof((struct page_disk *)NULL)->reserved];
	const struct page_disk *p = (const struct page_disk *)(const void *)blob_at(m, offset);

	if (blob_kind(&p->head) != BLOB_PAGE || !other_head(&p->head, offset) || !blob_fits(m, offset) ||
	    p->head.check == 0)
		return false;
	return p->head.link <= PAGE_DEPTH_MAX && p->head.name == page_prefix(p->head.name, p->head.link) &&
	       memcmp(p->reserved, zero, sizeof zero) == 0 && page_count(p) == p->head.aux;
}

/* The blob behind this one in the file, when that follows it in a log; 0: none. */
static uint64_t run_next(const struct map *m, uint32_t aux_mask, uint64_t offset)
{
	const struct blob_disk *b = blob_at(m, offset);
	uint64_t next;

	if (!log_head(b, aux_mask) || b->check == 0 || !blob_fits(m, offset))
		return 0;
	next = offset + blob_span(b->size);
	if (!blob_fits(m, next) || !log_head(blob_at(m, next), aux_mask))
		return 0;
	return blob_at(m, next)->link == b->check ? next : 0;
}

/* Collects clues of one part of the file: runs of the log, of which the first is to be tried, and pages. */
static void clues_collect(struct clues *c, const struct map *m, struct pace *pace, uint32_t aux_mask, uint64_t start,
			  uint64_t end)
{
	const uint32_t most = c->count + DERIVE_CLUES - 2;
	bool begun = false;

	for (uint64_t at = start; at < end && map_holds(m, at, sizeof(struct blob_disk)) && c->count < most;) {
		uint64_t next = run_next(m, aux_mask, at);
		if (pace_look(pace, DISK_UNIT) != 0)
			return;
		if (next == 0) {
			if (page_clue(m, at))
				clue_add(c, m, at);
			at += DISK_UNIT;
			continue;
		}
		if (!begun)
			c->run[c->run_count++] = c->count;
		begun = true;
		clue_add(c, m, at);
		for (; next != 0 && c->count < most; next = run_next(m, aux_mask, next)) {
			clue_add(c, m, next);
			at = next;
		}
		/* The last one of a run may be a head without its bytes: what is behind its head is looked at. */
		at += sizeof(struct blob_disk);
	}
}

static bool clue_fits(const struct clue *c, uint64_t identity)
{
	return (uint32_t)mix64(identity ^ c->offset) == c->half;
}

/* Whether enough of the clues agree, beside the two that the identity was made from. The mixer is no random function:
 * an identity that two blobs agree on by chance may please a few of their neighbours too, but not a quarter of all. */
static bool clues_agree(const struct clues *c, const struct clue *a, const struct clue *b, uint64_t identity)
{
	uint32_t others = 0;
	uint32_t fitting = 0;

	for (uint32_t i = 0; i < c->count; i++) {
		/* A run that reaches into the next part is met there again: no new witness. */
		if (c->clue[i].offset == a->offset || c->clue[i].offset == b->offset)
			continue;
		others++;
		fitting += clue_fits(&c->clue[i], identity);
	}
	return fitting > 0 && fitting >= others / DERIVE_PARTS;
}

/* The owner is asked once in so many mixings, which take some milliseconds. */
#define MIXINGS_UNASKED (UINT64_C(1) << 20)

/* Tries every upper half of the first blob of a run. */
static bool run_solve(const struct clues *c, struct pace *pace, uint32_t first, uint64_t *identity)
{
	const struct clue a = c->clue[first];
	const struct clue b = c->clue[first + 1];

	for (uint64_t high = 0; high <= UINT32_MAX; high++) {
		const uint64_t id = unmix64(high << 32 | a.half) ^ a.offset;
		if (high % MIXINGS_UNASKED == 0 && pace_ask(pace) != 0)
			return false;
		if (!clue_fits(&b, id) || !clues_agree(c, &a, &b, id))
			continue;
		*identity = id;
		return true;
	}
	return false;
}

bool scan_derive_identity(const struct map *m, struct pace *pace, uint32_t aux_mask, uint64_t *identity, bool *seen)
{
	const uint64_t part = ((map_bytes(m) - DISK_DATA) / DERIVE_PARTS & ~(DISK_LINE - 1)) + DISK_LINE;
	struct clues c = {.count = 0};

	for (uint32_t i = 0; i < DERIVE_PARTS; i++)
		clues_collect(&c, m, pace, aux_mask, DISK_DATA + i * part, DISK_DATA + (i + 1) * part);
	*seen = c.run_count > 0;
	for (uint32_t i = 0; i < c.run_count && c.count >= 3; i++)
		if (run_solve(&c, pace, c.run[i], identity))
			return true;
	return false;
}
