/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* check.c: verifies of a whole store what the arena cannot know: that each blob is a record, and that its key leads to
 * it.
 *
 * The numbered rules are those of place.c and stray.c. Cost per record: a hash of its key, and a walk of its chain
 * where it is a stray. */
#include <stdio.h>

#include "kvstore/key_text.h"
#include "kvstore/kv.h"
#include "kvstore/place.h"
#include "kvstore/record.h"
#include "kvstore/stray.h"

/* A key's record is met by the walk from its home, no other record of the key before it, and the way is listed. */
static const char *stray_check(const struct view *view, const struct record *record, vpos at)
{
	const struct kv_key key = {record->key, record->key_len};
	struct stray_list list;
	struct place place;
	vpos p;
	int rc;

	rc = place_find(view, &key, &place);
	if (rc == GKV_NOTFOUND)
		return "a record stands where its key does not lead";
	if (rc != GKV_OK)
		return "the positions before a record cannot be read";
	if (!place_same(place.at, at))
		return "a key has two records, or one that stands where its key does not lead";
	if (stray_read(view, &list) != GKV_OK)
		return "the stray list cannot be read";
	for (p = place.home; !place_same(p, place_next(at)); p = place_next(p))
		if (!stray_has(&list, p))
			return "a record that is not at its own position is missing in the stray list";
	return NULL;
}

static const char *special_check(const struct view *view, const struct record *record, vpos at)
{
	struct stray_list list;

	if (stray_read(view, &list) != GKV_OK)
		return "the stray list cannot be read";
	if (record->kind == RECORD_STRAYS && !place_same(list.at, at))
		return "there are two stray lists, or the one stands where nothing leads to it";
	if (record->kind == RECORD_MARKER && !stray_has(&list, at))
		return "a marker is missing in the stray list";
	return NULL;
}

/* What a sentence of this check says of one blob, its key in front. */
struct told {
	char text[KEY_TEXT_MAX + 160];
};

static const char *told_with_key(struct told *told, const struct record *record, const char *what)
{
	char key[KEY_TEXT_MAX];

	key_text(key, record);
	(void)snprintf(told->text, sizeof(told->text), "key %s%s%s", key, what[0] != 0 ? ": " : "", what);
	return told->text;
}

static const char *record_fault(void *arg, arena_txn *t, vpos name, const struct arena_blob *blob)
{
	struct record record;
	const char *finding;
	struct view view;

	if (record_read(blob, &record) != GKV_OK)
		return t != NULL ? "a blob is no record: its flags or its key's length are wrong" : NULL;
	if (t == NULL)
		return record.kind == RECORD_VALUE ? told_with_key(arg, &record, "") : NULL;
	view = view_of(t);
	if (record.kind != RECORD_VALUE)
		return special_check(&view, &record, name);
	if (place_same(place_home(view.arena, record.key, record.key_len), name))
		return NULL;
	finding = stray_check(&view, &record, name);
	return finding != NULL ? told_with_key(arg, &record, finding) : NULL;
}

int gkv_check(const char *path, gkv_report *report, void *arg)
{
	const struct arena_options options = {.kind = ARENA_KEYED, .flags = GRAVITY_RDONLY};
	struct told told;

	return arena_check(path, &options, record_fault, &told, report, arg);
}
