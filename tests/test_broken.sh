#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# The check of the check: each fault of arena/broken.h, built in alone, makes the suites fail that are there for it, by
# an assertion of theirs; and the same build without a fault passes them. One line tells for each fault who caught it,
# and how soon; the last line counts. The seed is 1 where GKV_TEST_SEED names no other.
set -euo pipefail
export LC_ALL=C
srcdir=${abs_top_srcdir:-.}
builddir=${abs_top_builddir:-.}

# Fault, suite, and the suite's case; of the crash suite the workload.
wanted='
	flush           crash    durable
	flush-windows   crash    durable
	flush-claim     faults   systems
	flush-again     faults   systems
	flush-twice     session_flush failed
	generation      stretches orders
	date            files    files
	new             crash    durable
	magic           creation empty files
	name            crash    durable
	removed         hooks    names
	header-first    crash    durable
	header-over     crash    durable
	header-bytes    crash    durable
	header-state    driver_deaths orders
	header-orphan   driver_deaths orders
	page-check      crash    durable
	page-in-place   crash    durable
	page-in-place   table    table
	list-forgets    crash    durable
	list-chunks     crash    durable
	orphan-chunks   orphan   orphans
	orphan-chunks   driver_deaths orders
	orphan-seq      orphan   orphans
	orphan-sort     orphan   orphans
	reuse           crash    durable
	reuse-log       crash    durable
	reuse-snapshot  crash    durable
	reuse-snapshot  reader   slots
	reuse-snapshot  kv_iter  large
	reuse-snapshot  reader_orders orders
	reuse-snapshot  apply_orders orders
	reuse-pin       reader   slots
	reuse-pin       reader_orders orders
	look-ahead      reader_orders orders
	publish-seq     reader_orders orders
	reserve         kv_open  damage and limits
	guard           guard    snapshots
	guard           kv_iter  large
	refused         guard    snapshots
	shown           guard    shown
	kept            faults   systems
	cut             no_signal end
	ready           crash_cases cases
	calls           crash_cases cases
	punched         session  holes
	keep            full_disk cases
	aside           full_disk cases
	apply-fails     faults   systems
	seal-first      faults   systems
	snapshot-missed prepare  snapshots
	snapshot-missed apply_orders orders
	snapshot-apply  reader_orders orders
	snapshot-apply  apply_orders orders
	snapshot-look   reader_orders orders
	snapshot-new    reader_orders orders
	snapshot-handed reader_orders orders
	apply-late      reader_orders orders
	apply-late      apply_orders orders
	step-inside     crash    limit
	number          session  left
	nonce           session  left
	behead          session  left
	link            session  left
	chain-number    damage   damage
	chain-check     crash    durable
	chain-check     session  left
	commit-flag     crash    durable
	commit-flag     session  left
	tail            crash    durable
	tail            session  left
	log-space       crash    durable
	move-blind      crash    compact
	tomb            crash    durable
	names           gravity  blobs
	header-replay   session_flush failed
	header-trust    session_flush failed
	log-trust       session_flush failed
	stale           session_flush failed
	stale-trust     session_flush failed
	watermark       recover  damage
	strayed         pages    pages
	header-older    crash    durable
	child-file      fork     forks
	child-map       fork     forks
	cancel          cancel   cancellation
	latch-passed    latch    orders
	latch-call      latch    orders
	latch-asleep    latch    orders
	latch-drop      latch    orders
	latch-drop      latch_deaths orders
	latch-left      latch_deaths orders
	latch-heir      latch_deaths orders
	adopt           moving   books
	header-check    blob     headers
	check-place     blob     blobs
	check-identity  blob     blobs
	read-check      recover  damage
	page-trust      damage   damage
	move-trust      damage   damage
	split-trust     table    table
	birth           table    table
	birth-late      table    table
'
images=$(awk -v scale="${GKV_TEST_SCALE:-1}" 'BEGIN { n = int(300 * scale); print n < 10 ? 10 : n }')
export GKV_TEST_SEED="${GKV_TEST_SEED:-1}" GKV_CRASH_IMAGES=$images
unset GKV_BROKEN GKV_CRASH_ONLY CK_FORK CK_RUN_CASE CK_RUN_SUITE

work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-broken.XXXXXX")
trap 'rm -rf "$work"' EXIT
checks=0 failures=0

# run FAULT SUITE CASE: the suite's output is in out; sets status and ms. The crash suite stops at its first failure.
run() {
	local start=$(date +%s%N)
	local -a environment=(GKV_BROKEN="$1" CK_RUN_CASE="$3")
	[ "$2" != crash ] || environment=(GKV_BROKEN="$1" CK_FORK=no CK_RUN_CASE=cuts GKV_CRASH_ONLY="$3:")
	status=0
	env "${environment[@]}" timeout 300 "$builddir/tests/$([ "$2" = moving ] && echo moving || echo broken)/test_$2" >"$work/out" 2>&1 || status=$?
	ms=$((($(date +%s%N) - start) / 1000000))
}

# What an assertion of the suite that ran last has said, or a sanitizer, on one line; nothing where none has.
assertion() {
	sed -nE '/^(crash test|damage trial), |: never met: |\.c:[0-9]+: (does not hold:|gives) |\.c:[0-9]+:F:|ERROR: [A-Za-z]+Sanitizer: /{s/^.*tests\///;p;q;}' "$work/out"
}

# Which test that was; the crash suite ends at once, without a word from Check.
test_name() {
	if [ "$1" = crash ]; then
		echo opens_at_a_commit_wherever_it_is_cut
	else
		sed -nE '/\.c:[0-9]+:[EF]:/{s/^.*:[EF]:[^:]*:([^:]*):.*$/\1/p;q;}' "$work/out"
	fi
}

fail() {
	failures=$((failures + 1))
	printf '%s\n' "$1"
	tail -n 5 "$work/out" | sed 's/^/    /; s/Checks:/checks:/' # one line is to be counted
}

# Without a fault: nothing is wrong with the build, the seed or the suites.
while read -r suite case; do
	checks=$((checks + 1))
	run nothing "$suite" "$case"
	if [ "$status" = 0 ] && ! grep -qE 'Checks: 0,' "$work/out"; then
		echo "nothing: $suite, $case: passes in $ms ms"
	else
		fail "nothing: $suite, $case: fails without a fault, status $status"
	fi
done < <(awk 'NF { $1 = ""; print }' <<<"$wanted" | sort -u)

# With one.
while read -r fault suite case; do
	checks=$((checks + 1))
	run "$fault" "$suite" "$case"
	said=$(assertion)
	if [ "$status" = 1 ] && [ -n "$said" ]; then
		after=$(sed -n 's/^  after \([0-9]*\) images$/\1 images, /p' "$work/out")
		echo "$fault: caught by $suite: $(test_name "$suite") after $after$ms ms: $said"
	else
		fail "$fault: not caught by $suite, $case: status $status after $ms ms"
	fi
done < <(awk 'NF' <<<"$wanted")

# Every fault that there is.
while read -r fault; do
	checks=$((checks + 1))
	awk -v fault="$fault" '$1 == fault { found = 1 } END { exit !found }' <<<"$wanted" ||
		fail "$fault: no suite is said to catch it"
done < <(sed -nE 's/^	BROKEN_([A-Z_]+),.*/\1/p' "$srcdir/arena/broken.h" | grep -v '^NOTHING$' | tr 'A-Z_' 'a-z-')

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
