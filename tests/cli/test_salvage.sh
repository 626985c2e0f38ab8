#!/bin/sh
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the gkv authors
#
# salvage of a sound store: every record, in a new file.

. "$(dirname "$0")/cli.sh"

many_records b5
"$GKV" list b5 2>err | sort >want

gives 'salvage of a sound store succeeds' 0 "$GKV" salvage b5 saved
says 'salvage says where everything is' '^gkv: b5: sound; every record is in saved'
gives 'what was salvaged is sound' 0 "$GKV" check saved
"$GKV" list saved 2>err | sort >sorted
same 'salvage copies every record of a sound store' want sorted
cp saved saved.before
gives 'salvage onto a file that exists gives 4' 4 "$GKV" salvage b5 saved
says 'and names that file' '^gkv: saved: '
same 'and leaves it as it was' saved.before saved
rm saved
gives 'salvage --quiet of a sound store' 0 "$GKV" salvage b5 saved --quiet
silent 'salvage --quiet says nothing of a sound store'
gives 'salvage --json of a sound store' 0 "$GKV" salvage b5 'saved "2"' --json
silent 'salvage --json says nothing'
prints 'salvage --json writes one object' '{"findings":[],"sound":true,"dest":"saved \\"2\\""}\n'
gives 'what was salvaged so is sound' 0 "$GKV" check 'saved "2"'
gives 'salvage --json onto a file that exists gives 4' 4 "$GKV" salvage b5 saved --json
prints 'and writes nothing' ''
gives 'salvage into a missing directory gives 4' 4 "$GKV" salvage b5 nodir/saved
says 'and names the file that cannot be made' '^gkv: nodir/saved: '

counted
