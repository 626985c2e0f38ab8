/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* One line of gkv batch: put KEY VALUE, get KEY or del KEY.
 *
 * 1. Where the line holds a TAB, the character after the operation is its first separator, so "put " before a line of
 *    TSV makes a line of batch. */

#include "cli/cli.h"

#include <string.h>

#include "cli/batch_line.h"
#include "cli/escape.h"

struct field {
	char *text;
	size_t size;
	bool there;
};

/* Splits "KEY TAB VALUE" at its TABs. */
static bool fields_by_tab(char *text, size_t size, struct field *key, struct field *val, const char **why)
{
	char *tab = memchr(text, '\t', size);

	*key = (struct field){text, tab ? (size_t)(tab - text) : size, true};
	*val = (struct field){0};
	if (!tab)
		return true;
	*val = (struct field){tab + 1, size - key->size - 1, true};
	if (memchr(val->text, '\t', val->size)) {
		*why = "too many fields (a TAB in a field is written \\t)";
		return false;
	}
	return true;
}

static size_t spaces_at(const char *text, size_t size)
{
	size_t count = 0;

	while (count < size && text[count] == ' ')
		count++;
	return count;
}

/* Splits "KEY VALUE" at the first spaces; either may be missing, neither can be empty. */
static void fields_by_space(char *text, size_t size, struct field *key, struct field *val)
{
	size_t skipped = spaces_at(text, size);
	char *space;

	*key = *val = (struct field){0};
	text += skipped;
	size -= skipped;
	if (size == 0)
		return;
	space = memchr(text, ' ', size);
	*key = (struct field){text, space ? (size_t)(space - text) : size, true};
	skipped = key->size + spaces_at(text + key->size, size - key->size);
	if (skipped < size)
		*val = (struct field){text + skipped, size - skipped, true};
}

static enum batch_verb verb_read(const char *text, size_t size)
{
	if (size != 3)
		return BATCH_NOTHING;
	if (memcmp(text, "put", 3) == 0)
		return BATCH_PUT;
	if (memcmp(text, "get", 3) == 0)
		return BATCH_GET;
	return memcmp(text, "del", 3) == 0 ? BATCH_DEL : BATCH_NOTHING;
}

static bool field_decode(struct field *field, gkv_bytes *bytes, const char **why)
{
	if (!escape_read(field->text, field->size, &field->size, why))
		return false;
	*bytes = (gkv_bytes){field->text, field->size};
	return true;
}

bool batch_line_read(char *text, size_t size, struct batch_line *line, const char **why)
{
	struct field key = {0}, val = {0};
	size_t verb_size = 0;

	*line = (struct batch_line){.verb = BATCH_NOTHING};
	if (spaces_at(text, size) == size || text[0] == '#')
		return true;
	while (verb_size < size && text[verb_size] != ' ' && text[verb_size] != '\t')
		verb_size++;
	line->verb = verb_read(text, verb_size);
	if (line->verb == BATCH_NOTHING) {
		*why = "unknown operation (known are put, get and del)";
		return false;
	}
	if (!memchr(text, '\t', size))
		fields_by_space(text + verb_size, size - verb_size, &key, &val);
	else if (!fields_by_tab(text + verb_size + 1, size - verb_size - 1, &key, &val, why))
		return false;
	if (!key.there || (line->verb == BATCH_PUT && !val.there)) {
		*why = line->verb == BATCH_PUT ? "put needs a key and a value" : "the key is missing";
		return false;
	}
	if (line->verb != BATCH_PUT && val.there) {
		*why = "too many fields (get and del take one key)";
		return false;
	}
	return field_decode(&key, &line->key, why) && (!val.there || field_decode(&val, &line->val, why));
}
