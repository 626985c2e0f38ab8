/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* few_alone.c: a program that is linked with it, beside few.c, runs only the cases with few hashes. Those with the real hash
 * run with the library, in a program of the same suite without either. */
#include "tests/testing.h"

__attribute__((constructor)) static void alone_choose(void)
{
	testing_few_alone = true;
}
