/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Findings: what does not verify in a store, as messages or as JSON. One at a time is in memory. */

#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "cli/findings.h"
#include "cli/message.h"
#include "cli/utf8.h"

bool json_text_write(struct sink *sink, const char *text)
{
	const bool valid = utf8_valid(text, strlen(text));

	sink_byte(sink, '"');
	for (; *text != '\0'; text++) {
		const unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			sink_byte(sink, '\\');
		if (c < 0x20 || c == 0x7f)
			sink_print(sink, "\\u%04x", c);
		else
			sink_byte(sink, c < 0x80 || valid ? *text : '?');
	}
	return sink_byte(sink, '"');
}

static void findings_open(struct findings *findings)
{
	if (findings->opened)
		return;
	findings->opened = true;
	sink_stdout(&findings->out);
	sink_text(&findings->out, "{\"findings\":[");
}

int finding_take(void *arg, const char *finding)
{
	struct findings *findings = arg;

	if (findings->json) {
		findings_open(findings);
		if (findings->count > 0)
			sink_byte(&findings->out, ',');
		json_text_write(&findings->out, finding);
	} else {
		say(findings->path, "%s", finding);
	}
	findings->count++;
	return 0;
}

void findings_end(struct findings *findings)
{
	if (!findings->json)
		return;
	findings_open(findings);
	sink_byte(&findings->out, ']');
}

enum status findings_close(struct findings *findings, enum status status)
{
	if (!findings->opened)
		return status;
	sink_text(&findings->out, "}\n");
	return sink_close(&findings->out, status);
}
