# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Cuts what churns look like over time into a file for each run and store, folder/VARIANT.STORE.dat, for gnuplot:
#   turnover, file / live, disk / live, puts a second, p50 p99 p99.9 worst (us), work and wait of the worst (ms),
#   moved / other bytes written, free slots
#
# Two looks make a line, with the greater of their times, so that pictures stay small; the first look has one of its own.

BEGIN { FS = "," }

# Each of the files that were joined begins with the names of its columns.
$1 == "workload" || $3 != 0 { next }

{
	name = folder "/" $1 "." $2 ".dat"
	if (!(name in begun)) {
		begun[name] = 1
		printf "" > name
	}
	second = looks[name] > 0 && looks[name] % 2 == 0
	for (i = 13; i <= 18; i++)
		most[name, i] = second && most[name, i] > $i ? most[name, i] : $i
	rate = second ? (rate_before[name] + $12) / 2 : $12
	rate_before[name] = $12
	if (looks[name]++ % 2 == 1)
		next
	moved = $9 > $10 ? $10 / ($9 - $10) : 0
	print $4, $6 / $5, $7 / $5, (rate > 0 ? sprintf("%.0f", rate) : "nan"), us(most[name, 13]), us(most[name, 14]), us(most[name, 15]), \
		us(most[name, 16]), most[name, 17] / 1e6, most[name, 18] / 1e6, moved, $11 > name
}

function us(ns) {
	return ns > 0 ? ns / 1000 : "nan"
}
