/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_space.c: where new data may go: growth and its limit, plans against brute force, and the free list of a
 * checkpoint. When freed space may be used again is in test_pending.c. */
#define _GNU_SOURCE

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "arena/core.h"
#include "arena/log/recover.h"
#include "arena/space/plan.h"
#include "tests/arena/arena_fixture.h"

static struct bare bare;
static struct space *const space = &bare.space;

/* --- taking and giving back --------------------------------------------------------------------------------------- */

/* What is taken is aligned, inside the file, and no one else's; what is given back makes the file whole again. */
START_TEST(taken_space_is_nobody_elses)
{
	const uint64_t turns = testing_count(20000, 2000);
	struct slots used;
	struct rng r = rng_make(1);

	bare_open(&bare, os_posix(), DISK_DATA, 0);
	slots_init(&used, os_posix());
	for (uint64_t turn = 0; turn < turns; turn++) {
		uint64_t start, end, bytes;
		switch (rng_below(&r, 4)) {
		case 0:
			bytes = 8 * (1 + rng_size(&r, 2000));
			must_give(space_take(space, bytes, &start), 0);
			break;
		case 1:
			bytes = rng_below(&r, 2) == 0 ? sizeof(struct page_disk) : sizeof(struct node_disk);
			must_give(space_take_page(space, bytes, &start), 0);
			must(start % (bytes == DISK_PAGE ? DISK_PAGE : DISK_LINE) == 0);
			break;
		case 2:
			bytes = 8 * rng_size(&r, 20000);
			must_give(space_window(space, bytes, SPACE_PUT, &start, &end), 0);
			must(end - start >= bytes + sizeof(struct jump_disk));
			must(end - start <= SPACE_WINDOW || end - start == bytes + sizeof(struct jump_disk));
			bytes = end - start;
			break;
		default:
			if (used.count < 2)
				continue;
			start = slots_start(&used, used.first);
			bytes = slots_size(&used, used.first);
			must_give(slots_remove(&used, start, bytes), 0);
			must_give(slots_keep(&space->free, 1), 0);
			space_return(space, start, start + bytes);
			continue;
		}
		must(start % DISK_UNIT == 0 && map_holds(&bare.map, start, bytes));
		must_give(slots_insert(&used, start, bytes), 0);
	}
	must_give(space_end_cluster(space), 0);
	must(used.bytes + space->free.bytes == map_bytes(&bare.map) - DISK_DATA);
	bare_sound(&bare);
	slots_release(&used);
	bare_close(&bare);
}
END_TEST

/* A page or node crosses no page of the file. */
START_TEST(table_pages_are_pages_of_the_file)
{
	uint64_t start;

	bare_open(&bare, os_posix(), DISK_DATA, 0);
	for (unsigned i = 0; i < 15; i++) {
		const uint64_t bytes = i % 5 == 0 ? sizeof(struct node_disk) : sizeof(struct page_disk);
		must_give(space_take(space, 8 * (1 + i), &start), 0);
		must_give(space_take_page(space, bytes, &start), 0);
		must(start / DISK_PAGE == (start + bytes - 1) / DISK_PAGE);
	}
	bare_close(&bare);
}
END_TEST

/* Under a limit they stand at any multiple of 64, side by side: a full store takes the last place that there is. */
START_TEST(table_pages_are_packed_under_a_limit)
{
	uint64_t start;

	bare_open(&bare, os_posix(), DISK_DATA, DISK_DATA + 64 * KIB);
	while (space_take(space, 2 * DISK_PAGE, &start) == 0)
		;
	while (space_take(space, 8, &start) == 0)
		;
	must(space->free.bytes == 0);
	/* Two pages' room, of which no multiple of 4,096 has a page's. */
	must_give(slots_keep(&space->free, 1), 0);
	space_return(space, DISK_DATA + 8 * KIB + 8, DISK_DATA + 16 * KIB - 8);
	must_give(space_take_page(space, sizeof(struct page_disk), &start), 0);
	must(start == DISK_DATA + 8 * KIB + DISK_LINE);
	must_give(space_take_page(space, sizeof(struct node_disk), &start), 0);
	must(start >= DISK_DATA + 12 * KIB + DISK_LINE && start % DISK_LINE == 0);
	must_give(space_take_page(space, sizeof(struct page_disk), &start), GRAVITY_FULL);
	bare_close(&bare);
}
END_TEST

