/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fuzz_store.c: any bytes as a store. It is checked, salvaged, opened, read by every way there is, written to, killed,
 * closed and opened again. image.h says what an input is.
 *
 * Of every file:
 *  1. Nothing crashes, hangs, leaks, or claims memory that the file's length does not account for (mem_os.h).
 *  2. A check, a salvage and a handle that only reads do not change the file.
 *  3. While checksums are verified, what is given out as a value stands in a blob that verifies, next to its key.
 *  4. What a salvage makes is a sound store.
 * Of a file that gkv_check calls sound, forged or not:
 *  5. It opens, and all ways of reading show the same records; a salvage has them too.
 *  6. Writes succeed (or are GKV_FULL: under a limit, or where no number of a commit is left), and afterwards, after a kill and after a close, the store is sound
 *     and holds what it held with what was written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arena/file/header.h"
#include "kvstore/gkv.h"
#include "kvstore/hash.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/mem_os.h"
#include "tests/fuzz/records.h"

#define STORE        "/fuzz/store"
#define SAVED        "/fuzz/saved"
#define KILLED       "/fuzz/killed"
#define BACKUP       "/fuzz/backup"
#define GET_MAX      128u
#define MANY         8u
#define VALUE_MAX    6000u
#define FEW_SIZE_MAX 131072u

const char fuzz_name[] = "store";
uint64_t fuzz_accepted;

struct run {
	struct image image;
	bool sound;  /* gkv_check finds nothing                      */
	bool verify; /* checksums are, of every record that is read  */
	gkv *db;
	struct map map; /* of the file, as db has mapped it          */
	struct records model;
	uint32_t written; /* for keys and values that no other has   */
};

static int finding_count(void *arg, const char *finding)
{
	fuzz_must(finding[0] != 0 && strchr(finding, '\n') == NULL);
	++*(unsigned *)arg;
	return 0;
}

static void file_check(struct run *run)
{
	unsigned findings = 0;
	const int rc = gkv_check(STORE, finding_count, &findings);

	fuzz_must((rc == GKV_OK) ==
		  (findings == 0 && rc != GKV_NOTASTORE && rc != GKV_BADVERSION && rc != GKV_CORRUPT));
	fuzz_must(rc == GKV_OK || rc == GKV_CORRUPT || rc == GKV_NOTASTORE || rc == GKV_BADVERSION);
	fuzz_must(mem_file_equals(STORE, run->image.bytes, run->image.size));
	run->sound = rc == GKV_OK;
	fuzz_accepted += run->sound;
}

/* The store is sound and holds exactly these. */
static void file_expect(const char *path, const struct records *expected)
{
	struct records found = {.count = 0};
	unsigned findings = 0;
	gkv_stats stats;
	gkv *db;

	fuzz_must_give(gkv_check(path, finding_count, &findings), GKV_OK);
	fuzz_must_give(gkv_open(path, NULL, &db), GKV_OK);
	fuzz_must_give(records_read(&found, db), GKV_OK);
	fuzz_must(records_equal(&found, expected));
	fuzz_must_give(gkv_stat(db, &stats), GKV_OK);
	fuzz_must(stats.records == expected->count);
	fuzz_must_give(gkv_close(db), GKV_OK);
	records_release(&found);
}

static void file_salvage(struct run *run)
{
	unsigned findings = 0;
	int rc;

	/* Minutes of search for it would be no news. */
	if (!image_identity_known(&run->image))
		return;
	rc = gkv_salvage(STORE, SAVED, finding_count, &findings);
	fuzz_must(rc <= 0);
	fuzz_must(!run->sound || rc == GKV_OK);
	fuzz_must(mem_file_exists(SAVED) == (rc == GKV_OK));
	fuzz_must(mem_file_equals(STORE, run->image.bytes, run->image.size));
	if (rc == GKV_OK)
		fuzz_must_give(gkv_check(SAVED, finding_count, &findings), GKV_OK);
}

