/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* cpu.h: what the processor can, as far as only the system knows. Threads: any. */
#ifndef GKV_ARENA_OS_CPU_H
#define GKV_ARENA_OS_CPU_H

#include <stdbool.h>

#if defined(__aarch64__)
/* Whether it has the instructions for CRC-32C. Asked of the system once. */
bool os_cpu_crc32(void);
#endif

#endif
