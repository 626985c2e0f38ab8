/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_blob.c: checks of blobs and headers: whatever bit changes, and wherever a sector lands, it is noticed. */
#define _GNU_SOURCE

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arena/file/blob.h"
#include "arena/file/crc32c.h"
#include "arena/file/header.h"
#include "tests/arena/arena_fixture.h"

#define FILE_BYTES (DISK_DATA + 64 * KIB)

static struct bare bare;

static void setup(void)
{
	bare_open(&bare, os_posix(), FILE_BYTES, 0);
}

static void teardown(void)
{
	bare_close(&bare);
}

static void bit_flip(void *data, uint64_t bit)
{
	uint8_t *byte = (uint8_t *)data + bit / 8;

	*byte = (uint8_t)(*byte ^ 1u << (bit % 8));
}

/* --- blobs -------------------------------------------------------------------------------------------------------- */

/* A sealed blob verifies, whatever its size, and with it the zeroed bytes behind it end at a multiple of 8. */
START_TEST(sealed_blob_verifies)
{
	struct rng r = rng_make(1);
	uint8_t data[300];

	for (uint32_t size = 0; size < sizeof(data); size++) {
		struct blob_disk *b;
		const uint8_t *pad;
		rng_fill(&r, data, size);
		b = bare_record(&bare, rng_next(&r), 7, data, size);
		must(blob_verify(&bare.map, blob_offset(&bare.map, b)));
		must(blob_seq(b) == 7 && blob_kind(b) == BLOB_PUT && blob_flags(b) == 0);
		must(blob_span(size) % DISK_UNIT == 0 && blob_span(size) - sizeof(*b) - size < DISK_UNIT);
		pad = (const uint8_t *)(b + 1) + size;
		for (uint64_t i = 0; i < blob_span(size) - sizeof(*b) - size; i++)
			must(pad[i] == 0);
	}
}
END_TEST

/* Every single bit of a blob's head, bytes and padding is covered by its check; files of version 1 leave out the padding. */
START_TEST(every_bit_of_a_blob_counts)
{
	static const uint32_t sizes[] = {0, 1, 7, 8, 9, 100, 1000};
	struct rng r = rng_make(2);
	uint8_t data[1000];

	for (size_t s = 0; s < 2 * sizeof(sizes) / sizeof(sizes[0]); s++) {
		const uint32_t size = sizes[s / 2];
		struct blob_disk *b;
		bare.map.sum = s % 2 == 0 ? MAP_SUM_CRC32C : MAP_SUM_XXH3;
		rng_fill(&r, data, size);
		b = bare_record(&bare, rng_next(&r), rng_next(&r) & DISK_SEQ_MASK, data, size);
		for (uint64_t bit = 0; bit < 8 * blob_span(size); bit++) {
			const bool padding = bit >= 8 * (sizeof(*b) + size);
			bit_flip(b, bit);
			must(blob_verify(&bare.map, blob_offset(&bare.map, b)) ==
			     (padding && bare.map.sum == MAP_SUM_XXH3));
			bit_flip(b, bit);
		}
		must(blob_verify(&bare.map, blob_offset(&bare.map, b)));
	}
}
END_TEST

/* CRC-32C a bit at a time, as it is defined. */
static uint32_t crc32c_bits(const uint8_t *bytes, size_t count)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < 8 * count; i++) {
		const uint32_t bit = (crc ^ (uint32_t)bytes[i / 8] >> (i % 8)) & 1;
		crc = crc >> 1 ^ (bit != 0 ? UINT32_C(0x82f63b78) : 0);
	}
	return ~crc;
}

/* The sum is the published CRC-32C, whichever way it is made. */
START_TEST(sum_is_crc32c)
{
	uint8_t bytes[4 + 40 * 8];
	struct rng r = rng_make(4);

	must(crc32c_bits((const uint8_t *)"123456789", 9) == 0xe3069283);
	for (size_t i = 0; i < testing_count(2000, 100); i++) {
		const size_t count = (size_t)rng_below(&r, 41);
		uint64_t words[40];
		uint32_t word;
		rng_fill(&r, bytes, sizeof(bytes));
		memcpy(&word, bytes, sizeof(word));
		memcpy(words, bytes + sizeof(word), sizeof(words));
		must(crc32c_plain(word, words, count) == crc32c_bits(bytes, sizeof(word) + 8 * count));
		must(crc32c(word, words, count) == crc32c_plain(word, words, count));
	}
#if defined(CRC32C_INSTRUCTION)
	printf("sums are made by %s\n", crc32c_supported() ? "the processor's instruction" : "the table");
#else
	printf("sums are made by the table\n");
#endif
}
END_TEST

