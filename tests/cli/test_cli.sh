#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# The command line from outside: help and usage, and what all verbs make of bad files, of no permission, of a full disk.
# The files beside this one have the verbs one by one.

. "$(dirname "$0")/cli.sh"

# --- help, version, usage -------------------------------------------------------------------------------------------

all_verbs='put get del list count load dump batch stat map check salvage compact backup'

gives 'gkv --help succeeds' 0 "$GKV" --help
for verb in $all_verbs; do
	grep -q "^  gkv $verb " out
	count "gkv --help names $verb" $?
done
gives 'gkv --version succeeds' 0 "$GKV" --version
prints 'gkv --version prints the version' "$(cat out)\n"
grep -q '^gkv [0-9][0-9.]*$' out
count 'the version is a number' $?
gives 'gkv without a verb is wrong usage' 2 "$GKV"
[ "$(wc -l <err)" -eq 3 ] && [ ! -s out ] && grep -q 'gkv put FILE KEY VALUE' err && grep -q 'gkv get FILE KEY' err &&
	grep -q 'gkv --help' err
count 'gkv alone shows three lines that get one going' $?
gives 'the file before the verb is wrong usage' 2 "$GKV" s get k
says 'and the message turns them round' 'gkv get s'
gives 'an unknown verb is wrong usage' 2 "$GKV" frobnicate
for verb in $all_verbs; do
	gives "$verb --help succeeds" 0 "$GKV" $verb --help
	grep -q "^Usage: gkv $verb " out
	count "$verb --help shows the usage" $?
	silent "$verb --help is not a message"
	gives "$verb without operands is wrong usage" 2 "$GKV" $verb
	[ ! -s out ]
	count "$verb without operands writes nothing to standard output" $?
	gives "$verb with an unknown option is wrong usage" 2 "$GKV" $verb --frobnicate s k v
done
gives 'put with four operands is wrong usage' 2 "$GKV" put s a b c
gives 'get without a key is wrong usage' 2 "$GKV" get s
gives 'get with two keys is wrong usage' 2 "$GKV" get s a b
gives 'del without a key is wrong usage' 2 "$GKV" del s
gives 'backup without a target is wrong usage' 2 "$GKV" backup s
gives 'salvage without a target is wrong usage' 2 "$GKV" salvage s
gives 'list --json --null is wrong usage' 2 "$GKV" list s --json --null
gives 'list --prefix without its argument is wrong usage' 2 "$GKV" list s --prefix
gives 'dump --tsv --jsonl is wrong usage' 2 "$GKV" dump s --tsv --jsonl
gives 'load --tsv --jsonl is wrong usage' 2 "$GKV" load s --tsv --jsonl
gives 'load --batch 0 is wrong usage' 2 "$GKV" load s --batch 0
gives 'load --batch 7x is wrong usage' 2 "$GKV" load s --batch 7x
gives 'load --batch with --atomic is wrong usage' 2 "$GKV" load s --batch 7 --atomic
gives 'a bad short option is wrong usage' 2 "$GKV" stat -z s
absent 'wrong usage makes no store' s

# --- what bad files get ---------------------------------------------------------------------------------------------

mkdir directory
: >empty
printf '{"key":"\377","value":""}\n' >utf
echo 'this is a letter, not a store' >text
head -c 100000 /dev/urandom >noise
echo "k${tab}v" >record

# each_verb STATUS FILE KIND VERB...: every one of the verbs gives that status, and the file stays as it was.
each_verb()
{
	status=$1
	file=$2
	kind=$3
	shift 3
	for verb in "$@"; do
		case $verb in
		put) set -- put "$file" k v ;;
		get) set -- get "$file" k ;;
		del) set -- del "$file" k ;;
		load) set -- load "$file" record --tsv ;;
		batch)
			echo 'put k v' >in
			set -- batch "$file"
			;;
		backup | salvage) set -- $verb "$file" taken ;;
		*) set -- $verb "$file" ;;
		esac
		gives "$verb of $kind gives $status" "$status" "$GKV" "$@"
		says "$verb names $kind" "^gkv: $file: "
		prints "$verb of $kind writes no value" ''
	done
}

