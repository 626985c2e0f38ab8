/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* report.c: the table. It prints marks beside ratios and judges nothing: a timing is not a test. */

#include <lmdb.h>
#include <stdio.h>
#include <string.h>

#include "tests/bench/report.h"

#define NAME_WIDTH 24

int report_contender(const struct report *report, const char *name)
{
	for (size_t c = 0; c < report->contender_count; c++) {
		if (strcmp(report->contenders[c]->name, name) == 0)
			return (int)c;
	}
	return -1;
}

struct sample report_summary(const struct report *report, const struct result *result, size_t contender)
{
	return sample_summary(result->samples[contender], report->bench->rounds,
			      (result->workload->flags & WORKLOAD_LEAST) != 0);
}

static bool is_reference(const struct report *report, size_t contender)
{
	return list_names(report->bench->reference, report->contenders[contender]->name);
}

/* Of the contenders that take part. */
static unsigned reference_count(const struct report *report)
{
	unsigned count = 0;

	for (size_t c = 0; c < report->contender_count; c++)
		count += is_reference(report, c);
	return count;
}

/* The one with the least time, or cost; -1: none of them has run. */
static int reference_of(const struct report *report, const struct result *result)
{
	double best = 0;
	int reference = -1;

	for (size_t c = 0; c < report->contender_count; c++) {
		const struct sample s = report_summary(report, result, c);
		if (!is_reference(report, c) || !s.present || (reference >= 0 && s.value >= best))
			continue;
		reference = (int)c;
		best = s.value;
	}
	return reference;
}

double report_ratio(const struct report *report, const struct result *result, size_t contender)
{
	const unsigned flags = result->workload->flags;
	const struct sample *mine = result->samples[contender];
	const struct sample *theirs;
	const int reference = reference_of(report, result);

	if (reference < 0 || (flags & WORKLOAD_NO_RATIO) != 0)
		return 0;
	theirs = result->samples[reference];
	if ((flags & WORKLOAD_COST) != 0)
		return sample_ratio(mine, theirs, report->bench->rounds, (flags & WORKLOAD_LEAST) != 0);
	return sample_ratio(theirs, mine, report->bench->rounds, (flags & WORKLOAD_LEAST) != 0);
}

/* Three digits that mean something, in `width` columns. */
static void print_number(int width, bool present, double value)
{
	int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;

	if (present)
		printf(" %*.*f", width, decimals, value);
	else
		printf(" %*s", width, "-");
}

static void print_ratio(int width, double ratio)
{
	if (ratio > 0)
		printf(" %*.2f", width, ratio);
	else
		printf(" %*s", width, "-");
}

/* A column is as wide as its heading, and wide enough for a figure. */
static int column_width(const struct contender *contender)
{
	int width = (int)strlen(contender->name);

	return width < 9 ? 9 : width;
}

static void print_head(const struct report *report)
{
	const struct bench *bench = report->bench;

	printf("gkv-bench, gkv %s, %s\n", gkv_version(), mdb_version(NULL, NULL, NULL));
	printf("%s, %ld processors, %.0f GiB, %s, %s, disk: %s; %s\n", report->machine.processor,
	       report->machine.processors, report->machine.memory_gib, report->machine.kernel,
	       report->machine.file_system, report->machine.disk, report->machine.compiler);
	printf("%u records of 16 + %u bytes, %u operations, %u durable commits, %u rounds, seed %llu, "
	       "verification %s\n",
	       bench->records, bench->value_bytes, bench->operations, bench->commits, bench->rounds,
	       (unsigned long long)bench->seed, bench->verify ? "on" : "off");
	for (size_t c = 0; c < report->contender_count; c++)
		printf("  %-13s %s\n", report->contenders[c]->name, report->contenders[c]->promise);
}

static void print_main_head(const struct report *report)
{
	int subject = report_contender(report, CONTENDER_SUBJECT);
	const unsigned references = reference_count(report);

	printf("\nMedians over the rounds, per operation. Ratios are taken within a round against %s%s: above 1 is faster; "
	       "for costs\n(marked c) the ratio is the cost over that one's, below 1 is cheaper. Then processor time.\n\n",
	       references > 1 ? "the fastest of " : "", report->bench->reference);
	printf("%-*s %-5s", NAME_WIDTH, "workload", "unit");
	for (size_t c = 0; c < report->contender_count; c++)
		printf(" %*s", column_width(report->contenders[c]), report->contenders[c]->name);
	for (size_t c = 0; c < report->contender_count && references > 0; c++) {
		if (is_reference(report, c))
			continue;
		printf(" %*s", column_width(report->contenders[c]),
		       (int)c == subject ? "ratio" : report->contenders[c]->name);
		if ((int)c == subject)
			printf("  %-7s", "mark");
	}
	printf("  |");
	for (size_t c = 0; c < report->contender_count; c++)
		printf(" %*s", column_width(report->contenders[c]), report->contenders[c]->name);
	printf("\n");
}

