/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* demo.c: the steps of the demo, one process each, so that nothing but the store carries over from step to step. It
 * uses gkv.h alone. Keys are the paths of the regular files under a folder, values their contents.
 *
 *     demo load   STORE FOLDER   put every file
 *     demo verify STORE FOLDER   read every record back and compare each byte with the file
 *     demo kill   STORE FOLDER   five times: a child rewrites records and is killed; open, and see what was kept
 *     demo halve  STORE FOLDER   delete every second record
 *     demo half   STORE FOLDER   verify what is left, and that the rest is gone
 *     demo sample STORE FOLDER   name one of the files
 *
 * 1. The list of files is sorted, so every step has the same one.
 * 2. A value is the file's bytes, followed by a stamp when a transaction of `kill` has rewritten it.
 * 3. Each of those transactions rewrites one group of neighbours in the list, all of it: within a group all stamps are
 *    equal, or a transaction was torn.
 *
 * Exit status: 0, or 1 after one sentence on standard error. A byte that differs is a failure. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "kvstore/gkv.h"

#define FILES_MAX       20000
#define FILE_BYTES_MAX  ((off_t)16 << 20)
#define TOTAL_BYTES_MAX ((off_t)512 << 20)
#define LOAD_BATCH      100
#define GROUP           32
#define KILLS           5

static struct {
	char *paths[FILES_MAX];
	size_t count;
	off_t bytes, smallest, largest;
} files;

struct stamp {
	char magic[8];
	uint64_t transaction;
};

static const char stamp_magic[8] = {'\0', 'G', 'K', 'V', 'd', 'e', 'm', 'o'};

/* A buffer that keeps the file that was read last, with room for a stamp behind it. */
struct contents {
	unsigned char *bytes;
	size_t size, capacity;
};

/* --- words and numbers -------------------------------------------------------------------------------------------- */

