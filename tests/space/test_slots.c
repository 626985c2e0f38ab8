/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_slots.c: the free slots by example, under failing allocation, and damaged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/gravity.h"
#include "tests/space/slots_fixture.h"

/* ---- examples -------------------------------------------------------------------------------------------------- */

START_TEST(empty)
{
	/* Without a slot nothing is allocated, nothing is found, and everything checks. */
	ck_assert_uint_eq(slots_largest(&slots), SLOT_NONE);
	ck_assert_uint_eq(slots_first_fit(&slots, 8), SLOT_NONE);
	ck_assert_uint_eq(slots_first_fit_from(&slots, 8, 0), SLOT_NONE);
	ck_assert_uint_eq(slots_most_attracted(&slots), SLOT_NONE);
	ck_assert_uint_eq(slots_at_or_before(&slots, UINT64_MAX), SLOT_NONE);
	ck_assert_uint_eq(slots_at_or_after(&slots, 0), SLOT_NONE);
	ck_assert_uint_eq(slots_height(), 0);
	ck_assert_int_eq(slots_remove(&slots, 0, 8), GRAVITY_NOTFOUND);
	ck_assert_uint_eq(memory.calls, 0);
	ck_assert_str_eq(picture(), "");
}
END_TEST

START_TEST(merging)
{
	/* A new slot joins the neighbours that it touches, on either side and on both, and no others. */
	insert(64, 16);
	insert(160, 16);
	ck_assert_str_eq(picture(), "64+16 160+16");
	insert(80, 8);
	ck_assert_str_eq(picture(), "64+24 160+16");
	insert(152, 8);
	ck_assert_str_eq(picture(), "64+24 152+24");
	insert(88, 64);
	ck_assert_str_eq(picture(), "64+112");
	insert(0, 56);
	ck_assert_str_eq(picture(), "0+56 64+112");
	insert(56, 8);
	ck_assert_str_eq(picture(), "0+176");
	ck_assert_uint_eq(slots.count, 1);
	ck_assert_uint_eq(slots.bytes, 176);
}
END_TEST

START_TEST(merging_keeps_the_index)
{
	/* A slot keeps its index while it grows at either end or is cut at either end. */
	slot_id id;

	insert(64, 16);
	id = slots.first;
	insert(80, 16);
	insert(48, 16);
	ck_assert_int_eq(slots_remove(&slots, 48, 8), 0);
	ck_assert_int_eq(slots_remove(&slots, 88, 8), 0);
	ck_assert_uint_eq(slots.first, id);
	ck_assert_uint_eq(slots_start(&slots, id), 56);
	ck_assert_uint_eq(slots_size(&slots, id), 32);
}
END_TEST

START_TEST(overlap_refused)
{
	/* What overlaps a free slot by as little as 8 bytes is refused and changes nothing. */
	static const uint64_t ranges[][2] = {{64, 32}, {64, 8}, {88, 8},  {72, 8},  {56, 16}, {88, 16},
					     {0, 200}, {0, 72}, {88, 80}, {160, 8}, {96, 72}, {64, 112}};

	insert(64, 32);
	insert(160, 16);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		ck_assert_int_eq(slots_insert(&slots, ranges[i][0], ranges[i][1]), GRAVITY_INVALID);
		ck_assert_str_eq(picture(), "64+32 160+16");
	}
	ck_assert_uint_eq(slots.bytes, 48);
}
END_TEST

START_TEST(malformed_refused)
{
	/* A range that is empty, not aligned to 8 bytes, or wraps is refused by insert and remove and changes nothing. */
	static const uint64_t ranges[][2] = {
		{64, 0}, {65, 8}, {64, 9}, {68, 4}, {UINT64_MAX - 7, 8}, {64, UINT64_MAX - 7}};

	insert(64, 32);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		ck_assert_int_eq(slots_insert(&slots, ranges[i][0], ranges[i][1]), GRAVITY_INVALID);
		ck_assert_int_eq(slots_remove(&slots, ranges[i][0], ranges[i][1]), GRAVITY_INVALID);
	}
	ck_assert_str_eq(picture(), "64+32");
}
END_TEST