static void print_main_row(const struct report *report, const struct result *result)
{
	const struct workload *w = result->workload;
	int subject = report_contender(report, CONTENDER_SUBJECT);
	const unsigned references = reference_count(report);

	printf("%-*s %-5s", NAME_WIDTH, w->name, w->unit);
	for (size_t c = 0; c < report->contender_count; c++) {
		struct sample s = report_summary(report, result, c);

		print_number(column_width(report->contenders[c]), s.present, s.value);
	}
	for (size_t c = 0; c < report->contender_count && references > 0; c++) {
		if (is_reference(report, c))
			continue;
		print_ratio(column_width(report->contenders[c]), report_ratio(report, result, c));
		if ((int)c == subject)
			printf("%s %-7s", (w->flags & WORKLOAD_COST) != 0 ? "c" : " ", w->mark);
	}
	printf("  |");
	for (size_t c = 0; c < report->contender_count; c++) {
		struct sample s = report_summary(report, result, c);

		print_number(column_width(report->contenders[c]), s.present && s.processor > 0,
			     s.processor / (strcmp(w->unit, "us") == 0 ? 1000 : 1));
	}
	printf("\n");
}

static void print_latency(const char *workload, const char *who, const struct sample *sample)
{
	printf("%-*s %-13s %10.1f %10.1f %10.1f %10.1f\n", NAME_WIDTH, workload, who,
	       (double)sample->latency.p50 / 1000, (double)sample->latency.p99 / 1000,
	       (double)sample->latency.p999 / 1000, (double)sample->latency.max / 1000);
}

static void print_latencies(const struct report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->result_count; i++) {
		const struct result *result = &report->results[i];
		struct sample bare = sample_summary(result->bare, report->bench->rounds, false);

		for (size_t c = 0; c < report->contender_count; c++) {
			struct sample s = report_summary(report, result, c);

			if (!s.present || s.latency.count == 0)
				continue;
			if (!any)
				printf("\nWaiting, in us: of one commit (load: of 1,000 puts with it), of one cold "
				       "get.\n\n"
				       "%-*s %-13s %10s %10s %10s %10s\n",
				       NAME_WIDTH, "workload", "", "p50", "p99", "p99.9", "max");
			any = true;
			print_latency(result->workload->name, report->contenders[c]->name, &s);
		}
		if (bare.present)
			print_latency(result->workload->name, "bare append", &bare);
	}
}

/* A workload beside the same work without a store. */
static void print_bare(const struct report *report, const struct result *result)
{
	struct sample bare = sample_summary(result->bare, report->bench->rounds, false);
	int subject = report_contender(report, CONTENDER_SUBJECT);

	if (!bare.present)
		return;
	printf("%s: a bare 4 KiB append with fdatasync takes %.1f us", result->workload->name, bare.value);
	if (subject >= 0) {
		struct sample mine = report_summary(report, result, (size_t)subject);

		printf("; gkv takes %.2f of that, by the medians of single commits %.2f (mark %s)",
		       sample_ratio(result->samples[subject], result->bare, report->bench->rounds, false),
		       bare.latency.p50 > 0 ? (double)mine.latency.p50 / (double)bare.latency.p50 : 0,
		       result->workload->limit);
	}
	printf("\n");
}

static const struct result *result_named(const struct report *report, const char *name)
{
	for (size_t i = 0; i < report->result_count; i++) {
		if (strcmp(report->results[i].workload->name, name) == 0)
			return &report->results[i];
	}
	return NULL;
}

double report_scaling(const struct report *report, const struct result *result, size_t contender)
{
	const char *name = result->workload->one_thread;
	const struct result *one = name != NULL ? result_named(report, name) : NULL;

	if (one == NULL || one == result)
		return 0;
	return sample_ratio(one->samples[contender], result->samples[contender], report->bench->rounds, false);
}

/* A workload of several threads beside that of one. */
static void print_scaling(const struct report *report, const struct result *result)
{
	const struct workload *w = result->workload;

	if (w->one_thread == NULL || strcmp(w->one_thread, w->name) == 0 || result_named(report, w->one_thread) == NULL)
		return;
	printf("%s: throughput over %s:", w->name, w->one_thread);
	for (size_t c = 0; c < report->contender_count; c++) {
		double ratio = report_scaling(report, result, c);

		if (ratio > 0)
			printf(" %s %.2f", report->contenders[c]->name, ratio);
	}
	if (w->scale_mark != NULL)
		printf(" (mark for gkv %s)", w->scale_mark);
	printf("\n");
}

void report_table(const struct report *report)
{
	print_head(report);
	print_main_head(report);
	for (size_t i = 0; i < report->result_count; i++)
		print_main_row(report, &report->results[i]);
	print_latencies(report);
	printf("\n");
	for (size_t i = 0; i < report->result_count; i++) {
		print_bare(report, &report->results[i]);
		print_scaling(report, &report->results[i]);
	}
	printf("The run took %llu s.\n", (unsigned long long)report->seconds);
}
