#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# stat: the counters, as a table and as JSON.

. "$(dirname "$0")/cli.sh"

many_records b5


gives 'stat succeeds' 0 "$GKV" stat b5
grep -q '^records  *3000$' out
count 'stat shows the number of records' $?
gives 'stat --json succeeds' 0 "$GKV" stat b5 --json
grep -q '^{"records":3000,"live_bytes":[0-9]*,.*"oldest_reader_seq":[0-9]*}$' out
count 'stat --json writes one object' $?

counted
