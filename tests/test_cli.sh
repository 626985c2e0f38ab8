#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# The command line from outside: every verb with every exit status it can give, what bad input gets, and that bytes
# come back as they went in. GKV names the program (./gkv). The last line counts the checks.

set -u

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

# --- put, get, del, count -------------------------------------------------------------------------------------------

gives 'put creates a missing store' 0 "$GKV" put s key value
silent 'put says nothing'
gives 'get finds the value' 0 "$GKV" get s key
prints 'get adds no newline' 'value'
gives 'put replaces a value' 0 "$GKV" put s key other
gives 'get finds the new value' 0 "$GKV" get s key
prints 'the new value is whole' 'other'
gives 'get of an absent key gives 1' 1 "$GKV" get s nokey
says 'get names the absent key' 'nokey'
prints 'get of an absent key writes nothing' ''
gives 'put --add of an absent key' 0 "$GKV" put --add s added 1
gives 'put --add of a key that is there gives 4' 4 "$GKV" put --add s added 2
gives 'the value survives put --add' 0 "$GKV" get s added
prints 'put --add changes nothing' '1'
input 'from a pipe\n'
gives 'put reads standard input when VALUE is absent' 0 "$GKV" put s piped
gives 'get of a value from standard input' 0 "$GKV" get s piped
prints 'a newline in the value stays' 'from a pipe\n'
input 'dash'
gives 'put reads standard input when VALUE is -' 0 "$GKV" put s dash -
gives 'get of a value given as -' 0 "$GKV" get s dash
prints 'the value is standard input, not -' 'dash'
gives 'put of an empty value from standard input' 0 "$GKV" put s empty
gives 'get of an empty value' 0 "$GKV" get s empty
prints 'an empty value writes nothing' ''
gives 'put of an empty value as an operand' 0 "$GKV" put s empty2 ''
gives 'put of an empty key' 0 "$GKV" put s '' nothing
gives 'get of an empty key' 0 "$GKV" get s ''
prints 'an empty key has its value' 'nothing'
gives 'operands behind -- may begin with -' 0 "$GKV" put s -- -k -v
gives 'get of a key that begins with -' 0 "$GKV" get s -- -k
prints 'a value that begins with - is whole' '-v'
gives 'count succeeds' 0 "$GKV" count s
prints 'count counts' '8\n'
gives 'del removes keys' 0 "$GKV" del s empty empty2
gives 'a removed key is gone' 1 "$GKV" get s empty
gives 'del of an absent and a present key gives 1' 1 "$GKV" del s nokey dash
says 'del names the absent key' 'nokey'
gives 'del removed what was there' 1 "$GKV" get s dash
gives 'del of absent keys alone gives 1' 1 "$GKV" del s nokey1 nokey2
gives 'count after del' 0 "$GKV" count s
prints 'del removed three' '5\n'
gives 'a control byte in an absent key is escaped in the message' 1 "$GKV" get s "a$(printf '\033')b"
says 'the escape is \\x1b' 'a\\x1bb'

for size in 1 4096 70000 3000000; do
	head -c $size /dev/urandom >random
	cp random in
	gives "put of $size random bytes" 0 "$GKV" put s random
	gives "get of $size random bytes" 0 "$GKV" get s random
	same "$size random bytes come back through a pipe" random out
done
"$GKV" get s random 2>err | cat >piped
same 'random bytes come back through a pipe to a program' random piped
gives 'put from a closed standard input gives 4' 4 sh -c '"$0" put s closed <&-' "$GKV"
gives 'and stores nothing' 1 "$GKV" get s closed
gives 'get to a closed standard output gives 4' 4 sh -c '"$0" get s random >&-' "$GKV"
gives 'the store is whole after that' 0 "$GKV" check s

# --- list -----------------------------------------------------------------------------------------------------------

gives 'put of a TAB, a newline, a backslash, a control byte' 0 \
	"$GKV" put l "a${tab}b" "$(printf 'x\ny\\z\001\r\177.')"
