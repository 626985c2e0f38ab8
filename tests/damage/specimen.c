/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* specimen.c: see specimen.h. */
#include "tests/damage/specimen.h"

#include <stdlib.h>
#include <string.h>

#include "arena/core.h"
#include "arena/log/commit.h"
#include "arena/move/evacuate.h"
#include "kvstore/hash.h"
#include "kvstore/kv.h"

/* Keys: [0, 20) fill a page's groups, [20, 23) have one hash, 23 has a large value, the last ones are never there. Two
 * have values whose end leaves holes, the first for windows and the second for the table: so files stay short. */
#define CROWD  20u
#define TWINS  20u
#define LARGE  23u
#define HOLES  34u
#define ABSENT 36u

#define HOLE_WINDOWS (3u << 10)
#define HOLE_TABLE   (22u << 10)

#define CROWD_LOW UINT64_C(0x12345678)

static bool hash_deep;

void key_make(char out[KEY_SIZE + 1], unsigned key)
{
	out[0] = 'k';
	out[1] = (char)('0' + key / 10);
	out[2] = (char)('0' + key % 10);
	out[3] = 0;
}

unsigned key_number(const void *data, size_t size)
{
	const char *text = data;
	unsigned key;

	if (size != KEY_SIZE || text[0] != 'k' || text[1] < '0' || text[1] > '9' || text[2] < '0' || text[2] > '9')
		return KEYS;
	key = (unsigned)(text[1] - '0') * 10 + (unsigned)(text[2] - '0');
	return key < KEYS ? key : KEYS;
}

static uint64_t hash_specimen(const void *data, size_t size, uint64_t seed)
{
	unsigned key = key_number(data, size);
	uint64_t name;

	(void)seed;
	if (key > TWINS && key < LARGE)
		key = TWINS;
	name = mix64(key + 1);
	if (key >= CROWD)
		return name;
	name = (name & ~UINT64_C(0xffffffff)) | CROWD_LOW;
	/* In a deep store they share the first six bits, so that a node is full of them. */
	return hash_deep ? (name & (UINT64_MAX >> 8)) | (uint64_t)(key & 1) << 57 : name;
}

void specimen_hash(bool deep)
{
	hash_deep = deep;
	kv_set_hash_for_tests(hash_specimen);
}

/* --- contents ----------------------------------------------------------------------------------------------------- */

unsigned contents_count(const struct contents *c)
{
	unsigned count = 0;

	for (unsigned i = 0; i < KEYS; i++)
		count += c->number[i] != 0;
	return count;
}

bool contents_same(const struct contents *a, const struct contents *b)
{
	return memcmp(a->number, b->number, sizeof a->number) == 0;
}

/* The value of a number, made once: most looks at a key are for the same one. */
static const uint8_t *value_of(unsigned key, uint64_t number)
{
	static uint8_t value[KEYS][VALUE_MOST];
	static uint64_t made[KEYS];

	if (made[key] != number)
		bytes_make(value[key], VALUE_MOST, number);
	made[key] = number;
	return value[key];
}

bool contents_fit(const struct contents *c, unsigned key, const void *value, size_t size)
{
	return key < KEYS && c->number[key] != 0 && c->size[key] == size &&
	       memcmp(value, value_of(key, c->number[key]), size) == 0;
}

void contents_put(struct contents *c, gkv_txn *txn, unsigned key, uint64_t number, uint32_t size)
{
	char name[KEY_SIZE + 1];
	void *value;

	key_make(name, key);
	must_give(gkv_txn_reserve(txn, name, KEY_SIZE, size, &value), GKV_OK);
	bytes_make(value, size, number);
	c->number[key] = number;
	c->size[key] = size;
}

const struct contents *specimen_at(const struct specimen *s, uint64_t seq)
{
	const struct contents *found = NULL;

	for (unsigned i = 0; i < s->moments && s->moment[i].seq <= seq; i++)
		found = &s->moment[i].is;
	must(found != NULL);
	return found;
}

const struct contents *specimen_newest(const struct specimen *s)
{
	return &s->moment[s->moments - 1].is;
}

/* --- a life ------------------------------------------------------------------------------------------------------- */

struct making {
	struct specimen *s;
	struct ram *ram;
	gkv *db;
	struct contents now;
	uint64_t number;
};

/* What the store holds from now on. */
static void moment_note(struct making *m)
{
	const uint64_t seq = store_stat(m->db).commit_seq;

	must(m->s->moments < MOMENTS);
	m->s->moment[m->s->moments++] = (struct moment){.seq = seq, .is = m->now};
}

static void put(struct making *m, gkv_txn *txn, unsigned key)
{
	const uint64_t number = ++m->number;
	uint32_t size = (uint32_t)(number * 37 % 61);

	if (key == LARGE)
		size = m->s->deep ? VALUE_MOST : 2500;
	if (key == HOLES)
		size = HOLE_WINDOWS;
	if (key == HOLES + 1)
		size = HOLE_TABLE;
	contents_put(&m->now, txn, key, number, size);
}

