#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Runs the benchmark in all its parts and writes docs/benchmarks.md and the plots in docs/plots from what it finds.
#
#   report.sh PROGRAM SOURCE WORK       PROGRAM: gkv-bench; SOURCE: the root of the sources; WORK: a folder for the figures
#
# The text is docs/benchmarks.in.md, in which a line @name arguments@ stands for what the function of that name prints.
#
#   BENCH_QUICK=1    tries all of it on small stores, within three minutes; the page goes to WORK/docs
#   BENCH_ROUNDS=N   rounds of the main table, of which the median counts (3)
#   BENCH_REUSE=1    takes the figures that an earlier call left in WORK, and runs only what is missing
#   BENCH_DIR=DIR    where the stores are made (WORK); its file system is what is measured
#   BENCH_OUT=DIR    where the page goes (SOURCE/docs)
set -euo pipefail
export LC_ALL=C

program=$1 source=$2 work=$3
quick=${BENCH_QUICK:-0}
stores=${BENCH_DIR:-$work}
out=$source/docs
if [ "$quick" = 1 ]; then
	work=$work/quick
	out=$work/docs
fi
out=${BENCH_OUT:-$out}
plots=$out/plots
here=$source/tests/bench
mkdir -p "$work" "$plots" "$work/plot"

# --- the runs --------------------------------------------------------------------------------------------------------

# run NAME OPTIONS...: the figures of that run go to WORK/NAME.csv, and what churns look like over time beside them.
run() {
	local name=$1
	shift
	if [ "${BENCH_REUSE:-0}" = 1 ] && [ -s "$work/$name.csv" ]; then
		return
	fi
	printf 'bench-report: %s\n' "$name" >&2
	"$program" --dir "$stores" --rows "$work/$name.new" --series "$work/$name.series" "$@" >"$work/$name.txt"
	mv "$work/$name.new" "$work/$name.csv"
}

reads=get-,get-threads-2,scan
all=load,disk-bytes,get-,scan,mixed-,delete

run_all() {
	run main --records 1000000 --rounds "${BENCH_ROUNDS:-3}"
	run verify --records 1000000 --rounds 3 --contender gkv,gkv-noverify,lmdb --workload $reads,mixed-95-5
	run records-100000 --records 100000 --rounds 5 --contender gkv,lmdb,memory --workload $all
	run records-10000000 --records 10000000 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run value-8 --records 1000000 --value 8 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run value-1000 --records 200000 --value 1000 --rounds 3 --contender gkv,lmdb,memory --workload $all
	run value-100000 --records 5000 --value 100000 --rounds 3 --contender gkv,lmdb,memory --workload $all
	run churn --records 1000000 --rounds 1 --contender gkv,lmdb --workload "$(churn_rows churn),$(churn_rows churn-large)"
	run churn-small --records 200000 --rounds 1 --contender gkv,lmdb --workload "$(churn_rows churn-small)"
	run churn-txn --records 1000000 --rounds 1 --contender gkv,lmdb --workload churn-txn-
	run fill --records 1000000 --rounds 1 --contender gkv,gkv-cheapest,gkv-gravity \
		--workload "$(churn_rows churn80),$(churn_rows churn90)"
	run fill-small --records 200000 --turnover 1 --rounds 1 --contender gkv \
		--workload "$(churn_rows churn80-small),$(churn_rows churn90-small)"
	run shrink --records 1000000 --rounds 1 --contender gkv,lmdb --workload shrink-
}

# The same parts, of which each takes seconds.
run_all_quick() {
	run main --quick --rounds 1 --contender gkv,lmdb,lmdb-writemap,memory
	run verify --quick --rounds 1 --contender gkv,gkv-noverify,lmdb --workload $reads,mixed-95-5
	run records-100000 --records 20000 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run records-10000000 --records 300000 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run value-8 --records 50000 --value 8 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run value-1000 --records 20000 --value 1000 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run value-100000 --records 500 --value 100000 --rounds 1 --contender gkv,lmdb,memory --workload $all
	run churn --records 100000 --turnover 2 --rounds 1 --contender gkv,lmdb \
		--workload "$(churn_rows churn),$(churn_rows churn-large)"
	run churn-small --records 20000 --turnover 2 --rounds 1 --contender gkv,lmdb --workload "$(churn_rows churn-small)"
	run churn-txn --records 100000 --turnover 2 --rounds 1 --contender gkv,lmdb --workload churn-txn-
	run fill --records 200000 --turnover 1 --rounds 1 --contender gkv,gkv-cheapest,gkv-gravity \
		--workload "$(churn_rows churn80),$(churn_rows churn90)"
	run fill-small --records 20000 --turnover 1 --rounds 1 --contender gkv --workload "$(churn_rows churn80-small)"
	run shrink --records 50000 --rounds 1 --contender gkv,lmdb --workload shrink-
}