/* So it is of many words, which are summed in parts. */
START_TEST(sum_of_many_words_is_the_same)
{
	const size_t most = 12000;
	crc32c_word *words = malloc(most * sizeof *words);
	struct rng r = rng_make(5);

	must(words != NULL);
	rng_fill(&r, words, most * sizeof *words);
	for (size_t count = 1530; count < 1545; count++)
		must(crc32c(7, words, count) == crc32c_plain(7, words, count));
	for (size_t i = 0; i < testing_count(100, 10); i++) {
		const size_t count = (size_t)rng_below(&r, most + 1);
		const uint32_t word = (uint32_t)rng_next(&r);
		must(crc32c(word, words, count) == crc32c_plain(word, words, count));
	}
	free(words);
}
END_TEST

/* A blob does not verify in any place but its own, nor in a file of another identity. */
START_TEST(blob_belongs_to_its_place_and_file)
{
	struct blob_disk *b = bare_record(&bare, 11, 3, "some bytes", 10);
	const uint64_t span = blob_span(10);
	const uint64_t own = blob_offset(&bare.map, b);

	for (uint64_t at = DISK_DATA + 1024; at + span <= FILE_BYTES; at += DISK_UNIT) {
		memcpy(blob_at(&bare.map, at), b, span);
		must(at != own && !blob_verify(&bare.map, at));
	}
	must(blob_verify(&bare.map, own));
	bare.map.identity++;
	must(!blob_verify(&bare.map, own));
}
END_TEST

/* A blob that would not be inside the file, aligned and whole is refused before any byte of it is read. */
START_TEST(blob_out_of_bounds_is_refused)
{
	struct blob_disk *b = bare_record(&bare, 1, 3, "x", 1);
	const uint64_t own = blob_offset(&bare.map, b);

	must(!blob_verify(&bare.map, own + 1) && !blob_verify(&bare.map, own + 4));
	must(!blob_verify(&bare.map, 0) && !blob_verify(&bare.map, DISK_DATA - DISK_UNIT));
	must(!blob_verify(&bare.map, FILE_BYTES) && !blob_verify(&bare.map, FILE_BYTES - DISK_UNIT));
	must(!blob_verify(&bare.map, UINT64_MAX & ~UINT64_C(7)));
	b->size = UINT32_MAX;
	must(!blob_verify(&bare.map, own));
	b->size = (uint32_t)(FILE_BYTES - own - sizeof(*b));
	must(blob_fits(&bare.map, own));
	b->size++;
	must(!blob_fits(&bare.map, own));
}
END_TEST

/* The mixer is a bijection, and its inverse takes every value back. */
START_TEST(mixer_has_an_inverse)
{
	struct rng r = rng_make(3);

	for (uint64_t i = 0; i < testing_count(100000, 1000); i++) {
		const uint64_t x = i % 2 == 0 ? i : rng_next(&r);
		must(unmix64(mix64(x)) == x && mix64(unmix64(x)) == x);
	}
}
END_TEST

/* --- headers ------------------------------------------------------------------------------------------------------ */

static struct header_disk header_make(uint64_t checkpoint, uint64_t seq)
{
	return (struct header_disk){
		.version = DISK_VERSION,
		.kind = ARENA_KEYED,
		.identity = {0x1234567890, 0x9876543210},
		.hash_seed = 42,
		.checkpoint = checkpoint,
		.seq = seq,
		.root = ref_make(DISK_DATA, 1, false),
		.log_start = DISK_DATA + 4096,
		.window_end = DISK_DATA + 8192,
		.file_bytes = FILE_BYTES,
		.table_pages = 1,
		.table_bytes = 4096,
		.log_link = 77,
	};
}

