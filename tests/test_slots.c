/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_slots.c: the free slots by example, against a naive model, under failing allocation, damaged, and at scale.
 *
 * GKV_TEST_SEED sets the seed of all random choices (printed), GKV_TEST_SCALE multiplies the amount of work. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "arena/gravity.h"
#include "arena/os.h"
#include "arena/slots.h"

/* ---- an os of memory alone, which can fail --------------------------------------------------------------------- */

struct memory {
	uint64_t calls, fail_at; /* fail_at: the number of the call that fails, counted from 1; 0: none */
	bool fail_for_ever;      /* every call from fail_at on                                          */
	uint64_t blocks;         /* allocated and not freed                                             */
	size_t newest_bytes[2];  /* of the last two calls that succeeded: the two arrays                 */
};

static void *memory_alloc(const struct os *os, void *old, size_t bytes)
{
	struct memory *m = os->context;
	void *block;

	m->calls++;
	if (m->fail_at != 0 && (m->calls == m->fail_at || (m->fail_for_ever && m->calls > m->fail_at)))
		return NULL;
	block = realloc(old, bytes);
	ck_assert_ptr_nonnull(block);
	m->blocks += old == NULL;
	m->newest_bytes[0] = m->newest_bytes[1];
	m->newest_bytes[1] = bytes;
	return block;
}

static void memory_free(const struct os *os, void *ptr)
{
	struct memory *m = os->context;

	ck_assert_uint_gt(m->blocks, 0);
	m->blocks--;
	free(ptr);
}

static struct memory memory;
static const struct os memory_os = {.alloc = memory_alloc, .free = memory_free, .context = &memory};
static struct slots slots;

static void setup(void)
{
	memory = (struct memory){0};
	slots_init(&slots, &memory_os);
}

static void check_slots(void)
{
	const char *what = "";
	int number = slots_check(&slots, &what);

	ck_assert_msg(number == 0, "invariant %d: %s", number, what);
}

static void teardown(void)
{
	check_slots();
	slots_release(&slots);
	ck_assert_uint_eq(memory.blocks, 0);
}

/* ---- random numbers and scale ---------------------------------------------------------------------------------- */

static uint64_t seed, random_state;

static uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % limit;
}

static uint64_t scaled(uint64_t amount)
{
	const char *text = getenv("GKV_TEST_SCALE");
	double scale = text != NULL ? strtod(text, NULL) : 1.0;

	return scale > 0 && (double)amount * scale > 1000.0 ? (uint64_t)((double)amount * scale) : 1000;
}

/* ---- examples -------------------------------------------------------------------------------------------------- */

/* The whole list, as "start+size start+size", with everything verified. */
static const char *picture(void)
{
	static char text[512];
	size_t used = 0;

	check_slots();
	text[0] = '\0';
	for (slot_id id = slots.first; id != SLOT_NONE; id = slots_next(&slots, id))
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%llu+%llu", used > 0 ? " " : "",
					 (unsigned long long)slots_start(&slots, id),
					 (unsigned long long)slots_size(&slots, id));
	return text;
}

static void insert(uint64_t start, uint64_t size)
{
	ck_assert_int_eq(slots_insert(&slots, start, size), 0);
}

