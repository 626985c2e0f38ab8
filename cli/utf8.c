/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* UTF-8, as RFC 3629 defines it. */

#include "cli/cli.h"

#include <assert.h>

#include "cli/utf8.h"

/* The length that the first byte of a sequence promises, and the bounds of its second byte; these bounds alone keep
 * out long forms (e0, f0), surrogates (ed) and what lies above U+10FFFF (f4). 0: no sequence begins so. */
static size_t sequence_length(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*low = 0xa0;
		if (first == 0xed)
			*high = 0x9f;
		return 3;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (first == 0xf0)
			*low = 0x90;
		if (first == 0xf4)
			*high = 0x8f;
		return 4;
	}
	return 0;
}

/* The length of the sequence at text, 0: it is not UTF-8. */
static size_t sequence_check(const unsigned char *text, size_t size)
{
	unsigned char low, high;
	size_t length = sequence_length(text[0], &low, &high);

	if (length == 0 || length > size)
		return 0;
	if (length > 1 && (text[1] < low || text[1] > high))
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

bool utf8_valid(const void *data, size_t size)
{
	const unsigned char *text = data;
	size_t at = 0;

	while (at < size) {
		size_t length = sequence_check(text + at, size - at);

		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

size_t utf8_encode(char out[4], uint32_t code_point)
{
	static const unsigned char marks[] = {0x00, 0x00, 0xc0, 0xe0, 0xf0};
	size_t length = code_point < 0x80 ? 1 : code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;

	assert(code_point <= 0x10ffff);
	for (size_t i = length - 1; i > 0; i--) {
		out[i] = (char)(0x80 | (code_point & 0x3f));
		code_point >>= 6;
	}
	out[0] = (char)(marks[length] | code_point);
	return length;
}
