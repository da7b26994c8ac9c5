// SPDX-License-Identifier: GPL-2.0-only
/*
 * ext4 with files on its orphan list can be mounted read-only from a read-only device, but not be
 * made writable after (ext4_remount: "because of unprocessed orphan inode list").
 * Reads: the mounts of the caller, the super blocks on their devices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "engine.h"

#define EXT4_MAGIC 0xef53u
#define EXT4_ORPHAN_PRESENT 0x10000u /* s_feature_ro_compat, 5.15 */

/* "/dev/" and the name of block device @dev, as in mountinfo: "8:1". */
static int device_node(const char *dev, char node[80])
{
	char path[64], line[96];
	int ret = -ENODEV;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/dev/block/%.32s/uevent", dev);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, "DEVNAME=", 8))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(node, 80, "/dev/%.70s", line + 8);
		ret = 0;
	}
	if (f)
		fclose(f);
	return ret;
}

static int has_orphans(const char *node, bool *has)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC);
	u32 orphan, ro_compat;
	u8 raw[1024];
	u16 magic;

	if (fd < 0)
		return -errno;
	if (pread(fd, raw, sizeof(raw), 1024) != (ssize_t)sizeof(raw))
		return -EIO;
	memcpy(&magic, raw + 0x38, sizeof(magic));
	memcpy(&ro_compat, raw + 0x64, sizeof(ro_compat));
	memcpy(&orphan, raw + 0xe8, sizeof(orphan));
	*has = magic == EXT4_MAGIC && (orphan || ro_compat & EXT4_ORPHAN_PRESENT);
	return 0;
}

int orphans_find(struct restore *r, bool *found)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	char dev[32], node[80];
	const char *type;
	size_t room = 0;
	bool has = false;
	int ret;

	if (!f)
		return r_fail(r, -errno, "cannot read the mounts");
	while (getline(&line, &room, f) > 0) {
		type = strstr(line, " - ");
		if (!type || strncmp(type + 3, "ext", 3) || sscanf(line, "%*d %*d %31s", dev) != 1)
			continue;
		ret = device_node(dev, node);
		if (!ret)
			ret = has_orphans(node, &has);
		if (ret)
			return r_fail(r, ret, "cannot read the super block on device %s", dev);
		*found |= has;
	}
	return 0;
}
