#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# What the documents say is so: the README's program and command lines give what is shown below them, the programs of the
# manual pages run, every function and code of the headers is in its manual page, every file, function and constant that is
# named exists, docs/architecture.md tells of every file of the library, and docs/format.md describes the files that the library makes (format_example.c reads them by that page alone).
set -euo pipefail
export LC_ALL=C
srcdir=${abs_top_srcdir:-$PWD}
builddir=${abs_top_builddir:-$PWD}
GKV=${GKV:-$builddir/gkv}
CC=${CC:-cc}
readme=$srcdir/README.md

# A finding of a sanitizer must not look like an exit status of gkv.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99"
export UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}halt_on_error=1:exitcode=99"

library=
for candidate in "$builddir/.libs/libgkv.a" "$builddir/.libs/libgkv_internal.a"; do
	if [ -z "$library" ] && [ -e "$candidate" ]; then
		library=$candidate
	fi
done
[ -n "$library" ] || { echo "there is no static library in $builddir/.libs"; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-readme.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir bin
ln -s "$GKV" bin/gkv
. "$srcdir/tests/holds.sh"

# fenced FILE LANGUAGE: the first fenced block of that language, without its fences.
fenced() {
	awk -v open="\`\`\`$2" '$0 == open && !done { inside = 1; next } /^```$/ && inside { inside = 0; done = 1 } inside' "$1"
}

# program NAME: NAME.c compiles without a warning, with nothing but the public headers and the library.
program() {
	# CC and the flags may be several words.
	# shellcheck disable=SC2086
	$CC -std=c11 -Wall -Wextra -Wpedantic -Werror ${GKV_INSTRUMENT_FLAGS:-} -I "$srcdir/kvstore" -I "$srcdir/arena" \
		"$1.c" -o "$1" "$library" -pthread
}

# gives NAME: the program NAME succeeds and prints what stands in NAME.want.
gives() {
	mkdir "$1.dir"
	(cd "$1.dir" && "../$1") >"$1.got" && diff "$1.want" "$1.got"
}

# --- the README's program ---

fenced "$readme" c >readme.c
fenced "$readme" text >readme.want
holds 'the README shows a program' test -s readme.c
holds 'the README shows what its program prints' test -s readme.want
holds 'the program of the README compiles' program readme
holds 'the program of the README prints what is shown' gives readme

# --- the README's command lines: after "$ " a command, below it what it prints ---

session() {
	fenced "$readme" console
}

mkdir session
session >session.all
holds 'the README shows command lines' grep -q '^\$ gkv ' session.all
awk '/^\$ / { n++; file = sprintf("session.%03d", n); print substr($0, 3) >(file ".command"); printf "" >(file ".want"); next }
	n { print >(file ".want") }' session.all
for command in session.*.command; do
	base=${command%.command}
	(cd session && PATH="$work/bin:$PATH" bash "../$command" >"../$base.got" 2>&1 </dev/null) || true
	holds "$(cat "$command") prints what is shown (<)" diff "$base.want" "$base.got"
done

# --- the manual pages' programs ---

# example PAGE: the program of its section EXAMPLES.
example() {
	awk '/^\.Sh / { wanted = $2 == "EXAMPLES" } /^\.Ed/ { inside = 0 } inside { print } /^\.Bd -literal/ { inside = wanted }' \
		"$srcdir/docs/$1" | sed 's/\\e/\\/g'
}

example gkv.3 >gkv3.c
echo '/index 1' >gkv3.want
example gravity.3 >gravity3.c
echo 'hello' >gravity3.want
for name in gkv3 gravity3; do
	holds "the program of $name compiles" program "$name"
	holds "the program of $name prints what it should" gives "$name"
done

# --- the words of docs/architecture.md: the code uses each of them ---

words() {
	awk '/^## / { inside = $0 == "## Words" } inside && /^\| / && !/^\| word / { split($0, part, "|"); print part[2] }' \
		"$srcdir/docs/architecture.md" | tr ',' '\n' | sed 's/^ *//; s/ *$//'
}
cat "$srcdir"/arena/*.[ch] "$srcdir"/arena/*/*.[ch] "$srcdir"/kvstore/*.[ch] >words.c
holds 'there are words' test "$(words | wc -l)" -ge 40
while read -r word; do
	holds "$word, a word of docs/architecture.md, is in the sources" grep -qiw -- "$word" words.c
done < <(words)

# --- the walk of docs/architecture.md: at most ten stations a table, each a function that its file defines ---

walk() {
	awk '/^## / { inside = $0 ~ /^## A walk/ } inside && /^\| [0-9]+ \| `/ { gsub(/`/, ""); print $2, $4, $6 }' \
		"$srcdir/docs/architecture.md"
}
holds 'the walk has a put and a get' test "$(walk | awk '$1 == 1' | wc -l)" = 2
holds 'no walk has more than ten stations' test "$(walk | awk '$1 > most { most = $1 } END { print most + 0 }')" -le 10
while read -r number file function; do
	holds "station $number: $function is defined in $file" grep -qE "^[a-z].*[ *]$function\(" "$srcdir/$file"
done < <(walk)

# --- headers and manual pages ---

# Functions that a header declares, and constants that it names.
functions_of() {
	grep -v '^typedef' "$1" | grep -E '^[a-z].*\(' | grep -oE '\b(gkv|gravity)_[a-z_]+ *\(' | tr -d ' (' | sort -u
}
constants_of() {
	grep -vE '^#ifn?def|^#define (GKV|GRAVITY)_H$|_VERSION_STRING' "$1" |
		sed -nE 's/^[[:space:]]*((#define|enum gravity_planner \{) )?((GKV|GRAVITY)_[A-Z]+(_COMMIT)?)\b.*/\3/p' | sort -u
}

