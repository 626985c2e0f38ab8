/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* format_example.c: reads stores by docs/format.md alone. It shares no code with the library, which only makes the
 * stores: so what it finds right is what the page says.
 *
 * Property: in a file that a process left without closing it, every unit belongs to exactly one thing, and every record
 * that was committed is found, and no other.
 *
 * Usage: format_example FOLDER; prints the counts last and fails if one is wrong. */
#define _DEFAULT_SOURCE /* fork */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <gkv.h>
#include <gravity.h>

enum { PUT = 1, MOVE = 2, TOMB = 3, JUMP = 4, PAGE = 5, NODE = 6, CHUNK = 7 };
enum { COMMIT = 1, REPLACES = 2 };
enum { UNKNOWN, FREE, USED };

#define RECORDS  20000u
#define MAP_SIZE (1u << 17)

static unsigned checks, failures;

struct store {
	uint8_t *bytes;
	uint64_t size;
	uint64_t identity;
	uint64_t header; /* offset of the header that counts */
	uint8_t *owner;  /* of each unit                     */
	/* name -> offset + 1 of its record; 1: deleted */
	uint64_t names[MAP_SIZE], places[MAP_SIZE];
	uint64_t records, record_bytes, pages;
};

struct blob {
	uint64_t at, span, name, seq;
	uint32_t size, link, aux, check;
	unsigned kind, flags;
	const uint8_t *data;
};

static bool expect(bool holds, const char *what)
{
	checks++;
	if (!holds) {
		failures++;
		if (failures < 20)
			printf("does not hold: %s\n", what);
	}
	return holds;
}

static uint64_t load64(const uint8_t *at)
{
	uint64_t x;

	memcpy(&x, at, sizeof x);
	return x;
}

static uint32_t load32(const uint8_t *at)
{
	uint32_t x;

	memcpy(&x, at, sizeof x);
	return x;
}