/* The value stands in the file, in a blob that verifies, and behind it the key. */
static void value_expect(struct run *run, gkv_bytes key, gkv_bytes val)
{
	const uint8_t *at = val.data;
	const struct blob_disk *b;
	uint64_t offset;

	if (!run->verify)
		return;
	fuzz_must(at >= run->map.base + DISK_DATA + sizeof(*b));
	offset = (uint64_t)(at - run->map.base) - sizeof(*b);
	fuzz_must(blob_verify(&run->map, offset));
	b = blob_at(&run->map, offset);
	fuzz_must(blob_is_record(b));
	fuzz_must(b->size == val.size + key.size);
	fuzz_must(key.size == 0 || memcmp(at + val.size, key.data, key.size) == 0);
}

/* One key by every way of looking it up. */
static void key_read(struct run *run, gkv_txn *txn, const struct pair *pair)
{
	uint8_t *copy = malloc(pair->val_len + 1);
	gkv_bytes val;
	size_t size;
	int rc = gkv_txn_get(txn, pair->key, pair->key_len, &val);

	fuzz_must(copy != NULL);
	fuzz_must(!run->sound || rc == GKV_OK);
	if (rc == GKV_OK)
		value_expect(run, pair_key(pair), val);
	fuzz_must(!run->sound || bytes_same(val, pair_val(pair)));
	rc = gkv_get(run->db, pair->key, pair->key_len, copy, pair->val_len, &size);
	fuzz_must(!run->sound || (rc == GKV_OK && bytes_same((gkv_bytes){copy, size}, pair_val(pair))));
	free(copy);
}

static void keys_read(struct run *run, gkv_txn *txn, const struct records *found)
{
	gkv_bytes key[MANY], val[MANY];
	int code[MANY];
	size_t n = 0, looked = 0;

	for (size_t i = 0; i < RECORDS_BUCKETS && looked < GET_MAX; i++)
		for (const struct pair *p = found->bucket[i]; p != NULL && looked < GET_MAX; p = p->next, looked++) {
			key_read(run, txn, p);
			if (n < MANY)
				key[n++] = pair_key(p);
		}
	fuzz_must_give(gkv_txn_get_many(txn, n, key, val, code), GKV_OK);
	for (size_t i = 0; i < n; i++) {
		fuzz_must(!run->sound || code[i] == GKV_OK);
		if (code[i] == GKV_OK)
			value_expect(run, key[i], val[i]);
	}
	fuzz_must(gkv_txn_get(txn, "no such key", 11, &val[0]) <= 0);
}

static int stretch_expect(void *arg, uint64_t start, uint64_t size, int what, double gravity)
{
	uint64_t *end = arg;

	(void)gravity;
	fuzz_must(start == *end && size > 0 && what >= GKV_LAYOUT_HEADER && what <= GKV_LAYOUT_WINDOW);
	*end = start + size;
	return 0;
}

static void layout_read(struct run *run)
{
	uint64_t end = 0;
	const int rc = gkv_layout(run->db, stretch_expect, &end);

	fuzz_must(!run->sound || rc == GKV_OK);
	fuzz_must(rc != GKV_OK || end == mem_file_size(STORE) / DISK_UNIT * DISK_UNIT);
}

/* Everything, into *found. */
static void store_read(struct run *run, struct records *found)
{
	const size_t most = IMAGE_MAX / sizeof(struct blob_disk);
	gkv_iter *it = NULL;
	gkv_txn *txn = NULL;
	gkv_bytes key, val;
	size_t count = 0;
	int rc;

	run->map.length = &run->map.bytes;
	atomic_store(run->map.length, mem_file_size(STORE));
	fuzz_must_give(gkv_begin(run->db, GKV_READ, &txn), GKV_OK);
	rc = gkv_iter_open(txn, &it);
	while (rc == GKV_OK && (rc = gkv_iter_next(it, &key, &val)) == GKV_OK) {
		value_expect(run, key, val);
		fuzz_must(!records_set(found, key, val) || !run->sound);
		fuzz_must(++count <= most);
	}
	fuzz_must(run->sound ? rc == GKV_NOTFOUND : rc <= 0);
	gkv_iter_close(it);
	keys_read(run, txn, found);
	gkv_abort(txn);
	layout_read(run);
}

/* A forged log may end at the last commit that there can be. */
static bool numbers_are_used(const struct run *run)
{
	gkv_stats stats;

	fuzz_must_give(gkv_stat(run->db, &stats), GKV_OK);
	return stats.commit_seq >= DISK_SEQ_LAST;
}

