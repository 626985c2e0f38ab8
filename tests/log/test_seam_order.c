/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_seam_order.c: which calls of the system each operation makes, in which order: what a commit costs, and that a
 * checkpoint flushes before it writes what relies on that.
 *
 * Every call of the seam is written down with the kinds of its arguments, but for memory and clock, and the whole is
 * compared with tests/golden/seam-order.txt. Who changes the order on purpose changes that file by hand, after a look
 * at the tables of docs/architecture.md that say what a crash leaves between any two of them. */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena/file/disk.h"
#include "arena/os/os.h"
#include "tests/testing.h"

#define TEXT_MOST ((size_t)64 << 10)
#define LINE_MOST 128u

/* --- a system that writes down what it is asked ------------------------------------------------------------------- */

struct trace {
	struct os os;
	char text[TEXT_MOST];
	size_t used;
	char last[LINE_MOST]; /* the last line; how often a flush came in a row */
	unsigned times;
	unsigned allocations; /* since the section began                   */
	uint64_t random;
	bool muted;  /* what comes only prepares the next section                   */
	bool hidden; /* table and free list cannot be touched through maps that are made */
};

static struct trace trace;

static void text_add(const char *line)
{
	const size_t size = strlen(line);

	must(trace.used + size + 2 <= TEXT_MOST);
	memcpy(trace.text + trace.used, line, size);
	trace.used += size;
	trace.text[trace.used++] = '\n';
	trace.text[trace.used] = 0;
}

static void line_end(void)
{
	char line[LINE_MOST + 32];

	if (trace.times > 0) {
		(void)snprintf(line, sizeof(line), trace.times == 1 ? "\t%s" : "\t%s, %u times", trace.last,
			       trace.times);
		text_add(line);
	}
	trace.times = 0;
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	char line[LINE_MOST];
	va_list args;

	if (trace.muted)
		return;
	va_start(args, format);
	(void)vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (trace.times == 0 || strcmp(line, trace.last) != 0) {
		line_end();
		memcpy(trace.last, line, sizeof(line));
	}
	/* How often space is taken and given back is a matter of policy; flushes are what an operation costs. */
	if (trace.times == 0 || strncmp(line, "FLUSH", 5) == 0)
		trace.times++;
}

/* What follows are the calls of this operation. */
static void section(const char *name)
{
	line_end();
	trace.allocations = 0;
	trace.muted = false;
	text_add(name);
}

static void section_end(void)
{
	line_end();
	trace.muted = true;
}

static const char *range_kind(uint64_t offset, uint64_t bytes)
{
	if (offset >= DISK_DATA)
		return "blobs";
	if (offset + bytes > DISK_DATA)
		return "everything";
	return offset + bytes <= DISK_PAGE || offset >= DISK_PAGE ? "a header" : "both headers";
}

static const char *path_kind(const char *path)
{
	return strcmp(path, testing_path) == 0 ? "the store" : "the copy";
}

static int trace_open(const struct os *os, const char *path, unsigned flags, unsigned mode, os_file *out)
{
	(void)os;
	say("open %s%s%s", path_kind(path), (flags & OS_RDONLY) != 0 ? " for reading" : "",
	    (flags & OS_CREATE) != 0 ? ", made now" : "");
	return os_posix()->open(os_posix(), path, flags, mode, out);
}

static int trace_close(const struct os *os, os_file file)
{
	(void)os;
	say("close");
	return os_posix()->close(os_posix(), file);
}

static int trace_size(const struct os *os, os_file file, uint64_t *bytes)
{
	(void)os;
	say("size");
	return os_posix()->size(os_posix(), file, bytes);
}

static int trace_lock(const struct os *os, os_file file, bool exclusive)
{
	(void)os;
	say("lock %s", exclusive ? "exclusive" : "shared");
	return os_posix()->lock(os_posix(), file, exclusive);
}

static int trace_unlock(const struct os *os, os_file file)
{
	(void)os;
	say("unlock");
	return os_posix()->unlock(os_posix(), file);
}

