/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* contender_memory.c: the limit for a get on one machine: an open-addressing table over XXH3, with the records
 * one after the other in one block of memory.
 *
 * It owns a table of 8-byte entries (24 bits of the hash, 40 bits of position in units of 8 bytes) and the block. It
 * refuses to do everything that costs a store time: no file, no transactions, no snapshots, no locks, no checksums.
 *
 * 1. An entry is EMPTY, GONE, or names a record inside the block.
 * 2. Used and gone entries together fill at most half of the table, so that a probe ends.
 * 3. Every record of the block is either named by one entry or marked dead.
 *
 * Cost: a get is one miss in the table and one in the block. The scan follows the table, so it jumps through the
 * block; a scan in file order can beat it. Gets from several threads are safe while nobody writes. */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "tests/bench/contender.h"

#define ENTRY_EMPTY    UINT64_C(0)
#define ENTRY_GONE     UINT64_C(1)
#define POSITION_BITS  40
#define POSITION_MASK  ((UINT64_C(1) << POSITION_BITS) - 1)
#define RECORD_DEAD    0x80000000u
#define FIRST_POSITION 2 /* so that no record's entry is EMPTY or GONE */
#define BATCH_MAX      64

struct record {
	uint32_t key_bytes; /* RECORD_DEAD is set when no entry names it */
	uint32_t value_bytes;
	unsigned char data[]; /* key, then value */
};

struct memory_store {
	uint64_t *entries;
	unsigned table_bits;
	uint64_t used_count, gone_count;
	unsigned char *block;
	uint64_t block_bytes, block_capacity, dead_bytes;
};

static uint64_t hash_of(gkv_bytes key)
{
	return XXH3_64bits(key.data, key.size);
}

static uint64_t slot_of(const struct memory_store *store, uint64_t hash)
{
	return hash >> (64 - store->table_bits);
}

/* The tag takes the low bits, the slot the high ones. */
static uint64_t entry_make(uint64_t hash, uint64_t position)
{
	return hash << POSITION_BITS | position;
}

static struct record *record_at(const struct memory_store *store, uint64_t entry)
{
	return (struct record *)(void *)(store->block + (entry & POSITION_MASK) * 8);
}

static uint64_t record_bytes(const struct record *record)
{
	uint64_t data = (uint64_t)(record->key_bytes & ~RECORD_DEAD) + record->value_bytes;

	return (sizeof *record + data + 7) & ~UINT64_C(7);
}

/* Gives the slot of the key's entry, or -1; *vacant is then the slot where it would go. */
static int64_t table_find(const struct memory_store *store, uint64_t hash, gkv_bytes key, uint64_t *vacant)
{
	uint64_t mask = (UINT64_C(1) << store->table_bits) - 1;
	int64_t free_slot = -1;

	for (uint64_t i = slot_of(store, hash);; i = (i + 1) & mask) {
		uint64_t entry = store->entries[i];

		if (entry == ENTRY_EMPTY) {
			*vacant = free_slot >= 0 ? (uint64_t)free_slot : i;
			return -1;
		}
		if (entry == ENTRY_GONE) {
			free_slot = free_slot < 0 ? (int64_t)i : free_slot;
		} else if ((entry ^ entry_make(hash, 0)) >> POSITION_BITS == 0) {
			const struct record *record = record_at(store, entry);

			if (record->key_bytes == key.size && memcmp(record->data, key.data, key.size) == 0)
				return (int64_t)i;
		}
	}
}

/* Builds a table of 2^bits entries from the block: records are read in order, which is cheaper than following the old
 * table. */
static int table_build(struct memory_store *store, unsigned bits)
{
	uint64_t *entries = calloc((size_t)1 << bits, sizeof *entries);
	uint64_t mask = (UINT64_C(1) << bits) - 1;

	if (entries == NULL)
		return ENOMEM;
	free(store->entries);
	store->entries = entries;
	store->table_bits = bits;
	store->gone_count = 0;
	for (uint64_t at = FIRST_POSITION * 8; at < store->block_bytes;) {
		struct record *record = record_at(store, at / 8);

		if ((record->key_bytes & RECORD_DEAD) == 0) {
			uint64_t hash = hash_of((gkv_bytes){record->data, record->key_bytes});
			uint64_t i = slot_of(store, hash);

			while (entries[i] != ENTRY_EMPTY)
				i = (i + 1) & mask;
			entries[i] = entry_make(hash, at / 8);
		}
		at += record_bytes(record);
	}
	return 0;
}

