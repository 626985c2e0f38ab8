/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* header.c owns the bytes of the two header pages.
 *
 * 1. A header stands in one 512-byte sector: it is there whole or not at all.
 * 2. A checkpoint writes the page of the older header; the newer one is never touched.
 * 3. The mark is written, and not flushed, after each successful flush, into the page of the older header, in two
 *    sectors of its own: one that is lost, or changes places with a sector of the log, does not take the mark away.
 *    It tells damage from a torn tail: what it names was on stable storage, so a chain or a header that does not reach
 *    it was damaged. A mark that does not check says nothing.
 * 4. A header page is zero but for its header and its two marks. So it is known wherever it stands, and a mark counts
 *    where the log ends as well: a header page that has landed there has the mark that tells how far the log went.
 *
 * The mark: bits 63..24 commit number (low 40 bits), 23..20 checkpoint (low 4 bits), 19..0 check. */
#include "arena/file/header.h"

#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "arena/broken.h"
#include "arena/file/blob.h"
#include "arena/gravity.h"
#include "arena/types.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t header_check(const struct header_disk *h, unsigned index)
{
	const size_t from = offsetof(struct header_disk, identity);
	const uint64_t place = mix64((uint64_t)h->version << 32 | h->kind << 1 | index);

	return XXH3_64bits((const uint8_t *)h + from, sizeof *h - from) ^ place;
}

static bool version_known(const struct header_disk *h)
{
	return h->version >= DISK_VERSION_LEAST && h->version <= DISK_VERSION;
}

void header_seal(struct header_disk *h, unsigned index)
{
	assert(index < 2);
	assert(version_known(h));
	memcpy(h->magic, HEADER_MAGIC, sizeof h->magic);
	h->check = header_check(h, index);
}

/* What is counted must fit into the file. */
static bool counters_sound(const struct header_disk *h)
{
	return h->live_bytes <= h->file_bytes && h->table_bytes <= h->file_bytes - h->live_bytes &&
	       h->free_bytes <= h->file_bytes && h->free_slots <= h->free_bytes / DISK_UNIT &&
	       h->blobs <= h->live_bytes / sizeof(struct blob_disk) && h->table_pages <= h->table_bytes / DISK_PAGE;
}

/* What the fields must satisfy among themselves before anything is done with them. The top bit of the kind is the
 * one bit that the check's place leaves out. */
static bool header_sound(const struct header_disk *h)
{
	return words_are_zero(h->reserved, sizeof h->reserved / sizeof h->reserved[0]) && h->kind <= INT32_MAX &&
	       h->checkpoint > 0 && h->seq <= DISK_SEQ_MASK && h->log_start >= DISK_DATA &&
	       h->log_start % DISK_UNIT == 0 && h->window_end % DISK_UNIT == 0 && h->window_end >= h->log_start &&
	       h->window_end - h->log_start >= sizeof(struct jump_disk) && h->window_end <= h->file_bytes &&
	       h->file_bytes <= DISK_FILE_MAX && h->file_bytes % DISK_UNIT == 0 && h->log_link <= UINT32_MAX &&
	       h->free_first % DISK_UNIT == 0 && counters_sound(h);
}

int header_read(const struct map *m, unsigned index, struct header_disk *out)
{
	struct header_disk h;

	assert(index < 2);
	memcpy(&h, m->base + index * DISK_PAGE, sizeof h);
	if (memcmp(h.magic, HEADER_MAGIC, sizeof h.magic) != 0)
		return GRAVITY_NOTASTORE;
	if (h.check != header_check(&h, index) && !broken(BROKEN_HEADER_CHECK))
		return version_known(&h) ? GRAVITY_CORRUPT : GRAVITY_BADVERSION;
	if (!version_known(&h))
		return GRAVITY_BADVERSION;
	if (!header_sound(&h))
		return GRAVITY_CORRUPT;
	*out = h;
	return 0;
}

int header_choose(const struct map *m, struct header_disk *out, unsigned *index)
{
	struct header_disk h[2];
	int r[2];

	for (unsigned i = 0; i < 2; i++)
		r[i] = header_read(m, i, &h[i]);
	if (r[0] != 0 && r[1] != 0) {
		/* Damage says more than a page that was never written; a foreign version says most. */
		if (r[0] == GRAVITY_BADVERSION || r[1] == GRAVITY_BADVERSION)
			return GRAVITY_BADVERSION;
		return r[0] == GRAVITY_CORRUPT || r[1] == GRAVITY_CORRUPT ? GRAVITY_CORRUPT : GRAVITY_NOTASTORE;
	}
	*index = r[0] != 0 || (r[1] == 0 && (h[1].checkpoint > h[0].checkpoint) != broken(BROKEN_HEADER_OLDER));
	*out = h[*index];
	return 0;
}

