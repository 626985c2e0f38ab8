/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* contender.c: the list of contenders. */

#include "tests/bench/contender.h"

const struct contender *const contender_all[] = {
	&contender_gkv,  &contender_gkv_noverify,  &contender_gkv_cheapest, &contender_gkv_gravity,
	&contender_lmdb, &contender_lmdb_writemap, &contender_memory,       NULL};
