/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* workload_churn.c: a store that stays as large as it is while everything in it changes. Records are replaced, deleted
 * and inserted at random, each in a lazy transaction of its own, until `turnover` times the live bytes have been
 * written. Live bytes are those of the keys and values, about 200 for each of --records.
 *
 * Each variant is several rows of the table that come from one run: it is made when the first of them is asked for, and
 * its figures are kept for the others. At the end every key is looked up, and its value compared.
 *
 * 1. Clocks are read around puts alone; looks at the store, its file and its blocks are not in any time.
 * 2. Peaks are taken over the looks: one when the fill is synced, then CHURN_LOOKS of them at equal distances. */

#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/bench/probe.h"
#include "tests/bench/workload.h"

#define CHURN_LOOKS       256
#define LIVE_PER_RECORD   200 /* bytes for each of --records              */
#define DELETE_ONE_IN     4   /* of those that hit a record that is there */
#define LIVE_SHARE        0.8 /* of the keys that are there: what DELETE_ONE_IN settles at */
#define CHECK_SNAPSHOT    1000

enum churn_metric {
	CHURN_PUT,
	CHURN_WORK,
	CHURN_FILE,
	CHURN_FILE_END,
	CHURN_DISK,
	CHURN_DISK_END,
	CHURN_OWN,
	CHURN_MOVED,
	CHURN_SLOTS,
	CHURN_METRICS
};

struct churn_variant {
	const char *name;
	size_t least, most; /* bytes of a value, log-uniform */
	unsigned group;     /* operations between two readings of the processor's clock */
};

enum { VARIANT_MIXED, VARIANT_SMALL, VARIANT_LARGE, VARIANTS };

static const struct churn_variant variants[VARIANTS] = {
	[VARIANT_MIXED] = {"churn", 16, 16384, 16},
	[VARIANT_SMALL] = {"churn-small", 100, 100, 64},
	[VARIANT_LARGE] = {"churn-large", 16, 1048576, 1},
};

/* Times by size: 64 buckets for each doubling, so that a percentile is right to a sixty-fourth. */
#define BUCKETS (58 * 64 + 128)

struct histogram {
	uint64_t count, max, bucket[BUCKETS];
};

struct churn_result {
	const struct subject *subject; /* NULL: none */
	unsigned round;
	bool known[CHURN_METRICS];
	double value[CHURN_METRICS];
	double processor; /* nanoseconds of an operation, deletes among them, with making its value */
	struct percentiles latency;
};

/* What the rows of a variant share. */
static struct churn_result results[VARIANTS][CONTENDERS_MAX];

struct churn {
	const struct churn_variant *variant;
	struct subject *subject;
	struct churn_result *result;
	uint32_t slots;    /* keys */
	uint16_t *version; /* of each key's value; 0: it is absent */
	unsigned char *buffer;
	uint64_t random;
	uint64_t live, live_most; /* bytes of keys and values */
	uint64_t written;         /* bytes put since the fill */
	uint64_t put_ns;
	struct histogram times;
	uint64_t group_start, group_count, group_most; /* processor time */
	uint64_t processor_ns, operations;
	struct store_space before;                     /* when the fill was done */
};

static unsigned histogram_index(uint64_t ns)
{
	unsigned shift = ns < 128 ? 0 : 57u - (unsigned)__builtin_clzll(ns);

	return shift * 64 + (unsigned)(ns >> shift);
}

static void histogram_add(struct histogram *h, uint64_t ns)
{
	assert(histogram_index(ns) < BUCKETS);
	h->bucket[histogram_index(ns)]++;
	h->count++;
	h->max = ns > h->max ? ns : h->max;
}

static uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)((double)h->count * share);

	for (unsigned i = 0; i < BUCKETS; i++) {
		if (rank < h->bucket[i])
			return i < 128 ? i : (uint64_t)(i % 64 + 64) << (i / 64 - 1);
		rank -= h->bucket[i];
	}
	return h->max;
}

/* The size of that version of that key's value. */
static size_t value_bytes(const struct churn *churn, const struct key *key, uint32_t version)
{
	const struct churn_variant *v = churn->variant;
	uint64_t word = mix64(key->word[1] + version * VALUE_STEP);
	double position = (double)(word >> 11) * 0x1p-53;

	return (size_t)((double)v->least * exp2(log2((double)v->most / (double)v->least) * position));
}

static double value_mean(const struct churn_variant *v)
{
	if (v->least == v->most)
		return (double)v->least;
	return (double)(v->most - v->least) / log((double)v->most / (double)v->least);
}

static struct key churn_key(const struct churn *churn, uint32_t index)
{
	return key_at(index, churn->subject->bench->seed);
}

