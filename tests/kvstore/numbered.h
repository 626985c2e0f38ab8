/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* numbered.h: a store of records of 1,000 bytes, whose keys are numbers. */
#ifndef GKV_TESTS_KVSTORE_NUMBERED_H
#define GKV_TESTS_KVSTORE_NUMBERED_H

#include <stdint.h>

#include "kvstore/gkv.h"

/* Makes the test's store with the numbers from 0 to count - 1. */
void numbered_make(uint64_t count);
/* It holds those from first to end - 1, and no others. */
void numbered_hold(gkv *db, uint64_t first, uint64_t end);

#endif
