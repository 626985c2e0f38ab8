# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# What the tests of the command share: a folder of their own to work in, ways to run the program and to look at what came
# of it, stores to begin with. Each of them reads it first and ends with `counted`. GKV names the program (./gkv).

set -u

# Signals are what they are for a program that a user starts, also where whoever runs the tests ignores one (nohup).
if [ -z "${GKV_TEST_SIGNALS:-}" ]; then
	GKV_TEST_SIGNALS=default exec env --default-signal=HUP,INT,TERM "${BASH:-sh}" "$0" "$@"
fi

GKV=${GKV:-./gkv}
case $GKV in
/*) ;;
*) GKV=$PWD/$GKV ;;
esac

# A finding of a sanitizer must not look like "a key was not found".
ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}exitcode=99"
UBSAN_OPTIONS="${UBSAN_OPTIONS:+$UBSAN_OPTIONS:}halt_on_error=1:exitcode=99"
TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}exitcode=99"
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS
LC_ALL=C
export LC_ALL

work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-cli.XXXXXX") || exit 99
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
chmod 755 "$work"
cd "$work" || exit 99

checks=0
failures=0
errors=0
tab=$(printf '\t')

# count NAME STATUS: one check is over; STATUS 0: it held.
count()
{
	checks=$((checks + 1))
	if [ "$2" -ne 0 ]; then
		failures=$((failures + 1))
		echo "not ok: $1"
		[ -s err ] && sed 's/^/    stderr: /' err | head -n 3
	fi
	return 0
}

# run COMMAND...: standard input is the file `in` (empty unless it was written), out and err take the output.
run()
{
	"$@" <in >out 2>err
	got=$?
	: >in
	return 0
}

# gives NAME STATUS COMMAND...: the exit status, and a message in the promised form wherever something went wrong.
gives()
{
	name=$1
	want=$2
	shift 2
	run "$@"
	verdict=0
	[ "$got" -eq "$want" ] || verdict=1
	[ "$want" -eq 0 ] || grep -q '^gkv: [^:]*: .' err || verdict=1
	[ "$verdict" -eq 0 ] || echo "    status $got, wanted $want: $*"
	count "$name" "$verdict"
}

# input TEXT: what the next run reads; printf's escapes count.
input()
{
	printf -- "$1" >in
}

# prints NAME TEXT: what the last run wrote to standard output; printf's escapes count.
prints()
{
	printf -- "$2" >want
	cmp -s want out
	count "$1" $?
}

# says NAME PATTERN: what the last run said on standard error.
says()
{
	grep -q -- "$2" err
	count "$1" $?
}

# same NAME FILE FILE
same()
{
	cmp -s "$2" "$3"
	count "$1" $?
}

# absent NAME FILE
absent()
{
	[ ! -e "$2" ]
	count "$1" $?
}

# silent NAME: the last run said nothing.
silent()
{
	[ ! -s err ]
	count "$1" $?
}

: >in

# must COMMAND...: without it there is nothing to test.
must()
{
	"$@" >out 2>err && return
	echo "error: $*"
	sed 's/^/    /' err
	exit 99
}

# single_records STORE: a store with a few records of all kinds.
single_records()
{
	must "$GKV" put "$1" key other
	must "$GKV" put "$1" -- -k -v
	must "$GKV" put "$1" '' nothing
	head -c 3000000 /dev/urandom >random
	must "$GKV" put "$1" random <random
}

# many_records STORE: a store with key1 to key3000; the file `many` has them as TSV.
many_records()
{
	seq 1 3000 | sed "s/.*/key&${tab}value&/" >many
	must "$GKV" load "$1" many --tsv
}

# counted: the last line, which counts the checks, and the exit status.
counted()
{
	echo "$((100 * (checks - failures) / checks))%: Checks: $checks, Failures: $failures, Errors: $errors"
	[ $failures -eq 0 ] && [ $errors -eq 0 ]
	exit
}
