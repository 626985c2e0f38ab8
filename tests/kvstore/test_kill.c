/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* test_kill.c: processes that are killed while they work on a real file, at any time, and what the next one finds.
 *
 * A child makes, opens, changes, compacts and closes a store without end, and tells in a page that it shares with its
 * parent what it has committed and what it is about to do. The parent kills it, mostly while it does what the round
 * wants to meet, opens the file, and holds it against a model: what was committed is there, lazy commits included, and
 * nothing else is. The same file goes on to the next round.
 *
 * The n-th transaction follows from n alone, so that both sides know it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/testing.h"

#define KEYS       96u
#define CHANGES    8u
#define SMALL_MOST 3000u
#define LARGE_MOST 120000u
#define ROUNDS     800u
#define ROUNDS_FEW 200u
#define SHORT_US   400u  /* a kill comes at most so long after what it waits for     */
#define LONG_US    6000u /* or, where it waits for nothing, after the start          */
#define WAIT_US    2000000u

/* What the child is about. */
enum step {
	STEP_START,
	STEP_CREATE,
	STEP_OPEN, /* of a file that is there: recovery */
	STEP_TXN,
	STEP_COMMIT,
	STEP_CHECKPOINT,
	STEP_COMPACT,
	STEP_CLOSE,
	STEPS
};

static const char *const step_names[STEPS] = {"start",    "creation",   "opening",    "a transaction",
					      "a commit", "checkpoint", "compaction", "close"};

struct shared {
	_Atomic unsigned step;
	_Atomic uint64_t committed; /* number of the newest transaction whose commit returned */
	_Atomic uint64_t tidied;    /* steps of compaction that commits took by themselves   */
};

static struct shared *shared;

/* --- what the n-th transaction does ------------------------------------------------------------------------------- */

struct state {
	uint64_t number[KEYS]; /* 0: absent */
};

struct change {
	unsigned key;
	bool deletes;
	size_t size;
};

static unsigned changes_of(uint64_t n, struct change out[CHANGES])
{
	struct rng rng = {n * 131};
	const unsigned count = 1 + (unsigned)rng_below(&rng, CHANGES);

	for (unsigned i = 0; i < count; i++) {
		const bool large = rng_below(&rng, 24) == 0;

		out[i].key = (unsigned)rng_below(&rng, KEYS);
		out[i].deletes = rng_below(&rng, 4) == 0;
		out[i].size = 8 + (size_t)(large ? rng_below(&rng, LARGE_MOST) : rng_size(&rng, SMALL_MOST));
	}
	return count;
}

static void state_advance(struct state *s, uint64_t n)
{
	struct change change[CHANGES];
	const unsigned count = changes_of(n, change);

	for (unsigned i = 0; i < count; i++)
		s->number[change[i].key] = change[i].deletes ? 0 : n;
}

/* --- the child ---------------------------------------------------------------------------------------------------- */

static void step_tell(enum step step)
{
	atomic_store(&shared->step, (unsigned)step);
}

/* Puts what the n-th transaction puts, with values of `number`. */
static void txn_fill(gkv_txn *txn, uint64_t n, uint64_t number)
{
	static unsigned char value[LARGE_MOST + 8];
	struct change change[CHANGES];
	const unsigned count = changes_of(n, change);

	for (unsigned i = 0; i < count; i++) {
		const unsigned key = change[i].key;

		if (change[i].deletes) {
			const int rc = gkv_txn_del(txn, &key, sizeof(key));

			must(rc == GKV_OK || rc == GKV_NOTFOUND);
			continue;
		}
		bytes_make(value, change[i].size, number);
		must_give(gkv_txn_put(txn, &key, sizeof(key), value, change[i].size), GKV_OK);
	}
	must_give(gkv_txn_put(txn, "n", 1, &number, sizeof(number)), GKV_OK);
}

