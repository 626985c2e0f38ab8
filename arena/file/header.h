/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* header.h: the two header pages, one checkpoint each, and the mark of the newest stable commit. */
#ifndef GKV_ARENA_FILE_HEADER_H
#define GKV_ARENA_FILE_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/file/blob.h"
#include "arena/file/disk.h"
#include "arena/file/map.h"

/* What blobs of the file mix into their checks. */
static inline uint64_t header_identity(const struct header_disk *h)
{
	return mix64(h->identity[0]) ^ h->identity[1];
}

/* From now on blobs in the map are checked as those of the file that has this header. */
static inline void header_adopt(struct map *m, const struct header_disk *h)
{
	m->identity = header_identity(h);
	m->newest = h->seq;
	m->sum = h->version == 1 ? MAP_SUM_XXH3 : MAP_SUM_CRC32C;
}

/* Sets magic and check. `index` (0 or 1): the page that it will stand in. */
void header_seal(struct header_disk *h, unsigned index);

/* Copies the header of page `index` out of the map if it verifies in itself: 0, GRAVITY_NOTASTORE (no magic),
 * GRAVITY_BADVERSION, GRAVITY_CORRUPT. Both pages are inside the file. */
int header_read(const struct map *m, unsigned index, struct header_disk *out);

/* The newest valid one of both, and its page. GRAVITY_NOTASTORE and so on when neither is. */
int header_choose(const struct map *m, struct header_disk *out, unsigned *index);

/* Writes a sealed header into its page; durable only when that page is flushed. 0 or errno. */
int header_write(const struct map *m, const struct header_disk *h, unsigned index);

/* The mark: commit `seq` is on stable storage, the newest checkpoint being `checkpoint`. One
 * that cannot be written is not there, which is no harm: it only helps to tell damage. */
void header_mark_write(const struct map *m, unsigned index, uint64_t seq, uint64_t checkpoint);

/* Whether the page holds a mark that checks. Since the second checkpoint the page of the older header has one. */
bool header_mark_there(const struct map *m, unsigned index);

/* The same of a page that belongs elsewhere: the newest commit that its marks name, near to commit `near`. 0: it is no header
 * page, or has no mark. */
uint64_t header_mark_strayed(const struct map *m, uint64_t page, uint64_t near);

/* What the marks of both pages say, next to header h. `*seq`: the newest commit that they name (0: none).
 * GRAVITY_CORRUPT when the newest mark names a checkpoint that h is not and that is newer than h. */
int header_marks_read(const struct map *m, const struct header_disk *h, uint64_t *seq);

#endif