/* The file grows by a share of its length, in whole pages, and only when no slot fits. */
START_TEST(file_grows_when_nothing_fits)
{
	uint64_t offset, before;

	bare_open(&bare, os_posix(), DISK_DATA + 64 * KIB, 0);
	must_give(space_take(space, 40 * KIB, &offset), 0);
	must(map_bytes(&bare.map) == DISK_DATA + 64 * KIB);
	must_give(space_take(space, 40 * KIB, &offset), 0);
	before = map_bytes(&bare.map);
	must(before > DISK_DATA + 80 * KIB && before % DISK_PAGE == 0);
	must(before <= DISK_DATA + 40 * KIB + 128 * KIB);
	must_give(space_take(space, 100 * MIB, &offset), 0);
	must(map_bytes(&bare.map) >= before + 99 * MIB && map_bytes(&bare.map) <= before + 101 * MIB);
	before = map_bytes(&bare.map);
	must_give(space_take(space, 64 * KIB, &offset), 0);
	must(map_bytes(&bare.map) - before >= before / SPACE_GROWTH - DISK_PAGE);
	/* Close to the length that it is to keep below it grows by less. */
	space->near = true;
	must_give(space_take(space, 4 * MIB, &offset), 0);
	before = map_bytes(&bare.map);
	must_give(space_take(space, 64 * KIB, &offset), 0);
	must(map_bytes(&bare.map) - before <= before / SPACE_GROWTH / 3);
	bare_close(&bare);
}
END_TEST

/* The file never exceeds max_bytes, puts leave the reserve, and everything else may use all of it. */
START_TEST(limit_and_reserve_hold)
{
	uint64_t start, end, offset;
	int r;

	for (uint64_t odd = 0; odd < 3; odd++) {
		const uint64_t limit = 300 * KIB + odd * 1000;
		bare_open(&bare, os_posix(), DISK_DATA, limit);
		space->reserve = 100 * KIB;
		while ((r = space_window(space, 1000, SPACE_PUT, &start, &end)) == 0)
			must(map_bytes(&bare.map) <= limit);
		must_give(r, GRAVITY_FULL);
		/* A window is taken whole where what is asked for fits: the reserve has room for one. */
		must(space->free.bytes + limit - map_bytes(&bare.map) >= 100 * KIB - SPACE_WINDOW);
		must(space->free.bytes + limit - map_bytes(&bare.map) <= 100 * KIB + 2 * DISK_PAGE);
		while ((r = space_take(space, DISK_PAGE, &offset)) == 0)
			must(map_bytes(&bare.map) <= limit);
		must_give(r, GRAVITY_FULL);
		must_give(space_take(space, limit, &offset), GRAVITY_FULL);
		must_give(space_window(space, limit, SPACE_RESERVED, &start, &end), GRAVITY_FULL);
		must(space->free.bytes < DISK_PAGE && limit - map_bytes(&bare.map) < DISK_PAGE);
		bare_close(&bare);
	}
}
END_TEST

/* A window prefers slots that are worth a JUMP, and takes a smaller one where the file may not grow. */
START_TEST(small_slots_are_windows_of_last_resort)
{
	uint64_t start, end;

	bare_open(&bare, os_posix(), DISK_DATA, DISK_DATA + 64 * KIB);
	must_give(map_grow(&bare.map, DISK_DATA + 64 * KIB), 0);
	must_give(slots_insert(&space->free, DISK_DATA, 256), 0);
	must_give(slots_insert(&space->free, DISK_DATA + 8 * KIB, 2 * KIB), 0);
	must_give(space_window(space, 64, SPACE_PUT, &start, &end), 0);
	must(start == DISK_DATA + 8 * KIB && end == start + 2 * KIB);
	must_give(space_window(space, 64, SPACE_PUT, &start, &end), 0);
	must(start == DISK_DATA && end == start + 256);
	must_give(space_window(space, 64, SPACE_PUT, &start, &end), GRAVITY_FULL);
	bare_close(&bare);
}
END_TEST

/* The free end of the file is cut to a page, but not below what is asked to stay; a failed cut changes nothing. */
START_TEST(free_end_is_cut)
{
	uint64_t offset;

	bare_open(&bare, os_posix(), DISK_DATA + MIB, 0);
	must_give(space_take(space, 10000, &offset), 0);
	space_trim(space, DISK_DATA + 100 * KIB);
	must(map_bytes(&bare.map) == DISK_DATA + 100 * KIB);
	space_trim(space, 0);
	must(map_bytes(&bare.map) == DISK_DATA + 12288 && space->free.bytes == 12288 - 10000);
	space_trim(space, 0);
	must(map_bytes(&bare.map) == DISK_DATA + 12288);
	must_give(space_take(space, 2 * MIB, &offset), 0);
	bare_sound(&bare);
	bare_close(&bare);
}
END_TEST