/* A put of the key's next version, in place of the one before if there is one. */
static int churn_put(struct churn *churn, uint32_t index)
{
	const struct contender *c = churn->subject->contender;
	struct key key = churn_key(churn, index);
	uint32_t old = churn->version[index];
	uint32_t version = old % (VALUE_VERSIONS - 1) + 1;
	size_t size = value_bytes(churn, &key, version);
	uint64_t start, took;
	int rc;

	value_fill(churn->buffer, size, &key, version);
	start = clock_wall_ns();
	rc = c->put_one(churn->subject->store, key_bytes(&key), (gkv_bytes){churn->buffer, size});
	took = clock_wall_ns() - start;
	if (rc != 0)
		return fail_code(churn->subject, "put", rc);
	histogram_add(&churn->times, took);
	churn->put_ns += took;
	if (old != 0)
		churn->live -= sizeof key + value_bytes(churn, &key, old);
	churn->version[index] = (uint16_t)version;
	churn->live += sizeof key + size;
	churn->live_most = churn->live > churn->live_most ? churn->live : churn->live_most;
	churn->written += sizeof key + size;
	return 0;
}

static int churn_delete(struct churn *churn, uint32_t index)
{
	const struct contender *c = churn->subject->contender;
	struct key key = churn_key(churn, index);
	struct writer *writer = NULL;
	int rc = c->write_begin(churn->subject->store, &writer);

	if (rc != 0)
		return fail_code(churn->subject, "begin", rc);
	rc = c->del(writer, key_bytes(&key));
	if (rc != 0) {
		c->abort(writer);
		return fail_code(churn->subject, "delete", rc);
	}
	rc = c->commit(writer);
	if (rc != 0)
		return fail_code(churn->subject, "commit", rc);
	churn->live -= sizeof key + value_bytes(churn, &key, churn->version[index]);
	churn->version[index] = 0;
	return 0;
}

static void result_set(struct churn_result *result, enum churn_metric metric, double value)
{
	result->known[metric] = true;
	result->value[metric] = value;
}

static void result_raise(struct churn_result *result, enum churn_metric metric, double value)
{
	if (!result->known[metric] || result->value[metric] < value)
		result_set(result, metric, value);
}

/* What the store says of itself, where it does. */
static int look_inside(struct churn *churn, struct store_space *space)
{
	const struct contender *c = churn->subject->contender;
	int rc;

	*space = (struct store_space){0};
	if (c->space == NULL)
		return 0;
	rc = c->space(churn->subject->store, space);
	return rc != 0 ? fail_code(churn->subject, "counters", rc) : 0;
}

static void series_write(const struct churn *churn, uint64_t file, uint64_t disk, const struct store_space *space)
{
	const struct bench *bench = churn->subject->bench;
	const uint64_t written = space->bytes_written - churn->before.bytes_written;
	const uint64_t moved = space->bytes_moved - churn->before.bytes_moved;

	if (bench->series == NULL)
		return;
	fprintf(bench->series, "%s,%s,%u,%.4f,%llu,%llu,%llu,%llu,%llu,%llu,%llu,%.1f\n", churn->variant->name,
		churn->subject->contender->name, bench->round, (double)churn->written / (double)churn->live,
		(unsigned long long)churn->live, (unsigned long long)file, (unsigned long long)disk,
		(unsigned long long)space->live_bytes, (unsigned long long)written, (unsigned long long)moved,
		(unsigned long long)space->free_slots,
		churn->times.count == 0 ? 0 : (double)churn->put_ns / (double)churn->times.count);
}

/* One look at the file, its blocks and the store's own counters. */
static int churn_look(struct churn *churn)
{
	struct churn_result *result = churn->result;
	const double live = (double)churn->live;
	struct store_space space;
	struct stat st;
	uint64_t disk;

	if (look_inside(churn, &space) != 0 || subject_disk_bytes(churn->subject, &disk) != 0)
		return -1;
	if (stat(churn->subject->path, &st) != 0)
		return fail_errno(churn->subject->path, errno);
	result_raise(result, CHURN_FILE, (double)st.st_size / live);
	result_set(result, CHURN_FILE_END, (double)st.st_size / live);
	result_raise(result, CHURN_DISK, (double)disk / live);
	result_set(result, CHURN_DISK_END, (double)disk / live);
	if (space.live_bytes > 0)
		result_raise(result, CHURN_OWN, (double)st.st_size / (double)space.live_bytes);
	if (space.counts) {
		const uint64_t written = space.bytes_written - churn->before.bytes_written;
		const uint64_t moved = space.bytes_moved - churn->before.bytes_moved;

		result_set(result, CHURN_SLOTS, (double)space.free_slots);
		/* Moves are writes of the store's own: the rest is what was asked for. */
		result_set(result, CHURN_MOVED, written > moved ? (double)moved / (double)(written - moved) : 0);
	}
	series_write(churn, (uint64_t)st.st_size, disk, &space);
	return 0;
}

