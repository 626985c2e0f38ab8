/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the gkv authors */

/* machine.c: which machine the figures belong to. It names the kind of machine, never the machine itself: no host name,
 * no path. */

#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "tests/bench/probe.h"

static void processor_name(char *out, size_t capacity)
{
	char line[256];
	FILE *file = fopen("/proc/cpuinfo", "r");

	snprintf(out, capacity, "unknown");
	if (file == NULL)
		return;
	while (fgets(line, sizeof line, file) != NULL) {
		char *colon = strchr(line, ':');

		if (colon == NULL || strncmp(line, "model name", 10) != 0)
			continue;
		colon[1 + strcspn(colon + 1, "\n")] = '\0';
		snprintf(out, capacity, "%.*s", (int)capacity - 1, colon + 2);
		break;
	}
	fclose(file);
}

static void file_system_name(const char *folder, char *out, size_t capacity)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} known[] = {{0xef53, "ext4"},     {0x58465342, "xfs"}, {0x9123683e, "btrfs"},   {0x01021994, "tmpfs"},
		     {0xf2f52010, "f2fs"}, {0x2fc12fc1, "zfs"}, {0x794c7630, "overlay"}, {0xca451a4e, "bcachefs"}};
	struct statfs st;

	snprintf(out, capacity, "unknown");
	if (statfs(folder, &st) != 0)
		return;
	snprintf(out, capacity, "type %lx", (unsigned long)st.f_type);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (known[i].magic == (unsigned long)st.f_type)
			snprintf(out, capacity, "%s", known[i].name);
	}
}

/* The first line of a file of sysfs about the device of that folder; "" when it is not there. */
static void device_line(const struct stat *st, const char *file, char *out, int capacity)
{
	char path[128];
	FILE *sysfs;

	out[0] = '\0';
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u/%s", major(st->st_dev), minor(st->st_dev), file);
	sysfs = fopen(path, "r");
	if (sysfs == NULL)
		return;
	if (fgets(out, capacity, sysfs) == NULL)
		out[0] = '\0';
	fclose(sysfs);
}

/* The name of a device that is no partition, or of the one that it is a part of, in a link's last or last but one
 * component. */
static void device_name(const struct stat *st, bool partition, char *out, size_t capacity)
{
	char path[128], target[512];
	ssize_t length;

	out[0] = '\0';
	snprintf(path, sizeof path, "/sys/dev/block/%u:%u", major(st->st_dev), minor(st->st_dev));
	length = readlink(path, target, sizeof target - 1);
	if (length <= 0)
		return;
	target[length] = '\0';
	for (int cut = partition ? 2 : 1; cut > 0; cut--) {
		char *slash = strrchr(target, '/');

		if (slash == NULL)
			return;
		snprintf(out, capacity, "%.*s", (int)capacity - 1, slash + 1);
		*slash = '\0';
	}
}

static void disk_kind(const char *folder, char *out, size_t capacity)
{
	static const struct {
		const char *prefix, *name;
		bool turns; /* what the kernel says of that is worth something */
	} known[] = {{"nvme", "NVMe", false},
		     {"sd", "SCSI or SATA", true},
		     {"vd", "virtio (the disk of a virtual machine)", false},
		     {"mmcblk", "MMC card", false},
		     {"dm-", "device mapper", true},
		     {"md", "software RAID", true}};
	struct stat st;
	char partition[16], rotational[16], name[32];

	snprintf(out, capacity, "unknown");
	if (stat(folder, &st) != 0)
		return;
	device_line(&st, "partition", partition, sizeof partition);
	device_line(&st, partition[0] != '\0' ? "../queue/rotational" : "queue/rotational", rotational,
		    sizeof rotational);
	device_name(&st, partition[0] != '\0', name, sizeof name);
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
		if (strncmp(name, known[i].prefix, strlen(known[i].prefix)) == 0)
			snprintf(out, capacity, "%s%s", known[i].name,
				 known[i].turns && rotational[0] == '1' ? ", rotating" : "");
	}
}

void probe_machine(const char *folder, struct machine *out)
{
	struct utsname name;
	long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

	memset(out, 0, sizeof *out);
	processor_name(out->processor, sizeof out->processor);
	file_system_name(folder, out->file_system, sizeof out->file_system);
	disk_kind(folder, out->disk, sizeof out->disk);
	snprintf(out->kernel, sizeof out->kernel, "unknown");
	if (uname(&name) == 0)
		snprintf(out->kernel, sizeof out->kernel, "%.30s %.40s %.20s", name.sysname, name.release,
			 name.machine);
#ifdef __clang__
	snprintf(out->compiler, sizeof out->compiler, "clang %s", __clang_version__);
#else
	snprintf(out->compiler, sizeof out->compiler, "gcc %s", __VERSION__);
#endif
	out->processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (pages > 0 && page > 0)
		out->memory_gib = (double)pages * (double)page / (double)(1 << 30);
}
