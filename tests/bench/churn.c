/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* churn.c: the changes, their model and their clocks.
 *
 * 1. version[i] is that of the value which the store holds for key i; 0 means that it holds none.
 * 2. live is the sum of keys and values of the keys that are there.
 * 3. Clocks are read around the store's own operations alone: making values and keeping the model are not in any time. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "tests/bench/churn.h"
#include "tests/bench/probe.h"

#define CHECK_SNAPSHOT 1000 /* keys that are checked in one snapshot */

/* The size of that version of that key's value. */
static size_t size_of_value(const struct churn *churn, const struct key *key, uint32_t version)
{
	const struct churn_sizes *s = &churn->sizes;
	uint64_t word = mix64(key->word[1] + version * VALUE_STEP);
	double position = (double)(word >> 11) * 0x1p-53;

	return (size_t)((double)s->least * exp2(log2((double)s->most / (double)s->least) * position));
}

static double size_mean(struct churn_sizes sizes)
{
	if (sizes.least == sizes.most)
		return (double)sizes.least;
	return (double)(sizes.most - sizes.least) / log((double)sizes.most / (double)sizes.least);
}

static struct key churn_key(const struct churn *churn, uint32_t index)
{
	return key_at(index, churn->subject->bench->seed);
}

int churn_init(struct churn *churn, struct subject *subject, struct churn_sizes sizes, uint32_t changes)
{
	const double live = (double)subject->bench->records * CHURN_LIVE_PER_RECORD;

	*churn = (struct churn){.sizes = sizes, .subject = subject, .changes = changes};
	churn->keys = (uint32_t)(live / (size_mean(sizes) + sizeof(struct key)) / CHURN_LIVE_SHARE) + 5;
	churn->random = mix64(subject->bench->seed + 3);
	churn->version = calloc(churn->keys, sizeof *churn->version);
	churn->buffer = malloc(sizes.most + sizeof(uint64_t));
	if (churn->version == NULL || churn->buffer == NULL)
		return fail_errno("the keys of the churn", ENOMEM);
	return subject_open_empty(subject);
}

void churn_release(struct churn *churn)
{
	if (churn->writer != NULL)
		churn->subject->contender->abort(churn->writer);
	churn->writer = NULL;
	free(churn->version);
	free(churn->buffer);
	churn->version = NULL;
	churn->buffer = NULL;
}

static void times_add(struct churn_times *times, uint64_t took, uint64_t work)
{
	const uint64_t wait = took > work ? took - work : 0;

	times->work_ns += work;
	times->operations++;
	times->work_most = work > times->work_most ? work : times->work_most;
	times->wait_most = wait > times->wait_most ? wait : times->wait_most;
}

/* What a change that failed returns. */
static int change_failed(const struct churn *churn, const char *what, int code)
{
	const struct contender *c = churn->subject->contender;

	return c->has_limit && code == c->full ? CHURN_FULL : fail_code(churn->subject, what, code);
}

/* Where a transaction has several changes. */
static int writer_obtain(struct churn *churn)
{
	const int rc = churn->writer != NULL
			       ? 0
			       : churn->subject->contender->write_begin(churn->subject->store, &churn->writer);

	return rc != 0 ? fail_code(churn->subject, "begin", rc) : 0;
}

int churn_commit(struct churn *churn)
{
	const uint64_t work = clock_thread_ns(), start = clock_wall_ns();
	struct writer *writer = churn->writer;
	int rc;

	if (writer == NULL)
		return 0;
	churn->writer = NULL;
	rc = churn->subject->contender->commit(writer);
	if (rc != 0)
		return fail_code(churn->subject, "commit", rc);
	churn->open_took += clock_wall_ns() - start;
	churn->open_work += clock_thread_ns() - work;
	times_add(&churn->times, churn->open_took, churn->open_work);
	churn->times.operations += churn->open - 1;
	churn->times.put_ns += churn->open_took / churn->open;
	histogram_add(&churn->times.puts, churn->open_took / churn->open);
	churn->open = 0;
	churn->open_took = churn->open_work = 0;
	return 0;
}

/* A change is done. */
static int change_count(struct churn *churn, uint64_t took, uint64_t work, bool put)
{
	if (churn->changes > 1) {
		churn->open_took += took;
		churn->open_work += work;
		return ++churn->open == churn->changes ? churn_commit(churn) : 0;
	}
	times_add(&churn->times, took, work);
	if (put) {
		histogram_add(&churn->times.puts, took);
		churn->times.put_ns += took;
	}
	return 0;
}