for pair in kvstore/gkv.h:gkv.3 arena/gravity.h:gravity.3; do
	header=$srcdir/${pair%:*}
	page=$srcdir/docs/${pair#*:}
	holds "$header declares functions" test "$(functions_of "$header" | wc -l)" -ge 10
	for name in $(functions_of "$header"); do
		holds "$name is named in $(basename "$page")" grep -qE "^\.Nm $name( ,)?\$" "$page"
		holds "$name has a synopsis in $(basename "$page")" grep -qE "^\.Fn $name (\"|void)" "$page"
	done
	holds "$header has codes" test "$(constants_of "$header" | wc -l)" -ge 14
	for name in $(constants_of "$header"); do
		holds "$name is in $(basename "$page")" grep -qE "\b$name\b" "$page"
	done
	if command -v mandoc >/dev/null; then
		holds "$(basename "$page") has no mistakes" mandoc -T lint -W warning "$page"
	fi
done

# --- files that are named ---

exists() {
	compgen -G "$srcdir/$1" || compgen -G "$srcdir/arena/$1" || compgen -G "$srcdir/arena/*/$1" ||
		[ -e "$srcdir/kvstore/$1" ]
}
documents='README.md docs/architecture.md docs/compaction.md docs/crash-safety.md docs/format.md'
for document in $documents; do
	for name in $(grep -oE '`[A-Za-z_./0-9-]+`' "$srcdir/$document" | tr -d '`' | sort -u |
		grep -E '/|\.(h|c|md|sh|1|3)$|^[A-Z]{5,}$' | grep -vE '^/|^build/'); do
		case $name in
		COMMIT | REPLACES | SIGBUS | ENOSPC) continue ;;
		esac
		holds "$name, named in $document, is there" exists "$name"
	done
done

# Links from one document to another, and to pictures.
for document in $documents; do
	for name in $(grep -oE '\]\([A-Za-z_./0-9-]+\)' "$srcdir/$document" | tr -d '()]' | sort -u); do
		holds "$name, which $document links to, is there" test -e "$(dirname "$srcdir/$document")/$name"
	done
done
for picture in "$srcdir"/docs/images/*.svg; do
	holds "$picture is a picture that gkv map made, of at most 60,000 bytes" \
		test "$(wc -c <"$picture")" -le 60000 -a "$(head -c 4 "$picture")" = '<svg'
done

# --- names of C that are named ---

names='[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)+'
for folder in arena kvstore cli tests; do
	find "$srcdir/$folder" -name '*.[ch]' -o -name '*.am' -o -name '*.sh' ! -name test_readme.sh
done | tr '\n' '\0' | xargs -0 grep -hoE "$names" | sort -u >names.c
holds 'the sources have names' test "$(wc -l <names.c)" -ge 1000
for document in $documents; do
	for name in $(grep -oE '`[A-Za-z0-9_.]+`' "$srcdir/$document" | tr -d '`' | tr '.' '\n' | grep -xE "$names" |
		grep -vx XXH3_64 | sort -u); do
		holds "$name, named in $document, is in the sources" grep -qxF "$name" names.c
	done
done

# --- targets of make that are named ---

for document in $documents; do
	for name in $(grep -oE '`make [a-z-]+' "$srcdir/$document" | cut -d ' ' -f 2 | grep -vx check | sort -u); do
		holds "make $name, named in $document, is a target" grep -qE "^$name:" "$srcdir/tests/Makemodule.am" "$srcdir/Makefile.am"
	done
done

# --- docs/architecture.md tells of every file of the library ---

sed -n '/^## The floors/,/^## The file/p' "$srcdir/docs/architecture.md" >rooms.md
for file in "$srcdir"/arena/*.[ch] "$srcdir"/arena/*/*.[ch] "$srcdir"/kvstore/*.[ch]; do
	name=$(basename "$file")
	holds "${file#"$srcdir/"} is told of in docs/architecture.md" grep -qwF "${name%.*}" rooms.md
done

# --- docs/format.md ---

cp "$srcdir/tests/format_example.c" .
mkdir format
holds 'a reader of the format compiles' program format_example
holds 'docs/format.md describes the files that the library makes' ./format_example format
if read -r more wrong < <(tail -n 1 said) && [[ "$more $wrong" =~ ^[0-9]+\ [0-9]+$ ]]; then
	echo "docs/format.md: $more facts compared, $wrong wrong"
fi

holds_end