START_TEST(empty)
{
	/* Without a slot nothing is allocated, nothing is found, and everything checks. */
	ck_assert_uint_eq(slots_largest(&slots), SLOT_NONE);
	ck_assert_uint_eq(slots_first_fit(&slots, 8), SLOT_NONE);
	ck_assert_uint_eq(slots_first_fit_from(&slots, 8, 0), SLOT_NONE);
	ck_assert_uint_eq(slots_most_attracted(&slots), SLOT_NONE);
	ck_assert_uint_eq(slots_at_or_before(&slots, UINT64_MAX), SLOT_NONE);
	ck_assert_uint_eq(slots_at_or_after(&slots, 0), SLOT_NONE);
	ck_assert_uint_eq(slots_height(&slots), 0);
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

/* ---- the naive model ------------------------------------------------------------------------------------------- */

/* One byte a unit of the address space, 1 for a free one. Slots are what a scan finds: they cannot fail to merge. */
#define MODEL_UNITS 1536u

struct model {
	uint64_t base, unit; /* bytes */
	unsigned char is_free[MODEL_UNITS];
	struct {
		uint64_t start, size; /* bytes */
	} slot[MODEL_UNITS];
	size_t count;
};

static struct model model;

static void model_scan(void)
{
	model.count = 0;
	for (size_t i = 0; i < MODEL_UNITS; i++) {
		if (!model.is_free[i])
			continue;
		if (i == 0 || !model.is_free[i - 1]) {
			model.slot[model.count].start = model.base + i * model.unit;
			model.slot[model.count++].size = 0;
		}
		model.slot[model.count - 1].size += model.unit;
	}
}

static bool model_all(size_t first, size_t units, unsigned char value)
{
	for (size_t i = first; i < first + units; i++)
		if (model.is_free[i] != value)
			return false;
	return true;
}

/* How many of the two units beside a range are free. */
static size_t model_neighbours(size_t first, size_t units)
{
	size_t n = 0;

	if (first > 0 && model.is_free[first - 1])
		n++;
	if (first + units < MODEL_UNITS && model.is_free[first + units])
		n++;
	return n;
}

static double model_gravity(size_t i)
{
	double distance;

	if (i + 1 >= model.count)
		return 0;
	distance = (double)(model.slot[i + 1].start - model.slot[i].start - model.slot[i].size);
	return (double)model.slot[i].size * (double)model.slot[i + 1].size / (distance * distance);
}

/* `id` is the model's i-th slot; none when i is past the last. */
static void expect_slot(slot_id id, size_t i)
{
	if (i >= model.count) {
		ck_assert_uint_eq(id, SLOT_NONE);
		return;
	}
	ck_assert_uint_ne(id, SLOT_NONE);
	ck_assert_uint_eq(slots_start(&slots, id), model.slot[i].start);
	ck_assert_uint_eq(slots_size(&slots, id), model.slot[i].size);
	ck_assert(slots_gravity(&slots, id) == model_gravity(i));
}

static void compare_fits(uint64_t size, uint64_t from)
{
	size_t lowest = 0, lowest_from = 0;

	while (lowest < model.count && model.slot[lowest].size < size)
		lowest++;
	while (lowest_from < model.count &&
	       (model.slot[lowest_from].size < size || model.slot[lowest_from].start < from))
		lowest_from++;
	expect_slot(slots_first_fit(&slots, size), lowest);
	expect_slot(slots_first_fit_from(&slots, size, from), lowest_from);
}

static void compare_places(uint64_t offset)
{
	size_t after = 0;

	while (after < model.count && model.slot[after].start < offset)
		after++;
	expect_slot(slots_at_or_after(&slots, offset), after);
	if (after < model.count && model.slot[after].start == offset)
		expect_slot(slots_at_or_before(&slots, offset), after);
	else
		expect_slot(slots_at_or_before(&slots, offset), after > 0 ? after - 1 : model.count);
}

static void compare_extremes(void)
{
	size_t largest = 0, attracted = 0;

	for (size_t i = 1; i < model.count; i++) {
		if (model.slot[i].size > model.slot[largest].size)
			largest = i;
		if (model_gravity(i) > model_gravity(attracted))
			attracted = i;
	}
	expect_slot(slots_largest(&slots), largest);
	expect_slot(slots_most_attracted(&slots), model.count < 2 ? model.count : attracted);
}

static void compare_all(void)
{
	slot_id id = slots.first;
	uint64_t bytes = 0;

	check_slots();
	ck_assert_uint_eq(slots.count, model.count);
	for (size_t i = 0; i < model.count; i++, id = slots_next(&slots, id)) {
		expect_slot(id, i);
		ck_assert_uint_eq(slots_prev(&slots, id) == SLOT_NONE, i == 0);
		bytes += model.slot[i].size;
	}
	ck_assert_uint_eq(id, SLOT_NONE);
	ck_assert_uint_eq(slots.bytes, bytes);
}

/* How often each case was met: slots joined by an insert, pieces left by a removal, and refusals of the two. */
static uint64_t joined[3], left_over[3], refused[2];

static void step_insert(size_t first, size_t units)
{
	bool fits = model_all(first, units, 0);
	size_t joins = model_neighbours(first, units);

	ck_assert_int_eq(slots_insert(&slots, model.base + first * model.unit, units * model.unit),
			 fits ? 0 : GRAVITY_INVALID);
	if (fits)
		memset(model.is_free + first, 1, units);
	(fits ? &joined[joins] : &refused[0])[0]++;
}

static void step_remove(size_t first, size_t units)
{
	bool fits = model_all(first, units, 1);
	size_t leaves = model_neighbours(first, units);

	ck_assert_int_eq(slots_remove(&slots, model.base + first * model.unit, units * model.unit),
			 fits ? 0 : GRAVITY_NOTFOUND);
	if (fits)
		memset(model.is_free + first, 0, units);
	(fits ? &left_over[leaves] : &refused[1])[0]++;
}

/* One insert or remove of a range that mostly fits: a random piece, often all, of the run of like units around a
 * random one. */
static void step(bool inserting)
{
	size_t first = (size_t)random_below(MODEL_UNITS), past = first + 1;
	const unsigned char wanted = inserting ? 0 : 1;

	if (model.is_free[first] == wanted && random_below(8) != 0) {
		while (random_below(4) != 0 && first > 0 && model.is_free[first - 1] == wanted)
			first--;
		while (random_below(4) != 0 && past < MODEL_UNITS && model.is_free[past] == wanted)
			past++;
	} else {
		past += (size_t)random_below(8);
		if (past > MODEL_UNITS)
			past = MODEL_UNITS;
	}
	if (inserting)
		step_insert(first, past - first);
	else
		step_remove(first, past - first);
}

static void run_against_model(uint64_t base, uint64_t unit, uint64_t operations)
{
	uint64_t bias = 50;

	memset(&model, 0, sizeof(model));
	model.base = base;
	model.unit = unit;
	for (uint64_t i = 0; i < operations; i++) {
		uint64_t span = MODEL_UNITS * unit;

		if (i % 2000 == 0)
			bias = 20 + random_below(61); /* so that the space fills, empties and balances in turns */
		step(random_below(100) < bias);
		model_scan();
		compare_fits(random_below(20) * unit + random_below(2) * 8, base + random_below(span));
		compare_places(base + random_below(span));
		if (model.count > 0)
			compare_places(model.slot[random_below(model.count)].start);
		compare_extremes();
		if (i % 300 == 0)
			compare_all();
	}
	compare_all();
}

START_TEST(like_the_model)
{
	/* After any run of inserts and removals, every question has the answer that a plain scan of all bytes gives. */
	static const struct {
		uint64_t base, unit;
	} scales[] = {{0, 8}, {4096, 8 << 20}};
	const uint64_t operations = scaled(60000);

	random_state = seed + (uint64_t)_i;
	run_against_model(scales[_i].base, scales[_i].unit, operations);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_gt(joined[i], operations / 200);
		ck_assert_uint_gt(left_over[i], operations / 200);
	}
	ck_assert_uint_gt(refused[0], operations / 200);
	ck_assert_uint_gt(refused[1], operations / 200);
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

/* ---- scale ----------------------------------------------------------------------------------------------------- */

enum shape { EQUAL, FALLING, RISING, SHAPES };

/* The i-th of n slots of a shape. */
static void insert_shaped(enum shape shape, uint64_t i, uint64_t n)
{
	uint64_t pitch = (n + 2) * 8;
	uint64_t size = shape == EQUAL ? 16 : shape == FALLING ? (n - i) * 8 : (i + 1) * 8;

	ck_assert_int_eq(slots_insert(&slots, i * pitch, size), 0);
}

START_TEST(height_is_logarithmic)
{
	/* A million slots stand at most 64 high, whether sizes are equal, fall or rise, and in whatever order they came. */
	static const char *const shapes[] = {"equal", "falling", "rising"};
	static const char *const orders[] = {"ascending", "descending", "shuffled"};
	const enum shape shape = (enum shape)(_i % SHAPES);
	const int order = _i / SHAPES;
	const uint64_t n = scaled(1000000);
	uint64_t stride = 611953; /* a prime, so that its multiples modulo n are a shuffle unless it divides n */

	if (n % stride == 0)
		stride = 611957;
	for (uint64_t i = 0; i < n; i++)
		insert_shaped(shape, order == 0 ? i : order == 1 ? n - 1 - i : i * stride % n, n);
	check_slots();
	ck_assert_uint_eq(slots.count, n);
	printf("height of %llu %s sizes, %s: %u\n", (unsigned long long)n, shapes[shape], orders[order],
	       slots_height(&slots));
	ck_assert_uint_le(slots_height(&slots), 64);
	ck_assert_uint_le((memory.newest_bytes[0] + memory.newest_bytes[1]) / slots.capacity, 56);
}
END_TEST

START_TEST(height_with_one_birthplace)
{
	/* Slots that were all born at one offset and then moved away from it stand no higher than others. */
	const uint64_t n = scaled(20000), reach = n * 16;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t keep = reach - i * 16;

		ck_assert_int_eq(slots_insert(&slots, 0, keep), 0);
		ck_assert_int_eq(slots_remove(&slots, 0, keep - 8), 0);
	}
	check_slots();
	ck_assert_uint_eq(slots.count, n);
	printf("height of %llu slots from one birthplace: %u\n", (unsigned long long)n, slots_height(&slots));
	ck_assert_uint_le(slots_height(&slots), 64);
}
END_TEST