/* Leaves the headers and the one page in which the log would go on. */
static void blobs_hide(os_file file, void *base)
{
	const struct header_disk *h = base; /* the newer one counts */
	const struct header_disk *other = (const struct header_disk *)(const void *)((const char *)base + DISK_PAGE);
	uint64_t bytes, log;

	if ((uint64_t)sysconf(_SC_PAGESIZE) != DISK_PAGE)
		return;
	must_give(os_posix()->size(os_posix(), file, &bytes), 0);
	log = (other->checkpoint > h->checkpoint ? other : h)->log_start / DISK_PAGE * DISK_PAGE;
	must(log >= DISK_DATA && log + DISK_PAGE <= bytes && bytes % DISK_PAGE == 0);
	must(mprotect((char *)base + DISK_DATA, log - DISK_DATA, PROT_NONE) == 0);
	must(mprotect((char *)base + log + DISK_PAGE, bytes - log - DISK_PAGE, PROT_NONE) == 0);
}

static int trace_map(const struct os *os, os_file file, enum os_map_mode mode, uint64_t least, uint64_t *reserve,
		     void **base)
{
	int rc;

	(void)os;
	say("map %s", mode == OS_MAP_SHARED ? "the file" : mode == OS_MAP_PRIVATE ? "the file, privately" : "memory");
	rc = os_posix()->map(os_posix(), file, mode, least, reserve, base);
	if (rc == 0 && trace.hidden && mode <= OS_MAP_PRIVATE)
		blobs_hide(file, *base);
	return rc;
}

static int trace_unmap(const struct os *os, void *base, uint64_t reserve)
{
	(void)os;
	say("unmap");
	return os_posix()->unmap(os_posix(), base, reserve);
}

static int trace_use(const struct os *os, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os;
	say("use memory");
	return os_posix()->use(os_posix(), base, offset, bytes);
}

static int trace_advise(const struct os *os, void *base, uint64_t offset, uint64_t bytes, enum os_advice advice)
{
	(void)os;
	/* Where reading ahead is asked for tells of speed alone, and depends on how records lie. */
	if (advice != OS_ADVISE_WILLNEED)
		say("advise %s", advice == OS_ADVISE_RANDOM ? "random" : "not needed");
	return os_posix()->advise(os_posix(), base, offset, bytes, advice);
}

static int trace_grow(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	say("grow, or fill holes: %s", range_kind(offset, bytes));
	return os_posix()->grow(os_posix(), file, offset, bytes);
}

static int trace_truncate(const struct os *os, os_file file, uint64_t bytes)
{
	(void)os;
	say("truncate");
	return os_posix()->truncate(os_posix(), file, bytes);
}

/* It succeeds also where the file system cannot, so that the order is the same. */
static int trace_punch(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	say("punch: %s", range_kind(offset, bytes));
	(void)os_posix()->punch(os_posix(), file, offset, bytes);
	return 0;
}

static int trace_ready(const struct os *os, os_file file, void *base, uint64_t offset)
{
	(void)os;
	say("ready a page of %s", range_kind(offset, 1));
	return os_posix()->ready(os_posix(), file, base, offset);
}

static int trace_sync_range(const struct os *os, os_file file, void *base, uint64_t offset, uint64_t bytes)
{
	(void)os;
	say("FLUSH %s", range_kind(offset, bytes));
	return os_posix()->sync_range(os_posix(), file, base, offset, bytes);
}

static int trace_sync(const struct os *os, os_file file)
{
	(void)os;
	say("FLUSH all");
	return os_posix()->sync(os_posix(), file);
}

static int trace_push(const struct os *os, os_file file, uint64_t offset, uint64_t bytes)
{
	(void)os;
	say("push %s", range_kind(offset, bytes));
	return os_posix()->push(os_posix(), file, offset, bytes);
}

static int trace_read(const struct os *os, os_file file, uint64_t offset, void *buf, size_t bytes, size_t *got)
{
	(void)os;
	say("read %s", range_kind(offset, bytes));
	return os_posix()->read(os_posix(), file, offset, buf, bytes, got);
}

/* What blobs are filled with is written or stored, as is cheaper, and stores are not seen here. */
static int trace_write(const struct os *os, os_file file, uint64_t offset, const void *buf, size_t bytes)
{
	(void)os;
	if (offset < DISK_DATA)
		say("write %s", range_kind(offset, bytes));
	return os_posix()->write(os_posix(), file, offset, buf, bytes);
}

