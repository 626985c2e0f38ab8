#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# The floors of docs/architecture.md: a file includes and calls only what stands on its own floor or below. Includes are
# read from the sources. Calls are read from the symbols of the objects, so that one without an include is found, too. No
# more than two files call each other in a circle.
set -euo pipefail
export LC_ALL=C
srcdir=${abs_top_srcdir:-$PWD}
builddir=${abs_top_builddir:-$PWD}
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-floors.XXXXXX")
trap 'rm -rf "$work"' EXIT

. "$srcdir/tests/holds.sh"

# The table, from the top down: "PLACE HEIGHT NAME" for each folder (it ends in a slash) and each file of a floor.
awk -F ' *[|] *' '
	/^\| floor \|/ { inside = 1; next }
	inside && !/^\|/ { exit }
	inside && $2 !~ /^-/ {
		height--
		n = split($3, place, " ")
		for (i = 1; i <= n; i++)
			if (gsub(/`/, "", place[i]) == 2)
				print place[i], height + 100, $2
	}' "$srcdir/docs/architecture.md" >"$work/floors"

# floors FILE...: "FILE HEIGHT NAME" for each; a file stands where the table names it, or else the folder that it is in.
floors() {
	printf '%s\n' "$@" | awk '
		NR == FNR { height[$1] = $2; name[$1] = $3; next }
		{
			folder = $1
			sub(/[^\/]*$/, "", folder)
			at = $1 in height ? $1 : folder
			print $1, at in height ? height[at] " " name[at] : "- -"
		}' "$work/floors" -
}

# includes_up TREE FILE...: prints each include that goes up, or that leads to no file of the tree.
includes_up() {
	local tree=$1
	shift
	(cd "$tree" && floors "$@") >"$work/height"
	(cd "$tree" && grep -HoE '^[ \t]*#[ \t]*include[ \t]*"[^"]*"' "$@" || true) | awk '
		NR == FNR { height[$1] = $2; name[$1] = $3; next }
		{
			file = $0
			sub(/:.*/, "", file)
			split($0, part, "\"")
			to = part[2] == "gkv.h" || part[2] == "gravity.h" ? (part[2] == "gkv.h" ? "kvstore/" : "arena/") part[2] : part[2]
			if (!(to in height))
				print file " includes " to ", which stands on no floor"
			else if (height[to] > height[file])
				print file " (" name[file] ") includes " to " (" name[to] ")"
		}' "$work/height" -
}

# prototypes TREE FILE...: prints what a source declares of others: that is what headers are for.
prototypes() {
	local tree=$1
	shift
	(cd "$tree" && awk '
		FNR == 1 { statement = ""; comment = 0 }
		{
			line = $0
			gsub(/\/\*[^*]*\*\//, "", line)
			if (comment) {
				if (line !~ /\*\//) next
				sub(/^.*\*\//, "", line)
				comment = 0
			}
			if (line ~ /\/\*/) { sub(/\/\*.*/, "", line); comment = 1 }
		}
		line ~ /(^|[^A-Za-z0-9_])extern[^A-Za-z0-9_]/ { print FILENAME ":" FNR ": " line }
		statement == "" && line ~ /^[A-Za-z_]/ && line !~ /^(static|typedef|extern)[^A-Za-z0-9_]/ { statement = " " }
		statement != "" {
			statement = statement line
			if (line ~ /[{=]/) statement = ""
			else if (line ~ /;/) {
				if (statement ~ /^ [A-Za-z_][A-Za-z0-9_ *]*[ *][A-Za-z0-9_]+\(.*\);/ && statement !~ /^ _Static_assert/)
					print FILENAME ":" FNR ":" statement
				statement = ""
			}
		}' "$@")
}

# symbols DIR FILE.c...: of each object in the build folder "FILE.c O", and "FILE.c D|U SYMBOL" for what it has and lacks.
symbols() {
	local dir=$1 file object
	shift
	for file; do
		object=$dir/${file%.c}.o
		[ -e "$object" ] || object=$(dirname "$object")/.libs/$(basename "$object")
		[ -e "$object" ] || continue
		nm "$object" | awk -v file="$file" '
			BEGIN { print file, "O" }
			NF == 2 && $1 == "U" { print file, "U", $2 }
			NF == 3 && $2 ~ /^[A-TV-Z]$/ { print file, "D", $3 }'
	done
}

# calls FLOORS SYMBOLS: "FILE FILE HEIGHT HEIGHT SYMBOL" for each symbol of the one that is defined in the other.
calls() {
	awk '
		FILENAME == ARGV[1] { height[$1] = $2; next }
		$2 == "D" { from[$3] = $1; next }
		$2 == "U" { used[++n] = $1 " " $3 }
		END {
			for (i = 1; i <= n; i++) {
				split(used[i], u, " ")
				if (u[2] in from)
					print u[1], from[u[2]], height[u[1]], height[from[u[2]]], u[2]
			}
		}' "$1" "$2"
}

calls_up() {
	awk '$4 > $3 { print $1 " calls " $5 " of " $2 }' "$1"
}

# circles CALLS: each set of more than two files of which each one leads to each other one.
circles() {
	awk '
		{ to[$1] = to[$1] " " $2; node[$1]; node[$2] }
		function walk(start, at,   next_, n, i) {
			n = split(to[at], next_, " ")
			for (i = 1; i <= n; i++)
				if (!((start, next_[i]) in reached)) { reached[start, next_[i]]; walk(start, next_[i]) }
		}
		END {
			for (one in node)
				walk(one, one)
			for (one in node) {
				if (one in told)
					continue
				count = 0
				set = ""
				for (other in node)
					if ((one, other) in reached && (other, one) in reached) {
						count++
						told[other]
						set = set " " other
					}
				if (count > 2)
					print "a circle:" set
			}
		}' "$1"
}

# --- the tree ---

cd "$srcdir"
sources=$(find arena kvstore cli -name '*.[ch]' | sort)
set -f
# shellcheck disable=SC2086
set -- $sources
set +f
units=$(printf '%s\n' "$@" | grep '\.c$')

[ "$(awk '{ print $3 }' "$work/floors" | sort -u | wc -l)" -ge 8 ] && : >"$work/none" || echo 'there is no table' >"$work/none"
holds 'floors of docs/architecture.md' empty "$work/none"
while read -r place _ _; do
	[ -e "$place" ] || echo "$place"
done <"$work/floors" >"$work/missing"
holds 'named as part of a floor, and not there' empty "$work/missing"
floors "$@" | awk '$2 == "-" { print $1 }' >"$work/homeless"
holds 'on no floor' empty "$work/homeless"
includes_up . "$@" >"$work/up"
holds 'includes that go up' empty "$work/up"
# shellcheck disable=SC2086
prototypes . $units >"$work/prototypes"
holds 'functions of other files that are declared in a source' empty "$work/prototypes"

floors "$@" >"$work/height"
# shellcheck disable=SC2086
symbols "$builddir" $units >"$work/symbols"
# shellcheck disable=SC2086
printf '%s\n' $units | awk 'NR == FNR { seen[$1]; next } !($1 in seen)' "$work/symbols" - >"$work/unbuilt"
holds 'sources without an object in the build' empty "$work/unbuilt"
calls "$work/height" "$work/symbols" >"$work/calls"
[ "$(wc -l <"$work/calls")" -ge 500 ] && : >"$work/few" || echo "$(wc -l <"$work/calls")" >"$work/few"
holds 'too few calls to be true' empty "$work/few"
calls_up "$work/calls" >"$work/up"
holds 'calls that go up' empty "$work/up"
circles "$work/calls" >"$work/circles"
holds 'circles of more than two files' empty "$work/circles"

# --- what is planted is noticed ---

mkdir -p "$work/tree/arena/os" "$work/tree/arena/log" "$work/tree/arena/move" "$work/tree/arena/new"
cp arena/arena.h "$work/tree/arena/"
printf '#include "arena/arena.h"\n' >"$work/tree/arena/os/planted.c"
includes_up "$work/tree" arena/arena.h arena/os/planted.c | grep 'arena/os/planted.c' >"$work/found" || true
holds 'an include that goes up is noticed' test -s "$work/found"
floors arena/new/planted.c | awk '$2 == "-"' >"$work/found"
holds 'a folder that is on no floor is noticed' test -s "$work/found"

printf '%s\n' '/* nothing but */' 'extern int arena_checkpoint(struct arena *a);' >"$work/tree/arena/log/planted.c"
prototypes "$work/tree" arena/log/planted.c >"$work/found"
holds 'a declaration with extern is noticed' test -s "$work/found"
printf '%s\n' 'int arena_checkpoint(struct arena *a,' '	int b);' >"$work/tree/arena/log/planted.c"
prototypes "$work/tree" arena/log/planted.c >"$work/found"
holds 'a declaration without is noticed' test -s "$work/found"
printf '%s\n' 'static int mine(int a);' 'typedef int visit(int a);' 'int other(int a)' '{' '	return mine(a);' '}' \
	'int table[] = {1};' >"$work/tree/arena/log/planted.c"
prototypes "$work/tree" arena/log/planted.c >"$work/found"
holds 'what a source declares of its own' empty "$work/found"

# planted FILE.c FUNCTION CALLED: compiles a source that has the function, which calls the other one.
planted() {
	printf 'int %s(void);\nint %s(void);\nint %s(void)\n{\n\treturn %s() + 1;\n}\n' "$3" "$2" "$2" "$3" >"$work/tree/$1"
	# shellcheck disable=SC2086
	${CC:-cc} -O1 -c -o "$work/tree/${1%.c}.o" "$work/tree/$1"
}
# with_planted FILE.c...: the calls of the tree, with those of these.
with_planted() {
	{ cat "$work/height" && floors "$@"; } >"$work/height.planted"
	{ cat "$work/symbols" && symbols "$work/tree" "$@"; } >"$work/symbols.planted"
	calls "$work/height.planted" "$work/symbols.planted"
}
planted arena/os/planted.c planted_one arena_checkpoint
with_planted arena/os/planted.c >"$work/calls.planted"
calls_up "$work/calls.planted" | grep 'arena/os/planted.c' >"$work/found" || true
holds 'a call that goes up without an include is noticed' test -s "$work/found"
planted arena/move/planted1.c planted_one planted_two
planted arena/move/planted2.c planted_two planted_three
planted arena/move/planted3.c planted_three planted_one
with_planted arena/move/planted1.c arena/move/planted2.c arena/move/planted3.c >"$work/calls.planted"
circles "$work/calls.planted" | grep 'arena/move/planted1.c' >"$work/found" || true
holds 'a circle of three files is noticed' test -s "$work/found"

holds_end