static uint64_t mix64(uint64_t x)
{
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

static uint64_t field(const struct store *s, unsigned offset)
{
	return load64(s->bytes + s->header + offset);
}

static void own(struct store *s, uint64_t start, uint64_t bytes, uint8_t before, uint8_t after)
{
	bool good = start % 8 == 0 && bytes % 8 == 0 && start <= s->size && bytes <= s->size - start;

	for (uint64_t unit = start / 8; good && unit < (start + bytes) / 8; unit++) {
		good = s->owner[unit] == before;
		s->owner[unit] = after;
	}
	expect(good, after == FREE ? "what is free belongs to nothing else" : "what is used has one owner");
}

/* CRC-32C, a bit at a time. */
static uint32_t crc32c(const uint8_t *bytes, uint64_t count)
{
	uint32_t crc = 0xffffffff;

	for (uint64_t i = 0; i < count; i++) {
		crc ^= bytes[i];
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* Bounds and check. */
static bool blob_read(const struct store *s, uint64_t at, struct blob *b)
{
	const uint8_t *p = s->bytes + at;

	if (at % 8 != 0 || at < 8192 || at > s->size || s->size - at < 32)
		return false;
	*b = (struct blob){.at = at,
			   .check = load32(p),
			   .size = load32(p + 4),
			   .name = load64(p + 8),
			   .seq = load64(p + 16) & ((UINT64_C(1) << 48) - 1),
			   .kind = p[22],
			   .flags = p[23],
			   .link = load32(p + 24),
			   .aux = load32(p + 28),
			   .data = p + 32};
	b->span = (32 + (uint64_t)b->size + 7) / 8 * 8;
	if (b->span > s->size - at)
		return false;
	return b->check == (crc32c(p + 4, b->span - 4) ^ (uint32_t)mix64(s->identity ^ at));
}

static uint64_t *map_place(struct store *s, uint64_t name)
{
	uint64_t i = mix64(name) % MAP_SIZE;

	while (s->places[i] != 0 && s->names[i] != name)
		i = (i + 1) % MAP_SIZE;
	s->names[i] = name;
	return &s->places[i];
}

static uint64_t header_check(const uint8_t *page, unsigned index)
{
	return XXH3_64bits(page + 24, 488) ^ mix64((uint64_t)load32(page + 8) << 32 | load32(page + 12) << 1 | index);
}

static void read_headers(struct store *s, uint32_t kind)
{
	static const uint8_t magic[8] = {0x67, 0x6b, 0x76, 0x1a, 0x0d, 0x0a, 0x89, 0x00};
	uint64_t newest = 0;

	for (unsigned i = 0; i < 2; i++) {
		const uint8_t *page = s->bytes + 4096 * i;
		if (memcmp(page, magic, sizeof magic) != 0 || load32(page + 8) != 2)
			continue;
		expect(load64(page + 16) == header_check(page, i), "the header checks");
		expect(load32(page + 12) == kind, "the kind is the one that was made");
		if (load64(page + 48) <= newest)
			continue;
		newest = load64(page + 48);
		s->header = 4096 * i;
	}
	expect(newest > 0, "there is a header");
	s->identity = mix64(field(s, 24)) ^ field(s, 32);
	for (unsigned at = 168; at < 512; at += 8)
		expect(field(s, at) == 0, "reserved words are zero");
	expect(field(s, 112) <= s->size, "the file is as long as the header says");
	expect(field(s, 128) + field(s, 144) <= field(s, 112), "what lives fits into the file");
	expect(field(s, 120) <= field(s, 128) / 32 && field(s, 136) <= field(s, 144) / 4096,
	       "so many fit into their bytes");
	expect(field(s, 104) <= field(s, 112) && field(s, 96) <= field(s, 104) / 8, "so does what is free");
	own(s, 0, 8192, UNKNOWN, USED);
}

static void read_mark(const struct store *s, uint64_t reached)
{
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t word = load64(s->bytes + 4096 * i + 2048);
		if (word == 0)
			continue;
		expect((mix64(mix64(word | 0xfffff) ^ s->identity) & 0xfffff) == (word & 0xfffff), "the mark checks");
		expect(word >> 24 <= reached, "the log reaches the mark's commit");
	}
}

static uint64_t prefix_of(uint64_t name, unsigned depth)
{
	return depth == 0 ? 0 : name & ~(UINT64_MAX >> depth);
}

static void read_entry(struct store *s, const struct blob *page, unsigned group, uint64_t entry)
{
	struct blob b;
	unsigned first, second;

	if (!expect(blob_read(s, (entry & ((UINT64_C(1) << 40) - 1)) * 8, &b) && (b.kind == PUT || b.kind == MOVE),
		    "an entry leads to a record"))
		return;
	first = (unsigned)(((b.name & 0xffff) * 63) >> 16);
	second = (unsigned)((((b.name >> 16) & 0xffff) * 62) >> 16);
	second += second >= first;
	expect(group == first || group == second, "an entry stands in one of its groups");
	expect(entry >> 40 == ((b.name >> 32) & 0xffffff), "the tag is that of the name");
	expect(prefix_of(b.name, page->link) == page->name, "the name has the page's prefix");
	*map_place(s, b.name) = b.at + 1;
	s->records++;
	s->record_bytes += b.span;
	own(s, b.at, b.span, UNKNOWN, USED);
}

static void read_page(struct store *s, const struct blob *page)
{
	unsigned used = 0;

	for (unsigned i = 0; i < 504; i++) {
		const uint64_t entry = load64(page->data + 32 + 8 * (size_t)i);
		if (entry != 0)
			read_entry(s, page, i / 8, entry);
		used += entry != 0;
	}
	expect(used == page->aux, "a page counts its entries");
	s->pages++;
}

/* `bits` of the way to `name` are behind us. */
static void read_table(struct store *s, uint64_t ref, uint64_t name, unsigned bits)
{
	const bool node = ref >> 63 != 0;
	struct blob b;

	if (!expect(blob_read(s, (ref & ((UINT64_C(1) << 40) - 1)) * 8, &b), "a reference leads to a blob that checks"))
		return;
	expect(b.at % 64 == 0 && b.kind == (node ? NODE : PAGE) && b.size == (node ? 544u : 4064u), "of its kind");
	expect((b.seq & 0x7fffff) == ((ref >> 40) & 0x7fffff), "with that birth");
	expect(b.name == prefix_of(name, b.link), "and that prefix");
	own(s, b.at, b.span, UNKNOWN, USED);
	if (!node) {
		expect(b.link <= bits && (bits == 0 || b.link > bits - 6), "a page's depth is one of its level");
		read_page(s, &b);
		return;
	}
	if (!expect(b.link == bits && bits <= 24, "a node's depth is that of its level"))
		return;
	for (unsigned i = 0; i < 64; i++) {
		const uint64_t below = load64(b.data + 32 + 8 * (size_t)i);
		if (i == 0 || below != load64(b.data + 24 + 8 * (size_t)i))
			read_table(s, below, name | (uint64_t)i << (58 - bits), bits + 6);
	}
}

static uint64_t varint(const uint8_t **at)
{
	uint64_t x = 0;

	for (unsigned n = 0; n < 10; n++) {
		const uint8_t byte = *(*at)++;
		x |= (uint64_t)(byte & 0x7f) << (7 * n);
		if (byte < 0x80)
			break;
	}
	return x;
}

static void read_free_list(struct store *s)
{
	uint64_t end = 0;
	uint64_t count = 0;
	uint64_t bytes = 0;
	struct blob b;

	for (uint64_t at = field(s, 88); at != 0; at = load64(b.data)) {
		const uint8_t *pair;
		if (!expect(blob_read(s, at, &b) && b.kind == CHUNK, "a chunk of the free list checks"))
			return;
		own(s, b.at, b.span, UNKNOWN, USED);
		pair = b.data + 16;
		for (uint32_t i = 0; i < b.aux; i++) {
			const uint64_t coded = varint(&pair);
			const uint64_t start = end + ((coded >> 1) ^ (0 - (coded & 1)));
			end = start + varint(&pair);
			own(s, start * 8, (end - start) * 8, UNKNOWN, FREE);
			bytes += (end - start) * 8;
			count++;
		}
		expect(pair == b.data + 16 + load64(b.data + 8), "the pairs are as long as the chunk says");
	}
	expect(count == field(s, 96) && bytes == field(s, 104), "the free list is what the header counts");
}

static bool chain_goes_on(const struct store *s, struct blob *b, uint64_t cursor, uint64_t end, uint32_t link,
			  uint64_t seq, uint64_t open_seq)
{
	if (end - cursor < 56 || !blob_read(s, cursor, b) || b->link != link || b->flags > 3)
		return false;
	if (open_seq != 0 ? b->seq != open_seq : b->seq <= seq)
		return false;
	return b->kind == JUMP ? b->size == 24 : b->kind >= PUT && b->kind <= TOMB && b->span + 56 <= end - cursor;
}

static void apply(struct store *s, const struct blob *b)
{
	uint64_t *place = map_place(s, b->name);

	if (b->kind == JUMP)
		return;
	expect(((b->flags & REPLACES) != 0) == (*place > 1), "REPLACES says whether the record was there");
	*place = b->kind == TOMB ? 1 : b->at + 1;
}

/* Every run here ends its last commit, so what verifies is whole. */
static uint64_t read_log(struct store *s)
{
	uint64_t cursor = field(s, 72);
	uint64_t end = field(s, 80);
	uint64_t seq = field(s, 56);
	uint64_t open_seq = 0;
	uint32_t link = (uint32_t)field(s, 160);
	struct blob b;

	own(s, cursor, end - cursor, UNKNOWN, FREE);
	own(s, field(s, 112), s->size - field(s, 112), UNKNOWN, FREE);
	while (chain_goes_on(s, &b, cursor, end, link, seq, open_seq)) {
		own(s, b.at, b.span, FREE, USED);
		apply(s, &b);
		link = b.check;
		cursor = b.kind == JUMP ? load64(b.data) : cursor + b.span;
		end = b.kind == JUMP ? load64(b.data + 8) : end;
		open_seq = (b.flags & COMMIT) != 0 ? 0 : b.seq;
		seq = b.seq;
	}
	expect(open_seq == 0, "the log ends with a commit");
	own(s, cursor, end - cursor, FREE, USED);
	return seq;
}

static struct store *store_read(const char *path, uint32_t kind)
{
	struct store *s = calloc(1, sizeof *s);
	FILE *f = fopen(path, "rb");
	bool all = true;

	if (s == NULL || f == NULL || fseek(f, 0, SEEK_END) != 0)
		abort();
	s->size = (uint64_t)ftell(f);
	rewind(f);
	s->bytes = malloc(s->size);
	s->owner = calloc(1, s->size / 8 + 1);
	if (s->bytes == NULL || s->owner == NULL || fread(s->bytes, 1, s->size, f) != s->size)
		abort();
	fclose(f);
	read_headers(s, kind);
	read_free_list(s);
	read_table(s, field(s, 64), 0, 0);
	expect(s->records == field(s, 120) && s->record_bytes == field(s, 128), "the header counts the records");
	expect(s->pages == field(s, 136), "and the pages");
	read_mark(s, read_log(s));
	for (uint64_t unit = 0; unit < s->size / 8; unit++)
		all = all && s->owner[unit] != UNKNOWN;
	expect(all, "every unit belongs to something");
	return s;
}

static void store_release(struct store *s)
{
	free(s->bytes);
	free(s->owner);
	free(s);
}

/* A child makes the store, then leaves without closing it. */
static void leave_open(void (*make)(const char *path), const char *path)
{
	int status = 1;
	const pid_t child = fork();

	if (child == 0) {
		make(path);
		_exit(failures != 0);
	}
	expect(child > 0 && waitpid(child, &status, 0) == child && status == 0, "the store was made");
}

static void key_of(unsigned i, char key[32])
{
	(void)snprintf(key, 32, "key %u", i);
}

/* In the end keys divisible by 3 are gone and those divisible by 5 are new. */
static void make_keyed(const char *path)
{
	const gkv_options lazy = {.durability = GKV_LAZY};
	char key[32], value[64] = "";
	gkv_txn *txn = NULL;
	gkv *db;

	expect(gkv_open(path, &lazy, &db) == 0, "open");
	for (unsigned pass = 0; pass < 3; pass++) {
		for (unsigned i = 0; i < RECORDS; i++) {
			int r = i % 100 == 0 ? gkv_begin(db, GKV_WRITE, &txn) : 0;
			key_of(i, key);
			if (pass == 0 || (pass == 2 && i % 5 == 0))
				r |= gkv_txn_put(txn, key, strlen(key), value, i % 50 + pass);
			else if (pass == 1 && i % 3 == 0)
				r |= gkv_txn_del(txn, key, strlen(key));
			if (i % 100 == 99)
				r |= gkv_commit(txn);
			expect(r == 0, "write");
		}
		if (pass < 2)
			expect(gkv_checkpoint(db) == 0, "checkpoint");
	}
	expect(gkv_sync(db) == 0, "sync");
}

static void check_keyed(struct store *s)
{
	unsigned there = 0;

	for (unsigned i = 0; i < RECORDS; i++) {
		const bool put_again = i % 5 == 0;
		const bool wanted = i % 3 != 0 || put_again;
		const uint32_t value_size = i % 50 + (put_again ? 2 : 0);
		struct blob b;
		uint64_t place;
		char key[32];

		key_of(i, key);
		place = *map_place(s, XXH3_64bits_withSeed(key, strlen(key), field(s, 40)));
		expect((place > 1) == wanted, "a key is there when it should be");
		if (place <= 1 || !blob_read(s, place - 1, &b))
			continue;
		there++;
		expect(b.aux == strlen(key) && b.size == value_size + b.aux, "aux is the key's length");
		expect(memcmp(b.data + value_size, key, b.aux) == 0, "the key stands behind the value");
	}
	for (unsigned i = 0; i < MAP_SIZE; i++)
		there -= s->places[i] > 1;
	expect(there == 0, "there is no other record");
}

static void make_plain(const char *path)
{
	const gravity_options lazy = {.durability = GRAVITY_LAZY};
	gravity_pos pos;
	gravity *g;

	expect(gravity_open(path, &lazy, &g) == 0, "open");
	for (unsigned i = 0; i < 1000; i++) {
		int r = gravity_write(g, &i, sizeof i, &pos);
		if (i % 2 == 1)
			r |= gravity_free(g, pos);
		if (i == 500)
			r |= gravity_checkpoint(g);
		expect(r == 0, "write");
	}
	expect(gravity_sync(g) == 0, "sync");
}

static void check_plain(struct store *s)
{
	for (unsigned i = 0; i < 1000; i++) {
		const uint64_t place = *map_place(s, mix64(i + 1));
		expect((place > 1) == (i % 2 == 0), "a blob is there when it should be");
		if (place > 1)
			expect(load32(s->bytes + place - 1 + 32) == i, "with its bytes");
	}
}

int main(int argc, char **argv)
{
	struct store *s;

	if (argc != 2 || chdir(argv[1]) != 0)
		return 2;
	leave_open(make_keyed, "format.gkv");
	s = store_read("format.gkv", 1);
	check_keyed(s);
	store_release(s);
	leave_open(make_plain, "format.gravity");
	s = store_read("format.gravity", 2);
	check_plain(s);
	store_release(s);
	printf("%u %u\n", checks, failures);
	return failures != 0;
}
