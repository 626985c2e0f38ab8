/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots_fixture.c: slots over an allocator that can fail; random numbers from a printed seed. */
#include "tests/space/slots_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "arena/space/slots_node.h"

/* ---- an os of memory alone, which can fail --------------------------------------------------------------------- */

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

struct memory memory;
static const struct os memory_os = {.alloc = memory_alloc, .free = memory_free, .context = &memory};
struct slots slots;

static void setup(void)
{
	memory = (struct memory){0};
	slots_init(&slots, &memory_os);
}

void check_slots(void)
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

uint64_t seed, random_state;

uint64_t random_below(uint64_t limit)
{
	uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % limit;
}

uint64_t scaled(uint64_t amount)
{
	const char *text = getenv("GKV_TEST_SCALE");
	double scale = text != NULL ? strtod(text, NULL) : 1.0;

	return scale > 0 && (double)amount * scale > 1000.0 ? (uint64_t)((double)amount * scale) : 1000;
}

/* The whole list, as "start+size start+size", with everything verified. */
const char *picture(void)
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

uint32_t slots_height(void)
{
	uint32_t height = 0;

	for (slot_id id = slots.first; id != SLOT_NONE; id = slots.nodes[id].next) {
		uint32_t depth = 0;
		for (slot_id up = id; up != SLOT_NONE; up = slots.nodes[up].parent)
			depth++;
		height = depth > height ? depth : height;
	}
	return height;
}

void insert(uint64_t start, uint64_t size)
{
	ck_assert_int_eq(slots_insert(&slots, start, size), 0);
}

/* ---- the suite ------------------------------------------------------------------------------------------------- */

TCase *slots_tcase(Suite *suite, const char *name)
{
	TCase *made = tcase_create(name);

	tcase_add_checked_fixture(made, setup, teardown);
	tcase_set_timeout(made, 600);
	suite_add_tcase(suite, made);
	return made;
}

int slots_main(Suite *suite)
{
	const char *text = getenv("GKV_TEST_SEED");
	SRunner *runner = srunner_create(suite);
	int failed;

	seed = text != NULL ? strtoull(text, NULL, 0) : (uint64_t)time(NULL);
	printf("GKV_TEST_SEED=%llu\n", (unsigned long long)seed);
	fflush(stdout);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
