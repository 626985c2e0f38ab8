#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Every source file is as clang-format leaves it with the settings in .clang-format. Versions of it differ in what they
# leave: the tree is looked at by version 14 alone. Another version only has to notice the file that is planted.
set -euo pipefail
export LC_ALL=C
version=14
cd "${abs_top_srcdir:-.}"

format=
for tool in clang-format-$version clang-format; do
	if command -v $tool >/dev/null 2>&1; then
		format=$tool
		break
	fi
done
if [ -z "$format" ]; then
	echo 'skipped: clang-format is not there'
	exit 77
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-format.XXXXXX")
trap 'rm -rf "$work"' EXIT
checks=0 failures=0
fail() {
	failures=$((failures + 1))
	echo "$1"
}

# differs FILE...: prints each that clang-format would change; where it fails otherwise, what it says.
differs() {
	! "$format" --style=file --dry-run -Werror "$@" >"$work/said" 2>&1 || return 0
	if grep -q ': error: ' "$work/said"; then
		sed -nE 's/:[0-9]+:[0-9]+: error: .*//p' "$work/said" | sort -u
	else
		echo "failed: $(head -n 5 "$work/said")"
	fi
}

# Of two files the bad one is named.
cp .clang-format "$work"
printf 'static int f(void)\n{\n\treturn 0;\n}\n' >"$work/good.c"
printf 'static int f(void) {\n    return 0;\n}\n' >"$work/bad.c"
checks=$((checks + 1))
found=$(differs "$work/good.c" "$work/bad.c")
[ "$found" = "$work/bad.c" ] || fail "not the planted file alone is noticed: $found"

said=$("$format" --version)
if [[ $said =~ version\ $version\. ]]; then
	mapfile -t files < <(find arena kvstore cli tests -name '*.[ch]' | sort)
	checks=$((checks + 1))
	[ "${#files[@]}" -gt 100 ] || fail "there are only ${#files[@]} source files"
	checks=$((checks + 1))
	found=$(differs "${files[@]}")
	[ -z "$found" ] || fail "$format -i would change:
$found"
else
	echo "the tree was not looked at, which is formatted by version $version: $said"
fi

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
