// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block devices of the machine's file systems, found by what is on them: names differ between
 * kernels, and nobody runs udev here.
 * Never: writes to a device.
 */
#include <blkid/blkid.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "mounts.h"
#include "util/cleanup.h"

static void uuid_text(const u8 u[16], char s[37])
{
	snprintf(s, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
		 u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
		 u[14], u[15]);
}

static int probe(const char *node, const char *uuid)
{
	_cleanup_close_ int fd = open(node, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	blkid_probe pr = fd < 0 ? NULL : blkid_new_probe();
	const char *found = NULL;
	int match = 0;

	if (!pr)
		return 0;
	blkid_probe_enable_superblocks(pr, 1);
	blkid_probe_set_superblocks_flags(pr, BLKID_SUBLKS_UUID | BLKID_SUBLKS_TYPE);
	if (!blkid_probe_set_device(pr, fd, 0, 0) && !blkid_do_safeprobe(pr))
		match = !blkid_probe_lookup_value(pr, "UUID", &found, NULL) && !strcasecmp(found, uuid);
	blkid_free_probe(pr);
	return match;
}

/* Something else (md, dm, bcache) is made of it: that is what holds the file system. */
static bool has_holders(const char *name)
{
	struct dirent *de;
	char path[128];
	bool any = false;
	DIR *d;

	snprintf(path, sizeof(path), "/sys/class/block/%s/holders", name);
	d = opendir(path);
	while (d && (de = readdir(d)))
		any |= de->d_name[0] != '.';
	if (d)
		closedir(d);
	return any;
}

/* The rows of /proc/partitions: every block device that has a size. */
static int find_node(struct restore *r, const char *uuid, const char *was, char node[80])
{
	_cleanup_fclose_ FILE *f = fopen("/proc/partitions", "re");
	char line[256], name[64], path[80];
	unsigned long long blocks;

	node[0] = '\0';
	if (!f)
		return r_fail(r, -errno, "/proc/partitions: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, " %*u %*u %llu %63s", &blocks, name) != 2 || has_holders(name))
			continue;
		for (char *p = name; (p = strchr(p, '!')); p++)
			*p = '/';
		snprintf(path, sizeof(path), "/dev/%s", name);
		if (!probe(path, uuid))
			continue;
		if (node[0])
			return r_fail(r, -ENOTUNIQ, "%s and %s both have a file system with the UUID %s "
						    "(%s of the machine)", node, path, uuid, was);
		strcpy(node, path);
	}
	return node[0] ? 0 : r_fail(r, -ENODEV, "no device has a file system with the UUID %s "
						"(%s of the machine)", uuid, was);
}

int blockdev_find(struct restore *r, struct r_sb *sb)
{
	struct r_blockdev *dev;
	char uuid[37];
	int ret;

	if (!sb->m->has_uuid)
		return r_fail(r, -ENODEV, "the file system on %s has no UUID to find it by",
			      sb->m->devname);
	uuid_text(sb->m->uuid, uuid);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return r_fail(r, -ENOMEM, "no memory");
	dev->fd = -1;
	sb->dev = dev;
	ret = find_node(r, uuid, sb->m->devname, dev->node);
	if (ret)
		return ret;
	dev->fd = open(dev->node, O_RDONLY | O_CLOEXEC);
	if (dev->fd < 0 || ioctl(dev->fd, BLKROGET, &dev->was_ro))
		return r_fail(r, -errno, "cannot open %s", dev->node);
	return 0;
}

#define EXT4_MNT_COUNT 0x34
#define EXT4_INCOMPAT 0x60
#define EXT4_RECOVER 0x4u

/* Tell what happened, as far as it can be told: struct ext4_super_block, fs/ext4/ext4.h. */
static int changed(struct restore *r, const struct r_sb *sb, const u8 *was, const u8 *is)
{
	const char *what = "was written to";
	u32 incompat;

	memcpy(&incompat, is + EXT4_INCOMPAT, sizeof(incompat));
	if (incompat & EXT4_RECOVER)
		what = "is mounted, or was not unmounted";
	else if (memcmp(was + EXT4_MNT_COUNT, is + EXT4_MNT_COUNT, 2))
		what = "was mounted";
	return r_fail(r, -ESTALE, "the file system on %s %s since the machine was suspended: "
				  "going on would destroy it", sb->dev->node, what);
}

int blockdev_check(struct restore *r, struct r_sb *sb)
{
	_cleanup_close_ int fd = open(sb->dev->node, O_RDONLY | O_DIRECT | O_CLOEXEC);
	u64 off = sb->m->ident_offset, start = off & OHIB_PAGE_MASK;
	size_t len = sb->m->ident_len, span = (off + len - start + OHIB_PAGE_SIZE - 1) & OHIB_PAGE_MASK;
	_cleanup_free_ u8 *now = NULL;
	u32 incompat;

	if (!sb->m->ident || len < EXT4_INCOMPAT + 4)
		return r_fail(r, -ENODATA, "the image does not tell the state of the file system on %s",
			      sb->dev->node);
	memcpy(&incompat, sb->m->ident + EXT4_INCOMPAT, sizeof(incompat));
	if (incompat & EXT4_RECOVER)
		return r_fail(r, -EUCLEAN, "the file system on %s was not clean when the machine was "
					   "suspended", sb->dev->node);
	now = aligned_alloc(OHIB_PAGE_SIZE, span);
	if (!now)
		return r_fail(r, -ENOMEM, "no memory");
	if (fd < 0 || pread(fd, now, span, (off_t)start) != (ssize_t)span)
		return r_fail(r, errno ? -errno : -EIO, "cannot read %s", sb->dev->node);
	return memcmp(now + (off - start), sb->m->ident, len) ?
		       changed(r, sb, sb->m->ident, now + (off - start)) : 0;
}

int blockdev_lock(struct restore *r, struct r_blockdev *dev)
{
	if (dev->was_ro)
		return 0;
	if (ioctl(dev->fd, BLKROSET, &(int){ 1 }))
		return r_fail(r, -errno, "cannot make %s read-only", dev->node);
	dev->set_ro = true;
	return 0;
}

int blockdev_unlock(struct restore *r, struct r_blockdev *dev)
{
	if (!dev->set_ro)
		return 0;
	if (ioctl(dev->fd, BLKROSET, &(int){ 0 }))
		return r_fail(r, -errno, "cannot make %s writable", dev->node);
	dev->set_ro = false;
	return 0;
}

int blockdev_replace(struct restore *r, struct r_blockdev *dev, const char *node)
{
	close(dev->fd);
	dev->set_ro = false;
	snprintf(dev->node, sizeof(dev->node), "%s", node);
	dev->fd = open(dev->node, O_RDONLY | O_CLOEXEC);
	if (dev->fd < 0 || ioctl(dev->fd, BLKROGET, &dev->was_ro))
		return r_fail(r, -errno, "cannot open %s", dev->node);
	return 0;
}

void blockdev_close(struct r_blockdev *dev)
{
	if (!dev)
		return;
	if (dev->fd >= 0)
		close(dev->fd);
	free(dev);
}