/* While the disk is full what is cut has no part of what is kept ready: the free end of the file has slots without disk
 * space, which were put aside, before those that have some. */
START_TEST(free_end_of_a_full_disk_is_kept)
{
	uint64_t offset;

	bare_open(&bare, os_posix(), DISK_DATA + MIB, 0);
	must_give(space_take(space, 10000, &offset), 0);
	must_give(slots_remove(&space->free, DISK_DATA + 16 * KIB, 400 * KIB), 0);
	must_give(slots_insert(&space->aside, DISK_DATA + 16 * KIB, 400 * KIB), 0);
	space->full = true;
	space->keep = 256 * KIB;
	space_trim(space, 0);
	must(space->free.pages * SLOTS_PAGE >= space->keep && map_bytes(&bare.map) <= DISK_DATA + 700 * KIB);
	must(space->aside.bytes == 400 * KIB);
	space->keep = 0;
	space_trim(space, 0);
	must(map_bytes(&bare.map) == DISK_DATA + 12288 && space->aside.bytes == 0);
	bare_close(&bare);
}
END_TEST

/* While a range is emptied nothing new goes there: not into slots inside it, nor into the part of a slot that reaches
 * over either of its ends, nor into the slot at the end of the file that the file grows by. */
START_TEST(evicted_range_is_left_alone)
{
	struct rng r = rng_make(6);

	for (uint64_t turn = 0; turn < testing_count(300, 50); turn++) {
		bare_open(&bare, os_posix(), DISK_DATA + 256 * KIB, 0);
		for (unsigned i = 0; i < 20; i++)
			(void)slots_remove(&space->free, DISK_DATA + 8 * rng_below(&r, 32000),
					   8 * (1 + rng_below(&r, 400)));
		space->evict_start = DISK_DATA + 8 * rng_below(&r, 32768);
		space->evict_end =
			space->evict_start + 8 * rng_below(&r, (DISK_DATA + 256 * KIB - space->evict_start) / 8 + 1);
		for (unsigned i = 0; i < 60; i++) {
			uint64_t bytes = DISK_LINE * (1 + rng_below(&r, 200));
			uint64_t start, end;
			switch (rng_below(&r, 3)) {
			case 0:
				must_give(space_take(space, bytes, &start), 0);
				end = start + bytes;
				break;
			case 1:
				bytes = rng_below(&r, 2) == 0 ? sizeof(struct page_disk) : sizeof(struct node_disk);
				must_give(space_take_page(space, bytes, &start), 0);
				end = start + bytes;
				break;
			default:
				must_give(space_window(space, bytes, SPACE_PUT, &start, &end), 0);
			}
			must(end <= space->evict_start || start >= space->evict_end);
			must(map_holds(&bare.map, start, end - start));
		}
		must_give(space_end_cluster(space), 0);
		bare_sound(&bare);
		bare_close(&bare);
	}
}
END_TEST

/* --- plans -------------------------------------------------------------------------------------------------------- */

#define ROW 40u

static uint64_t row_start[ROW], row_size[ROW];

static unsigned row_make(struct slots *s, struct rng *r)
{
	const unsigned count = 1 + (unsigned)rng_below(r, ROW);
	uint64_t at = DISK_DATA;

	for (unsigned i = 0; i < count; i++) {
		at += 8 * (1 + rng_size(r, 1000));
		row_start[i] = at;
		row_size[i] = 8 * (1 + rng_size(r, 500));
		must_give(slots_insert(s, at, row_size[i]), 0);
		at += row_size[i];
	}
	return count;
}

/* How much of a slot lies before the limit. */
static uint64_t row_part(unsigned i, uint64_t limit)
{
	return row_start[i] + row_size[i] < limit ? row_size[i] : limit - row_start[i];
}

/* The least that any run before the limit moves for `want`; UINT64_MAX: none is enough. */
static uint64_t row_cheapest(unsigned count, uint64_t limit, uint64_t want)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < count; i++) {
		uint64_t sum = 0;
		for (unsigned k = i; k < count && row_start[k] < limit; k++) {
			uint64_t moved;
			sum += row_part(k, limit);
			moved = row_start[k] + row_part(k, limit) - row_start[i] - sum;
			if (sum >= want && moved < best)
				best = moved;
		}
	}
	return best;
}

