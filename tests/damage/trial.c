/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* trial.c: see trial.h. */
#define _GNU_SOURCE
#include "tests/damage/trial.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Seconds that one trial may take: milliseconds are usual, and nothing else runs as slowly as under valgrind. */
#define TRIAL_SECONDS 60
#define TRIAL_ALARM   64 /* trials share one alarm: setting it takes its time too */
/* What the library may have of memory: a handle, an iteration, a check, and what the file's length can ask for. */
#define TRIAL_MEMORY (UINT64_C(3) << 20)
#define WRITES       12u

static char subject[256];

static void signal_tell(int sig)
{
	static const char alarmed[] = ": takes too long\n";
	static const char crashed[] = ": ended by a signal\n";
	ssize_t told = write(STDERR_FILENO, subject, strlen(subject));

	told += sig == SIGALRM ? write(STDERR_FILENO, alarmed, sizeof alarmed - 1)
			       : write(STDERR_FILENO, crashed, sizeof crashed - 1);
	_exit(told > 0 ? EXIT_FAILURE : EXIT_FAILURE + 1);
}

void trial_watch(void)
{
	static const int signals[] = {SIGALRM, SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
	struct sigaction action = {.sa_handler = signal_tell};

	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		must(sigaction(signals[i], &action, NULL) == 0);
}

void trial_begin(const char *format, ...)
{
	static unsigned trials;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(subject, sizeof subject, format, args);
	va_end(args);
	if (trials++ % TRIAL_ALARM == 0)
		(void)alarm(TRIAL_SECONDS);
}

void trial_fail(const char *format, ...)
{
	va_list args;

	(void)fprintf(stderr, "damage trial, %s: ", subject);
	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
	(void)fputc('\n', stderr);
	_exit(EXIT_FAILURE);
}

static bool code_told(int code, bool strange)
{
	return code == GKV_OK || code == GKV_CORRUPT || (strange && (code == GKV_NOTASTORE || code == GKV_BADVERSION));
}

static void memory_bounded(const struct ram *ram)
{
	if (ram->peak > TRIAL_MEMORY + 8 * ram->bytes)
		trial_fail("takes %llu bytes of memory", (unsigned long long)ram->peak);
	if (ram->taken != 0)
		trial_fail("%llu things were not given back", (unsigned long long)ram->taken);
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct reading {
	const struct specimen *s;
	gkv *db;
	struct answers *out;
	size_t size[KEYS]; /* of `values` */
	uint64_t records;  /* by gkv_stat, where it gave GKV_OK */
};

#define VALUE_SHORT 128u

static uint8_t values[KEYS][VALUE_MOST];

static void gets_read(struct reading *r)
{
	for (unsigned i = 0; i < KEYS; i++) {
		char key[KEY_SIZE + 1];
		int *code = &r->out->get[i];

		key_make(key, i);
		*code = gkv_get(r->db, key, KEY_SIZE, values[i], VALUE_SHORT, &r->size[i]);
		if (*code == GKV_SHORTBUF)
			*code = gkv_get(r->db, key, KEY_SIZE, values[i], sizeof values[i], &r->size[i]);
		if (*code != GKV_OK && *code != GKV_NOTFOUND && *code != GKV_CORRUPT)
			trial_fail("get of %s gives %d", key, *code);
	}
}

/* Whether every get gave what that moment has, or nothing. */
static bool gets_fit(const struct reading *r, const struct contents *c)
{
	for (unsigned i = 0; i < KEYS; i++) {
		if (r->out->get[i] == GKV_NOTFOUND && c->number[i] != 0)
			return false;
		if (r->out->get[i] == GKV_OK && !contents_fit(c, i, values[i], r->size[i]))
			return false;
	}
	return true;
}

static void count_read(struct reading *r)
{
	gkv_stats stats;

	r->out->counted = gkv_stat(r->db, &stats);
	if (r->out->counted != GKV_OK && r->out->counted != GKV_CORRUPT)
		trial_fail("gkv_stat gives %d", r->out->counted);
	r->out->seq = stats.commit_seq;
	r->records = stats.records;
}

/* The latest moment that the answers are of. Where the keys in which two moments differ are damaged, the count of the
 * records tells them apart. */
static const struct contents *moment_find(const struct reading *r, uint64_t least)
{
	for (unsigned i = r->s->moments; i-- > 0;) {
		const struct contents *is = &r->s->moment[i].is;
		if (gets_fit(r, is) && (r->out->counted != GKV_OK || r->records == contents_count(is)) &&
		    (i + 1 == r->s->moments || r->s->moment[i + 1].seq > least))
			return is;
	}
	trial_fail("the gets, and %llu records, are of no commit from %llu on", (unsigned long long)r->records,
		   (unsigned long long)least);
}

static void iteration_read(struct reading *r)
{
	bool seen[KEYS] = {false};
	gkv_bytes key, value;
	gkv_txn *txn;
	gkv_iter *it;
	int rc;

	must_give(gkv_begin(r->db, GKV_READ, &txn), GKV_OK);
	must_give(gkv_iter_open(txn, &it), GKV_OK);
	while ((rc = gkv_iter_next(it, &key, &value)) == GKV_OK) {
		const unsigned i = key_number(key.data, key.size);

		if (i == KEYS || seen[i] || !contents_fit(r->out->right, i, value.data, value.size))
			trial_fail("the iteration shows a key %u that is wrong", i);
		seen[i] = true;
		r->out->shown++;
	}
	if (rc != GKV_NOTFOUND && rc != GKV_CORRUPT)
		trial_fail("the iteration gives %d", rc);
	if (rc == GKV_NOTFOUND && r->out->shown != contents_count(r->out->right))
		trial_fail("the iteration has left out keys");
	r->out->iterated = rc;
	gkv_iter_close(it);
	gkv_abort(txn);
}

static int finding_note(void *arg, const char *finding)
{
	struct answers *a = arg;
	const size_t used = strlen(a->told);

	must(finding != NULL && finding[0] != 0);
	a->findings++;
	(void)snprintf(a->told + used, sizeof a->told - used, "%s\n", finding);
	return 0;
}

/* Nothing that a reader met is unknown to the check. */
static void check_agrees(const struct answers *out)
{
	bool met = out->open != GKV_OK || out->iterated != GKV_NOTFOUND || out->counted != GKV_OK;

	for (unsigned i = 0; out->open == GKV_OK && i < KEYS; i++)
		met = met || out->get[i] == GKV_CORRUPT;
	if (met && out->check == GKV_OK)
		trial_fail("the check finds nothing");
	if ((out->check == GKV_CORRUPT) != (out->findings > 0))
		trial_fail("the check gives %d with %u findings", out->check, out->findings);
}

void trial_read(struct ram *ram, const struct specimen *s, uint64_t least, bool strange, struct answers *out)
{
	const gkv_options options = {.flags = GKV_RDONLY};
	struct reading r = {.s = s, .out = out};

	memset(out, 0, sizeof *out);
	out->open = gkv_open("store", &options, &r.db);
	if (!code_told(out->open, strange))
		trial_fail("open gives %d", out->open);
	if (out->open == GKV_OK) {
		gets_read(&r);
		count_read(&r);
		out->right = moment_find(&r, least);
		iteration_read(&r);
		must_give(gkv_close(r.db), GKV_OK);
	}
	out->check = gkv_check("store", finding_note, out);
	if (!code_told(out->check, strange))
		trial_fail("the check gives %d", out->check);
	check_agrees(out);
	memory_bounded(ram);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* One put or delete in a transaction of its own. GKV_CORRUPT: the store is as it was. */
static int write_one(gkv *db, struct contents *now, struct rng *rng, uint64_t number)
{
	const unsigned key = (unsigned)rng_below(rng, KEYS);
	const size_t size = (size_t)rng_below(rng, 100);
	uint8_t value[100];
	char name[KEY_SIZE + 1];
	int rc;

	key_make(name, key);
	if (rng_below(rng, 3) == 0) {
		rc = gkv_del(db, name, KEY_SIZE);
		if (rc == GKV_NOTFOUND && now->number[key] != 0)
			trial_fail("a delete does not find %s", name);
		if (rc == GKV_OK && now->number[key] == 0)
			trial_fail("a delete finds %s", name);
		if (rc == GKV_OK)
			now->number[key] = 0;
		return rc == GKV_NOTFOUND ? GKV_OK : rc;
	}
	bytes_make(value, sizeof value, number);
	rc = gkv_put(db, name, KEY_SIZE, value, size);
	if (rc == GKV_OK) {
		now->number[key] = number;
		now->size[key] = (uint32_t)size;
	}
	return rc;
}

static bool writes_make(gkv *db, struct contents *now, struct rng *rng)
{
	unsigned done = 0;

	for (unsigned i = 0; i < WRITES; i++) {
		const int rc = i % 6 == 5 ? gkv_checkpoint(db) : write_one(db, now, rng, 1000 + i);

		if (rc != GKV_OK && rc != GKV_CORRUPT)
			trial_fail("a write gives %d", rc);
		done += rc == GKV_OK && i % 6 != 5;
	}
	return done > 0;
}

bool trial_write(struct ram *ram, const struct specimen *s, uint64_t least, struct rng *rng)
{
	static struct specimen after;
	const gkv_options options = {.flags = GKV_NOCREATE, .durability = GKV_LAZY};
	struct answers answers;
	bool wrote;
	gkv *db;
	int rc;

	trial_read(ram, s, least, false, &answers);
	rc = gkv_open("store", &options, &db);
	/* Who only reads has no use for the free list. */
	if (rc != answers.open && !(rc == GKV_CORRUPT && strstr(answers.told, "the free list of checkpoint ") != NULL))
		trial_fail("gives %d to one who writes", rc);
	if (rc != GKV_OK)
		return false;
	after = (struct specimen){.moments = 1, .moment = {{.seq = 1, .is = *answers.right}}};
	wrote = writes_make(db, &after.moment[0].is, rng);
	rc = gkv_close(db);
	if (!code_told(rc, false))
		trial_fail("close gives %d", rc);
	trial_read(ram, &after, 0, false, &answers);
	return wrote;
}

/* --- harm --------------------------------------------------------------------------------------------------------- */

static void hostile_walk(gkv *db)
{
	gkv_bytes key, value;
	gkv_txn *txn;
	gkv_iter *it;
	int rc;

	if (gkv_begin(db, GKV_READ, &txn) != GKV_OK)
		return;
	must_give(gkv_iter_open(txn, &it), GKV_OK);
	while ((rc = gkv_iter_next(it, &key, &value)) == GKV_OK)
		if (value.size > RAM_FILE_MOST || key.size > RAM_FILE_MOST)
			trial_fail("the iteration shows what is longer than the file");
	if (rc != GKV_NOTFOUND && rc != GKV_CORRUPT)
		trial_fail("the iteration gives %d", rc);
	gkv_iter_close(it);
	gkv_abort(txn);
}

static void hostile_use(gkv *db)
{
	size_t size;

	for (unsigned i = 0; i < KEYS; i++) {
		char key[KEY_SIZE + 1];
		int rc;

		key_make(key, i);
		rc = gkv_get(db, key, KEY_SIZE, values[i], sizeof values[i], &size);
		if (rc != GKV_OK && rc != GKV_NOTFOUND && rc != GKV_CORRUPT && rc != GKV_SHORTBUF)
			trial_fail("get of %s gives %d", key, rc);
	}
	hostile_walk(db);
}

static void hostile_write(gkv *db, struct rng *rng)
{
	for (unsigned i = 0; i < WRITES; i++) {
		const unsigned key = (unsigned)rng_below(rng, KEYS);
		char name[KEY_SIZE + 1];
		int rc;

		key_make(name, key);
		if (i % 6 == 5)
			rc = gkv_checkpoint(db);
		else if (rng_below(rng, 2) == 0)
			rc = gkv_put(db, name, KEY_SIZE, name, KEY_SIZE);
		else
			rc = gkv_del(db, name, KEY_SIZE);
		if (rc < GKV_READERS || rc == GKV_INVALID || rc == GKV_FAILED)
			trial_fail("a write gives %d", rc);
	}
	if (rng_below(rng, 4) == 0)
		(void)gkv_compact(db, NULL, NULL);
}

void trial_hostile(struct ram *ram, struct rng *rng)
{
	const gkv_options reads = {.flags = GKV_RDONLY};
	const gkv_options writes = {.flags = GKV_NOCREATE, .durability = GKV_LAZY};
	struct answers answers = {0};
	gkv *db;
	int rc = gkv_check("store", finding_note, &answers);

	if (!code_told(rc, true))
		trial_fail("the check gives %d", rc);
	rc = gkv_open("store", &reads, &db);
	if (!code_told(rc, true))
		trial_fail("open gives %d", rc);
	if (rc == GKV_OK) {
		hostile_use(db);
		must_give(gkv_close(db), GKV_OK);
		rc = gkv_open("store", &writes, &db);
		if (rc == GKV_OK) {
			hostile_write(db, rng);
			hostile_use(db);
			(void)gkv_close(db);
		}
	}
	memory_bounded(ram);
}
