#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# The store at its main job, on real files that any machine has. Each step is a process of its own; the store's file is
# all that they share. Fails when a byte differs.
#
# GKV names the command-line tool (./gkv), GKV_DEMO the program of the steps (tests/demo beside it).
set -euo pipefail

GKV=${GKV:-./gkv}
GKV_DEMO=${GKV_DEMO:-$(dirname "$GKV")/tests/demo}
ENOUGH=500

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'echo "demo: FAILED" >&2' ERR
store=$work/demo.gkv

heading() {
	step=$((step + 1))
	printf '\n%d. %s\n' "$step" "$1"
}
step=0

# Runs a command, shows it as it would be typed, with the time it took and its output.
show() {
	local begun ended typed rc=0
	typed="gkv $*"
	typed=${typed//"$work/"/}
	begun=$(date +%s%N)
	"$GKV" "$@" >"$work/output" 2>&1 || rc=$?
	ended=$(date +%s%N)
	printf '   %-88s %6d.%d ms\n' "\$ $typed" $(((ended - begun) / 1000000)) $(((ended - begun) / 100000 % 10))
	sed "s|$work/||g; s/^/     /" "$work/output"
	return "$rc"
}

size() {
	local bytes blocks
	bytes=$(stat -c %s "$1")
	blocks=$(stat -c %b "$1")
	printf '   %s: %d bytes, of which %d KiB on disk\n' "$(basename "$1")" "$bytes" $((blocks / 2))
}

# The first folder that has enough files; head closes the pipe early, which find does not take amiss.
folder=
for candidate in /usr/include /usr/share/doc /usr/share /usr/lib /etc; do
	[ -d "$candidate" ] || continue
	count=$(find "$candidate" -type f -readable 2>/dev/null | head -n "$ENOUGH" | wc -l || true)
	if [ "$count" -ge "$ENOUGH" ]; then
		folder=$candidate
		break
	fi
done
if [ -z "$folder" ]; then
	echo 'demo: no folder with enough files on this machine' >&2
	exit 1
fi

printf '%s\n' "gkv: real files, a process killed in the middle of its work, and every byte compared"
if [ "$folder" != /usr/include ]; then
	printf '%s\n' "(/usr/include has fewer than $ENOUGH files here, so $folder it is)"
fi

heading "Load: a record for each file under $folder; its path is the key, its bytes are the value"
"$GKV_DEMO" load "$store" "$folder"
size "$store"

heading 'Read back, in a new process'
"$GKV_DEMO" verify "$store" "$folder"
sample=$("$GKV_DEMO" sample "$store" "$folder")
"$GKV" get "$store" "$sample" >"$work/value"
cmp "$work/value" "$sample"
printf '   $ gkv get demo.gkv %s | cmp - %s\n     equal\n' "$sample" "$sample"

heading 'Kill: a process rewrites the records, 32 a durable transaction, and meets SIGKILL in the middle, five times'
"$GKV_DEMO" kill "$store" "$folder"
show check "$store"

heading 'Delete every second record'
"$GKV_DEMO" halve "$store" "$folder"
"$GKV_DEMO" half "$store" "$folder"
show stat "$store"

heading 'Give the space back'
size "$store"
show compact "$store"
size "$store"
"$GKV_DEMO" half "$store" "$folder"

heading 'Back up, and check both stores from end to end'
show backup "$store" "$work/backup.gkv"
size "$work/backup.gkv"
show check "$store"
show check "$work/backup.gkv"
"$GKV_DEMO" half "$work/backup.gkv" "$folder"

printf '\nEvery byte was right.\n'
