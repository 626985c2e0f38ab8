#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# Standard input or standard output is closed: every verb that needs it says so and what to do, and the others do not care.

. "$(dirname "$0")/cli.sh"

must "$GKV" put s key value
must "$GKV" put s other value

# refuses STREAM HINT REDIRECTION WORDS: with it closed the command fails, and says this alone.
refuses()
{
	stream=$1
	hint=$2
	closed=$3
	shift 3
	gives "$* with $closed gives 4" 4 sh -c "exec \"\$0\" \"\$@\" $closed" "$GKV" "$@"
	says "and says that it is closed ($*)" "^gkv: $stream: is closed; $hint"
	[ "$(wc -l <err)" -eq 1 ]
	count "in one line ($*)" $?
}

# --- standard input -------------------------------------------------------------------------------------------------

refuses 'standard input' 'give VALUE as an operand, or a file or a pipe' '<&-' put new key
absent 'put leaves no new store' new
refuses 'standard input' 'give a file or a pipe' '<&-' batch new
refuses 'standard input' 'give a file or a pipe' '<&-' batch new --atomic
absent 'batch leaves no new store' new
for words in '' - --tsv --jsonl; do
	# shellcheck disable=SC2086
	refuses 'standard input' 'name a file to load, or give a file or a pipe' '<&-' load new $words
done
absent 'load leaves no new store' new
refuses 'standard input' 'give a file or a pipe' '<&-' batch s
echo "key${tab}loaded" >record
for words in 'put s key v' 'get s key' 'list s' 'count s' 'dump s dumped' 'load s record --tsv' 'stat s' 'map s' 'check s' \
	'compact s' 'backup s copied' 'salvage s saved' 'del s key' --version; do
	# shellcheck disable=SC2086
	gives "$words needs no standard input" 0 sh -c 'exec "$0" "$@" <&-' "$GKV" $words
done

# --- standard output ------------------------------------------------------------------------------------------------

must "$GKV" put s key value
for words in 'get s key' 'list s' 'list s --json' 'list s --keys' 'count s' 'dump s' 'dump s -' 'dump s --tsv' 'dump s --jsonl' \
	'stat s' 'stat s --json' 'map s' 'map s --json' 'map s --svg -' 'check s --json' --version --help 'get --help'; do
	# shellcheck disable=SC2086
	refuses 'standard output' 'give a file or a pipe' '>&-' $words
done
rm dumped copied saved
for words in 'put s key v' 'dump s dumped' 'load s record --tsv' 'map s --svg drawn' 'check s' 'compact s' 'backup s copied' \
	'salvage s saved' 'del s key'; do
	# shellcheck disable=SC2086
	gives "$words needs no standard output" 0 sh -c 'exec "$0" "$@" >&-' "$GKV" $words
done
must "$GKV" put s key value
input 'get key\nput late 1\n'
gives 'batch with closed standard output gives 4' 4 sh -c 'exec "$0" batch s >&-' "$GKV"
says 'and says that it is closed' '^gkv: standard output: is closed; give a file or a pipe'
input 'put quiet 1\n'
gives 'batch that writes nothing needs no standard output' 0 sh -c 'exec "$0" batch s >&-' "$GKV"

# What is the other way round is as good as closed.
gives 'put from what is open for writing alone' 4 sh -c 'exec "$0" put s key <&1' "$GKV"
says 'says that it is closed, too' '^gkv: standard input: is closed; give VALUE'

gives 'and the store is sound' 0 "$GKV" check s
counted