int header_write(const struct map *m, const struct header_disk *h, unsigned index)
{
	assert(index < 2);
	assert(h->check == header_check(h, index));
	return map_write(m, index * DISK_PAGE, h, sizeof *h);
}

#define MARK_SEQ_BITS   40u
#define MARK_CHECK_MASK UINT64_C(0xfffff)

static uint64_t mark_check(const struct map *m, uint64_t word)
{
	return mix64(mix64(word | MARK_CHECK_MASK) ^ m->identity) & MARK_CHECK_MASK;
}

/* The i-th mark of the page at `page`. */
static _Atomic uint64_t *mark_at(const struct map *m, uint64_t page, unsigned i)
{
	assert(i < 2);
	return (_Atomic uint64_t *)(void *)(m->base + page + (i == 0 ? HEADER_MARK_OFFSET : HEADER_MARK_COPY));
}

/* 0 where there is none that checks. */
static uint64_t mark_read(const struct map *m, uint64_t page, unsigned i)
{
	const uint64_t word = atomic_load_explicit(mark_at(m, page, i), memory_order_relaxed);

	return (word & MARK_CHECK_MASK) == mark_check(m, word & ~MARK_CHECK_MASK) ? word : 0;
}

void header_mark_write(const struct map *m, unsigned index, uint64_t seq, uint64_t checkpoint)
{
	uint64_t word = seq << (64 - MARK_SEQ_BITS) | (checkpoint & 15) << 20;
	uint8_t both[HEADER_MARK_COPY + sizeof word - HEADER_MARK_OFFSET] = {0}; /* and what is between them: nothing */

	assert(index < 2);
	word |= mark_check(m, word);
	memcpy(both, &word, sizeof word);
	memcpy(both + (HEADER_MARK_COPY - HEADER_MARK_OFFSET), &word, sizeof word);
	(void)map_write(m, index * DISK_PAGE + HEADER_MARK_OFFSET, both, sizeof both);
}

/* The commit number nearest to `near` with these low bits. */
static uint64_t mark_seq(uint64_t word, uint64_t near)
{
	const unsigned shift = 64 - MARK_SEQ_BITS;
	const int64_t ahead = (int64_t)((((word >> shift) - near) << shift)) >> shift;

	return near + (uint64_t)ahead;
}

bool header_mark_there(const struct map *m, unsigned index)
{
	assert(index < 2);
	return mark_read(m, index * DISK_PAGE, 0) != 0 || mark_read(m, index * DISK_PAGE, 1) != 0;
}

/* Whether all that no header page uses is zero. */
static bool page_is_header(const struct map *m, uint64_t page)
{
	const uint64_t *word = (const uint64_t *)(const void *)(m->base + page);
	uint64_t other = 0;

	for (uint64_t at = sizeof(struct header_disk); at < DISK_PAGE; at += sizeof *word)
		if (at != HEADER_MARK_OFFSET && at != HEADER_MARK_COPY)
			other |= word[at / sizeof *word];
	return other == 0;
}

uint64_t header_mark_strayed(const struct map *m, uint64_t page, uint64_t near)
{
	uint64_t seq = 0;

	assert(page % DISK_PAGE == 0 && map_holds(m, page, DISK_PAGE));
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t word = mark_read(m, page, i);
		const uint64_t named = word != 0 ? mark_seq(word, near) : 0;
		if (named > seq && named <= DISK_SEQ_MASK)
			seq = named;
	}
	return seq > 0 && page_is_header(m, page) ? seq : 0;
}

int header_marks_read(const struct map *m, const struct header_disk *h, uint64_t *seq)
{
	uint64_t checkpoint = 0;

	*seq = 0;
	for (unsigned i = 0; i < 4; i++) {
		const uint64_t word = mark_read(m, i / 2 * DISK_PAGE, i % 2);
		uint64_t named;
		if (word == 0)
			continue;
		named = mark_seq(word, h->seq);
		if (named > DISK_SEQ_MASK || named < *seq || named == 0)
			continue;
		/* Of two marks of one commit the one of the newer checkpoint counts. */
		if (named == *seq && (((word >> 20) - checkpoint) & 15) >= 8)
			continue;
		*seq = named;
		checkpoint = (word >> 20) & 15;
	}
	if (*seq == 0)
		return 0;
	/* The newest mark was written under this header, or the one before, or the header that it names is damaged. */
	return ((checkpoint - h->checkpoint) & 15) == 0 || ((h->checkpoint - checkpoint) & 15) < 8 ? 0
												   : GRAVITY_CORRUPT;
}