__attribute__((format(printf, 1, 2), noreturn)) static void fail(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("demo: FAILED: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static void must(int rc, const char *what)
{
	if (rc != GKV_OK)
		fail("%s: %s", what, gkv_strerror(rc));
}

static double now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		fail("the clock: %s", strerror(errno));
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* 1234567 as "1,234,567", in one of a few buffers that take turns. */
static const char *grouped(uint64_t number)
{
	static char buffers[8][32];
	static unsigned turn;
	char *at = buffers[turn++ % 8] + 31;
	int digits = 0;

	*at = '\0';
	do {
		if (digits > 0 && digits % 3 == 0)
			*--at = ',';
		*--at = (char)('0' + number % 10);
		number /= 10;
		digits++;
	} while (number > 0);
	return at;
}

static const char *sized(uint64_t bytes)
{
	static char buffers[8][32];
	static unsigned turn;
	char *out = buffers[turn++ % 8];

	if (bytes < 10000)
		snprintf(out, 32, "%s bytes", grouped(bytes));
	else if (bytes < 10000000)
		snprintf(out, 32, "%.1f KB", (double)bytes / 1e3);
	else
		snprintf(out, 32, "%.1f MB", (double)bytes / 1e6);
	return out;
}

/* One line of what happened, with the time that it took at the right. */
__attribute__((format(printf, 2, 3))) static void line(double seconds, const char *format, ...)
{
	char text[256];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	printf("   %-88s %8.1f ms\n", text, seconds * 1e3);
	fflush(stdout);
}

/* --- files -------------------------------------------------------------------------------------------------------- */

static int add_file(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)where;
	if (kind != FTW_F || !S_ISREG(st->st_mode) || st->st_size > FILE_BYTES_MAX || access(path, R_OK) != 0)
		return 0;
	if (files.count == FILES_MAX || files.bytes + st->st_size > TOTAL_BYTES_MAX)
		return 1;
	files.paths[files.count] = strdup(path);
	if (files.paths[files.count] == NULL)
		fail("no memory for the list of files");
	if (files.count == 0 || st->st_size < files.smallest)
		files.smallest = st->st_size;
	if (st->st_size > files.largest)
		files.largest = st->st_size;
	files.bytes += st->st_size;
	files.count++;
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void files_find(const char *folder)
{
	if (nftw(folder, add_file, 32, FTW_PHYS) < 0)
		fail("%s: %s", folder, strerror(errno));
	if (files.count < 2)
		fail("%s: no files to work with", folder);
	qsort(files.paths, files.count, sizeof files.paths[0], compare_paths);
}

static void contents_reserve(struct contents *contents, size_t bytes)
{
	if (contents->capacity >= bytes)
		return;
	contents->bytes = realloc(contents->bytes, bytes * 2);
	if (contents->bytes == NULL)
		fail("no memory for a file of %zu bytes", bytes);
	contents->capacity = bytes * 2;
}

static void contents_read(struct contents *contents, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = 1;

	if (fd < 0)
		fail("%s: %s", path, strerror(errno));
	contents->size = 0;
	while (got > 0) {
		contents_reserve(contents, contents->size + 65536 + sizeof(struct stamp));
		got = read(fd, contents->bytes + contents->size, 65536);
		if (got < 0)
			fail("%s: %s", path, strerror(errno));
		contents->size += (size_t)got;
	}
	close(fd);
}

/* Compares a value with the file, byte for byte, and gives the transaction of its stamp, 0 without one. */
static uint64_t compare_value(struct contents *contents, const char *path, gkv_bytes value)
{
	struct stamp stamp = {.transaction = 0};

	contents_read(contents, path);
	if (value.size == contents->size + sizeof stamp) {
		memcpy(&stamp, (const unsigned char *)value.data + contents->size, sizeof stamp);
		if (memcmp(stamp.magic, stamp_magic, sizeof stamp.magic) != 0)
			fail("%s: what follows the file's bytes is no stamp", path);
	} else if (value.size != contents->size) {
		fail("%s: the record has %zu bytes, the file %zu", path, value.size, contents->size);
	}
	for (size_t i = 0; i < contents->size; i++) {
		if (((const unsigned char *)value.data)[i] != contents->bytes[i])
			fail("%s: byte %zu differs", path, i);
	}
	return stamp.transaction;
}

/* --- steps -------------------------------------------------------------------------------------------------------- */

static gkv *store_open(const char *store, unsigned flags, enum gkv_durability durability)
{
	gkv_options options = {.flags = flags, .durability = durability};
	gkv *db = NULL;

	must(gkv_open(store, &options, &db), store);
	return db;
}

static void step_load(const char *store)
{
	gkv *db = store_open(store, 0, GKV_LAZY);
	struct contents contents = {0};
	double start = now(), begun, in_store = 0;

	for (size_t i = 0; i < files.count;) {
		gkv_txn *txn = NULL;

		must(gkv_begin(db, GKV_WRITE, &txn), "begin");
		for (size_t n = 0; n < LOAD_BATCH && i < files.count; n++, i++) {
			contents_read(&contents, files.paths[i]);
			begun = now();
			must(gkv_txn_put(txn, files.paths[i], strlen(files.paths[i]), contents.bytes, contents.size),
			     files.paths[i]);
			in_store += now() - begun;
		}
		begun = now();
		must(gkv_commit(txn), "commit");
		in_store += now() - begun;
	}
	line(now() - start, "%s files read and put, %d a transaction; the store's part: %.1f ms", grouped(files.count),
	     LOAD_BATCH, in_store * 1e3);
	begun = now();
	must(gkv_sync(db), "sync");
	line(now() - begun, "one sync: %s are on stable storage", sized((uint64_t)files.bytes));
	must(gkv_close(db), "close");
	free(contents.bytes);
}

static uint64_t count_records(gkv_txn *txn)
{
	gkv_iter *iter = NULL;
	uint64_t count = 0;
	int rc;

	must(gkv_iter_open(txn, &iter), "iterate");
	while ((rc = gkv_iter_next(iter, NULL, NULL)) == GKV_OK)
		count++;
	gkv_iter_close(iter);
	if (rc != GKV_NOTFOUND)
		must(rc, "iterate");
	return count;
}

/* Every record that should be there, or with `half` every second one while the others are gone. */
static void step_verify(const char *store, bool half)
{
	gkv *db = store_open(store, GKV_RDONLY | GKV_NOCREATE, GKV_DURABLE);
	struct contents contents = {0};
	uint64_t there = 0, bytes = 0, rewritten = 0;
	gkv_txn *txn = NULL;
	double start = now();

	must(gkv_begin(db, GKV_READ, &txn), "begin");
	for (size_t i = 0; i < files.count; i++) {
		gkv_bytes value;
		int rc = gkv_txn_get(txn, files.paths[i], strlen(files.paths[i]), &value);

		if (half && i % 2 == 1) {
			if (rc != GKV_NOTFOUND)
				fail("%s was deleted and is there", files.paths[i]);
			continue;
		}
		must(rc, files.paths[i]);
		rewritten += compare_value(&contents, files.paths[i], value) > 0;
		bytes += value.size;
		there++;
	}
	line(now() - start, "%s records, %s: every byte is the file's%s", grouped(there), sized(bytes),
	     rewritten > 0 ? " (and a stamp where rewritten)" : "");
	start = now();
	if (count_records(txn) != there)
		fail("an iteration gives %s records, there should be %s", grouped(count_records(txn)), grouped(there));
	line(now() - start, "an iteration gives %s records, neither more nor fewer", grouped(there));
	gkv_abort(txn);
	must(gkv_close(db), "close");
	free(contents.bytes);
}

static void step_halve(const char *store)
{
	gkv *db = store_open(store, GKV_NOCREATE, GKV_LAZY);
	gkv_txn *txn = NULL;
	double start = now();
	uint64_t gone = 0;

	must(gkv_begin(db, GKV_WRITE, &txn), "begin");
	for (size_t i = 1; i < files.count; i += 2, gone++)
		must(gkv_txn_del(txn, files.paths[i], strlen(files.paths[i])), files.paths[i]);
	must(gkv_commit(txn), "commit");
	must(gkv_sync(db), "sync");
	line(now() - start, "%s records deleted in one transaction, and a sync", grouped(gone));
	must(gkv_close(db), "close");
}

/* --- the killed process ------------------------------------------------------------------------------------------- */

/* What the child says: it has put `puts` records of that transaction; with puts 0 its commit has returned. */
struct message {
	uint64_t transaction, puts;
};

static size_t group_count(void)
{
	return (files.count + GROUP - 1) / GROUP;
}

static size_t group_of(uint64_t transaction)
{
	return (size_t)((transaction - 1) % group_count());
}

static size_t group_end(size_t group)
{
	return (group + 1) * GROUP < files.count ? (group + 1) * GROUP : files.count;
}

static void say(int to_parent, uint64_t transaction, uint64_t puts)
{
	struct message message = {transaction, puts};

	if (write(to_parent, &message, sizeof message) != (ssize_t)sizeof message)
		_exit(1);
}

static void rewrite_group(gkv *db, uint64_t transaction, struct contents *contents, int to_parent)
{
	size_t group = group_of(transaction);
	struct stamp stamp = {.transaction = transaction};
	gkv_txn *txn = NULL;

	memcpy(stamp.magic, stamp_magic, sizeof stamp.magic);
	must(gkv_begin(db, GKV_WRITE, &txn), "begin");
	for (size_t i = group * GROUP; i < group_end(group); i++) {
		contents_read(contents, files.paths[i]);
		memcpy(contents->bytes + contents->size, &stamp, sizeof stamp);
		must(gkv_txn_put(txn, files.paths[i], strlen(files.paths[i]), contents->bytes,
				 contents->size + sizeof stamp),
		     files.paths[i]);
		say(to_parent, transaction, i - group * GROUP + 1);
	}
	must(gkv_commit(txn), "commit");
	say(to_parent, transaction, 0);
}

/* Rewrites group after group, for ever: the parent puts an end to it. */
__attribute__((noreturn)) static void child_main(const char *store, uint64_t first, int to_parent)
{
	gkv *db = store_open(store, GKV_NOCREATE, GKV_DURABLE);
	struct contents contents = {0};

	for (uint64_t transaction = first;; transaction++)
		rewrite_group(db, transaction, &contents, to_parent);
}

/* Reads what the child says, kills it when it says `when`, and drains the pipe. newest[] gets the transactions whose
 * commit returned; *last is the last message. */
static void watch_and_kill(pid_t child, int from_child, struct message when, uint64_t *newest, struct message *last)
{
	struct message message;
	bool killed = false;
	ssize_t got;
	int status;

	while ((got = read(from_child, &message, sizeof message)) == (ssize_t)sizeof message) {
		*last = message;
		if (message.puts == 0)
			newest[group_of(message.transaction)] = message.transaction;
		if (!killed && message.transaction == when.transaction && message.puts == when.puts) {
			if (kill(child, SIGKILL) != 0)
				fail("kill: %s", strerror(errno));
			killed = true;
		}
	}
	if (got != 0 || waitpid(child, &status, 0) != child)
		fail("the child could not be followed");
	if (!killed || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail("the child ended before it was killed");
}

/* Every record after the kill: the file's bytes, and in each group one stamp, that of the newest acknowledged
 * transaction, or of the one that was under way. Gives true if that one is there, whole. */
static bool check_groups(gkv *db, uint64_t *newest, uint64_t under_way)
{
	struct contents contents = {0};
	gkv_txn *txn = NULL;
	bool kept = false;

	must(gkv_begin(db, GKV_READ, &txn), "begin");
	for (size_t group = 0; group < group_count(); group++) {
		uint64_t found = 0;

		for (size_t i = group * GROUP; i < group_end(group); i++) {
			gkv_bytes value;
			uint64_t stamp;

			must(gkv_txn_get(txn, files.paths[i], strlen(files.paths[i]), &value), files.paths[i]);
			stamp = compare_value(&contents, files.paths[i], value);
			if (i > group * GROUP && stamp != found)
				fail("transaction %s is torn: %s has the stamp of %s", grouped(found), files.paths[i],
				     grouped(stamp));
			found = stamp;
		}
		if (found != newest[group] && (found != under_way || group_of(under_way) != group))
			fail("transaction %s was acknowledged and is lost", grouped(newest[group]));
		kept = kept || found != newest[group];
		newest[group] = found;
	}
	gkv_abort(txn);
	free(contents.bytes);
	return kept;
}

/* One kill; gives the next transaction's number. */
static uint64_t kill_once(const char *store, uint64_t first, uint64_t *newest, uint32_t *random)
{
	struct message when, last = {first, 0};
	uint64_t acknowledged, under_way;
	double start;
	bool kept;
	int ends[2];
	pid_t child;
	gkv *db;

	*random = *random * 1664525u + 1013904223u;
	when.transaction = first + 6 + (*random >> 8) % 12;
	when.puts = 1 + (*random >> 20) % (group_end(group_of(when.transaction)) - group_of(when.transaction) * GROUP);
	if (pipe(ends) != 0)
		fail("a pipe: %s", strerror(errno));
	child = fork();
	if (child < 0)
		fail("fork: %s", strerror(errno));
	if (child == 0) {
		close(ends[0]);
		child_main(store, first, ends[1]);
	}
	close(ends[1]);
	start = now();
	watch_and_kill(child, ends[0], when, newest, &last);
	close(ends[0]);
	under_way = last.puts == 0 ? last.transaction + 1 : last.transaction;
	acknowledged = under_way - first;
	line(now() - start, "SIGKILL: %s commits acknowledged; %s of %d records of the next one put",
	     grouped(acknowledged), grouped(last.puts), GROUP);
	start = now();
	db = store_open(store, GKV_NOCREATE, GKV_DURABLE);
	line(now() - start, "opened again");
	start = now();
	kept = check_groups(db, newest, under_way);
	line(now() - start, "all %s are there, each whole; of the one under way %s", grouped(acknowledged),
	     kept ? "everything" : "nothing");
	must(gkv_close(db), "close");
	return under_way + 1;
}

static void step_kill(const char *store)
{
	uint64_t *newest = calloc(group_count(), sizeof *newest);
	uint32_t random = (uint32_t)time(NULL);
	uint64_t next = 1;

	if (newest == NULL)
		fail("no memory");
	for (int i = 0; i < KILLS; i++)
		next = kill_once(store, next, newest, &random);
	free(newest);
}

int main(int argc, char **argv)
{
	const char *step = argc == 4 ? argv[1] : "";

	if (argc != 4) {
		fputs("usage: demo load | verify | kill | halve | half | sample STORE FOLDER\n", stderr);
		return 2;
	}
	files_find(argv[3]);
	if (strcmp(step, "load") == 0) {
		printf("   %s files, %s, the smallest %s, the largest %s\n", grouped(files.count),
		       sized((uint64_t)files.bytes), sized((uint64_t)files.smallest), sized((uint64_t)files.largest));
		step_load(argv[2]);
	} else if (strcmp(step, "verify") == 0 || strcmp(step, "half") == 0) {
		step_verify(argv[2], strcmp(step, "half") == 0);
	} else if (strcmp(step, "kill") == 0) {
		step_kill(argv[2]);
	} else if (strcmp(step, "halve") == 0) {
		step_halve(argv[2]);
	} else if (strcmp(step, "sample") == 0) {
		printf("%s\n", files.paths[files.count / 2]);
	} else {
		fail("%s: no such step", step);
	}
	for (size_t i = 0; i < files.count; i++)
		free(files.paths[i]);
	return 0;
}