START_TEST(removing)
{
	/* Taking a range out of a slot leaves its front, its back, both or nothing. */
	insert(64, 64);
	insert(256, 8);
	ck_assert_int_eq(slots_remove(&slots, 64, 8), 0);
	ck_assert_str_eq(picture(), "72+56 256+8");
	ck_assert_int_eq(slots_remove(&slots, 120, 8), 0);
	ck_assert_str_eq(picture(), "72+48 256+8");
	ck_assert_int_eq(slots_remove(&slots, 88, 16), 0);
	ck_assert_str_eq(picture(), "72+16 104+16 256+8");
	ck_assert_uint_eq(slots.bytes, 40);
	ck_assert_int_eq(slots_remove(&slots, 104, 16), 0);
	ck_assert_str_eq(picture(), "72+16 256+8");
	ck_assert_int_eq(slots_remove(&slots, 256, 8), 0);
	ck_assert_int_eq(slots_remove(&slots, 72, 16), 0);
	ck_assert_str_eq(picture(), "");
	ck_assert_uint_eq(slots.count, 0);
	ck_assert_uint_eq(slots.bytes, 0);
}
END_TEST

START_TEST(not_contained_refused)
{
	/* A range of which any part lies outside one free slot is not found, and nothing changes. */
	static const uint64_t ranges[][2] = {{0, 8},   {56, 8},   {56, 16}, {88, 16},  {96, 8},  {64, 40},
					     {56, 48}, {64, 112}, {176, 8}, {168, 16}, {1024, 8}};

	insert(64, 32);
	insert(160, 16);
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		ck_assert_int_eq(slots_remove(&slots, ranges[i][0], ranges[i][1]), GRAVITY_NOTFOUND);
		ck_assert_str_eq(picture(), "64+32 160+16");
	}
	ck_assert_uint_eq(slots.bytes, 48);
}
END_TEST

START_TEST(ends_of_the_address_space)
{
	/* Slots at the lowest and at the highest offsets behave as any other. */
	const uint64_t top = UINT64_MAX - 15;

	insert(0, 8);
	insert(top, 8);
	check_slots();
	ck_assert_uint_eq(slots_at_or_after(&slots, 1), slots.last);
	ck_assert_uint_eq(slots_at_or_before(&slots, UINT64_MAX), slots.last);
	ck_assert_uint_eq(slots_most_attracted(&slots), slots.first);
	insert(8, top - 8);
	ck_assert_uint_eq(slots.count, 1);
	ck_assert_uint_eq(slots.bytes, top + 8);
	ck_assert_int_eq(slots_remove(&slots, 8, top), 0);
	ck_assert_str_eq(picture(), "0+8");
}
END_TEST

static void expect_gravities(size_t n, const double *expected)
{
	slot_id id = slots.first;

	check_slots();
	ck_assert_uint_eq(slots.count, n);
	for (size_t i = 0; i < n; i++, id = slots_next(&slots, id))
		ck_assert_msg(slots_gravity(&slots, id) == expected[i], "slot %zu: %g instead of %g", i,
			      slots_gravity(&slots, id), expected[i]);
}

