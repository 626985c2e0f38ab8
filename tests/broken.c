/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* broken.c owns which fault a deliberately broken build has: the one that GKV_BROKEN names, none where it is not set. A
 * name that is no fault's ends the program, so that a misspelt one is not taken for a fault that nothing catches. */
#include "arena/broken.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef GRAVITY_BROKEN
#error "this file belongs to the broken build alone"
#endif

enum broken broken_fault;

static const char *const names[] = {
	[BROKEN_NOTHING] = "nothing",
	[BROKEN_FLUSH] = "flush",
	[BROKEN_FLUSH_WINDOWS] = "flush-windows",
	[BROKEN_FLUSH_CLAIM] = "flush-claim",
	[BROKEN_FLUSH_AGAIN] = "flush-again",
	[BROKEN_FLUSH_TWICE] = "flush-twice",
	[BROKEN_GENERATION] = "generation",
	[BROKEN_DATE] = "date",
	[BROKEN_NEW] = "new",
	[BROKEN_MAGIC] = "magic",
	[BROKEN_NAME] = "name",
	[BROKEN_REMOVED] = "removed",
	[BROKEN_HEADER_FIRST] = "header-first",
	[BROKEN_HEADER_OVER] = "header-over",
	[BROKEN_HEADER_BYTES] = "header-bytes",
	[BROKEN_HEADER_STATE] = "header-state",
	[BROKEN_HEADER_ORPHAN] = "header-orphan",
	[BROKEN_PAGE_CHECK] = "page-check",
	[BROKEN_PAGE_IN_PLACE] = "page-in-place",
	[BROKEN_LIST_FORGETS] = "list-forgets",
	[BROKEN_LIST_CHUNKS] = "list-chunks",
	[BROKEN_ORPHAN_CHUNKS] = "orphan-chunks",
	[BROKEN_ORPHAN_SEQ] = "orphan-seq",
	[BROKEN_ORPHAN_SORT] = "orphan-sort",
	[BROKEN_REUSE] = "reuse",
	[BROKEN_REUSE_LOG] = "reuse-log",
	[BROKEN_REUSE_SNAPSHOT] = "reuse-snapshot",
	[BROKEN_REUSE_PIN] = "reuse-pin",
	[BROKEN_LOOK_AHEAD] = "look-ahead",
	[BROKEN_PUBLISH_SEQ] = "publish-seq",
	[BROKEN_RESERVE] = "reserve",
	[BROKEN_GUARD] = "guard",
	[BROKEN_REFUSED] = "refused",
	[BROKEN_SHOWN] = "shown",
	[BROKEN_KEPT] = "kept",
	[BROKEN_CUT] = "cut",
	[BROKEN_READY] = "ready",
	[BROKEN_CALLS] = "calls",
	[BROKEN_PUNCHED] = "punched",
	[BROKEN_KEEP] = "keep",
	[BROKEN_ASIDE] = "aside",
	[BROKEN_APPLY_FAILS] = "apply-fails",
	[BROKEN_SEAL_FIRST] = "seal-first",
	[BROKEN_SNAPSHOT_MISSED] = "snapshot-missed",
	[BROKEN_SNAPSHOT_APPLY] = "snapshot-apply",
	[BROKEN_SNAPSHOT_LOOK] = "snapshot-look",
	[BROKEN_SNAPSHOT_NEW] = "snapshot-new",
	[BROKEN_SNAPSHOT_HANDED] = "snapshot-handed",
	[BROKEN_APPLY_LATE] = "apply-late",
	[BROKEN_STEP_INSIDE] = "step-inside",
	[BROKEN_NUMBER] = "number",
	[BROKEN_NONCE] = "nonce",
	[BROKEN_BEHEAD] = "behead",
	[BROKEN_LINK] = "link",
	[BROKEN_CHAIN_NUMBER] = "chain-number",
	[BROKEN_CHAIN_CHECK] = "chain-check",
	[BROKEN_COMMIT_FLAG] = "commit-flag",
	[BROKEN_TAIL] = "tail",
	[BROKEN_LOG_SPACE] = "log-space",
	[BROKEN_MOVE_BLIND] = "move-blind",
	[BROKEN_TOMB] = "tomb",
	[BROKEN_NAMES] = "names",
	[BROKEN_HEADER_REPLAY] = "header-replay",
	[BROKEN_HEADER_TRUST] = "header-trust",
	[BROKEN_LOG_TRUST] = "log-trust",
	[BROKEN_STALE] = "stale",
	[BROKEN_STALE_TRUST] = "stale-trust",
	[BROKEN_WATERMARK] = "watermark",
	[BROKEN_STRAYED] = "strayed",
	[BROKEN_HEADER_OLDER] = "header-older",
	[BROKEN_CHILD_FILE] = "child-file",
	[BROKEN_CHILD_MAP] = "child-map",
	[BROKEN_CANCEL] = "cancel",
	[BROKEN_LATCH_PASSED] = "latch-passed",
	[BROKEN_LATCH_CALL] = "latch-call",
	[BROKEN_LATCH_ASLEEP] = "latch-asleep",
	[BROKEN_LATCH_DROP] = "latch-drop",
	[BROKEN_LATCH_LEFT] = "latch-left",
	[BROKEN_LATCH_HEIR] = "latch-heir",
	[BROKEN_ADOPT] = "adopt",
	[BROKEN_HEADER_CHECK] = "header-check",
	[BROKEN_CHECK_PLACE] = "check-place",
	[BROKEN_CHECK_IDENTITY] = "check-identity",
	[BROKEN_READ_CHECK] = "read-check",
	[BROKEN_PAGE_TRUST] = "page-trust",
	[BROKEN_MOVE_TRUST] = "move-trust",
	[BROKEN_SPLIT_TRUST] = "split-trust",
	[BROKEN_BIRTH] = "birth",
	[BROKEN_BIRTH_LATE] = "birth-late",
};
_Static_assert(sizeof names / sizeof names[0] == BROKEN_FAULTS, "each fault has a name");

__attribute__((constructor)) static void broken_choose(void)
{
	const char *wanted = getenv("GKV_BROKEN");

	if (wanted == NULL)
		return;
	for (int i = 0; i < BROKEN_FAULTS; i++) {
		if (strcmp(names[i], wanted) != 0)
			continue;
		broken_fault = (enum broken)i;
		return;
	}
	(void)fprintf(stderr, "GKV_BROKEN=%s: there is no such fault\n", wanted);
	_Exit(99);
}
