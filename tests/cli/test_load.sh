#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# load: every format, what is refused and with which line, batches.

. "$(dirname "$0")/cli.sh"

head='VERSION=3\nformat=bytevalue\ntype=btree\nHEADER=END\n'
input "${head} 6b31\n 7631\n 6b32\n \nDATA=END\n"
gives 'load creates a missing store' 0 "$GKV" load d
silent 'load says nothing where standard error is no terminal'
gives 'a loaded value' 0 "$GKV" get d k1
prints 'hexadecimal digits are decoded' 'v1'
gives 'a loaded empty value' 0 "$GKV" get d k2
prints 'an empty value stays empty' ''
gives 'dump succeeds' 0 "$GKV" dump d
silent 'dump says nothing where standard error is no terminal'
head -n 3 out >first
printf 'VERSION=3\nformat=bytevalue\ntype=btree\n' >want
same 'dump writes a db_dump header' want first
grep -q '^mapsize=[1-9][0-9]*$' out && grep -q '^HEADER=END$' out && [ "$(tail -n 1 out)" = DATA=END ]
count 'dump writes mapsize, HEADER=END and DATA=END' $?
grep -A 1 '^ 6b31$' out | grep -q '^ 7631$'
count 'dump writes hexadecimal digits behind a space' $?
cat >in <<'END'
VERSION=3
format=print
type=hash
db_pagesize=4096
HEADER=END
 a\\b
 c\0a\\d\ff
DATA=END
END
gives 'load reads format=print, type=hash and skips unknown header lines' 0 "$GKV" load d2
gives 'list of a print dump' 0 "$GKV" list d2
prints 'print text is decoded' 'a\\\\b\tc\\n\\\\d\377\n'
input 'VERSION=3\nformat=print\nHEADER=END\n \\41\\42\\5cx\n v\\0a\\00\\ff\nDATA=END\n'
gives 'load of print escapes' 0 "$GKV" load d3
gives 'get of a key from print escapes' 0 "$GKV" get d3 'AB\x'
prints 'print escapes are decoded' 'v\n\0\377'

gives 'load of a missing input gives 4' 4 "$GKV" load fresh noinput
says 'load names the missing input' '^gkv: noinput: '
absent 'load of a missing input makes no store' fresh
gives 'load of a directory as input gives 4' 4 "$GKV" load fresh .
absent 'load of a directory makes no store' fresh
input ''
gives 'load --tsv of nothing succeeds' 0 "$GKV" load e1 --tsv
says 'and says that there was nothing' '^gkv: standard input: holds no record; e1 was not made$'
absent 'it leaves no new store' e1
gives 'load --jsonl --quiet of nothing succeeds' 0 "$GKV" load e1 --jsonl --quiet
silent 'and says nothing'
absent 'it leaves no new store, either' e1
input "${head}DATA=END\n"
gives 'load of a whole dump without a record makes an empty store' 0 "$GKV" load e1
gives 'which counts' 0 "$GKV" count e1
prints 'no record' '0\n'
gives 'load --tsv of nothing into a store that is there' 0 "$GKV" load e1 --tsv
silent 'has nothing to say'
echo text >letter
gives 'load --tsv of nothing into what is no store gives 4' 4 "$GKV" load letter --tsv

# refused NAME LINE OPTIONS: the input in `in` is malformed in that line.
refused()
{
	cp in kept
	gives "load of $1 gives 4" 4 "$GKV" load bad $3
	says "load names the line of $1" "line $2:"
	absent "load of $1 leaves no new store" bad
	rm -f bad
}

