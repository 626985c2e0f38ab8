/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* radix.h: one pass of a radix sort of words, by the lowest digit first.
 *
 * A pass is two sequential reads and a scattered write, and takes the same time whatever the order is: who has a bound on
 * its steps sorts pass by pass. Equal digits keep their order, so passes over digits from the lowest to the highest sort by
 * all of them. */
#ifndef GKV_ARENA_SPACE_RADIX_H
#define GKV_ARENA_SPACE_RADIX_H

#include <stdint.h>

#define RADIX_MOST 11u /* bits of a digit */

/* Sorts list[0..count) by the digit of so many bits that begins at `shift` of each word less `base`. It goes into the spare
 * array, which is as long: the two change places. */
void radix_pass(uint64_t **list, uint64_t **spare, uint64_t count, uint64_t base, unsigned shift, unsigned bits);

#endif
