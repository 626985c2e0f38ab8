#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# On a machine of another byte order the library does not compile, and the compiler says why: there is no build that
# could write such a file. (What becomes of a file that one has written all the same: tests/test_golden.c.)
set -euo pipefail
export LC_ALL=C
cd "${abs_top_srcdir:-.}"

checks=0 failures=0
count() {
	checks=$((checks + 1))
	if [ "$2" != 0 ]; then
		failures=$((failures + 1))
		printf 'failed: %s\n' "$1"
	fi
}

# Of a compiler with options, as in CC='gcc -m32', the words are meant to be split.
compile() {
	# shellcheck disable=SC2086
	printf '#include "arena/file/disk.h"\nint nothing;\n' | ${CC:-cc} -std=c11 -fsyntax-only -I. "$@" -x c - 2>&1
}

compile >/dev/null && status=0 || status=$?
count 'this machine compiles it' "$status"
said=$(compile -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__) && status=1 || status=0
count 'a machine of another byte order does not' "$status"
grep -q 'error.*little-endian' <<<"$said" && status=0 || status=$?
count 'and the compiler says why' "$status"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
