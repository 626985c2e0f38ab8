/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Base64, as RFC 4648 defines it. Reading is strict: every text that is accepted is the only one for its bytes. */

#include "cli/cli.h"

#include <assert.h>
#include <string.h>

#include "cli/base64.h"

enum { CHUNK_GROUPS = 1024 };

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* One group: 1 to 3 bytes become four characters. */
static void group_write(char out[4], const unsigned char *from, size_t count)
{
	uint32_t bits = (uint32_t)from[0] << 16;

	assert(count >= 1 && count <= 3);
	if (count > 1)
		bits |= (uint32_t)from[1] << 8;
	if (count > 2)
		bits |= from[2];
	out[0] = alphabet[bits >> 18];
	out[1] = alphabet[bits >> 12 & 63];
	out[2] = count > 1 ? alphabet[bits >> 6 & 63] : '=';
	out[3] = count > 2 ? alphabet[bits & 63] : '=';
}

bool base64_write(struct sink *sink, gkv_bytes bytes)
{
	const unsigned char *from = bytes.data;
	char chunk[4 * CHUNK_GROUPS];
	size_t used = 0;

	for (size_t i = 0; i < bytes.size; i += 3) {
		group_write(chunk + used, from + i, bytes.size - i < 3 ? bytes.size - i : 3);
		used += 4;
		if (used == sizeof(chunk)) {
			if (!sink_write(sink, chunk, used))
				return false;
			used = 0;
		}
	}
	return sink_write(sink, chunk, used);
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group back: `digits` of its four characters count, the others are padding. */
static bool group_read(unsigned char out[3], const char *text, size_t digits)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < digits ? digit_value(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	out[0] = (unsigned char)(bits >> 16);
	out[1] = (unsigned char)(bits >> 8);
	out[2] = (unsigned char)bits;
	return (digits > 2 || out[1] == 0) && (digits > 3 || out[2] == 0);
}

bool base64_read(char *text, size_t size, size_t *new_size)
{
	size_t to = 0;

	*new_size = 0;
	if (size % 4 != 0)
		return false;
	for (size_t from = 0; from < size; from += 4) {
		bool last = from + 4 == size;
		size_t digits = 4;
		unsigned char out[3];

		if (last && text[from + 3] == '=')
			digits = text[from + 2] == '=' ? 2 : 3;
		if (!group_read(out, text + from, digits))
			return false;
		memcpy(text + to, out, digits - 1);
		to += digits - 1;
	}
	*new_size = to;
	return true;
}
