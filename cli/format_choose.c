/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* Which format the switches of a verb ask for. */

#include "cli/cli.h"

#include "cli/format.h"

const struct format *format_choose(bool tsv, bool json)
{
	if (tsv && json)
		return NULL;
	return tsv ? &format_tsv : json ? &format_json : &format_bdb;
}