START_TEST(gravity_by_formula)
{
	/* A slot's gravity is exactly size * next size / distance^2, and follows every change of the slot after it. */
	insert(0, 16);
	expect_gravities(1, (const double[]){0});
	insert(64, 32); /* appears */
	expect_gravities(2, (const double[]){16.0 * 32 / (48.0 * 48), 0});
	insert(128, 64);
	expect_gravities(3, (const double[]){16.0 * 32 / (48.0 * 48), 32.0 * 64 / (32.0 * 32), 0});
	ck_assert_uint_eq(slots_start(&slots, slots_most_attracted(&slots)), 64);
	insert(32, 8); /* appears in between */
	expect_gravities(4,
			 (const double[]){16.0 * 8 / (16.0 * 16), 8.0 * 32 / (24.0 * 24), 32.0 * 64 / (32.0 * 32), 0});
	insert(24, 8); /* grows to the left */
	expect_gravities(4,
			 (const double[]){16.0 * 16 / (8.0 * 8), 16.0 * 32 / (24.0 * 24), 32.0 * 64 / (32.0 * 32), 0});
	ck_assert_uint_eq(slots_start(&slots, slots_most_attracted(&slots)), 0);
	ck_assert_int_eq(slots_remove(&slots, 64, 8), 0); /* loses its front */
	expect_gravities(4,
			 (const double[]){16.0 * 16 / (8.0 * 8), 16.0 * 24 / (32.0 * 32), 24.0 * 64 / (32.0 * 32), 0});
	ck_assert_int_eq(slots_remove(&slots, 24, 16), 0); /* disappears */
	expect_gravities(3, (const double[]){16.0 * 24 / (56.0 * 56), 24.0 * 64 / (32.0 * 32), 0});
	insert(96, 32); /* the two after it become one */
	expect_gravities(2, (const double[]){16.0 * 120 / (56.0 * 56), 0});
	ck_assert_int_eq(slots_remove(&slots, 80, 8), 0); /* it is split */
	expect_gravities(3, (const double[]){16.0 * 8 / (56.0 * 56), 8.0 * 104 / (8.0 * 8), 0});
	ck_assert_uint_eq(slots_start(&slots, slots_most_attracted(&slots)), 72);
}
END_TEST

START_TEST(lowest_of_equals)
{
	/* Of slots of one size the lowest is the largest, and of pairs of one gravity the lowest is the most attracted. */
	for (uint64_t i = 1; i <= 100; i++)
		insert(i * 37 % 101 * 32, 16);
	check_slots();
	ck_assert_uint_eq(slots_largest(&slots), slots.first);
	ck_assert_uint_eq(slots_most_attracted(&slots), slots.first);
	ck_assert_uint_eq(slots_first_fit(&slots, 0), slots.first);
	ck_assert_uint_eq(slots_first_fit(&slots, 16), slots.first);
	ck_assert_uint_eq(slots_first_fit(&slots, 24), SLOT_NONE);
}
END_TEST

/* ---- failing allocation ---------------------------------------------------------------------------------------- */

START_TEST(failure_leaves_everything)
{
	/* Whichever allocation fails, that call gives ENOMEM, leaves everything as it was, and succeeds when repeated. */
	const uint64_t wanted = 1000;
	uint64_t failures = 0;

	memory.fail_at = (uint64_t)_i + 1;
	for (uint64_t i = 0; i < wanted; i++) {
		const uint64_t count = slots.count, bytes = slots.bytes;
		int code = slots_insert(&slots, i * 64, 56);

		if (code != 0) {
			ck_assert_int_eq(code, ENOMEM);
			ck_assert_uint_eq(slots.count, count);
			ck_assert_uint_eq(slots.bytes, bytes);
			check_slots();
			failures++;
			insert(i * 64, 56);
		}
		code = slots_remove(&slots, i * 64 + 16, 16);
		if (code != 0) {
			ck_assert_int_eq(code, ENOMEM);
			ck_assert_uint_eq(slots.count, count + 1);
			ck_assert_uint_eq(slots.bytes, bytes + 56);
			check_slots();
			failures++;
			ck_assert_int_eq(slots_remove(&slots, i * 64 + 16, 16), 0);
		}
	}
	ck_assert_uint_eq(failures, memory.fail_at <= memory.calls);
	ck_assert_uint_eq(failures, _i < 12);
	ck_assert_uint_eq(slots.count, 2 * wanted);
}
END_TEST

START_TEST(growing_needs_no_memory)
{
	/* An insert that merges and a removal that does not split succeed when no memory is left. */
	while (slots.count == 0 || slots.count + 1 < slots.capacity)
		insert(slots.count * 64, 16);
	memory.fail_at = 1;
	memory.fail_for_ever = true;
	ck_assert_int_eq(slots_insert(&slots, 1 << 20, 8), ENOMEM);
	ck_assert_int_eq(slots_remove(&slots, 8, 8), 0);
	ck_assert_int_eq(slots_insert(&slots, 8, 16), 0);
	ck_assert_int_eq(slots_remove(&slots, 8, 8), ENOMEM);
	ck_assert_int_eq(slots_remove(&slots, 0, 8), 0);
	ck_assert_int_eq(slots_insert(&slots, 24, 40), 0); /* joins both: a node is spare now */
	ck_assert_int_eq(slots_insert(&slots, 1 << 20, 8), 0);
	ck_assert_int_eq(slots_insert(&slots, 1 << 21, 8), ENOMEM);
}
END_TEST