static void plan_expect(const struct slots *s, const struct plan *p, uint64_t limit, uint64_t want)
{
	const slot_id first = slots_at_or_before(s, p->start);
	uint64_t sum = 0;
	slot_id id;

	must(first != SLOT_NONE && slots_start(s, first) == p->start && p->end <= limit);
	must(p->first_end == p->start + slots_size(s, first) || p->first_end == limit);
	for (id = first; id != SLOT_NONE && slots_start(s, id) < p->end; id = slots_next(s, id)) {
		const uint64_t end = slots_start(s, id) + slots_size(s, id);
		sum += (end < limit ? end : limit) - slots_start(s, id);
	}
	must(sum == p->free && p->free >= want && p->moved == p->end - p->start - sum);
}

/* What a stretch may move is any number; what is evacuated ends where a blob may begin. */
START_TEST(a_stretch_ends_between_units)
{
	struct slots s;
	struct plan p;

	slots_init(&s, os_posix());
	must_give(slots_insert(&s, DISK_DATA, 800), 0);
	must_give(slots_insert(&s, DISK_DATA + 8000, 800), 0);
	for (uint64_t moved = 1000; moved < 1040; moved++) {
		must_give(plan_stretch(&s, DISK_DATA, DISK_DATA + 80000, moved, &p), 0);
		must(p.end == DISK_DATA + 800 + moved / 8 * 8 && p.moved == moved / 8 * 8);
	}
	slots_release(&s);
}
END_TEST

/* The cheapest planner moves no more than the best of all runs; the gravity planner finds a run whenever there is one,
 * and starts at the pair that attracts most, where that is before the limit. Neither counts what lies behind it. */
START_TEST(plans_are_as_good_as_they_say)
{
	struct rng r = rng_make(3);

	for (uint64_t turn = 0; turn < testing_count(5000, 500); turn++) {
		struct slots s;
		struct plan p;
		unsigned count;
		uint64_t want, best, limit;
		slot_id pair;
		slots_init(&s, os_posix());
		count = row_make(&s, &r);
		want = 8 * (1 + rng_size(&r, s.bytes / 8));
		limit = turn % 2 == 0 ? UINT64_MAX
				      : 8 * rng_below(&r, (row_start[count - 1] + row_size[count - 1]) / 8 + 2);
		best = row_cheapest(count, limit, want);
		must_give(plan_run(&s, GRAVITY_CHEAPEST, limit, want, &p), best == UINT64_MAX ? GRAVITY_FULL : 0);
		if (best != UINT64_MAX) {
			plan_expect(&s, &p, limit, want);
			must(p.moved == best);
		}
		pair = slots_most_attracted(&s);
		must_give(plan_run(&s, GRAVITY_GRAVITY, limit, want, &p),
			  best == UINT64_MAX || pair == SLOT_NONE ? GRAVITY_FULL : 0);
		if (best != UINT64_MAX && pair != SLOT_NONE) {
			plan_expect(&s, &p, limit, want);
			must(p.moved >= best);
			must(slots_start(&s, pair) >= limit ||
			     (p.start <= slots_start(&s, pair) && p.end > slots_start(&s, pair)));
		}
		slots_release(&s);
	}
}
END_TEST

/* --- the free list ------------------------------------------------------------------------------------------------ */

/* An arena with `count` free slots at least. */
static arena *arena_with_slots(uint64_t count)
{
	arena *a = arena_lazy(testing_path);
	arena_txn *t;
	void *data;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 4 * count; i++)
		must_give(arena_put(t, (vpos){mix64(i)}, 0, 200, &data), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 4 * count; i += 4)
		must_give(arena_del(t, (vpos){mix64(i)}), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_checkpoint(a), 0);
	must_give(arena_checkpoint(a), 0);
	return a;
}

static int chunk_count(void *arg, struct free_disk *chunk)
{
	must(chunk->used > 0 || *(uint64_t *)arg > 0);
	++*(uint64_t *)arg;
	return 0;
}

