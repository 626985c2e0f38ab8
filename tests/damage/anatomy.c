/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* anatomy.c: see anatomy.h. It reads whole files alone, and shares no code with the library but the structures of
 * arena/file/disk.h and mix64. */
#include "tests/damage/anatomy.h"

#include <stdlib.h>
#include <string.h>

#include "arena/file/blob.h"
#include "tests/damage/specimen.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LARGE_BYTES   2048u
#define POSITION_MASK ((UINT64_C(1) << 40) - 1)
#define NO_PART       UINT16_MAX

const char *const part_names[PART_KINDS] = {
	"header",
	"older header, shared",
	"older header, own",
	"unused of header pages",
	"mark",
	"other mark",
	"node",
	"page",
	"put",
	"move",
	"large value",
	"replaced record",
	"free list",
	"log: put",
	"log: move",
	"log: tombstone",
	"log: jump",
	"unfinished commit",
	"window",
	"free space",
};

const char *const outcome_names[OUTCOMES] = {"nothing", "an earlier commit", "a check's finding", "reads are corrupt",
					     "open is corrupt"};

/* --- checks ------------------------------------------------------------------------------------------------------- */

/* CRC-32C a byte at a time, from its polynomial alone: it shares nothing with the library's. */
static uint32_t crc32c_bytes(const uint8_t *bytes, size_t count)
{
	static uint32_t table[256];
	uint32_t crc = UINT32_MAX;

	for (uint32_t i = 0; i < 256 && table[255] == 0; i++) {
		table[i] = i;
		for (unsigned bit = 0; bit < 8; bit++)
			table[i] = table[i] >> 1 ^ (table[i] & 1 ? UINT32_C(0x82f63b78) : 0);
	}
	for (size_t i = 0; i < count; i++)
		crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 255];
	return ~crc;
}

uint32_t image_blob_check(const uint8_t *image, uint64_t identity, uint64_t offset)
{
	const struct blob_disk *b = (const struct blob_disk *)(const void *)(image + offset);
	const size_t span = (sizeof *b + b->size + 7) / 8 * 8;

	return crc32c_bytes(image + offset + 4, span - 4) ^ (uint32_t)mix64(identity ^ offset);
}

uint64_t image_header_check(const struct header_disk *h, unsigned index)
{
	const size_t from = offsetof(struct header_disk, identity);

	return XXH3_64bits((const uint8_t *)h + from, sizeof *h - from) ^
	       mix64((uint64_t)h->version << 32 | h->kind << 1 | index);
}

uint64_t image_mark_check(uint64_t identity, uint64_t word)
{
	return mix64(mix64(word | 0xfffff) ^ identity) & 0xfffff;
}

/* --- parts -------------------------------------------------------------------------------------------------------- */

static const struct blob_disk *blob_of(const struct anatomy *an, uint64_t offset)
{
	must(offset % 8 == 0 && offset >= DISK_DATA && offset + sizeof(struct blob_disk) <= an->bytes);
	return (const struct blob_disk *)(const void *)(an->image + offset);
}

static struct part *part_add(struct anatomy *an, enum part_kind kind, uint64_t start, uint64_t size)
{
	struct part *p = &an->part[an->parts];

	must(an->parts < PARTS_MOST && start + size <= an->bytes);
	*p = (struct part){.start = start, .size = size, .kind = kind, .key = KEYS};
	for (uint64_t i = start; i < start + size; i++) {
		must(an->of[i] == NO_PART);
		an->of[i] = (uint16_t)an->parts;
	}
	an->parts++;
	return p;
}

/* A whole blob with its padding, which must verify. */
static struct part *blob_add(struct anatomy *an, enum part_kind kind, uint64_t offset)
{
	const struct blob_disk *b = blob_of(an, offset);
	const uint64_t size = sizeof *b + b->size;
	struct part *p;

	must(offset + blob_span(b->size) <= an->bytes && b->check == image_blob_check(an->image, an->identity, offset));
	p = part_add(an, kind, offset, blob_span(b->size));
	p->name = b->name;
	p->depth = b->link;
	if ((blob_kind(b) == BLOB_PUT || blob_kind(b) == BLOB_MOVE) && b->aux <= 0xffff && b->aux <= b->size)
		p->key = key_number(an->image + offset + size - b->aux, b->aux);
	return p;
}