input ''
refused 'empty input' 1 ''
input 'hello\n'
refused 'a text without a header' 1 ''
input 'VERSION=3\nnonsense\nHEADER=END\n'
refused 'a header line without =' 2 ''
input 'VERSION=3\nformat=weird\nHEADER=END\nDATA=END\n'
refused 'an unknown format' 2 ''
input 'VERSION=3\nformat=print\ntype=recno\nHEADER=END\nDATA=END\n'
refused 'an unknown type' 3 ''
input 'VERSION=3\nduplicates=1\nHEADER=END\nDATA=END\n'
refused 'a dump with duplicates' 2 ''
input 'VERSION=3\nformat=print\n'
refused 'a header that ends early' 3 ''
input "${head} 6b\n 7\nDATA=END\n"
refused 'an odd number of digits' 6 ''
input "${head} 6g\n 76\nDATA=END\n"
refused 'a digit that is none' 5 ''
input "${head}6b\n 76\nDATA=END\n"
refused 'a data line without its space' 5 ''
input "${head} 6b\nDATA=END\n"
refused 'a key without a value' 6 ''
input "${head} 6b\n"
refused 'a dump that ends after a key' 6 ''
input "${head} 6b\n 76\n"
refused 'a dump without DATA=END' 7 ''
input "${head} 6b\n 76\nDATA=END\n${head} 6c\n 77\nDATA=END\n"
refused 'a second database' 8 ''
input "${head} 6b\n 76\nDATA=END\nmore\n"
refused 'text after DATA=END' 8 ''
input 'VERSION=3\nformat=print\nHEADER=END\n k\\q\n v\nDATA=END\n'
refused 'a bad print escape' 4 ''
input 'k\tv\nno tab\n'
refused 'a TSV line without a TAB' 2 --tsv
input 'k\tv\nk\tv\tw\n'
refused 'a TSV line with two TABs' 2 --tsv
input 'k\\q\tv\n'
refused 'a bad TSV escape' 1 --tsv
input 'k\t\\x4\n'
refused 'a TSV escape that is cut off' 1 --tsv
input 'k\tv\\'
refused 'a TSV line that ends with a backslash' 1 --tsv
json_bad()
{
	printf '%s\n' '{"key":"a","value":"b"}' "$2" >in
	refused "$1" 2 --jsonl
}
json_bad 'JSON that is no object' '["a"]'
json_bad 'JSON without a value' '{"key":"a"}'
json_bad 'JSON without a key' '{"value":"a"}'
json_bad 'JSON with an unknown member' '{"key":"a","value":"b","ttl":"1"}'
json_bad 'JSON with a second key' '{"key":"a","key64":"YQ==","value":"b"}'
json_bad 'JSON with a number' '{"key":"a","value":1}'
json_bad 'JSON without its end' '{"key":"a","value":"b"'
json_bad 'JSON with an open string' '{"key":"a","value":"b}'
json_bad 'JSON with text behind it' '{"key":"a","value":"b"} x'
json_bad 'JSON with a trailing comma' '{"key":"a","value":"b",}'
json_bad 'JSON with a bad escape' '{"key":"a","value":"\q"}'
json_bad 'JSON with a short \u' '{"key":"a","value":"\u12"}'
json_bad 'JSON with a lone high surrogate' '{"key":"a","value":"\ud800"}'
json_bad 'JSON with a lone low surrogate' '{"key":"a","value":"\udc00"}'
json_bad 'JSON with a high surrogate before another' '{"key":"a","value":"\ud800\ud800"}'
json_bad 'JSON with a raw control character' "{\"key\":\"a\",\"value\":\"b${tab}\"}"
json_bad 'JSON with bytes that are not UTF-8' "{\"key\":\"a\",\"value\":\"$(printf '\355\240\200')\"}"
json_bad 'JSON with a bad base64 character' '{"key":"a","value64":"YQ=*"}'
json_bad 'JSON with base64 of a wrong length' '{"key":"a","value64":"YQ="}'
json_bad 'JSON with base64 that has bits to spare' '{"key":"a","value64":"YR=="}'

printf '%s\n' ' { "value" : "\"\\\/\b\f\n\r\t\u0041\u00e4\u20ac\ud83d\ude00\u0000" ,  "key":"k" } ' '' \
	'{"key64":"/w==","value64":"AAECAw=="}' '{"value64":"","key":""}' >in
gives 'load --jsonl takes white space, any order, every escape' 0 "$GKV" load j --jsonl
gives 'get of a value from JSON' 0 "$GKV" get j k
prints 'JSON escapes are decoded' '"\\/\b\f\n\r\tA\303\244\342\202\254\360\237\230\200\0'
gives 'get of a value from base64' 0 "$GKV" get j "$(printf '\377')"
prints 'base64 is decoded' '\000\001\002\003'
gives 'get of the empty key from JSON' 0 "$GKV" get j ''
prints 'its value is empty' ''
input 'k\\s1\ta\\t\\n\\r\\0\\\\\\x41'
gives 'load --tsv takes every escape and a last line without newline' 0 "$GKV" load t --tsv
gives 'get of a value from TSV' 0 "$GKV" get t 'k 1'
prints 'TSV escapes are decoded' 'a\t\n\r\0\\A'

