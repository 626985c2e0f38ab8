/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* records.c: a hash table with chains, of copies. */
#include "tests/fuzz/records.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static size_t bucket_of(gkv_bytes key)
{
	const uint8_t *from = key.data;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < key.size; i++)
		hash = (hash ^ from[i]) * 16777619u;
	return hash % RECORDS_BUCKETS;
}

bool bytes_same(gkv_bytes a, gkv_bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static struct pair **pair_at(struct records *r, gkv_bytes key)
{
	struct pair **p = &r->bucket[bucket_of(key)];

	while (*p != NULL && !bytes_same(pair_key(*p), key))
		p = &(*p)->next;
	return p;
}

const struct pair *records_find(const struct records *r, gkv_bytes key)
{
	const struct pair *p = r->bucket[bucket_of(key)];

	while (p != NULL && !bytes_same(pair_key(p), key))
		p = p->next;
	return p;
}

bool records_del(struct records *r, gkv_bytes key)
{
	struct pair **at = pair_at(r, key);
	struct pair *p = *at;

	if (p == NULL)
		return false;
	*at = p->next;
	free(p->key);
	free(p);
	r->count--;
	return true;
}

bool records_set(struct records *r, gkv_bytes key, gkv_bytes val)
{
	struct pair *p = malloc(sizeof(*p));
	uint8_t *bytes = malloc(key.size + val.size + 1);
	bool was;
	struct pair **at;

	fuzz_must(p != NULL && bytes != NULL);
	if (key.size > 0)
		memcpy(bytes, key.data, key.size);
	if (val.size > 0)
		memcpy(bytes + key.size, val.data, val.size);
	*p = (struct pair){.key = bytes, .val = bytes + key.size, .key_len = key.size, .val_len = val.size};
	was = records_del(r, pair_key(p));
	at = &r->bucket[bucket_of(pair_key(p))];
	p->next = *at;
	*at = p;
	r->count++;
	return was;
}

void records_release(struct records *r)
{
	for (size_t i = 0; i < RECORDS_BUCKETS; i++) {
		struct pair *p = r->bucket[i];

		while (p != NULL) {
			struct pair *next = p->next;

			free(p->key);
			free(p);
			p = next;
		}
		r->bucket[i] = NULL;
	}
	r->count = 0;
}

const struct pair *records_pick(const struct records *r, uint64_t n)
{
	for (size_t i = 0; i < RECORDS_BUCKETS; i++) {
		const struct pair *p = r->bucket[(n * 37 + i) % RECORDS_BUCKETS];

		if (p != NULL)
			return p;
	}
	return NULL;
}

bool records_equal(const struct records *a, const struct records *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < RECORDS_BUCKETS; i++) {
		for (const struct pair *p = a->bucket[i]; p != NULL; p = p->next) {
			const struct pair *q = records_find(b, pair_key(p));

			if (q == NULL || !bytes_same(pair_val(p), pair_val(q)))
				return false;
		}
	}
	return true;
}

int records_read(struct records *r, gkv *db)
{
	gkv_iter *it = NULL;
	gkv_txn *txn = NULL;
	gkv_bytes key, val;
	int rc = gkv_begin(db, GKV_READ, &txn);

	if (rc == GKV_OK)
		rc = gkv_iter_open(txn, &it);
	while (rc == GKV_OK) {
		rc = gkv_iter_next(it, &key, &val);
		if (rc == GKV_OK)
			(void)records_set(r, key, val);
	}
	gkv_iter_close(it);
	gkv_abort(txn);
	return rc == GKV_NOTFOUND ? GKV_OK : rc;
}
