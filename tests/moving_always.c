/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* moving_always.c: a program that is linked with it runs its suite while the books of all handles move. */
#include "tests/moving.h"

__attribute__((constructor)) static void always_choose(void)
{
	moving_wanted = true;
}
