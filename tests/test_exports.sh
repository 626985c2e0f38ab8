#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# The shared library shows the functions of gkv.h and gravity.h that it defines, under the version of the symbol map,
# and no other name; it needs no library but those of the C system; and it has none of the faults that tests build in.
set -euo pipefail
export LC_ALL=C
srcdir=${abs_top_srcdir:-.}
builddir=${abs_top_builddir:-.}
library=$builddir/.libs/libgkv.so

[ -e "$library" ] || { echo 'there is no shared library in this build'; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-exports.XXXXXX")
trap 'rm -rf "$work"' EXIT
checks=0 failures=0

# same WHAT FILE FILE: both hold the same lines.
same() {
	checks=$((checks + 1))
	if diff "$2" "$3" >"$work/diff"; then
		return
	fi
	failures=$((failures + 1))
	echo "$1:"
	cat "$work/diff"
}

# Each name with the version that it has: a program that was linked against it finds it under that one alone.
awk '/^GKV_/ { version = $1 } /^\tg[a-z_]*;$/ { sub(/;/, "", $1); print $1 "@@" version }' "$srcdir/libgkv.map" |
	sort >"$work/versions"
nm -D --defined-only "$library" | awk '$2 != "A" { print $3 }' | sort >"$work/shown"
same 'symbol map (<) and names that the library shows (>)' "$work/versions" "$work/shown"
sed 's/@@.*//' "$work/versions" | sort >"$work/map"

# Declared in the headers: a name before a parenthesis that is not a typedef.
grep -hv typedef "$srcdir/arena/gravity.h" "$srcdir/kvstore/gkv.h" | grep -oE '\b(gkv|gravity)_[a-z_]+ *\(' |
	tr -d ' (' | sort -u >"$work/declared"
nm "$builddir/.libs/libgkv_internal.a" | awk '$2 == "T" { print $3 }' | sort -u >"$work/defined"
comm -12 "$work/declared" "$work/defined" >"$work/public"
same 'functions of the headers that are defined (<) and symbol map (>)' "$work/public" "$work/map"

# The faults of arena/broken.h: a name and a variable of the environment give them away, where there are any.
broken_in() {
	{
		nm "$1" | awk 'NF > 1 && $NF ~ /^broken/ { print $NF }'
		grep -ao 'GKV_BROKEN' "$1" || true
	} | sort -u
}
: >"$work/nothing"
for file in "$library" "$builddir/.libs/libgkv_internal.a"; do
	broken_in "$file" >"$work/broken"
	same "nothing (<) and signs of faults in ${file##*/} (>)" "$work/nothing" "$work/broken"
done
printf '%s\n' GKV_BROKEN broken_choose broken_fault | sort >"$work/signs"
broken_in "$builddir/tests/libgkv_broken.a" >"$work/broken"
same 'signs of faults (<) and those in the broken build (>)' "$work/signs" "$work/broken"

if [ -z "${GKV_INSTRUMENT_FLAGS:-}" ]; then
	objdump -p "$library" | awk '$1 == "NEEDED" { print $2 }' |
		grep -vE '^(libc|libpthread|ld-linux[-a-z0-9_]*)\.so' >"$work/needed" || true
	same 'nothing (<) and libraries that it needs beside libc (>)' "$work/nothing" "$work/needed"
fi

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