START_TEST(reserved_calls_cannot_fail)
{
	/* After slots_reserve(n), the next n calls succeed without memory, each of them in need of a node. */
	static const uint64_t amounts[] = {1, 2, 62, 63, 64, 65, 1000, 5000};
	const uint64_t n = amounts[_i];

	for (uint64_t i = 0; i < 100; i++)
		insert((UINT64_C(1) << 40) + i * 64, 8);
	for (uint64_t i = 0; i < 50; i++)
		ck_assert_int_eq(slots_remove(&slots, (UINT64_C(1) << 40) + i * 128, 8), 0);
	ck_assert_int_eq(slots_reserve(&slots, n), 0);
	memory.fail_at = 1;
	memory.fail_for_ever = true;
	for (uint64_t i = 0; i < n; i++) {
		if (i % 2 == 0)
			ck_assert_int_eq(slots_insert(&slots, i * 64, 56), 0);
		else
			ck_assert_int_eq(slots_remove(&slots, (i - 1) * 64 + 8, 8), 0);
	}
	ck_assert_uint_eq(slots.count, 50 + n);
}
END_TEST

START_TEST(kept_room_is_for_one_alone)
{
	/* What slots_keep sets aside is there when memory is gone and everybody else has taken what there was. */
	static const uint64_t amounts[] = {1, 2, 62, 63, 64, 65, 1000, 5000};
	const uint64_t n = amounts[_i];
	uint64_t others = 0;

	insert(UINT64_C(1) << 40, 8);
	ck_assert_int_eq(slots_keep(&slots, n), 0);
	ck_assert_int_eq(slots_keep(&slots, 3), 0);
	slots_keep_less(&slots, 3);
	memory.fail_at = 1;
	memory.fail_for_ever = true;
	while (slots_insert(&slots, (UINT64_C(1) << 41) + others * 64, 8) == 0)
		others++;
	ck_assert_int_eq(slots_remove(&slots, UINT64_C(1) << 40, 8), 0);
	ck_assert_int_eq(slots_insert(&slots, UINT64_C(1) << 42, 16), 0);
	ck_assert_int_eq(slots_remove(&slots, (UINT64_C(1) << 41) + 8, 8), GRAVITY_NOTFOUND);
	ck_assert_int_eq(slots_insert(&slots, UINT64_C(1) << 43, 8), ENOMEM);
	for (uint64_t i = 0; i < n; i++) {
		ck_assert_int_eq(slots_insert_kept(&slots, i * 64, 8), 0);
		ck_assert_int_eq(slots_check(&slots, NULL), 0);
	}
	ck_assert_uint_eq(slots.count, others + 1 + n);
	ck_assert_uint_eq(slots.kept, 0);
	ck_assert_int_eq(slots_insert(&slots, UINT64_C(1) << 43, 8), ENOMEM);
}
END_TEST

START_TEST(reserve_beyond_reason)
{
	/* Room for more nodes than an index can name is refused with ENOMEM, without a try and without a change. */
	insert(0, 8);
	ck_assert_uint_eq(memory.calls, 2);
	ck_assert_int_eq(slots_reserve(&slots, UINT64_MAX), ENOMEM);
	ck_assert_int_eq(slots_reserve(&slots, UINT32_MAX), ENOMEM);
	ck_assert_int_eq(slots_reserve(&slots, UINT32_MAX - 1), ENOMEM);
	ck_assert_uint_eq(memory.calls, 2);
	ck_assert_int_eq(slots_reserve(&slots, 0), 0);
	ck_assert_str_eq(picture(), "0+8");
}
END_TEST

/* ---- damage ---------------------------------------------------------------------------------------------------- */