read_verbs='get list count dump stat map check backup'
each_verb 4 directory 'a directory' $all_verbs
each_verb 4 missing 'a missing file' $read_verbs del compact
absent 'no verb makes a file where none was' missing
: >nothing
each_verb 4 empty 'an empty file' $read_verbs del compact salvage
same 'an empty file stays as it was where no store is made' nothing empty
for verb in put load batch; do
	: >become
	chmod 640 become
	ln become become2
	case $verb in
	put) gives 'put makes an empty file a store' 0 "$GKV" put become k v ;;
	load) gives 'load makes an empty file a store' 0 "$GKV" load become record --tsv ;;
	batch)
		input 'put k v\n'
		gives 'batch makes an empty file a store' 0 "$GKV" batch become
		;;
	esac
	[ become -ef become2 ] && [ "$(stat -c %a become)" = 640 ]
	count "$verb leaves it the same file, with its mode" $?
	gives "$verb: the record is there" 0 "$GKV" get become2 k
	prints "$verb: the value is right" v
	rm become become2
done
for bad in text noise; do
	cp $bad before
	each_verb 4 $bad "a file that is $bad" $all_verbs
	same "a file that is $bad stays as it was" before $bad
done
each_verb 4 nodir/store 'a file in a missing directory' $all_verbs
absent 'a failed backup leaves nothing' taken

# What a newcomer is told of the wrong path, and what to do next.
told()
{
	gives "gkv $2 $3" 4 "$GKV" $2 $3 ${4:-}
	says "gkv $2 $3: $1" "^gkv: [^ ]*: $1"
}
must "$GKV" put sound k v
ln -s nowhere dangling
told "No such file or directory (gkv put, load and batch make a store)$" get nofile k
told "No such file or directory: there is no folder 'nodir'$" put nodir/a/store 'k v'
told "No such file or directory: there is no folder 'nodir'$" dump sound nodir/out
told "No such file or directory: there is no folder 'nodir'$" backup sound nodir/out
told "No such file or directory: there is no folder 'nodir'$" salvage sound nodir/out
told "No such file or directory: it is a symbolic link to 'nowhere', which is missing$" get dangling k
told "No such file or directory$" load store nofile
told "Not a directory: 'sound' is no folder$" list sound/store
told "Not a directory: 'sound' is no folder$" dump sound sound/out
told 'Is a directory; a store is a file$' put directory 'k v'
told 'Is a directory$' load store directory
told 'not a store (gkv load makes one from text)$' get text k
told 'not a store: the file is empty$' get empty k
told 'File exists; .*: give another name, or remove the file$' backup sound empty
told 'File exists; .*: give another name, or remove the file$' salvage sound empty
told 'line 1: not a dump, which begins with VERSION=3 (other text: --tsv or --jsonl)$' load store text
told 'line 1: .*base64)$' load store 'utf --jsonl'

many_records copy

# --- permissions ----------------------------------------------------------------------------------------------------

if [ "$(id -u)" -ne 0 ]; then
	drop=
elif setpriv --reuid 65534 --regid 65534 --clear-groups "$GKV" --version >out 2>err; then
	drop='setpriv --reuid 65534 --regid 65534 --clear-groups'
elif setpriv --bounding-set -dac_override,-dac_read_search "$GKV" --version >out 2>err; then
	# The program lies where only root can look: root without its two rights over files will do.
	drop='setpriv --bounding-set -dac_override,-dac_read_search'
else
	drop=false
	errors=$((errors + 1))
	echo 'error: no way to give up the rights of root'
fi
mkdir locked
cp copy locked/secret
cp copy locked/readable
chmod 000 locked/secret
chmod 444 locked/readable
chmod 555 locked
[ "$drop" = false ] || {
	for verb in list count dump stat check compact; do
		gives "$verb without permission gives 4" 4 $drop "$GKV" $verb locked/secret
		says "$verb names the file that it may not open" '^gkv: locked/secret: '
	done
	gives 'get without permission gives 4' 4 $drop "$GKV" get locked/secret key2999
	gives 'put without permission gives 4' 4 $drop "$GKV" put locked/secret k v
	gives 'put into a directory without permission gives 4' 4 $drop "$GKV" put locked/new k v
	says 'and names the folder' "^gkv: locked/new: Permission denied: the folder 'locked' may not be written to\$"
	absent 'and makes no file' locked/new
	gives 'get needs no permission to write' 0 $drop "$GKV" get locked/readable key2999
	prints 'and finds the value' 'value2999'
	gives 'list needs no permission to write' 0 $drop "$GKV" list locked/readable
	gives 'check needs no permission to write' 0 $drop "$GKV" check locked/readable
	gives 'put needs permission to write' 4 $drop "$GKV" put locked/readable k v
	gives 'del needs permission to write' 4 $drop "$GKV" del locked/readable key2999
	gives 'dump into a directory without permission gives 4' 4 $drop "$GKV" dump copy locked/out
	says 'and names the folder' "^gkv: locked/out: Permission denied: the folder 'locked' may not be written to\$"
	absent 'and makes no output' locked/out
	for verb in backup salvage; do
		gives "$verb into a directory without permission gives 4" 4 $drop "$GKV" $verb copy locked/out
		says 'and names the folder' "^gkv: locked/out: Permission denied: the folder 'locked' may not be written to\$"
	done
	gives 'a file without permission' 4 $drop "$GKV" get locked/secret key2999
	says 'is named as a file' '^gkv: locked/secret: Permission denied: the file may not be read$'
	gives 'a file without permission to write' 4 $drop "$GKV" put locked/readable k v
	says 'is named as a file, too' '^gkv: locked/readable: Permission denied: the file may not be written to$'
	gives 'load of an input without permission' 4 $drop "$GKV" load new locked/secret
	says 'names the input' '^gkv: locked/secret: Permission denied: the file may not be read$'
	chmod 000 locked
	for verb in list stat check compact; do
		gives "$verb in a directory that may not be entered gives 4" 4 $drop "$GKV" $verb locked/readable
		says 'and names the folder' "^gkv: locked/readable: Permission denied: the folder 'locked' may not be entered\$"
	done
	gives 'put in a directory that may not be entered gives 4' 4 $drop "$GKV" put locked/a/b k v
	says 'and names that folder' "^gkv: locked/a/b: Permission denied: the folder 'locked' may not be entered\$"
}
chmod 755 locked

