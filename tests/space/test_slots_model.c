/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_slots_model.c: the free slots against a naive model, and at scale: height, churn. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "arena/gravity.h"
#include "tests/space/slots_fixture.h"

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
	const uint64_t operations = scaled(60000) < 6000 ? 6000 : scaled(60000); /* fewer may meet a case too seldom */

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
	       slots_height());
	ck_assert_uint_le(slots_height(), 64);
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
	printf("height of %llu slots from one birthplace: %u\n", (unsigned long long)n, slots_height());
	ck_assert_uint_le(slots_height(), 64);
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

static Suite *slots_model_suite(void)
{
	Suite *suite = suite_create("slots model");
	TCase *random = slots_tcase(suite, "model");
	TCase *scale = slots_tcase(suite, "scale");

	tcase_add_loop_test(random, like_the_model, 0, 2);
	tcase_add_loop_test(scale, height_is_logarithmic, 0, 3 * SHAPES);
	tcase_add_test(scale, height_with_one_birthplace);
	tcase_add_test(scale, churn_at_scale);
	return suite;
}

int main(void)
{
	return slots_main(slots_model_suite());
}