gives 'list succeeds' 0 "$GKV" list l
prints 'list escapes control bytes and the backslash' 'a\\tb\tx\\ny\\\\z\\x01\\r\\x7f.\n'
printf 'nul\0byte' >in
gives 'put of a NUL' 0 "$GKV" put l2 k
gives 'list of a NUL' 0 "$GKV" list l2
prints 'a NUL is escaped as \\0' 'k\tnul\\0byte\n'
gives 'list --keys succeeds' 0 "$GKV" list l --keys
prints 'list --keys writes keys alone' 'a\\tb\n'
gives 'list --json succeeds' 0 "$GKV" list l --json
prints 'list --json escapes' '{"key":"a\\tb","value":"x\\ny\\\\z\\u0001\\r\\u007f."}\n'
gives 'list --json --keys succeeds' 0 "$GKV" list l --json --keys
prints 'list --json --keys writes keys alone' '{"key":"a\\tb"}\n'
gives 'put of bytes that are not UTF-8' 0 "$GKV" put l3 "$(printf '\377')" "$(printf '\300\200')"
gives 'list --json of bytes that are not UTF-8' 0 "$GKV" list l3 --json
prints 'such bytes become base64' '{"key64":"/w==","value64":"wIA="}\n'
gives 'put of UTF-8' 0 "$GKV" put l4 "$(printf '\303\244')" "$(printf '\360\237\230\200')"
gives 'list --json of UTF-8' 0 "$GKV" list l4 --json
prints 'UTF-8 stays as it is' '{"key":"\303\244","value":"\360\237\230\200"}\n'
gives 'list --null succeeds' 0 "$GKV" list l2 --null
prints 'list --null writes raw bytes' 'k\0nul\0byte\0'
gives 'list --null --keys succeeds' 0 "$GKV" list l2 --null --keys
prints 'list --null --keys writes keys alone' 'k\0'
input 'put apple 1\nput apricot 2\nput pear 3\nput ap 4\n'
gives 'fill for --prefix' 0 "$GKV" batch p
gives 'list --prefix succeeds' 0 "$GKV" list p --prefix ap --keys
sort out >sorted
printf 'ap\napple\napricot\n' >want
same 'list --prefix keeps the keys that begin so' want sorted
gives 'list --prefix of nothing succeeds' 0 "$GKV" list p --prefix x
prints 'and writes nothing' ''

# --- load and dump --------------------------------------------------------------------------------------------------

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

gives 'dump to a file' 0 "$GKV" dump s dumped
prints 'nothing goes to standard output then' ''
gives 'load from a file' 0 "$GKV" load s2 dumped
for key in key random '' -k; do
	"$GKV" get s -- "$key" >want 2>err
	gives "a dumped and loaded value is there ('$key')" 0 "$GKV" get s2 -- "$key"
	same "a dumped and loaded value is whole ('$key')" want out
done
for form in tsv jsonl; do
	gives "dump --$form to a file" 0 "$GKV" dump s dumped.$form --$form
	gives "load --$form from a file" 0 "$GKV" load s.$form dumped.$form --$form
	gives "dump of what load --$form stored" 0 "$GKV" dump s.$form
	grep '^ ' out | paste - - | sort >loaded
	grep '^ ' dumped | paste - - | sort >want
	same "--$form keeps every byte" want loaded
done
ls dumped.* >listed
[ "$(wc -l <listed)" -eq 2 ]
count 'dump leaves no temporary file' $?
gives 'dump onto the store itself gives 4' 4 "$GKV" dump s s
gives 'the store is whole after that' 0 "$GKV" check s
gives 'dump into a missing directory gives 4' 4 "$GKV" dump s nodir/out
gives 'load of a missing input gives 4' 4 "$GKV" load fresh noinput
says 'load names the missing input' '^gkv: noinput: '
absent 'load of a missing input makes no store' fresh
gives 'load of a directory as input gives 4' 4 "$GKV" load fresh .
absent 'load of a directory makes no store' fresh
input ''
gives 'load --tsv of nothing makes an empty store' 0 "$GKV" load e1 --tsv
gives 'which counts' 0 "$GKV" count e1
prints 'no record' '0\n'

