/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* report_rows.c: one line of comma-separated values for each workload and contender, for scripts that make tables and
 * plots of several runs. No value has a comma in it; what there is none of is empty. */

#include <lmdb.h>
#include <string.h>

#include "tests/bench/report.h"

static void write_number(FILE *out, double value)
{
	if (value > 0)
		fprintf(out, ",%.6g", value);
	else
		fprintf(out, ",");
}

static void write_times(FILE *out, const struct percentiles *p)
{
	if (p->count == 0)
		fprintf(out, ",,,,");
	else
		fprintf(out, ",%llu,%llu,%llu,%llu", (unsigned long long)p->p50, (unsigned long long)p->p99,
			(unsigned long long)p->p999, (unsigned long long)p->max);
}

static void write_row(FILE *out, const struct report *report, const struct result *result, size_t contender)
{
	const struct sample s = report_summary(report, result, contender);
	const struct sample bare = sample_summary(result->bare, report->bench->rounds, false);

	fprintf(out, "%s,%s,%s,%.6g", result->workload->name, result->workload->unit,
		report->contenders[contender]->name, s.value);
	write_number(out, s.processor);
	write_number(out, report_ratio(report, result, contender));
	write_times(out, &s.latency);
	write_number(out, sample_ratio(result->samples[contender], result->bare, report->bench->rounds, false));
	write_number(out, bare.latency.p50 > 0 ? (double)s.latency.p50 / (double)bare.latency.p50 : 0);
	write_number(out, report_scaling(report, result, contender));
	fprintf(out, "\n");
}

static void write_bare(FILE *out, const struct report *report, const struct result *result)
{
	const struct sample bare = sample_summary(result->bare, report->bench->rounds, false);

	if (!bare.present)
		return;
	fprintf(out, "%s,%s,bare,%.6g", result->workload->name, result->workload->unit, bare.value);
	write_number(out, bare.processor);
	fprintf(out, ",");
	write_times(out, &bare.latency);
	fprintf(out, ",,,\n");
}

/* What was run, and where, as rows of a workload `run`. */
static void write_run(FILE *out, const struct report *report)
{
	const struct bench *b = report->bench;
	const struct machine *m = &report->machine;
	char memory[32];
	const struct {
		const char *name, *text;
	} texts[] = {{"gkv", gkv_version()},    {"processor", m->processor},     {"memory", memory},
		     {"kernel", m->kernel},     {"file system", m->file_system}, {"disk", m->disk},
		     {"compiler", m->compiler}, {"flags", BENCH_CFLAGS}};
	const struct {
		const char *name;
		unsigned long long number;
	} numbers[] = {{"records", b->records},
		       {"value_bytes", b->value_bytes},
		       {"operations", b->operations},
		       {"commits", b->commits},
		       {"rounds", b->rounds},
		       {"turnover", b->turnover},
		       {"seconds", report->seconds},
		       {"processors", (unsigned long long)(m->processors > 0 ? m->processors : 0)}};
	int major, minor, patch;

	snprintf(memory, sizeof memory, "%.0f GiB", m->memory_gib);
	mdb_version(&major, &minor, &patch);
	fprintf(out, "run,lmdb,%d.%d.%d\n", major, minor, patch);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		fprintf(out, "run,%s,", texts[i].name);
		for (const char *at = texts[i].text; *at != '\0'; at++)
			fputc(*at == ',' ? ';' : *at, out);
		fprintf(out, "\n");
	}
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		fprintf(out, "run,%s,%llu\n", numbers[i].name, numbers[i].number);
}

int report_rows(const struct report *report, FILE *out)
{
	fprintf(out, "workload,unit,contender,value,processor_ns,ratio,p50_ns,p99_ns,p999_ns,max_ns,bare_ratio,"
		     "bare_p50_ratio,scaling\n");
	write_run(out, report);
	for (size_t i = 0; i < report->result_count; i++) {
		for (size_t c = 0; c < report->contender_count; c++) {
			if (report_summary(report, &report->results[i], c).present)
				write_row(out, report, &report->results[i], c);
		}
		write_bare(out, report, &report->results[i]);
	}
	return ferror(out) == 0 ? 0 : -1;
}
