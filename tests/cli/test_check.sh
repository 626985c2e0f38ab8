#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# check: sound stores; and what damage gets from every verb that meets it.

. "$(dirname "$0")/cli.sh"

single_records s
many_records b5

gives 'check of a sound store' 0 "$GKV" check b5
prints 'check writes nothing to standard output' ''
says 'check says that it is sound, and what it has read' \
	"^gkv: b5: sound: 3000 records, [1-9][0-9]* pages of the table, $(wc -c <b5) bytes\$"
gives 'check --json of a sound store' 0 "$GKV" check b5 --json
silent 'check --json says nothing'
grep -qx "{\"findings\":\[\],\"sound\":true,\"records\":3000,\"table_pages\":[1-9][0-9]*,\"file_bytes\":$(wc -c <b5)}" out
count 'check --json writes one object' $?
gives 'check --json of a missing file gives 4' 4 "$GKV" check missing --json
prints 'and writes nothing' ''
gives 'check --quiet of a sound store' 0 "$GKV" check b5 --quiet
silent 'check --quiet says nothing'

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
	says "$verb says what to do next" 'gkv salvage saves what is whole)$'
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
gives 'check --json of a damaged store gives 3' 3 sh -c '"$0" check damaged --json || { echo "gkv: status: $?" >&2; exit 3; }' "$GKV"
sed 's/^{"findings":\["record at [0-9]*, in the table.s page at [0-9]*, is damaged; it seems to be key \\"k\\""\],"sound":false,"records":2,"table_pages":1,"file_bytes":[0-9]*}$/held/' out >sorted
[ "$(cat sorted)" = held ]
count 'check --json has the findings, with quotes escaped' $?
gives 'salvage --json of a damaged store gives 3' 3 sh -c '"$0" salvage damaged saved3 --json || { echo "gkv: status: $?" >&2; exit 3; }' "$GKV"
grep -qx '{"findings":\["record at [0-9]*, key \\"k\\": is damaged.*"\],"sound":false,"dest":"saved3"}' out
count 'salvage --json has the findings, and where the rest is' $?
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

counted