# refused NAME LINE OPTIONS: the input in `in` is malformed in that line.
refused()
{
	cp in kept
	gives "load of $1 gives 4" 4 "$GKV" load bad $3
	says "load names the line of $1" "line $2:"
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

# Batches: a malformed line takes its own batch with it and no other.
seq 1 25 | sed "s/.*/key&${tab}value&/" >good
{ cat good; echo malformed; seq 1 5 | sed "s/.*/late&${tab}x/"; } >broken
gives 'load --batch stops at a malformed line' 4 "$GKV" load b1 broken --tsv --batch 10
says 'and names it' '^gkv: broken: line 26:'
gives 'count after that' 0 "$GKV" count b1
prints 'whole batches stay, the broken one is not there' '20\n'
gives 'load --atomic stops at a malformed line' 4 "$GKV" load b2 broken --tsv --atomic
gives 'count after a failed --atomic' 0 "$GKV" count b2
prints 'a failed --atomic stores nothing' '0\n'
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

# --- batch ----------------------------------------------------------------------------------------------------------

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
{ printf 'a\t1\nk'; cat longest; printf '\tv\n'; } >toolong
gives 'load of a key of 65,536 bytes gives 4' 4 "$GKV" load toolong.gkv toolong --tsv
says 'load names the line of the long key' 'line 2:'
gives 'nothing of that batch is stored' 1 "$GKV" get toolong.gkv a

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

# --- stat, check, compact, backup -----------------------------------------------------------------------------------

gives 'stat succeeds' 0 "$GKV" stat b5
grep -q '^records  *3000$' out
count 'stat shows the number of records' $?
gives 'stat --json succeeds' 0 "$GKV" stat b5 --json
grep -q '^{"records":3000,"live_bytes":[0-9]*,.*"oldest_reader_seq":[0-9]*}$' out
count 'stat --json writes one object' $?
gives 'map succeeds' 0 "$GKV" map b5
size=$(wc -c <b5)
[ "$(sed -n '3,18p' out | wc -L)" -le 80 ] && sed -n 1p out | grep -q '^b5: .*, 3000 records; ' &&
	sed -n 3p out | grep -q '^   0 bytes H' && grep -q '^t  table ' out && grep -q '^#+ live records ' out &&
	grep -q '^W  window .* 1 stretch$' out && ! grep -q "$(printf '\033')" out
count 'map draws 16 rows and counts the kinds, without colour where there is no terminal' $?
COLUMNS=132 "$GKV" map b5 >out 2>err
[ "$(sed -n '3,18p' out | wc -L)" -eq 131 ]
count 'map is as wide as it is told to be' $?
gives 'map --svg succeeds' 0 "$GKV" map b5 --svg b5.svg
prints 'map --svg writes nothing to standard output' ''
head -n 1 b5.svg | grep -q '^<svg xmlns=' && tail -n 1 b5.svg | grep -q '^</svg>$' && grep -q '>b5: ' b5.svg
count 'map --svg writes a picture' $?
[ "$(grep -c '^<path stroke="#[0-9a-f]*" d="M[Mmh0-9 ]*"/>$' b5.svg)" -ge 4 ] && [ "$(wc -c <b5.svg)" -le 60000 ]
count 'map --svg draws a path for each colour, and stays small' $?
"$GKV" map b5 --svg - >out 2>err
same 'map --svg - writes it to standard output' b5.svg out
gives 'map --svg onto the store gives 4' 4 "$GKV" map b5 --svg b5
gives 'map --svg into a missing directory gives 4' 4 "$GKV" map b5 --svg nodir/b5.svg
[ "$(wc -c <b5)" -eq "$size" ]
count 'map leaves the store as it was' $?
cp b5 'a<b&c'
gives 'map --svg of a file with an odd name' 0 "$GKV" map 'a<b&c' --svg -
grep -q '>a&lt;b&amp;c: ' out
count 'map --svg escapes the name' $?
odd=$(printf 'b5\357\277\277')
cp b5 "$odd"
gives 'map --svg of a name that XML does not allow' 0 "$GKV" map "$odd" --svg -
grep -q '>b5?: ' out
count 'map --svg writes a question mark for it' $?
gives 'check of a sound store' 0 "$GKV" check b5
prints 'check writes nothing to standard output' ''
says 'check says that it is sound, and what it has read' \
	"^gkv: b5: sound: 3000 records, [1-9][0-9]* pages of the table, $(wc -c <b5) bytes\$"
gives 'check --quiet of a sound store' 0 "$GKV" check b5 --quiet
silent 'check --quiet says nothing'
seq 1 2900 | sed 's/.*/del key&/' >in
gives 'delete most of it' 0 "$GKV" batch b5 --lazy
gives 'compact succeeds' 0 "$GKV" compact b5
silent 'compact says nothing where standard error is no terminal'
gives 'compact --quiet succeeds' 0 "$GKV" compact b5 --quiet
gives 'a compacted store is sound' 0 "$GKV" check b5
gives 'count after compact' 0 "$GKV" count b5
prints 'compact loses nothing' '100\n'
gives 'backup succeeds' 0 "$GKV" backup b5 copy
silent 'backup says nothing where standard error is no terminal'
gives 'a backup is sound' 0 "$GKV" check copy
"$GKV" list b5 2>err | sort >want
"$GKV" list copy 2>err | sort >sorted
same 'a backup holds the same records' want sorted
cp copy copy.before
gives 'backup onto a file that exists gives 4' 4 "$GKV" backup b5 copy
same 'and leaves it as it was' copy.before copy
gives 'backup into a missing directory gives 4' 4 "$GKV" backup b5 nodir/copy
gives 'salvage of a sound store succeeds' 0 "$GKV" salvage b5 saved
says 'salvage says where everything is' '^gkv: b5: sound; every record is in saved'
gives 'what was salvaged is sound' 0 "$GKV" check saved
"$GKV" list saved 2>err | sort >sorted
same 'salvage copies every record of a sound store' want sorted
cp saved saved.before
gives 'salvage onto a file that exists gives 4' 4 "$GKV" salvage b5 saved
says 'and names that file' '^gkv: saved: '
same 'and leaves it as it was' saved.before saved
rm saved
gives 'salvage --quiet of a sound store' 0 "$GKV" salvage b5 saved --quiet
silent 'salvage --quiet says nothing of a sound store'
gives 'salvage into a missing directory gives 4' 4 "$GKV" salvage b5 nodir/saved
says 'and names the file that cannot be made' '^gkv: nodir/saved: '

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

# --- what bad files get ---------------------------------------------------------------------------------------------

mkdir directory
: >empty
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
for bad in empty text noise; do
	cp $bad before
	each_verb 4 $bad "a file that is $bad" $all_verbs
	same "a file that is $bad stays as it was" before $bad
done
each_verb 4 nodir/store 'a file in a missing directory' $all_verbs
absent 'a failed backup leaves nothing' taken

# Damage in a value: the mark is found in the file and written over.
head -c 20000 /dev/urandom | od -An -tx1 | tr -d ' \n' >value
printf 'MARK-OF-THE-VALUE' >>value
cp value in
gives 'a value to be damaged' 0 "$GKV" put damaged k
offsets=$(grep -abo 'MARK-OF-THE-VALUE' damaged | cut -d: -f1)
[ -n "$offsets" ]
count 'the value stands in the file' $?
for offset in $offsets; do
	printf 'mark' | dd of=damaged bs=1 seek="$offset" conv=notrunc 2>dd.err
done
cp damaged damaged.before
gives 'get of a damaged value gives 3' 3 "$GKV" get damaged k
prints 'get of a damaged value writes nothing' ''
for verb in list dump check; do
	gives "$verb of a damaged store gives 3" 3 "$GKV" $verb damaged
	says "$verb names the damaged store" '^gkv: damaged: '
done
echo untouched >output
cp output output.before
gives 'dump of a damaged store to a file gives 3' 3 "$GKV" dump damaged output
same 'a failed dump leaves the file that was there' output.before output
gives 'backup of a damaged store gives 3' 3 "$GKV" backup damaged taken
absent 'a failed backup makes no file' taken
gives 'put of a key that stays whole' 0 "$GKV" put damaged whole text
cp damaged damaged.before
gives 'check of a damaged store names the key' 3 "$GKV" check damaged
says 'in quotes' 'record at [0-9]*, in the table.s page at [0-9]*, is damaged; it seems to be key "k"'
gives 'salvage of a damaged store gives 3' 3 "$GKV" salvage damaged saved2
says 'salvage names the damaged key' '^gkv: damaged: record at [0-9]*, key "k": is damaged'
gives 'what was salvaged of it is sound' 0 "$GKV" check saved2
gives 'salvage takes what is whole' 0 "$GKV" list saved2
prints 'and nothing else' 'whole\ttext\n'
same 'salvage does not change the damaged store' damaged.before damaged
gives 'check --quiet of a damaged store gives 3' 3 "$GKV" check damaged --quiet
same 'looking at a damaged store does not change it' damaged.before damaged

# A file that was cut short is damaged, or no longer a store: never an answer.
cp s whole
size=$(wc -c <whole)
for part in 2 10 1000; do
	head -c $((size / part)) whole >short
	cp short short.before
	for verb in list count dump stat check; do
		run "$GKV" $verb short
		if [ $verb = count ] || [ $verb = stat ]; then
			# These read the counters alone, which may all be there.
			[ "$got" -eq 0 ] || [ "$got" -eq 3 ] || [ "$got" -eq 4 ]
		else
			{ [ "$got" -eq 3 ] || [ "$got" -eq 4 ]; } && grep -q '^gkv: short: ' err
		fi
		count "$verb of a file cut to 1/$part fails ($got)" $?
	done
	same "a file cut to 1/$part is not changed" short.before short
done

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
	absent 'and makes no file' locked/new
	gives 'get needs no permission to write' 0 $drop "$GKV" get locked/readable key2999
	prints 'and finds the value' 'value2999'
	gives 'list needs no permission to write' 0 $drop "$GKV" list locked/readable
	gives 'check needs no permission to write' 0 $drop "$GKV" check locked/readable
	gives 'put needs permission to write' 4 $drop "$GKV" put locked/readable k v
	gives 'del needs permission to write' 4 $drop "$GKV" del locked/readable key2999
	gives 'dump into a directory without permission gives 4' 4 $drop "$GKV" dump copy locked/out
	absent 'and makes no output' locked/out
}
chmod 755 locked

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
	gives 'and what it put is not there' 1 "$GKV" get x full
fi
{
	"$GKV" list s 2>err
	echo $? >status
} | :
[ "$(cat status)" = 4 ] && grep -q '^gkv: standard output: ' err
count 'list into a pipe that nobody reads gives 4' $?

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

# --- the count ------------------------------------------------------------------------------------------------------

percent=$((100 * (checks - failures) / checks))
echo "$percent%: Checks: $checks, Failures: $failures, Errors: $errors"
[ $failures -eq 0 ] && [ $errors -eq 0 ]
