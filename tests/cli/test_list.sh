#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# list: escapes, JSON, raw bytes, prefixes.

. "$(dirname "$0")/cli.sh"

gives 'put of a TAB, a newline, a backslash, a control byte' 0 \
	"$GKV" put l "a${tab}b" "$(printf 'x\ny\\z\001\r\177.')"
gives 'list succeeds' 0 "$GKV" list l
prints 'list escapes control bytes and the backslash' 'a\\tb\tx\\ny\\\\z\\x01\\r\\x7f.\n'
printf 'nul\0byte' >in
gives 'put of a NUL' 0 "$GKV" put l2 k
gives 'list of a NUL' 0 "$GKV" list l2
prints 'a NUL is escaped as \\0' 'k\tnul\\0byte\n'
gives 'list --keys succeeds' 0 "$GKV" list l --keys
prints 'list --keys writes keys alone' 'a\\tb\n'
gives 'list --json succeeds' 0 "$GKV" list l --json
prints 'list --json escapes' '{"key":"a\\tb","value":"x\\ny\\\\z\\u0001\\r\\u007f."}\n'
gives 'list --json --keys succeeds' 0 "$GKV" list l --json --keys
prints 'list --json --keys writes keys alone' '{"key":"a\\tb"}\n'
gives 'put of bytes that are not UTF-8' 0 "$GKV" put l3 "$(printf '\377')" "$(printf '\300\200')"
gives 'list --json of bytes that are not UTF-8' 0 "$GKV" list l3 --json
prints 'such bytes become base64' '{"key64":"/w==","value64":"wIA="}\n'
gives 'put of UTF-8' 0 "$GKV" put l4 "$(printf '\303\244')" "$(printf '\360\237\230\200')"
gives 'list --json of UTF-8' 0 "$GKV" list l4 --json
prints 'UTF-8 stays as it is' '{"key":"\303\244","value":"\360\237\230\200"}\n'
gives 'list --null succeeds' 0 "$GKV" list l2 --null
prints 'list --null writes raw bytes' 'k\0nul\0byte\0'
gives 'list --null --keys succeeds' 0 "$GKV" list l2 --null --keys
prints 'list --null --keys writes keys alone' 'k\0'
input 'put apple 1\nput apricot 2\nput pear 3\nput ap 4\n'
gives 'fill for --prefix' 0 "$GKV" batch p
gives 'list --prefix succeeds' 0 "$GKV" list p --prefix ap --keys
sort out >sorted
printf 'ap\napple\napricot\n' >want
same 'list --prefix keeps the keys that begin so' want sorted
gives 'list --prefix of nothing succeeds' 0 "$GKV" list p --prefix x
prints 'and writes nothing' ''

counted
