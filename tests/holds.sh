# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Sourced by scripts that check one command after another. They have a folder of their own, $work.
checks=0 failures=0

# holds WHAT COMMAND...: one check, which holds if the command succeeds. What it prints is shown if it does not.
holds() {
	local what=$1
	shift
	checks=$((checks + 1))
	if "$@" >"$work/said" 2>&1; then
		return
	fi
	failures=$((failures + 1))
	echo "not so: $what"
	sed 's/^/    /' "$work/said" | head -n 20
}

# empty FILE: nothing was found. What was is shown.
empty() {
	cat "$1"
	[ ! -s "$1" ]
}

# holds_end: the line that is counted; fails if a check has.
holds_end() {
	echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
	[ "$failures" = 0 ]
}
