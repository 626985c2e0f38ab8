#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# map: the picture as text and as SVG.

. "$(dirname "$0")/cli.sh"

many_records b5

gives 'map succeeds' 0 "$GKV" map b5
size=$(wc -c <b5)
[ "$(sed -n '3,18p' out | wc -L)" -le 80 ] && sed -n 1p out | grep -q '^b5: .*, 3000 records; ' &&
	sed -n 3p out | grep -q '^   0 bytes H' && grep -q '^t  table ' out && grep -q '^#+ live records ' out &&
	grep -q '^W  window .* 1 stretch$' out && ! grep -q "$(printf '\033')" out
count 'map draws 16 rows and counts the kinds, without colour where there is no terminal' $?
COLUMNS=132 "$GKV" map b5 >out 2>err
[ "$(sed -n '3,18p' out | wc -L)" -eq 131 ]
count 'map is as wide as it is told to be' $?
gives 'map --json succeeds' 0 "$GKV" map b5 --json
grep -qx "{\"file_bytes\":$size,\"records\":3000,\"kinds\":\[{\"kind\":\"headers\",\"bytes\":8192,\"stretches\":1},.*\],\"free_slots\":\[{\"least\":0,\"count\":[0-9]*,\"bytes\":[0-9]*},.*\],\"pairs\":\[.*\]}" out
count 'map --json writes one object' $?
bytes=$(sed 's/"free_slots".*//' out | grep -o '"bytes":[0-9]*' | cut -d: -f2 | paste -sd+ -)
[ $(($bytes)) -eq $((size / 8 * 8)) ]
count 'whose kinds are the file together' $?
gives 'map --json --svg is wrong usage' 2 "$GKV" map b5 --json --svg b5.svg
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

must "$GKV" put other key mine
cp other kept
gives 'map --svg onto another store gives 4' 4 "$GKV" map b5 --svg other
says 'and names the way out' '^gkv: other: is a store itself (--force replaces it)$'
same 'and leaves it as it was' kept other
gives 'map --svg --force onto another store' 0 "$GKV" map b5 --svg other --force
same 'replaces it' b5.svg other
counted