int churn_put(struct churn *churn, uint32_t index)
{
	const struct contender *c = churn->subject->contender;
	struct key key = churn_key(churn, index);
	uint32_t old = churn->version[index];
	uint32_t version = old % (VALUE_VERSIONS - 1) + 1;
	size_t size = size_of_value(churn, &key, version);
	const gkv_bytes value = {churn->buffer, size};
	uint64_t work, start, took;
	int rc;

	value_fill(churn->buffer, size, &key, version);
	if (churn->changes > 1 && writer_obtain(churn) != 0)
		return -1;
	work = clock_thread_ns();
	start = clock_wall_ns();
	rc = churn->writer != NULL ? c->put(churn->writer, key_bytes(&key), value)
				   : c->put_one(churn->subject->store, key_bytes(&key), value);
	took = clock_wall_ns() - start;
	work = clock_thread_ns() - work;
	if (rc != 0)
		return change_failed(churn, "put", rc);
	if (old != 0)
		churn->live -= sizeof key + size_of_value(churn, &key, old);
	churn->version[index] = (uint16_t)version;
	churn->live += sizeof key + size;
	churn->written += sizeof key + size;
	return change_count(churn, took, work, true);
}

static int delete_one(struct churn *churn, const struct key *key)
{
	const struct contender *c = churn->subject->contender;
	struct writer *writer = churn->writer;
	int rc = writer != NULL ? 0 : c->write_begin(churn->subject->store, &writer);

	if (rc != 0)
		return change_failed(churn, "begin", rc);
	rc = c->del(writer, key_bytes(key));
	if (rc != 0 && writer != churn->writer)
		c->abort(writer);
	if (rc != 0)
		return change_failed(churn, "delete", rc);
	rc = writer != churn->writer ? c->commit(writer) : 0;
	return rc != 0 ? change_failed(churn, "commit", rc) : 0;
}

int churn_delete(struct churn *churn, uint32_t index)
{
	struct key key = churn_key(churn, index);
	uint64_t work, start, took;
	int rc;

	if (churn->changes > 1 && writer_obtain(churn) != 0)
		return -1;
	work = clock_thread_ns();
	start = clock_wall_ns();
	rc = delete_one(churn, &key);
	took = clock_wall_ns() - start;
	work = clock_thread_ns() - work;
	if (rc != 0)
		return rc;
	churn->live -= sizeof key + size_of_value(churn, &key, churn->version[index]);
	churn->version[index] = 0;
	return change_count(churn, took, work, false);
}

int churn_fill(struct churn *churn)
{
	const uint32_t live = (uint32_t)(churn->keys * CHURN_LIVE_SHARE);
	int rc;

	for (uint32_t i = 0; i < live; i++) {
		if (churn_put(churn, i) != 0)
			return -1;
	}
	if (churn_commit(churn) != 0)
		return -1;
	rc = churn->subject->contender->sync(churn->subject->store);
	return rc != 0 ? fail_code(churn->subject, "sync", rc) : 0;
}

static bool value_is_right(const struct churn *churn, const struct key *key, uint32_t version, gkv_bytes value)
{
	if (version == 0)
		return value.data == NULL;
	return value_check(value, size_of_value(churn, key, version), key) &&
	       value_word(value.data) == key->word[0] + version;
}

/* Keys first .. end-1 in one snapshot. */
static int check_range(struct churn *churn, struct reader *reader, uint32_t first, uint32_t end)
{
	const struct contender *c = churn->subject->contender;
	int rc = c->snapshot_begin(reader);

	if (rc != 0)
		return fail_code(churn->subject, "snapshot", rc);
	for (uint32_t i = first; i < end && rc == 0; i++) {
		struct key key = churn_key(churn, i);
		gkv_bytes value;
		int code = c->get(reader, key_bytes(&key), &value);

		if (code != 0)
			rc = fail_code(churn->subject, "get", code);
		else if (!value_is_right(churn, &key, churn->version[i], value))
			rc = fail_answer(churn->subject, "a value is not the one that was put last");
	}
	c->snapshot_end(reader);
	return rc;
}

int churn_check(struct churn *churn)
{
	const struct contender *c = churn->subject->contender;
	struct reader *reader = NULL;
	int rc = c->reader_open(churn->subject->store, &reader);

	if (rc != 0)
		return fail_code(churn->subject, "reader", rc);
	for (uint32_t i = 0; i < churn->keys && rc == 0; i += CHECK_SNAPSHOT)
		rc = check_range(churn, reader, i, churn->keys - i < CHECK_SNAPSHOT ? churn->keys : i + CHECK_SNAPSHOT);
	c->reader_close(reader);
	return rc;
}
