#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: coverage.sh SRCDIR, in the top folder of a build with --enable-coverage whose tests have run: prints the share
# of lines that ran, for each source of arena/ and kvstore/ and for all of them.
set -euo pipefail
srcdir=$1

for source in "$srcdir"/arena/*.c "$srcdir"/arena/*/*.c "$srcdir"/kvstore/*.c; do
	object=${source#"$srcdir"/}
	object=${object%.c}
	[ -e "$object.gcno" ] || continue
	"${GCOV:-gcov}" -n -o "$object.o" "$source" 2>/dev/null |
		awk -v name="$object.c" '
			/^File / { ours = index($0, name "\047") > 0 }
			ours && /^Lines executed:/ { split($0, part, /[:% ]+/); print name, part[3], part[5]; exit }'
done | LC_ALL=C awk '
	{ ran = $2 * $3 / 100; all += $3; all_ran += ran; printf "%-32s %6.2f %% of %5d lines\n", $1, $2, $3 }
	END {
		if (all == 0) { print "no counts: have the tests run here?"; exit 1 }
		printf "%-32s %6.2f %% of %5d lines\n", "arena/ and kvstore/", 100 * all_ran / all, all
	}'