START_TEST(counters_are_checked)
{
	/* slots_check names the broken invariant when a counter or an end of a chain is wrong. */
	struct slots good;
	const char *what = NULL;

	for (uint64_t i = 0; i < 10; i++)
		insert(i * 32, 16);
	ck_assert_int_eq(slots_remove(&slots, 64, 16), 0);
	good = slots;
	slots.count--;
	ck_assert_int_eq(slots_check(&slots, &what), 1);
	ck_assert_ptr_nonnull(what);
	slots = good;
	slots.last = slots.first;
	ck_assert_int_eq(slots_check(&slots, &what), 1);
	slots = good;
	slots.bytes += 8;
	ck_assert_int_eq(slots_check(&slots, &what), 3);
	slots = good;
	slots.root = slots_next(&slots, slots.root);
	ck_assert_int_eq(slots_check(&slots, &what), 4);
	slots = good;
	slots.spare = SLOT_NONE;
	ck_assert_int_eq(slots_check(&slots, &what), 7);
	slots = good;
	slots.used = slots.capacity + 1;
	ck_assert_int_eq(slots_check(&slots, NULL), 8);
	slots = good;
	slots.kept = slots.capacity - slots.count;
	ck_assert_int_eq(slots_check(&slots, NULL), 8);
	slots = good;
}
END_TEST

/* Flips every bit of the elements in use of one array, and counts the places in an element where that was missed. */
static size_t flip_all(void *array, size_t element_bytes)
{
	unsigned char *bytes = array, missed[64] = {0};
	size_t places = 0;

	ck_assert_uint_le(element_bytes, sizeof(missed));
	for (size_t bit = 0; bit < slots.used * element_bytes * 8; bit++) {
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		if (slots_check(&slots, NULL) == 0)
			missed[bit / 8 % element_bytes] = 1;
		bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	for (size_t i = 0; i < element_bytes; i++)
		places += missed[i];
	return places;
}

START_TEST(flipped_bits_are_found)
{
	/* slots_check ends and finds every flipped bit, save in the start of a slot that still stands in its gap and in a
	 * priority that still fits the heap. */
	for (uint64_t i = 0; i < 60; i++)
		insert(i * 7 % 61 * 64, 8 + i % 7 * 8);
	for (uint64_t i = 0; i < 20; i++)
		ck_assert_int_eq(slots_remove(&slots, i * 7 % 61 * 64, 8 + i % 7 * 8), 0);
	ck_assert_uint_le(flip_all(slots.keys, memory.newest_bytes[0] / slots.capacity), sizeof(uint64_t));
	ck_assert_uint_le(flip_all(slots.nodes, memory.newest_bytes[1] / slots.capacity), sizeof(uint32_t));
}
END_TEST

/* ---- the suite ------------------------------------------------------------------------------------------------- */

static Suite *slots_suite(void)
{
	Suite *suite = suite_create("slots");
	TCase *examples = slots_tcase(suite, "examples");
	TCase *faults = slots_tcase(suite, "faults");
	TCase *damage = slots_tcase(suite, "damage");

	tcase_add_test(examples, empty);
	tcase_add_test(examples, merging);
	tcase_add_test(examples, merging_keeps_the_index);
	tcase_add_test(examples, overlap_refused);
	tcase_add_test(examples, malformed_refused);
	tcase_add_test(examples, removing);
	tcase_add_test(examples, not_contained_refused);
	tcase_add_test(examples, ends_of_the_address_space);
	tcase_add_test(examples, gravity_by_formula);
	tcase_add_test(examples, lowest_of_equals);
	tcase_add_loop_test(faults, failure_leaves_everything, 0, 14);
	tcase_add_test(faults, growing_needs_no_memory);
	tcase_add_loop_test(faults, reserved_calls_cannot_fail, 0, 8);
	tcase_add_loop_test(faults, kept_room_is_for_one_alone, 0, 8);
	tcase_add_test(faults, reserve_beyond_reason);
	tcase_add_test(damage, counters_are_checked);
	tcase_add_test(damage, flipped_bits_are_found);
	return suite;
}

int main(void)
{
	return slots_main(slots_suite());
}
