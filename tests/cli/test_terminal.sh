#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# What is shown on a terminal, and only there.

. "$(dirname "$0")/cli.sh"

many_records b5

if command -v script >/dev/null 2>&1; then
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
fi

counted
