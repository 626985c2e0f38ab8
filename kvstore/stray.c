/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stray.c: keeps the stray list.
 *
 * It answers three questions exactly that would need a walk of the whole store otherwise: may a delete clear a position
 * (place.c), how many blobs are markers (gkv_stat), may an iteration meet a record in two places (iter.c).
 *
 *  1. From the home of a stray to where it stands, every position is on the list; the list counts as a stray itself.
 *  2. Every marker is on the list.
 *  3. No position is on it twice.
 *
 * An entry is written before the stray that needs it and dropped only when its position is free, so that a put that
 * fails in between leaves an entry too many and nothing to take back. A delete adds nothing: where it leaves a marker,
 * the position is on the list already, since a stray passed it. So a delete needs no more space than a tombstone.
 *
 * Cost: the list is rewritten when a stray takes a position that is not on it, with a look-up of each entry; in a store
 * with real hashes it has a few entries at most. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "kvstore/record.h"
#include "kvstore/stray.h"

int stray_read(const struct view *view, struct stray_list *out)
{
	struct record record;
	vpos at = {STRAY_HOME};
	int rc;

	*out = (struct stray_list){0};
	for (;; at = place_next(at)) {
		rc = view_read(view, at, &record);
		if (rc != GKV_OK)
			break;
		if (record.kind == RECORD_STRAYS) {
			out->there = true;
			out->name = record.value;
			out->count = record.value_size / sizeof(uint64_t);
			break;
		}
	}
	out->at = at;
	return rc == GKV_NOTFOUND ? GKV_OK : rc;
}

static bool names_have(const uint64_t *name, size_t count, vpos at)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (name[i] == at.bits)
			return true;
	return false;
}

bool stray_has(const struct stray_list *list, vpos at)
{
	return names_have(list->name, list->count, at);
}

/* Positions from home to at, both counted. */
static size_t path_length(vpos home, vpos at)
{
	size_t n = 1;

	for (; !place_same(home, at); home = place_next(home))
		n++;
	return n;
}

static bool path_listed(const struct stray_list *list, vpos home, vpos at)
{
	for (; stray_has(list, home); home = place_next(home))
		if (place_same(home, at))
			return true;
	return false;
}

static size_t path_add(uint64_t *name, size_t count, vpos home, vpos at)
{
	for (;; home = place_next(home)) {
		if (!names_have(name, count, home))
			name[count++] = home.bits;
		if (place_same(home, at))
			return count;
	}
}

/* The entries whose positions are taken. */
static int names_keep(const struct view *view, const struct stray_list *list, uint64_t *name, size_t *count)
{
	struct arena_blob blob;
	size_t i;
	int rc;

	*count = 0;
	for (i = 0; i < list->count; i++) {
		rc = view_find(view, (vpos){list->name[i]}, &blob);
		if (rc == GKV_OK)
			name[(*count)++] = list->name[i];
		else if (rc != GKV_NOTFOUND)
			return rc;
	}
	return GKV_OK;
}

int stray_note(arena_txn *t, vpos home, vpos at, bool *made)
{
	const struct view view = view_of(t);
	const struct os *os = arena_os(view.arena);
	const vpos list_home = {STRAY_HOME};
	struct stray_list list;
	uint64_t *name = NULL;
	size_t count, most;
	void *data;
	int rc;

	*made = false;
	rc = stray_read(&view, &list);
	if (rc != GKV_OK || path_listed(&list, home, at))
		return rc;
	most = list.count + path_length(home, at) + path_length(list_home, list.at);
	name = os->alloc(os, NULL, most * sizeof(*name));
	if (name == NULL) {
		rc = ENOMEM;
		goto out;
	}
	rc = names_keep(&view, &list, name, &count);
	if (rc != GKV_OK)
		goto out;
	count = path_add(name, count, home, at);
	if (!place_same(list.at, list_home))
		count = path_add(name, count, list_home, list.at);
	assert(count <= most);
	rc = arena_put(t, list.at, RECORD_AUX_STRAYS, count * sizeof(*name), &data);
	if (rc == GKV_OK) {
		memcpy(data, name, count * sizeof(*name));
		*made = !list.there;
	}
out:
	os->free(os, name);
	return rc;
}

int stray_count_blobs(const struct view *view, uint64_t *count)
{
	struct stray_list list;
	struct record record;
	size_t i;
	int rc;

	*count = 0;
	rc = stray_read(view, &list);
	if (rc != GKV_OK || !list.there)
		return rc;
	*count = 1;
	for (i = 0; i < list.count; i++) {
		rc = view_read(view, (vpos){list.name[i]}, &record);
		if (rc == GKV_NOTFOUND)
			continue;
		if (rc != GKV_OK)
			return rc;
		*count += record.kind == RECORD_MARKER;
	}
	return GKV_OK;
}