/* Moves the live records together. The table must be built again afterwards. */
static void block_squeeze(struct memory_store *store)
{
	uint64_t to = FIRST_POSITION * 8;

	for (uint64_t at = to; at < store->block_bytes;) {
		struct record *record = record_at(store, at / 8);
		uint64_t bytes = record_bytes(record);

		if ((record->key_bytes & RECORD_DEAD) == 0) {
			memmove(store->block + to, record, bytes);
			to += bytes;
		}
		at += bytes;
	}
	store->block_bytes = to;
	store->dead_bytes = 0;
}

static int block_reserve(struct memory_store *store, uint64_t bytes)
{
	uint64_t capacity = store->block_capacity;
	unsigned char *block;

	if (store->block_bytes + bytes <= capacity)
		return 0;
	if (store->dead_bytes > store->block_bytes / 2) {
		block_squeeze(store);
		return table_build(store, store->table_bits);
	}
	while (store->block_bytes + bytes > capacity)
		capacity *= 2;
	block = realloc(store->block, capacity);
	if (block == NULL)
		return ENOMEM;
	store->block = block;
	store->block_capacity = capacity;
	return 0;
}

static void record_kill(struct memory_store *store, struct record *record)
{
	assert((record->key_bytes & RECORD_DEAD) == 0);
	store->dead_bytes += record_bytes(record);
	record->key_bytes |= RECORD_DEAD;
}

static uint64_t record_append(struct memory_store *store, gkv_bytes key, gkv_bytes value)
{
	struct record *record = record_at(store, store->block_bytes / 8);
	uint64_t position = store->block_bytes / 8;

	record->key_bytes = (uint32_t)key.size;
	record->value_bytes = (uint32_t)value.size;
	memcpy(record->data, key.data, key.size);
	memcpy(record->data + key.size, value.data, value.size);
	store->block_bytes += record_bytes(record);
	return position;
}

/* Makes room in block and table for one more record. */
static int memory_reserve(struct memory_store *store, gkv_bytes key, gkv_bytes value)
{
	uint64_t entries = UINT64_C(1) << store->table_bits;
	int rc = 0;

	if (key.size >= RECORD_DEAD || value.size > UINT32_MAX)
		return EMSGSIZE;
	if ((store->used_count + store->gone_count + 1) * 2 > entries)
		rc = table_build(store, store->used_count * 4 > entries ? store->table_bits + 1 : store->table_bits);
	if (rc == 0)
		rc = block_reserve(store, sizeof(struct record) + key.size + value.size + 8);
	return rc;
}

static int memory_put_one(struct store *store, gkv_bytes key, gkv_bytes value)
{
	struct memory_store *s = (struct memory_store *)store;
	uint64_t hash = hash_of(key);
	uint64_t vacant = 0;
	int64_t found;
	int rc = memory_reserve(s, key, value);

	if (rc != 0)
		return rc;
	found = table_find(s, hash, key, &vacant);
	if (found >= 0) {
		struct record *record = record_at(s, s->entries[found]);

		if (record->value_bytes == value.size) {
			memcpy(record->data + key.size, value.data, value.size);
			return 0;
		}
		record_kill(s, record);
		vacant = (uint64_t)found;
	} else {
		s->gone_count -= s->entries[vacant] == ENTRY_GONE;
		s->used_count++;
	}
	s->entries[vacant] = entry_make(hash, record_append(s, key, value));
	return 0;
}

static int memory_del(struct writer *writer, gkv_bytes key)
{
	struct memory_store *s = (struct memory_store *)writer;
	uint64_t vacant;
	int64_t found = table_find(s, hash_of(key), key, &vacant);

	if (found < 0)
		return ENOENT;
	record_kill(s, record_at(s, s->entries[found]));
	s->entries[found] = ENTRY_GONE;
	s->used_count--;
	s->gone_count++;
	return 0;
}

static int memory_close(struct store *store)
{
	struct memory_store *s = (struct memory_store *)store;

	free(s->entries);
	free(s->block);
	free(s);
	return 0;
}

static int memory_open(const struct store_config *config, struct store **out)
{
	struct memory_store *store = calloc(1, sizeof *store);

	(void)config;
	*out = NULL;
	if (store == NULL)
		return ENOMEM;
	store->block_capacity = 1 << 16;
	store->block_bytes = FIRST_POSITION * 8;
	store->block = malloc(store->block_capacity);
	if (store->block == NULL || table_build(store, 10) != 0) {
		memory_close((struct store *)store);
		return ENOMEM;
	}
	*out = (struct store *)store;
	return 0;
}

