# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Draws the plots of docs/benchmarks.md: `folder` holds the data that report.sh made, `plots` takes the pictures.
# Colours are the same everywhere: gkv blue, LMDB orange, LMDB with MDB_WRITEMAP light orange, memory grey, gravity green.

set border 3 lw 0.8 lc rgb "#555555"
set tics nomirror out textcolor rgb "#333333"
set grid ytics lw 0.5 lc rgb "#dddddd"
set key below reverse Left samplen 2 spacing 1.1
gkv = "#1f5fa8"
gkv_light = "#8fb8e6"
lmdb = "#e07b1f"
writemap = "#f2be8c"
memory = "#999999"
gravity = "#2f8f4e"

picture(name) = plots . "/" . name . ".svg"
# A run that was not made is an empty file.
series(variant, store) = (file = folder . "/" . variant . "." . store . ".dat", \
	system("test -s '" . file . "' && echo yes") eq "yes" ? file : "/dev/null")

# Ratios by workload: bars to the right of 1 where gkv is faster, to the left where LMDB is.
rows = int(system("grep -c . '" . folder . "/ratios.dat'"))
set terminal svg size 860,120+26*rows font "sans-serif,12" name "ratios" background rgb "white"
set output picture("ratios")
set style fill solid 0.9 noborder
set logscale x 2
set yrange [rows - 0.4:-0.6]
unset grid
set grid xtics lw 0.5 lc rgb "#dddddd"
set ytics scale 0
set key below
set xlabel "times faster than LMDB"
set arrow 1 from first 1, graph 0 to first 1, graph 1 nohead lw 1 lc rgb "#333333"
low(x) = x < 1 ? x : 1
high(x) = x < 1 ? 1 : x
plot folder."/ratios.dat" using (1):0:(low($2)):(high($2)):($0 - 0.4):($0 - 0.1):ytic(1) with boxxyerror title "gkv" lc rgb gkv, \
     "" using (1):0:(low($3)):(high($3)):($0 - 0.1):($0 + 0.15) with boxxyerror title "LMDB with MDB\\_WRITEMAP" lc rgb writemap, \
     "" using (1):0:(low($4)):(high($4)):($0 + 0.15):($0 + 0.4) with boxxyerror title "a table in memory" lc rgb memory
unset output
unset arrow 1
unset logscale
set yrange [*:*]
unset grid
set grid ytics lw 0.5 lc rgb "#dddddd"
set ytics autofreq scale 1
set style data linespoints
set pointsize 0.6

# Durable commits.
set terminal svg size 860,340 font "sans-serif,12" name "durable" background rgb "white"
set output picture("durable")
set multiplot layout 1,2
set xlabel "threads"
set logscale x 2
set logscale y 2
set xrange [0.9:18]
set xtics (1, 2, 4, 8, 16)
set title "1 put a commit"
set ylabel "durable commits a second"
plot folder."/durable.dat" using 1:2 title "gkv" lc rgb gkv lw 2 pt 7, "" using 1:3 title "LMDB" lc rgb lmdb lw 2 pt 7
set title "100 puts a commit"
plot folder."/durable.dat" using 1:4 title "gkv" lc rgb gkv lw 2 pt 7, "" using 1:5 title "LMDB" lc rgb lmdb lw 2 pt 7
unset multiplot
unset output
unset title
set xrange [*:*]

# Ratios by the number of records and by the size of values.
names = "load get-hit get-miss get-many mixed-95-5 mixed-50-50 delete scan"
set linetype 1 lc rgb "#1f5fa8" lw 2 pt 7
set linetype 2 lc rgb "#e07b1f" lw 2 pt 7
set linetype 3 lc rgb "#2f8f4e" lw 2 pt 7
set linetype 4 lc rgb "#8a4fa3" lw 2 pt 7
set linetype 5 lc rgb "#c0392b" lw 2 pt 7
set linetype 6 lc rgb "#777777" lw 2 pt 7
set linetype 7 lc rgb "#b8860b" lw 2 pt 7
set linetype 8 lc rgb "#17a2a2" lw 2 pt 7
set terminal svg size 860,380 font "sans-serif,12" name "sizes" background rgb "white"
set output picture("sizes")
set multiplot layout 1,2
set logscale x 10
set logscale y 2
set format x "%.0s%c"
set xtics autofreq
set ylabel "times faster than LMDB"
set xlabel "records of 16 + 100 bytes"
unset key
plot for [i = 1:8] folder."/records.dat" using 1:(column(i + 2)) title word(names, i) lt i
set xlabel "bytes of a value"
set key outside right center vertical maxcols 1
unset ylabel
plot for [i = 1:8] folder."/values.dat" using 2:(column(i + 2)) title word(names, i) lt i
unset multiplot
unset output
set format x "%g"
set key below horizontal maxcols auto
unset logscale

