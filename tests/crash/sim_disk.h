/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* sim_disk.h: one file of a machine that may lose power: what its processes see (the cache, which is handed out as the
 * map), what the disk has, and every content in between that the kernel may have written back.
 *
 * The disk is made of 512-byte sectors, each of which is written whole. A word of 8 bytes is the unit that a processor
 * stores: a page that is written back while it is being changed may hold any mixture of words, old and new, within a
 * sector. A change of the file's length is durable with the next flush of the file, and may be earlier; such changes
 * become durable in order.
 *
 * A page that was punched out has no space on the disk until it is allocated again: a store to it ends the test, since on
 * a full disk it would be SIGBUS. After a power cut every page has space.
 *
 * Pages may be kept as pieces of several, as the kernel does with what is written or read at once. A store to one page of a
 * piece then needs space under all of it, and ends the test where the disk has not got that. A piece is split where a hole is
 * punched into it. */
#ifndef GKV_TESTS_CRASH_SIM_DISK_H
#define GKV_TESTS_CRASH_SIM_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_SECTOR     UINT64_C(512)
#define SIM_PAGE       UINT64_C(4096)
#define SIM_RESERVE    (UINT64_C(16) << 20) /* bytes of a file at most, and of its map */
#define SIM_SECTORS    (SIM_RESERVE / SIM_SECTOR)
#define SIM_PAGES_MOST (SIM_RESERVE / SIM_PAGE)
#define SIM_RESIZES    16u

/* A content that a sector had at some time since it was flushed. */
struct sim_version {
	uint32_t older;   /* index + 1 of the version before it, 0: what the disk has      */
	uint32_t moment;  /* step in which it was seen                                       */
	uint32_t resizes; /* changes of the file's length before it, of those not yet durable */
	uint32_t sector;
	uint8_t data[SIM_SECTOR];
};

struct sim_file {
	uint8_t *cache; /* SIM_RESERVE bytes; those beyond `bytes` are zero and cannot be touched */
	uint64_t bytes;
	/* From here on only where the file is tracked. */
	bool tracked;
	uint8_t *seen; /* the cache as of the last step      */
	uint8_t *disk; /* what was flushed, of disk_bytes    */
	uint64_t disk_bytes;
	uint64_t resize[SIM_RESIZES]; /* lengths since then */
	uint32_t resize_count;
	uint32_t *newest; /* by sector: index + 1 of its newest version, 0: none */
	uint32_t *dirty;  /* the sectors that have one                           */
	uint32_t dirty_count;
	struct sim_version *version;
	uint32_t version_count, version_capacity;
	/* By page: the kernel takes it for clean, and the disk has not got it. Only a new store makes it dirty again, even of
	 * what it holds already. */
	uint8_t *lost;
	uint32_t lost_count;
	/* How often the kernel's own write-back failed, and whether anybody was told the last time. */
	uint32_t errors;
	bool error_told;
	/* By page: punched out. */
	uint8_t *hole;
	uint32_t hole_count;
	/* Pages of a piece; by page: it belongs to a piece that was not split. Whether the disk has room is asked of its owner. */
	uint32_t piece;
	uint8_t *whole;
	bool (*room)(void *arg, uint64_t bytes);
	void *room_arg;
	struct sim_file *next; /* of all tracked files */
};

enum sim_lost { SIM_PAGE_SOUND, SIM_PAGE_LOST, SIM_PAGE_TOUCHED };

void sim_file_init(struct sim_file *f, bool tracked);
void sim_file_release(struct sim_file *f);
/* Empty, on the disk as well. */
void sim_file_clear(struct sim_file *f);

/* Sets the length; what is cut off reads as zeroes if it comes back. */
void sim_file_resize(struct sim_file *f, uint64_t bytes);
/* Makes the file what a copy of it is: pages of zeroes are holes, and pages are kept in pieces of so many, a power of two. */
void sim_file_sparse(struct sim_file *f, uint32_t piece);
/* From now on each page of the range is kept by itself, and so are those that were of one piece with them. */
void sim_file_split(struct sim_file *f, uint64_t start, uint64_t end);
/* Hands the space of whole pages back, or allocates it again; the caller has zeroed what is punched. */
void sim_file_punch(struct sim_file *f, uint64_t start, uint64_t end);
void sim_file_fill(struct sim_file *f, uint64_t start, uint64_t end);
/* What a call writes, in part or as a whole over what stands there, makes its pages dirty. It is within the file, and its
 * pages have space. */
void sim_file_write(struct sim_file *f, uint64_t offset, const void *from, uint64_t bytes);
/* Makes the page of that offset dirty; false: there is no space under all of its piece. */
bool sim_file_touch(struct sim_file *f, uint64_t offset);
/* Space that it takes on the disk. */
uint64_t sim_file_space(const struct sim_file *f);
/* Bytes of holes in the range. */
uint64_t sim_file_holes(const struct sim_file *f, uint64_t start, uint64_t end);
/* Notes what was stored through the map since the last step. */
void sim_file_step(struct sim_file *f, uint32_t moment);
/* The range and the length are on the disk; sim_file_step came first. */
void sim_file_flush(struct sim_file *f, uint64_t start, uint64_t end);
/* A flush of the range failed: the length is on the disk, each of the pages is too or is lost. sim_file_step came first. */
void sim_file_lose(struct sim_file *f, uint64_t start, uint64_t end, uint64_t *random);
/* The kernel writes back what is dirty, as it may at any time, and fails: each page is on the disk or lost. Nobody waits
 * for it: whoever flushes the file next is told. True: something was lost. */
bool sim_file_write_back(struct sim_file *f, uint64_t *random);
/* All that is in the cache is what the disk has: the machine has just started. */
void sim_file_settle(struct sim_file *f);

/* What a power cut may leave. */
enum sim_style {
	SIM_NONE,         /* nothing that was not flushed                      */
	SIM_ALL,          /* everything, as after a kill                       */
	SIM_MOMENT,       /* all that was there at some earlier moment         */
	SIM_PAGES,        /* of some pages the newest content                  */
	SIM_SECTORS_TORN, /* of each sector any content that it had      */
	SIM_FEW,          /* of a few sectors the newest content, or of all but a few */
	SIM_STYLES
};

struct sim_cut {
	enum sim_style style;
	uint32_t of_16; /* how many of 16 pages or sectors have reached the disk */
	bool mixed;     /* some sectors are mixtures of words                    */
	uint64_t random;
};

/* Puts one such content into `to`, which is not tracked. */
void sim_file_cut(const struct sim_file *f, const struct sim_cut *cut, struct sim_file *to);
/* The cache of f. */
void sim_file_copy(const struct sim_file *f, struct sim_file *to);

/* For sim_cut.c. Whether what was seen after `then` changes of length is still there after `now` of them. */
bool sim_version_lasts(const struct sim_file *f, uint32_t sector, uint32_t then, uint32_t now);
/* Sets the length of the cache alone. */
void sim_cache_resize(struct sim_file *f, uint64_t bytes);

/* A number that follows *state: splitmix64. */
uint64_t sim_random(uint64_t *state);

#endif
