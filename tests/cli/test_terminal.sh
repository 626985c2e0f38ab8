#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# What is shown on a terminal, and only there.

. "$(dirname "$0")/cli.sh"

many_records b5

# Where there is no terminal to be had there is nothing to test. In CI a skipped test has failed.
if ! script -qec 'test -t 0 && test -t 1' /dev/null </dev/null >out 2>&1; then
	echo 'skipped: there is no pseudo-terminal, or no script(1)'
	exit 77
fi

run script -qec "'$GKV' compact b5" /dev/null
grep -q 'compacted from' out
count 'on a terminal, compact says what it did' $?
run script -qec "'$GKV' compact b5 --quiet" /dev/null
[ ! -s out ]
count 'on a terminal, compact --quiet says nothing' $?
run script -qec "TERM=xterm '$GKV' map b5" /dev/null
grep -q "$(printf '\033')\[3" out
count 'on a terminal, map is in colour' $?
run script -qec "TERM=xterm NO_COLOR=1 '$GKV' map b5" /dev/null
! grep -q "$(printf '\033')" out
count 'map is without colour where the user wants none' $?
run script -qec "'$GKV' load terminal '$work/many' --tsv" /dev/null
grep -q '3000 records loaded' out
count 'on a terminal, load says what it did' $?

# The end of its input is the end of the terminal's.
run script -qec "'$GKV' put b5 typed" /dev/null
[ "$got" -eq 4 ] && grep -q 'the value is read from the terminal' out && grep -q 'no value came from the terminal' out
count 'put from a terminal that gives nothing says so' $?
gives 'and stores nothing' 1 "$GKV" get b5 typed
input 'typed text\n'
run script -qec "'$GKV' put b5 typed" /dev/null
gives 'put from a terminal stores what was typed' 0 "$GKV" get b5 typed
prints 'up to the end of input' 'typed text\n'

counted
