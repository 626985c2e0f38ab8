/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

#include "tests/kvstore/numbered.h"

#include "tests/testing.h"

void numbered_make(uint64_t count)
{
	gkv *db = store_lazy();
	unsigned char value[1000];
	uint64_t i;

	for (i = 0; i < count; i++) {
		bytes_make(value, sizeof(value), i);
		must_give(gkv_put(db, &i, sizeof(i), value, sizeof(value)), GKV_OK);
	}
	store_close(db);
}

void numbered_hold(gkv *db, uint64_t first, uint64_t end)
{
	unsigned char value[1000];
	size_t size;
	uint64_t i;

	for (i = first; i < end; i++) {
		must_give(gkv_get(db, &i, sizeof(i), value, sizeof(value), &size), GKV_OK);
		must(size == sizeof(value) && bytes_fit(value, size, i));
	}
	must(store_records(db) == end - first);
}
