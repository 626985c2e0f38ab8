/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* place.c: finds, fills and clears the positions of records; owns the rules of open addressing.
 *
 *  1. From the home of a record to where it stands, every position is taken: by a record, a marker or the stray list.
 *     So a walk that begins at a key's home and meets a free position has seen that the key is absent.
 *  2. A position that a stray stands at or was passed by is on the stray list for as long as it is taken. So a position
 *     that is not on it is cleared at a delete without a look at its neighbours.
 *  3. A record never moves while its key is there. A delete leaves a marker where a stray may have passed, and does not
 *     shift what follows: an iteration under way would miss what is shifted or see it twice.
 *
 * Deleting b, with c behind it, leaves a marker; deleting c then clears its position and the markers that it held up:
 *
 *     home            next           next                      home            next           next
 *     [ a ]--------->[ b ]--------->[ c ]       becomes        [ a ]--------->[ # ]--------->[ c ]
 *     [ a ]--------->[ # ]--------->[ c ]       becomes        [ a ]          free           free
 *
 * Cost: without a collision, one look-up more at a delete (of the stray list, which is absent) and none elsewhere. */
#include <assert.h>
#include <string.h>

#include "kvstore/hash.h"
#include "kvstore/place.h"
#include "kvstore/stray.h"

int place_find_from(const struct view *view, const struct kv_key *key, vpos home, struct place *out)
{
	bool marked = false;
	vpos marker = home;
	vpos at = home;
	int rc;

	out->home = home;
	out->found = false;
	out->passed = false;
	for (;; at = place_next(at)) {
		rc = view_read(view, at, &out->record);
		if (rc != GKV_OK)
			break;
		if (record_has_key(&out->record, key)) {
			out->found = true;
			break;
		}
		/* The first marker is where the record goes, once it is known not to stand further along. */
		if (out->record.kind == RECORD_MARKER && !marked) {
			marked = true;
			marker = at;
		}
		out->passed = true;
	}
	out->at = marked && !out->found ? marker : at;
	return rc;
}

int place_find(const struct view *view, const struct kv_key *key, struct place *out)
{
	return place_find_from(view, key, place_home(view->arena, key->data, key->len), out);
}

int place_put(arena_txn *t, struct place *place, const struct kv_key *key, size_t value_size, void **value)
{
	const struct view view = view_of(t);
	void *data;
	int rc;

	/* Where the stray list takes its own place in this chain, that is a place less: look again. It does so once. */
	while (!place->found && !place_same(place->at, place->home)) {
		bool made;

		rc = stray_note(t, place->home, place->at, &made);
		if (rc != GKV_OK)
			return rc;
		if (!made)
			break;
		rc = place_find_from(&view, key, place->home, place);
		if (rc != GKV_NOTFOUND)
			return rc == GKV_OK ? GKV_CORRUPT : rc;
	}
	rc = arena_put(t, place->at, record_aux(key->len), (uint64_t)value_size + key->len, &data);
	if (rc != GKV_OK)
		return rc;
	assert(((uintptr_t)data & 7) == 0);
	if (key->len != 0)
		memcpy((unsigned char *)data + value_size, key->data, key->len);
	*value = data;
	return GKV_OK;
}

/* Markers in front of a position that became free keep nothing reachable any more. What cannot be cleared does no harm,
 * so that its failure is none of the delete's. */
static void markers_clear(const struct view *view, vpos freed)
{
	struct record record;
	vpos at = place_prev(freed);

	while (view_read(view, at, &record) == GKV_OK && record.kind == RECORD_MARKER) {
		if (arena_del(view->txn, at) != GKV_OK)
			return;
		at = place_prev(at);
	}
}

int place_remove(arena_txn *t, const struct place *place)
{
	const struct view view = view_of(t);
	struct arena_blob blob;
	struct stray_list list;
	void *nothing;
	int rc;

	assert(place->found);
	rc = stray_read(&view, &list);
	if (rc != GKV_OK)
		return rc;
	if (!stray_has(&list, place->at))
		return arena_del(t, place->at);
	rc = arena_find(t, place_next(place->at), &blob);
	if (rc == GKV_OK) {
		/* A delete succeeds in a full store too, and this is one. */
		arena_use_reserve(t, true);
		rc = arena_put(t, place->at, RECORD_AUX_MARKER, 0, &nothing);
		arena_use_reserve(t, false);
		return rc;
	}
	if (rc != GKV_NOTFOUND)
		return rc;
	rc = arena_del(t, place->at);
	if (rc == GKV_OK)
		markers_clear(&view, place->at);
	return rc;
}
