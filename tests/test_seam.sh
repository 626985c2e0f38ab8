#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors

# Nothing in arena/ and kvstore/ but arena/os/ reaches past the seam: no header of the system, no system call, no
# allocation of its own, no output, no exit. And includes point one way: cli -> kvstore -> arena -> os.
set -euo pipefail
export LC_ALL=C
cd "${abs_top_srcdir:-.}"
work=$(mktemp -d "${TMPDIR:-/tmp}/gkv-seam.XXXXXX")
trap 'rm -rf "$work"' EXIT

headers='arm_acle assert complex ctype emmintrin errno fenv float inttypes iso646 limits locale math stdalign stdarg stdatomic stdbool'
headers+=' stddef stdint stdio stdlib stdnoreturn string tgmath uchar wchar wctype xxhash'

# Called by name they are the system's; os->read(...) is the seam's, and table_free(...) is our own.
calls='open openat creat close read write pread pwrite readv writev preadv pwritev lseek mmap munmap mremap msync madvise'
calls+=' posix_madvise mlock munlock mincore fallocate posix_fallocate ftruncate truncate fsync fdatasync sync syncfs'
calls+=' sync_file_range fcntl flock lockf ioctl stat fstat lstat rename renameat renameat2 link unlink mkdir rmdir'
calls+=' opendir readdir access chmod fchmod dup dup2 pipe fork vfork execv execve waitpid kill raise signal sigaction'
calls+=' getpid gettid getppid getuid geteuid syscall sysconf getpagesize getrlimit setrlimit clock_gettime gettimeofday'
calls+=' time clock nanosleep usleep sleep sched_yield getrandom getentropy rand random srand getenv setenv system'
calls+=' malloc calloc realloc free aligned_alloc posix_memalign strdup strndup alloca'
calls+=' fopen fdopen fclose fread fwrite fflush printf fprintf vprintf vfprintf puts fputs putc putchar perror'
calls+=' exit _exit _Exit abort atexit thrd_create mtx_lock cnd_wait'

# The text of the files without comments and strings, each line after its file's name and number.
code_of() {
	awk '
		FNR == 1 { state = "code" }
		{
			line = $0
			out = ""
			if (line ~ /^[ \t]*#[ \t]*include/ && state == "code") { print FILENAME ":" FNR ":" line; next }
			for (i = 1; i <= length(line); i++) {
				c = substr(line, i, 1)
				two = substr(line, i, 2)
				if (state == "comment") {
					if (two == "*/") { state = "code"; i++; out = out " " }
				} else if (state == "code") {
					if (two == "/*") { state = "comment"; i++ }
					else if (two == "//") break
					else if (c == "\"" || c == "\047") { state = c; out = out c }
					else out = out c
				} else if (c == "\\") i++
				else if (c == state) { state = "code"; out = out c }
			}
			print FILENAME ":" FNR ":" out
		}' "$@"
}

# Prints what the files do that they must not.
offences() {
	local one
	code_of "$@" >"$work/code"
	grep -E ':[0-9]+:[ \t]*#[ \t]*include[ \t]*<' "$work/code" |
		grep -vE "<(${headers// /|})\.h>" || true
	grep -E ':[0-9]+:[ \t]*#[ \t]*include' "$work/code" | grep -vE 'include[ \t]*(<[a-z0-9_/]+\.h>|"[a-z0-9_/]+\.h")' || true
	grep -E "(^|[^A-Za-z0-9_.>])(${calls// /|})[ \t]*\(" "$work/code" || true
	grep -E '(^|[^A-Za-z0-9_])(pthread_|sem_|PROT_|MAP_(SHARED|PRIVATE|ANON|FIXED|NORESERVE|FAILED)|O_[A-Z]+)' "$work/code" || true
	for one; do
		case $one in
		*arena/*) grep -E '^[^:]*:[0-9]+:[ \t]*#[ \t]*include[ \t]*"(kvstore|cli|tests)/' "$work/code" | grep -F "$one:" || true ;;
		*kvstore/*) grep -E '^[^:]*:[0-9]+:[ \t]*#[ \t]*include[ \t]*"(cli|tests)/' "$work/code" | grep -F "$one:" || true ;;
		esac
	done
}

checks=0 failures=0
fail() {
	failures=$((failures + 1))
	printf '%s\n' "$@"
}

# The script sees what it is there for: every planted line is an offence, no innocent one is.
mkdir -p "$work/arena"
while IFS= read -r line; do
	checks=$((checks + 1))
	printf '%s\n' "$line" >"$work/arena/planted.c"
	[ -n "$(offences "$work/arena/planted.c")" ] || fail "not noticed: $line"
done <<'END'
#include <unistd.h>
#include <sys/mman.h>
#include <pthread.h>
#include "kvstore/gkv.h"
	p = mmap(NULL, n, 3, 1, fd, 0);
	return getpid();
	/* a comment */ rc = pread(fd, buf, n, 0);
	pthread_mutex_lock(&m);
	clock_gettime(1, &ts);
	node = malloc(sizeof(*node));
	flags = MAP_SHARED;
	say("open"); close(fd);
END
cat >"$work/arena/planted.c" <<'END'
#include <stdint.h>
#include <xxhash.h>
#include "arena/os/os.h"
/* mmap() in a comment,
 * and getpid() too */
	a->os->read(a->os, file, 0, buf, n, &got);
	table_free(t); // free(t)
	what = "fsync(2) \" close(fd)"; c = '"';
	os_pause(n);
END
checks=$((checks + 1))
[ -z "$(offences "$work/arena/planted.c")" ] || fail 'taken for an offence:' "$(offences "$work/arena/planted.c")"

for file in arena/*.[ch] kvstore/*.[ch]; do
	case $file in
	arena/os/*) continue ;;
	esac
	checks=$((checks + 1))
	found=$(offences "$file")
	[ -z "$found" ] || fail "past the seam:" "$found"
done

echo "$(((checks - failures) * 100 / checks))%: Checks: $checks, Failures: $failures, Errors: 0"
[ "$failures" = 0 ]
