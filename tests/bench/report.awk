# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Makes tables, in Markdown or for gnuplot, of the rows that gkv-bench --rows writes. Each input file is a run, known by
# its name; function_name says what is wanted of them.

BEGIN { FS = "," }

FNR == 1 {
	run_name = FILENAME
	sub(/.*\//, "", run_name)
	sub(/\.csv$/, "", run_name)
	runs[++run_count] = run_name
	for (i = 1; i <= NF; i++)
		column[i] = $i
	next
}

$1 == "run" {
	about[run_name, $2] = $3
	next
}

{
	key = run_name SUBSEP $1
	if (!(key in unit)) {
		workloads[run_name, ++workload_count[run_name]] = $1
		unit[key] = $2
	}
	if ($3 != "bare" && !((run_name, "has", $3) in seen)) {
		seen[run_name, "has", $3] = 1
		contenders[run_name, ++contender_count[run_name]] = $3
	}
	for (i = 4; i <= NF; i++)
		if ($i != "")
			cell[run_name, $1, $3, column[i]] = $i
}

END {
	if (function_name == "machine") machine()
	else if (function_name == "parts") parts()
	else if (function_name == "marks") marks()
	else if (function_name == "losses") losses()
	else if (function_name == "table") table(runs[1])
	else if (function_name == "plain") plain(runs[1])
	else if (function_name == "latencies") latencies(runs[1])
	else if (function_name == "threads") threads(runs[1])
	else if (function_name == "by_run") by_run()
	else if (function_name == "churn") churn()
	else if (function_name == "data_ratios") data_ratios(runs[1])
	else if (function_name == "data_threads") data_threads(runs[1])
	else if (function_name == "data_by_run") data_by_run()
	else {
		print "report.awk: there is no function " function_name > "/dev/stderr"
		exit 1
	}
}

function has(run, workload, contender, what) {
	return (run, workload, contender, what) in cell
}

# Three digits that mean something.
function digits(value) {
	return sprintf(value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%.0f", value)
}

function figure(run, workload, contender, what) {
	return has(run, workload, contender, what) ? digits(cell[run, workload, contender, what]) : "-"
}

function microseconds(run, workload, contender, what) {
	return has(run, workload, contender, what) ? digits(cell[run, workload, contender, what] / 1000) : "-"
}

# Processor time is in nanoseconds, the time by the clock in the workload's unit.
function processor(run, workload, contender,	scale) {
	if (!has(run, workload, contender, "processor_ns"))
		return "-"
	scale = unit[run, workload] == "us" ? 1000 : 1
	return digits(cell[run, workload, contender, "processor_ns"] / scale)
}

function rule(count,	i, line) {
	line = "|---|"
	for (i = 1; i < count; i++)
		line = line "---:|"
	print line
}

function thousands(number) {
	return number >= 1000000 && number % 1000000 == 0 ? number / 1000000 "M" : \
		number >= 1000 && number % 1000 == 0 ? number / 1000 "k" : number
}

function machine(	r) {
	r = runs[1]
	print "| | |"
	print "|---|---|"
	print "| processor | " about[r, "processor"] ", " about[r, "processors"] " processors |"
	print "| memory | " about[r, "memory"] " |"
	print "| disk | " about[r, "disk"] " |"
	print "| file system | " about[r, "file system"] " |"
	print "| kernel | " about[r, "kernel"] " |"
	print "| compiler | " about[r, "compiler"] ", `" about[r, "flags"] "` |"
	print "| gkv | " about[r, "gkv"] " |"
	print "| LMDB | " about[r, "lmdb"] " |"
}

function parts(	i, r) {
	print "| run | records | bytes of a value | rounds | seconds |"
	rule(5)
	for (i = 1; i <= run_count; i++) {
		r = runs[i]
		print "| " r " | " about[r, "records"] " | " (r ~ /churn|fill|shrink/ ? "its own" : about[r, "value_bytes"]) \
			" | " about[r, "rounds"] " | " about[r, "seconds"] " |"
	}
}

# Times by the clock, ratios, and processor time.
function table(r,	i, c, w, line) {
	line = "| workload | unit |"
	for (c = 1; c <= contender_count[r]; c++)
		line = line " " contenders[r, c] " |"
	line = line " gkv / lmdb |"
	for (c = 1; c <= contender_count[r]; c++)
		line = line " " contenders[r, c] ", processor |"
	print line
	rule(3 + 2 * contender_count[r])
	for (i = 1; i <= workload_count[r]; i++) {
		w = workloads[r, i]
		line = "| `" w "` | " unit[r, w] " |"
		for (c = 1; c <= contender_count[r]; c++)
			line = line " " figure(r, w, contenders[r, c], "value") " |"
		line = line " " figure(r, w, "gkv", "ratio") (is_cost(w) && has(r, w, "gkv", "ratio") ? " c" : "") " |"
		for (c = 1; c <= contender_count[r]; c++)
			line = line " " processor(r, w, contenders[r, c]) " |"
		print line
	}
}

# Values alone.
function plain(r,	i, c, w, line) {
	line = "| | unit |"
	for (c = 1; c <= contender_count[r]; c++)
		line = line " " contenders[r, c] " |"
	print line
	rule(2 + contender_count[r])
	for (i = 1; i <= workload_count[r]; i++) {
		w = workloads[r, i]
		line = "| `" w "` | " unit[r, w] " |"
		for (c = 1; c <= contender_count[r]; c++)
			line = line " " figure(r, w, contenders[r, c], "value") " |"
		print line
	}
}

function is_cost(workload) {
	return workload ~ /^(disk-bytes|device-bytes|open-clean|open-killed|cold-get-reads|anonymous)$/ ||
		workload ~ /-(work|wait|file|file-end|disk|disk-end|own|moved|slots)$/ || workload ~ /^shrink/
}

function latency_row(r, w, who) {
	if (has(r, w, who, "p50_ns"))
		print "| `" w "` | " who " | " microseconds(r, w, who, "p50_ns") " | " microseconds(r, w, who, "p99_ns") " | " \
			microseconds(r, w, who, "p999_ns") " | " microseconds(r, w, who, "max_ns") " |"
}

function latencies(r,	i, c, w) {
	print "| workload, us | | p50 | p99 | p99.9 | worst |"
	print "|---|---|---:|---:|---:|---:|"
	for (i = 1; i <= workload_count[r]; i++) {
		w = workloads[r, i]
		for (c = 1; c <= contender_count[r]; c++)
			latency_row(r, w, contenders[r, c])
		latency_row(r, w, "bare")
	}
}

function per_second(r, w, c) {
	return has(r, w, c, "value") ? 1e6 / cell[r, w, c, "value"] : 0
}

# Durable commits a second by the number of threads.
function threads(r,	n, p, c, w, line, count, list) {
	count = split("1 2 4 8 16", list, " ")
	line = "| threads |"
	for (p = 1; p <= 100; p *= 100)
		for (c = 1; c <= contender_count[r]; c++)
			if (has(r, "durable-threads-1", contenders[r, c], "value"))
				line = line " " contenders[r, c] ", " p (p == 1 ? " put" : " puts") " |"
	print line
	print rule_under(line)
	for (n = 1; n <= count; n++) {
		line = "| " list[n] " |"
		for (p = 1; p <= 100; p *= 100)
			for (c = 1; c <= contender_count[r]; c++) {
				w = (p == 1 ? "durable-threads-" : "durable-100-threads-") list[n]
				if (has(r, "durable-threads-1", contenders[r, c], "value"))
					line = line " " digits(per_second(r, w, contenders[r, c])) " |"
			}
		print line
	}
}

# The rule under a line of headings.
function rule_under(line,	n, parts_of, i, made) {
	n = split(line, parts_of, "|") - 2
	made = "|---|"
	for (i = 1; i < n; i++)
		made = made "---:|"
	return made
}

# How a run differs from the others: its records, or the bytes of its values.
function run_label(r) {
	return thousands(about[r, "records"]) " x " about[r, "value_bytes"] " B"
}

# One workload a line, one run a pair of columns: gkv's time and its ratio.
function by_run(	i, j, w, line) {
	line = "| workload |"
	for (j = 1; j <= run_count; j++)
		line = line " " run_label(runs[j]) ", gkv | ratio |"
	print line
	rule(1 + 2 * run_count)
	for (i = 1; i <= workload_count[runs[1]]; i++) {
		w = workloads[runs[1], i]
		line = "| `" w "`, " unit[runs[1], w] (is_cost(w) ? " (c)" : "") " |"
		for (j = 1; j <= run_count; j++)
			line = line " " figure(runs[j], w, "gkv", "value") " | " figure(runs[j], w, "gkv", "ratio") " |"
		print line
	}
}

# A variant and contender a line.
function churn(	i, j, c, r, w) {
	print "| run | store | puts a second | p50, us | p99 | p99.9 | worst | most work, ms | longest wait, ms | file / live, most | " \
		"at the end | disk / live, most | file / own count, most | moved / written | free slots | turnovers |"
	rule(16)
	for (j = 1; j <= run_count; j++) {
		r = runs[j]
		for (i = 1; i <= workload_count[r]; i++) {
			w = workloads[r, i]
			if (w !~ /-held$/)
				continue
			sub(/-held$/, "", w)
			for (c = 1; c <= contender_count[r]; c++)
				churn_row(r, w, contenders[r, c])
		}
	}
}

function churn_row(r, w, c) {
	print "| `" w "` | " c " | " \
		(has(r, w, c, "value") ? sprintf("%.0f", 1e9 / cell[r, w, c, "value"]) : "-") " | " \
		microseconds(r, w, c, "p50_ns") " | " microseconds(r, w, c, "p99_ns") " | " \
		microseconds(r, w, c, "p999_ns") " | " microseconds(r, w, c, "max_ns") " | " \
		figure(r, w "-work", c, "value") " | " figure(r, w "-wait", c, "value") " | " \
		figure(r, w "-file", c, "value") " | " figure(r, w "-file-end", c, "value") " | " \
		figure(r, w "-disk", c, "value") " | " figure(r, w "-own", c, "value") " | " \
		figure(r, w "-moved", c, "value") " | " figure(r, w "-slots", c, "value") " | " \
		figure(r, w "-held", c, "value") " of " about[r, "turnover"] " |"
}

# --- marks -----------------------------------------------------------------------------------------------------------

function mark_head(title) {
	print "| " title " | mark | measured | |"
	print "|---|---:|---:|---|"
}

# One digit more than elsewhere, so that 1.30 does not stand beside a mark of 1.3 that was missed.
function mark_digits(value) {
	return value < 2 ? sprintf("%.3f", value) : digits(value)
}

# sense: "least" or "most".
function mark_line(label, sense, mark, known, value) {
	print "| " label " | " (sense == "least" ? "at least " : "at most ") mark " | " (known ? mark_digits(value) : "-") " | " \
		(!known ? "not measured" : (sense == "least" ? value >= mark : value <= mark) ? "reached" : "**missed**") " |"
}

function mark(label, run, workload, contender, what, sense, limit) {
	if (has(run, workload, contender, what))
		mark_line(label, sense, limit, 1, cell[run, workload, contender, what])
	else
		mark_line(label, sense, limit, 0, 0)
}

function ratio_mark(label, workload, sense, limit) {
	mark(label, "main", workload, "gkv", "ratio", sense, limit)
}

# How many of the ratios at the largest size are at least those of the run `main`, within the noise of one round.
function mark_large(	i, w, many, kept, big, lost) {
	big = "records-10000000"
	for (i = 1; i <= workload_count[big]; i++) {
		w = workloads[big, i]
		if (!has(big, w, "gkv", "ratio") || !has("main", w, "gkv", "ratio"))
			continue
		many++
		if (is_cost(w) ? cell[big, w, "gkv", "ratio"] <= cell["main", w, "gkv", "ratio"] * 1.05 : \
		    cell[big, w, "gkv", "ratio"] >= cell["main", w, "gkv", "ratio"] * 0.95)
			kept++
		else
			lost = lost (lost == "" ? "" : ", ") "`" w "`"
	}
	print "| every ratio at 10M records, by that at 1M (5% for noise) | all | " kept + 0 " of " many + 0 " | " \
		(many == 0 ? "not measured" : kept == many ? "reached" : "**missed**: " lost) " |"
}

function mark_growth(	big, known) {
	big = "records-10000000"
	known = has(big, "get-hit", "gkv", "value") && has("main", "get-hit", "gkv", "value")
	mark_line("time of a get at 10M records, by that at 1M", "most", 2, known, \
		known ? cell[big, "get-hit", "gkv", "value"] / cell["main", "get-hit", "gkv", "value"] : 0)
}

# The greatest over the variants that were measured.
function mark_most(label, suffix, contender, names, runs_of, limit,	n, i, list, where, most, known) {
	n = split(names, list, " ")
	split(runs_of, where, " ")
	for (i = 1; i <= n; i++)
		if (has(where[i], list[i] suffix, contender, "value")) {
			if (!known || cell[where[i], list[i] suffix, contender, "value"] > most)
				most = cell[where[i], list[i] suffix, contender, "value"]
			known = 1
		}
	mark_line(label, "most", limit, known, most)
}

function marks() {
	speed_marks()
	print ""
	space_marks()
}

function speed_marks() {
	mark_head("speed: times faster than LMDB, 1M records of 16 + 100 bytes")
	ratio_mark("load", "load", "least", 4.5)
	ratio_mark("get, key there", "get-hit", "least", 3.5)
	ratio_mark("get, key there, a snapshot per get", "get-hit-each", "least", 3.5)
	ratio_mark("get, key absent", "get-miss", "least", 6)
	ratio_mark("`get_many` by 16, time per key", "get-many", "least", 10)
	ratio_mark("95% gets, 5% puts", "mixed-95-5", "least", 5.5)
	ratio_mark("half gets, half puts", "mixed-50-50", "least", 9)
	ratio_mark("delete all", "delete", "least", 4.5)
	ratio_mark("scan all", "scan", "least", 2.2)
	ratio_mark("durable commit of 1 put", "durable-1", "least", 3.5)
	mark("durable commit of 1 put, by a bare 4 KiB append and `fdatasync`, medians", "main", "durable-1", "gkv", "bare_p50_ratio", "most", 1.2)
	ratio_mark("durable commit of 100 puts", "durable-100", "least", 10)
	mark("durable commit of 100 puts, by that bare time, medians", "main", "durable-100", "gkv", "bare_p50_ratio", "most", 1.5)
	ratio_mark("device bytes per durable commit, by LMDB's", "device-bytes", "most", 0.2)
	ratio_mark("bytes on disk per record, by LMDB's", "disk-bytes", "most", 0.85)
	mark("churn, 16 B to 16 KiB, puts", "churn", "churn", "gkv", "ratio", "least", 1.5)
	ratio_mark("open after a clean close, by LMDB's time", "open-clean", "most", 3)
	mark("8 threads of durable commits, by one", "main", "durable-threads-8", "gkv", "scaling", "least", 3)
	mark("2 threads of gets, by one", "main", "get-threads-2", "gkv", "scaling", "least", 1.8)
	mark("reads from the disk for a cold get", "main", "cold-get-reads", "gkv", "value", "most", 2)
	mark_growth()
	mark_large()
}

function space_marks() {
	mark_head("compaction and space")
	mark("file / live, 16 B to 16 KiB, at its most", "churn", "churn-file", "gkv", "value", "most", 1.3)
	mark("file / live, 16 B to 1 MiB, at its most", "churn", "churn-large-file", "gkv", "value", "most", 1.3)
	mark("file / live by its own count, 100 B, at its most", "churn-small", "churn-small-own", "gkv", "value", "most", 1.3)
	mark("disk / live, 16 B to 16 KiB, at its most", "churn", "churn-disk", "gkv", "value", "most", 1.2)
	mark("disk / live, 16 B to 1 MiB, at its most", "churn", "churn-large-disk", "gkv", "value", "most", 1.2)
	mark("moved / written at 80% fill, 16 B to 16 KiB", "fill", "churn80-moved", "gkv", "value", "most", 0.5)
	mark("moved / written at 90% fill, 16 B to 16 KiB", "fill", "churn90-moved", "gkv", "value", "most", 2)
	mark("moved / written at 80% fill, 100 B", "fill-small", "churn80-small-moved", "gkv", "value", "most", 2)
	mark("moved / written at 90% fill, 100 B", "fill-small", "churn90-small-moved", "gkv", "value", "most", 4.5)
	mark("turnovers at 90% fill before a put is refused, 16 B to 16 KiB", "fill", "churn90-held", "gkv", "value", "least", about["fill", "turnover"])
	mark_most("work of the worst change without a limit, ms", "-work", "gkv", "churn churn-large churn-small", "churn churn churn-small", 20)
	mark_most("work of the worst change with a limit, ms", "-work", "gkv", "churn80 churn90 churn80-small churn90-small", "fill fill fill-small fill-small", 20)
	mark("disk after half was deleted, by before, 16 B to 16 KiB", "shrink", "shrink-half-disk", "gkv", "value", "most", 0.6)
	mark("disk after half was deleted, by before, 100 B", "shrink", "shrink-small-half-disk", "gkv", "value", "most", 0.6)
	mark("file after that and `gkv_compact`, 16 B to 16 KiB", "shrink", "shrink-half-file", "gkv", "value", "most", 0.65)
	mark("file after that and `gkv_compact`, 100 B", "shrink", "shrink-small-half-file", "gkv", "value", "most", 0.65)
	mark("MiB of file after everything was deleted", "shrink", "shrink-empty", "gkv", "value", "most", 1)
	mark("the same, 100 B", "shrink", "shrink-small-empty", "gkv", "value", "most", 1)
}

# Whatever LMDB does better, in any run.
function losses(	i, j, r, w, ratio, any) {
	for (j = 1; j <= run_count; j++) {
		r = runs[j]
		for (i = 1; i <= workload_count[r]; i++) {
			w = workloads[r, i]
			if (!has(r, w, "gkv", "ratio"))
				continue
			ratio = cell[r, w, "gkv", "ratio"]
			if (is_cost(w) ? ratio <= 1 : ratio >= 1)
				continue
			if (!any)
				print "| run | workload | gkv | LMDB | LMDB is better by |\n|---|---|---:|---:|---:|"
			any = 1
			print "| " r " | `" w "`, " unit[r, w] " | " figure(r, w, "gkv", "value") " | " figure(r, w, "lmdb", "value") \
				" | " digits(is_cost(w) ? ratio : 1 / ratio) " |"
		}
	}
	if (!any)
		print "In no workload of these runs."
}

# --- data for plots --------------------------------------------------------------------------------------------------

function number(run, workload, contender, what) {
	return has(run, workload, contender, what) ? cell[run, workload, contender, what] : "nan"
}

function data_ratios(r,	i, w) {
	for (i = 1; i <= workload_count[r]; i++) {
		w = workloads[r, i]
		if (is_cost(w) || !has(r, w, "gkv", "ratio"))
			continue
		print w, number(r, w, "gkv", "ratio"), number(r, w, "lmdb-writemap", "ratio"), number(r, w, "memory", "ratio")
	}
}

function data_threads(r,	n, i, list) {
	n = split("1 2 4 8 16", list, " ")
	for (i = 1; i <= n; i++)
		print list[i], per_second(r, "durable-threads-" list[i], "gkv"), per_second(r, "durable-threads-" list[i], "lmdb"), \
			per_second(r, "durable-100-threads-" list[i], "gkv"), per_second(r, "durable-100-threads-" list[i], "lmdb")
}

# A run a line: records, bytes of a value, and ratios.
function data_by_run(	j, r) {
	for (j = 1; j <= run_count; j++) {
		r = runs[j]
		print about[r, "records"], about[r, "value_bytes"], number(r, "load", "gkv", "ratio"), \
			number(r, "get-hit", "gkv", "ratio"), number(r, "get-miss", "gkv", "ratio"), \
			number(r, "get-many", "gkv", "ratio"), number(r, "mixed-95-5", "gkv", "ratio"), \
			number(r, "mixed-50-50", "gkv", "ratio"), number(r, "delete", "gkv", "ratio"), number(r, "scan", "gkv", "ratio")
	}
}