/* A write may be refused for the limit, or for damage that it met. */
static bool wrote(const struct run *run, int rc)
{
	if (run->sound && (rc != GKV_FULL || (run->image.control.limit == 0 && !numbers_are_used(run))))
		fuzz_must_give(rc, GKV_OK);
	return rc == GKV_OK;
}

/* A key that is there, or a new one; a value. */
static gkv_bytes key_make(struct run *run, unsigned op, uint8_t room[8])
{
	const struct pair *old = records_pick(&run->model, op);

	if (old != NULL && (op & 0x30) != 0)
		return pair_key(old);
	memcpy(room, &run->written, sizeof(run->written));
	room[4] = run->image.control.seed;
	room[5] = 'k';
	return (gkv_bytes){room, 6};
}

static gkv_bytes value_make(struct run *run, unsigned op, uint8_t room[VALUE_MAX])
{
	struct fuzz_rng rng = {++run->written * 256u + run->image.control.seed};
	const size_t size = (op & 0x40) != 0 ? (size_t)fuzz_below(&rng, VALUE_MAX) : (size_t)fuzz_below(&rng, 100);

	for (size_t i = 0; i < size; i++)
		room[i] = (uint8_t)fuzz_next(&rng);
	return (gkv_bytes){room, size};
}

static void put_one(struct run *run, unsigned op)
{
	uint8_t key_room[8], value_room[VALUE_MAX];
	struct records *model = &run->model;
	const gkv_bytes key = key_make(run, op, key_room);
	const gkv_bytes val = value_make(run, op, value_room);

	if (wrote(run, gkv_put(run->db, key.data, key.size, val.data, val.size)))
		(void)records_set(model, key, val);
}

static void del_one(struct run *run, unsigned op)
{
	const struct pair *old = records_pick(&run->model, op);
	int rc;

	if (old == NULL)
		return;
	rc = gkv_del(run->db, old->key, old->key_len);
	if (run->sound ? wrote(run, rc) : rc == GKV_OK)
		(void)records_del(&run->model, pair_key(old));
}

/* A put, one of reserved space and a deletion in one transaction, which is aborted now and then. */
static void txn_some(struct run *run, unsigned op)
{
	uint8_t key_room[8], value_room[VALUE_MAX];
	const gkv_bytes key = key_make(run, op, key_room);
	const gkv_bytes val = value_make(run, op, value_room);
	const gkv_bytes other = {"reserved", 8};
	const struct pair *old = records_pick(&run->model, op + 1);
	const bool with_del = old != NULL && (op & 0x80) != 0;
	gkv_txn *txn = NULL;
	void *room = NULL;
	bool gone;
	int rc = gkv_begin(run->db, GKV_WRITE, &txn);

	if (!wrote(run, rc))
		return;
	if (with_del && (rc = gkv_txn_del(txn, old->key, old->key_len)) == GKV_OK)
		rc = bytes_same(key, pair_key(old)) ? gkv_txn_add(txn, key.data, key.size, val.data, val.size) : rc;
	if (rc == GKV_OK)
		rc = gkv_txn_put(txn, key.data, key.size, val.data, val.size);
	if (rc == GKV_OK)
		rc = gkv_txn_reserve(txn, other.data, other.size, val.size, &room);
	if (rc == GKV_OK && val.size > 0)
		memcpy(room, val.data, val.size);
	if (!wrote(run, rc) || (op & 0x08) != 0) {
		gkv_abort(txn);
		return;
	}
	if (!wrote(run, gkv_commit(txn)))
		return;
	/* What was deleted and written again is there; `old` may be gone from the model once it is set anew. */
	gone = with_del && !bytes_same(key, pair_key(old)) && !bytes_same(other, pair_key(old));
	if (gone)
		(void)records_del(&run->model, pair_key(old));
	(void)records_set(&run->model, key, val);
	(void)records_set(&run->model, other, val);
}

static void backup_one(struct run *run)
{
	mem_file_remove(BACKUP);
	if (wrote(run, gkv_backup(run->db, BACKUP, NULL, NULL)) && run->sound)
		file_expect(BACKUP, &run->model);
}

