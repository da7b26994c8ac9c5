/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files that bring up the mount tree share. */
#pragma once

#include "engine.h"

#define MOUNTS_BASE "/run/overlay-root"	/* a private tmpfs while the tree is being built */

/* A super block of this kernel, standing in for one of the machine. Hangs on m_superblock.restore. */
struct r_sb {
	struct m_superblock *m;
	int fd;			/* O_PATH, root of a mount of all of it; outlives that mount */
	char place[64];		/* where it is mounted while the tree is built; empty: nowhere */
	struct r_blockdev *dev;	/* M_FS_BLOCK */
	VEC(struct r_made) made; /* devtmpfs: what was added to the kernel's own instance */
	char *source;		/* first column of /proc/mounts */
};

struct r_made {
	char *path;		/* relative to the root of the file system */
	bool dir;
};

/* A block device with a file system of the machine. */
struct r_blockdev {
	char node[80];
	int fd;			/* read-only */
	int was_ro;		/* BLKROGET of before */
	bool set_ro;		/* we have changed it */
};

/* Hangs on m_mount.restore: the mount that was made for it. */
struct r_mount {
	int fd;			/* O_PATH of its root */
	bool placed;		/* in the tree; before: parked */
};

struct mount_tree {
	VEC(struct r_sb *) sbs;	/* order of making */
	VEC(char *) initramfs;	/* where the initramfs has mounted something, in its order */
	int parked;
	size_t places;		/* of super blocks */
	bool staged;		/* MOUNTS_BASE is mounted */
	bool moved;		/* the tree is over / */
};

/* devices.c: find the device of @sb, which is to be the only one with its UUID; nothing is written. */
int blockdev_find(struct restore *r, struct r_sb *sb);
/* -ESTALE: it is not as the machine left it. */
int blockdev_check(struct restore *r, struct r_sb *sb);
int blockdev_lock(struct restore *r, struct r_blockdev *dev);	/* read-only */
int blockdev_unlock(struct restore *r, struct r_blockdev *dev);	/* as it was */
/* Go on with the device @node, which has the same on it; the one before stays as it is now. */
int blockdev_replace(struct restore *r, struct r_blockdev *dev, const char *node);
void blockdev_close(struct r_blockdev *dev);

/* fsmake.c: *@fd is a mount that is attached nowhere. Disks: read-only while r->rw is not set. */
int fs_make(struct restore *r, struct r_sb *sb, int *fd);
/* Change a mounted one: the comma-separated @options, and whether it is read-only. */
int fs_change(struct restore *r, struct r_sb *sb, const char *options, bool readonly);

/* tmpfs.c: contents of @sb, which is mounted; sockets that somebody holds come later. */
int tmpfs_fill(struct restore *r, struct r_sb *sb);
int tmpfs_finish(struct restore *r, struct r_sb *sb);	/* what the making of sockets has disturbed */

/* devtmpfs.c */
int devtmpfs_add(struct restore *r, struct r_sb *sb);	/* names that this kernel has not made */
int devtmpfs_attrs(struct restore *r, struct r_sb *sb);	/* owners and modes; after the commit */
void devtmpfs_undo(struct r_sb *sb);

/* inode.c: owner, mode, extended attributes and times of @name in @dir; "" is @dir itself. */
int inode_attrs(struct restore *r, struct m_inode *i, int dir, const char *name);
int inode_flags_check(struct restore *r, struct m_inode *i, int dir, const char *name);
int inode_flags(struct restore *r, struct m_inode *i, int dir, const char *name);

/* sharing.c: propagation as the machine had it; nothing in the namespace is shared before. */
int sharing_check(struct restore *r);
int sharing_set(struct restore *r);

/* leave.c: give up the initramfs, whose root is the root of the caller. */
int initramfs_list(struct restore *r);	/* before the first mount of our own */
int initramfs_unmount(struct restore *r);
int initramfs_delete(struct restore *r, int root_fd);
