/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* salvage.c: puts what the arena has found in a damaged file into a new store, and says of each record that is lost or
 * doubtful which one it is.
 *
 * Records are put by their keys, as any program would put them: the new store has a seed of its own, so it does not
 * matter whether the old one can still be read, and markers and the stray list are made anew where they are needed.
 *
 *  1. Records come from old to new. So where two of them have one key, which the arena cannot know, the newer one stays.
 *  2. The new store appears only when all of them are in it.
 *
 * Cost: one put a record; commits of about COMMIT_BYTES. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "kvstore/key_text.h"
#include "kvstore/kv.h"
#include "kvstore/record.h"

#define COMMIT_BYTES ((size_t)1 << 20)
#define SENTENCE_MAX (KEY_TEXT_MAX + 160)

struct record_salvage {
	const char *path;
	gkv_report *report;
	gkv_progress *progress;
	void *arg; /* of both */
	gkv *to;
	gkv_txn *txn;
	size_t uncommitted;
};

static int finding_pass(void *arg, const char *finding)
{
	const struct record_salvage *s = arg;

	return s->report != NULL ? s->report(s->arg, finding) : 0;
}

static int progress_pass(void *arg, uint64_t done, uint64_t total)
{
	const struct record_salvage *s = arg;

	return s->progress != NULL ? s->progress(s->arg, done, total) : 0;
}

/* One sentence about the record at that place. */
static int record_tell(const struct record_salvage *s, uint64_t offset, const struct record *record, const char *what)
{
	char key[KEY_TEXT_MAX] = "";
	char text[SENTENCE_MAX];

	if (s->report == NULL)
		return GKV_OK;
	if (record != NULL)
		key_text(key, record);
	(void)snprintf(text, sizeof(text), "record at %" PRIu64 "%s%s: %s", offset, record != NULL ? ", key " : "", key,
		       what);
	return s->report(s->arg, text) != 0 ? ECANCELED : GKV_OK;
}

static int lost_tell(const struct record_salvage *s, uint64_t offset, const struct arena_blob *blob)
{
	struct record record;

	/* What does not verify may still show its key, which is nearly always what the user needs to know. */
	if (blob->data == NULL || record_read(blob, &record) != GKV_OK || record.kind != RECORD_VALUE)
		return record_tell(s, offset, NULL, "is damaged; its key cannot be told");
	return record_tell(s, offset, &record, "is damaged; an older version follows if there is one");
}

static int record_put(struct record_salvage *s, const struct record *record)
{
	int rc;

	rc = gkv_txn_put(s->txn, record->key, record->key_len, record->value, record->value_size);
	if (rc != GKV_OK)
		return rc;
	s->uncommitted += record->value_size + record->key_len;
	if (s->uncommitted < COMMIT_BYTES)
		return GKV_OK;
	s->uncommitted = 0;
	rc = gkv_commit(s->txn);
	s->txn = NULL;
	return rc == GKV_OK ? gkv_begin(s->to, GKV_WRITE, &s->txn) : rc;
}

static int blob_take(void *arg, enum arena_fate fate, uint64_t offset, const struct arena_blob *blob)
{
	struct record_salvage *s = arg;
	struct record record;
	int rc = GKV_OK;

	if (fate == ARENA_LOST)
		return lost_tell(s, offset, blob);
	if (record_read(blob, &record) != GKV_OK)
		return record_tell(s, offset, NULL, "verifies and is no key with its value: left out");
	if (record.kind != RECORD_VALUE)
		return GKV_OK;
	if (fate == ARENA_DELETED)
		return record_tell(s, offset, &record, "left out, for a deletion that no table confirms");
	if (fate == ARENA_DOUBTFUL)
		rc = record_tell(s, offset, &record, "taken, though no table confirms it");
	return rc == GKV_OK ? record_put(s, &record) : rc;
}

static int records_fill(void *arg, arena *to)
{
	struct record_salvage *s = arg;
	const struct arena_salvage_options options = {
		.kind = ARENA_KEYED,
		.aux_mask = RECORD_AUX_MASK,
		.each = blob_take,
		.report = finding_pass,
		.progress = progress_pass,
		.arg = s,
	};
	int rc;

	s->to = kv_handle(to);
	rc = gkv_begin(s->to, GKV_WRITE, &s->txn);
	if (rc == GKV_OK)
		rc = arena_salvage(s->path, &options);
	if (rc == GKV_OK) {
		rc = gkv_commit(s->txn);
		s->txn = NULL;
	}
	gkv_abort(s->txn);
	return rc;
}

int gkv_salvage_progress(const char *path, const char *dest, gkv_report *report, gkv_progress *progress, void *arg)
{
	const struct os *os = os_default();
	const struct arena_options options = {.os = os, .kind = ARENA_KEYED};
	struct record_salvage s = {.path = path, .report = report, .progress = progress, .arg = arg};
	os_file damaged;
	int rc;

	if (path == NULL || dest == NULL)
		return GKV_INVALID;
	rc = os->open(os, path, OS_RDONLY, 0, &damaged);
	if (rc != 0)
		return rc;
	rc = arena_make(dest, &options, damaged, records_fill, &s);
	(void)os->close(os, damaged);
	return rc;
}

int gkv_salvage(const char *path, const char *dest, gkv_report *report, void *arg)
{
	return gkv_salvage_progress(path, dest, report, NULL, arg);
}