static int trace_touch(const struct os *os, os_file file)
{
	(void)os;
	say("time of change");
	return os_posix()->touch(os_posix(), file);
}

/* Whether the file has another name meanwhile is a matter of the file system: the order is the same. */
static int trace_create(const struct os *os, const char *path, unsigned mode, os_file like, char **beside, os_file *out)
{
	(void)os;
	say("create %s, without that name%s", path_kind(path), like.fd < 0 ? "" : ", no easier to read than the store");
	return os_posix()->create(os_posix(), path, mode, like, beside, out);
}

static int trace_publish(const struct os *os, os_file file, const char *beside, const char *path)
{
	(void)os;
	say("name %s", path_kind(path));
	return os_posix()->publish(os_posix(), file, beside, path);
}

static int trace_unlink(const struct os *os, const char *path)
{
	(void)os;
	say("unlink %s", path_kind(path));
	return os_posix()->unlink(os_posix(), path);
}

static int trace_sync_dir(const struct os *os, os_file file, const char *path)
{
	(void)os;
	say("FLUSH the name of %s", path_kind(path));
	return os_posix()->sync_dir(os_posix(), file, path);
}

/* The same numbers in each run. */
static int trace_random(const struct os *os, void *buf, size_t bytes)
{
	struct rng rng = {trace.random};

	(void)os;
	say("random bytes");
	rng_fill(&rng, buf, bytes);
	trace.random = rng.state;
	return 0;
}

static void *trace_alloc(const struct os *os, void *old, size_t bytes)
{
	(void)os;
	trace.allocations++;
	return os_posix()->alloc(os_posix(), old, bytes);
}

static void trace_begin(void)
{
	memset(&trace, 0, sizeof(trace));
	trace.os = *os_posix();
	trace.os.open = trace_open;
	trace.os.close = trace_close;
	trace.os.size = trace_size;
	trace.os.lock = trace_lock;
	trace.os.unlock = trace_unlock;
	trace.os.map = trace_map;
	trace.os.unmap = trace_unmap;
	trace.os.use = trace_use;
	trace.os.advise = trace_advise;
	trace.os.grow = trace_grow;
	trace.os.truncate = trace_truncate;
	trace.os.punch = trace_punch;
	trace.os.ready = trace_ready;
	trace.os.sync_range = trace_sync_range;
	trace.os.sync = trace_sync;
	trace.os.push = trace_push;
	trace.os.read = trace_read;
	trace.os.write = trace_write;
	trace.os.touch = trace_touch;
	trace.os.create = trace_create;
	trace.os.publish = trace_publish;
	trace.os.unlink = trace_unlink;
	trace.os.sync_dir = trace_sync_dir;
	trace.os.random = trace_random;
	trace.os.alloc = trace_alloc;
	os_set_default(&trace.os);
}

/* --- what is done ------------------------------------------------------------------------------------------------- */

static unsigned char large[200000];

static void put_sized(gkv *db, const char *key, size_t size)
{
	must(size <= sizeof(large));
	must_give(gkv_put(db, key, strlen(key), large, size), GKV_OK);
}

static void put_lazy(gkv *db, const char *key, const char *value)
{
	gkv_txn *txn = store_begin(db, GKV_WRITE | GKV_LAZY_COMMIT);

	txn_put(txn, key, value);
	store_commit(txn);
}

/* Of a young store: what its making costs, and each kind of commit. */
static void life_commits(gkv *db)
{
	gkv_txn *txn;

	section("a first durable commit of a session");
	store_put(db, "a", "1");
	section_end();
	store_put(db, "b", "2");
	section("a durable commit");
	store_put(db, "c", "3");
	must(trace.allocations == 0);
	section("a durable delete");
	store_del(db, "b");
	section("a durable commit of many changes");
	txn = store_begin(db, GKV_WRITE);
	for (unsigned i = 0; i < 40; i++)
		must_give(gkv_txn_put(txn, &i, sizeof(i), &i, sizeof(i)), GKV_OK);
	store_commit(txn);
	section("a lazy commit");
	put_lazy(db, "d", "4");
	must(trace.allocations == 0);
	section("a transaction that is aborted");
	txn = store_begin(db, GKV_WRITE);
	txn_put(txn, "e", "5");
	gkv_abort(txn);
	section("a durable commit, lazy ones before it");
	store_put(db, "e", "5");
	section("a sync with nothing to flush");
	must_give(gkv_sync(db), GKV_OK);
	section("a get, a snapshot and an iteration");
	store_expect(db, "e", "5");
	txn = store_begin(db, GKV_READ);
	must(txn_records(txn) == 44);
	store_commit(txn);
	section_end();
	put_sized(db, "large", 150000); /* makes the file long enough for the next one */
	store_del(db, "large");
	must_give(gkv_checkpoint(db), GKV_OK);
	store_put(db, "f", "6");
	section("a durable commit across a JUMP");
	put_sized(db, "large", 100000);
}

