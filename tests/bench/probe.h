/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* probe.h: what is read from the machine: clocks, disk and device counters, memory, the page cache.
 *
 * Functions that can fail return 0 or an errno value. */
#ifndef GKV_BENCH_PROBE_H
#define GKV_BENCH_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "tests/bench/stats.h"

uint64_t clock_wall_ns(void);
uint64_t clock_processor_ns(void); /* of all threads of this process */
uint64_t clock_thread_ns(void);    /* processor time of this thread    */

struct stopwatch {
	uint64_t wall_ns, processor_ns;
};

struct stopwatch stopwatch_start(void);
/* Time since the start, spread over `count` operations, as a sample in units of `unit_ns` nanoseconds. */
struct sample stopwatch_sample(struct stopwatch start, uint64_t count, double unit_ns);

/* Blocks that the file holds, in bytes; a file that is not there holds none. */
int probe_disk_bytes(const char *path, uint64_t *bytes);

/* Bytes that the device of that folder has written since it was started (/proc/diskstats). ENODEV where the file
 * system has no device of its own there. */
int probe_device_bytes(const char *folder, uint64_t *bytes);

/* Writes out everything of the file system of that folder. */
int probe_sync_folder(const char *folder);

/* Resident anonymous memory of this process, in bytes: what belongs to no file. */
int probe_anonymous_bytes(uint64_t *bytes);

/* Writes the file out and drops it from the page cache; *left_percent is what the kernel kept all the same. */
int probe_drop_cache(const char *path, double *left_percent);

/* `count` times 4 KiB appended to a new file in that folder and fdatasync: the least that a durable commit through a
 * log can cost. Times go to times_ns. The file is removed. */
int probe_bare_appends(const char *folder, size_t count, uint64_t *times_ns);

struct machine {
	char processor[96], kernel[96], compiler[96], file_system[32], disk[64];
	long processors;
	double memory_gib;
};

/* What cannot be learnt is "unknown" or 0. */
void probe_machine(const char *folder, struct machine *out);

#endif
