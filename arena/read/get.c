/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* get.c owns looking up: one record by a pin or in a transaction, and many at once. */
#include "arena/read/get.h"

#include "arena/arena.h"
#include "arena/core.h"
#include "arena/log/session.h"
#include "arena/log/writer.h"
#include "arena/table/lookup.h"
#include "arena/table/page.h"

int arena_pin_take(arena *a, arena_pin *pin)
{
	if (!arena_ours(a))
		return GRAVITY_INVALID;
	pin->slot = readers_pin(&a->readers);
	return 0;
}

int arena_pin_find(arena *a, vpos name, struct arena_blob *out)
{
	return get_by_pin(a, name, out);
}

void arena_pin_drop(arena *a, arena_pin pin)
{
	readers_unpin(&a->readers, pin.slot);
}

int arena_find(arena_txn *t, vpos name, struct arena_blob *out)
{
	const struct blob_disk *b;
	int r;

	if (t->live == TXN_READ && arena_ours(t->arena))
		r = lookup(&txn_arena(t)->map, t->root, name.bits, &b);
	else if ((r = arena_txn_usable(t)) == 0)
		r = writer_find(txn_arena(t), name.bits, &b);
	if (r == 0)
		blob_show(b, out);
	return r;
}

#define MANY       16u
#define MANY_LINES 3u /* of a record that are asked for */

/* Each step touches memory that the step before asked for. The pages of a snapshot do not change between two steps. */
static void find_group(arena_txn *t, unsigned n, const vpos *names, struct arena_blob *out, int *codes)
{
	const struct map *m = &txn_arena(t)->map;
	const struct page_disk *page[MANY];
	struct page_match match[MANY];

	for (unsigned i = 0; i < n; i++) {
		page[i] = table_page(m, t->root, names[i].bits);
		if (page[i] != NULL)
			page_ask(page[i], names[i].bits);
	}
	for (unsigned i = 0; i < n; i++) {
		const uint8_t *record;
		match[i].ways = 0;
		if (page[i] == NULL)
			continue;
		match[i] = page_match(page[i], names[i].bits);
		/* Wherever that is: a prefetch never faults. */
		record = m->base + page_match_offset(match[i]);
		for (unsigned line = 0; line < MANY_LINES; line++)
			__builtin_prefetch(record + line * DISK_LINE);
	}
	for (unsigned i = 0; i < n; i++) {
		const struct blob_disk *b;
		codes[i] = page[i] == NULL ? GRAVITY_CORRUPT : lookup_match(m, match[i], names[i].bits, &b);
		if (codes[i] == 0)
			blob_show(b, &out[i]);
	}
}

int arena_find_many(arena_txn *t, size_t n, const vpos *names, struct arena_blob *out, int *codes)
{
	const int r = arena_txn_usable(t);

	if (r != 0)
		return r;
	if (txn_is_writer(t)) {
		for (size_t i = 0; i < n; i++)
			codes[i] = arena_find(t, names[i], &out[i]);
		return 0;
	}
	for (size_t i = 0; i < n; i += MANY)
		find_group(t, (unsigned)(n - i < MANY ? n - i : MANY), names + i, out + i, codes + i);
	return 0;
}
