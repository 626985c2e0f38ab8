/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* stray.h: the stray list, one blob that says where strays (records away from their own position) stand and passed.
 *
 * With 64-bit hashes hardly any store has a stray: two keys must meet among 2^64 positions. The list comes with the
 * first of them and stays. A store without it has no marker either, and each of its records stands at its home.
 *
 * It is a superset: what it names may have become free or be taken by a record at its home. Being a blob of its own it
 * follows transactions, snapshots, aborts and crashes with no rule of its own. */
#ifndef GKV_KVSTORE_STRAY_H
#define GKV_KVSTORE_STRAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/arena.h"
#include "kvstore/place.h"

/* The list's own position: "gkvstray". It makes way like any record. */
#define STRAY_HOME UINT64_C(0x676B767374726179)

struct stray_list {
	bool there;
	vpos at;              /* of the list; where there is none, where it would go */
	const uint64_t *name; /* positions                                           */
	size_t count;
};

/* The list as the view has it; without one, an empty list and GKV_OK. Lasts as long as arena_find's answer. */
int stray_read(const struct view *view, struct stray_list *out);
bool stray_has(const struct stray_list *list, vpos at);

/* Puts the positions from `home` to `at` on the list, before a stray is put at `at`. *made: the list was not there
 * before. On failure the list is as it was; codes of arena_put. */
int stray_note(arena_txn *t, vpos home, vpos at, bool *made);

/* How many blobs of the view are no records: markers and the list itself. */
int stray_count_blobs(const struct view *view, uint64_t *count);

#endif