/* Most commits are lazy, some durable; a few transactions are aborted first, and leave a tail in the log. */
static void child_commit(gkv *db, uint64_t n, struct rng *rng)
{
	const bool durable = rng_below(rng, 12) == 0;
	gkv_txn *txn;

	step_tell(STEP_TXN);
	if (rng_below(rng, 8) == 0) {
		txn = store_begin(db, GKV_WRITE);
		txn_fill(txn, n, UINT64_MAX - n);
		gkv_abort(txn);
	}
	txn = store_begin(db, GKV_WRITE | (durable ? GKV_DURABLE_COMMIT : GKV_LAZY_COMMIT));
	txn_fill(txn, n, n);
	step_tell(STEP_COMMIT);
	store_commit(txn);
	atomic_store(&shared->committed, n);
}

static uint64_t store_number(gkv *db)
{
	uint64_t n = 0;
	size_t size;
	const int rc = gkv_get(db, "n", 1, &n, sizeof(n), &size);

	must(rc == GKV_OK ? size == sizeof(n) : rc == GKV_NOTFOUND);
	return n;
}

static void child_works(struct rng rng)
{
	for (;;) {
		uint64_t n, end;
		gkv *db;

		step_tell(file_exists(testing_path) ? STEP_OPEN : STEP_CREATE);
		db = store_open(testing_path, 0, GKV_LAZY);
		n = store_number(db);
		end = n + 1 + rng_below(&rng, 20);
		while (n < end) {
			child_commit(db, ++n, &rng);
			if (rng_below(&rng, 16) == 0) {
				step_tell(STEP_CHECKPOINT);
				must_give(gkv_checkpoint(db), GKV_OK);
			}
			if (rng_below(&rng, 24) == 0) {
				step_tell(STEP_COMPACT);
				must_give(gkv_compact(db, NULL, NULL), GKV_OK);
			}
		}
		atomic_store(&shared->tidied, store_stat(db).compaction_steps);
		step_tell(STEP_CLOSE);
		store_close(db);
	}
}

/* --- the parent --------------------------------------------------------------------------------------------------- */

static void pause_us(uint64_t us)
{
	const struct timespec time = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000};

	(void)nanosleep(&time, NULL);
}

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Waits until the child is about `wanted` (STEPS: nothing of the kind), and then for a random time. */
static void kill_wait(enum step wanted, struct rng *rng)
{
	const uint64_t give_up = now_us() + WAIT_US;

	while (wanted != STEPS && atomic_load(&shared->step) != (unsigned)wanted && now_us() < give_up)
		(void)sched_yield();
	pause_us(rng_below(rng, wanted != STEPS ? rng_below(rng, SHORT_US) + 1 : LONG_US));
}

/* Lets a child work and kills it; gives what it was about when it died. */
static enum step child_killed(enum step wanted, uint64_t round, struct rng *rng)
{
	int status;
	pid_t child;

	step_tell(STEP_START);
	(void)fflush(stdout);
	child = fork();
	must(child >= 0);
	if (child == 0)
		child_works(rng_make(1000 + round));
	kill_wait(wanted, rng);
	must(kill(child, SIGKILL) == 0);
	must(waitpid(child, &status, 0) == child);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	return (enum step)atomic_load(&shared->step);
}

static void store_has_state(gkv *db, const struct state *s, uint64_t reached)
{
	gkv_txn *txn = store_begin(db, GKV_READ);
	uint64_t records = reached != 0;
	gkv_bytes got;

	for (unsigned i = 0; i < KEYS; i++) {
		const int rc = gkv_txn_get(txn, &i, sizeof(i), &got);

		must_give(rc, s->number[i] == 0 ? GKV_NOTFOUND : GKV_OK);
		must(bytes_fit(got.data, got.size, s->number[i]));
		records += rc == GKV_OK;
	}
	must(txn_records(txn) == records);
	store_commit(txn);
}

/* Only a creation that was killed may have left no store, and then nothing was committed. */
static bool store_is_there(enum step killed_in, uint64_t n)
{
	if (file_exists(testing_path))
		return true;
	must(killed_in == STEP_START || killed_in == STEP_CREATE);
	must(n == 0 && atomic_load(&shared->committed) == 0);
	return false;
}

