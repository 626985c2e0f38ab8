/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* fuzz_dump.c: any bytes as what gkv load and gkv batch read.
 *
 *     byte 0   bits 0..1   form of the input: db_dump, TSV, JSON lines, lines of gkv batch
 *              bits 2..3   form that it is dumped in: db_dump, TSV, JSON lines
 *              bit 4       --atomic;  bit 5  --no-replace;  bit 6  batches of one record
 *     byte 1   on          the input
 *
 *  1. Nothing crashes, hangs or leaks, and memory stays in proportion to the input.
 *  2. What is refused leaves no store, or a sound one; with --atomic it leaves an empty one.
 *  3. What is accepted is sound, or held no record and made no store; dumped in any form and loaded again it is the same records. */
#include "cli/cli.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/batch_line.h"
#include "cli/line.h"
#include "kvstore/gkv.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mem_os.h"
#include "tests/fuzz/records.h"

#define STORE      "/fuzz/store"
#define AGAIN      "/fuzz/again"
#define FORM_BATCH 3u
#define FORM_BITS  3u
#define OUT_SHIFT  2u
#define ATOMIC     0x10u
#define KEEP       0x20u
#define SINGLE     0x40u
#define ARGS_MAX   8 /* words of a command line */

const char fuzz_name[] = "dump";
uint64_t fuzz_accepted;

static const char *const form_switch[] = {NULL, "--tsv", "--jsonl"};

/* A file that the command opens by a path of the system's. */
struct text {
	int fd;
	char path[64];
};

static void text_open(struct text *text, const uint8_t *data, size_t size)
{
	text->fd = memfd_create("gkv-fuzz-text", MFD_CLOEXEC);
	fuzz_must(text->fd >= 0);
	fuzz_must(size == 0 || write(text->fd, data, size) == (ssize_t)size);
	fuzz_must(lseek(text->fd, 0, SEEK_SET) == 0);
	(void)snprintf(text->path, sizeof(text->path), "/proc/self/fd/%d", text->fd);
}

static enum status verb_run(const struct verb *verb, const char *store, const char *text, const char *form,
			    const char *more, const char *even_more)
{
	const bool load = verb == &verb_load;
	const char *const word[] = {verb->name, store, text, "--quiet", load ? "--lazy" : NULL, form, more, even_more};
	char *args[ARGS_MAX];
	int count = 0;

	for (size_t i = 0; i < sizeof(word) / sizeof(word[0]); i++)
		if (word[i] != NULL)
			args[count++] = (char *)(uintptr_t)word[i];
	optind = 0; /* getopt begins anew */
	return verb->run(verb, count, args);
}

/* The same as gkv batch does, whose own streams are those of the process. A malformed line ends it. */
static bool batch_run(const char *store, const char *path)
{
	struct lines lines;
	struct batch_line line;
	struct records model = {.count = 0}, found = {.count = 0};
	const char *why = NULL;
	bool good = true;
	char *text;
	size_t size;
	gkv *db;

	fuzz_must(lines_open(&lines, path) == 0);
	lines.crlf = true;
	fuzz_must_give(gkv_open(store, &(gkv_options){.durability = GKV_LAZY}, &db), GKV_OK);
	while (good && lines_next(&lines, &text, &size) == LINE_ONE) {
		const uint64_t had = model.count;
		int rc = GKV_OK;

		good = batch_line_read(text, size, &line, &why);
		fuzz_must(good || why != NULL);
		if (!good || line.verb == BATCH_NOTHING)
			continue;
		if (line.verb == BATCH_PUT)
			rc = gkv_put(db, line.key.data, line.key.size, line.val.data, line.val.size);
		else if (line.verb == BATCH_DEL)
			rc = gkv_del(db, line.key.data, line.key.size);
		if (line.verb == BATCH_PUT && rc == GKV_OK)
			(void)records_set(&model, line.key, line.val);
		if (line.verb == BATCH_DEL)
			fuzz_must(rc == GKV_TOOBIG || records_del(&model, line.key) == (rc == GKV_OK));
		fuzz_must(rc == GKV_OK || rc == GKV_TOOBIG || (rc == GKV_NOTFOUND && model.count == had));
	}
	fuzz_must_give(records_read(&found, db), GKV_OK);
	fuzz_must(records_equal(&found, &model));
	records_release(&found);
	records_release(&model);
	fuzz_must_give(gkv_close(db), GKV_OK);
	lines_close(&lines);
	return good;
}

static void store_read(const char *path, struct records *found)
{
	gkv *db;

	fuzz_must_give(gkv_check(path, NULL, NULL), GKV_OK);
	fuzz_must_give(gkv_open(path, NULL, &db), GKV_OK);
	fuzz_must_give(records_read(found, db), GKV_OK);
	fuzz_must_give(gkv_close(db), GKV_OK);
}

/* Out and in again: nothing is lost on the way, whatever the form. Text without a record makes no store. */
static void there_and_back(const char *form)
{
	struct records before = {.count = 0}, after = {.count = 0};
	struct text text;

	text_open(&text, NULL, 0);
	fuzz_must(verb_run(&verb_dump, STORE, text.path, form, NULL, NULL) == STATUS_DONE);
	fuzz_must(verb_run(&verb_load, AGAIN, text.path, form, NULL, NULL) == STATUS_DONE);
	store_read(STORE, &before);
	if (mem_file_exists(AGAIN))
		store_read(AGAIN, &after);
	fuzz_must(records_equal(&before, &after));
	records_release(&before);
	records_release(&after);
	(void)close(text.fd);
}

static void refused(bool atomic)
{
	struct records left = {.count = 0};

	if (!mem_file_exists(STORE))
		return;
	store_read(STORE, &left);
	fuzz_must(!atomic || left.count == 0);
	records_release(&left);
}

/* What the command says about an input is not looked at. The descriptor stays: others report there. Where the C library
 * has no libFuzzer, and its stderr cannot be set, there are no others. */
static void stderr_hush(void)
{
	static FILE *nowhere;

	if (nowhere == NULL) {
#if defined(__GLIBC__)
		nowhere = fopen("/dev/null", "w");
		stderr = nowhere;
#else
		nowhere = freopen("/dev/null", "w", stderr);
#endif
	}
	fuzz_must(nowhere != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const unsigned how = size > 0 ? data[0] : 0;
	const unsigned form = how & FORM_BITS;
	const bool atomic = (how & ATOMIC) != 0;
	struct text text;
	bool good;

	stderr_hush();
	mem_os_reset(1);
	text_open(&text, data + (size > 0), size > 0 ? size - 1 : 0);
	if (form == FORM_BATCH)
		good = batch_run(STORE, text.path);
	else
		good = verb_run(&verb_load, STORE, text.path, form_switch[form],
				atomic                ? "--atomic"
				: (how & SINGLE) != 0 ? "--batch=1"
						      : NULL,
				(how & KEEP) != 0 ? "--no-replace" : NULL) == STATUS_DONE;
	(void)close(text.fd);
	fuzz_accepted += good;
	if (good && mem_file_exists(STORE))
		there_and_back(form_switch[(how >> OUT_SHIFT) % 3]);
	else if (!good)
		refused(atomic && form != FORM_BATCH);
	return 0;
}
