#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# What ./bootstrap asks for on a machine that has nothing: the tools of a build, and with check those of the tests, too.
# The machine is a PATH with a few basic tools; without apt-get the packages are named and nothing is done.
set -euo pipefail
export LC_ALL=C
bootstrap=${abs_top_srcdir:-$PWD}/bootstrap
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-bootstrap.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
for tool in bash cat dirname env id tr; do
	ln -s "$(command -v "$tool")" "$work/bin/$tool"
done

checks=0 failures=0
verdict() {
	checks=$((checks + 1))
	[ "$2" = 0 ] && return
	failures=$((failures + 1))
	echo "not so: $1"
	sed 's/^/    /' "$work/said"
}

# missing VERB: the packages that are named, one a line; it has to end with 1.
missing() {
	local rc=0
	PATH=$work/bin CC= bash "$bootstrap" "$1" </dev/null >"$work/said" 2>&1 || rc=$?
	verdict "bootstrap $1 ends with 1 without its tools" $((rc != 1))
	sed -n 's/^bootstrap: missing: //p' "$work/said" | tr ' ' '\n' | sort >"$work/$1"
}

missing build
missing check
for package in autoconf automake check gcc libtool libxxhash-dev make pkg-config; do
	grep -qx "$package" "$work/build" && rc=0 || rc=$?
	verdict "bootstrap build asks for $package" "$rc"
done
printf '%s\n' binutils bsdutils lmdb-utils util-linux >"$work/want"
comm -13 "$work/build" "$work/check" >"$work/more"
cmp -s "$work/want" "$work/more" && rc=0 || rc=$?
verdict "bootstrap check asks for the tools of the tests, too: $(tr '\n' ' ' <"$work/more")" "$rc"

# Every tool that a test skips itself without is among them.
for tool in mdb_dump mdb_load script setpriv nm objdump; do
	ln -s "$(command -v bash)" "$work/bin/$tool"
done
missing check
comm -13 "$work/build" "$work/check" >"$work/more"
[ ! -s "$work/more" ] && rc=0 || rc=$?
verdict 'and for none that is there' "$rc"

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
