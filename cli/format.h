/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */
#ifndef GKV_CLI_FORMAT_H
#define GKV_CLI_FORMAT_H

#include "cli/buffer.h"
#include "cli/cli.h"
#include "cli/line.h"
#include "cli/sink.h"
#include "gkv.h"

enum read_result {
	READ_RECORD,
	READ_END,
	READ_BAD,   /* the input is malformed: reader.why says how, reader.lines.number where */
	READ_FAILED /* the system refused: reader.lines.error */
};

/* What is being read, and how far that has come. Zeroed but for `lines`, which is open. */
struct reader {
	struct lines lines;
	struct buffer key; /* a key whose value stands on a later line */
	const char *why;
	bool header_read;
	bool ended;
	bool printable; /* db_dump text with format=print */
};

/* A text form of records. The writers return false once the sink has failed. */
struct format {
	bool (*write_head)(struct sink *sink, const gkv_stats *stats);
	/* val NULL: the key alone. */
	bool (*write_record)(struct sink *sink, const gkv_bytes *key, const gkv_bytes *val);
	bool (*write_tail)(struct sink *sink);
	/* key and val last until the next call. */
	enum read_result (*read_record)(struct reader *reader, gkv_bytes *key, gkv_bytes *val);
};

extern const struct format format_bdb;  /* db_dump, mdb_dump */
extern const struct format format_tsv;  /* key TAB value, with escapes */
extern const struct format format_json; /* one object a line */

/* Notes what is wrong with the current line and returns READ_BAD. */
enum read_result reader_refuse(struct reader *reader, const char *why);

/* The next line: READ_RECORD, READ_END or READ_FAILED. */
enum read_result reader_line(struct reader *reader, char **text, size_t *size);
bool text_is(const char *text, size_t size, const char *expected);

/* Head and tail of a format that has none. */
bool format_no_head(struct sink *sink, const gkv_stats *stats);
bool format_no_tail(struct sink *sink);

/* format_choose.c: the format that a verb's switches ask for; NULL when they ask for two. */
const struct format *format_choose(bool tsv, bool json);

#endif