single_records s

# --- full disks and closed pipes ------------------------------------------------------------------------------------

if [ -c /dev/full ]; then
	for verb in list count dump stat; do
		gives "$verb to a full disk gives 4" 4 sh -c '"$0" "$1" s >/dev/full' "$GKV" $verb
		says "$verb says that standard output failed" '^gkv: standard output: '
	done
	gives 'get to a full disk gives 4' 4 sh -c '"$0" get s key >/dev/full' "$GKV"
	gives 'get of a large value to a full disk gives 4' 4 sh -c '"$0" get s random >/dev/full' "$GKV"
	gives 'dump to a full device as OUTPUT gives 4' 4 "$GKV" dump s /dev/full
	gives '--help to a full disk gives 4' 4 sh -c '"$0" --help >/dev/full' "$GKV"
	gives 'put --help to a full disk gives 4' 4 sh -c '"$0" put --help >/dev/full' "$GKV"
	echo 'put full 1
get full' >in
	gives 'batch --atomic to a full disk gives 4' 4 sh -c '"$0" batch x --atomic >/dev/full' "$GKV"
	absent 'and what it put is not there, nor a store' x
fi
{
	"$GKV" list s 2>err
	echo $? >status
} | :
[ "$(cat status)" = 141 ] && [ ! -s err ]
count 'list into a pipe that nobody reads gives 141, quietly' $?
# More than a pipe holds.
seq 1 20000 | sed "s/.*/key&${tab}value&/" >many
must "$GKV" load many.gkv many --tsv
for verb in list dump; do
	{
		"$GKV" $verb many.gkv 2>err
		echo $? >status
	} | head -n 1 >out
	[ "$(wc -l <out)" -eq 1 ] && [ ! -s err ] && { [ "$(cat status)" = 0 ] || [ "$(cat status)" = 141 ]; }
	count "$verb | head ends quietly ($(cat status))" $?
done
for words in --help 'put --help' 'stat s' 'count s' 'map s' 'get s random'; do
	{
		sleep 0.05
		# shellcheck disable=SC2086
		"$GKV" $words 2>err
		echo $? >status
	} | :
	[ "$(cat status)" = 141 ] && [ ! -s err ]
	count "gkv $words into a pipe that nobody reads gives 141, quietly" $?
done
{
	sleep 0.05
	printf 'put unread 1\nget unread\nput unread 2\n' | "$GKV" batch s --atomic 2>err
	echo $? >status
} | :
[ "$(cat status)" = 141 ] && grep -q '^gkv: s: stopped; nothing was changed$' err
count 'batch --atomic into a pipe that nobody reads says that nothing was changed' $?
gives 'and nothing was' 1 "$GKV" get s unread

# A limit on the size of files stands in for a full disk: what was committed stays, the rest is an error.
head -c 12000000 /dev/urandom | od -An -v -tx1 -w1000 | tr -d ' ' | awk '{ print "big" NR "\t" $0 }' >big
(
	ulimit -f 16384
	exec "$GKV" load limited big --tsv --batch 100
) >out 2>err
got=$?
[ $got -eq 4 ] && grep -q '^gkv: limited: ' err
count "load past the limit on file sizes gives 4 ($got)" $?
if [ -e limited ]; then
	gives 'the store is sound after that' 0 "$GKV" check limited
	gives 'the first batch is there' 0 "$GKV" get limited big1
fi

counted
