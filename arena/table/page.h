/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* page.h: one page of the table: 63 groups of 8 entries, an entry in either of two groups that its name chooses.
 *
 * A page of depth d holds the names that begin with its d-bit prefix. An entry is 24 bits of the name (its tag: bits 8
 * to 31 from the top) and 40 bits of position. Entries never move inside a page; page_split and page_merge make new
 * pages and keep every entry in the group that it is in. */
#ifndef GKV_ARENA_TABLE_PAGE_H
#define GKV_ARENA_TABLE_PAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "arena/file/disk.h"

#define PAGE_TAG_FIRST     8u  /* a name's bits from this one on are in its tag   */
#define PAGE_DEPTH_MAX     30u /* so a split below it always finds its bit there  */
#define PAGE_POSITION_BITS 40u
#define PAGE_POSITION_MASK ((UINT64_C(1) << PAGE_POSITION_BITS) - 1)
/* Two buddies are merged when neither holds more: 40% of a page. */
#define PAGE_MERGE_LIVE ((PAGE_GROUPS * PAGE_WAYS) * 2 / 5)

static inline uint64_t page_tag(uint64_t name)
{
	return (name >> 32) & 0xffffff;
}

static inline uint64_t page_entry(uint64_t name, uint64_t offset)
{
	return page_tag(name) << PAGE_POSITION_BITS | offset / DISK_UNIT;
}

static inline uint64_t page_entry_offset(uint64_t entry)
{
	return (entry & PAGE_POSITION_MASK) * DISK_UNIT;
}

static inline uint64_t page_entry_tag(uint64_t entry)
{
	return entry >> PAGE_POSITION_BITS;
}

/* The two groups of a name, which differ: from bits that no depth and no tag uses. */
static inline void page_groups(uint64_t name, unsigned *first, unsigned *second)
{
	const unsigned a = (unsigned)(((name & 0xffff) * PAGE_GROUPS) >> 16);
	const unsigned b = (unsigned)((((name >> 16) & 0xffff) * (PAGE_GROUPS - 1)) >> 16);

	*first = a;
	*second = b + (b >= a);
}

/* Asks the processor for the entries of a name. */
static inline void page_ask(const struct page_disk *page, uint64_t name)
{
	unsigned first, second;

	page_groups(name, &first, &second);
	__builtin_prefetch(page->group[first]);
	__builtin_prefetch(page->group[second]);
}

static inline uint64_t page_load(const uint64_t *entry)
{
	return atomic_load_explicit((_Atomic uint64_t *)(uintptr_t)entry, memory_order_acquire);
}

static inline void page_store(uint64_t *entry, uint64_t value)
{
	atomic_store_explicit((_Atomic uint64_t *)entry, value, memory_order_release);
}

/* Which ways of two groups may hold that tag, a bit each, the first group's below the second's; the entries themselves are
 * to be loaded, and compared, after. The vector form reads two entries with one load, each of which is whole on every
 * processor that has it. */
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
/* 16 bits for each way: all ones where it has the tag. */
static inline __m128i page_group_match(const uint64_t *group, __m128i tags)
{
	const __m128 *pair = (const __m128 *)(const void *)group;
	const __m128i low = _mm_castps_si128(_mm_shuffle_ps(pair[0], pair[1], 0xdd));
	const __m128i high = _mm_castps_si128(_mm_shuffle_ps(pair[2], pair[3], 0xdd));

	return _mm_packs_epi32(_mm_cmpeq_epi32(_mm_srli_epi32(low, 8), tags),
			       _mm_cmpeq_epi32(_mm_srli_epi32(high, 8), tags));
}

static inline unsigned page_groups_match(const uint64_t *first, const uint64_t *second, uint64_t tag)
{
	const __m128i tags = _mm_set1_epi32((int)tag);

	return (unsigned)_mm_movemask_epi8(
		_mm_packs_epi16(page_group_match(first, tags), page_group_match(second, tags)));
}
#else
static inline unsigned page_groups_match(const uint64_t *first, const uint64_t *second, uint64_t tag)
{
	unsigned match = 0;

	for (unsigned w = 0; w < PAGE_WAYS; w++) {
		match |= (unsigned)(page_load(&first[w]) >> PAGE_POSITION_BITS == tag) << w;
		match |= (unsigned)(page_load(&second[w]) >> PAGE_POSITION_BITS == tag) << (PAGE_WAYS + w);
	}
	return match;
}
#endif

/* Where a name may stand in a page: its groups, and which of their ways have its tag. */
struct page_match {
	const uint64_t *first, *second;
	unsigned ways; /* bits 0 to 7 the first group's, 8 to 15 the second's */
};

static inline struct page_match page_match(const struct page_disk *p, uint64_t name)
{
	struct page_match match;
	unsigned first, second;

	page_groups(name, &first, &second);
	match.first = p->group[first];
	match.second = p->group[second];
	match.ways = page_groups_match(match.first, match.second, page_tag(name));
	return match;
}

/* Where the lowest way of a match points, for a prefetch; 0 where there is none. */
static inline uint64_t page_match_offset(struct page_match match)
{
	const unsigned way = (unsigned)__builtin_ctz(match.ways | 1u << 15);
	const uint64_t *group = way < PAGE_WAYS ? match.first : match.second;

	return match.ways == 0 ? 0 : page_entry_offset(page_load(&group[way % PAGE_WAYS]));
}

/* The entry of the lowest way of a match, which it takes off; 0 when it is none of that tag after all. */
static inline uint64_t page_match_next(struct page_match *match, uint64_t tag)
{
	const unsigned way = (unsigned)__builtin_ctz(match->ways);
	const uint64_t *group = way < PAGE_WAYS ? match->first : match->second;
	const uint64_t entry = page_load(&group[way % PAGE_WAYS]);

	match->ways &= match->ways - 1;
	return entry >> PAGE_POSITION_BITS == tag ? entry : 0;
}

static inline unsigned page_depth(const struct page_disk *p)
{
	return p->head.link;
}

/* The bits of a name that a page of this depth shares, the rest 0. */
static inline uint64_t page_prefix(uint64_t name, unsigned depth)
{
	return depth == 0 ? 0 : name & ~(UINT64_MAX >> depth);
}

/* Empty, of that prefix, depth and birth. */
void page_init(struct page_disk *p, uint64_t prefix, unsigned depth, uint64_t born);

/* The entry of exactly that name's tag and offset, or NULL. */
uint64_t *page_find(struct page_disk *p, uint64_t name, uint64_t offset);

/* Chooses places for new entries of a page, each once, before any is stored. */
struct page_plan {
	struct page_disk *page;
	uint8_t known[PAGE_GROUPS]; /* whether taken[] was read from the page yet   */
	uint8_t taken[PAGE_GROUPS]; /* a bit for each way that is used or promised  */
};

void page_plan_begin(struct page_plan *plan, struct page_disk *p);
/* A free place in the emptier of the name's groups, or NULL: the page must split. */
uint64_t *page_plan_take(struct page_plan *plan, uint64_t name);

/* Which half an entry goes to when a page of that depth splits: its bit `depth`, where the tag holds it. */
static inline unsigned page_tag_bit(uint64_t entry, unsigned depth)
{
	return (unsigned)(page_entry_tag(entry) >> (31 - depth)) & 1;
}

/* Whether every group of both fits into one. */
bool page_mergeable(const struct page_disk *a, const struct page_disk *b);
/* Fills `to` (initialised, empty) with the entries of both. */
void page_merge(struct page_disk *to, const struct page_disk *a, const struct page_disk *b);

/* Used entries, counted. */
unsigned page_count(const struct page_disk *p);

#endif