static void put_all(struct making *m, unsigned from, unsigned to)
{
	gkv_txn *txn = store_begin(m->db, GKV_WRITE);

	for (unsigned i = from; i < to; i++)
		put(m, txn, i);
	store_commit(txn);
	moment_note(m);
}

static void del(struct making *m, unsigned key)
{
	char name[KEY_SIZE + 1];

	key_make(name, key);
	must_give(gkv_del(m->db, name, KEY_SIZE), GKV_OK);
	m->now.number[key] = 0;
	moment_note(m);
}

static void older_keep(struct making *m)
{
	struct specimen *s = m->s;

	must(s->older_count < OLDER);
	s->older[s->older_count].image = malloc(m->ram->bytes);
	must(s->older[s->older_count].image != NULL);
	memcpy(s->older[s->older_count].image, m->ram->file, m->ram->bytes);
	s->older[s->older_count++].bytes = m->ram->bytes;
}

static void checkpoint(struct making *m)
{
	must_give(gkv_checkpoint(m->db), GKV_OK);
	older_keep(m);
}

/* Moves one record, as compaction does. */
static void move(struct making *m, unsigned key)
{
	arena *a = kv_arena(m->db);
	char name[KEY_SIZE + 1];
	const struct blob_disk *b;
	uint64_t at;

	key_make(name, key);
	must_give(writer_lock(a, false), 0);
	must_give(table_find(&a->map, a->b->table.root, hash_specimen(name, KEY_SIZE, 0), &b), 0);
	at = blob_offset(&a->map, b);
	must_give(evacuate(a, at, at + blob_span(b->size)), 0);
	writer_unlock(a);
	must(store_stat(m->db).bytes_moved > 0);
	moment_note(m);
}

/* The log goes on in another window. */
static void hop(struct making *m)
{
	arena *a = kv_arena(m->db);

	must_give(writer_lock(a, false), 0);
	must_give(commit_hop(a), 0);
	writer_unlock(a);
	moment_note(m);
}

/* Whatever a store goes through until its last checkpoint. */
static void past_make(struct making *m)
{
	put_all(m, HOLES, HOLES + 1);
	put_all(m, HOLES + 1, HOLES + 2);
	put_all(m, 0, HOLES);
	del(m, TWINS + 1); /* leaves a marker */
	del(m, 30);
	checkpoint(m);
	put_all(m, 0, 4);
	put_all(m, 24, 27);
	del(m, 31);
	checkpoint(m);
	must_give(gkv_compact(m->db, NULL, NULL), GKV_OK);
	moment_note(m);
	older_keep(m);
	del(m, HOLES);
	del(m, HOLES + 1);
	checkpoint(m);
	put_all(m, 2, 3);
	move(m, 28);
	move(m, 29);
	del(m, 32);
	checkpoint(m);
	put_all(m, 9, 13);
	checkpoint(m);
}

/* The log of a second session, all of it flushed. */
static void log_make(struct making *m)
{
	put_all(m, 24, 26);
	put_all(m, 30, 31);
	del(m, 33);
	move(m, 26);
	must_give(gkv_sync(m->db), GKV_OK);
	older_keep(m);
}

/* What a killed process leaves behind that. */
static void killed_make(struct making *m)
{
	gkv_txn *txn;

	put_all(m, 5, 7);
	del(m, 28);
	move(m, 27);
	hop(m);
	put_all(m, 24, 25);
	put_all(m, 9, 14);
	txn = store_begin(m->db, GKV_WRITE);
	contents_put(&(struct contents){0}, txn, 8, 1, 40);
	contents_put(&(struct contents){0}, txn, HOLES, 2, 90);
	m->s->bytes = m->ram->bytes;
	memcpy(m->s->image, m->ram->file, m->s->bytes);
	gkv_abort(txn);
}

void specimen_make(struct specimen *s, struct ram *ram, enum specimen_end end, bool deep, uint64_t seed)
{
	static const char *const names[SPECIMEN_ENDS] = {"clean", "closed", "killed"};
	struct making m = {.s = s, .ram = ram};

	*s = (struct specimen){.name = names[end], .end = end, .deep = deep};
	s->image = malloc(RAM_FILE_MOST);
	must(s->image != NULL);
	specimen_hash(deep);
	ram_clear(ram);
	ram->random = seed;
	m.db = store_lazy();
	past_make(&m);
	store_close(m.db);
	if (end != SPECIMEN_CLEAN) {
		m.db = store_lazy();
		log_make(&m);
		if (end == SPECIMEN_KILLED)
			killed_make(&m);
		store_close(m.db);
	}
	if (end != SPECIMEN_KILLED) {
		s->bytes = ram->bytes;
		memcpy(s->image, ram->file, s->bytes);
	}
}

void specimen_release(struct specimen *s)
{
	for (unsigned i = 0; i < s->older_count; i++)
		free(s->older[i].image);
	free(s->image);
	*s = (struct specimen){0};
}
