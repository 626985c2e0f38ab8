#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# A store that put, batch or load has made, and that nothing went into, is gone again, however the command ends.

. "$(dirname "$0")/cli.sh"

# --- failures -------------------------------------------------------------------------------------------------------

long=$(head -c 65536 /dev/zero | tr '\0' k)
gives 'put of a key that is too long' 4 "$GKV" put new "$long" value
absent 'leaves no new store' new
head -c 3000000 /dev/zero >large
run sh -c 'ulimit -f 1024; exec "$0" put new key <large' "$GKV"
[ "$got" -eq 4 ]
count 'put of a value that the file may not hold' $?
absent 'leaves no new store' new
for words in batch 'batch --atomic' 'batch --lazy'; do
	for text in 'frobnicate\n' 'get key\nfrobnicate\n' 'del key\nput\n'; do
		input "$text"
		gives "$words of '$text'" 4 "$GKV" $words new
		absent 'leaves no new store' new
	done
	input ''
	gives "$words of nothing" 0 "$GKV" $words new
	absent 'leaves no new store' new
	input 'get key\n'
	gives "$words that only looks" 1 "$GKV" $words new
	absent 'leaves no new store' new
done
input 'put key value\nfrobnicate\n'
gives 'batch --atomic of a good line and a bad one' 4 "$GKV" batch --atomic new
absent 'leaves no new store' new
input 'put key value\nfrobnicate\n'
gives 'batch of a good line and a bad one' 4 "$GKV" batch new
gives 'leaves a new store with what was done' 0 "$GKV" get new key
rm new
input 'put key value\ndel key\n'
gives 'batch --atomic of changes that cancel out' 0 "$GKV" batch --atomic new
gives 'leaves a new store' 0 "$GKV" count new
rm new
input 'get key\n'
ln -s target link
gives 'batch that only looks, through a link to nothing' 1 "$GKV" batch link
[ -h link ] && [ ! -e target ]
count 'leaves the link and no target' $?
: >empty
input 'frobnicate\n'
gives 'batch that fails on an empty file' 4 "$GKV" batch empty
[ -e empty ]
count 'leaves the file' $?
must "$GKV" put old key value
must "$GKV" del old key
input 'frobnicate\n'
gives 'batch that fails on a store without a record' 4 "$GKV" batch old
gives 'leaves that store' 0 "$GKV" count old
rm old

# --- signals --------------------------------------------------------------------------------------------------------

mkfifo talk
# begin VERB OPTION... TEXT: the verb has made its store and waits for more input.
begin()
{
	text=$1
	shift
	rm -f new
	env --default-signal=INT "$GKV" "$@" <talk >out 2>err &
	pid=$!
	exec 3>talk
	printf "$text" >&3
	tries=0
	until [ -e new ] || [ $tries -eq 500 ]; do
		sleep 0.01
		tries=$((tries + 1))
	done
	[ -e new ]
	count "$* has made its store" $?
}
# finish SIGNAL
finish()
{
	kill -$1 $pid
	exec 3>&-
	wait $pid 2>err
	got=$?
	[ $got -gt 128 ]
	count "SIG$1 ended it ($got)" $?
}
for signal in INT TERM HUP; do
	begin 'key\tvalue\n' load new --tsv
	finish $signal
	absent "load leaves no new store at SIG$signal before its first batch" new
	begin 'key\tvalue\n' load new --tsv --batch 1
	tries=0
	finish $signal
	rm -f new
	begin '' batch new
	finish $signal
	absent "batch leaves no new store at SIG$signal before its first line" new
	begin 'put key value\nget key\n' batch new
	tries=0
	until [ -s out ] || [ $tries -eq 500 ]; do
		sleep 0.01
		tries=$((tries + 1))
	done
	finish $signal
	gives "batch leaves what it has done at SIG$signal" 0 "$GKV" get new key
	rm -f new
done

# --- another process ------------------------------------------------------------------------------------------------

# What is acknowledged is there, though others make the store and remove it at the same time.
lost=0
for round in $(seq 1 60); do
	for other in 1 2; do
		echo frobnicate | "$GKV" batch --wait new 2>/dev/null &
	done
	"$GKV" put --wait new key value 2>err || lost=$((lost + 1))
	wait
	[ "$("$GKV" get new key 2>>err)" = value ] || lost=$((lost + 1))
	rm -f new
done
[ $lost -eq 0 ]
count "no record is lost to a store that is removed ($lost)" $?

counted
