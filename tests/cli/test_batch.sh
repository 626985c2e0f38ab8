#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# batch: fields and escapes, what a failure stops and undoes, a talk through pipes.

. "$(dirname "$0")/cli.sh"

input 'put a 1\nput b two words  kept \n# a comment\n\nget a\nget b\ndel a\n'
gives 'batch creates a store and runs its lines' 0 "$GKV" batch x
prints 'get writes a line per value, the value is the rest of the line' '1\ntwo words  kept \n'
gives 'del in a batch removed the key' 1 "$GKV" get x a
input 'put\tk ey\tv al\nput\tempty\t\nget\tk ey\nget\tempty\n'
gives 'batch parts fields by TABs' 0 "$GKV" batch x
prints 'fields by TABs may hold spaces and be empty' 'v al\n\n'
input 'put \\s\\x41 \\n\\t\\0\\\\\nget \\sA\n'
gives 'batch takes escapes' 0 "$GKV" batch x
prints 'and writes them' '\\n\\t\\0\\\\\n'
input 'put tsv k\tv\nget\ttsv k\n'
gives 'a line with a TAB is parted by TABs' 0 "$GKV" batch x
prints 'and its key holds spaces' 'v\n'
input 'get nokey\nput after 1\n'
gives 'batch with an absent key gives 1' 1 "$GKV" batch x
says 'batch names the absent key' nokey
gives 'and goes on' 0 "$GKV" get x after
input 'del nokey\nput after 2\n'
gives 'batch that deletes an absent key gives 1' 1 "$GKV" batch x --atomic
gives 'and commits with --atomic' 0 "$GKV" get x after
prints 'what came after' '2'
input 'put before 1\nfrobnicate\nput later 1\n'
gives 'batch stops at a malformed line' 4 "$GKV" batch x
says 'batch names the line' 'line 2:'
gives 'what came before it stays' 0 "$GKV" get x before
gives 'what comes after it is not done' 1 "$GKV" get x later
input 'put before2 1\ndel b\nput onlykey\n'
gives 'batch --atomic stops at a malformed line' 4 "$GKV" batch x --atomic
says 'batch --atomic names the line' 'line 3:'
gives 'batch --atomic undoes a put' 1 "$GKV" get x before2
gives 'batch --atomic undoes a del' 0 "$GKV" get x b
input 'put r 1\nget r\ndel r\nget r\n'
gives 'batch --atomic reads its own writes' 1 "$GKV" batch x --atomic
prints 'and its own deletes' '1\n'
input 'put lazy 1\n'
gives 'batch --lazy succeeds' 0 "$GKV" batch x --lazy
gives 'and its put is there' 0 "$GKV" get x lazy
input '\357\273\277put crlf a value\r\nput cr a value\\r\r\nput\ttab\tv\r\nget crlf\r\n\r\nget cr\r\nget tab\r\n'
gives 'batch takes a byte order mark and CR LF' 0 "$GKV" batch x
prints 'a carriage return is in a value where it was written' 'a value\na value\\r\nv\n'
input 'put before 2\nfrobnicate\n'
gives 'batch that stops' 4 "$GKV" batch x
says 'names its input' '^gkv: standard input: line 2: '
says 'and says what was done' '^gkv: x: stopped; the operations before that were done$'
input 'put before 3\nfrobnicate\n'
gives 'batch --atomic that stops' 4 "$GKV" batch x --atomic
says 'says that nothing was changed' '^gkv: x: stopped; nothing was changed$'
for line in 'get' 'get a b' 'del' 'put' 'put\t' 'puts a b' 'get \\q' 'put\ta\tb\tc'; do
	input "$line\n"
	gives "batch refuses '$line'" 4 "$GKV" batch x
done

# A key of 65,535 bytes is the longest.
head -c 65535 /dev/zero | tr '\0' k >longest
{ printf 'put '; cat longest; printf ' v\n'; } >in
gives 'a key of 65,535 bytes is stored' 0 "$GKV" batch x
{ printf 'put first 1\nput k'; cat longest; printf ' v\n'; } >in
gives 'a key of 65,536 bytes gives 4' 4 "$GKV" batch x
says 'and the line is named' 'line 2:'
gives 'what came before the long key stays' 0 "$GKV" get x first

# A program that talks with gkv batch through two pipes, and a second opener meanwhile.
mkfifo talk
"$GKV" batch busy <talk >talked 2>talked.err &
talker=$!
exec 3>talk
printf 'put a 1\nget a\n' >&3
tries=0
while [ ! -s talked ] && [ $tries -lt 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
printf '1\n' >want
same 'batch answers before its input ends' want talked
gives 'a store that is being written gives 4' 4 "$GKV" get busy a
says 'and the file is named' '^gkv: busy: '
exec 3>&-
wait $talker
count 'batch ends with 0 when its input does' $?
gives 'and the store is free again' 0 "$GKV" get busy a

counted