/* What the killed child left: *n is the transaction that the state is of, and goes on to the newest. */
static void round_check(enum step killed_in, struct state *state, uint64_t *n)
{
	const uint64_t committed = atomic_load(&shared->committed);
	uint64_t reached;
	gkv *db;

	if (!store_is_there(killed_in, *n))
		return;
	store_check(testing_path);
	/* Looked at for reading alone, the file goes on as it was left, and the next child has something to recover. */
	db = store_open(testing_path, committed % 2 == 0 ? GKV_RDONLY : 0, GKV_LAZY);
	reached = store_number(db);
	must(reached == committed || (killed_in == STEP_COMMIT && reached == committed + 1));
	while (*n < reached)
		state_advance(state, ++*n);
	store_has_state(db, state, reached);
	store_close(db);
	atomic_store(&shared->committed, reached);
}

static void store_forget(struct state *state, uint64_t *n)
{
	DIR *dir = opendir(testing_folder);
	struct dirent *entry;
	char path[320];

	must(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		testing_path_of(entry->d_name, path);
		if (entry->d_name[0] != '.')
			must(unlink(path) == 0);
	}
	must(closedir(dir) == 0);
	memset(state, 0, sizeof(*state));
	*n = 0;
	atomic_store(&shared->committed, 0);
}

static void shared_make(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	must(shared != MAP_FAILED);
}

/* Each kind of moment was met. */
static void moments_tell(const uint64_t met[STEPS], uint64_t tidied, bool all)
{
	for (unsigned i = 0; i < STEPS; i++)
		printf("killed in %s: %" PRIu64 "\n", step_names[i], met[i]);
	printf("steps of compaction in commits: %" PRIu64 "\n", tidied);
	for (unsigned i = STEP_CREATE; all && i < STEPS; i++)
		must(met[i] > 0);
	must(!all || tidied > 0);
}

/* Whenever a process is killed, nothing that it committed is lost, lazy as it was, nothing that it did not commit is
 * there, and the file is sound. */
START_TEST(a_killed_process_loses_nothing)
{
	const uint64_t full = testing_few() ? ROUNDS_FEW : ROUNDS;
	const uint64_t rounds = testing_count(full, 10);
	struct rng rng = rng_make(testing_few() ? 4 : 3);
	uint64_t n = 0, tidied = 0, met[STEPS] = {0};
	struct state state = {{0}};

	shared_make();
	for (uint64_t round = 0; round < rounds; round++) {
		const enum step wanted = (enum step)(STEP_CREATE + rng_below(&rng, STEPS));
		enum step killed_in;

		/* STEPS itself, and what lies beyond, wait for nothing. */
		if (wanted == STEP_CREATE || n > 4000)
			store_forget(&state, &n);
		killed_in = child_killed(wanted < STEPS ? wanted : STEPS, round, &rng);
		met[killed_in]++;
		tidied += atomic_exchange(&shared->tidied, 0);
		round_check(killed_in, &state, &n);
	}
	moments_tell(met, tidied, rounds >= full);
	must(munmap(shared, sizeof(*shared)) == 0);
}
END_TEST

static void holder_waits(unsigned flags)
{
	gkv *db = store_open(testing_path, flags, GKV_LAZY);

	if (flags != GKV_RDONLY)
		store_put(db, "key", "held");
	atomic_store(&shared->committed, 1);
	for (;;)
		(void)store_records(db);
}

/* While a process has the file nobody else can write; when it is killed, the file is free at once, with all that it
 * committed. */
