/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* image.h: the input of fuzz_store: a file, and what is done with it.
 *
 *     offset   size   meaning
 *     0        16     struct control; zero where the input is shorter
 *     16              runs: u16 units of zeroes, u16 units that stand here, these units (8 bytes each)
 *
 * So a store of 24 KiB, most of which is zero, is an input of some hundred bytes, and no mutation is spent on nothing.
 * Any bytes are an input. A last run that is cut short ends the file where it is cut. */
#ifndef GKV_TESTS_FUZZ_IMAGE_H
#define GKV_TESTS_FUZZ_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/file/disk.h"
#include "arena/file/map.h"

#define IMAGE_MAX ((size_t)256 << 10)
#define IMAGE_OPS 12u

/* How the file is opened. */
#define CONTROL_RDONLY   0x01u
#define CONTROL_NOVERIFY 0x02u
#define CONTROL_DURABLE  0x04u
#define CONTROL_FEW      0x08u /* with fuzz_hash_few */

struct control {
	uint8_t flags;
	uint8_t limit;      /* max_bytes: 0 none, otherwise this many KiB more than the file has */
	uint8_t checkpoint; /* checkpoint_bytes in KiB                                            */
	uint8_t seed;       /* of keys and values that are written                               */
	uint8_t op[IMAGE_OPS];
};

struct image {
	struct control control;
	uint8_t *bytes; /* IMAGE_MAX of them, zero behind `size` */
	size_t size;
};

/* All images share their bytes: the next call ends the one before. */
void image_decode(struct image *image, const uint8_t *data, size_t size);
/* Bytes of the input that it makes; 0 where they are more than `most`. */
size_t image_encode(const struct image *image, uint8_t *out, size_t most);

/* The image as the arena's modules look at a file. The identity is that of the header that counts, or else what stands in
 * the first header page; true: there is a header that counts. */
bool image_map(const struct image *image, struct map *map);
/* Whether a salvage knows the identity of the file without trying 2^32 of them. */
bool image_identity_known(const struct image *image);

/* Everything that carried its check at one moment: blobs, headers, marks. */
#define SEALS_MAX 4096u
struct seal {
	uint64_t offset;
	uint32_t check, link;
	uint32_t before; /* index of the blob that its link names; SEALS_MAX: none */
	uint32_t next;   /* in the same bucket; SEALS_MAX: none                    */
};
struct seals {
	struct seal blob[SEALS_MAX];
	uint32_t count;
	uint32_t bucket[SEALS_MAX]; /* by check */
	bool header[2];
	uint64_t header_link[2];
	uint64_t mark[2]; /* the word; 0: none that checks */
};

void seals_find(struct seals *seals, const struct image *image);
/* After the image was changed: seals all of it again where it stood, and renews the links that were not changed. */
void seals_renew(struct seals *seals, struct image *image);

#endif
