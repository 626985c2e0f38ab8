/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* page.c owns the inside of a table page. It refuses to know where pages stand, or what blobs hold.
 *
 * 1. Each used entry stands in one of the two groups of its name, and no two are the same word.
 * 2. head.aux is the number of used entries whenever no commit is being applied.
 * 3. A reader that scans both groups of a name while one entry changes sees that entry before or after.
 *
 * Cost: a look-up reads one or two cache lines. With two choices of 8 ways a page takes some 400 of its 504 entries
 * before it splits. */
#include "arena/table/page.h"

#include <assert.h>
#include <string.h>

#include "arena/file/blob.h"

void page_init(struct page_disk *p, uint64_t prefix, unsigned depth, uint64_t born)
{
	assert(depth <= PAGE_DEPTH_MAX);
	assert(page_prefix(prefix, depth) == prefix);
	memset(p, 0, sizeof *p);
	p->head.size = sizeof *p - sizeof p->head;
	p->head.name = prefix;
	p->head.stamp = blob_stamp(born, BLOB_PAGE, 0);
	p->head.link = depth;
}

uint64_t *page_find(struct page_disk *p, uint64_t name, uint64_t offset)
{
	const uint64_t entry = page_entry(name, offset);
	unsigned group[2];

	page_groups(name, &group[0], &group[1]);
	for (unsigned g = 0; g < 2; g++)
		for (unsigned w = 0; w < PAGE_WAYS; w++)
			if (p->group[group[g]][w] == entry)
				return &p->group[group[g]][w];
	return NULL;
}

void page_plan_begin(struct page_plan *plan, struct page_disk *p)
{
	plan->page = p;
	memset(plan->known, 0, sizeof plan->known);
}

static unsigned plan_taken(struct page_plan *plan, unsigned group)
{
	if (!plan->known[group]) {
		unsigned taken = 0;
		for (unsigned w = 0; w < PAGE_WAYS; w++)
			taken |= (unsigned)(plan->page->group[group][w] != 0) << w;
		plan->taken[group] = (uint8_t)taken;
		plan->known[group] = 1;
	}
	return plan->taken[group];
}

uint64_t *page_plan_take(struct page_plan *plan, uint64_t name)
{
	unsigned first, second, group, way, taken;

	page_groups(name, &first, &second);
	assert(first != second && first < PAGE_GROUPS && second < PAGE_GROUPS);
	const int first_used = __builtin_popcount(plan_taken(plan, first));
	const int second_used = __builtin_popcount(plan_taken(plan, second));
	group = second_used < first_used ? second : first;
	taken = plan->taken[group];
	if (taken == 0xff)
		return NULL;
	way = (unsigned)__builtin_ctz(~taken);
	plan->taken[group] = (uint8_t)(taken | 1u << way);
	assert(plan->page->group[group][way] == 0);
	return &plan->page->group[group][way];
}

static unsigned group_used(const struct page_disk *p, unsigned group)
{
	unsigned used = 0;

	for (unsigned w = 0; w < PAGE_WAYS; w++)
		used += p->group[group][w] != 0;
	return used;
}

bool page_mergeable(const struct page_disk *a, const struct page_disk *b)
{
	if (a->head.aux > PAGE_MERGE_LIVE || b->head.aux > PAGE_MERGE_LIVE)
		return false;
	for (unsigned g = 0; g < PAGE_GROUPS; g++)
		if (group_used(a, g) + group_used(b, g) > PAGE_WAYS)
			return false;
	return true;
}

/*      a: depth d+1, prefix p0      b: depth d+1, prefix p1           to: depth d, prefix p
 *      +---------+                  +---------+                       +---------+
 *      | g: x . y|                  | g: . z .|          ->           | g: x y z|
 *      +---------+                  +---------+                       +---------+  */
void page_merge(struct page_disk *to, const struct page_disk *a, const struct page_disk *b)
{
	assert(to->head.aux == 0);
	for (unsigned g = 0; g < PAGE_GROUPS; g++) {
		unsigned next = 0;
		for (unsigned w = 0; w < 2 * PAGE_WAYS; w++) {
			const struct page_disk *from = w < PAGE_WAYS ? a : b;
			const uint64_t entry = from->group[g][w % PAGE_WAYS];
			if (entry != 0) {
				assert(next < PAGE_WAYS);
				to->group[g][next++] = entry;
			}
		}
		to->head.aux += next;
	}
}

unsigned page_count(const struct page_disk *p)
{
	unsigned used = 0;

	for (unsigned g = 0; g < PAGE_GROUPS; g++)
		used += group_used(p, g);
	return used;
}