bool part_on_way(const struct part *p, uint64_t name)
{
	if (p->kind == PART_NODE || p->kind == PART_PAGE)
		return p->depth == 0 || ((p->name ^ name) >> (64 - p->depth)) == 0;
	return (p->kind == PART_PUT || p->kind == PART_MOVE || p->kind == PART_LARGE || p->kind == PART_REPLACED) &&
	       p->name == name;
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

static const struct header_disk *header_of(const struct anatomy *an, unsigned page)
{
	return (const struct header_disk *)(const void *)(an->image + page * DISK_PAGE);
}

/* The commit that a mark names; 0: it says nothing. */
static uint64_t mark_of(const struct anatomy *an, uint64_t offset)
{
	uint64_t word;

	memcpy(&word, an->image + offset, sizeof word);
	return word != 0 && (word & 0xfffff) == image_mark_check(an->identity, word) ? word >> 24 : 0;
}

/* Commit numbers of specimens are small: the mark's low bits are all of one. */
static void marks_add(struct anatomy *an)
{
	static const uint64_t places[] = {2048, 2560, DISK_PAGE + 2048, DISK_PAGE + 2560};

	for (unsigned i = 0; i < 4; i++)
		an->marked = mark_of(an, places[i]) > an->marked ? mark_of(an, places[i]) : an->marked;
	for (unsigned i = 0; i < 4; i++)
		(void)part_add(an, i / 2 != an->index ? PART_MARK : PART_MARK_OTHER, places[i], 8);
}

static void headers_add(struct anatomy *an)
{
	const uint64_t newer = an->index * DISK_PAGE;
	const uint64_t older = (1 - an->index) * DISK_PAGE;

	marks_add(an);
	(void)part_add(an, PART_HEADER, newer, 512);
	(void)part_add(an, PART_OLDER_SHARED, older, 16);
	(void)part_add(an, PART_OLDER_OWN, older + 16, 8);
	(void)part_add(an, PART_OLDER_SHARED, older + 24, 24);
	(void)part_add(an, PART_OLDER_OWN, older + 48, 120);
	(void)part_add(an, PART_OLDER_SHARED, older + 168, 344);
	for (unsigned page = 0; page < 2; page++) {
		const uint64_t at = page * DISK_PAGE;

		(void)part_add(an, PART_UNUSED, at + 512, 1536);
		(void)part_add(an, PART_UNUSED, at + 2056, 504);
		(void)part_add(an, PART_UNUSED, at + 2568, 1528);
	}
}

/* --- table -------------------------------------------------------------------------------------------------------- */

static void page_add(struct anatomy *an, uint64_t offset)
{
	const struct page_disk *page = (const struct page_disk *)(const void *)blob_of(an, offset);

	(void)blob_add(an, PART_PAGE, offset);
	for (unsigned i = 0; i < PAGE_GROUPS * PAGE_WAYS; i++) {
		const uint64_t entry = page->group[i / PAGE_WAYS][i % PAGE_WAYS];
		const uint64_t at = (entry & POSITION_MASK) * 8;
		const struct blob_disk *b;

		if (entry == 0)
			continue;
		b = blob_of(an, at);
		(void)blob_add(an,
			       b->size >= LARGE_BYTES      ? PART_LARGE
			       : blob_kind(b) == BLOB_MOVE ? PART_MOVE
							   : PART_PUT,
			       at);
	}
}

static void table_add(struct anatomy *an, uint64_t ref, unsigned level)
{
	const uint64_t offset = (ref & POSITION_MASK) * 8;
	const struct node_disk *node = (const struct node_disk *)(const void *)blob_of(an, offset);
	uint64_t last = 0;

	must(level <= 5);
	if (ref >> 63 == 0) {
		page_add(an, offset);
		return;
	}
	(void)blob_add(an, PART_NODE, offset);
	for (unsigned i = 0; i < NODE_ENTRIES; i++) {
		if (node->ref[i] != last)
			table_add(an, node->ref[i], level + 1);
		last = node->ref[i];
	}
}

static void list_add(struct anatomy *an)
{
	for (uint64_t at = an->header.free_first; at != 0;) {
		const struct free_disk *chunk = (const struct free_disk *)(const void *)blob_of(an, at);

		must(blob_kind(&chunk->head) == BLOB_FREE);
		(void)blob_add(an, PART_LIST, at);
		at = chunk->next;
	}
}

/* --- log ---------------------------------------------------------------------------------------------------------- */

struct log_walk {
	uint64_t cursor, window_end, seq, open_seq;
	uint32_t link;
};

static bool log_follows(const struct anatomy *an, const struct log_walk *w)
{
	const struct blob_disk *b = blob_of(an, w->cursor);
	const uint64_t seq = blob_seq(b);

	return b->link == w->link && blob_flags(b) <= 3 && (w->open_seq != 0 ? seq == w->open_seq : seq > w->seq) &&
	       blob_kind(b) >= BLOB_PUT && blob_kind(b) <= BLOB_JUMP && w->cursor + blob_span(b->size) <= an->bytes &&
	       b->check == image_blob_check(an->image, an->identity, w->cursor);
}

static enum part_kind log_kind(const struct blob_disk *b)
{
	static const enum part_kind kinds[] = {PART_LOG_PUT, PART_LOG_MOVE, PART_LOG_TOMB, PART_LOG_JUMP};

	return kinds[blob_kind(b) - BLOB_PUT];
}

/* The log needs the table on the way to each name, and the record that is replaced. */
static void log_needs(struct anatomy *an, const struct blob_disk *b)
{
	if (blob_kind(b) == BLOB_JUMP)
		return;
	for (unsigned i = 0; i < an->parts; i++) {
		struct part *p = &an->part[i];

		if (!part_on_way(p, b->name))
			continue;
		p->replayed = true;
		if (p->kind == PART_PUT || p->kind == PART_MOVE || p->kind == PART_LARGE)
			p->kind = PART_REPLACED;
	}
}

static void log_step(struct anatomy *an, struct log_walk *w)
{
	const struct blob_disk *b = blob_of(an, w->cursor);
	struct part *p = blob_add(an, log_kind(b), w->cursor);

	p->seq = w->open_seq = blob_seq(b);
	p->commit = (blob_flags(b) & BLOB_COMMIT) != 0;
	w->link = b->check;
	w->cursor += blob_span(b->size);
	if (blob_kind(b) == BLOB_JUMP) {
		const struct jump_disk *j = (const struct jump_disk *)(const void *)b;
		w->cursor = j->start;
		w->window_end = j->end;
	}
	an->log_blobs++;
	if (!p->commit)
		return;
	w->seq = w->open_seq;
	w->open_seq = 0;
}

static void log_add(struct anatomy *an)
{
	const struct header_disk *h = &an->header;
	struct log_walk w = {
		.cursor = h->log_start, .window_end = h->window_end, .seq = h->seq, .link = (uint32_t)h->log_link};
	uint64_t rest, rest_end;

	while (w.window_end - w.cursor >= sizeof(struct jump_disk) && log_follows(an, &w))
		log_step(an, &w);
	an->seq = w.seq;
	rest = w.cursor;
	rest_end = w.window_end;
	for (unsigned i = 0; i < an->parts; i++) {
		struct part *p = &an->part[i];
		if (p->seq > w.seq)
			p->kind = PART_TAIL;
		else if (p->seq > 0)
			log_needs(an, blob_of(an, p->start));
	}
	if (rest_end > rest)
		(void)part_add(an, PART_WINDOW, rest, rest_end - rest);
}

/* What is left over is free. */
static void free_add(struct anatomy *an)
{
	for (uint64_t i = 0, end; i < an->bytes; i = end) {
		for (end = i + 1; end < an->bytes && (an->of[end] == NO_PART) == (an->of[i] == NO_PART); end++)
			;
		if (an->of[i] == NO_PART)
			(void)part_add(an, PART_FREE, i, end - i);
	}
}

void anatomy_make(struct anatomy *an, const uint8_t *image, size_t bytes)
{
	memset(an, 0, sizeof *an);
	an->image = image;
	an->bytes = bytes;
	an->of = malloc(bytes * sizeof *an->of);
	must(an->of != NULL);
	memset(an->of, 0xff, bytes * sizeof *an->of);
	an->index = header_of(an, 1)->checkpoint > header_of(an, 0)->checkpoint;
	an->header = *header_of(an, an->index);
	must(an->header.check == image_header_check(&an->header, an->index));
	an->identity = mix64(an->header.identity[0]) ^ an->header.identity[1];
	headers_add(an);
	table_add(an, an->header.root, 0);
	list_add(an);
	log_add(an);
	free_add(an);
}

void anatomy_release(struct anatomy *an)
{
	free(an->of);
	an->of = NULL;
}

/* --- outcomes ----------------------------------------------------------------------------------------------------- */

/* Its own fields may be those of a write that was torn. */
static bool older_may_be_torn(const struct anatomy *an, uint64_t offset, unsigned bit)
{
	const uint64_t at = offset % DISK_PAGE;
	uint64_t checkpoint = header_of(an, 1 - an->index)->checkpoint;

	if (at < 48 || at >= 56)
		return true;
	checkpoint ^= UINT64_C(1) << (8 * (at - 48) + bit);
	return checkpoint == an->header.checkpoint + 1 || checkpoint == an->header.checkpoint - 1;
}

enum outcome anatomy_outcome(const struct anatomy *an, uint64_t offset, unsigned bit)
{
	const struct part *p = anatomy_at(an, offset);

	switch (p->kind) {
	case PART_HEADER:
	case PART_REPLACED:
		return OUTCOME_OPEN;
	case PART_OLDER_SHARED:
		return OUTCOME_CHECK;
	case PART_OLDER_OWN:
		return older_may_be_torn(an, offset, bit) ? OUTCOME_NONE : OUTCOME_CHECK;
	case PART_NODE:
	case PART_PAGE:
		return p->replayed ? OUTCOME_OPEN : OUTCOME_READ;
	case PART_PUT:
	case PART_MOVE:
	case PART_LARGE:
		return OUTCOME_READ;
	case PART_LIST:
		return OUTCOME_CHECK;
	case PART_LOG_PUT:
	case PART_LOG_MOVE:
	case PART_LOG_TOMB:
	case PART_LOG_JUMP:
		return p->seq <= an->marked ? OUTCOME_OPEN : OUTCOME_EARLIER;
	default:
		return OUTCOME_NONE;
	}
}

uint64_t anatomy_seq_without(const struct anatomy *an, const struct part *p)
{
	uint64_t seq = an->header.seq;

	for (unsigned i = 0; i < an->parts; i++)
		if (an->part[i].seq > seq && an->part[i].seq < p->seq)
			seq = an->part[i].seq;
	return seq;
}