static gkv *life_checkpoints(gkv *db)
{
	section("a checkpoint");
	must_give(gkv_checkpoint(db), GKV_OK);
	section_end();
	for (unsigned i = 0; i < 20; i++)
		put_sized(db, i % 2 == 0 ? "even" : "odd", sizeof(large));
	/* More than a checkpoint moves, so that the end of the file stays where it is. */
	for (unsigned i = 0; i < 10; i++) {
		const char name[] = {'z', (char)('0' + i), 0};
		put_sized(db, name, sizeof(large));
	}
	store_del(db, "odd");
	store_del(db, "even");
	section("a checkpoint that gives space back");
	must_give(gkv_checkpoint(db), GKV_OK);
	section("a close after a checkpoint");
	store_close(db);
	section("an open of a clean store, whose table and free list cannot be read");
	trace.hidden = true;
	db = store_open(testing_path, 0, GKV_DURABLE);
	section("its close");
	store_close(db);
	section("an open for reading of a clean store, whose table and free list cannot be read");
	db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	section("its close");
	store_close(db);
	trace.hidden = false;
	section_end();
	return store_open(testing_path, 0, GKV_DURABLE);
}

static void life_replay(gkv *db)
{
	char copy[320];

	section("a backup");
	testing_path_of("copy", copy);
	must_give(gkv_backup(db, copy, NULL, NULL), GKV_OK);
	section_end();
	put_lazy(db, "h", "8");
	section("a close after a lazy commit");
	store_close(db);
	section("an open with a log to replay");
	db = store_open(testing_path, 0, GKV_DURABLE);
	section("its close");
	store_close(db);
	section("an open for reading with a log to replay");
	db = store_open(testing_path, GKV_RDONLY, GKV_DURABLE);
	section("its close");
	store_close(db);
}

/* Lines that count of the file: no empty ones, and none with # in front. */
static char *golden_read(void)
{
	const char *top = getenv("abs_top_srcdir");
	char path[512];
	size_t size, used = 0;
	char *text;

	(void)snprintf(path, sizeof(path), "%s/tests/golden/seam-order.txt", top != NULL ? top : ".");
	text = file_read(path, &size);
	text[size] = 0;
	for (char *line = text, *next; *line != 0; line = next) {
		const char *end = strchr(line, '\n');

		must(end != NULL);
		next = line + (end - line) + 1;
		if (*line != '#' && *line != '\n') {
			memmove(text + used, line, (size_t)(next - line));
			used += (size_t)(next - line);
		}
	}
	text[used] = 0;
	return text;
}

/* Each operation asks the system for what it always did, in the same order. */
START_TEST(the_order_of_calls_is_the_golden_one)
{
	char *golden = golden_read();
	gkv *db;

	trace_begin();
	section("a store is made");
	db = store_open(testing_path, 0, GKV_DURABLE);
	section("a close of a store in which nothing was written");
	store_close(db);
	section("an open of that");
	db = store_open(testing_path, 0, GKV_DURABLE);
	life_commits(db);
	db = life_checkpoints(db);
	life_replay(db);
	line_end();
	os_set_default(NULL);
	store_check(testing_path);
	if (strcmp(trace.text, golden) != 0)
		(void)fprintf(stderr, "tests/golden/seam-order.txt has another order than this:\n%s", trace.text);
	must(strcmp(trace.text, golden) == 0);
	free(golden);
}
END_TEST

SUITE("order of the seam's calls", "order", the_order_of_calls_is_the_golden_one)
