#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# Records go from LMDB to gkv and back through the real mdb_dump and mdb_load, and every byte arrives. GKV names the
# program (./gkv). Without the LMDB tools the test is skipped (77). The last line counts the checks.

. "$(dirname "$0")/cli.sh"

for tool in mdb_dump mdb_load; do
	if ! command -v $tool >/dev/null 2>&1; then
		echo "skipped: $tool is not there (lmdb-utils)"
		exit 77
	fi
done

# records: the data lines of a dump, a record per line, sorted.
records()
{
	grep '^ ' | paste - - | sort
}

# hex_lines COUNT BYTES: that many data lines of random bytes.
hex_lines()
{
	head -c $(($1 * $2)) /dev/urandom | od -An -v -tx1 "-w$2" | tr -d ' ' | sed 's/^/ /'
}

# header FORMAT [LINES]: the head of a dump, with more lines in it.
header()
{
	printf "VERSION=3\\nformat=$1\\n${2:-}type=btree\\nmapsize=1073741824\\nHEADER=END\\n"
}

# there_and_back NAME: the LMDB file `from` goes through a gkv store into the new LMDB file `to`.
there_and_back()
{
	rm -f store to to-lock
	mdb_dump -n from >from.text 2>err
	mdb_dump -n from 2>err | "$GKV" load store 2>err
	count "$1: gkv load takes what mdb_dump writes" $?
	records <from.text >want
	"$GKV" count store >counted 2>err
	[ "$(cat counted)" -eq "$(wc -l <want)" ]
	count "$1: gkv has every record" $?
	"$GKV" dump store 2>err | mdb_load -n to 2>err
	count "$1: mdb_load takes what gkv dump writes" $?
	mdb_dump -n to 2>err | records >got
	cmp -s want got
	count "$1: every byte came back" $?
	"$GKV" check store 2>err
	count "$1: the store is sound" $?
}

# fill BYTES COUNT: the LMDB file `from` gets COUNT records with values of BYTES random bytes under random keys.
fill()
{
	rm -f from from-lock
	hex_lines "$2" 16 >keys
	hex_lines "$2" "$1" >values
	{
		header bytevalue
		paste -d '\n' keys values
		echo 'DATA=END'
	} | mdb_load -n from 2>err
	count "mdb_load makes a file of $2 values of $1 bytes" $?
}

fill 1 2000
there_and_back '2,000 values of 1 byte'
fill 100 5000
there_and_back '5,000 values of 100 bytes'
fill 1400 3000
there_and_back 'values that fill a third of a page'
fill 2100 2000
there_and_back 'values just too large for a leaf'
fill 100000 60
there_and_back 'values of many pages'

rm -f from from-lock
{
	header bytevalue
	printf ' 00\n 00\n 5c\n 5c5c0a20\n 20\n \n 2020\n 20\n 0a\n 0d0a\n ff\n fffe\nDATA=END\n'
} | mdb_load -n from 2>err
there_and_back 'bytes that are easily lost'

rm -f from from-lock store
{
	header print
	printf ' plain key\n plain value\n k\\00\\ff\n v\\0a\\20\\20\nDATA=END\n'
} | mdb_load -n from 2>err
mdb_dump -n -p from 2>err | "$GKV" load store 2>err
count 'gkv load takes what mdb_dump -p writes' $?
mdb_dump -n from 2>err | records >want
"$GKV" dump store 2>err | records >got
cmp -s want got
count 'mdb_dump -p: every byte arrived' $?

{ header bytevalue; echo 'DATA=END'; } | "$GKV" load nothing 2>err
rm -f to to-lock
"$GKV" dump nothing 2>err | mdb_load -n to 2>err
count 'mdb_load takes the dump of an empty store' $?
mdb_dump -n to 2>err | "$GKV" load nothing2 2>err
count 'gkv load takes the dump of an empty LMDB file' $?
[ "$("$GKV" count nothing2 2>err)" = 0 ]
count 'and no record comes of it' $?

rm -f from from-lock
for name in one two; do
	{
		header bytevalue "database=$name\n"
		printf ' 61\n 62\nDATA=END\n'
	} | mdb_load -n from 2>err
done
mdb_dump -n -s one from 2>err | "$GKV" load named 2>err
count 'gkv load takes one named database' $?
[ "$("$GKV" get named a 2>err)" = b ]
count 'its record is there' $?
mdb_dump -n -a from >from.text 2>err
line=$(grep -n '^VERSION=' from.text | sed -n '2s/:.*//p')
"$GKV" load several from.text >out 2>err
[ $? -eq 4 ] && grep -q "line $line: a second database" err
count 'gkv load refuses several databases and names the line of the second' $?

rm -f from from-lock
{
	header bytevalue 'database=d\ndupsort=1\n'
	printf ' 61\n 62\n 61\n 63\nDATA=END\n'
} | mdb_load -n from 2>err
mdb_dump -n -s d from 2>err | "$GKV" load dups >out 2>err
[ $? -eq 4 ] && grep -q 'several values' err && [ ! -e dups ]
count 'gkv load refuses a database with several values for a key' $?

counted
