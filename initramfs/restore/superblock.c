// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every super block is mounted once on a folder of its own in the initramfs. Those on disk are
 * mounted read-only from a device that is read-only itself, until the commit.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs.h"

#define BASE_DIR "/.overlay-base"

/* Hangs on m_superblock.restore. */
struct base {
	char path[64], dev[80];
	bool guarded;	/* the device was made read-only by us */
};

const char *superblock_base(const struct m_superblock *sb)
{
	return sb->restore ? ((struct base *)sb->restore)->path : NULL;
}

/* The flags of mount(2) that belong to the super block. */
#define SB_FLAGS (MS_SYNCHRONOUS | MS_DIRSYNC | MS_LAZYTIME | MS_MANDLOCK)

static const char *source_of(struct restore *r, const struct m_superblock *sb)
{
	struct m_mount *m;

	vec_foreach(m, &r->m->mounts)
		if (m->sb == sb && m->devname)
			return m->devname;
	return sb->fstype;
}

/* What was unmounted a moment ago may be busy still. */
static int mount_again(const char *source, const char *target, const char *type, unsigned long flags,
		       const char *options)
{
	int ret;

	for (int i = 0; (ret = mount(source, target, type, flags, options)) && errno == EBUSY && i < 100; i++)
		usleep(50000);
	return ret;
}

static int mount_one(struct restore *r, struct m_superblock *sb, struct base *b)
{
	unsigned long flags = sb->sb_flags & SB_FLAGS;
	const char *source = source_of(r, sb);
	int ret;

	if (sb->kind == M_FS_BLOCK) {
		ret = blockdev_find(r, sb, b->dev);
		if (!ret && !r->rw) {
			ret = blockdev_readonly(r, b->dev, 1);
			b->guarded = !ret;
		}
		if (ret)
			return ret;
		source = b->dev;
		if (!r->rw || sb->readonly)
			flags |= MS_RDONLY;
	} else if (sb->readonly && sb->kind != M_FS_TMPFS && sb->kind != M_FS_RAMFS) {
		flags |= MS_RDONLY;
	}
	if (mount_again(source, b->path, sb->fstype, flags, sb->options) &&
	    /* An option that this kernel has no more, or shows but does not take. */
	    (errno != EINVAL || mount_again(source, b->path, sb->fstype, flags, NULL)))
		return r_fail(r, -errno, "cannot mount the %s file system of %s", sb->fstype, source);
	return 0;
}

static int fill_one(struct restore *r, struct m_superblock *sb, struct base *b)
{
	int fd, ret = 0;

	if (!sb->root || (sb->kind != M_FS_TMPFS && sb->kind != M_FS_RAMFS && sb->kind != M_FS_DEVTMPFS))
		return 0;
	fd = open(b->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return r_fail(r, -errno, "cannot open %s", b->path);
	ret = tmpfs_fill(r, sb, fd, sb->kind == M_FS_DEVTMPFS);
	close(fd);
	if (!ret && sb->readonly && sb->kind != M_FS_DEVTMPFS &&
	    mount(NULL, b->path, NULL, MS_REMOUNT | MS_RDONLY, NULL))
		ret = r_fail(r, -errno, "cannot make a %s read-only", sb->fstype);
	return ret;
}

int superblocks_mount(struct restore *r)
{
	struct m_superblock *sb;
	struct m_mount *m;
	int n = 0, ret;

	if (mkdir(BASE_DIR, 0700) && errno != EEXIST)
		return r_fail(r, -errno, "cannot make %s", BASE_DIR);
	vec_foreach(m, &r->m->mounts) {
		struct base *b;

		sb = m->sb;
		if (sb->restore || (!m->parent && !strcmp(sb->fstype, "rootfs")))
			continue;
		b = sb->restore = calloc(1, sizeof(*b));
		if (!b)
			return r_fail(r, -ENOMEM, "no memory");
		snprintf(b->path, sizeof(b->path), "%s/%d", BASE_DIR, n++);
		if (mkdir(b->path, 0700) && errno != EEXIST)
			return r_fail(r, -errno, "cannot make %s", b->path);
		ret = mount_one(r, sb, b);
		if (!ret)
			ret = fill_one(r, sb, b);
		if (ret)
			return ret;
	}
	return 0;
}

int superblocks_writable(struct restore *r)
{
	struct m_superblock *sb;
	int ret;

	vec_foreach(sb, &r->m->superblocks) {
		struct base *b = sb->restore;

		if (!b || sb->kind != M_FS_BLOCK)
			continue;
		if (b->guarded && (ret = blockdev_readonly(r, b->dev, 0)))
			return ret;
		b->guarded = false;
		if (!sb->readonly &&
		    mount(NULL, b->path, NULL, MS_REMOUNT | (sb->sb_flags & SB_FLAGS), NULL))
			return r_fail(r, -errno, "cannot make the %s file system on %s writable",
				      sb->fstype, b->dev);
	}
	return 0;
}

/* The mounts that are clones of the bases stay, unless it is to be as if none had been. */
void superblocks_unmount(struct restore *r, bool undo)
{
	struct m_superblock *sb;

	vec_foreach(sb, &r->m->superblocks) {
		struct base *b = sb->restore;

		if (!b)
			continue;
		umount2(b->path, MNT_DETACH);
		rmdir(b->path);
		if (undo && b->guarded)
			blockdev_readonly(r, b->dev, 0);
		free(b);
		sb->restore = NULL;
	}
	rmdir(BASE_DIR);
}
