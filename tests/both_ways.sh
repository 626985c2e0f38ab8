#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: both_ways.sh GKV OTHER; two commands gkv that were built in different ways, for other machines or with other C
# libraries. What one has written the other checks, reads, changes and compacts, and the first one reads that again.
set -euo pipefail
export LC_ALL=C
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-both-ways.XXXXXX")
trap 'rm -rf "$work"' EXIT

. "$(dirname "$0")/holds.sh"

# records FIRST LAST: lines of a key and a value, of sizes from a few bytes to some KiB.
records() {
	awk -v first="$1" -v last="$2" 'BEGIN {
		for (i = first; i <= last; i++) {
			value = "value " i
			for (n = i % 97; n > 0; n -= 8)
				value = value " and so on and on " n * i
			if (i % 251 == 0)
				for (n = 0; n < 7; n++)
					value = value value
			print "key " i "\t" value
		}
	}'
}

# listed COMMAND STORE OUT
listed() {
	"$1" list "$2" | sort >"$3"
}

# deletes COMMAND STORE
deletes() {
	"$1" batch "$2" --atomic <"$work/batch"
}

# written_here_read_there ONE OTHER
written_here_read_there() {
	local one=$1 other=$2 store=$work/store.gkv
	rm -f "$store"
	records 1 3000 >"$work/records"
	holds "$one loads" "$one" load "$store" "$work/records" --tsv
	holds "$other checks" "$other" check --quiet "$store"
	listed "$other" "$store" "$work/listed"
	holds "$other lists what $one has loaded" cmp "$work/listed" <(sort "$work/records")
	seq -f $'del\tkey %g' 1000 2500 >"$work/batch"
	holds "$other deletes" deletes "$other" "$store"
	records 2900 4000 >"$work/more"
	holds "$other loads more" "$other" load "$store" "$work/more" --tsv
	holds "$other compacts" "$other" compact "$store"
	holds "$one checks" "$one" check --quiet "$store"
	listed "$one" "$store" "$work/listed"
	holds "$one lists what $other has made of it" cmp "$work/listed" \
		<({ records 1 999; records 2501 4000; } | sort)
}

written_here_read_there "$1" "$2"
written_here_read_there "$2" "$1"
holds_end