static void group_end(struct churn *churn)
{
	const uint64_t now = clock_processor_ns();
	const uint64_t took = now - churn->group_start;

	churn->group_most = took > churn->group_most ? took : churn->group_most;
	churn->processor_ns += took;
	churn->operations += churn->group_count;
	churn->group_start = now;
	churn->group_count = 0;
}

static int churn_fill(struct churn *churn)
{
	const uint32_t live = (uint32_t)(churn->slots * LIVE_SHARE);
	int rc;

	for (uint32_t i = 0; i < live; i++)
		if (churn_put(churn, i) != 0)
			return -1;
	rc = churn->subject->contender->sync(churn->subject->store);
	if (rc != 0)
		return fail_code(churn->subject, "sync", rc);
	churn->times = (struct histogram){0};
	churn->put_ns = churn->written = 0;
	return look_inside(churn, &churn->before) != 0 ? -1 : churn_look(churn);
}

static int churn_turn(struct churn *churn)
{
	const uint64_t total = churn->subject->bench->turnover * churn->live;
	const uint64_t step = total / CHURN_LOOKS + 1;
	int rc = 0;

	for (uint64_t next = step; rc == 0 && churn->written < total;) {
		const uint32_t index = (uint32_t)random_below(&churn->random, churn->slots);

		if (churn->group_count == 0)
			churn->group_start = clock_processor_ns();
		if (churn->version[index] != 0 && random_below(&churn->random, DELETE_ONE_IN) == 0)
			rc = churn_delete(churn, index);
		else
			rc = churn_put(churn, index);
		if (++churn->group_count == churn->variant->group)
			group_end(churn);
		if (rc == 0 && churn->written >= next) {
			next = churn->written + step;
			if (churn->group_count > 0)
				group_end(churn);
			rc = churn_look(churn);
		}
	}
	if (rc != 0)
		return -1;
	if (churn->group_count > 0)
		group_end(churn);
	rc = churn->subject->contender->sync(churn->subject->store);
	return rc != 0 ? fail_code(churn->subject, "sync", rc) : churn_look(churn);
}

/* The value is the version that was put last, all of it; an absent key is absent. */
static bool churn_right(const struct churn *churn, uint32_t index, gkv_bytes value)
{
	const uint32_t version = churn->version[index];
	struct key key = churn_key(churn, index);

	if (version == 0)
		return value.data == NULL;
	return value_check(value, value_bytes(churn, &key, version), &key) &&
	       value_word(value.data) == key.word[0] + version;
}

static int churn_check(struct churn *churn)
{
	const struct contender *c = churn->subject->contender;
	struct reader *reader = NULL;
	int rc = c->reader_open(churn->subject->store, &reader);

	for (uint32_t i = 0; rc == 0 && i < churn->slots;) {
		const uint32_t end = churn->slots - i < CHECK_SNAPSHOT ? churn->slots : i + CHECK_SNAPSHOT;

		rc = c->snapshot_begin(reader);
		for (; rc == 0 && i < end; i++) {
			struct key key = churn_key(churn, i);
			gkv_bytes value;

			rc = c->get(reader, key_bytes(&key), &value);
			if (rc == 0 && !churn_right(churn, i, value)) {
				c->snapshot_end(reader);
				c->reader_close(reader);
				return fail_answer(churn->subject, "a value is not the one that was put last");
			}
		}
		if (rc == 0)
			c->snapshot_end(reader);
	}
	if (reader != NULL)
		c->reader_close(reader);
	return rc != 0 ? fail_code(churn->subject, "get", rc) : 0;
}

static void churn_finish(struct churn *churn)
{
	struct churn_result *result = churn->result;
	const struct histogram *h = &churn->times;

	result->processor = churn->operations > 0 ? (double)churn->processor_ns / (double)churn->operations : 0;
	result_set(result, CHURN_PUT, h->count > 0 ? (double)churn->put_ns / (double)h->count : 0);
	result_set(result, CHURN_WORK, (double)churn->group_most / 1e6);
	result->latency = (struct percentiles){
		.count = h->count,
		.p50 = histogram_at(h, 0.5),
		.p99 = histogram_at(h, 0.99),
		.p999 = histogram_at(h, 0.999),
		.max = h->max,
	};
}

