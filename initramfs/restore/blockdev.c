// SPDX-License-Identifier: GPL-2.0-only
/* The block device of a file system, found by the UUID on it, and its read-only guard. */
#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs.h"

/* 1: @dev holds the file system; 0: it does not. */
static int holds(const char *dev, const struct m_superblock *sb)
{
	blkid_probe pr = blkid_new_probe_from_filename(dev);
	const char *uuid = NULL, *type = NULL;
	size_t len = 0;
	int found = 0;

	if (!pr)
		return 0;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_UUIDRAW | BLKID_SUBLKS_TYPE);
	if (!blkid_do_safeprobe(pr) &&
	    !blkid_probe_lookup_value(pr, "UUID_RAW", &uuid, &len) &&
	    !blkid_probe_lookup_value(pr, "TYPE", &type, NULL))
		found = len == sizeof(sb->uuid) && !memcmp(uuid, sb->uuid, len) &&
			!strcmp(type, sb->fstype);
	blkid_free_probe(pr);
	return found;
}

int blockdev_find(struct restore *r, const struct m_superblock *sb, char dev[80])
{
	char line[256], name[64];
	_cleanup_fclose_ FILE *f = NULL;

	snprintf(dev, 80, "/dev/%s", sb->devname);
	if (!sb->has_uuid)
		return access(dev, F_OK) ? r_fail(r, -ENODEV, "%s is not there", dev) : 0;
	/* The name it had is the likeliest one. */
	if (holds(dev, sb))
		return 0;
	f = fopen("/proc/partitions", "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*u %*u %*u %63s", name) != 1)
			continue;
		snprintf(dev, 80, "/dev/%s", name);
		if (holds(dev, sb))
			return 0;
	}
	return r_fail(r, -ENODEV, "no device holds the %s file system that was on %s", sb->fstype,
		      sb->devname);
}

int blockdev_readonly(struct restore *r, const char *dev, int on)
{
	int fd = open(dev, O_RDONLY | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return r_fail(r, -errno, "cannot open %s", dev);
	if (ioctl(fd, BLKROSET, &on))
		ret = r_fail(r, -errno, "cannot make %s %s", dev, on ? "read-only" : "writable");
	close(fd);
	return ret;
}
