/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* main.c: gkv and LMDB side by side. It reads the options, runs every workload of every round with one contender after
 * the other (so that what else the machine does meets them alike), and hands the samples to the report.
 *
 * Exit status: 0 the run is complete, 1 something failed or an answer was wrong, 2 wrong usage. How fast anybody was
 * does not change it. */

#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/bench/report.h"

#define RECORDS_MAX    1000000000u
#define OPERATIONS_MAX 1000000u

struct run {
	struct bench bench;
	struct report report;
	struct subject subjects[CONTENDERS_MAX];
	const char *workloads, *contenders; /* comma-separated, NULL: the default */
	const char *series;                 /* where the series goes, NULL: nowhere */
	const char *rows;                   /* likewise for the rows                */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static const char usage_text[] =
	"usage: gkv-bench [options]\n"
	"Runs gkv, LMDB and a table in memory side by side and prints the ratios.\n\n"
	"  --records N         records in a store (1000000)\n"
	"  --value BYTES       bytes of a value, at least 8 (100)\n"
	"  --rounds R          rounds, of which the median counts (5)\n"
	"  --operations N      gets and mixed operations of a workload (the records, at most 1000000)\n"
	"  --commits N         durable commits of a workload (1000)\n"
	"  --turnover N        a churn writes its live bytes so many times (20)\n"
	"  --series FILE       what a churn looks like over time, as CSV\n"
	"  --rows FILE         every figure of the report as a line of CSV, beside the report\n"
	"  --workload LIST     only these, separated by commas; a name ending in - takes all that begin so\n"
	"  --contender LIST    of gkv, gkv-noverify, gkv-cheapest, gkv-gravity, lmdb, lmdb-writemap, memory\n"
	"                      (gkv,lmdb,lmdb-writemap,memory)\n"
	"  --reference LIST    the contender that ratios are taken against (lmdb); of several, the fastest of\n"
	"                      each workload: with lmdb- LMDB in its fastest mode\n"
	"  --dir DIR           where the stores are made, and removed again (the current folder)\n"
	"  --quick             under 60 seconds: 100000 records, 3 rounds, 100 commits, no lmdb-writemap\n"
	"  --no-verify         gkv does not verify checksums on read\n"
	"  --seed N            of keys and orders (1)\n"
	"  --json              one JSON object instead of the table\n"
	"  --list              name the workloads and stop\n"
	"  --help              this text\n";

static int list_workloads(void)
{
	const struct workload *w;

	for (size_t i = 0; (w = workload_at(i)) != NULL; i++)
		printf("%-20s %-5s %s\n", w->name, w->unit, w->title);
	return 0;
}

static int parse_number(const char *text, uint64_t least, uint64_t most, uint64_t *out)
{
	char *end = NULL;

	errno = 0;
	*out = strtoull(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0' || *text == '-' || *out < least || *out > most) {
		fprintf(stderr, "gkv-bench: %s: a number from %llu to %llu is wanted\n", text,
			(unsigned long long)least, (unsigned long long)most);
		return -1;
	}
	return 0;
}

static int parse_u32(const char *text, uint32_t least, uint32_t most, uint32_t *out)
{
	uint64_t number;

	if (parse_number(text, least, most, &number) != 0)
		return -1;
	*out = (uint32_t)number;
	return 0;
}

static const struct option long_options[] = {
	{"records", required_argument, NULL, 'n'},
	{"value", required_argument, NULL, 'v'},
	{"rounds", required_argument, NULL, 'r'},
	{"operations", required_argument, NULL, 'o'},
	{"commits", required_argument, NULL, 'm'},
	{"turnover", required_argument, NULL, 't'},
	{"series", required_argument, NULL, 'S'},
	{"rows", required_argument, NULL, 'W'},
	{"workload", required_argument, NULL, 'w'},
	{"contender", required_argument, NULL, 'c'},
	{"dir", required_argument, NULL, 'd'},
	{"reference", required_argument, NULL, 'R'},
	{"quick", no_argument, NULL, 'q'},
	{"no-verify", no_argument, NULL, 'V'},
	{"seed", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"list", no_argument, NULL, 'l'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

/* One option; 0 go on, 1 stop with success, -1 wrong usage. */
static int parse_option(struct run *run, int option, const char *text)
{
	struct bench *bench = &run->bench;
	uint32_t rounds = 0;
	int rc = 0;

	switch (option) {
	case 'n':
		return parse_u32(text, 1, RECORDS_MAX, &bench->records);
	case 'v':
		return parse_u32(text, VALUE_BYTES_MIN, 1u << 30, &bench->value_bytes);
	case 'r':
		rc = parse_u32(text, 1, ROUNDS_MAX, &rounds);
		bench->rounds = rounds;
		return rc;
	case 'o':
		return parse_u32(text, 1, RECORDS_MAX, &bench->operations);
	case 'm':
		return parse_u32(text, 2, 10000000, &bench->commits);
	case 't':
		return parse_u32(text, 1, 1000000, &bench->turnover);
	case 'S':
		run->series = text;
		return 0;
	case 'W':
		run->rows = text;
		return 0;
	case 's':
		return parse_number(text, 0, UINT64_MAX, &bench->seed);
	case 'w':
		run->workloads = text;
		return 0;
	case 'c':
		run->contenders = text;
		return 0;
	case 'R':
		bench->reference = text;
		return 0;
	case 'd':
		bench->folder = text;
		return 0;
	case 'q':
		bench->quick = true;
		return 0;
	case 'V':
		bench->verify = false;
		return 0;
	case 'j':
		bench->json = true;
		return 0;
	case 'l':
		list_workloads();
		return 1;
	case 'h':
		fputs(usage_text, stdout);
		return 1;
	default:
		return -1;
	}
}

static int parse_options(struct run *run, int argc, char **argv)
{
	struct bench *bench = &run->bench;
	int option, rc;

	*bench = (struct bench){.value_bytes = 100, .seed = 1, .verify = true, .folder = "."};
	bench->reference = CONTENDER_REFERENCE;
	while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		rc = parse_option(run, option, optarg);
		if (rc != 0)
			return rc;
	}
	if (optind != argc)
		return -1;
	if (bench->records == 0)
		bench->records = bench->quick ? 100000 : 1000000;
	if (bench->rounds == 0)
		bench->rounds = bench->quick ? 3 : 5;
	if (bench->commits == 0)
		bench->commits = bench->quick ? 100 : 1000;
	if (bench->turnover == 0)
		bench->turnover = bench->quick ? 3 : 20;
	if (bench->operations == 0)
		bench->operations = bench->records < OPERATIONS_MAX ? bench->records : OPERATIONS_MAX;
	return 0;
}

/* True if each element of the list names something; says which does not. */
static bool list_is_known(const char *list, bool contenders)
{
	char element[64];

	for (const char *at = list; *at != '\0';) {
		size_t length = strcspn(at, ",");
		bool known = false;

		snprintf(element, sizeof element, "%.*s", (int)length, at);
		for (size_t i = 0; contenders && contender_all[i] != NULL; i++)
			known = known || list_names(element, contender_all[i]->name);
		for (size_t i = 0; !contenders && workload_at(i) != NULL; i++)
			known = known || list_names(element, workload_at(i)->name);
		if (!known) {
			fprintf(stderr, "gkv-bench: there is no %s %s\n", contenders ? "contender" : "workload",
				element);
			return false;
		}
		at += length + (at[length] == ',');
	}
	return true;
}

static int choose(struct run *run)
{
	const char *standard = run->bench.quick ? "gkv,lmdb,memory" : "gkv,lmdb,lmdb-writemap,memory";
	const char *contenders = run->contenders != NULL ? run->contenders : standard;
	struct report *report = &run->report;

	if (!list_is_known(contenders, true) || !list_is_known(run->bench.reference, true) ||
	    (run->workloads != NULL && !list_is_known(run->workloads, false)))
		return -1;
	for (size_t i = 0; contender_all[i] != NULL; i++) {
		if (list_names(contenders, contender_all[i]->name))
			report->contenders[report->contender_count++] = contender_all[i];
	}
	report->results = calloc(WORKLOADS_MAX, sizeof *report->results);
	if (report->results == NULL)
		return fail_errno("the results", ENOMEM);
	for (size_t i = 0; workload_at(i) != NULL && i < WORKLOADS_MAX; i++) {
		const bool apart = (workload_at(i)->flags & WORKLOAD_APART) != 0;

		if (run->workloads == NULL ? !apart : list_names(run->workloads, workload_at(i)->name))
			report->results[report->result_count++].workload = workload_at(i);
	}
	return 0;
}

static int prepare(struct run *run)
{
	struct bench *bench = &run->bench;

	bench->shuffled = order_shuffled(bench->records, mix64(bench->seed + 1));
	bench->zipfian = order_zipfian(bench->records, bench->operations, 0.99, mix64(bench->seed + 2));
	if (bench->shuffled == NULL || bench->zipfian == NULL)
		return fail_errno("the orders of the records", ENOMEM);
	run->report.bench = bench;
	if (run->series != NULL) {
		bench->series = fopen(run->series, "we");
		if (bench->series == NULL)
			return fail_errno(run->series, errno);
		fputs("workload,contender,round,turnover,live,file,disk,own_live,written,moved,free_slots,puts_per_"
		      "second,"
		      "p50_ns,p99_ns,p999_ns,max_ns,work_most_ns,wait_most_ns\n",
		      bench->series);
	}
	probe_machine(bench->folder, &run->report.machine);
	for (size_t c = 0; c < run->report.contender_count; c++) {
		if (subject_init(&run->subjects[c], bench, run->report.contenders[c]) != 0)
			return -1;
	}
	return 0;
}

static void show_progress(const struct run *run, const struct workload *workload, const char *who)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Kround %u of %u: %s, %s", run->bench.round + 1, run->bench.rounds,
			workload->name, who);
}