static int memory_sync(struct store *store)
{
	(void)store;
	return 0;
}

/* A transaction is the store itself: there is nothing to undo. */
static int memory_write_begin(struct store *store, struct writer **out)
{
	*out = (struct writer *)store;
	return 0;
}

static int memory_put(struct writer *writer, gkv_bytes key, gkv_bytes value)
{
	return memory_put_one((struct store *)writer, key, value);
}

static int memory_commit(struct writer *writer)
{
	(void)writer;
	return 0;
}

static void memory_abort(struct writer *writer)
{
	(void)writer;
}

static int memory_reader_open(struct store *store, struct reader **out)
{
	*out = (struct reader *)store;
	return 0;
}

static void memory_reader_close(struct reader *reader)
{
	(void)reader;
}

static int memory_snapshot_begin(struct reader *reader)
{
	(void)reader;
	return 0;
}

static void memory_snapshot_end(struct reader *reader)
{
	(void)reader;
}

static gkv_bytes value_of(const struct record *record)
{
	return (gkv_bytes){record->data + record->key_bytes, record->value_bytes};
}

static int memory_get(struct reader *reader, gkv_bytes key, gkv_bytes *value)
{
	const struct memory_store *s = (const struct memory_store *)reader;
	uint64_t vacant;
	int64_t found = table_find(s, hash_of(key), key, &vacant);

	*value = (gkv_bytes){NULL, 0};
	if (found >= 0)
		*value = value_of(record_at(s, s->entries[found]));
	return 0;
}

/* Three passes, so that the misses of all keys are under way together. */
static int memory_get_many(struct reader *reader, size_t count, const gkv_bytes *keys, gkv_bytes *values)
{
	const struct memory_store *s = (const struct memory_store *)reader;
	uint64_t hashes[BATCH_MAX];

	if (count > BATCH_MAX)
		return EINVAL;
	for (size_t i = 0; i < count; i++) {
		hashes[i] = hash_of(keys[i]);
		__builtin_prefetch(&s->entries[slot_of(s, hashes[i])]);
	}
	for (size_t i = 0; i < count; i++) {
		const unsigned char *record = s->block + (s->entries[slot_of(s, hashes[i])] & POSITION_MASK) * 8;

		__builtin_prefetch(record);
		__builtin_prefetch(record + 64);
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t vacant;
		int64_t found = table_find(s, hashes[i], keys[i], &vacant);

		values[i] = found >= 0 ? value_of(record_at(s, s->entries[found])) : (gkv_bytes){NULL, 0};
	}
	return 0;
}

static int memory_scan(struct reader *reader, scan_visit *visit, void *arg)
{
	const struct memory_store *s = (const struct memory_store *)reader;

	for (uint64_t i = 0; i < UINT64_C(1) << s->table_bits; i++) {
		const struct record *record;

		if (s->entries[i] <= ENTRY_GONE)
			continue;
		record = record_at(s, s->entries[i]);
		if (!visit(arg, (gkv_bytes){record->data, record->key_bytes}, value_of(record)))
			break;
	}
	return 0;
}

static int memory_get_copy(struct reader *reader, gkv_bytes key, void *buffer, size_t capacity, size_t *size)
{
	gkv_bytes value;
	int rc = memory_get(reader, key, &value);

	*size = SIZE_MAX;
	if (rc != 0 || value.data == NULL)
		return rc;
	*size = value.size;
	if (value.size > capacity)
		return ENOBUFS;
	memcpy(buffer, value.data, value.size);
	return 0;
}

static const char *memory_message(int code)
{
	return strerror(code);
}

const struct contender contender_memory = {
	.name = "memory",
	.promise = "nothing survives: no file, no transactions, no locks (the limit for a get)",
	.on_disk = false,
	.has_log = false,
	.has_limit = false,
	.extra = NULL,
	.open = memory_open,
	.close = memory_close,
	.sync = memory_sync,
	.put_one = memory_put_one,
	.write_begin = memory_write_begin,
	.put = memory_put,
	.del = memory_del,
	.commit = memory_commit,
	.abort = memory_abort,
	.reader_open = memory_reader_open,
	.reader_close = memory_reader_close,
	.snapshot_begin = memory_snapshot_begin,
	.snapshot_end = memory_snapshot_end,
	.get = memory_get,
	.get_many = memory_get_many,
	.scan = memory_scan,
	.get_copy = memory_get_copy,
	.message = memory_message,
};
