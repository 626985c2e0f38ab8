#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# dump: to a file, and in every form into a store again.

. "$(dirname "$0")/cli.sh"

single_records s

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

must "$GKV" put other key mine
ln -s other link
cp other kept
gives 'dump onto another store gives 4' 4 "$GKV" dump s other
says 'and names the way out' '^gkv: other: is a store itself (--force replaces it)$'
gives 'dump onto a link to another store gives 4' 4 "$GKV" dump s link
head -c 2000 kept >cut
cp cut kept.cut
gives 'dump onto a damaged store gives 4' 4 "$GKV" dump s cut
same 'the store is as it was' kept other
same 'the damaged one, too' kept.cut cut
gives 'dump --force onto the store itself gives 4' 4 "$GKV" dump s s --force
gives 'dump --force onto another store' 0 "$GKV" dump s other --force
"$GKV" dump s >want 2>err
same 'replaces it' want other
gives 'dump onto a dump' 0 "$GKV" dump s other
counted
