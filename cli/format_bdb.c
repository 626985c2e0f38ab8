/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* The text of Berkeley DB's db_dump, which LMDB's mdb_dump and mdb_load share: a header of name=value lines, then for
 * each record a line with the key and a line with the value, each after one space, then DATA=END.
 *
 * Written is format=bytevalue (two hexadecimal digits per byte), type=btree. Read are bytevalue and print (printable
 * characters as they are, others as \HH), btree and hash. A dump of several databases, or of one with several values
 * for a key, is refused: what it means cannot be kept in one gkv store.
 *
 * A line may end with a carriage return and a newline: neither form of data holds a carriage return of its own.
 *
 * 1. Without DATA=END a dump was cut short, and is refused.
 * 2. Header lines are ignored only where ignoring them changes no record. */

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/escape.h"
#include "cli/format.h"

enum { HEX_CHUNK_BYTES = 4096 };

#define MIB ((uint64_t)1024 * 1024)

/* The map that LMDB needs for these records: a leaf page may be a third full where values come near half a page, larger
 * values take whole pages, and each record costs a few words more. A map is address space, not disk space, so the
 * estimate is generous. */
static uint64_t map_bytes(const gkv_stats *stats)
{
	uint64_t records = stats->records < UINT64_MAX / 4096 ? stats->records : UINT64_MAX / 4096;
	uint64_t live = stats->live_bytes < UINT64_MAX / 16 ? stats->live_bytes : UINT64_MAX / 16;
	uint64_t bytes = 6 * live + 256 * records + 64 * MIB;

	return (bytes + MIB - 1) / MIB * MIB;
}

static bool bdb_write_head(struct sink *sink, const gkv_stats *stats)
{
	return sink_print(sink, "VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=%" PRIu64 "\nHEADER=END\n",
			  map_bytes(stats));
}

static bool hex_write(struct sink *sink, const gkv_bytes *bytes)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes->data;
	char chunk[2 * HEX_CHUNK_BYTES];
	size_t used = 0;

	if (!sink_byte(sink, ' '))
		return false;
	for (size_t i = 0; i < bytes->size; i++) {
		chunk[used++] = digits[from[i] >> 4];
		chunk[used++] = digits[from[i] & 15];
		if (used == sizeof(chunk)) {
			if (!sink_write(sink, chunk, used))
				return false;
			used = 0;
		}
	}
	return sink_write(sink, chunk, used) && sink_byte(sink, '\n');
}

static bool bdb_write(struct sink *sink, const gkv_bytes *key, const gkv_bytes *val)
{
	return hex_write(sink, key) && (!val || hex_write(sink, val));
}

static bool bdb_write_tail(struct sink *sink)
{
	return sink_text(sink, "DATA=END\n");
}

/* A line that must be there. */
static enum read_result line_take(struct reader *reader, char **text, size_t *size, const char *why_not)
{
	const enum read_result result = reader_line(reader, text, size);

	if (result != READ_END)
		return result;
	/* What is missing would have stood on the next line. */
	reader->lines.number++;
	return reader_refuse(reader, why_not);
}

/* One header line after the first. NULL, or what is wrong with it. */
static const char *header_line(struct reader *reader, const char *text, size_t size)
{
	if (!memchr(text, '=', size))
		return "a header line without '='";
	if (text_is(text, size, "format=print"))
		reader->printable = true;
	else if (text_is(text, size, "format=bytevalue"))
		reader->printable = false;
	else if (size >= 7 && memcmp(text, "format=", 7) == 0)
		return "unknown format (known are bytevalue and print)";
	else if (size >= 5 && memcmp(text, "type=", 5) == 0 && !text_is(text, size, "type=btree") &&
		 !text_is(text, size, "type=hash"))
		return "unknown type (known are btree and hash)";
	else if (text_is(text, size, "keys=0"))
		return "a dump without keys";
	else if (text_is(text, size, "duplicates=1") || text_is(text, size, "dupsort=1"))
		return "the dump may hold several values for one key, and a store keeps one";
	return NULL;
}

static enum read_result header_read(struct reader *reader)
{
	enum read_result result;
	const char *why;
	char *text;
	size_t size;

