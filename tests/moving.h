/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* moving.h: handles of a deliberately broken build whose books move after each turn of a writer, see arena/moving.h. */
#ifndef GKV_TESTS_MOVING_H
#define GKV_TESTS_MOVING_H

#include <stdbool.h>
#include <stdint.h>

/* Whether the books of handles that are opened from now on move. It is so from the start where GKV_MOVING is set. */
extern bool moving_wanted;
/* How often any have moved, in this process. */
uint64_t moving_turns(void);
/* The first pointer in books or checkpoints that led nowhere in all these turns: nothing says that it is adopted. NULL: each has
 * led somewhere. */
const char *moving_unmet(void);

#endif