/* A free list of many chunks is read back as it was, whether the store was closed or not. */
START_TEST(free_list_is_read_back)
{
	static const uint64_t counts[] = {0, 1, 100, 5000, 40000};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		arena *a = arena_with_slots(counts[i]);
		struct arena_stats before, after;
		uint64_t chunks = 0;
		must_give(arena_stat(a, &before), 0);
		must(before.free_slots >= counts[i]);
		must_give(freelist_each(&a->map, &a->flush.header, chunk_count, &chunks), 0);
		must(chunks >= counts[i] / 20000);
		arena_must_be_sound(a);
		arena_must_close(a);
		file_must_be_sound(testing_path);
		a = arena_lazy(testing_path);
		must_give(arena_stat(a, &after), 0);
		must(after.free_slots + 10 >= before.free_slots && after.free_slots <= before.free_slots + 10);
		must(after.blobs == 3 * counts[i]);
		arena_must_be_sound(a);
		arena_must_close(a);
		must(remove(testing_path) == 0);
	}
}
END_TEST

/* Forgets the free slots and reads them from the list again. */
static int list_again(arena *a)
{
	slots_release(&a->b->space.free);
	slots_init(&a->b->space.free, a->os);
	a->b->space_loaded = false;
	return recover_space(a);
}

static int chunk_last(void *arg, struct free_disk *chunk)
{
	*(struct free_disk **)arg = chunk;
	return 0;
}

/* A damaged or hostile free list is GRAVITY_CORRUPT: any changed bit; pairs that overlap, wrap, lie outside or break
 * off; chunks that go round. */
START_TEST(hostile_free_list_is_refused)
{
	struct arena_options o = plain_options(GRAVITY_RDONLY, 0);
	struct rng r = rng_make(5);
	struct free_disk *chunk = NULL;
	struct header_disk good;
	uint8_t saved[4096];
	uint64_t offset;
	arena *a;

	arena_must_close(arena_with_slots(100));
	a = arena_must_open(testing_path, &o);
	/* to be damaged; the file stays as it is */
	must_give(a->os->use(a->os, a->map.base, 0, map_bytes(&a->map)), 0);
	must_give(freelist_each(&a->map, &a->flush.header, chunk_last, &chunk), 0);
	must(chunk != NULL && blob_span(chunk->head.size) < sizeof(saved));
	offset = blob_offset(&a->map, chunk);
	memcpy(saved, chunk, blob_span(chunk->head.size));
	must_give(list_again(a), 0);
	for (uint64_t turn = 0; turn < testing_count(4000, 400); turn++) {
		const uint64_t bit = rng_below(&r, 8 * (sizeof(*chunk) + chunk->used));
		uint8_t *byte = (uint8_t *)chunk + bit / 8;
		*byte = (uint8_t)(*byte ^ 1u << (bit % 8));
		must_give(list_again(a), GRAVITY_CORRUPT);
		/* The same with a right check: refused, or by chance a list of the same sum, which the header cannot tell. */
		if (bit >= 8 * 8 && blob_fits(&a->map, offset)) {
			blob_seal(&a->map, &chunk->head);
			const int code = list_again(a);
			must(code == GRAVITY_CORRUPT || code == 0);
		}
		memcpy(chunk, saved, blob_span(((struct free_disk *)(void *)saved)->head.size));
	}
	chunk->next = offset; /* round in a circle */
	blob_seal(&a->map, &chunk->head);
	must_give(list_again(a), GRAVITY_CORRUPT);
	memcpy(chunk, saved, blob_span(((struct free_disk *)(void *)saved)->head.size));
	memset(chunk + 1, 0xff, chunk->used); /* numbers that never end */
	blob_seal(&a->map, &chunk->head);
	must_give(list_again(a), GRAVITY_CORRUPT);
	memcpy(chunk, saved, blob_span(((struct free_disk *)(void *)saved)->head.size));
	good = a->flush.header;
	a->flush.header.free_slots++;
	must_give(list_again(a), GRAVITY_CORRUPT);
	a->flush.header = good;
	a->flush.header.free_bytes -= 8;
	must_give(list_again(a), GRAVITY_CORRUPT);
	a->flush.header = good;
	a->flush.header.log_start -= 8; /* the window overlaps something */
	a->flush.header.window_end = map_bytes(&a->map);
	must_give(list_again(a), GRAVITY_CORRUPT);
	a->flush.header = good;
	must_give(list_again(a), 0);
	arena_must_close(a);
}
END_TEST