static int run_workload(struct run *run, struct result *result)
{
	const struct workload *w = result->workload;
	const unsigned round = run->bench.round;

	if (w->bare != NULL) {
		show_progress(run, w, "bare");
		if (w->bare(w, &run->bench, &result->bare[round]) != 0)
			return -1;
	}
	for (size_t c = 0; c < run->report.contender_count; c++) {
		if (!workload_suits(w, run->report.contenders[c]))
			continue;
		if (interrupted)
			return fail_errno("the run", EINTR);
		show_progress(run, w, run->report.contenders[c]->name);
		if (w->run(w, &run->subjects[c], &result->samples[c][round]) != 0)
			return -1;
	}
	return 0;
}

static int run_all(struct run *run)
{
	int rc = 0;
	uint64_t start = clock_wall_ns();

	for (unsigned round = 0; round < run->bench.rounds && rc == 0; round++) {
		run->bench.round = round;
		for (size_t i = 0; i < run->report.result_count && rc == 0; i++)
			rc = run_workload(run, &run->report.results[i]);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	run->report.seconds = (clock_wall_ns() - start) / UINT64_C(1000000000);
	return rc;
}

static int finish(struct run *run)
{
	int rc = 0;

	for (size_t c = 0; c < run->report.contender_count; c++) {
		if (run->subjects[c].contender != NULL && subject_remove(&run->subjects[c]) != 0)
			rc = -1;
	}
	if (run->bench.series != NULL && fclose(run->bench.series) != 0)
		rc = fail_errno(run->series, errno);
	free(run->bench.shuffled);
	free(run->bench.zipfian);
	free(run->report.results);
	return rc;
}

static int write_rows(const struct run *run)
{
	FILE *file = fopen(run->rows, "we");
	int rc;

	if (file == NULL)
		return fail_errno(run->rows, errno);
	rc = report_rows(&run->report, file);
	if (fclose(file) != 0)
		rc = -1;
	return rc != 0 ? fail_errno(run->rows, EIO) : 0;
}

int main(int argc, char **argv)
{
	static struct run run;
	struct sigaction action = {.sa_handler = on_signal};
	int rc = parse_options(&run, argc, argv);

	if (rc < 0) {
		fputs("Try gkv-bench --help.\n", stderr);
		return 2;
	}
	if (rc > 0)
		return 0;
	if (choose(&run) != 0) {
		free(run.report.results);
		return 2;
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	rc = prepare(&run);
	if (rc == 0)
		rc = run_all(&run);
	if (rc == 0 && run.bench.json)
		report_json(&run.report);
	else if (rc == 0)
		report_table(&run.report);
	if (rc == 0 && run.rows != NULL)
		rc = write_rows(&run);
	if (fflush(stdout) != 0)
		rc = fail_errno("standard output", errno);
	if (finish(&run) != 0)
		rc = -1;
	return rc == 0 ? 0 : 1;
}
