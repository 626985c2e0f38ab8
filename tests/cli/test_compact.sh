#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# compact: the file is smaller, and nothing is lost.

. "$(dirname "$0")/cli.sh"

many_records b5

seq 1 2900 | sed 's/.*/del key&/' >in
gives 'delete most of it' 0 "$GKV" batch b5 --lazy
gives 'compact succeeds' 0 "$GKV" compact b5
silent 'compact says nothing where standard error is no terminal'
gives 'compact --quiet succeeds' 0 "$GKV" compact b5 --quiet
gives 'a compacted store is sound' 0 "$GKV" check b5
gives 'count after compact' 0 "$GKV" count b5
prints 'compact loses nothing' '100\n'

counted
