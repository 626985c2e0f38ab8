#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# put, get, del and count: one record and a few, any bytes.

. "$(dirname "$0")/cli.sh"

gives 'put creates a missing store' 0 "$GKV" put s key value
silent 'put says nothing'
gives 'get finds the value' 0 "$GKV" get s key
prints 'get adds no newline' 'value'
gives 'put replaces a value' 0 "$GKV" put s key other
gives 'get finds the new value' 0 "$GKV" get s key
prints 'the new value is whole' 'other'
gives 'get of an absent key gives 1' 1 "$GKV" get s nokey
says 'get names the absent key' 'nokey'
prints 'get of an absent key writes nothing' ''
gives 'put --add of an absent key' 0 "$GKV" put --add s added 1
gives 'put --add of a key that is there gives 4' 4 "$GKV" put --add s added 2
gives 'the value survives put --add' 0 "$GKV" get s added
prints 'put --add changes nothing' '1'
input 'from a pipe\n'
gives 'put reads standard input when VALUE is absent' 0 "$GKV" put s piped
gives 'get of a value from standard input' 0 "$GKV" get s piped
prints 'a newline in the value stays' 'from a pipe\n'
input 'dash'
gives 'put reads standard input when VALUE is -' 0 "$GKV" put s dash -
gives 'get of a value given as -' 0 "$GKV" get s dash
prints 'the value is standard input, not -' 'dash'
gives 'put of an empty value from standard input' 0 "$GKV" put s empty
gives 'get of an empty value' 0 "$GKV" get s empty
prints 'an empty value writes nothing' ''
gives 'put of an empty value as an operand' 0 "$GKV" put s empty2 ''
gives 'put of an empty key' 0 "$GKV" put s '' nothing
gives 'get of an empty key' 0 "$GKV" get s ''
prints 'an empty key has its value' 'nothing'
gives 'operands behind -- may begin with -' 0 "$GKV" put s -- -k -v
gives 'get of a key that begins with -' 0 "$GKV" get s -- -k
prints 'a value that begins with - is whole' '-v'
gives 'count succeeds' 0 "$GKV" count s
prints 'count counts' '8\n'
gives 'count --json succeeds' 0 "$GKV" count s --json
prints 'count --json writes one object' '{"records":8}\n'
gives 'del removes keys' 0 "$GKV" del s empty empty2
gives 'a removed key is gone' 1 "$GKV" get s empty
gives 'del of an absent and a present key gives 1' 1 "$GKV" del s nokey dash
says 'del names the absent key' 'nokey'
gives 'del removed what was there' 1 "$GKV" get s dash
gives 'del of absent keys alone gives 1' 1 "$GKV" del s nokey1 nokey2
gives 'count after del' 0 "$GKV" count s
prints 'del removed three' '5\n'
gives 'a control byte in an absent key is escaped in the message' 1 "$GKV" get s "a$(printf '\033')b"
says 'the escape is \\x1b' 'a\\x1bb'

for size in 1 4096 70000 3000000; do
	head -c $size /dev/urandom >random
	cp random in
	gives "put of $size random bytes" 0 "$GKV" put s random
	gives "get of $size random bytes" 0 "$GKV" get s random
	same "$size random bytes come back through a pipe" random out
done
"$GKV" get s random 2>err | cat >piped
same 'random bytes come back through a pipe to a program' random piped
gives 'put from a closed standard input gives 4' 4 sh -c '"$0" put s closed <&-' "$GKV"
gives 'and stores nothing' 1 "$GKV" get s closed
gives 'get to a closed standard output gives 4' 4 sh -c '"$0" get s random >&-' "$GKV"
gives 'the store is whole after that' 0 "$GKV" check s

# A - in front, and behind --.
gives 'put of -5 is wrong usage' 2 "$GKV" put s n -5
says 'and the message shows the way out' "bad option '-5' .*: -- -5)"
gives 'put of -500 is wrong usage' 2 "$GKV" put s n -500
says 'and the message shows the whole word' "bad option '-500' .*: -- -500)"
gives 'get of --key is wrong usage' 2 "$GKV" get s --key
says 'and the message says what to put before it' 'put -- before it'
gives 'put of -- -5' 0 "$GKV" put s n -- -5
gives 'get of that' 0 "$GKV" get s n
prints 'gives -5' -5
input unread
gives 'put of -- -' 0 "$GKV" put s n -- -
gives 'get of what was put so' 0 "$GKV" get s n
prints 'is - itself' -
input 'read'
gives 'put of - before a --' 0 "$GKV" put s n - --
gives 'get of what stood on standard input' 0 "$GKV" get s n
prints 'is standard input' 'read'
gives 'put of two words as a value is wrong usage' 2 "$GKV" put s k hello world
says 'and the message names the second' "'world' is one word too many"
gives 'get without a key' 2 "$GKV" get s
says 'says what is missing' '^gkv: get: KEY is missing$'
gives 'put --add of a key that is there' 4 "$GKV" put --add s key v
says 'says which' '^gkv: s: the key is there already, and keeps its value: key$'
gives 'put from a closed standard input' 4 sh -c '"$0" put s closed <&-' "$GKV"
says 'says that it is closed' '^gkv: standard input: is closed; give VALUE'
counted
