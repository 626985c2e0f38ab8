#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# pictures.sh GKV FOLDER: the pictures of docs/compaction.md, made by `gkv map` of one store in four states, and what it
# says of the last three in words.
#
# The records and the order of the changes are the same each time. The seed of a store's hash is not, so that a table page
# may stand elsewhere in the next picture.
set -euo pipefail
export LC_ALL=C
[ $# = 2 ] || { echo "usage: pictures.sh GKV FOLDER" >&2; exit 2; }
gkv=$1 folder=$2

work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-pictures.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder"
cd "$work"

# records SEED COUNT SHARE KEYS: lines of `gkv batch`, COUNT puts of random keys of KEYS with values from 16 bytes to
# 16 KiB, the logarithms of their sizes evenly spread; SHARE 1: every key once, in order.
records() {
	awk -v seed="$1" -v count="$2" -v once="$3" -v keys="$4" 'BEGIN {
		srand(seed)
		x = "x"; while (length(x) < 16384) x = x x
		for (i = 1; i <= count; i++)
			printf "put key%05d %s\n", once ? i : 1 + int(keys * rand()), substr(x, 1, int(16 * 2 ^ (10 * rand())))
	}'
}

# picture NAME TITLE: the store as it is now.
picture() {
	"$gkv" map store.gkv --svg "$folder/$1.svg"
	echo "--- $1"
	COLUMNS=76 "$gkv" map store.gkv
}

records 1 6000 1 6000 | "$gkv" batch store.gkv --lazy >/dev/null
picture filled >/dev/null
records 2 30000 0 6000 | "$gkv" batch store.gkv --lazy >/dev/null
picture churned
awk 'BEGIN { srand(3); for (i = 1; i <= 6000; i++) if (rand() < 0.5) printf "del key%05d\n", i }' |
	"$gkv" batch store.gkv --lazy --atomic >/dev/null
picture halved
"$gkv" compact store.gkv
picture compacted