	reader->lines.crlf = true;
	result = line_take(reader, &text, &size, "the input is empty, VERSION=3 expected");
	if (result != READ_RECORD)
		return result;
	if (!text_is(text, size, "VERSION=3"))
		return reader_refuse(reader, "not a dump, which begins with VERSION=3 (other text: --tsv or --jsonl)");
	for (;;) {
		result = line_take(reader, &text, &size, "the dump ends before HEADER=END");
		if (result != READ_RECORD)
			return result;
		if (text_is(text, size, "HEADER=END"))
			break;
		why = header_line(reader, text, size);
		if (why)
			return reader_refuse(reader, why);
	}
	reader->header_read = true;
	return READ_RECORD;
}

/* Both decoders work in place and return false for what is malformed. */
static bool hex_read(char *text, size_t size, size_t *new_size)
{
	if (size % 2 != 0)
		return false;
	for (size_t i = 0; i < size; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		text[i / 2] = (char)(high << 4 | low);
	}
	*new_size = size / 2;
	return true;
}

static bool print_read(char *text, size_t size, size_t *new_size)
{
	size_t from = 0, to = 0;

	while (from < size) {
		if (text[from] != '\\') {
			text[to++] = text[from++];
		} else if (size - from >= 2 && text[from + 1] == '\\') {
			text[to++] = '\\';
			from += 2;
		} else if (size - from >= 3 && hex_digit(text[from + 1]) >= 0 && hex_digit(text[from + 2]) >= 0) {
			text[to++] = (char)(hex_digit(text[from + 1]) << 4 | hex_digit(text[from + 2]));
			from += 3;
		} else {
			return false;
		}
	}
	*new_size = to;
	return true;
}

/* A data line without its space, decoded. */
static enum read_result data_decode(struct reader *reader, char *text, size_t size, gkv_bytes *bytes)
{
	size_t new_size;

	if (size == 0 || text[0] != ' ')
		return reader_refuse(reader, "a data line must begin with a space");
	if (reader->printable) {
		if (!print_read(text + 1, size - 1, &new_size))
			return reader_refuse(reader, "bad escape (known are \\HH and \\\\)");
	} else if (!hex_read(text + 1, size - 1, &new_size)) {
		return reader_refuse(reader, "not an even number of hexadecimal digits");
	}
	*bytes = (gkv_bytes){text + 1, new_size};
	return READ_RECORD;
}

/* What follows DATA=END: nothing, or a second database. */
static enum read_result end_read(struct reader *reader)
{
	enum read_result result;
	char *text;
	size_t size;

	reader->ended = true;
	result = reader_line(reader, &text, &size);
	if (result != READ_RECORD)
		return result;
	if (size >= 8 && memcmp(text, "VERSION=", 8) == 0)
		return reader_refuse(reader, "a second database begins, and a store holds one (dump them one by one)");
	return reader_refuse(reader, "text after DATA=END");
}

static enum read_result bdb_read(struct reader *reader, gkv_bytes *key, gkv_bytes *val)
{
	enum read_result result;
	char *text;
	size_t size;

	if (reader->ended)
		return READ_END;
	if (!reader->header_read && (result = header_read(reader)) != READ_RECORD)
		return result;
	result = line_take(reader, &text, &size, "the dump ends before DATA=END");
	if (result != READ_RECORD)
		return result;
	if (text_is(text, size, "DATA=END"))
		return end_read(reader);
	result = data_decode(reader, text, size, key);
	if (result != READ_RECORD)
		return result;
	if (!buffer_set(&reader->key, key->data, key->size)) {
		reader->lines.error = ENOMEM;
		return READ_FAILED;
	}
	key->data = reader->key.data;
	result = line_take(reader, &text, &size, "the dump ends after a key");
	if (result != READ_RECORD)
		return result;
	if (text_is(text, size, "DATA=END"))
		return reader_refuse(reader, "DATA=END after a key without a value");
	return data_decode(reader, text, size, val);
}

const struct format format_bdb = {bdb_write_head, bdb_write, bdb_write_tail, bdb_read};