START_TEST(a_killed_holder_frees_the_lock)
{
	const gkv_options writes = {.flags = GKV_NOCREATE}, reads = {.flags = GKV_RDONLY};
	const uint64_t rounds = testing_count(20, 4);

	shared_make();
	store_close(store_lazy());
	for (uint64_t round = 0; round < rounds; round++) {
		const unsigned flags = round % 2 == 0 ? 0 : GKV_RDONLY;
		int status;
		pid_t child;
		gkv *db;

		atomic_store(&shared->committed, 0);
		child = fork();
		must(child >= 0);
		if (child == 0)
			holder_waits(flags);
		while (atomic_load(&shared->committed) == 0)
			(void)sched_yield();
		must_give(gkv_open(testing_path, &writes, &db), GKV_BUSY);
		must_give(gkv_open(testing_path, &reads, &db), flags == 0 ? GKV_BUSY : GKV_OK);
		if (flags != 0)
			store_close(db);
		must(kill(child, SIGKILL) == 0);
		must(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
		must_give(gkv_open(testing_path, &writes, &db), GKV_OK);
		store_expect(db, "key", "held");
		store_put(db, "other", "mine");
		store_close(db);
		store_check(testing_path);
	}
	must(munmap(shared, sizeof(*shared)) == 0);
}
END_TEST

/* --- a smaller limit ----------------------------------------------------------------------------------------------- */

static uint32_t put_key(uint32_t i, unsigned puts)
{
	return i * UINT32_C(2654435761) % (puts / 2);
}

static void put_and_die(unsigned puts)
{
	static const char value[300];
	gkv *db = store_lazy();

	for (uint32_t i = 0; i < puts; i++) {
		const uint32_t key = put_key(i, puts);
		must_give(gkv_put(db, &key, sizeof(key), value, i % 300), GKV_OK);
	}
	_exit(0);
}

/* The file of a killed process opens under whatever limit: what happened is not refused for want of room. */
START_TEST(a_killed_store_opens_under_a_smaller_limit)
{
	const gkv_options limited = {.max_bytes = 100000};

	for (unsigned puts = 500; puts < 1500; puts += 97) {
		const pid_t child = fork();
		int status;
		gkv *db;
		must(child >= 0);
		if (child == 0)
			put_and_die(puts);
		must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
		must_give(gkv_open(testing_path, &limited, &db), GKV_OK);
		for (uint32_t i = 0; i < puts; i++) {
			const uint32_t key = put_key(i, puts);
			char value[300];
			size_t size;
			must_give(gkv_get(db, &key, sizeof(key), value, sizeof(value), &size), GKV_OK);
		}
		store_close(db);
		store_check(testing_path);
		must(unlink(testing_path) == 0);
	}
}
END_TEST

/* --- a reader that syncs ------------------------------------------------------------------------------------------- */

static gkv_stats stats_of(gkv *db)
{
	gkv_stats stats;

	must_give(gkv_stat(db, &stats), GKV_OK);
	return stats;
}

/* What a handle that only reads has seen is stable when its sync returns, though a process that was killed wrote it. */
START_TEST(a_reader_makes_stable_what_it_sees)
{
	const gkv_options reads = {.flags = GKV_RDONLY};
	const pid_t child = fork();
	int status;
	gkv *db;

	must(child >= 0);
	if (child == 0)
		put_and_die(100);
	must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	must_give(gkv_open(testing_path, &reads, &db), GKV_OK);
	must(stats_of(db).durable_seq < stats_of(db).commit_seq);
	must_give(gkv_sync(db), GKV_OK);
	must(stats_of(db).durable_seq == stats_of(db).commit_seq);
	store_close(db);
}
END_TEST

/* Nobody waits for the number of a transaction that was aborted. */
START_TEST(an_aborted_number_is_not_waited_for)
{
	gkv *db = store_lazy();
	gkv_txn *txn;

	store_put(db, "key", "value");
	txn = store_begin(db, GKV_WRITE);
	must_give(gkv_txn_put(txn, "key", 3, "other", 5), GKV_OK);
	gkv_abort(txn);
	must(stats_of(db).durable_seq < stats_of(db).commit_seq);
	must_give(gkv_sync(db), GKV_OK);
	must(stats_of(db).durable_seq == stats_of(db).commit_seq);
	store_put(db, "key", "third");
	must(stats_of(db).durable_seq < stats_of(db).commit_seq);
	store_close(db);
	store_check(testing_path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("kills");

	testing_add_both(suite, "kills", TESTS(a_killed_process_loses_nothing));
	testing_add(suite, "locks", TESTS(a_killed_holder_frees_the_lock));
	testing_add(suite, "syncs", TESTS(a_reader_makes_stable_what_it_sees, an_aborted_number_is_not_waited_for));
	testing_add(suite, "limits", TESTS(a_killed_store_opens_under_a_smaller_limit));
	return testing_main(suite);
}
