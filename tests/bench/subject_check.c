/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* subject_check.c: one record, or every record, read through the contender's own operations and compared with what was
 * put. */

#include "tests/bench/bench.h"

int subject_check_one(struct subject *subject, uint64_t index)
{
	const struct contender *c = subject->contender;
	struct key key = key_at(index, subject->bench->seed);
	struct reader *reader = NULL;
	gkv_bytes value = {NULL, 0};
	bool right = false;
	int rc = c->reader_open(subject->store, &reader);

	if (rc != 0)
		return fail_code(subject, "reader", rc);
	rc = c->snapshot_begin(reader);
	if (rc == 0) {
		rc = c->get(reader, key_bytes(&key), &value);
		right = rc == 0 && value_check(value, subject->bench->value_bytes, &key);
		c->snapshot_end(reader);
	}
	c->reader_close(reader);
	if (rc != 0)
		return fail_code(subject, "get", rc);
	return right ? 0 : fail_answer(subject, "the value is not the one that was put");
}

struct scan_state {
	size_t value_bytes;
	uint64_t records;
	bool wrong;
};

static bool scan_record(void *arg, gkv_bytes key, gkv_bytes value)
{
	struct scan_state *state = arg;
	struct key k;

	if (key.size != sizeof k) {
		state->wrong = true;
		return false;
	}
	memcpy(&k, key.data, sizeof k);
	state->wrong = !value_check(value, state->value_bytes, &k);
	state->records++;
	return !state->wrong;
}

int subject_check_all(struct subject *subject)
{
	const struct contender *c = subject->contender;
	struct scan_state state = {.value_bytes = subject->bench->value_bytes};
	struct reader *reader = NULL;
	int rc = c->reader_open(subject->store, &reader);

	if (rc != 0)
		return fail_code(subject, "reader", rc);
	rc = c->snapshot_begin(reader);
	if (rc == 0) {
		rc = c->scan(reader, scan_record, &state);
		c->snapshot_end(reader);
	}
	c->reader_close(reader);
	if (rc != 0)
		return fail_code(subject, "scan", rc);
	if (state.wrong)
		return fail_answer(subject, "the scan gives a value that is not the one that was put");
	if (state.records != subject->bench->records)
		return fail_answer(subject, "the scan does not give every record once");
	return 0;
}