static int churn_run(const struct churn_variant *variant, struct subject *subject, struct churn_result *result)
{
	const double live = (double)subject->bench->records * LIVE_PER_RECORD;
	struct churn *churn = calloc(1, sizeof *churn);
	int rc = -1;

	*result = (struct churn_result){.subject = NULL};
	if (churn == NULL)
		return fail_errno("the churn", ENOMEM);
	churn->variant = variant;
	churn->subject = subject;
	churn->result = result;
	churn->slots = (uint32_t)(live / (value_mean(variant) + sizeof(struct key)) / LIVE_SHARE) + 5;
	churn->random = mix64(subject->bench->seed + 3);
	churn->version = calloc(churn->slots, sizeof *churn->version);
	churn->buffer = malloc(variant->most + sizeof(uint64_t));
	if (churn->version == NULL || churn->buffer == NULL) {
		fail_errno("the keys of the churn", ENOMEM);
		goto out;
	}
	if (subject_open_empty(subject) != 0 || churn_fill(churn) != 0 || churn_turn(churn) != 0)
		goto out;
	churn_finish(churn);
	if (churn_check(churn) != 0)
		goto out;
	result->subject = subject;
	result->round = subject->bench->round;
	rc = subject_remove(subject);
out:
	free(churn->version);
	free(churn->buffer);
	free(churn);
	return rc;
}

/* The run of this variant, subject and round: the one that was made already, or a new one. */
static int churn_result(unsigned variant, struct subject *subject, const struct churn_result **out)
{
	struct churn_result *free_place = NULL;

	for (unsigned i = 0; i < CONTENDERS_MAX; i++) {
		struct churn_result *r = &results[variant][i];

		if (r->subject == subject && r->round == subject->bench->round) {
			*out = r;
			return 0;
		}
		if (r->subject == NULL || r->subject == subject)
			free_place = free_place == NULL || r->subject == subject ? r : free_place;
	}
	assert(free_place != NULL);
	*out = free_place;
	return churn_run(&variants[variant], subject, free_place);
}

static int run_churn(const struct workload *workload, struct subject *subject, struct sample *out)
{
	const unsigned variant = workload->parameter / CHURN_METRICS;
	const unsigned metric = workload->parameter % CHURN_METRICS;
	const struct churn_result *result;

	if (churn_result(variant, subject, &result) != 0)
		return -1;
	*out = (struct sample){.present = result->known[metric], .value = result->value[metric]};
	if (metric == CHURN_PUT) {
		out->processor = result->processor;
		out->latency = result->latency;
	}
	return 0;
}

#define CHURN_COST (WORKLOAD_ON_DISK | WORKLOAD_APART | WORKLOAD_COST)

#define CHURN_ROW(NAME, VARIANT, METRIC, TITLE, UNIT, FLAGS)                                                           \
	{                                                                                                              \
		.name = NAME, .title = TITLE, .unit = UNIT, .mark = "", .limit = "", .flags = FLAGS,                   \
		.parameter = (VARIANT)*CHURN_METRICS + (METRIC), .run = run_churn                                      \
	}

#define CHURN_ROWS(NAME, VARIANT, WHAT)                                                                                \
	CHURN_ROW(NAME, VARIANT, CHURN_PUT, WHAT ": a put, a lazy commit each", "ns",                                  \
		  WORKLOAD_ON_DISK | WORKLOAD_APART),                                                                  \
		CHURN_ROW(NAME "-work", VARIANT, CHURN_WORK,                                                           \
			  WHAT ": most processor time that puts in a row took (16; small 64, large 1)", "ms",          \
			  CHURN_COST),                                                                                 \
		CHURN_ROW(NAME "-file", VARIANT, CHURN_FILE,                                                           \
			  WHAT ": file / bytes of live keys and values, at its most", "x", CHURN_COST),                \
		CHURN_ROW(NAME "-file-end", VARIANT, CHURN_FILE_END, WHAT ": the same at the end", "x", CHURN_COST),   \
		CHURN_ROW(NAME "-disk", VARIANT, CHURN_DISK,                                                           \
			  WHAT ": blocks on disk / bytes of live keys and values, at their most", "x", CHURN_COST),    \
		CHURN_ROW(NAME "-disk-end", VARIANT, CHURN_DISK_END, WHAT ": the same at the end", "x", CHURN_COST),   \
		CHURN_ROW(NAME "-own", VARIANT, CHURN_OWN,                                                             \
			  WHAT ": file / live bytes by the store's own count (LMDB: pages in use), at its most", "x",  \
			  CHURN_COST),                                                                                 \
		CHURN_ROW(NAME "-moved", VARIANT, CHURN_MOVED, WHAT ": bytes moved / other bytes written", "x",        \
			  CHURN_COST | WORKLOAD_NO_RATIO),                                                             \
		CHURN_ROW(NAME "-slots", VARIANT, CHURN_SLOTS, WHAT ": free slots at the end", "slots",                \
			  CHURN_COST | WORKLOAD_NO_RATIO)

const struct workload workload_churn[] = {
	CHURN_ROWS("churn", VARIANT_MIXED, "replace, delete, insert; values of 16 B to 16 KiB"),
	CHURN_ROWS("churn-small", VARIANT_SMALL, "the same with values of 100 B"),
	CHURN_ROWS("churn-large", VARIANT_LARGE, "the same with values of 16 B to 1 MiB"),
	{.name = NULL},
};