static void header_put(unsigned index, uint64_t checkpoint, uint64_t seq)
{
	struct header_disk h = header_make(checkpoint, seq);

	header_seal(&h, index);
	header_write(&bare.map, &h, index);
	header_adopt(&bare.map, &h);
}

static void header_wipe(unsigned index)
{
	memset(bare.map.base + index * DISK_PAGE, 0, DISK_PAGE);
}

/* A header that was written is read back as it was; the other page stays as it is. */
START_TEST(header_is_read_back)
{
	struct header_disk got;

	for (unsigned index = 0; index < 2; index++) {
		struct header_disk h = header_make(5, 9);
		header_seal(&h, index);
		header_write(&bare.map, &h, index);
		must_give(header_read(&bare.map, index, &got), 0);
		must(memcmp(&got, &h, sizeof(h)) == 0);
		must_give(header_read(&bare.map, 1 - index, &got), GRAVITY_NOTASTORE);
		header_wipe(index);
	}
}
END_TEST

/* Every single bit of a header counts: magic, version, kind, check, each field and each reserved byte. */
START_TEST(every_bit_of_a_header_counts)
{
	struct header_disk got;

	header_put(0, 5, 9);
	for (uint64_t bit = 0; bit < 8 * sizeof(got); bit++) {
		uint64_t byte = bit / 8;
		const int want = byte < 8 ? GRAVITY_NOTASTORE : byte < 12 ? GRAVITY_BADVERSION : GRAVITY_CORRUPT;
		unsigned index;
		bit_flip(bare.map.base, bit);
		must_give(header_read(&bare.map, 0, &got), want);
		must_give(header_choose(&bare.map, &got, &index), want);
		bit_flip(bare.map.base, bit);
	}
	must_give(header_read(&bare.map, 0, &got), 0);
}
END_TEST

/* A header in the page of the other one is not taken. */
START_TEST(header_belongs_to_its_page)
{
	struct header_disk got;
	unsigned index;

	header_put(0, 5, 9);
	memcpy(bare.map.base + DISK_PAGE, bare.map.base, sizeof(got));
	header_wipe(0);
	must_give(header_read(&bare.map, 1, &got), GRAVITY_CORRUPT);
	must_give(header_choose(&bare.map, &got, &index), GRAVITY_CORRUPT);
}
END_TEST

/* A header of a newer format is GRAVITY_BADVERSION, sealed or not, whatever the other page says. */
START_TEST(newer_version_is_told)
{
	struct header_disk h, got;
	unsigned index;

	header_put(0, 5, 9);
	memcpy(&h, bare.map.base, sizeof(h));
	h.version = DISK_VERSION + 1;
	memcpy(bare.map.base, &h, sizeof(h));
	must_give(header_read(&bare.map, 0, &got), GRAVITY_BADVERSION);
	memset(bare.map.base + DISK_PAGE, 0xff, sizeof(h));
	memcpy(bare.map.base + DISK_PAGE, HEADER_MAGIC, 8);
	memcpy(bare.map.base + DISK_PAGE + 8, &(uint32_t){DISK_VERSION}, 4);
	must_give(header_read(&bare.map, 1, &got), GRAVITY_CORRUPT);
	must_give(header_choose(&bare.map, &got, &index), GRAVITY_BADVERSION);
	header_wipe(0);
	must_give(header_choose(&bare.map, &got, &index), GRAVITY_CORRUPT);
	header_wipe(1);
	must_give(header_choose(&bare.map, &got, &index), GRAVITY_NOTASTORE);
}
END_TEST

/* The newer of two valid headers counts, and the valid one of two where one is damaged. */
START_TEST(newest_valid_header_is_chosen)
{
	struct header_disk got;
	unsigned index;

	header_put(0, 5, 9);
	header_put(1, 6, 12);
	must_give(header_choose(&bare.map, &got, &index), 0);
	must(index == 1 && got.checkpoint == 6 && got.seq == 12);
	bit_flip(bare.map.base + DISK_PAGE, 8 * 100);
	must_give(header_choose(&bare.map, &got, &index), 0);
	must(index == 0 && got.checkpoint == 5);
	header_put(1, 4, 8);
	must_give(header_choose(&bare.map, &got, &index), 0);
	must(index == 0 && got.checkpoint == 5);
	header_wipe(0);
	must_give(header_choose(&bare.map, &got, &index), 0);
	must(index == 1 && got.checkpoint == 4);
}
END_TEST

