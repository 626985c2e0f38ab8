#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: count.sh DIR...; prints "PASSED FAILED SKIPPED" over the test logs that `make check` left in the folders and in
# the folders in each of them.
#
# Every test prints one or more lines "NN%: Checks: N, Failures: F, Errors: E". A test without such a line, one that
# failed though its lines know of no failure (a crash, a leak that a sanitizer found at the end) and one that was
# skipped count as one each.
set -euo pipefail

for dir; do
	for trs in "$dir"/*.trs "$dir"/*/*.trs; do
		[ -e "$trs" ] || continue
		printf 'result %s\n' "$(sed -n 's/^:global-test-result: //p' "$trs")"
		[ ! -e "${trs%.trs}.log" ] || cat "${trs%.trs}.log"
	done
done | LC_ALL=C awk '
	function finish() {
		if (result == "SKIP")
			skipped++
		else if (result == "PASS" && checks == 0)
			passed++
		else if (result != "" && result != "PASS" && bad == 0)
			failed++
		passed += checks - bad
		failed += bad
	}
	/^result / { finish(); result = $2; checks = bad = 0; next }
	match($0, /[0-9]+%: Checks: [0-9]+, Failures: [0-9]+, Errors: [0-9]+/) {
		split(substr($0, RSTART, RLENGTH), part, /[:, ]+/)
		checks += part[3]
		bad += part[5] + part[7]
	}
	END { finish(); print passed + 0, failed + 0, skipped + 0 }
'