static double seconds_since(clock_t before)
{
	return (double)(clock() - before) / CLOCKS_PER_SEC;
}

START_TEST(churn_at_scale)
{
	/* Among many slots, random removals and inserts keep every invariant, and no node is lost. */
	const uint64_t n = scaled(1000000);
	uint64_t failed = 0;
	uint32_t used;
	clock_t before;

	random_state = seed;
	for (uint64_t i = 0; i < n; i++)
		insert(i * 64, 32);
	used = slots.used;
	before = clock();
	for (uint64_t i = 0; i < n; i++) {
		uint64_t a = random_below(n) * 64, b = random_below(n) * 64;

		failed += slots_remove(&slots, a, 32) != 0;
		failed += b != a && slots_remove(&slots, b, 32) != 0;
		failed += slots_insert(&slots, a, 32) != 0;
		failed += b != a && slots_insert(&slots, b, 32) != 0;
	}
	printf("removals and inserts among %llu slots: %.0f ns each\n", (unsigned long long)n,
	       seconds_since(before) * 1e9 / (double)(4 * n));
	ck_assert_uint_eq(failed, 0);
	check_slots();
	ck_assert_uint_eq(slots.count, n);
	ck_assert_uint_eq(slots.used, used);
}
END_TEST

/* ---- the suite ------------------------------------------------------------------------------------------------- */

