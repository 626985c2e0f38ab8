#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: fuzz.sh TOP_SRCDIR OUT SECONDS PROGRAM...; runs each fuzzer for so many seconds, from its folder in tests/corpus
# on. Nothing is written into the source: what a fuzzer finds, its log and its result (in the form of make check) are in
# OUT. An input that ended one is kept there as NAME-crash-..., NAME-timeout-... or NAME-oom-...
set -euo pipefail

top=$1 out=$2 seconds=$3
shift 3
mkdir -p "$out"
rm -f "$out"/*.trs "$out"/*.log

failed=0
for program; do
	name=${program##*/fuzz_}
	corpus=$top/tests/corpus/$name
	log=$out/fuzz_$name.log
	options=(-max_total_time="$seconds" -rss_limit_mb=1024 -timeout=20 -max_len=32768 -len_control=0)
	options+=(-print_final_stats=1 -artifact_prefix="$out/$name-")
	[ ! -e "$top/tests/fuzz/$name.dict" ] || options+=(-dict="$top/tests/fuzz/$name.dict")
	mkdir -p "$out/$name"
	result=PASS
	# New inputs go into the first folder. The fuzzer ends by itself; the limit is against one that does not.
	timeout $((seconds + 120)) "./$program" "${options[@]}" "$out/$name" "$corpus" >"$log" 2>&1 </dev/null || result=FAIL
	printf ':test-result: %s\n:global-test-result: %s\n' "$result" "$result" >"$out/fuzz_$name.trs"
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
	reached=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1) || true
	echo "fuzz $name: $result, ${runs:-?} runs, ${rate:-?} a second, ${reached:-no coverage}"
	if [ "$result" != PASS ]; then
		failed=1
		tail -n 40 "$log"
	fi
done
exit "$failed"
