/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* cpu.c owns nothing but what it has asked for already. */
#include "arena/os/cpu.h"

#if defined(__aarch64__)
#include <stdatomic.h>
#include <sys/auxv.h>

#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1u << 7)
#endif

bool os_cpu_crc32(void)
{
	enum { UNKNOWN, NO, YES };
	static _Atomic unsigned char crc32;
	unsigned char known = atomic_load_explicit(&crc32, memory_order_relaxed);

	if (known == UNKNOWN) {
		known = getauxval(AT_HWCAP) & HWCAP_CRC32 ? YES : NO;
		atomic_store_explicit(&crc32, known, memory_order_relaxed);
	}
	return known == YES;
}
#else
typedef int cpu_nothing; /* a file of C holds a declaration at least */
#endif
