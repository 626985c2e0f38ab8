/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Escapes, as TSV, batch lines and messages use them. Any bytes come back as they were.
 *
 * 1. Escaped text holds no TAB, no newline and no NUL.
 * 2. Reading never makes text longer, so it works in place. */

#include "cli/cli.h"

#include <assert.h>
#include <string.h>

#include "cli/escape.h"

/* What stands behind a backslash for each of these bytes. A space is plain, but a reader knows an escape of it. */
static const char escape_letters[] = "tnr0\\s";
static const char escaped_bytes[] = "\t\n\r\0\\ ";

int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool escape_plain(unsigned char c)
{
	return c >= 0x20 && c != 0x7f && c != '\\';
}

size_t escape_byte(char out[4], unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *letter = memchr(escaped_bytes, c, sizeof(escaped_bytes) - 1);

	assert(!escape_plain(c));
	out[0] = '\\';
	if (letter) {
		out[1] = escape_letters[letter - escaped_bytes];
		return 2;
	}
	out[1] = 'x';
	out[2] = digits[c >> 4];
	out[3] = digits[c & 15];
	return 4;
}

void escape_string(char *out, size_t capacity, gkv_bytes bytes)
{
	const unsigned char *from = bytes.data;
	size_t used = 0;

	assert(capacity > 0);
	for (size_t i = 0; i < bytes.size; i++) {
		char one[4] = {(char)from[i]};
		size_t size = escape_plain(from[i]) ? 1 : escape_byte(one, from[i]);

		if (size >= capacity - used)
			break;
		memcpy(out + used, one, size);
		used += size;
	}
	out[used] = '\0';
}

/* Reads the escape whose backslash stands at text[0]. Returns how many characters it has, 0: it is none. */
static size_t escape_parse(const char *text, size_t size, char *byte)
{
	const char *letter;

	if (size < 2)
		return 0;
	if (text[1] == 'x') {
		if (size < 4 || hex_digit(text[2]) < 0 || hex_digit(text[3]) < 0)
			return 0;
		*byte = (char)(hex_digit(text[2]) << 4 | hex_digit(text[3]));
		return 4;
	}
	letter = memchr(escape_letters, text[1], sizeof(escape_letters) - 1);
	if (!letter)
		return 0;
	*byte = escaped_bytes[letter - escape_letters];
	return 2;
}

bool escape_read(char *text, size_t size, size_t *new_size, const char **why)
{
	char *first = size > 0 ? memchr(text, '\\', size) : NULL;
	size_t from, to;

	*new_size = size;
	if (!first)
		return true;
	for (from = to = (size_t)(first - text); from < size; to++) {
		size_t used;

		if (text[from] != '\\') {
			text[to] = text[from++];
			continue;
		}
		used = escape_parse(text + from, size - from, text + to);
		if (used == 0) {
			*why = "bad escape (known are \\t \\n \\r \\0 \\\\ \\s \\xHH)";
			return false;
		}
		from += used;
	}
	*new_size = to;
	return true;
}
