/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* anatomy.h: what each byte of a sound file is, read by docs/format.md alone, and what that page says of damage there. */
#ifndef GKV_TESTS_DAMAGE_ANATOMY_H
#define GKV_TESTS_DAMAGE_ANATOMY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/file/disk.h"

enum part_kind {
	PART_HEADER,       /* the newer header, magic to reserved bytes                         */
	PART_OLDER_SHARED, /* of the older header: what all headers of a file share             */
	PART_OLDER_OWN,    /* of the older header: the rest                                     */
	PART_UNUSED,       /* of the header pages                                               */
	PART_MARK,         /* the mark, in the page of the older header; a word of two          */
	PART_MARK_OTHER,   /* in the other page                                                 */
	PART_NODE,
	PART_PAGE,
	PART_PUT,      /* a live record, of the checkpoint                                  */
	PART_MOVE,     /* the same, moved                                                   */
	PART_LARGE,    /* the same, of 2,048 bytes or more                                  */
	PART_REPLACED, /* a record of the checkpoint that the log replaces or deletes       */
	PART_LIST,     /* a chunk of the free list                                          */
	PART_LOG_PUT,
	PART_LOG_MOVE,
	PART_LOG_TOMB,
	PART_LOG_JUMP,
	PART_TAIL,   /* behind the last whole commit: blobs of one that is not            */
	PART_WINDOW, /* the rest of the last window                                       */
	PART_FREE,
	PART_KINDS
};

extern const char *const part_names[PART_KINDS];

struct part {
	uint64_t start, size;
	enum part_kind kind;
	uint64_t name;  /* of blobs                                              */
	unsigned depth; /* of pages and nodes                                    */
	uint64_t seq;   /* blobs of the log: of their commit                     */
	bool commit;    /* ... its last one                                      */
	bool replayed;  /* the log cannot be replayed without it                 */
	unsigned key;   /* of records: which one of a specimen's, or KEYS        */
};

#define PARTS_MOST 512u

struct anatomy {
	const uint8_t *image;
	size_t bytes;
	unsigned index; /* page of the newer header */
	struct header_disk header;
	uint64_t identity;
	uint64_t marked; /* commit that the mark names; 0: none    */
	uint64_t seq;    /* of the last whole commit               */
	uint64_t log_blobs;
	struct part part[PARTS_MOST]; /* in no order; they do not overlap, and cover the file */
	unsigned parts;
	uint16_t *of; /* by byte: index of its part */
};

/* The image must be sound; it is kept a pointer to. */
void anatomy_make(struct anatomy *an, const uint8_t *image, size_t bytes);
void anatomy_release(struct anatomy *an);

static inline const struct part *anatomy_at(const struct anatomy *an, uint64_t offset)
{
	return &an->part[an->of[offset]];
}

/* What becomes of a store in which one part is damaged. */
enum outcome {
	OUTCOME_NONE,    /* nothing reads it                                                         */
	OUTCOME_EARLIER, /* the store ends at the commit before                                      */
	OUTCOME_CHECK,   /* nothing that is read is affected; a check finds it                       */
	OUTCOME_READ,    /* those who need it get GKV_CORRUPT, and a check finds it                  */
	OUTCOME_OPEN,    /* the store does not open: GKV_CORRUPT                                     */
	OUTCOMES
};

extern const char *const outcome_names[OUTCOMES];

/* Of a flipped bit. */
enum outcome anatomy_outcome(const struct anatomy *an, uint64_t offset, unsigned bit);
/* The commit that a store ends at when that part is damaged: OUTCOME_EARLIER. */
uint64_t anatomy_seq_without(const struct anatomy *an, const struct part *p);
/* Whether the look-up of a name needs that part. */
bool part_on_way(const struct part *p, uint64_t name);

/* The check of a blob at offset, and of a header in a page: what an attacker can compute. */
uint32_t image_blob_check(const uint8_t *image, uint64_t identity, uint64_t offset);
uint64_t image_header_check(const struct header_disk *h, unsigned index);
uint64_t image_mark_check(uint64_t identity, uint64_t word);

#endif