static TCase *tcase(Suite *suite, const char *name)
{
	TCase *made = tcase_create(name);

	tcase_add_checked_fixture(made, setup, teardown);
	tcase_set_timeout(made, 600);
	suite_add_tcase(suite, made);
	return made;
}

static Suite *slots_suite(void)
{
	Suite *suite = suite_create("slots");
	TCase *examples = tcase(suite, "examples"), *random = tcase(suite, "model"), *faults = tcase(suite, "faults");
	TCase *damage = tcase(suite, "damage"), *scale = tcase(suite, "scale");

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
	tcase_add_loop_test(random, like_the_model, 0, 2);
	tcase_add_loop_test(faults, failure_leaves_everything, 0, 14);
	tcase_add_test(faults, growing_needs_no_memory);
	tcase_add_loop_test(faults, reserved_calls_cannot_fail, 0, 8);
	tcase_add_test(faults, reserve_beyond_reason);
	tcase_add_test(damage, counters_are_checked);
	tcase_add_test(damage, flipped_bits_are_found);
	tcase_add_loop_test(scale, height_is_logarithmic, 0, 3 * SHAPES);
	tcase_add_test(scale, height_with_one_birthplace);
	tcase_add_test(scale, churn_at_scale);
	return suite;
}

int main(void)
{
	const char *text = getenv("GKV_TEST_SEED");
	SRunner *runner = srunner_create(slots_suite());
	int failed;

	seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	printf("GKV_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
