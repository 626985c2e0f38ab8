#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# The files of stores: the permissions and the names of those that backup, salvage and dump make, and what is left when
# they are stopped; when the time of change of a store moves.

. "$(dirname "$0")/cli.sh"

umask 022
mkdir copies
"$GKV" put s key value

# make_copy VERB SOURCE TARGET
make_copy()
{
	gives "$1 to $3" 0 "$GKV" "$1" "$2" "$3"
}

# mode_is NAME FILE MODE
mode_is()
{
	[ "$(stat -c %a "$2")" = "$3" ]
	count "$1" $?
}

# --- permissions ----------------------------------------------------------------------------------------------------

for verb in backup salvage dump; do
	for modes in 600:600 640:640 644:644 660:640 666:644; do
		chmod ${modes%:*} s
		make_copy $verb s copies/new
		mode_is "$verb of a ${modes%:*} store" copies/new ${modes#*:}
		rm copies/new
	done
done
chmod 600 s
for modes in 600:600 644:600 660:600 666:600; do
	echo old >copies/old
	chmod ${modes%:*} copies/old
	make_copy dump s copies/old
	mode_is "dump of a 600 store over a ${modes%:*} file" copies/old ${modes#*:}
done
chmod 644 s
for modes in 600:600 640:640 644:644 666:644 755:744; do
	echo old >copies/old
	chmod ${modes%:*} copies/old
	make_copy dump s copies/old
	mode_is "dump of a 644 store over a ${modes%:*} file" copies/old ${modes#*:}
done
gives 'map --svg' 0 "$GKV" map s --svg copies/map
mode_is 'a drawing is as its store' copies/map 644
rm copies/*
if [ "$(id -u)" -eq 0 ]; then
	chgrp 65534 s
	chmod 640 s
	for verb in backup salvage dump; do
		make_copy $verb s copies/group
		mode_is "$verb lets its own group read no more" copies/group 600
		rm copies/group
	done
	chgrp 0 s
	chmod 644 s
fi

# --- the time of change ---------------------------------------------------------------------------------------------

# moves NAME yes|no COMMAND...: whether it moves the time of change of `timed`, an old file whose length it leaves alone.
moves()
{
	name=$1
	want=$2
	shift 2
	touch -d '2001-01-01 UTC' timed
	before=$(stat -c %s timed)
	run "$@"
	[ "$(stat -c %Y timed)" -eq 978307200 ] && moved=no || moved=yes
	[ "$moved" = "$want" ] && [ "$(stat -c %s timed)" -eq "$before" ]
	count "$name" $?
}

must "$GKV" put timed key value-1
must "$GKV" put timed other value
moves 'put moves the time of change, whatever the length is' yes "$GKV" put timed key value-2
moves 'put of an empty value does' yes "$GKV" put timed key ''
printf 'key\tvalue-3\n' >record
moves 'load does' yes "$GKV" load timed record --tsv
printf 'put key value-4\n' >in
moves 'batch does' yes "$GKV" batch timed
moves 'del does' yes "$GKV" del timed other
for verb in 'get timed key' 'list timed' 'count timed' 'dump timed' 'stat timed' 'map timed' 'check timed' \
	'backup timed copies/timed' 'salvage timed copies/saved'; do
	moves "$verb does not" no "$GKV" $verb
done
# What is written late in a session is written through the map, which moves nothing by itself.
mkfifo talk
for lazy in --lazy ''; do
	: >talked
	"$GKV" batch timed $lazy <talk >talked 2>err &
	exec 3>talk
	for i in 1 2 3 4 5 6 7 8 9; do
		echo "put key value-$i"
	done >&3
	echo 'get key' >&3
	until grep -q value-9 talked || ! kill -0 $! 2>err; do sleep 0.01; done
	touch -d '2001-01-01 UTC' timed
	printf 'put key value-4\nget key\n' >&3
	until grep -q value-4 talked || ! kill -0 $! 2>err; do sleep 0.01; done
	exec 3>&-
	wait $!
	count "a long batch $lazy is done" $?
	[ "$(stat -c %Y timed)" -ne 978307200 ]
	count "and moves the time of change at its end, too" $?
done
for name in timed copies/timed copies/saved; do
	gives "get from $name" 0 "$GKV" get $name key
	prints "$name has what was put" value-4
done
rm copies/*

# --- names ----------------------------------------------------------------------------------------------------------

long=$(printf '%0254d' 0)
make_copy backup s copies/b$long
make_copy salvage s copies/s$long
make_copy dump s copies/d$long
make_copy dump s copies/d$long
gives 'put to a name of 255 bytes' 0 "$GKV" put copies/p$long key value
gives 'check of a name of 255 bytes' 0 "$GKV" check copies/b$long
[ "$(ls copies | wc -l)" -eq 4 ]
count 'nothing else is left' $?
rm copies/*

# A link stays one, and what it leads to is made or replaced as a whole.
ln -s target copies/link
for round in made replaced; do
	make_copy dump s copies/link
	[ -h copies/link ] && [ -f copies/target ] && [ ! -h copies/target ]
	count "dump through a link: the target is $round" $?
done
[ "$(ls copies | wc -l)" -eq 2 ]
count 'a link and its target are there' $?
rm copies/*
ln -s target copies/link
make_copy backup s copies/link
gives 'backup through a link made its target' 0 "$GKV" check copies/target
rm copies/*
mkfifo copies/pipe
"$GKV" dump s copies/pipe 2>err &
timeout 30 grep -q HEADER=END copies/pipe
count 'dump writes to a pipe' $?
wait $!
count 'and succeeds' $?
[ -p copies/pipe ]
count 'which stays one' $?
rm copies/*
# A descriptor may have open what has no name, or more than the dump is to be written to.
"$GKV" dump s copies/plain
{ "$GKV" dump s /dev/stdout; echo after; } >>copies/all
[ "$(sed '$d' copies/all)" = "$(cat copies/plain)" ]
count 'dump writes to what /dev/stdout has open' $?
exec 3>copies/gone
rm copies/gone
"$GKV" dump s /dev/fd/3
count 'dump writes to a file without a name' $?
[ "$(cat /dev/fd/3)" = "$(cat copies/plain)" ] && [ ! -e 'copies/gone (deleted)' ]
count 'and that is where it is' $?
exec 3>&-
rm copies/*

# --- signals --------------------------------------------------------------------------------------------------------

# 24 MiB of records: so much work that it can be stopped in the middle.
yes "$(printf '%01000d' 0)" | head -n 24000 | awk '{ print NR "\t" $0 }' | "$GKV" load large --tsv --quiet

# working PID: whether it has made the file that it writes, whatever name it has.
working()
{
	ls -l "/proc/$1/fd" 2>/dev/null | grep -qE 'copies/.*(gkv\.new-|deleted|\.new-|large\.out)'
}

# stopped SIGNAL STATUS VERB [PREFIX...]: sends it while the verb works; a run that was done before is made again. The
# status is 0 where it was done.
stop_one()
{
	signal=$1
	verb=$2
	shift 2
	for try in 1 2 3 4 5 6 7 8 9 10; do
		rm -f copies/*
		"$@" "$GKV" $verb large copies/large.out >out 2>err &
		pid=$!
		until working $pid || ! kill -0 $pid 2>/dev/null; do :; done
		kill -$signal $pid 2>/dev/null
		wait $pid 2>/dev/null
		got=$?
		[ "$got" -eq 0 ] || return 0
	done
}

cp large large.before
for verb in backup dump salvage; do
	for signal in INT TERM HUP KILL; do
		# A shell without job control starts what is in the background with SIGINT ignored.
		stop_one $signal $verb env --default-signal=INT
		[ "$got" -ne 0 ]
		count "$verb was stopped by SIG$signal" $?
		[ -z "$(ls copies)" ]
		count "$verb leaves nothing at SIG$signal" $?
		[ $signal = KILL ] || {
			[ "$got" -eq 4 ]
			count "$verb says that SIG$signal stopped it" $?
			says "$verb names what was not made" '^gkv: copies/large.out: interrupted'
		}
	done
done
same 'what was to be copied is as it was' large.before large
for verb in backup dump salvage; do
	for signal in INT TERM HUP; do
		rm -f copies/*
		env --ignore-signal=$signal "$GKV" $verb large copies/large.out >out 2>err &
		pid=$!
		until working $pid || ! kill -0 $pid 2>/dev/null; do :; done
		kill -$signal $pid 2>/dev/null
		wait $pid
		count "$verb goes on at a SIG$signal that was ignored" $?
		[ "$(ls copies)" = large.out ]
		count "$verb is complete after SIG$signal" $?
	done
done
echo old >copies/large.out
cp copies/large.out old
stop_over()
{
	"$GKV" dump large copies/large.out >out 2>err &
	pid=$!
	until working $pid || ! kill -0 $pid 2>/dev/null; do :; done
	kill -KILL $pid 2>/dev/null
	wait $pid 2>/dev/null
}
stop_over
[ "$(ls copies)" = large.out ]
count 'a killed dump over a file leaves that file alone' $?

counted
