#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# What the suites are linked with. One that includes no header of the library but gkv.h and gravity.h is a suite of the
# interface (SUITES_LIBRARY of tests/Makemodule.am): it runs against the library. Every other one runs against the separate
# objects (SUITES_INTERNAL).
set -euo pipefail
export LC_ALL=C
srcdir=${abs_top_srcdir:-$PWD}
builddir=${abs_top_builddir:-$PWD}
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-linked.XXXXXX")
trap 'rm -rf "$work"' EXIT
. "$srcdir/tests/holds.sh"

# suites VARIABLE: what tests/Makemodule.am lists.
suites() {
	awk -v name="$1" '$1 == name && $2 == "=" { inside = 1; next } inside && !/^\t/ { exit } inside { print $1 }' \
		"$srcdir/tests/Makemodule.am"
}

# inside TREE SUITE: each header of internals that the suite, or a file of tests/ that it uses, includes. A header of tests/
# brings the source of the same name with it.
inside() {
	local tree=$1 file to
	local -a todo=("$2.c")
	local -A seen=()
	while [ "${#todo[@]}" -gt 0 ]; do
		file=${todo[-1]}
		unset 'todo[-1]'
		[ -z "${seen[$file]:-}" ] && [ -e "$tree/$file" ] || continue
		seen[$file]=1
		while read -r to; do
			case $to in
			tests/*) todo+=("$to" "${to%.h}.c") ;;
			kvstore/gkv.h | arena/gravity.h | gkv.h | gravity.h) ;;
			*) echo "$file includes $to" ;;
			esac
		done < <(sed -nE 's/^[ \t]*#[ \t]*include[ \t]*"([^"]*)".*/\1/p' "$tree/$file")
	done
}

for suite in $(suites SUITES_LIBRARY); do
	inside "$srcdir" "$suite" | sed "s|^|$suite: |"
done >"$work/inside"
holds 'suites of the interface that use internals' empty "$work/inside"
for suite in $(suites SUITES_INTERNAL); do
	[ -n "$(inside "$srcdir" "$suite")" ] || echo "$suite"
done >"$work/outside"
holds 'suites of internals that use none' empty "$work/outside"
{ suites SUITES_LIBRARY && suites SUITES_INTERNAL && suites MOVING_SUITES | grep -x 'tests/moving/test_moving'; } | sort >"$work/listed"
(cd "$srcdir" && find tests -name 'test_*.c' | sed 's/\.c$//' | sort) >"$work/there"
diff "$work/listed" "$work/there" >"$work/unlisted" || true
holds 'suites that are listed (<), and that there are (>)' empty "$work/unlisted"

# What is planted is noticed.
mkdir -p "$work/tree/tests"
printf '#include "tests/fixture.h"\n#include "kvstore/gkv.h"\n' >"$work/tree/tests/test_planted.c"
: >"$work/tree/tests/fixture.h"
inside "$work/tree" tests/test_planted >"$work/found"
holds 'internals in a suite that uses none' empty "$work/found"
printf '#include "arena/core.h"\n' >"$work/tree/tests/fixture.c"
[ -n "$(inside "$work/tree" tests/test_planted)" ] && : >"$work/found" || echo 'a fixture that uses internals' >"$work/found"
holds 'not noticed' empty "$work/found"

# Names of the separate objects in a program of the interface: the library has made them its own. Where lines are counted it
# is made of those objects.
case " ${GKV_INSTRUMENT_FLAGS:-} " in
*' --coverage '*) ;;
*)
	nm "$builddir/.libs/libgkv_internal.a" | awk 'NF == 3 && $2 == "T" { print $3 }' | grep -vE '^(gkv|gravity)_' |
		sort -u >"$work/names"
	for suite in $(suites SUITES_LIBRARY); do
		nm -g --defined-only "$builddir/$suite" | awk 'NF == 3 { print $3 }' | sort -u | comm -12 - "$work/names" |
			sed "s|^|$suite: |"
	done >"$work/separate"
	holds 'suites of the interface that are linked with the separate objects' empty "$work/separate"
	nm -g --defined-only "$builddir/tests/kvstore/test_hooks" | awk 'NF == 3 { print $3 }' | sort -u |
		comm -12 - "$work/names" >"$work/separate"
	[ -s "$work/separate" ] && : >"$work/found" || echo 'the separate objects in tests/kvstore/test_hooks' >"$work/found"
	holds 'not noticed' empty "$work/found"
	;;
esac

holds_end
