// SPDX-License-Identifier: GPL-2.0-only
/*
 * The block devices of the machine's file systems, found by what is on them: names differ between
 * kernels, and nobody runs udev here.
 * Never: writes to a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "disk/super.h"
#include "mounts.h"

int blockdev_find(struct restore *r, struct r_sb *sb)
{
	struct r_blockdev *dev;
	int ret;

	if (!sb->m->has_uuid)
		return r_fail(r, -ENODEV, "the file system on %s has no UUID to find it by",
			      sb->m->devname);
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return r_fail(r, -ENOMEM, "no memory");
	dev->fd = -1;
	sb->dev = dev;
	ret = super_find(sb->m->uuid, sb->m->devname, dev->node, r->e);
	if (ret)
		return ret;
	dev->fd = open(dev->node, O_RDONLY | O_CLOEXEC);
	if (dev->fd < 0 || ioctl(dev->fd, BLKROGET, &dev->was_ro))
		return r_fail(r, -errno, "cannot open %s", dev->node);
	return 0;
}

int blockdev_check(struct restore *r, struct r_sb *sb)
{
	const struct m_superblock *m = sb->m;
	int ret = super_compare(sb->dev->node, m->ident, m->ident_len, m->ident_offset, r->e);

	if (!ret && !super_is_clean(m->ident))
		ret = r_fail(r, -EUCLEAN, "the file system on %s was not clean when the machine was suspended",
			     sb->dev->node);
	return ret;
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
