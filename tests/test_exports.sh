#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# The shared library shows the functions of gkv.h and gravity.h that it defines, under the version of the symbol map,
# and no other name; and it needs no library but those of the C system.
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

sed -n 's/^[[:space:]]*\(g[a-z_]*\);$/\1/p' "$srcdir/libgkv.map" | sort >"$work/map"
nm -D --defined-only "$library" | awk '$2 != "A" { sub(/@@?GKV_0\.1$/, "", $3); print $3 }' | sort >"$work/shown"
same 'symbol map (<) and names that the library shows (>)' "$work/map" "$work/shown"

# Declared in the headers: a name before a parenthesis that is not a typedef.
grep -hv typedef "$srcdir/arena/gravity.h" "$srcdir/kvstore/gkv.h" | grep -oE '\b(gkv|gravity)_[a-z_]+ *\(' |
	tr -d ' (' | sort -u >"$work/declared"
nm "$builddir/.libs/libgkv_internal.a" | awk '$2 == "T" { print $3 }' | sort -u >"$work/defined"
comm -12 "$work/declared" "$work/defined" >"$work/public"
same 'functions of the headers that are defined (<) and symbol map (>)' "$work/public" "$work/map"

if [ -z "${GKV_INSTRUMENT_FLAGS:-}" ]; then
	objdump -p "$library" | awk '$1 == "NEEDED" { print $2 }' |
		grep -vE '^(libc|libpthread|ld-linux[-a-z0-9_]*)\.so' >"$work/needed" || true
	: >"$work/nothing"
	same 'nothing (<) and libraries that it needs beside libc (>)' "$work/nothing" "$work/needed"
fi

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
