#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# What is made where the system has no files without a name (O_TMPFILE): it has a name beside its own meanwhile.

. "$(dirname "$0")/cli.sh"

without=$(dirname "$GKV")/tests/cli/no_tmpfile
must "$without" true
umask 022
mkdir copies

# alone NAME FILE: nothing else is in the folder.
alone()
{
	[ "$(ls -A copies)" = "$2" ]
	count "$1" $?
}

gives 'put into a new store' 0 "$without" "$GKV" put copies/s key value
alone 'leaves the store alone' s
gives 'put into it' 0 "$without" "$GKV" put copies/s key value
mv copies/s s
for mode in 600 640 644; do
	chmod $mode s
	for verb in backup dump salvage; do
		gives "$verb of a $mode store" 0 "$without" "$GKV" $verb s copies/made
		alone "$verb leaves what it made alone" made
		[ $((0$(stat -c %a copies/made) & ~0$mode)) -eq 0 ]
		count "$verb of a $mode store is no easier to read" $?
		[ $verb = dump ] || gives "what $verb made is sound" 0 "$GKV" check copies/made
		gives "$verb again" $([ $verb = dump ] && echo 0 || echo 4) "$without" "$GKV" $verb s copies/made
		alone "$verb again leaves nothing beside it" made
		rm copies/made
	done
done
long=$(printf '%0255d' 0)
for verb in backup dump salvage; do
	gives "$verb to a name of 255 bytes" 0 "$without" "$GKV" $verb s copies/$long
	alone 'which is there alone' $long
	rm copies/*
done
gives 'put into a name of 255 bytes' 0 "$without" "$GKV" put copies/$long key value
rm copies/*

# 24 MiB of records: so much work that it can be stopped in the middle.
yes "$(printf '%01000d' 0)" | head -n 24000 | awk '{ print NR "\t" $0 }' | "$GKV" load large --tsv --quiet

# stop SIGNAL VERB: sends it while the verb has its file; a run that was done before is made again.
stop()
{
	for try in 1 2 3 4 5 6 7 8 9 10; do
		rm -f copies/*
		env --default-signal=INT "$without" "$GKV" $2 large copies/made >out 2>err &
		pid=$!
		until ls copies | grep -q . || ! kill -0 $pid 2>/dev/null; do :; done
		kill -$1 $pid 2>/dev/null
		wait $pid 2>/dev/null
		got=$?
		[ $got -eq 0 ] || break
	done
	[ $got -ne 0 ]
	count "$2 was stopped by SIG$1" $?
}
for verb in backup dump salvage; do
	for signal in INT TERM HUP; do
		stop $signal $verb
		alone "$verb leaves nothing at SIG$signal" ''
		[ $got -eq 4 ]
		count "and says so ($got)" $?
	done
	stop KILL $verb
	[ "$(ls copies | grep -vc '^gkv\.new-')" -eq 0 ]
	count "$verb leaves nothing at SIGKILL but what has no meaning" $?
done

counted
