/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* report_json.c: the same as the table, with every round's sample, for programs that draw. One object on standard
 * output. */

#include <lmdb.h>
#include <stdio.h>

#include "tests/bench/report.h"

static void print_string(const char *text)
{
	putchar('"');
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '"' || *at == '\\')
			putchar('\\');
		if ((unsigned char)*at >= 0x20)
			putchar(*at);
	}
	putchar('"');
}

static void print_field(const char *name, const char *text, const char *after)
{
	printf("\"%s\": ", name);
	print_string(text);
	printf("%s", after);
}

static void print_samples(const struct report *report, const struct sample *samples, bool least)
{
	struct sample s = sample_summary(samples, report->bench->rounds, least);

	printf("{\"value\": %.6g, \"processor_ns\": %.6g, ", s.value, s.processor);
	if (s.latency.count > 0)
		printf("\"latency_ns\": {\"count\": %llu, \"p50\": %llu, \"p99\": %llu, \"p99.9\": %llu, \"max\": "
		       "%llu}, ",
		       (unsigned long long)s.latency.count, (unsigned long long)s.latency.p50,
		       (unsigned long long)s.latency.p99, (unsigned long long)s.latency.p999,
		       (unsigned long long)s.latency.max);
	printf("\"rounds\": [");
	for (unsigned r = 0; r < report->bench->rounds; r++) {
		if (samples[r].present)
			printf("%s%.6g", r > 0 ? ", " : "", samples[r].value);
		else
			printf("%snull", r > 0 ? ", " : "");
	}
	printf("]}");
}

static void print_result(const struct report *report, const struct result *result)
{
	const struct workload *w = result->workload;
	bool least = (w->flags & WORKLOAD_LEAST) != 0;
	const char *comma = "";

	printf("    {");
	print_field("workload", w->name, ", ");
	print_field("title", w->title, ", ");
	print_field("unit", w->unit, ", ");
	print_field("mark", w->mark, ", ");
	print_field("limit", w->limit, ", ");
	if (w->scale_mark != NULL)
		print_field("scaling_mark", w->scale_mark, ", ");
	printf("\"cost\": %s,\n     \"contenders\": {", (w->flags & WORKLOAD_COST) != 0 ? "true" : "false");
	for (size_t c = 0; c < report->contender_count; c++) {
		if (!report_summary(report, result, c).present)
			continue;
		printf("%s\n      \"%s\": ", comma, report->contenders[c]->name);
		print_samples(report, result->samples[c], least);
		comma = ",";
	}
	printf("},\n     \"ratios\": {");
	comma = "";
	for (size_t c = 0; c < report->contender_count; c++) {
		double ratio = report_ratio(report, result, c);

		if (ratio > 0) {
			printf("%s\"%s\": %.4f", comma, report->contenders[c]->name, ratio);
			comma = ", ";
		}
	}
	printf("},\n     \"scaling\": {");
	comma = "";
	for (size_t c = 0; c < report->contender_count; c++) {
		double scaling = report_scaling(report, result, c);

		if (scaling > 0) {
			printf("%s\"%s\": %.4f", comma, report->contenders[c]->name, scaling);
			comma = ", ";
		}
	}
	printf("}");
	if (sample_summary(result->bare, report->bench->rounds, false).present) {
		printf(",\n     \"bare\": ");
		print_samples(report, result->bare, false);
	}
	printf("}");
}

void report_json(const struct report *report)
{
	const struct bench *bench = report->bench;
	const struct machine *m = &report->machine;

	printf("{\n  \"gkv\": \"%s\", ", gkv_version());
	print_field("lmdb", mdb_version(NULL, NULL, NULL), ",\n  \"machine\": {");
	print_field("processor", m->processor, ", ");
	print_field("kernel", m->kernel, ", ");
	print_field("file_system", m->file_system, ", ");
	print_field("disk", m->disk, ", ");
	print_field("compiler", m->compiler, ", ");
	printf("\"processors\": %ld, \"memory_gib\": %.1f},\n", m->processors, m->memory_gib);
	printf("  \"records\": %u, \"value_bytes\": %u, \"operations\": %u, \"commits\": %u, \"rounds\": %u, "
	       "\"seed\": %llu, \"verify\": %s, \"seconds\": %llu,\n",
	       bench->records, bench->value_bytes, bench->operations, bench->commits, bench->rounds,
	       (unsigned long long)bench->seed, bench->verify ? "true" : "false", (unsigned long long)report->seconds);
	printf("  ");
	print_field("reference", bench->reference, ",\n");
	printf("  \"promises\": {");
	for (size_t c = 0; c < report->contender_count; c++)
		print_field(report->contenders[c]->name, report->contenders[c]->promise,
			    c + 1 < report->contender_count ? ",\n    " : "},\n");
	printf("  \"results\": [\n");
	for (size_t i = 0; i < report->result_count; i++) {
		print_result(report, &report->results[i]);
		printf("%s\n", i + 1 < report->result_count ? "," : "");
	}
	printf("  ]\n}\n");
}
