#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# On a machine of another byte order, or of 32 bits, the library does not compile, nor does a program with one of its
# headers, and the compiler says why in one sentence: there is no build that could write such a file. configure says so,
# too. (What becomes of a file that one has written all the same: tests/kvstore/test_golden.c.)
set -euo pipefail
export LC_ALL=C
cd "${abs_top_srcdir:-.}"
top=$PWD
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-machine.XXXXXX")
trap 'rm -rf "$work"' EXIT

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
	local header=$1
	shift
	# shellcheck disable=SC2086
	printf '#include "%s"\nint nothing;\n' "$header" | ${CC:-cc} -std=c11 -fsyntax-only -I. "$@" -x c - 2>&1
}

# refused WHAT HEADER OPTION...: it does not compile, and the reason is named.
refused() {
	local what=$1 said status
	shift
	said=$(compile "$@") && status=1 || status=0
	count "$what: $1 does not compile" "$status"
	grep -q 'error.*gkv needs a 64-bit little-endian system: ' <<<"$said" && status=0 || status=$?
	count "$what: $1 says why" "$status"
}

# Whether the compiler knows another machine, be it without that one's C library.
knows() {
	# shellcheck disable=SC2086
	${CC:-cc} "$@" -E -x c /dev/null >/dev/null 2>&1
}

for header in arena/file/disk.h arena/gravity.h kvstore/gkv.h; do
	compile "$header" >/dev/null && status=0 || status=$?
	count "this machine compiles $header" "$status"
	refused 'another byte order' "$header" -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__
	refused '32 bits' "$header" -U__LP64__
	if knows -m32; then
		refused 'a compiler of 32 bits' "$header" -m32
	fi
done

# not_configured WHAT ANSWER: configure, told the answer to one of its questions, ends with a sentence.
not_configured() {
	local status
	mkdir "$work/build"
	(cd "$work/build" && "$top/configure" --quiet "$2" >../said 2>&1) && status=1 || status=0
	count "configure refuses $1" "$status"
	grep -q "error: gkv needs a $1 system: " "$work/said" && status=0 || status=$?
	count "configure says that it has to be $1" "$status"
	rm -rf "$work/build"
}

# A source folder that is itself configured cannot be built from elsewhere.
if [ -x configure ] && [ ! -e config.status ]; then
	not_configured 64-bit ac_cv_sizeof_void_p=4
	not_configured little-endian ac_cv_c_bigendian=yes
fi

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
