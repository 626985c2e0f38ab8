/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* subject.c: a contender with its store, from empty to loaded, open and closed.
 *
 * 1. A store that is `loaded` holds exactly the records 0 .. records-1, in whatever version.
 * 2. A store that is `warm` was read whole since it was opened.
 * 3. A contender without a file loses its records when it is closed; closing clears `loaded`. */

#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/bench.h"
#include "tests/bench/probe.h"

int fail_code(const struct subject *subject, const char *what, int code)
{
	fprintf(stderr, "gkv-bench: %s: %s: %s (%d)\n", subject->contender->name, what,
		subject->contender->message(code), code);
	return -1;
}

int fail_errno(const char *what, int error)
{
	fprintf(stderr, "gkv-bench: %s: %s\n", what, strerror(error));
	return -1;
}

int fail_answer(const struct subject *subject, const char *what)
{
	fprintf(stderr, "gkv-bench: %s: wrong answer: %s\n", subject->contender->name, what);
	return -1;
}

int subject_init(struct subject *subject, const struct bench *bench, const struct contender *contender)
{
	int length;

	memset(subject, 0, sizeof *subject);
	subject->bench = bench;
	subject->contender = contender;
	length = snprintf(subject->path, sizeof subject->path, "%s/gkv-bench-%ld.%s", bench->folder, (long)getpid(),
			  contender->name);
	if (length < 0 || (size_t)length >= sizeof subject->path)
		return fail_errno("the name of a store", ENAMETOOLONG);
	return 0;
}

struct store_config subject_config(const struct subject *subject)
{
	const struct bench *bench = subject->bench;

	return (struct store_config){.path = subject->path,
				     .records = bench->records,
				     .value_bytes = bench->value_bytes,
				     .max_bytes = subject->max_bytes,
				     .durable = subject->durable,
				     .verify = bench->verify,
				     .read_ahead = subject->read_ahead};
}

/* The name of what stands beside the store, "" for nothing. */
static void extra_path(const struct subject *subject, char *out, size_t capacity)
{
	const char *extra = subject->contender->extra;

	out[0] = '\0';
	if (extra != NULL && (size_t)snprintf(out, capacity, "%s%s", subject->path, extra) >= capacity)
		out[0] = '\0';
}

int subject_close(struct subject *subject)
{
	int rc = 0;

	if (subject->store != NULL) {
		rc = subject->contender->close(subject->store);
		subject->store = NULL;
		if (!subject->contender->on_disk)
			subject->loaded = false;
	}
	return rc != 0 ? fail_code(subject, "close", rc) : 0;
}

int subject_remove(struct subject *subject)
{
	char extra[PATH_BYTES];
	int rc = subject_close(subject);

	subject->loaded = false;
	subject->durable = false;
	subject->read_ahead = false;
	subject->max_bytes = 0;
	if (!subject->contender->on_disk)
		return rc;
	extra_path(subject, extra, sizeof extra);
	if (unlink(subject->path) != 0 && errno != ENOENT)
		rc = fail_errno(subject->path, errno);
	if (extra[0] != '\0' && unlink(extra) != 0 && errno != ENOENT)
		rc = fail_errno(extra, errno);
	return rc;
}

static int subject_open(struct subject *subject)
{
	struct store_config config = subject_config(subject);
	int rc = subject->contender->open(&config, &subject->store);

	subject->warm = false;
	return rc != 0 ? fail_code(subject, "open", rc) : 0;
}

int subject_reopen(struct subject *subject)
{
	return subject_close(subject) != 0 ? -1 : subject_open(subject);
}

int subject_open_empty(struct subject *subject)
{
	if (subject_remove(subject) != 0)
		return -1;
	return subject_open(subject);
}

uint32_t subject_load_commits(const struct bench *bench)
{
	return (bench->records + LOAD_BATCH - 1) / LOAD_BATCH;
}

/* Puts records first .. first+count-1 in one transaction. */
static int load_batch(struct subject *subject, uint32_t first, uint32_t count, void *buffer)
{
	const struct contender *c = subject->contender;
	struct writer *writer = NULL;
	int rc = c->write_begin(subject->store, &writer);

	if (rc != 0)
		return fail_code(subject, "begin", rc);
	for (uint32_t i = 0; i < count; i++) {
		struct key key = key_at(first + i, subject->bench->seed);

		rc = c->put(writer, key_bytes(&key), subject_value(subject, buffer, &key, 0));
		if (rc != 0) {
			c->abort(writer);
			return fail_code(subject, "put", rc);
		}
	}
	rc = c->commit(writer);
	return rc != 0 ? fail_code(subject, "commit", rc) : 0;
}

int subject_load(struct subject *subject, uint64_t *commit_ns)
{
	const uint32_t records = subject->bench->records;
	void *buffer = malloc(subject->bench->value_bytes);
	int rc = 0;

	if (buffer == NULL)
		return fail_errno("a value", ENOMEM);
	for (uint32_t first = 0; first < records && rc == 0; first += LOAD_BATCH) {
		uint32_t count = records - first < LOAD_BATCH ? records - first : LOAD_BATCH;
		uint64_t start = clock_wall_ns();

		rc = load_batch(subject, first, count, buffer);
		if (commit_ns != NULL)
			commit_ns[first / LOAD_BATCH] = clock_wall_ns() - start;
	}
	free(buffer);
	if (rc != 0)
		return rc;
	rc = subject->contender->sync(subject->store);
	if (rc != 0)
		return fail_code(subject, "sync", rc);
	subject->loaded = true;
	return 0;
}

int subject_need_loaded(struct subject *subject, bool durable)
{
	if (subject->store != NULL && subject->loaded && subject->durable == durable && !subject->read_ahead)
		return 0;
	if (!subject->loaded) {
		if (subject_open_empty(subject) != 0 || subject_load(subject, NULL) != 0)
			return -1;
	}
	if (subject->durable == durable && subject->store != NULL && !subject->read_ahead)
		return 0;
	if (subject_close(subject) != 0)
		return -1;
	subject->durable = durable;
	subject->read_ahead = false;
	return subject_open(subject);
}

int subject_need_warm(struct subject *subject)
{
	if (subject_need_loaded(subject, false) != 0)
		return -1;
	if (!subject->warm && subject_check_all(subject) != 0)
		return -1;
	subject->warm = true;
	return 0;
}

int subject_need_closed(struct subject *subject)
{
	if (!subject->loaded && subject_need_loaded(subject, false) != 0)
		return -1;
	return subject_close(subject);
}

int subject_disk_bytes(const struct subject *subject, uint64_t *bytes)
{
	char extra[PATH_BYTES];
	uint64_t beside = 0;
	int rc = probe_disk_bytes(subject->path, bytes);

	extra_path(subject, extra, sizeof extra);
	if (rc == 0 && extra[0] != '\0')
		rc = probe_disk_bytes(extra, &beside);
	*bytes += beside;
	return rc != 0 ? fail_errno(subject->path, rc) : 0;
}
