/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* disk.h: every structure that stands in the file, with its sizes and offsets asserted. docs/format.md is normative.
 *
 * A file is two header pages, then blobs and free slots. Everything but the headers is a blob: records, log marks, the
 * pages and nodes of the table, the chunks of the free list. Integers are little-endian; offsets and sizes are
 * multiples of 8; pages and nodes of the table stand at multiples of 64. */
#ifndef GKV_ARENA_FILE_DISK_H
#define GKV_ARENA_FILE_DISK_H

#if !defined(__LP64__) || !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "gkv needs a 64-bit little-endian system: it maps a whole store, and works on the words of the file where they stand"
#endif

#include <stddef.h>
#include <stdint.h>

#define DISK_PAGE     UINT64_C(4096)
#define DISK_UNIT     UINT64_C(8)
#define DISK_LINE     UINT64_C(64)
#define DISK_DATA     (2 * DISK_PAGE)     /* where blobs begin                */
#define DISK_FILE_MAX (UINT64_C(1) << 43) /* 40 bits of units                 */
#define DISK_SEQ_MASK ((UINT64_C(1) << 48) - 1)
/* The last numbers are for what is under way when a writer comes too late. */
#define DISK_SEQ_LAST      (DISK_SEQ_MASK - (UINT64_C(1) << 40))
#define DISK_VERSION       2u /* of a new file                                            */
#define DISK_VERSION_LEAST 1u /* of files that are read; one that is written keeps its own */

static inline uint64_t page_round(uint64_t bytes)
{
	return (bytes + DISK_PAGE - 1) & ~(DISK_PAGE - 1);
}

/* The head of every blob. Its bytes follow; the next blob begins at the next multiple of 8. */
struct blob_disk {
	uint32_t check; /* of all that follows, to the next blob, mixed with the place and the store's identity */
	uint32_t size;  /* bytes after the head                                                              */
	uint64_t name;  /* virtual position; PAGE and NODE: the hash prefix; JUMP and FREE: 0                  */
	uint64_t stamp; /* commit number (48 bits), kind (8), flags (8)                                      */
	uint32_t link;  /* check of the blob before it in the log; PAGE and NODE: depth in bits; FREE: 0       */
	uint32_t aux;   /* its owner's; PAGE: live entries; FREE: slots that it lists; otherwise 0             */
};

enum blob_kind {
	BLOB_PUT = 1,  /* a record                                    */
	BLOB_MOVE = 2, /* the same record, relocated                  */
	BLOB_TOMB = 3, /* the record of that name is deleted          */
	BLOB_JUMP = 4, /* the log goes on elsewhere                   */
	BLOB_PAGE = 5, /* a page of the table                         */
	BLOB_NODE = 6, /* a node of the table's directory             */
	BLOB_FREE = 7  /* a chunk of a checkpoint's free list         */
};

#define BLOB_COMMIT   0x01u /* the last blob of its commit                 */
#define BLOB_REPLACES 0x02u /* a live record of this name went before it   */

struct jump_disk {
	struct blob_disk head;
	uint64_t start, end; /* the next window: the next blob stands at start     */
	uint64_t nonce;      /* random in the first blob of a session, otherwise 0 */
};

/* An entry of the table: 24 bits of the name and 40 bits of position; 0 is none. */
#define PAGE_GROUPS 63u
#define PAGE_WAYS   8u
struct page_disk {
	struct blob_disk head;
	uint8_t reserved[32];
	uint64_t group[PAGE_GROUPS][PAGE_WAYS];
};

/* A node of the directory: for each value of the next 6 bits of the name a reference to a node or page. */
#define NODE_BITS    6u
#define NODE_ENTRIES (1u << NODE_BITS)
struct node_disk {
	struct blob_disk head;
	uint8_t reserved[32];
	uint64_t ref[NODE_ENTRIES];
};

/* A chunk of the free list: varint pairs (gap from the end of the previous slot, size), in units, after this. */
struct free_disk {
	struct blob_disk head;
	uint64_t next; /* offset of the next chunk, 0: the last */
	uint64_t used; /* bytes of pairs that follow           */
};

#define HEADER_MAGIC "gkv\x1a\r\n\x89\x00"
struct header_disk {
	uint8_t magic[8];
	uint32_t version;
	uint32_t kind;        /* enum arena_kind                                                   */
	uint64_t check;       /* XXH3 of the rest of the structure, from `identity` on, mixed with its place */
	uint64_t identity[2]; /* random, of this file                                              */
	uint64_t hash_seed;   /* random, of this store and its backups                             */
	uint64_t checkpoint;  /* number of this checkpoint, from 1                                 */
	uint64_t seq;         /* commits up to this one are in the table                           */
	uint64_t root;        /* reference to the root of the table                                */
	uint64_t log_start;   /* where the next blob of the log stands                             */
	uint64_t window_end;  /* end of the window that log_start is in                            */
	uint64_t free_first;  /* offset of the first chunk of the free list, 0: none               */
	uint64_t free_slots;  /* extents that the list names                                       */
	uint64_t free_bytes;  /* their sum                                                         */
	uint64_t file_bytes;  /* nothing beyond this belongs to the checkpoint                     */
	uint64_t blobs;       /* live records                                                      */
	uint64_t live_bytes;  /* of them, with their heads                                         */
	uint64_t table_pages;
	uint64_t table_bytes; /* pages and nodes of the table                                      */
	uint64_t next_name;   /* arena without keys: counter of names handed out                   */
	uint64_t log_link;    /* check of the blob before log_start (32 bits)                      */
	uint64_t reserved[43];
};

/* In the page of the older header: the newest commit known to be on stable storage, see header.c. It stands in two
 * sectors, so that what befalls one of them, and another sector of the file at the same time, does not take it away. */
#define HEADER_MARK_OFFSET UINT64_C(2048)
#define HEADER_MARK_COPY   UINT64_C(2560)

_Static_assert(sizeof(struct blob_disk) == 32, "blob head");
_Static_assert(offsetof(struct blob_disk, size) == 4, "blob head");
_Static_assert(offsetof(struct blob_disk, name) == 8, "blob head");
_Static_assert(offsetof(struct blob_disk, stamp) == 16, "blob head");
_Static_assert(offsetof(struct blob_disk, link) == 24, "blob head");
_Static_assert(offsetof(struct blob_disk, aux) == 28, "blob head");
_Static_assert(sizeof(struct jump_disk) == 56, "jump");
_Static_assert(sizeof(struct page_disk) == 4096, "table page");
_Static_assert(offsetof(struct page_disk, group) == 64, "table page");
_Static_assert(sizeof(struct node_disk) == 576, "directory node");
_Static_assert(offsetof(struct node_disk, ref) == 64, "directory node");
_Static_assert(sizeof(struct free_disk) == 48, "free list chunk");
_Static_assert(sizeof(struct header_disk) == 512, "header: within one sector");
_Static_assert(offsetof(struct header_disk, check) == 16, "header");
_Static_assert(offsetof(struct header_disk, identity) == 24, "header");
_Static_assert(offsetof(struct header_disk, log_link) == 160, "header");

#endif