/* Free extents that overlap and reach past the end, as a hostile file makes them, are surveyed up to the end. */
START_TEST(freemap_ends_with_the_file)
{
	const uint64_t file_bytes = 3 * FREEMAP_SEGMENT / 2;
	struct ranges list;
	struct freemap freemap;
	uint64_t start, end;

	must_give(ranges_init(&list, os_posix(), 4), 0);
	ranges_add(&list, FREEMAP_SEGMENT / 2, FREEMAP_LARGE / 2);
	ranges_add(&list, FREEMAP_SEGMENT, FREEMAP_SEGMENT * 4);
	ranges_add(&list, FREEMAP_SEGMENT + 64, 64);
	ranges_add(&list, FREEMAP_SEGMENT * 9, 64);
	must_give(freemap_init(&freemap, os_posix(), file_bytes, FREEMAP_SEGMENT, FREEMAP_LARGE), 0);
	freemap_take(&freemap, &list, file_bytes);
	ranges_release(&list, os_posix());
	must(freemap_next(&freemap, 0, &start, &end));
	must(start == 0 && end == FREEMAP_SEGMENT);
	must(!freemap_next(&freemap, 0, &start, &end));
	freemap_release(&freemap, os_posix());
}
END_TEST

/* What is free in one large piece makes nothing worth moving: a segment is as empty as the rest of it is. */
START_TEST(large_extents_are_no_part_of_a_segment)
{
	const uint64_t third = 2 * FREEMAP_SEGMENT;
	struct ranges list;
	struct freemap freemap;
	uint64_t start, end;

	must_give(ranges_init(&list, os_posix(), 5), 0);
	ranges_add(&list, 0, FREEMAP_SEGMENT - 64 * KIB);
	ranges_add(&list, FREEMAP_SEGMENT - 32 * KIB, 8 * KIB);
	ranges_add(&list, FREEMAP_SEGMENT + 32 * KIB, 16 * KIB);
	ranges_add(&list, FREEMAP_SEGMENT + 64 * KIB, 32 * KIB);
	ranges_add(&list, third, 128 * KIB);
	must_give(freemap_init(&freemap, os_posix(), 2 * third, FREEMAP_SEGMENT, FREEMAP_LARGE), 0);
	freemap_take(&freemap, &list, third + FREEMAP_SEGMENT / 2);
	ranges_release(&list, os_posix());
	must(freemap.large == FREEMAP_SEGMENT + 64 * KIB);
	/* 48 KiB of 256, then 8 of 64. */
	must(freemap_next(&freemap, 0, &start, &end) && start == FREEMAP_SEGMENT && end == 2 * FREEMAP_SEGMENT);
	must(!freemap_next(&freemap, 5, &start, &end));
	must(freemap_next(&freemap, 4, &start, &end) && start == 0);
	must(!freemap_next(&freemap, 0, &start, &end));
	freemap_release(&freemap, os_posix());
}
END_TEST

/* A store that was emptied is small again after a compaction, and the disk space of large holes goes back before. */
START_TEST(emptied_store_is_small)
{
	arena *a = arena_lazy(testing_path);
	struct arena_stats stats;
	arena_txn *t;
	void *data;

	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 400; i++)
		must_give(arena_put(t, (vpos){mix64(i)}, 0, 20 * KIB, &data), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_checkpoint(a), 0);
	must_give(arena_begin(a, ARENA_WRITE, &t), 0);
	for (uint64_t i = 0; i < 399; i++)
		must_give(arena_del(t, (vpos){mix64(i)}), 0);
	must_give(arena_commit(t), 0);
	must_give(arena_compact(a, GRAVITY_DEFAULT, 0, NULL, NULL), 0);
	must_give(arena_stat(a, &stats), 0);
	must(stats.file_bytes < 600 * KIB && stats.blobs == 1);
	arena_must_be_sound(a);
	arena_must_close(a);
	must(file_bytes(testing_path) < 600 * KIB);
	file_must_be_sound(testing_path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("space");

	testing_add(suite, "taking",
		    TESTS(taken_space_is_nobody_elses, table_pages_are_pages_of_the_file,
			  table_pages_are_packed_under_a_limit, file_grows_when_nothing_fits, limit_and_reserve_hold,
			  small_slots_are_windows_of_last_resort, free_end_is_cut, free_end_of_a_full_disk_is_kept,
			  evicted_range_is_left_alone));
	testing_add(suite, "plans", TESTS(plans_are_as_good_as_they_say, a_stretch_ends_between_units));
	testing_add(suite, "free list",
		    TESTS(free_list_is_read_back, hostile_free_list_is_refused, freemap_ends_with_the_file,
			  large_extents_are_no_part_of_a_segment, emptied_store_is_small));
	return testing_main(suite);
}
