#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: soak.sh TEST_CRASH: makes power cuts until so many images were opened, or until it is stopped; with one process
# for each processor, each with seeds of its own, which are printed. Fails with the first image that does.
#
# The environment: GKV_SOAK_IMAGES, how many distinct images at least (1000000; 0: until it is stopped); GKV_SOAK_JOBS, how
# many processes; GKV_SOAK_SEED, where the seeds begin (the time); GKV_SOAK_ROUND, images of each of the workloads in a
# round (15000). What repeats a failure is printed with it.
set -euo pipefail
test=$1
images=${GKV_SOAK_IMAGES:-1000000}
jobs=${GKV_SOAK_JOBS:-$(nproc)}
seed=${GKV_SOAK_SEED:-$(date +%s)}
round=${GKV_SOAK_ROUND:-15000}
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-soak.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "soak: $images images (0: no end), $jobs processes, seeds from $seed on"

# counts: distinct images and images of all rounds so far.
counts() {
	cat "$work"/*.sums 2>/dev/null | awk '{ d += $1; i += $2 } END { printf "%d %d\n", d, i }'
}

# job NUMBER: rounds until there are enough images, or one of the processes has failed.
job() {
	local at=$((seed + $1)) distinct all
	while [ ! -e "$work/failed" ]; do
		read -r distinct all < <(counts)
		[ "$images" = 0 ] || [ "$distinct" -lt "$images" ] || break
		if ! GKV_TEST_SEED=$at GKV_CRASH_IMAGES=$round "$test" >"$work/$1.log" 2>&1; then
			: >"$work/failed"
			echo "soak: seed $at failed" && tail -n 40 "$work/$1.log"
			return 1
		fi
		sed -n 's/^total: \([0-9]*\) distinct images of \([0-9]*\)$/\1 \2/p' "$work/$1.log" >>"$work/$1.sums"
		read -r distinct all < <(counts)
		echo "soak: seed $at passed; $distinct distinct images of $all so far"
		at=$((at + jobs))
	done
}

pids=() result=0
for ((i = 0; i < jobs; i++)); do
	job "$i" &
	pids+=($!)
done
for pid in "${pids[@]}"; do
	wait "$pid" || result=1
done
read -r distinct all < <(counts)
echo "soak: $distinct distinct images of $all in $SECONDS s, seeds from $seed on: $([ "$result" = 0 ] && echo passed || echo FAILED)"
exit "$result"
