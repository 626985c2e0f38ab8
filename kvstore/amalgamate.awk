# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Usage: awk -v top=DIR -v xxhash=FILE -f amalgamate.awk SOURCE...; prints the library as one file of C.
#
# The sources are named from the folder `top` on; a header stands where it is first included. What begins a line is
# declared there, in the style of the sources: a function or variable of theirs becomes static, unless its name begins
# with gkv_ or gravity_. A macro of a source ends with it. Names of the sources have to differ, which the compiler says.

BEGIN {
	print "/* SPDX-License-Identifier: MIT AND BSD-2-Clause"
	print " * SPDX-FileCopyrightText: the gkv authors"
	print " * SPDX-FileCopyrightText: 2012-2021 Yann Collet (xxHash, whose notice stands with it below)"
	print " *"
	print " * gkv.c: the whole library in one file, made of its sources. Beside it stand gkv.h and gravity.h:"
	print " *"
	print " *     cc -O2 program.c gkv.c -lpthread"
	print " *"
	print " * Its names are hidden: two shared objects that have a copy each do not share it. With -DGKV_EXPORT a shared object"
	print " * shows those of the headers. */"
	print "#ifndef _GNU_SOURCE"
	print "#define _GNU_SOURCE"
	print "#endif"
	print "#ifndef GKV_EXPORT"
	print "#define GKV_HIDDEN"
	print "#endif"
	print "#include \"gkv.h\""
	print "#include \"gravity.h\""
	taken["kvstore/gkv.h"] = taken["arena/gravity.h"] = 1
	for (i = 1; i < ARGC; i++)
		if (ARGV[i] ~ /\.c$/)
			source(ARGV[i])
	exit status
}

function fail(what) {
	print "amalgamate.awk: " what | "cat >&2"
	status = 1
}

function source(name,    macro) {
	part(name, 1)
	for (macro in macros)
		print "#undef " macro
	split("", macros)
}

# One file; `ends`: its macros end with it.
function part(name, ends,    line, path, before, lines) {
	path = top "/" name
	print ""
	print "/* --- " name " " substr("----------------------------------------------------------------------", length(name)) " */"
	print ""
	before = ""
	for (lines = 0; (getline line < path) > 0; lines++) {
		if (line ~ /^\/\* SPDX-License-Identifier/) {
			opened = 1
			continue
		}
		if (opened && line ~ /^ \* SPDX-FileCopyrightText.*\*\/$/) {
			opened = 0
			continue
		}
		text(line, ends, before)
		before = line
	}
	if (lines == 0)
		fail(path " cannot be read")
	close(path)
}

function text(line, ends, before,    name) {
	if (line ~ /^#include "/) {
		split(line, name, "\"")
		if (!(name[2] in taken)) {
			taken[name[2]] = 1
			part(name[2], 0)
		}
	} else if (line ~ /^#include <xxhash\.h>/) {
		if (!hashed++)
			hash()
	} else if (line ~ /^#define (_GNU_SOURCE|XXH_INLINE_ALL)/) {
		return
	} else if (line ~ /^#define / && ends) {
		match(line, /^#define [A-Za-z0-9_]+/)
		name[2] = substr(line, 9, RLENGTH - 8)
		if (before != "#ifndef " name[2])
			macros[name[2]]
		print line
	} else {
		print hidden(line)
	}
}

# What begins a line, and is not static yet, is made so.
function hidden(line,    head, attributes) {
	if (line !~ /^[a-z_]/ || line ~ /^(static|typedef|_Static_assert)[^a-z_]/ || line ~ /^[a-z_]+:/ || line ~ /\) static inline /)
		return line
	head = line
	sub(/^extern /, "", head)
	attributes = ""
	if (match(head, /^__attribute__\(\([a-z_, ]*\)\) /)) {
		attributes = substr(head, 1, RLENGTH)
		head = substr(head, RLENGTH + 1)
	}
	if (head ~ /^(struct|union|enum) [a-z0-9_]+( \{.*|;.*)$/ || head ~ /^enum \{/)
		return line
	line = attributes head
	sub(/ = .*/, "", head)
	sub(/[(;[].*/, "", head)
	sub(/^.*[ *]/, "", head)
	return head ~ /^(gkv|gravity)_/ ? line : "static " line
}

# xxHash's header as it is, notice and all. It does not keep to the warnings that the rest does.
function hash(    line, flag, n, flags, lines) {
	n = split("conversion extra missing-prototypes pedantic shadow sign-conversion strict-prototypes undef unused-function", flags, " ")
	print "#pragma GCC diagnostic push"
	for (flag = 1; flag <= n; flag++)
		print "#pragma GCC diagnostic ignored \"-W" flags[flag] "\""
	print "#define XXH_INLINE_ALL"
	for (lines = 0; (getline line < xxhash) > 0; lines++)
		print line
	print "#pragma GCC diagnostic pop"
	if (lines == 0)
		fail("xxhash.h (" xxhash ") cannot be read")
	close(xxhash)
}