# What editors of other systems add: a byte order mark before everything, a carriage return at the end of lines.
mark=$(printf '\357\273\277')
dumped='VERSION=3\r\nformat=bytevalue\r\ntype=btree\r\nHEADER=END\r\n 6b\r\n 760d\r\n 6b32\r\n \r\nDATA=END\r\n'
input "$mark$dumped"
gives 'load of a dump with a mark and CR LF' 0 "$GKV" load w1
gives 'list of that' 0 "$GKV" list w1
sort out >sorted
printf 'k\tv\\r\nk2\t\n' >want
same 'no carriage return is in a value but one that was written' want sorted
input "${mark}VERSION=3\r\nformat=print\r\nHEADER=END\r\n k\r\n v\\\\0d\r\nDATA=END\r"
gives 'load of a print dump with a mark and CR LF, cut after its last CR' 0 "$GKV" load w2
gives 'get of that' 0 "$GKV" get w2 k
prints 'no carriage return is in the value but one that was written' 'v\r'
input "${mark}k\tv\n"
gives 'load --tsv of text with a mark' 0 "$GKV" load w3 --tsv
gives 'get of its first key' 0 "$GKV" get w3 k
prints 'gives its value' v
input "${mark}{\"key\":\"k\",\"value\":\"v\"}\r\n"
gives 'load --jsonl of text with a mark' 0 "$GKV" load w4 --jsonl
gives 'get of its key' 0 "$GKV" get w4 k
for form in --tsv --jsonl; do
	input "$mark"
	gives "load $form of a mark alone" 0 "$GKV" load w5 $form
	says 'says that there was nothing' '^gkv: standard input: holds no record; w5 was not made$'
	absent 'and leaves no new store' w5
done
input "$mark"
gives 'load of a mark alone is that of an empty file' 4 "$GKV" load w5
says 'which is no dump, either' '^gkv: standard input: line 1: the input is empty'
input "$dumped$mark"
gives 'a mark elsewhere is text' 4 "$GKV" load w5
for form in '' --tsv --jsonl; do
	rm -f w6 w7
	must "$GKV" put w6 "${mark}key" value
	gives "dump $form of a key that begins with a mark" 0 "$GKV" dump w6 text $form --force
	gives "load $form of that" 0 "$GKV" load w7 text $form
	gives "the key is whole after dump and load $form" 0 "$GKV" get w7 "${mark}key"
done

# Batches: a malformed line takes its own batch with it and no other.
seq 1 25 | sed "s/.*/key&${tab}value&/" >good
{ cat good; echo malformed; seq 1 5 | sed "s/.*/late&${tab}x/"; } >broken
gives 'load --batch stops at a malformed line' 4 "$GKV" load b1 broken --tsv --batch 10
says 'and names it' '^gkv: broken: line 26:'
gives 'count after that' 0 "$GKV" count b1
prints 'whole batches stay, the broken one is not there' '20\n'
gives 'load --atomic stops at a malformed line' 4 "$GKV" load b2 broken --tsv --atomic
absent 'a failed --atomic stores nothing, and leaves no new store' b2
must "$GKV" put b2 key1 mine
gives 'load --atomic stops at a malformed line for a store that was there' 4 "$GKV" load b2 broken --tsv --atomic
gives 'count after a failed --atomic' 0 "$GKV" count b2
prints 'a failed --atomic stores nothing in it' '1\n'
gives 'get after a failed --atomic' 0 "$GKV" get b2 key1
prints 'a failed --atomic changes nothing' mine
gives 'load of one bad batch' 4 "$GKV" load b6 broken --tsv
absent 'leaves no new store' b6
gives 'load --lazy succeeds' 0 "$GKV" load b3 good --tsv --lazy --batch 7
gives 'count after --lazy' 0 "$GKV" count b3
prints '--lazy stores everything' '25\n'
gives 'put of a key that a load brings' 0 "$GKV" put b4 key7 mine
gives 'load --no-replace succeeds' 0 "$GKV" load b4 good --tsv --no-replace --quiet
gives 'get of a key that was there' 0 "$GKV" get b4 key7
prints '--no-replace leaves it as it was' 'mine'
gives 'count after --no-replace' 0 "$GKV" count b4
prints '--no-replace stores the others' '25\n'
gives 'load replaces without it' 0 "$GKV" load b4 good --tsv
gives 'get of a replaced value' 0 "$GKV" get b4 key7
prints 'load replaced it' 'value7'
seq 1 3000 | sed "s/.*/key&${tab}value&/" >many
gives 'load of 3,000 records' 0 "$GKV" load b5 many --tsv
gives 'list of 3,000 records' 0 "$GKV" list b5
sort out >sorted
sort many >want
same 'list gives back every record' want sorted

# A key of 65,535 bytes is the longest.
head -c 65535 /dev/zero | tr '\0' k >longest
{ printf 'a\t1\nk'; cat longest; printf '\tv\n'; } >toolong
gives 'load of a key of 65,536 bytes gives 4' 4 "$GKV" load toolong.gkv toolong --tsv
says 'load names the line of the long key' 'line 2:'
absent 'nothing of that batch is stored, and there is no new store' toolong.gkv

counted