typedef void header_harm(struct header_disk *h);

static void harm_reserved(struct header_disk *h)
{
	h->reserved[42] = 1;
}

static void harm_checkpoint(struct header_disk *h)
{
	h->checkpoint = 0;
}

static void harm_seq(struct header_disk *h)
{
	h->seq = DISK_SEQ_MASK + 1;
}

static void harm_log_low(struct header_disk *h)
{
	h->log_start = DISK_DATA - DISK_UNIT;
}

static void harm_log_unaligned(struct header_disk *h)
{
	h->log_start += 4;
}

static void harm_window_unaligned(struct header_disk *h)
{
	h->window_end += 1;
}

static void harm_window_reversed(struct header_disk *h)
{
	h->window_end = h->log_start - DISK_UNIT;
}

static void harm_window_small(struct header_disk *h)
{
	h->window_end = h->log_start + sizeof(struct jump_disk) - DISK_UNIT;
}

static void harm_window_outside(struct header_disk *h)
{
	h->window_end = h->file_bytes + DISK_UNIT;
}

static void harm_file_large(struct header_disk *h)
{
	h->file_bytes = DISK_FILE_MAX + DISK_UNIT;
}

static void harm_file_unaligned(struct header_disk *h)
{
	h->file_bytes += 2;
}

static void harm_link(struct header_disk *h)
{
	h->log_link = UINT64_C(1) << 32;
}

static void harm_free(struct header_disk *h)
{
	h->free_first = DISK_DATA + 3;
}

static void harm_live(struct header_disk *h)
{
	h->live_bytes = h->file_bytes - h->table_bytes + DISK_UNIT;
}

static void harm_table(struct header_disk *h)
{
	h->table_bytes = UINT64_MAX;
}

static void harm_blobs(struct header_disk *h)
{
	h->blobs = 1 + h->live_bytes / sizeof(struct blob_disk);
}

static void harm_pages(struct header_disk *h)
{
	h->table_pages = 1 + h->table_bytes / DISK_PAGE;
}

static void harm_free_bytes(struct header_disk *h)
{
	h->free_bytes = h->file_bytes + DISK_UNIT;
}

static void harm_free_slots(struct header_disk *h)
{
	h->free_slots = 1 + h->free_bytes / DISK_UNIT;
}

/* A header with a right check whose fields do not agree with each other is damage, not a state to start from. */
START_TEST(hostile_header_is_refused)
{
	static header_harm *const harms[] = {
		harm_reserved,
		harm_checkpoint,
		harm_seq,
		harm_log_low,
		harm_log_unaligned,
		harm_window_unaligned,
		harm_window_reversed,
		harm_window_small,
		harm_window_outside,
		harm_file_large,
		harm_file_unaligned,
		harm_link,
		harm_free,
		harm_live,
		harm_table,
		harm_blobs,
		harm_pages,
		harm_free_bytes,
		harm_free_slots,
	};

	for (size_t i = 0; i < sizeof(harms) / sizeof(harms[0]); i++) {
		struct header_disk h = header_make(5, 9);
		struct header_disk got;
		harms[i](&h);
		header_seal(&h, 0);
		header_write(&bare.map, &h, 0);
		must_give(header_read(&bare.map, 0, &got), GRAVITY_CORRUPT);
	}
}
END_TEST

/* --- marks -------------------------------------------------------------------------------------------------------- */

static void mark_expect(const struct header_disk *h, int code, uint64_t want)
{
	uint64_t seq;

	must_give(header_marks_read(&bare.map, h, &seq), code);
	if (code == 0)
		must(seq == want);
}

/* The newest of both marks counts, wherever it stands; without a mark nothing is known. */
START_TEST(newest_mark_counts)
{
	struct header_disk h = header_make(5, 100);

	header_put(0, 5, 100);
	mark_expect(&h, 0, 0);
	header_mark_write(&bare.map, 1, 120, 5);
	mark_expect(&h, 0, 120);
	header_mark_write(&bare.map, 0, 90, 4);
	mark_expect(&h, 0, 120);
	header_mark_write(&bare.map, 0, 130, 5);
	mark_expect(&h, 0, 130);
}
END_TEST