static void op_run(struct run *run, unsigned op)
{
	switch (op & 7) {
	case 0:
		break;
	case 1:
	case 2:
		put_one(run, op);
		break;
	case 3:
		del_one(run, op);
		break;
	case 4:
		txn_some(run, op);
		break;
	case 5:
		(void)wrote(run, gkv_checkpoint(run->db));
		break;
	case 6:
		(void)wrote(run, gkv_compact(run->db, NULL, NULL));
		break;
	default:
		if ((op & 0x08) != 0)
			backup_one(run);
		else
			(void)wrote(run, gkv_sync(run->db));
		break;
	}
}

static void store_write(struct run *run)
{
	struct records found = {.count = 0};
	int rc;

	for (unsigned i = 0; i < IMAGE_OPS; i++)
		op_run(run, run->image.control.op[i]);
	store_read(run, &found);
	fuzz_must(!run->sound || records_equal(&found, &run->model));
	records_release(&found);
	mem_file_copy(STORE, KILLED);
	rc = gkv_close(run->db);
	fuzz_must(!run->sound || rc == GKV_OK);
	run->db = NULL;
	if (!run->sound)
		return;
	file_expect(KILLED, &run->model);
	file_expect(STORE, &run->model);
}

static void store_use(struct run *run)
{
	const struct control *control = &run->image.control;
	const bool writes = (control->flags & CONTROL_RDONLY) == 0;
	gkv_options options = {.flags = GKV_NOCREATE};
	struct header_disk h;
	unsigned index;
	int rc;

	options.flags |= writes ? 0 : GKV_RDONLY;
	options.flags |= (control->flags & CONTROL_NOVERIFY) != 0 ? GKV_NOVERIFY : 0;
	options.durability = (control->flags & CONTROL_DURABLE) != 0 ? GKV_DURABLE : GKV_LAZY;
	options.max_bytes = control->limit != 0 ? run->image.size + (uint64_t)control->limit * 1024 : 0;
	options.checkpoint_bytes = (uint64_t)control->checkpoint * 1024;
	rc = gkv_open(STORE, &options, &run->db);
	fuzz_must(rc <= 0 && (run->db != NULL) == (rc == GKV_OK));
	fuzz_must(!run->sound || rc == GKV_OK);
	if (rc != GKV_OK)
		return;
	run->verify = (control->flags & CONTROL_NOVERIFY) == 0;
	run->map.base = (uint8_t *)(uintptr_t)mem_last_map();
	fuzz_must_give(header_choose(&run->map, &h, &index), GKV_OK);
	header_adopt(&run->map, &h);
	store_read(run, &run->model);
	if (writes) {
		store_write(run);
		return;
	}
	fuzz_must_give(gkv_put(run->db, "k", 1, "v", 1), GKV_READONLY);
	fuzz_must_give(gkv_close(run->db), GKV_OK);
	fuzz_must(mem_file_equals(STORE, run->image.bytes, run->image.size));
}

/* What was damaged and written to nevertheless: it only must not do worse than say so. */
static void store_reuse(void)
{
	struct records found = {.count = 0};
	unsigned findings = 0;
	gkv *db = NULL;

	(void)gkv_check(STORE, finding_count, &findings);
	if (gkv_open(STORE, NULL, &db) == GKV_OK)
		(void)records_read(&found, db);
	(void)gkv_close(db);
	records_release(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {.db = NULL};
	bool few;

	mem_os_reset(1);
	image_decode(&run.image, data, size);
	/* Chains of thousands of keys take their time, as they must. */
	few = (run.image.control.flags & CONTROL_FEW) != 0 && run.image.size <= FEW_SIZE_MAX;
	kv_set_hash_for_tests(few ? fuzz_hash_few : NULL);
	mem_file_write(STORE, run.image.bytes, run.image.size);
	file_check(&run);
	file_salvage(&run);
	store_use(&run);
	if (run.sound && mem_file_exists(SAVED) && (run.image.control.flags & CONTROL_RDONLY) != 0)
		file_expect(SAVED, &run.model);
	if (!run.sound)
		store_reuse();
	records_release(&run.model);
	return 0;
}
