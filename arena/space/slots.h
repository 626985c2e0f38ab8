/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* slots.h: the free slots of the arena, which attract each other.
 *
 * A treap ordered by start, each priority hashed from the start where its slot was born, so that its height is O(log n)
 * whatever the sizes are. Each subtree knows its largest size and its highest gravity; each slot its neighbours.
 * Inserting merges with both neighbours that touch.
 *
 *     gravity(i) = size(i) * size(i+1) / distance(i, i+1)^2
 *
 * where distance is the number of bytes between the end of slot i and the start of slot i+1 (never 0: they would have
 * merged). The last slot has gravity 0.
 *
 * Offsets and sizes are bytes, multiples of 8, size > 0, and no range wraps; insert and remove answer GRAVITY_INVALID,
 * and do nothing, where that is not so. 56 bytes a slot. Not thread-safe: its owner's lock covers it. */
#ifndef GKV_ARENA_SPACE_SLOTS_H
#define GKV_ARENA_SPACE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena/os/os.h"

/* Index of a slot in the arrays; stays the same while the slot grows or shrinks, until it is removed or merged away.
 * Where an insert joins two slots, the lower one stays; where a removal splits one, it becomes the lower part. */
typedef uint32_t slot_id;
#define SLOT_NONE UINT32_C(0)

struct ranges;
struct slots_key; /* both private to slots*.c */
struct slots_node;

struct slots {
	const struct os *os;
	struct slots_key *keys; /* keys[i] and nodes[i] are slot i; 0 is the sentinel  */
	struct slots_node *nodes;
	uint32_t capacity;
	uint32_t used; /* nodes ever handed out, the sentinel included        */
	slot_id spare; /* head of the list of unused nodes                    */
	slot_id root, first, last;
	uint64_t count, bytes;
	uint64_t kept;  /* nodes that slots_keep has set aside                 */
	uint64_t pages; /* of the table, that find a place in them             */
};

/* A page of the table and what aligning it takes. */
#define SLOTS_PAGE UINT64_C(4160)

/* Allocates nothing. */
void slots_init(struct slots *s, const struct os *os);
void slots_release(struct slots *s);
/* Another process has it now, in which its memory stands elsewhere by so many bytes, and is had from `os`. */
void slots_adopt(struct slots *s, uintptr_t by, const struct os *os);

/* Makes room so that the next `extra` inserts (or removals of a range, which may split a slot) cannot fail, whoever makes
 * them. 0 or ENOMEM. A slot that disappears makes room for one more. */
int slots_reserve(struct slots *s, uint64_t extra);
/* Sets room aside for inserts that must not fail, whatever else is inserted and removed until then: slots_insert_kept uses
 * up one of them, slots_keep_less gives up what is wanted no more. 0 or ENOMEM. */
int slots_keep(struct slots *s, uint64_t extra);
void slots_keep_less(struct slots *s, uint64_t fewer);

/* Asks the processor for what inserting at each of these places, in rising order, will read; the waits of all descents
 * overlap. */
#define SLOTS_ASK 16u
void slots_ask(const struct slots *s, const uint64_t *starts, unsigned count);

/* Adds [start, start + size), which touches no part of a free slot, and merges it with its neighbours. ENOMEM leaves
 * everything as it was. GRAVITY_INVALID (and nothing done) when it overlaps a free slot. */
int slots_insert(struct slots *s, uint64_t start, uint64_t size);
/* The same where room was kept: never ENOMEM. */
int slots_insert_kept(struct slots *s, uint64_t start, uint64_t size);

/* Takes [start, start + size) out of the one free slot that contains it; what is left on either side stays free.
 * GRAVITY_NOTFOUND (and nothing done) when no slot contains all of it; ENOMEM as above. */
int slots_remove(struct slots *s, uint64_t start, uint64_t size);

uint64_t slots_start(const struct slots *s, slot_id id);
uint64_t slots_size(const struct slots *s, slot_id id);
static inline uint64_t slots_end(const struct slots *s, slot_id id)
{
	return slots_start(s, id) + slots_size(s, id);
}
/* Adds all of them, in no order, to ranges that have room for them. One sequential read. */
void slots_copy(const struct slots *s, struct ranges *out);
double slots_gravity(const struct slots *s, slot_id id);
slot_id slots_next(const struct slots *s, slot_id id); /* in order of start; SLOT_NONE at the end */
slot_id slots_prev(const struct slots *s, slot_id id);

/* Each in O(log n), SLOT_NONE when there is none. */
slot_id slots_largest(const struct slots *s);                  /* the lowest of the largest                  */
slot_id slots_first_fit(const struct slots *s, uint64_t size); /* lowest start with at least that size       */
slot_id slots_first_fit_from(const struct slots *s, uint64_t size, uint64_t from); /* the same with start >= from     */
slot_id slots_most_attracted(const struct slots *s);                /* highest gravity; SLOT_NONE with < 2 slots  */
slot_id slots_at_or_before(const struct slots *s, uint64_t offset); /* greatest start <= offset                   */
slot_id slots_at_or_after(const struct slots *s, uint64_t offset);  /* least start >= offset                      */

/* Walks everything. 0, or the number of the first broken invariant of slots.c with a sentence in *what (static text;
 * what may be NULL). */
int slots_check(const struct slots *s, const char **what);

#endif
