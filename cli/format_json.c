/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* JSON lines: one object per line and record, {"key":"...","value":"..."}. Where the bytes are not UTF-8 the member is
 * "key64" or "value64" and holds base64.
 *
 * Reading takes the members in any order, white space, and every escape of RFC 8259. A member that is unknown, missing
 * or there twice is refused: nothing of the input is dropped in silence.
 *
 * 1. Decoding never makes a string longer, so it works in place: both strings of a line stay in the line's buffer. */

#include "cli/cli.h"

#include <string.h>

#include "cli/base64.h"
#include "cli/escape.h"
#include "cli/format.h"
#include "cli/utf8.h"

static size_t escape_json(char out[6], unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	static const char named[] = "\"\\\b\f\n\r\t";
	static const char letters[] = "\"\\bfnrt";
	const char *found = memchr(named, c, sizeof(named) - 1);

	out[0] = '\\';
	if (found) {
		out[1] = letters[found - named];
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = digits[c >> 4];
	out[5] = digits[c & 15];
	return 6;
}

static bool string_write(struct sink *sink, gkv_bytes bytes)
{
	const unsigned char *from = bytes.data;
	size_t run = 0;

	for (size_t i = 0; i < bytes.size; i++) {
		char out[6];
		size_t size;

		if (from[i] >= 0x20 && from[i] != '"' && from[i] != '\\' && from[i] != 0x7f)
			continue;
		size = escape_json(out, from[i]);
		if (!sink_write(sink, from + run, i - run) || !sink_write(sink, out, size))
			return false;
		run = i + 1;
	}
	return run == bytes.size || sink_write(sink, from + run, bytes.size - run);
}

static bool member_write(struct sink *sink, const char *name, gkv_bytes bytes)
{
	bool text = utf8_valid(bytes.data, bytes.size);

	sink_print(sink, "\"%s%s\":\"", name, text ? "" : "64");
	if (text)
		string_write(sink, bytes);
	else
		base64_write(sink, bytes);
	return sink_byte(sink, '"');
}

static bool json_write(struct sink *sink, const gkv_bytes *key, const gkv_bytes *val)
{
	sink_byte(sink, '{');
	member_write(sink, "key", *key);
	if (val) {
		sink_byte(sink, ',');
		member_write(sink, "value", *val);
	}
	return sink_text(sink, "}\n");
}

/* A line being read: at points to the next character. */
struct cursor {
	char *at;
	char *end;
	const char *why;
};

static bool cursor_refuse(struct cursor *cursor, const char *why)
{
	cursor->why = why;
	return false;
}

static void space_skip(struct cursor *cursor)
{
	while (cursor->at < cursor->end && (*cursor->at == ' ' || *cursor->at == '\t' || *cursor->at == '\r'))
		cursor->at++;
}

static bool token_take(struct cursor *cursor, char token)
{
	space_skip(cursor);
	if (cursor->at == cursor->end || *cursor->at != token)
		return false;
	cursor->at++;
	return true;
}

/* The four digits of a \u escape. */
static bool unit_read(struct cursor *cursor, uint32_t *unit)
{
	*unit = 0;
	if (cursor->end - cursor->at < 4)
		return cursor_refuse(cursor, "bad \\u escape");
	for (int i = 0; i < 4; i++) {
		int digit = hex_digit(*cursor->at++);

		if (digit < 0)
			return cursor_refuse(cursor, "bad \\u escape");
		*unit = *unit << 4 | (uint32_t)digit;
	}
	return true;
}

/* A code point after "\u": one unit, or two that are a surrogate pair. */
static bool code_point_read(struct cursor *cursor, uint32_t *code_point)
{
	uint32_t low;

	if (!unit_read(cursor, code_point))
		return false;
	if (*code_point < 0xd800 || *code_point > 0xdfff)
		return true;
	if (*code_point > 0xdbff || cursor->end - cursor->at < 2 || cursor->at[0] != '\\' || cursor->at[1] != 'u')
		return cursor_refuse(cursor, "half of a surrogate pair");
	cursor->at += 2;
	if (!unit_read(cursor, &low))
		return false;
	if (low < 0xdc00 || low > 0xdfff)
		return cursor_refuse(cursor, "half of a surrogate pair");
	*code_point = 0x10000 + ((*code_point - 0xd800) << 10) + (low - 0xdc00);
	return true;
}

/* The escape behind a backslash, decoded to *out, which moves on. It is never longer than what it replaces. */
static bool escape_take(struct cursor *cursor, char **out)
{
	static const char letters[] = "\"\\/bfnrt";
	static const char bytes[] = "\"\\/\b\f\n\r\t";
	const char *letter;
	uint32_t code_point;

	if (cursor->at == cursor->end)
		return cursor_refuse(cursor, "a string without its closing quote");
	if (*cursor->at == 'u') {
		cursor->at++;
		if (!code_point_read(cursor, &code_point))
			return false;
		*out += utf8_encode(*out, code_point);
		return true;
	}
	letter = memchr(letters, *cursor->at, sizeof(letters) - 1);
	if (!letter)
		return cursor_refuse(cursor, "bad escape");
	cursor->at++;
	*(*out)++ = bytes[letter - letters];
	return true;
}

/* The raw bytes of a run are checked here, those from escapes cannot be wrong. A run that begins or ends inside a
 * character is found, because an escape begins with an ASCII character. */
static bool string_take(struct cursor *cursor, char **text, size_t *size)
{
	char *out;

	if (!token_take(cursor, '"'))
		return cursor_refuse(cursor, "a string in double quotes expected");
	*text = out = cursor->at;
	for (;;) {
		char *run = cursor->at;
		size_t length;

		while (cursor->at < cursor->end && *cursor->at != '"' && *cursor->at != '\\') {
			if ((unsigned char)*cursor->at < 0x20)
				return cursor_refuse(cursor, "a control character in a string");
			cursor->at++;
		}
		length = (size_t)(cursor->at - run);
		if (!utf8_valid(run, length))
			return cursor_refuse(cursor, "not UTF-8 (other bytes go into key64 or value64, in base64)");
		memmove(out, run, length);
		out += length;
		if (cursor->at == cursor->end)
			return cursor_refuse(cursor, "a string without its closing quote");
		if (*cursor->at++ == '"')
			break;
		if (!escape_take(cursor, &out))
			return false;
	}
	*size = (size_t)(out - *text);
	return true;
}

/* One member; which of the two it is shows in the pointer that is no longer NULL. */
static bool member_take(struct cursor *cursor, gkv_bytes *key, gkv_bytes *val)
{
	gkv_bytes *target;
	char *name, *text;
	size_t name_size, size;
	bool encoded;

	if (!string_take(cursor, &name, &name_size))
		return false;
	encoded = text_is(name, name_size, "key64") || text_is(name, name_size, "value64");
	if (text_is(name, name_size, "key") || text_is(name, name_size, "key64"))
		target = key;
	else if (text_is(name, name_size, "value") || text_is(name, name_size, "value64"))
		target = val;
	else
		return cursor_refuse(cursor, "unknown member (known are key, key64, value, value64)");
	if (target->data)
		return cursor_refuse(cursor, target == key ? "a second key" : "a second value");
	if (!token_take(cursor, ':'))
		return cursor_refuse(cursor, "':' expected");
	if (!string_take(cursor, &text, &size))
		return false;
	if (encoded && !base64_read(text, size, &size))
		return cursor_refuse(cursor, "not base64");
	*target = (gkv_bytes){text, size};
	return true;
}

static bool object_take(struct cursor *cursor, gkv_bytes *key, gkv_bytes *val)
{
	*key = *val = (gkv_bytes){NULL, 0};
	if (!token_take(cursor, '{'))
		return cursor_refuse(cursor, "an object expected");
	do {
		if (!member_take(cursor, key, val))
			return false;
	} while (token_take(cursor, ','));
	if (!token_take(cursor, '}'))
		return cursor_refuse(cursor, "',' or '}' expected");
	space_skip(cursor);
	if (cursor->at != cursor->end)
		return cursor_refuse(cursor, "text after the object");
	if (!key->data)
		return cursor_refuse(cursor, "no key");
	if (!val->data)
		return cursor_refuse(cursor, "no value");
	return true;
}

static enum read_result json_read(struct reader *reader, gkv_bytes *key, gkv_bytes *val)
{
	struct cursor cursor = {0};
	enum read_result result;
	size_t size;

	/* Empty lines separate nothing and mean nothing. */
	do {
		result = reader_line(reader, &cursor.at, &size);
		if (result != READ_RECORD)
			return result;
		cursor.end = cursor.at + size;
		space_skip(&cursor);
	} while (cursor.at == cursor.end);
	if (!object_take(&cursor, key, val))
		return reader_refuse(reader, cursor.why);
	return READ_RECORD;
}

const struct format format_json = {format_no_head, json_write, format_no_tail, json_read};
