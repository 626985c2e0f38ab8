#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# backup: the same records in a new file, which was not there before.

. "$(dirname "$0")/cli.sh"

many_records b5

gives 'backup succeeds' 0 "$GKV" backup b5 copy
silent 'backup says nothing where standard error is no terminal'
gives 'a backup is sound' 0 "$GKV" check copy
"$GKV" list b5 2>err | sort >want
"$GKV" list copy 2>err | sort >sorted
same 'a backup holds the same records' want sorted
cp copy copy.before
gives 'backup onto a file that exists gives 4' 4 "$GKV" backup b5 copy
same 'and leaves it as it was' copy.before copy
gives 'backup into a missing directory gives 4' 4 "$GKV" backup b5 nodir/copy

counted
