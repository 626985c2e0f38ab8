/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* key_text.c: keys in the sentences of gkv_check and gkv_salvage. One sentence stays one line, whatever a key holds. */
#include "kvstore/key_text.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#define SHOWN_KEY_BYTES ((size_t)64)

_Static_assert(KEY_TEXT_MAX >= 4 * 64 + sizeof("\"\"..."), "an escaped key does not fit");

/* One byte as it is shown: up to four characters into out, their number returned. */
static size_t byte_show(char out[4], unsigned char c)
{
	static const char digits[] = "0123456789abcdef";
	static const char named[] = "\t\n\r\0\\\"";
	static const char letter[] = "tnr0\\\"";
	const char *at = memchr(named, c, sizeof(named) - 1);

	out[0] = '\\';
	if (at != NULL) {
		out[1] = letter[at - named];
		return 2;
	}
	if (c >= 0x20 && c != 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	out[1] = 'x';
	out[2] = digits[c >> 4];
	out[3] = digits[c & 15];
	return 4;
}

void key_text(char out[KEY_TEXT_MAX], const struct record *record)
{
	const unsigned char *key = record->key;
	const size_t count = record->key_len < SHOWN_KEY_BYTES ? record->key_len : SHOWN_KEY_BYTES;
	char *to = out;
	size_t i;

	assert(record->kind == RECORD_VALUE);
	*to++ = '"';
	for (i = 0; i < count; i++)
		to += byte_show(to, key[i]);
	*to++ = '"';
	if (count < record->key_len) {
		memcpy(to, "...", 3);
		to += 3;
	}
	*to = 0;
	assert(to < out + KEY_TEXT_MAX);
}
