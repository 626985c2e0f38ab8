/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* probe.c: the measurements that come from the system rather than from a store.
 *
 * It refuses to guess: a counter that is not there is an error, and the table then shows a dash. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/probe.h"

#define APPEND_BYTES 4096
#define SECTOR_BYTES 512

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = {0};

	if (clock_gettime(clock, &now) != 0)
		return 0;
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

uint64_t clock_wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t clock_processor_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t clock_thread_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

struct stopwatch stopwatch_start(void)
{
	return (struct stopwatch){.processor_ns = clock_processor_ns(), .wall_ns = clock_wall_ns()};
}

struct sample stopwatch_sample(struct stopwatch start, uint64_t count, double unit_ns)
{
	uint64_t wall = clock_wall_ns() - start.wall_ns;
	uint64_t processor = clock_processor_ns() - start.processor_ns;
	double operations = count > 0 ? (double)count : 1;

	return (struct sample){.present = true,
			       .value = (double)wall / operations / unit_ns,
			       .processor = (double)processor / operations};
}

int probe_disk_bytes(const char *path, uint64_t *bytes)
{
	struct stat st;

	*bytes = 0;
	if (stat(path, &st) != 0)
		return errno == ENOENT ? 0 : errno;
	*bytes = (uint64_t)st.st_blocks * SECTOR_BYTES;
	return 0;
}

int probe_device_bytes(const char *folder, uint64_t *bytes)
{
	char line[512];
	struct stat st;
	FILE *file = NULL;
	int rc = ENODEV;

	*bytes = 0;
	if (stat(folder, &st) != 0)
		return errno;
	file = fopen("/proc/diskstats", "r");
	if (file == NULL)
		return errno;
	while (rc != 0 && fgets(line, sizeof line, file) != NULL) {
		unsigned device_major, device_minor;
		uint64_t sectors;

		/* major minor name, four counters of reads, writes, merged writes, sectors written */
		if (sscanf(line, "%u %u %*s %*u %*u %*u %*u %*u %*u %" SCNu64, &device_major, &device_minor,
			   &sectors) != 3)
			continue;
		if (device_major == major(st.st_dev) && device_minor == minor(st.st_dev)) {
			*bytes = sectors * SECTOR_BYTES;
			rc = 0;
		}
	}
	if (fclose(file) != 0 && rc == 0)
		rc = EIO;
	return rc;
}

int probe_sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return errno;
	if (syncfs(fd) != 0)
		rc = errno;
	if (close(fd) != 0 && rc == 0)
		rc = errno;
	return rc;
}

/* The head of a mapping in smaps is "from-to perms offset device inode [path]"; inode 0 means that no file is behind
 * it. */
static int mapping_is_anonymous(const char *line)
{
	unsigned long inode;

	if (sscanf(line, "%*x-%*x %*4s %*x %*x:%*x %lu", &inode) != 1)
		return -1;
	return inode == 0;
}

int probe_anonymous_bytes(uint64_t *bytes)
{
	char line[PATH_MAX + 128];
	FILE *file;
	int anonymous = 0;

	*bytes = 0;
	malloc_trim(0);
	file = fopen("/proc/self/smaps", "r");
	if (file == NULL)
		return errno;
	while (fgets(line, sizeof line, file) != NULL) {
		uint64_t kilobytes;
		int head = mapping_is_anonymous(line);

		if (head >= 0)
			anonymous = head;
		else if (anonymous && sscanf(line, "Anonymous: %" SCNu64 " kB", &kilobytes) == 1)
			*bytes += kilobytes * 1024;
	}
	return fclose(file) == 0 ? 0 : EIO;
}

static int resident_percent(int fd, uint64_t size, double *percent)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t pages = (size + page - 1) / page, resident = 0;
	unsigned char *states = NULL;
	void *base = MAP_FAILED;
	int rc = 0;

	*percent = 0;
	if (pages == 0)
		return 0;
	base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	states = malloc(pages);
	if (base == MAP_FAILED || states == NULL) {
		rc = ENOMEM;
		goto out;
	}
	if (mincore(base, size, states) != 0) {
		rc = errno;
		goto out;
	}
	for (uint64_t i = 0; i < pages; i++)
		resident += states[i] & 1;
	*percent = 100 * (double)resident / (double)pages;
out:
	free(states);
	if (base != MAP_FAILED && munmap(base, size) != 0 && rc == 0)
		rc = errno;
	return rc;
}

int probe_drop_cache(const char *path, double *left_percent)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	*left_percent = 0;
	if (fd < 0)
		return errno;
	if (fsync(fd) != 0 || fstat(fd, &st) != 0)
		rc = errno;
	if (rc == 0)
		rc = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (rc == 0)
		rc = resident_percent(fd, (uint64_t)st.st_size, left_percent);
	if (close(fd) != 0 && rc == 0)
		rc = errno;
	return rc;
}

int probe_bare_appends(const char *folder, size_t count, uint64_t *times_ns)
{
	static unsigned char block[APPEND_BYTES];
	char path[PATH_MAX];
	int fd, rc = 0;

	memset(block, 0x5a, sizeof block);
	if (snprintf(path, sizeof path, "%s/gkv-bench-%ld.append", folder, (long)getpid()) >= (int)sizeof path)
		return ENAMETOOLONG;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	for (size_t i = 0; i < count && rc == 0; i++) {
		uint64_t start = clock_wall_ns();

		if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
			rc = errno != 0 ? errno : EIO;
		else if (fdatasync(fd) != 0)
			rc = errno;
		times_ns[i] = clock_wall_ns() - start;
	}
	if (close(fd) != 0 && rc == 0)
		rc = errno;
	if (unlink(path) != 0 && rc == 0)
		rc = errno;
	return rc;
}