churn_rows() {
	local row rows=$1
	for row in work wait file file-end disk disk-end own moved slots held; do
		rows+=,$1-$row
	done
	printf '%s' "$rows"
}

# --- what the lines of the template stand for ------------------------------------------------------------------------

# rows FUNCTION FILES...: calls a function of report.awk over figures; file names are given as `run`.
rows() {
	local function=$1 name files=()
	shift
	for name in "$@"; do
		files+=("$work/$name.csv")
	done
	awk -v "function_name=$function" -v "quick=$quick" -f "$here/report.awk" "${files[@]}"
}

quick_warning() {
	[ "$quick" = 1 ] || return 0
	printf '**A quick run on small stores: it shows that the command works. Its figures mean nothing.**\n\n'
}

all_runs() {
	printf '%s ' main verify records-100000 records-10000000 value-8 value-1000 value-100000 churn churn-small \
		churn-txn fill fill-small shrink
}

machine() { rows machine main; }
# shellcheck disable=SC2046
parts() { rows parts $(all_runs); }
# shellcheck disable=SC2046
marks() { rows marks $(all_runs); }
# shellcheck disable=SC2046
losses() { rows losses $(all_runs); }
table() { rows table "$1"; }
latencies() { rows latencies "$1"; }
threads() { rows threads main; }
by_records() { rows by_run records-100000 main records-10000000; }
by_value() { rows by_run value-8 main value-1000 value-100000; }
verify() { rows table verify; }
churn() { rows churn churn churn-small; }
churn_txn() { rows table churn-txn; }
fill() { rows churn fill fill-small; }
shrink() { rows plain shrink; }
# A part of what is kept by hand.
notes() {
	awk -v "wanted=$1" '$1 == "===" { here = $2 == wanted; next } here' "$source/docs/benchmarks-notes.md"
}
# The names of one table, without those that differ in their number of threads alone.
workloads() {
	"$program" --list | awk '
		$1 ~ /^(churn|shrink)/ || $1 ~ /-threads-(4|8|16)$/ || $1 ~ /^durable.*-2$/ { next }
		{
			name = $1
			$1 = $2 = ""
			sub(/^ +/, "")
			if (name ~ /^durable.*-1$/ && name ~ /threads/)
				sub(/1$/, "N", name)
			printf "| `%s` | %s |\n", name, $0
		}'
}

plot() {
	printf '![%s](plots/%s.svg)\n' "${*:2}" "$1"
}

# --- the plots -------------------------------------------------------------------------------------------------------

plot_data() {
	rows data_ratios main >"$work/plot/ratios.dat"
	rows data_threads main >"$work/plot/durable.dat"
	rows data_by_run records-100000 main records-10000000 >"$work/plot/records.dat"
	rows data_by_run value-8 main value-1000 value-100000 >"$work/plot/values.dat"
	cat "$work"/churn.series "$work"/churn-small.series "$work"/fill.series "$work"/fill-small.series |
		awk -v "folder=$work/plot" -f "$here/report_series.awk"
}

draw() {
	plot_data
	gnuplot -e "folder='$work/plot'; plots='$plots'" "$here/report.gp"
}

# --- the page --------------------------------------------------------------------------------------------------------

page() {
	local line words
	while IFS= read -r line; do
		case $line in
		@*@)
			line=${line#@}
			read -r -a words <<<"${line%@}"
			"${words[@]}"
			;;
		*) printf '%s\n' "$line" ;;
		esac
	done < <(sed '1,/^-->$/d' "$source/docs/benchmarks.in.md")
}

if [ "$quick" = 1 ]; then
	run_all_quick
else
	run_all
fi
draw
page >"$work/benchmarks.md"
mv "$work/benchmarks.md" "$out/benchmarks.md"
printf 'bench-report: the page is %s\n' "$out/benchmarks.md" >&2
