#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# The library as one file: it compiles without a warning, needs nothing but its two headers, and shows no name but theirs;
# so does the static library, which is made of it. Two shared objects with a copy each do not share it.
set -euo pipefail
export LC_ALL=C
builddir=${abs_top_builddir:-.}
srcdir=${abs_top_srcdir:-.}
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-amalgamation.XXXXXX")
trap 'rm -rf "$work"' EXIT
. "$srcdir/tests/holds.sh"

for file in gkv.c gkv.h gravity.h; do
	for dir in "$builddir" "$srcdir"; do
		if [ -e "$dir/amalgamation/$file" ]; then
			cp "$dir/amalgamation/$file" "$work/$file"
			break
		fi
	done
done
cd "$work"

not() {
	! "$@"
}

# No global name but those of the headers.
ours() {
	! nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | grep -vE '^(gkv|gravity)_'
}

flags='-Wall -Wextra -Wconversion -Werror'
for cc in "${CC:-cc}" clang; do
	command -v ${cc%% *} >/dev/null || continue
	newest=gnu23
	echo | $cc -std=gnu23 -fsyntax-only -x c - 2>/dev/null || newest=gnu2x
	# Each standard and each way of optimising once: a compilation takes seconds.
	for how in '-std=c11 -O2' "-std=$newest -Os" '-std=c11 -O1 -flto'; do
		# shellcheck disable=SC2086
		holds "$cc $how compiles it" $cc $how $flags -c gkv.c -o gkv.o
		case $how in
		*lto*) ;;
		*) holds "$cc $how: its names" ours gkv.o ;;
		esac
	done
done
echo 'int gkv_own; int map_open(void); int map_open(void) { return gkv_own; }' >planted.c
${CC:-cc} -c planted.c -o planted.o
holds 'a name that is not ours would be noticed' not ours planted.o
if [ -z "${GKV_INSTRUMENT_FLAGS:-}" ] && [ -e "$builddir/.libs/libgkv.a" ]; then
	holds 'the names of libgkv.a' ours "$builddir/.libs/libgkv.a"
fi

# Names that the library had once to itself, in a program of its own.
cat >program.c <<'END'
#include "gkv.h"
#include "gravity.h"
#include <stdio.h>

int map_open(void);
int diagnose(void);
int recover;
int map_open(void) { return 1; }
int diagnose(void) { return 2; }

int main(void)
{
	gkv *db;
	return gkv_open(NULL, NULL, &db) != GKV_OK || gkv_put(db, "key", 3, "value", 5) != GKV_OK || gkv_close(db) != GKV_OK;
}
END
# shellcheck disable=SC2086
holds 'a program is compiled with it' ${CC:-cc} -O2 program.c gkv.c -o program -lpthread
holds 'and runs' ./program

cat >part.c <<'END'
#include "gkv.h"
void *NAME(void);
void *NAME(void) { return (void *)(uintptr_t)gkv_open; }
END
cat >both.c <<'END'
void *one(void);
void *two(void);
int main(void) { return one() == two(); }
END
both() {
	local part
	${CC:-cc} -O1 -fPIC -c gkv.c -o hidden.o
	for part in one two; do
		${CC:-cc} -fPIC -shared -DNAME=$part part.c hidden.o -o lib$part.so -lpthread
		! nm -D --defined-only lib$part.so | grep -E ' (gkv|gravity)_' || return 1
	done
	${CC:-cc} both.c ./libone.so ./libtwo.so -o both && ./both
}
holds 'two shared objects have two copies' both

holds_end
