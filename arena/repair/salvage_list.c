/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage_list.c owns which of two blobs is the newer one.
 *
 * A higher commit number is newer. In one commit the chain tells: each blob names the check of the one before it, so
 * its rank is one more than that one's. A commit number may have been used twice, the first time by a commit that was
 * never finished: what leads to the end of a commit counts as newer than what does not.
 *
 * 1. Ranking visits each blob a bounded number of times, also where a hostile file lets links go round.
 *
 * Cost: 40 bytes a blob; sorting in place. */
#include "arena/repair/salvage_list.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define RANK_BUSY UINT32_MAX
#define FIND_NONE SIZE_MAX

void salvage_list_init(struct salvage_list *f, const struct os *os)
{
	*f = (struct salvage_list){.os = os};
}

void salvage_list_release(struct salvage_list *f)
{
	if (f->os != NULL)
		f->os->free(f->os, f->list);
	*f = (struct salvage_list){.os = f->os};
}

int salvage_list_add(struct salvage_list *f, const struct blob_disk *b, uint64_t offset, uint32_t marks)
{
	if (f->count == f->capacity) {
		const size_t capacity = f->capacity == 0 ? 256 : 2 * f->capacity;
		struct find *list = f->os->alloc(f->os, f->list, capacity * sizeof *list);
		if (list == NULL)
			return ENOMEM;
		f->list = list;
		f->capacity = capacity;
	}
	f->list[f->count++] = (struct find){.name = b->name,
					    .stamp = b->stamp,
					    .offset = offset,
					    .check = b->check,
					    .link = b->link,
					    .marks = marks};
	return 0;
}

static uint64_t find_seq(const struct find *x)
{
	return x->stamp & DISK_SEQ_MASK;
}

typedef bool find_before(const struct find *a, const struct find *b);

static void sift(struct find *list, size_t at, size_t count, find_before *before)
{
	const struct find x = list[at];
	size_t child;

	while ((child = 2 * at + 1) < count) {
		if (child + 1 < count && before(&list[child], &list[child + 1]))
			child++;
		if (!before(&x, &list[child]))
			break;
		list[at] = list[child];
		at = child;
	}
	list[at] = x;
}

/* Heapsort: in place, and never quadratic. */
static void list_sort_by(struct salvage_list *f, find_before *before)
{
	for (size_t i = f->count / 2; i-- > 0;)
		sift(f->list, i, f->count, before);
	for (size_t end = f->count; end-- > 1;) {
		const struct find last = f->list[end];
		f->list[end] = f->list[0];
		f->list[0] = last;
		sift(f->list, 0, end, before);
	}
}

static bool offset_before(const struct find *a, const struct find *b)
{
	return a->offset < b->offset;
}

static bool check_before(const struct find *a, const struct find *b)
{
	if (find_seq(a) != find_seq(b))
		return find_seq(a) < find_seq(b);
	return a->check != b->check ? a->check < b->check : a->offset < b->offset;
}

static bool age_before(const struct find *a, const struct find *b)
{
	if (find_seq(a) != find_seq(b))
		return find_seq(a) < find_seq(b);
	if ((a->marks & FIND_WHOLE) != (b->marks & FIND_WHOLE))
		return (b->marks & FIND_WHOLE) != 0;
	return a->rank != b->rank ? a->rank < b->rank : a->offset < b->offset;
}

static bool name_before(const struct find *a, const struct find *b)
{
	if (a->name != b->name)
		return a->name < b->name;
	if ((a->marks & FIND_TABLE) != (b->marks & FIND_TABLE))
		return (a->marks & FIND_TABLE) != 0;
	return age_before(a, b);
}

/* The first in the list, which is sorted by that, that is not before `wanted`. */
static size_t find_first(const struct salvage_list *f, const struct find *wanted, find_before *before)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (before(&f->list[middle], wanted))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The blob before list[at] in the chain of its commit. The list is sorted by check_before. */
static size_t find_previous(const struct salvage_list *f, size_t at)
{
	const struct find wanted = {.stamp = f->list[at].stamp, .check = f->list[at].link};
	const size_t low = find_first(f, &wanted, check_before);

	if (low == f->count || find_seq(&f->list[low]) != find_seq(&wanted) || f->list[low].check != wanted.check)
		return FIND_NONE;
	return low;
}

/* Back to a blob that has a rank, to the first of its commit, or once round; then the same way again with the ranks. */
static void find_rank(struct salvage_list *f, size_t at)
{
	uint32_t steps = 0, base = 0;
	size_t i = at;

	for (; i != FIND_NONE && f->list[i].rank == 0; i = find_previous(f, i)) {
		f->list[i].rank = RANK_BUSY;
		steps++;
	}
	if (i != FIND_NONE && f->list[i].rank != RANK_BUSY)
		base = f->list[i].rank;
	for (i = at; steps > 0; i = find_previous(f, i))
		f->list[i].rank = base + steps--;
}

static void list_rank(struct salvage_list *f)
{
	list_sort_by(f, check_before);
	for (size_t i = 0; i < f->count; i++) {
		find_rank(f, i);
		if ((f->list[i].stamp >> 56 & BLOB_COMMIT) == 0)
			continue;
		for (size_t j = i; j != FIND_NONE && (f->list[j].marks & FIND_WHOLE) == 0; j = find_previous(f, j))
			f->list[j].marks |= FIND_WHOLE;
	}
}

static bool find_is_jump(const struct find *x)
{
	return (x->stamp >> 48 & 0xff) == BLOB_JUMP;
}

void salvage_list_settle(struct salvage_list *f)
{
	size_t kept = 0;

	list_sort_by(f, offset_before);
	for (size_t i = 0; i < f->count; i++) {
		if (kept > 0 && f->list[kept - 1].offset == f->list[i].offset)
			f->list[kept - 1].marks |= f->list[i].marks;
		else
			f->list[kept++] = f->list[i];
	}
	f->count = kept;
	list_rank(f);
	kept = 0;
	for (size_t i = 0; i < f->count; i++)
		if (!find_is_jump(&f->list[i]))
			f->list[kept++] = f->list[i];
	f->count = kept;
}

void salvage_list_sort_by_name(struct salvage_list *f)
{
	list_sort_by(f, name_before);
}

void salvage_list_keep_taken(struct salvage_list *f)
{
	size_t kept = 0;

	for (size_t i = 0; i < f->count; i++)
		if ((f->list[i].marks & FIND_TAKEN) != 0)
			f->list[kept++] = f->list[i];
	f->count = kept;
	list_sort_by(f, age_before);
}

bool salvage_list_in_table(const struct salvage_list *f, uint64_t name, uint64_t offset)
{
	const struct find wanted = {.name = name, .marks = FIND_TABLE};
	size_t low = find_first(f, &wanted, name_before);

	for (; low < f->count && f->list[low].name == name && (f->list[low].marks & FIND_TABLE) != 0; low++)
		if (f->list[low].offset == offset)
			return true;
	return false;
}