/* A mark with any bit changed says nothing: the other one of its page counts, until that is changed too. */
START_TEST(every_bit_of_a_mark_counts)
{
	struct header_disk h = header_make(5, 100);
	uint8_t *const mark = bare.map.base + DISK_PAGE + HEADER_MARK_OFFSET;
	uint8_t *const copy = bare.map.base + DISK_PAGE + HEADER_MARK_COPY;

	header_put(0, 5, 100);
	header_mark_write(&bare.map, 1, 120, 5);
	for (uint64_t bit = 0; bit < 64; bit++) {
		bit_flip(mark, bit);
		mark_expect(&h, 0, 120);
		bit_flip(copy, bit);
		mark_expect(&h, 0, 0);
		bit_flip(mark, bit);
		mark_expect(&h, 0, 120);
		bit_flip(copy, bit);
	}
	mark_expect(&h, 0, 120);
}
END_TEST

/* The mark of another file, as in a copied page, says nothing. */
START_TEST(mark_belongs_to_its_file)
{
	struct header_disk h = header_make(5, 100);

	header_put(0, 5, 100);
	header_mark_write(&bare.map, 1, 120, 5);
	bare.map.identity ^= 1;
	mark_expect(&h, 0, 0);
}
END_TEST

/* A newest mark that names a checkpoint newer than the header tells that the newer header is damaged. */
START_TEST(mark_of_a_lost_checkpoint_is_damage)
{
	struct header_disk h = header_make(5, 100);

	header_put(0, 5, 100);
	header_mark_write(&bare.map, 0, 150, 6);
	mark_expect(&h, GRAVITY_CORRUPT, 0);
	header_mark_write(&bare.map, 0, 150, 4);
	mark_expect(&h, 0, 150);
	/* Of two marks of one commit the one of the newer checkpoint counts, in either order. */
	header_mark_write(&bare.map, 1, 150, 6);
	mark_expect(&h, GRAVITY_CORRUPT, 0);
	header_mark_write(&bare.map, 0, 150, 6);
	header_mark_write(&bare.map, 1, 150, 5);
	mark_expect(&h, GRAVITY_CORRUPT, 0);
}
END_TEST

/* Commit numbers beyond the 40 bits of a mark are told from their low bits. */
START_TEST(mark_names_large_commits)
{
	const uint64_t wrap = UINT64_C(1) << 40;
	struct header_disk h = header_make(5, 3 * wrap - 10);

	header_put(0, 5, 3 * wrap - 10);
	header_mark_write(&bare.map, 1, 3 * wrap + 20, 5);
	mark_expect(&h, 0, 3 * wrap + 20);
	header_mark_write(&bare.map, 1, 3 * wrap - 20, 5);
	mark_expect(&h, 0, 3 * wrap - 20);
}
END_TEST

static TCase *blob_case(Suite *suite, const char *name)
{
	TCase *tc = testing_case(suite, name, false);

	tcase_add_checked_fixture(tc, setup, teardown);
	return tc;
}

int main(void)
{
	const TTest *const blobs[] = {
		sealed_blob_verifies,          every_bit_of_a_blob_counts,         sum_is_crc32c,
		sum_of_many_words_is_the_same, blob_belongs_to_its_place_and_file, blob_out_of_bounds_is_refused,
		mixer_has_an_inverse,
	};
	const TTest *const headers[] = {
		header_is_read_back,   every_bit_of_a_header_counts,  header_belongs_to_its_page,
		newer_version_is_told, newest_valid_header_is_chosen, hostile_header_is_refused,
	};
	const TTest *const marks[] = {
		newest_mark_counts,       every_bit_of_a_mark_counts,
		mark_belongs_to_its_file, mark_of_a_lost_checkpoint_is_damage,
		mark_names_large_commits,
	};
	Suite *suite = suite_create("blob");
	TCase *tc = blob_case(suite, "blobs");

	for (size_t i = 0; i < sizeof(blobs) / sizeof(blobs[0]); i++)
		tcase_add_test(tc, blobs[i]);
	tc = blob_case(suite, "headers");
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
		tcase_add_test(tc, headers[i]);
	tc = blob_case(suite, "marks");
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		tcase_add_test(tc, marks[i]);
	return testing_main(suite);
}
