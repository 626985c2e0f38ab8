#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# --wait: a store in use is waited for, by every verb, for as long as was said.

. "$(dirname "$0")/cli.sh"

all_verbs='put get del list count load dump batch stat map check salvage compact backup'
echo "k${tab}v" >record

# words VERB: the words after the verb, for the store `s`, with names of their own for what is made.
words()
{
	case $1 in
	put) echo s put-key v ;;
	get) echo s key1 ;;
	del) echo s key3000 ;;
	load) echo s record --tsv ;;
	backup | salvage) echo s "$1.made" ;;
	*) echo s ;;
	esac
}

# hold: the store is open for writing in another process until `release`.
hold()
{
	"$GKV" batch s <talk >talked 2>talked.err &
	holder=$!
	exec 3>talk
	echo 'get key1' >&3
	while [ ! -s talked ] && kill -0 $holder 2>err; do
		sleep 0.01
	done
}
release()
{
	exec 3>&-
	wait $holder
	: >talked
}

many_records s
mkfifo talk
: >talked

for number in x -1 '' 1s 0x10 . nan 1e3; do
	gives "--wait='$number' is wrong usage" 2 "$GKV" get "--wait=$number" s key1
done
gives '--wait of a store that nobody has' 0 "$GKV" get s key1 --wait
gives '--wait does not wait for a store that is missing' 4 "$GKV" get missing key1 --wait

hold
for verb in $all_verbs; do
	gives "$verb of a store in use gives 4" 4 "$GKV" $verb $(words $verb)
	says "$verb says what waits" '^gkv: s: in use by another process (--wait waits for it)$'
	gives "$verb --wait gives up when its time is over" 4 "$GKV" $verb --wait=0.01 $(words $verb)
	says "$verb says how long it has waited" '^gkv: s: still in use by another process after 0.01 seconds$'
done
before=$(date +%s%N)
gives 'get --wait=0.3' 4 "$GKV" get --wait=0.3 s key1
[ $(($(date +%s%N) - before)) -ge 300000000 ]
count 'and it has waited so long' $?
gives '--wait=0 does not wait' 4 "$GKV" get --wait=0 s key1
absent 'what was given up makes nothing' backup.made

for signal in INT TERM HUP; do
	env --default-signal=INT "$GKV" salvage --wait s made 3>&- >out 2>said &
	pid=$!
	# SIGHUP is the last of them that is caught; by the shell, too, which that process is at first.
	for try in $(seq 1000); do
		[ "$(readlink /proc/$pid/exe)" != "$(readlink /proc/$$/exe)" ] &&
			grep -q '^SigCgt:.*[13579bdf]$' /proc/$pid/status 2>err && break
		sleep 0.01
	done
	kill -$signal $pid
	wait $pid
	[ $? -eq 4 ] && grep -q '^gkv: made: interrupted' said
	count "salvage --wait waits no more after SIG$signal" $?
done
for verb in $all_verbs; do
	{
		"$GKV" $verb --wait $(words $verb) </dev/null >waited.$verb.out 2>waited.$verb.err
		echo $? >waited.$verb
	} 3>&- &
done
"$GKV" get --wait=100 s key1 3>&- >limited 2>err &
sleep 0.1
[ ! -e waited.get ] && [ ! -s limited ]
count 'they wait while the store is in use' $?
release
wait
for verb in $all_verbs; do
	[ "$(cat waited.$verb)" = 0 ]
	count "$verb --wait does its work once the store is free" $?
done
printf value1 >want
same '--wait=100 does, too' want limited

# Four writers, each of which opens the store anew for each of its records.
each=$(awk -v scale="${GKV_TEST_SCALE:-1}" 'BEGIN { n = int(100 * scale); print (n < 10 ? 10 : n > 1000 ? 1000 : n) }')
for writer in 1 2 3 4; do
	(
		for i in $(seq "$each"); do
			"$GKV" put --wait shared "$writer-$i" "$i" 2>>refused.$writer || echo "$i" >>refused.$writer
		done
	) &
done
wait
cat refused.* >err
silent 'four loops of put --wait: none is refused'
gives 'count of what they put' 0 "$GKV" count shared
prints "$((4 * each)) of $((4 * each))" "$((4 * each))\n"

counted