# Churns over time.
set style data lines
set autoscale xfixmax
set xlabel "times the live bytes written"
set xtics autofreq
titles = "'16 B to 16 KiB' '16 B to 1 MiB' '100 B'"
variants = "churn churn-large churn-small"

set terminal svg size 860,320 font "sans-serif,12" name "churn_file" background rgb "white"
set output picture("churn-file")
set multiplot layout 1,3
set yrange [1:*]
do for [i = 1:3] {
	set title word(titles, i)
	if (i == 1) { set ylabel "by the bytes of live keys and values" } else { unset ylabel }
	plot series(word(variants, i), "gkv") using 1:2 title "gkv, file" lc rgb gkv lw 2, \
	     series(word(variants, i), "gkv") using 1:3 title "gkv, disk" lc rgb gkv_light lw 1.5, \
	     series(word(variants, i), "lmdb") using 1:2 title "LMDB, file" lc rgb lmdb lw 2
}
unset multiplot
unset output

set terminal svg size 860,320 font "sans-serif,12" name "churn_puts" background rgb "white"
set output picture("churn-puts")
set multiplot layout 1,3
set yrange [0:*]
set format y "%.0s%c"
do for [i = 1:3] {
	set title word(titles, i)
	if (i == 1) { set ylabel "puts a second" } else { unset ylabel }
	plot series(word(variants, i), "gkv") using 1:4 title "gkv" lc rgb gkv lw 1.5, \
	     series(word(variants, i), "lmdb") using 1:4 title "LMDB" lc rgb lmdb lw 1.5
}
unset multiplot
unset output
set format y "%g"

set terminal svg size 860,340 font "sans-serif,12" name "churn_wait" background rgb "white"
set output picture("churn-wait")
set multiplot layout 1,2
set logscale y 10
set yrange [*:*]
stores = "gkv lmdb"
store_titles = "gkv LMDB"
do for [i = 1:2] {
	set title word(store_titles, i) . ", 16 B to 16 KiB"
	if (i == 1) { set ylabel "us of a put" } else { unset ylabel }
	plot series("churn", word(stores, i)) using 1:5 title "p50" lt 1 lw 1.2, \
	     series("churn", word(stores, i)) using 1:6 title "p99" lt 3 lw 1.2, \
	     series("churn", word(stores, i)) using 1:7 title "p99.9" lt 2 lw 1.2, \
	     series("churn", word(stores, i)) using 1:8 title "worst" lt 5 lw 1.2
}
unset multiplot
unset output
unset logscale

set terminal svg size 860,560 font "sans-serif,12" name "fill" background rgb "white"
set output picture("fill")
set multiplot layout 2,2
set yrange [0:*]
fills = "churn80 churn90"
fill_titles = "'80% full' '90% full'"
do for [i = 1:2] {
	set title word(fill_titles, i) . ", 16 B to 16 KiB"
	unset xlabel
	if (i == 1) { set ylabel "moved / other bytes written" } else { unset ylabel }
	plot series(word(fills, i), "gkv-cheapest") using 1:11 title "cheapest" lc rgb gkv lw 2, \
	     series(word(fills, i), "gkv-gravity") using 1:11 title "gravity" lc rgb gravity lw 2
}
unset title
do for [i = 1:2] {
	set xlabel "times the live bytes written"
	if (i == 1) { set ylabel "free slots" } else { unset ylabel }
	plot series(word(fills, i), "gkv-cheapest") using 1:12 title "cheapest" lc rgb gkv lw 1.5, \
	     series(word(fills, i), "gkv-gravity") using 1:12 title "gravity" lc rgb gravity lw 1.5
}
unset multiplot
unset output
